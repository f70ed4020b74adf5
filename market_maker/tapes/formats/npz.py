"""hftbacktest's npz: one array `data` of events, read and written in blocks.

The fields of an event are ev (flags), exch_ts and local_ts (ns), px, qty, order_id, ival, fval.
The format is read and written with the standard library: it is a zip file of one array in numpy's
format, whose header says the fields. Its prices are floats, taken for the tick that they are
nearest to. It does not name its market.
"""

import ast
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from market_maker.models import Side
from market_maker.tapes.files import Opened, named_damage, unwatched
from market_maker.tapes.market import Market
from market_maker.tapes.records import (
    Gap,
    Image,
    Level,
    Numbered,
    Record,
    TapeError,
    Trades,
    UnknownMarket,
    Update,
)
from market_maker.tapes.subject import Subject

MEMBER = "data.npy"
MAGIC = b"\x93NUMPY"
FIELDS = (
    ("ev", "<u8"),
    ("exch_ts", "<i8"),
    ("local_ts", "<i8"),
    ("px", "<f8"),
    ("qty", "<f8"),
    ("order_id", "<u8"),
    ("ival", "<i8"),
    ("fval", "<f8"),
)
ROW = struct.Struct("<QqqddQqd")
BLOCK = 1024  # rows
EXPECTS = "An npz of hftbacktest holds one array `data` of its events"

DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
KIND = 0xFF
AT_VENUE, HERE, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
SIDES = {Side.BUY: BUY, Side.SELL: SELL}


class Event(NamedTuple):
    """The part of an event that a tape has."""

    flags: int
    time_ns: int
    received_ns: int
    price: float
    size: float


def read(path: Path, subject: Subject, opened: Opened = unwatched) -> Iterator[Numbered | None]:
    """Yield what each event completes, None where that is nothing. Raises TapeError."""
    try:
        subject.is_ours("", "")
    except UnknownMarket as error:
        raise UnknownMarket(f"{path}: {error}", error.name) from None
    gathered = _Gathered(subject)
    number = 0
    for number, event in enumerate(_events(path, opened), 1):
        try:
            yield gathered.add(event)
        except TapeError as error:
            raise TapeError(f"{path}: event {number}: {error}. {EXPECTS}") from None
    yield gathered.rest()


