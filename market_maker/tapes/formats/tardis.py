"""Tardis' CSV files: incremental_book_L2 and trades. Times in us, by both clocks.

Book: `exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount`; an amount of 0
removes the level. Trades: `exchange,symbol,timestamp,local_timestamp,id,side,price,amount`. Rows of
the book with the same local_timestamp are one message, and rows of trades with both times the same;
a snapshot is one image, however long its rows took to arrive.
"""

from market_maker.models import Side
from market_maker.tapes.formats.rows import Reading, Row, columns, field, level_of, named, steps_of
from market_maker.tapes.records import Image, Level, Numbered, TapeError, Trades, Update
from market_maker.tapes.stamps import nanoseconds, unit_of
from market_maker.tapes.subject import SHOWN, Subject

HEAD = ["exchange", "symbol", "timestamp", "local_timestamp"]
BOOK = [*HEAD, "is_snapshot", "side", "price", "amount"]
TRADES = [*HEAD, "id", "side", "price", "amount"]
VENUES = {"binance-delivery": "binance"}
SIDES = {"bid": Side.BUY, "ask": Side.SELL}
FLAGS = {"true": True, "false": False}


def fits(line: str, _content: Row) -> bool:
    """Return whether a line is the header of one of the files."""
    return columns(line) in (BOOK, TRADES)


class Csv(Reading):
    """Gathers the rows of a message."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._names: list[str] = []
        self._is_begun = False  # the book: nothing counts before its first snapshot
        self._group: object = None
        self._time = self._received = 0
        self._levels: list[Level] = []

    def parse(self, line: str) -> Numbered | None:
        """Return the message that ends before this row, None while it goes on."""
        if not self._names:
            self._names = columns(line)
            return None
        if not line.strip():
            return None
        row: Row = named(self._names, columns(line))
        exchange = field(row, "exchange")
        if not self.subject.is_ours(field(row, "symbol"), VENUES.get(exchange, exchange)):
            return None
        is_book = "is_snapshot" in row
        is_snapshot = is_book and _flag(row)
        if is_book and not (self._is_begun or is_snapshot):
            return None
        self._is_begun = True
        received = row["local_timestamp"]
        group: object = received if is_book else (row["timestamp"], received)
        group = "snapshot" if is_snapshot else group
        done = self.rest() if group != self._group else None
        level = self._quoted(row) if is_book else self._traded(row)
        self._group = group
        self._levels.append(level)
        self.unit = self.unit or unit_of(row["timestamp"])
        self._time = nanoseconds(row["timestamp"])
        self._received = nanoseconds(received)
        return done

    def rest(self) -> Numbered | None:
        """Return the message gathered so far, and begin the next."""
        if not self._levels:
            return None
        levels, self._levels = self._levels, []
        is_trades = self._names == TRADES
        made = Trades if is_trades else Image if self._group == "snapshot" else Update
        return Numbered(made(self._time, self._received, levels))

    def _quoted(self, row: Row) -> Level:
        side = SIDES.get(row["side"])
        if side is None:
            raise TapeError(f"side: {row['side'][:SHOWN]!r} is neither bid nor ask")
        ticks = steps_of(self.subject.prices, row, "price")
        return Level(side, ticks, steps_of(self.subject.sizes, row, "amount"))

    def _traded(self, row: Row) -> Level:
        return level_of(row, self.subject, price="price", size="amount")


def _flag(row: Row) -> bool:
    flag = FLAGS.get(row["is_snapshot"])
    if flag is None:
        raise TapeError(f"is_snapshot: {row['is_snapshot'][:SHOWN]!r} is neither true nor false")
    return flag
