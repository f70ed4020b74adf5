"""The tape: a recorded market, replayed as the other participants of one instrument.

A tape is read as a stream. `survey` reads its beginning, for what must be known before it plays;
`play` reads it from the first record on, while it plays.
"""

from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, Instrument, Key
from market_maker.paper.exchange.moves import Depths, Index, Move, Take
from market_maker.paper.market.crowd import Step
from market_maker.tapes import (
    Gap,
    Image,
    Level,
    Options,
    Record,
    Tape,
    Trades,
    UnknownMarket,
    iso,
    open_tape,
)
from market_maker.tapes import Side as TapeSide

BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
SURVEYED = 5_000
"""Records and lines without one that a survey reads: half a second of work at most."""
REST = 100
"""Lines without a market after which `play` yields a step without moves."""
SIDES = {TapeSide.BUY: Side.BUY, TapeSide.SELL: Side.SELL}


class Survey(NamedTuple):
    """What the beginning of a tape tells of it."""

    tape: Tape
    key: Key
    start: Decimal  # the first trade, or the middle of the book
    began: int  # ns UTC

    @property
    def tick(self) -> Decimal:
        """The price step of the tape."""
        return self.tape.market.tick

    @property
    def lot(self) -> Decimal:
        """The quantity step of the tape."""
        return self.tape.market.lot

    def __str__(self) -> str:
        book = (
            "from its first full image on"
            if self.tape.has_image
            else "without a full image in its beginning: the book is built up from the updates, and"
            " lacks what does not change"
        )
        return (
            f"The tape plays as {named(self.key)}, {book}. It begins at {iso(self.began)} UTC"
            f" (times in {self.tape.unit}); tick {self.tick}, lot {self.lot}"
            f" ({self.tape.market.known_from})."
        )


def survey(path: Path, listed: Collection[Instrument], wanted: str = "") -> Survey:
    """Read the beginning of a tape; `wanted` names the instrument that is to play it.

    Raises ValueError with the file and the line that is not valid, or for a market that no listed
    instrument can play.
    """
    if wanted and wanted not in map(named, (instrument.key for instrument in listed)):
        raise _no_instrument(path, wanted, listed)
    try:
        tape = open_tape(path, about=Options(symbol=wanted))
    except UnknownMarket as error:
        raise _no_instrument(path, error.name or "no name", listed) from None
    place = wanted or tape.market.place
    keys = [instrument.key for instrument in listed if named(instrument.key) == place]
    if not keys:
        raise _no_instrument(path, place, listed)
    began, prices = beginning(tape)
    if not prices:
        raise ValueError(f"{path}: no book and no trade in its beginning ({tape.format})")
    middle = sum(prices) // len(prices)
    return Survey(tape=tape, key=keys[0], start=middle * tape.market.tick, began=began)


def play(surveyed: Survey, *, speed: float = 1.0) -> Iterator[Step]:
    """Yield the steps of a tape at their recorded times, `speed` times as fast.

    Raises ValueError at a line that is not valid, or that is off the tick or the lot of the tape.
    """
    tick = surveyed.tape.market.tick
    latest = silent = 0
    for record in surveyed.tape.paced():
        if record is None or isinstance(record, Gap):
            silent += 1
            if silent % REST == 0:
                yield Step(latest, [])
            continue
        silent = 0
        latest = round((record.time_ns - surveyed.began) / 1_000_000 / speed)
        yield Step(latest, moves_of(record, tick))


def moves_of(record: Record, tick: Decimal) -> list[Move]:
    """Return the moves of a record of a market with this tick; Gaps have none."""
    if isinstance(record, Gap):
        return []
    if isinstance(record, Trades):
        return [
            move
            for side, price, size in record.levels
            for move in (Take(SIDES[side], price, size), Index(price * tick))
        ]
    # deletes first: within one update a price may move to the other side
    levels = [level for level in record.levels if not level[2]]
    if len(levels) < len(record.levels):
        levels += [level for level in record.levels if level[2]]
    depths = [(SIDES[side], price, size) for side, price, size in levels]
    return [Depths(depths, isinstance(record, Image))]


def named(key: Key) -> str:
    """Return the name of an instrument on the command line."""
    return "/".join(key)


def _no_instrument(path: Path, what: str, listed: Collection[Instrument]) -> ValueError:
    names = ", ".join(named(instrument.key) for instrument in listed)
    return ValueError(
        f"{path}: no instrument for {what} is listed here; --tape-as NAME says which one plays"
        f" it: {names}"
    )


class Beginning(NamedTuple):
    """How a tape begins."""

    time_ns: int  # UTC, of the first record
    prices: list[int]  # ticks: of the first trade, or else best bid and ask; empty if not known


def beginning(tape: Tape) -> Beginning:
    """Return when and at which price a tape begins. Without an image, both sides must be seen."""
    began: int | None = None
    image: list[Level] = []
    for record in islice(tape.paced(), SURVEYED):
        if record is None or isinstance(record, Gap):
            continue
        began = record.time_ns if began is None else began
        if isinstance(record, Trades):
            return Beginning(began, [record.levels[0].price])
        if not (image and tape.has_image):
            image += [level for level in record.levels if level.size]
    bids = [level.price for level in image if level.side is TapeSide.BUY]
    asks = [level.price for level in image if level.side is TapeSide.SELL]
    if not tape.has_image and not (bids and asks):
        return Beginning(began or 0, [])
    return Beginning(began or 0, [*sorted(bids)[-1:], *sorted(asks)[:1]])
