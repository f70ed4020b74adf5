"""BitMEX's daily CSV files: trades, and quotes, which are the book's best level alone.

Trades: `timestamp,symbol,side,size,price,...`; quotes:
`timestamp,symbol,bidSize,bidPrice,askPrice,askSize`. All symbols are in one file.
"""

import re

from market_maker.models import Side
from market_maker.tapes.formats import bybit
from market_maker.tapes.formats.rows import Csv, Row, columns, steps_of
from market_maker.tapes.records import Image, Level, Numbered
from market_maker.tapes.stamps import nanoseconds, unit_of

VENUE = "bitmex"
TRADE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[D T][^,]*,\w+,(Buy|Sell),", re.ASCII)
QUOTES = ["timestamp", "symbol", "bidSize", "bidPrice", "askPrice", "askSize"]


def fits_trades(line: str, _content: Row) -> bool:
    """Return whether a line is a row of trades."""
    return bool(TRADE.match(line)) and line.count(",") >= 9


def fits_quotes(line: str, _content: Row) -> bool:
    """Return whether a line is the header of quotes."""
    return columns(line) == QUOTES


class TradesCsv(bybit.TradesCsv):
    """Reads the CSV of trades."""

    venue = VENUE


class QuotesCsv(Csv):
    """Reads the CSV of quotes: each row is an image of one level a side."""

    def parse(self, line: str) -> Numbered | None:
        """Return the image of a row, None for another market's."""
        row = self.row_of(line, VENUE)
        if row is None:
            return None
        self.unit = self.unit or unit_of(row["timestamp"])
        levels = []
        for side, price, size in (
            (Side.BUY, "bidPrice", "bidSize"),
            (Side.SELL, "askPrice", "askSize"),
        ):
            if row.get(price):  # empty while there is none
                ticks = steps_of(self.subject.prices, row, price)
                levels.append(Level(side, ticks, steps_of(self.subject.sizes, row, size)))
        return Numbered(Image(nanoseconds(row["timestamp"]), None, levels))
