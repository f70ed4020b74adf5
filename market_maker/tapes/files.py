"""The lines of a tape's file: plain, gzip, zip or zst, as a stream."""

import gzip
import io
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from market_maker.tapes.records import Numbered, TapeError, UnknownMarket

logger = logging.getLogger(__name__)

MAX_LINE = 16 * 1024 * 1024  # bytes; what is longer is no line
CHUNK = 64 * 1024  # bytes of a packed file that are read at a time
GZIP, ZIP, ZST = b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
EXTRA = "pip install gte-market-maker[data]"


class Parser(Protocol):
    """What reads the lines of one file of one format, in order."""

    unit: str
    """The unit of its times, known after the first record."""
    is_cut_gracefully: bool
    """Whether the file may end anywhere, as one does that is still being recorded."""

    def parse(self, line: str) -> Numbered | None:
        """Return the record that a line completes, None if none. Raises TapeError."""

    def rest(self) -> Numbered | None:
        """Return the record that the end of the file completes, None if none."""


Opened = Callable[[BinaryIO], None]
"""Called with each file as it is opened, to watch how far it is read."""


def unwatched(_: BinaryIO) -> None:
    """Watch nothing."""


def read_lines(
    path: Path, parser: Parser, expects: str, opened: Opened = unwatched
) -> Iterator[Numbered | None]:
    """Yield what each line of a file completes, None where that is nothing.

    Raises TapeError with the file, the line, what is wrong and what is expected.
    """
    number = 0
    line = b""
    lines = lines_of(path, opened)
    while True:
        number += 1
        try:
            line = next(lines)
            found = parser.parse(str(line, "utf-8-sig" if number == 1 else "utf-8"))
        except StopIteration:
            break
        except UnknownMarket as error:
            raise UnknownMarket(f"{path}: line {number}: {error}", error.name) from None
        except (ValueError, RecursionError) as error:
            is_last = isinstance(error, Cut) or not line.endswith(b"\n")
            if parser.is_cut_gracefully and is_last:
                logger.warning(
                    "%s: line %d is not complete: the tape ends before it.", path, number
                )
                break
            raise TapeError(f"{path}: line {number}: {_reason(error)}. {expects}") from None
        yield found
    yield parser.rest()


class Damaged(TapeError):
    """The file cannot be unpacked."""


class Cut(Damaged):
    """A packed file ends before its end."""


def lines_of(path: Path, opened: Opened = unwatched) -> Iterator[bytes]:
    """Yield the lines of a file, unpacked. Raises Damaged, and OSError where it cannot be read."""
    with path.open("rb") as plain:
        begin = plain.read(4)
        plain.seek(0)
        opened(plain)
        with _unpacked(plain, begin) as source, named_damage():
            yield from iter(partial(source.readline, MAX_LINE), b"")


def members(path: Path) -> list[str]:
    """Return the names in a zip file; an empty list for any other file."""
    with path.open("rb") as plain:
        if plain.read(4) != ZIP:
            return []
    try:
        with named_damage(), zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from None


def _zstandard() -> Any:
    """Return the package of the extra `data`. Raises TapeError, naming the extra, without it."""
    try:
        import zstandard
    except ImportError:
        raise TapeError(f"a .zst file needs the package zstandard: {EXTRA}") from None
    return zstandard


@contextmanager
def _unpacked(plain: io.BufferedReader, begin: bytes) -> Iterator[Any]:
    """Give what unpacks a file that begins with these bytes."""
    if begin.startswith(GZIP):
        with gzip.open(plain) as packed:
            yield packed
    elif begin == ZIP:
        with named_damage(), zipfile.ZipFile(plain) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise Damaged(f"a zip file of {len(names)} files, where one is expected")
            source = archive.open(names[0])
        with source:
            yield source
    elif begin == ZST:
        yield io.BufferedReader(_Zst(plain), buffer_size=4 * CHUNK)
    else:
        yield plain


class _Zst(io.RawIOBase):
    """A zst file, unpacked. The package's own reader takes a file that was cut for a whole one."""

    def __init__(self, plain: BinaryIO) -> None:
        self._plain = plain
        self._zstandard = _zstandard()
        self._unpacker: Any = None
        self._ahead = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, up to the size of the buffer; 0 at the end."""
        while not self._ahead:
            packed = self._unpacker.unused_data if self._unpacker and self._unpacker.eof else b""
            packed = packed or self._plain.read(CHUNK)
            if not packed:
                if self._unpacker and not self._unpacker.eof:
                    raise EOFError
                return 0
            if self._unpacker is None or self._unpacker.eof:
                self._unpacker = self._zstandard.ZstdDecompressor().decompressobj()
            try:
                self._ahead = self._unpacker.decompress(packed)
            except self._zstandard.ZstdError as error:
                raise Damaged(f"the packed file is damaged: {error}") from None
        size = min(len(buffer), len(self._ahead))
        buffer[:size], self._ahead = self._ahead[:size], self._ahead[size:]
        return size


@contextmanager
def named_damage() -> Iterator[None]:
    """Raise Damaged or Cut for what unpacking raises."""
    try:
        yield
    except EOFError:
        raise Cut(
            "the packed file ends before its end: it was cut off, or is not complete"
        ) from None
    except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError) as error:
        raise Damaged(f"the packed file is damaged: {error}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason}"
    if isinstance(error, RecursionError):
        return "JSON that is nested too deep"
    return str(error)
