"""Bybit's inverse contracts: the daily files of the book (JSON lines) and of the trades (CSV).

The book: `cts` is the venue's matching time, `ts` of sending; update ids `u` rise by 1. The trades:
`timestamp,symbol,side,size,price,...`, the time in seconds with a fraction.
"""

import re

from market_maker.tapes.formats.rows import (
    Csv,
    Reading,
    Row,
    field,
    level_of,
    pairs_of,
    rows_of,
    split,
    whole,
)
from market_maker.tapes.records import Image, Numbered, TapeError, Trades, Update
from market_maker.tapes.stamps import nanoseconds, unit_of
from market_maker.tapes.subject import SHOWN

VENUE = "bybit"
TRADE = re.compile(r"[0-9]{10}(\.[0-9]+)?,\w+,(Buy|Sell),", re.ASCII)


def fits_book(_line: str, content: Row) -> bool:
    """Return whether a line is a frame of the book or of trades."""
    return str(content.get("topic", "")).startswith(("orderbook.", "publicTrade."))


def fits_trades(line: str, _content: Row) -> bool:
    """Return whether a line is a row of the CSV of trades."""
    return bool(TRADE.match(line))


class Book(Reading):
    """Reads the frames of the book, and of trades where a recorder has kept them too."""

    def parse(self, line: str) -> Numbered | None:
        """Return the record of a frame, None for what is no record of our market."""
        stamp, content = split(line)
        topic = str(content.get("topic", ""))
        if not fits_book("", content):
            return None
        if not self.subject.is_ours(topic.rpartition(".")[2], VENUE):
            return None
        received = nanoseconds(stamp) if stamp else None
        if topic.startswith("publicTrade."):
            rows = rows_of(content)
            time = self._time(max(str(field(row, "T")) for row in rows))
            trades = [level_of(row, self.subject, price="p", size="v", side="S") for row in rows]
            return Numbered(Trades(time, received, trades))
        time = self._time(str(content.get("cts") or field(content, "ts")))
        data = field(content, "data")
        if not isinstance(data, dict):
            raise TapeError("data: expected an object")
        levels = pairs_of(data, self.subject, bids="b", asks="a")
        last = whole(data, "u")
        kind = field(content, "type")
        if kind == "snapshot" or last == 1:  # 1: the venue's service has begun again
            return Numbered(Image(time, received, levels), None, last)
        if kind != "delta":
            raise TapeError(f"type: {str(kind)[:SHOWN]!r} is neither snapshot nor delta")
        return Numbered(Update(time, received, levels), last - 1, last)

    def _time(self, text: str) -> int:
        self.unit = self.unit or unit_of(text)
        return nanoseconds(text)


class TradesCsv(Csv):
    """Reads the CSV of trades, of this venue (`VENUE`) or, in a subclass, of another one."""

    venue = VENUE

    def parse(self, line: str) -> Numbered | None:
        """Return the trade of a row, None for another market's."""
        row = self.row_of(line, self.venue)
        if row is None:
            return None
        text = field(row, "timestamp")
        self.unit = self.unit or unit_of(text)
        trade = level_of(row, self.subject, price="price", size="size")
        return Numbered(Trades(nanoseconds(text), None, [trade]))
