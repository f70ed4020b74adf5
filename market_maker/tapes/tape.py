"""A tape: the files of one recorded market, read as one stream, again and again.

Opening it reads its beginning: the format, the market, and what the rest of its description needs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from market_maker.tapes.files import Opened, read_lines, unwatched
from market_maker.tapes.formats import Format, format_of
from market_maker.tapes.market import NOTHING, Market, Options
from market_maker.tapes.order import counted, from_image, in_time, merged
from market_maker.tapes.records import Gap, Image, Record, TapeError, Trades
from market_maker.tapes.subject import Subject
from market_maker.utils.progress import Progress

BEGINNING = 5_000
"""Lines of each file that opening reads: half a second of work at most."""

LOOK_EVERY = 10_000
"""Records and lines between two looks at how far it is."""


@dataclass(frozen=True, slots=True)
class Tape:
    """A recorded market. It holds no file open, except while its records are read."""

    files: tuple["File", ...]
    market: Market
    unit: str
    """Of its times: s, ms, us, ns, or ISO 8601."""
    has_two_clocks: bool
    """Whether its records have a receive time, too."""
    has_image: bool
    """Whether its beginning holds a whole book; else the book is built up from the updates."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files, in the order in which they were named."""
        return tuple(file.path for file in self.files)

    @property
    def format(self) -> str:
        """The formats of its files in words."""
        return " and ".join(dict.fromkeys(file.format.words for file in self.files))

    @property
    def is_level_1(self) -> bool:
        """Whether of the book only the best level of each side is known."""
        return self.market.is_level_1 or any(file.format.is_level_1 for file in self.files)

    def records(self) -> Iterator[Record]:
        """Yield the records in order of the venue's time, trades before depth at the same time.

        Raises TapeError at a line that is not valid, with the file and the line.
        """
        return (record for record in self.paced() if record is not None)

    def watched(self, what: str) -> Iterator[Record]:
        """Yield the records, and show how far it is if it takes longer than a moment."""
        files: list[BinaryIO] = []
        size = sum(file.path.stat().st_size for file in self.files)
        with Progress(what, 100) as progress:
            shown = 0
            for number, record in enumerate(self.paced(files.append)):
                if number % LOOK_EVERY == 0:
                    here = sum(file.tell() for file in files if not file.closed)
                    done = here + sum(
                        Path(file.name).stat().st_size for file in files if file.closed
                    )
                    while shown * size <= done * 100:
                        progress.step()
                        shown += 1
                if record is not None:
                    yield record

    def paced(self, opened: Opened = unwatched) -> Iterator[Record | None]:
        """Yield the records, and None for each line that yields none, for who must pause.

        `opened` is called with each file as it is opened.
        """
        subject = Subject(market=self.market)
        streams = [
            in_time(from_image(file.format.read(file.path, subject, opened), file.has_image))
            for file in self.files
        ]
        return counted(merged(streams), self.has_image)


@dataclass(slots=True)
class File:
    """One file of a tape, and what its beginning shows."""

    path: Path
    format: Format
    begins: int | None = None
    """Of its first depth, in ns; None for a file of trades."""
    has_image: bool = False
    has_two_clocks: bool = False
    unit: str = ""


def open_tape(paths: Path | Sequence[Path], *, format: str = "", about: Options = NOTHING) -> Tape:
    """Return the tape of these files, which are merged: days in a row, or a book and its trades.

    `format` is the name of one (`formats.NAMES`), else it is detected. Raises TapeError for a file
    that cannot be read, is in no known format, whose beginning is not valid, or whose market is not
    known.
    """
    subject, named = Subject(about), [paths] if isinstance(paths, Path) else paths
    for place, path in enumerate(named):
        if path.absolute() in (each.absolute() for each in named[:place]):
            raise TapeError(f"{path} is named twice: each of its trades would count twice")
    files = [_opened(path, format, subject) for path in named]
    if subject.market is None:
        raise TapeError("no file is named")
    books = [file for file in files if file.begins is not None]
    first = min(books, key=lambda file: file.begins or 0, default=files[0])
    return Tape(
        files=tuple(files),
        market=subject.market,
        unit=" and ".join(dict.fromkeys(file.unit for file in files)),
        has_two_clocks=all(file.has_two_clocks for file in files),
        has_image=first.has_image,
    )


def _opened(path: Path, wanted: str, subject: Subject) -> File:
    """Read the beginning of a file. Raises TapeError if it is not valid, or holds no record."""
    try:
        file = File(path, format_of(path, wanted, subject))
        records, is_whole = _beginning(file, subject)
    except OSError as error:
        raise TapeError(f"{path} cannot be read: {error.strerror or error}") from None
    if not records:
        where = "in it" if is_whole else f"in its first {BEGINNING} lines"
        name = f" of {subject.name}" if subject.name else ""
        raise TapeError(f"{path}: no book and no trade{name} {where}. {file.format.expects}")
    return file


def _beginning(file: File, subject: Subject) -> tuple[int, bool]:
    """Note what the beginning of a file shows.

    Returns how many records it holds, and whether it is all of the file.
    """
    parser = file.format.parser(subject) if file.format.parser else None
    stream = (
        read_lines(file.path, parser, file.format.expects)
        if parser
        else file.format.read(file.path, subject)
    )
    records = steps_back = latest = 0
    is_whole = True
    for line, one in enumerate(stream):
        if line >= BEGINNING and (records or not file.format.venue):
            is_whole = False
            break
        if one is None or isinstance(one.record, Gap):
            continue
        records += 1
        steps_back += one.record.time_ns < latest
        latest = one.record.time_ns
        file.has_two_clocks |= one.record.received_ns is not None
        if not isinstance(one.record, Trades):
            file.begins = one.record.time_ns if file.begins is None else file.begins
            file.has_image |= isinstance(one.record, Image)
    if steps_back > max(records // 2, 5):
        raise TapeError(f"{file.path}: its lines are newest first: put them in order of time")
    file.unit = parser.unit if parser else "ns"
    return records, is_whole
