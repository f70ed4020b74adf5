"""The formats of tapes, one file each, and which of them a file is in.

`rows` has what they share. A format reads one file as a stream and puts its levels on the grid of
the `Subject`; it knows nothing of order, gaps, or other files.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from market_maker.tapes.files import (
    Damaged,
    Opened,
    Parser,
    lines_of,
    members,
    read_lines,
    unwatched,
)
from market_maker.tapes.formats import bitmex_csv, bybit, collector, frames, npz, tardis
from market_maker.tapes.formats.rows import Row, columns, split
from market_maker.tapes.records import Numbered, TapeError
from market_maker.tapes.subject import SHOWN, Subject

LOOKED_AT = 500
"""Lines of a file in which its format shows."""


def fits_no_line(_line: str, _content: Row) -> bool:
    """Return False: a format that is not of lines."""
    return False


@dataclass(frozen=True, slots=True)
class Format:
    """A format of lines, or (without a parser) npz."""

    name: str
    """What `--format` takes; formats of one family that belong together share it."""
    words: str
    expects: str
    """What a line is, for errors."""
    fits: Callable[[str, Row], bool] = fits_no_line
    """Whether a line, with the JSON in it, is of this format."""
    parser: Callable[[Subject], Parser] | None = None
    is_level_1: bool = False
    venue: str = ""
    """Of a format that has many markets in one file, one after the other."""

    def read(
        self, path: Path, subject: Subject, opened: Opened = unwatched
    ) -> Iterator[Numbered | None]:
        """Yield what each line completes, None where that is nothing. Raises TapeError."""
        if self.parser is None:
            return npz.read(path, subject, opened)
        return read_lines(path, self.parser(subject), self.expects, opened)


FRAMES = "A line is a time, a space and JSON, or JSON alone that holds its time. The JSON is"
NPZ = Format("npz", "hftbacktest npz", npz.EXPECTS)
FORMATS = (
    Format(
        "gte",
        "frames of GTE's tables",
        f"{FRAMES} a frame of GTE's tables order_book and trade",
        frames.fits_gte,
        frames.GteFrames,
    ),
    Format(
        "hftbacktest",
        "lines of hftbacktest's collector",
        f"{FRAMES} of a futures feed (depthUpdate, trade, aggTrade, an image with lastUpdateId)",
        collector.fits,
        collector.Collector,
    ),
    Format(
        "bitmex",
        "frames of BitMEX's tables",
        f"{FRAMES} a frame of BitMEX's tables orderBookL2 and trade",
        frames.fits_bitmex,
        frames.BitmexFrames,
    ),
    Format(
        "bybit",
        "Bybit order book",
        f"{FRAMES} of Bybit's topics orderbook and publicTrade",
        bybit.fits_book,
        bybit.Book,
    ),
    Format(
        "bybit",
        "Bybit trades CSV",
        "A row is timestamp,symbol,side,size,price and more, the time in seconds",
        bybit.fits_trades,
        bybit.TradesCsv,
    ),
    Format(
        "tardis",
        "Tardis CSV",
        f"The columns are {','.join(tardis.BOOK)}, or {','.join(tardis.TRADES)}",
        tardis.fits,
        tardis.Csv,
    ),
    Format(
        "bitmex-csv",
        "BitMEX trades CSV",
        "A row is timestamp,symbol,side,size,price and more, the time in ISO 8601",
        bitmex_csv.fits_trades,
        bitmex_csv.TradesCsv,
        is_level_1=True,
        venue="bitmex",
    ),
    Format(
        "bitmex-csv",
        "BitMEX quotes CSV",
        f"The columns are {','.join(bitmex_csv.QUOTES)}",
        bitmex_csv.fits_quotes,
        bitmex_csv.QuotesCsv,
        is_level_1=True,
        venue="bitmex",
    ),
)
NAMES = tuple(dict.fromkeys([*(each.name for each in FORMATS), NPZ.name]))
"""What `--format` takes."""


def format_of(path: Path, wanted: str, subject: Subject) -> Format:
    """Return the format that a file is in, and choose the market where it holds many.

    `wanted` is one of NAMES, or empty. Raises TapeError for a file in no format, or not in that
    one, and OSError for one that cannot be read.
    """
    if wanted and wanted not in NAMES:
        raise TapeError(f"--format {wanted}: no such format; there are {', '.join(NAMES)}")
    if wanted in ("", NPZ.name) and npz.MEMBER in members(path):
        return NPZ
    allowed = [each for each in FORMATS if wanted in ("", each.name)]
    head = _head(path)
    for line, content in _with_json(head):
        for each in allowed:
            if each.fits(line, content):
                if each.venue:
                    _choose(path, each.venue, head, subject)
                return each
    if not any(line.strip() for line in head):
        raise TapeError(f"{path} is empty")
    first = next((line for line in head if line.strip()), "")
    known = allowed[0].expects if wanted and allowed else f"Formats: {', '.join(NAMES)}"
    what = f"not {wanted}" if wanted else "in none of the known formats"
    shown = first.strip()[:SHOWN]
    raise TapeError(f"{path}: line 1: {shown!r}: the first {len(head)} lines are {what}. {known}")


def _head(path: Path) -> list[str]:
    """Return the first lines of a file."""
    head: list[str] = []
    try:
        for number, line in enumerate(islice(lines_of(path), LOOKED_AT), 1):
            head.append(str(line, "utf-8-sig" if number == 1 else "utf-8"))
    except (UnicodeDecodeError, Damaged) as error:
        if not head:
            why = str(error) if isinstance(error, Damaged) else "not UTF-8"
            raise TapeError(f"{path}: line 1: {why}") from None
    return head  # what is wrong later on is told by the one who reads it


def _with_json(head: Iterable[str]) -> Iterator[tuple[str, Row]]:
    """Yield lines with the JSON in them, empty where there is none that is valid."""
    for line in head:
        try:
            yield line, split(line)[1]
        except (TapeError, RecursionError):
            yield line, {}


def _choose(path: Path, venue: str, head: list[str], subject: Subject) -> None:
    names = {row[1]: True for row in map(columns, head[1:]) if len(row) > 1}
    try:
        subject.choose([*names], venue)
    except TapeError as error:
        raise TapeError(f"{path}: {error}") from None
