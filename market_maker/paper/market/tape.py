"""The tape: a recorded market, replayed as the other participants of one instrument.

A tape is read as a stream. `survey` reads its beginning, for what must be known before it plays;
`play` reads it from the first line on, while it plays.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from math import gcd
from typing import NamedTuple

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Instrument, Key
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from market_maker.paper.market.crowd import Step
from market_maker.paper.market.recording import (
    FORMATS,
    SCALE,
    Image,
    Level,
    Reader,
    Record,
    Trades,
    Update,
)

BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
SURVEYED = 5_000
"""Lines that a survey reads: half a second of work at most."""
REST = 100
"""Lines without a market after which `play` yields a step without moves."""


class Survey(NamedTuple):
    """What the beginning of a tape tells of it."""

    key: Key
    tick: Decimal
    lot: Decimal
    start: Decimal  # the first trade, or the middle of the book
    has_image: bool
    began: int  # ms UTC
    unit: str  # of its times

    def __str__(self) -> str:
        began = datetime.fromtimestamp(self.began // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        book = (
            "from its first full image on"
            if self.has_image
            else f"without a full image in its first {SURVEYED} lines: the book is built up"
            " from the updates, and lacks what does not change"
        )
        return (
            f"The tape plays as {named(self.key)}, {book}."
            f" It begins at {began} UTC (times in {self.unit}); tick {self.tick}, lot {self.lot}."
        )


def survey(
    lines: Iterable[bytes], name: str, listed: Collection[Instrument], wanted: str = ""
) -> Survey:
    """Read the beginning of a tape; `wanted` names the instrument that is to play it.

    Raises ValueError with the file and the line that is not valid, or for a market that no listed
    instrument can play.
    """
    reader = Reader(name)
    found: list[tuple[int, Record]] = []
    fraction: ValueError | None = None
    for time, record in reader.records(islice(lines, SURVEYED)):
        if record:
            found.append((time, record))
            if not fraction and any(level.size % 1 for level in record.levels):
                fraction = reader.error("contracts are whole, and these are not; as spot they may")
    images = [record for _, record in found if isinstance(record, Image)]
    counted = [one for one in _effective(found, bool(images)) if one]
    trades = [each for _, one in counted if isinstance(one, Trades) for each in one.levels]
    levels = [level for _, record in found for level in record.levels]
    if not images and not trades and len({level.side for level in levels}) < len(Side):
        read = reader.line - 1
        raise ValueError(f"{name}: no book and no trade in its first {read} lines. {FORMATS}")
    instrument = _instrument(reader.market, name, wanted, listed)
    if fraction and instrument.key.kind == CONTRACT:
        raise fraction
    tick = _tick(level.price for level in levels)
    return Survey(
        key=instrument.key,
        tick=tick,
        lot=_lot((level.size for level in levels), instrument.lot),
        start=trades[0].price if trades else _middle((images or [Image(levels, 0)])[0], tick),
        has_image=bool(images),
        began=found[0][0],
        unit=reader.unit,
    )


def play(
    lines: Iterable[bytes], name: str, surveyed: Survey, *, speed: float = 1.0
) -> Iterator[Step]:
    """Yield the steps of a tape at their recorded times, `speed` times as fast.

    Raises ValueError at a line that is not valid, or that is off the tick or the lot of the survey.
    """
    reader = Reader(name)
    resting: set[tuple[Side, int]] = set()
    began: int | None = None
    latest = 0
    records = _effective(reader.records(lines), surveyed.has_image)
    for number, record_at in enumerate(records, 1):
        if record_at is None:
            if number % REST == 0:
                yield Step(latest, [])
            continue
        time, record = record_at
        began = time if began is None else began
        latest = max(round((time - began) / speed), 0)
        levels = [_in_ticks(level, surveyed, reader) for level in record.levels]
        if isinstance(record, Trades):
            moves: list[Move] = []
            for level, traded in zip(record.levels, levels, strict=True):
                moves += [Take(*traded), Index(level.price)]
        else:
            moves = _depths(levels, resting, is_whole=isinstance(record, Image))
        yield Step(latest, moves)


def _depths(levels: list[Depth], resting: set[tuple[Side, int]], *, is_whole: bool) -> list[Move]:
    """Return the moves to these levels, and note which ones rest then."""
    if is_whole:
        gone = resting - {level[:2] for level in levels}
        levels = levels + [Depth(side, price, 0) for side, price in gone]
        resting.clear()
    # deletes first: within one update a price may move to the other side
    levels = sorted(levels, key=lambda level: level.size > 0)
    for level in levels:
        if level.size:
            resting.add(level[:2])
        else:
            resting.discard(level[:2])
    return [*levels]


def _effective(
    records: Iterable[tuple[int, Record | None]], has_image: bool
) -> Iterator[tuple[int, Record] | None]:
    """Yield records from the first image on, without updates that it contains; None for a rest.

    A tape without an image in its beginning counts from its first record.
    """
    early: list[tuple[int, Update]] = []
    seen: int | None = None if has_image else -1
    for time, record in records:
        if isinstance(record, Image):
            seen = record.last
            yield time, record
            yield from ((time, update) for _, update in early if update.last > seen)
            early.clear()
        elif isinstance(record, Update) and seen is None:
            early.append((time, record))
            yield None
        elif record and seen is not None and (isinstance(record, Trades) or record.last > seen):
            yield time, record
        else:
            yield None


def _in_ticks(level: Level, surveyed: Survey, reader: Reader) -> Depth:
    """Return a level in whole ticks and lots."""
    ticks, lots = level.price / surveyed.tick, level.size / surveyed.lot
    if ticks % 1 or lots % 1:
        raise reader.error(
            f"{level.size} at {level.price} does not fit tick {surveyed.tick} and lot"
            f" {surveyed.lot}, which the first {SURVEYED} lines have shown"
        )
    return Depth(level.side, int(ticks), int(lots))


def named(key: Key) -> str:
    """Return the name of an instrument on the command line."""
    return "/".join(key)


def _instrument(
    market: Key | str, name: str, wanted: str, listed: Collection[Instrument]
) -> Instrument:
    """Return the instrument that is to play a market."""
    found = [
        instrument
        for instrument in listed
        if (named(instrument.key) == wanted if wanted else _is_same(market, instrument))
    ]
    if not found:
        what = wanted or (named(market) if isinstance(market, Key) else market) or "no name"
        names = ", ".join(named(instrument.key) for instrument in listed)
        raise ValueError(
            f"{name}: no instrument for {what} is listed here; --tape-as NAME says which one plays"
            f" it: {names}"
        )
    return found[0]


def _is_same(market: Key | str, instrument: Instrument) -> bool:
    """Return whether a market is that instrument: BTCUSD_PERP is BTC_USD in its own coin."""
    key = instrument.key
    if isinstance(market, Key):
        return market == key
    base, quote = key.symbol.split(instrument.split_char)
    is_home = key.kind == SPOT or key.area == base
    return is_home and market.upper().removesuffix("_PERP") == base + quote


def _middle(image: Image, tick: Decimal) -> Decimal:
    bids = [level.price for level in image.levels if level.size and level.side is Side.BUY]
    asks = [level.price for level in image.levels if level.size and level.side is Side.SELL]
    best = [*sorted(bids)[-1:], *sorted(asks)[:1]]
    return sum(best, Decimal(0)) / max(len(best), 1) // tick * tick


def _divisor(numbers: Iterable[Decimal]) -> int:
    return gcd(*{int(number.scaleb(SCALE)) for number in numbers})


def _tick(prices: Iterable[Decimal]) -> Decimal:
    """Return the coarsest tick of 5, 2 or 1 times a power of ten (at most 5) that fits."""
    divisor = _divisor(prices)
    for power in range(SCALE, 0, -1):
        for factor in (5, 2, 1):
            if divisor % (factor * 10**power) == 0:
                return Decimal(factor).scaleb(power - SCALE)
    return Decimal(1).scaleb(-SCALE)


def _lot(sizes: Iterable[Decimal], usual: Decimal) -> Decimal:
    """Return the usual lot, or if that does not fit the coarsest power of ten that does."""
    divisor, lot = _divisor(sizes), usual
    while divisor % int(lot.scaleb(SCALE)):
        lot /= 10
    return lot