class _Gathered:
    """Gathers the events of a message: those of the same times and kind."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._group: tuple[int, int, int] = (0, 0, 0)
        self._levels: list[Level] = []
        self._is_open = False

    def add(self, event: Event) -> Numbered | None:
        """Return the message that ends before this event."""
        kind = event.flags & KIND
        if kind not in (DEPTH, TRADE, CLEAR, SNAPSHOT) or not event.flags & AT_VENUE:
            return None  # what only a simulation of one's own orders has, or a second copy
        # a book that is emptied and what fills it are one image
        group = (SNAPSHOT if kind == CLEAR else kind, event.time_ns, event.received_ns)
        done = self.rest() if group != self._group else None
        self._group, self._is_open = group, True
        if kind != CLEAR:
            side = Side.BUY if event.flags & BUY else Side.SELL if event.flags & SELL else None
            if side is None:
                raise TapeError("ev: neither a buy nor a sell")
            self._levels.append(Level(side, *self._steps(event)))
        return done

    def _steps(self, event: Event) -> tuple[int, int]:
        try:
            price = self._subject.prices.nearest(event.price)
        except TapeError as error:
            raise TapeError(f"px: {error}") from None
        try:
            return price, self._subject.sizes.nearest(event.size)
        except TapeError as error:
            raise TapeError(f"qty: {error}") from None

    def rest(self) -> Numbered | None:
        """Return the message gathered so far."""
        if not self._is_open:
            return None
        levels, self._levels, self._is_open = self._levels, [], False
        kind, time, received = self._group
        made = Update if kind == DEPTH else Trades if kind == TRADE else Image
        return Numbered(made(time, received, levels))


def _events(path: Path, opened: Opened) -> Iterator[Event]:
    """Yield the events of a file. Raises TapeError for another array, or a damaged file."""
    try:
        with (
            path.open("rb") as plain,
            named_damage(),
            zipfile.ZipFile(plain) as archive,
            archive.open(MEMBER) as source,
        ):
            opened(plain)
            count, layout, places = _header(source)
            while count > 0:
                wanted = min(count, BLOCK) * layout.size
                block = source.read(wanted)
                if len(block) < wanted:
                    raise TapeError(f"the array ends {count} events before its end")
                for row in layout.iter_unpack(block):
                    yield Event(*[row[place] for place in places])
                count -= BLOCK
    except (TapeError, KeyError, SyntaxError, ValueError, TypeError, NotImplementedError) as error:
        raise TapeError(f"{path}: the file is damaged or no npz: {error}. {EXPECTS}") from None


def _header(source: IO[bytes]) -> tuple[int, struct.Struct, list[int]]:
    """Return how many rows an array has, their layout, and where in them our fields stand."""
    begin = source.read(8)
    if not begin.startswith(MAGIC):
        raise TapeError(f"{MEMBER} is no array of numpy")
    size = source.read(2 if begin[6] == 1 else 4)
    header: Any = ast.literal_eval(source.read(int.from_bytes(size, "little")).decode("latin1"))
    described, shape = header["descr"], header["shape"]
    if not isinstance(described, list) or len(shape) != 1:
        raise TapeError("an array of hftbacktest 1, or of something else: convert it to version 2")
    layout = "<" + "".join({"<u8": "Q", "<i8": "q", "<f8": "d"}.get(d[1], "?") for d in described)
    names = [each[0] for each in described]
    if "?" in layout or not {name for name, _ in FIELDS[:5]} <= {*names}:
        raise TapeError(f"the array has the fields {', '.join(map(str, names))}")
    return shape[0], struct.Struct(layout), [names.index(name) for name, _ in FIELDS[:5]]


# --- out ----------------------------------------------------------------------------------------


def write(records: Iterable[Record], market: Market, path: Path) -> None:
    """Write records as an npz. What the format cannot say (gaps) is left out.

    The events stand in a file of their own first, as the header says how many there are.
    """
    with tempfile.TemporaryFile(dir=path.parent) as events:
        for record in records:
            events.write(packed(record, market))
        count = events.tell() // ROW.size
        events.seek(0)
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(MEMBER, "w", force_zip64=True) as out,
        ):
            out.write(header(count))
            shutil.copyfileobj(events, out)


def packed(record: Record, market: Market) -> bytes:
    """Return the events of a record."""
    if isinstance(record, Gap):
        return b""
    kind = {Image: SNAPSHOT, Update: DEPTH, Trades: TRADE}[type(record)]
    times = record.time_ns, record.time_ns if record.received_ns is None else record.received_ns
    both = AT_VENUE | HERE
    rows = []
    if isinstance(record, Image):
        rows = [
            ROW.pack(both | flag | CLEAR, *times, _limit(record, side, market), 0.0, 0, 0, 0.0)
            for side, flag in SIDES.items()
        ]
    for side, price, size in record.levels:
        figures = float(price * market.tick), float(size * market.lot)
        rows.append(ROW.pack(both | SIDES[side] | kind, *times, *figures, 0, 0, 0.0))
    return b"".join(rows)


def _limit(image: Image, side: Side, market: Market) -> float:
    """Return the last price of a side, up to which its levels are cleared."""
    prices = [level.price for level in image.levels if level.side is side]
    last = (min(prices) if side is Side.BUY else max(prices)) if prices else 0
    return float(last * market.tick)


def header(count: int) -> bytes:
    """Return the header of an array of so many events, in numpy's format 1.0."""
    text = repr({"descr": list(FIELDS), "fortran_order": False, "shape": (count,)})
    padded = text + " " * (-(len(MAGIC) + 4 + len(text) + 1) % 64) + "\n"
    return MAGIC + b"\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode("latin1")
