"""Tapes out: our own format, and npz for hftbacktest.

A file is written aside and renamed when it is whole, so that none is ever half written.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from market_maker.decimals import plain
from market_maker.models import Side
from market_maker.tapes.formats import npz
from market_maker.tapes.market import Market
from market_maker.tapes.records import Gap, Image, Record, TapeError, Trades
from market_maker.tapes.tape import Tape

WORDS = {Side.BUY: "buy", Side.SELL: "sell"}
REMEMBERED = 100_000
SUFFIXES = (".tape", ".tape.gz", ".npz")
NO_IDS: Mapping[tuple[Side, int], str] = {}


def write(tape: Tape, path: Path) -> int:
    """Write a tape, as npz or in our own format by the suffix, packed for .gz; return its records.

    Raises TapeError for what cannot be read or written, and for a file of the tape itself.
    """
    if path.exists() and any(path.samefile(each) for each in tape.paths):
        raise TapeError(f"{path}: it is a file of the tape itself")
    market = replace(tape.market, is_level_1=tape.is_level_1)
    return write_records(tape.watched(f"Writing {path.name}"), market, path)


def write_records(records: Iterable[Record], market: Market, path: Path) -> int:
    """Write records as a tape of a market, in the format of the suffix; return how many.

    Raises TapeError for another suffix, and for npz that could not say that depth is not known.
    """
    if not path.name.endswith(SUFFIXES):
        raise TapeError(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    if path.suffix == ".npz" and market.is_level_1:
        raise TapeError(f"{path}: npz cannot say that only the best prices are known")
    counted = _Counted(records)
    if path.suffix == ".npz":
        write_npz(counted, market, path)
    else:
        write_own(counted, market, path)
    return counted.n


def write_own(records: Iterable[Record], market: Market, path: Path) -> None:
    """Write records in our own format, packed where the name ends in .gz."""
    text_of = Frames(market)
    with _aside(path) as aside, _opened(aside, is_packed=path.suffix == ".gz") as out:
        out.write(header_line(market).encode())
        for record in records:
            out.write(text_of(record).encode())


def write_npz(records: Iterable[Record], market: Market, path: Path) -> None:
    """Write records as hftbacktest's npz, without gaps; a missing receive time is the venue's."""
    with _aside(path) as aside:
        npz.write(records, market, aside)


def header_line(market: Market, **more: object) -> str:
    """Return the first line of a tape of our own; `more` are fields beside those of the market."""
    fields = {name: getattr(market, name) for name in ("kind", "area", "symbol")}
    fields |= {"name": market.name or market.place}
    fields |= {"is_level_1": True} if market.is_level_1 else {}
    figures = {name: plain(getattr(market, name)) for name in ("tick", "lot", "face")}
    return json.dumps({"tape": {**fields, **figures, **more}}) + "\n"


class Frames:
    """Makes frames of records, in our own format."""

    def __init__(self, market: Market) -> None:
        tick, lot = market.tick, market.lot
        self._price = lru_cache(REMEMBERED)(lambda ticks: plain(ticks * tick))
        self._size = lru_cache(REMEMBERED)(lambda lots: plain(lots * lot))

    def __call__(self, record: Record, ids: Mapping[tuple[Side, int], str] = NO_IDS) -> str:
        """Return the line of a record; `ids` are those that later rows may name a level by."""
        if isinstance(record, Gap):
            said = {"gap": record.what, "is_clock": record.is_clock, "time": str(record.time_ns)}
            return json.dumps(said) + "\n"
        is_trades = isinstance(record, Trades)
        size = "qty" if is_trades else "size"
        rows = ",".join(
            f'{{{_id(ids.get((side, price)))}"side":"{WORDS[side]}",'
            f'"price":"{self._price(price)}","{size}":"{self._size(lots)}"}}'
            for side, price, lots in record.levels
        )
        table = '"trade"' if is_trades else '"order_book","action":"update"'
        table = table.replace("update", "partial") if isinstance(record, Image) else table
        stamp = "" if record.received_ns is None else f"{record.received_ns} "
        return f'{stamp}{{"table":{table},"data":[{rows}],"time":"{record.time_ns}"}}\n'


def _id(number: str | None) -> str:
    return f'"id":{json.dumps(number)},' if number else ""


class _Counted:
    """Records, and how many of them have been read."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self.n = 0

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.n += 1
            yield record


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Give the name to write under, and rename that file at the end; remove it after an error."""
    aside = path.with_name(f"{path.name}.part")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        raise TapeError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path, *, is_packed: bool) -> Iterator[Any]:
    """Give the file to write to; the same content makes the same bytes, packed too."""
    with path.open("wb") as plain:
        if not is_packed:
            yield plain
            return
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=plain, mtime=0) as packed:
            yield packed
