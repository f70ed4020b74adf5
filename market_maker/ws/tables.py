"""The live tables: frames in, rows merged by key, values out.

`partial` replaces a table, `insert` and `update` merge into it, `delete` removes. Rows that come
before the table's partial, and rows that do not parse, are dropped and counted. It has no lock:
`ws_thread` is the only writer and guards it.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from market_maker import protocol
from market_maker.errors import BadData
from market_maker.models import (
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    OrderState,
    Position,
    Side,
    Ticker,
)
from market_maker.protocol import Row

TRADES = 1_000
NEWS = 10_000
GONE = 1_000
"""So many levels that have gone are remembered, lest a late row bring one back."""
SKEW_MS = 60_000
"""A frame whose time is further off than this has none."""
ODD_LEVELS = 3
WORTH_TELLING = ("bad frame", "unknown table", "row of ")
"""So begin the names of those counts that a person should hear of."""


@dataclass(slots=True)
class BookSide:
    """One side of the book: sizes by price, and the prices in ascending order."""

    sizes: dict[Decimal, Decimal] = field(default_factory=dict)
    prices: list[Decimal] = field(default_factory=list)

    def put(self, price: Decimal, size: Decimal) -> None:
        """Set the size at a price."""
        if price not in self.sizes:
            insort(self.prices, price)
        self.sizes[price] = size

    def drop(self, price: Decimal) -> None:
        """Remove a price, if it is there."""
        if self.sizes.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]


class Book:
    """The order book of one instrument."""

    def __init__(self) -> None:
        self._sides = {Side.BUY: BookSide(), Side.SELL: BookSide()}
        self._levels: dict[str, tuple[Side, Decimal]] = {}
        self._changed: dict[tuple[Side, Decimal], int] = {}

    def put(self, row: Row, time: int = 0) -> None:
        """Set a level from a row, unless a later one has come before it.

        A row with an `id` may leave out side and price (gte-api §6.3).
        """
        level = self._level(row)
        if level is None:
            raise BadData("an unknown level without side and price")
        if self._is_late(level, time):
            return
        size = protocol.not_negative(row, "size")
        level_id = row.get("id")
        if level_id:
            if self._levels.get(level_id, level) != level:
                self._drop(self._levels[level_id])
            self._levels[level_id] = level
        if size:
            self._sides[level[0]].put(level[1], size)
        else:
            self._drop(level)
            self._levels.pop(level_id or "", None)

    def delete(self, row: Row, time: int = 0) -> None:
        """Remove a level, if it is there."""
        level = self._level(row)
        if level and not self._is_late(level, time):
            self._drop(level)
            if self._levels.get(row.get("id") or "") == level:
                del self._levels[row["id"]]

    def is_crossed(self) -> bool:
        """Say whether the best bid is above the best ask."""
        bids, asks = self._sides[Side.BUY].prices, self._sides[Side.SELL].prices
        return bool(bids and asks) and bids[-1] > asks[0]

    def best(
        self, own: dict[tuple[Side, Decimal], Decimal]
    ) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask that hold more than our `own` quantity."""
        return (
            next((p for p, _ in self.levels(Side.BUY, own)), None),
            next((p for p, _ in self.levels(Side.SELL, own)), None),
        )

    def levels(
        self, side: Side, own: dict[tuple[Side, Decimal], Decimal]
    ) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield (price, size without our own quantity), best first."""
        book = self._sides[side]
        for price in reversed(book.prices) if side is Side.BUY else book.prices:
            size = book.sizes[price] - own.get((side, price), 0)
            if size > 0:
                yield price, size

    def _level(self, row: Row) -> tuple[Side, Decimal] | None:
        if "price" in row and "side" in row:
            side = _BOOK_SIDES.get(protocol.text(row, "side"))
            if side is None:
                raise BadData(f"side is neither buy nor sell: {protocol.printable(row['side'])}")
            return side, protocol.positive(row, "price")
        return self._levels.get(row.get("id") or "")

    def _drop(self, level: tuple[Side, Decimal]) -> None:
        self._sides[level[0]].drop(level[1])

    def _is_late(self, level: tuple[Side, Decimal], time: int) -> bool:
        """Note the time of a change; say whether the level has had a later one already."""
        if time < self._changed.get(level, time):
            return True
        self._changed[level] = time
        if len(self._changed) > GONE + 2 * sum(len(side.prices) for side in self._sides.values()):
            there = {(side, p) for side, book in self._sides.items() for p in book.prices}
            self._changed = {level: self._changed[level] for level in there | {level}}
        return False


def _or_none(fits: Callable[[Row], bool | None], row: Row) -> bool | None:
    try:
        return fits(row)
    except BadData:
        return None


_BOOK_SIDES = {"buy": Side.BUY, "sell": Side.SELL}


@dataclass(slots=True)
class Entry:
    """A row of a keyed table: as merged text, and as the value it means."""

    row: dict[str, Any]
    value: Any
    time: int


class Tables:
    """All tables of one connection, for one symbol. A new connection makes new tables."""

    def __init__(self, instrument_type: str, area: str, symbol: str) -> None:
        self._key = (area, symbol)
        self._area = area
        self.book = Book()
        self.trades: deque[dict[str, str]] = deque(maxlen=TRADES)
        self.news: deque[tuple[OpenOrder, int]] = deque(maxlen=NEWS)
        """Rows of own orders, in order of arrival, until `drain_news()` takes them."""
        self.counts: Counter[str] = Counter()
        self.broken = ""
        """Why the tables cannot be believed any more; a new connection mends it."""
        self._ids_fit: bool | None = None
        self.times: dict[str, int] = {}
        """The venue's time of the last frame of each table that has had its partial, in ms."""
        self._rows: dict[str, dict[tuple[Any, ...], Entry]] = {}
        self._parse: dict[str, Callable[[Row], Any]] = {
            "instrument": lambda row: protocol.parse_instrument(row, instrument_type),
            "order": protocol.parse_order,
            "execution": protocol.parse_execution,
            "position": protocol.parse_leg,
            "margin": protocol.parse_margin,
        }

    # --- frames in ------------------------------------------------------------------------------

    def apply(self, frame: Row, received: int) -> bool:
        """Take a data frame; return whether it brought news of the account's orders.

        `received` in ms stands for the venue's time in a frame that has none. A table or action
        that is not known, and rows that are not fit, are counted and dropped.
        """
        table, action, data = str(frame.get("table")), str(frame.get("action")), frame.get("data")
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            self.counts["bad frame"] += 1
            return False
        time = protocol.millis(frame, "time")
        if abs(time - received) > SKEW_MS:
            time = received
        if table == "trade":
            self._each(table, data, self._trade)
        elif table not in self._parse and table != "order_book":
            self.counts["unknown table"] += 1
        elif action not in ("partial", "insert", "update", "delete"):
            self.counts["unknown action"] += 1
            self.broken = f"an unknown action in table {table}"
        else:
            return self._apply(table, action, data, time)
        return False

    def _apply(self, table: str, action: str, data: list[Row], time: int) -> bool:
        if action == "partial" or table == "execution":
            self.times.setdefault(table, time)
        if table not in self.times:
            self.counts["before partial"] += len(data)
            return False
        self.times[table] = time
        if table == "order_book":
            if action == "partial":
                self.book = Book()
                self._ids_fit = None
            change = self.book.delete if action == "delete" else self.book.put
            fits = self._id_check(data)

            def take_level(row: Row) -> None:
                if fits(row) is False:
                    self.counts["odd level"] += 1
                    raise BadData("the id of a level does not fit its price")
                change(row, time)

            self._each(table, data, take_level)
            if self.counts["odd level"] >= ODD_LEVELS:
                self.broken = "levels of the book whose id does not fit their price"
            return False
        news = len(self.news)
        if action == "partial":
            self._rows[table] = {}
        take = self._delete if action == "delete" else self._merge
        self._each(table, data, lambda row: take(table, row, time))
        if table == "instrument" and self.instrument() is None:
            del self.times[table]  # a first image that says nothing is none
        return len(self.news) != news

    def _each(self, table: str, data: list[Row], take: Callable[[Row], None]) -> None:
        for row in data:
            try:
                if row.get("symbol", self._key[1]) != self._key[1]:
                    self.counts["other symbol"] += 1
                elif row.get("settle_currency", self._area) != self._area:
                    self.counts["other area"] += 1
                else:
                    take(row)
            except (BadData, KeyError, TypeError) as error:
                why = str(error).partition(":")[0] if isinstance(error, BadData) else "odd form"
                self.counts["row refused"] += 1
                self.counts[f"row refused: {table}"] += 1
                self.counts[f"row of {table}: {why}"] += 1

    def _id_check(self, data: list[Row]) -> Callable[[Row], bool | None]:
        """Return what says whether a level's id fits its price, where ids of this venue do.

        That they do is seen by most levels of the first frame of the book (gte-api §6.3, §12).
        """
        instrument = self.instrument_row()

        def fits(row: Row) -> bool | None:
            return protocol.id_fits(row, instrument) if "price" in row and "id" in row else None

        if self._ids_fit is None:
            known = [fit for row in data if (fit := _or_none(fits, row)) is not None]
            if known:
                self._ids_fit = 2 * sum(known) > len(known)
        return fits if self._ids_fit else lambda _: None

    def _trade(self, row: Row) -> None:
        self.trades.append(
            {
                "time": protocol.text(row, "trade_time"),
                "side": protocol.text(row, "side"),
                "price": str(protocol.positive(row, "price")),
                "qty": str(protocol.positive(row, "qty")),
            }
        )

    def _merge(self, table: str, row: Row, time: int) -> None:
        rows = self._rows.setdefault(table, {})
        key = protocol.ROW_KEYS[table](row)
        known = rows.get(key)
        if known and time < known.time and table in ("instrument", "position", "margin"):
            self.counts["late row"] += 1
            return
        merged = {**known.row, **row} if known else dict(row)
        if (
            known
            and table == "instrument"
            and merged.get("tick_size") != known.row.get("tick_size")
        ):
            self._ids_fit = None
        value = self._parse[table](merged)
        if table in ("order", "execution"):
            self.news.append((value, time))
            if table == "execution":
                return
            if value.state is OrderState.DONE:
                rows.pop(key, None)
                return
        rows[key] = Entry(merged, value, time)

    def _delete(self, table: str, row: Row, _time: int) -> None:
        self._rows.setdefault(table, {}).pop(protocol.ROW_KEYS[table](row), None)

    # --- values out -----------------------------------------------------------------------------

    def drain_news(self) -> list[tuple[OpenOrder, int]]:
        """Return the rows of own orders since the last call, with the venue's time of each."""
        news = list(self.news)
        self.news.clear()
        return news

    def instrument(self) -> Instrument | None:
        """Return the instrument, once its partial is there."""
        entry = self._rows.get("instrument", {}).get(self._key)
        return entry.value if entry else None

    def instrument_row(self) -> dict[str, Any]:
        """Return the instrument's row as the venue sent it."""
        entry = self._rows.get("instrument", {}).get(self._key)
        return dict(entry.row) if entry else {}

    def is_crossed(self) -> bool:
        """Say whether the best bid is above the best ask."""
        return self.book.is_crossed()

    def bad_private_rows(self) -> int:
        """Return how many rows of orders, fills and positions were refused."""
        return sum(self.counts[f"row refused: {table}"] for table in protocol.PRIVATE_TABLES)

    def ticker(self, own: dict[tuple[Side, Decimal], Decimal]) -> Ticker:
        """Return best bid and ask without our own quantity, and the last price."""
        bid, ask = self.book.best(own)
        instrument = self.instrument()
        return Ticker(bid=bid, ask=ask, last=instrument.last_price if instrument else None)

    def orders(self) -> tuple[OpenOrder, ...]:
        """Return all open orders of the account in this symbol, other people's bots included."""
        return tuple(entry.value for entry in self._rows.get("order", {}).values())

    def position(self) -> Position:
        """Return both legs, each with the venue's time of the frame that showed it."""
        rows = self._rows.get("position", {}).items()
        legs = {side: replace(entry.value, time=entry.time) for (_, _, side), entry in rows}
        time = self.times.get("position", 0)
        long, short = (legs.get(side, Leg(time=time)) for side in (Side.BUY, Side.SELL))
        return Position(long=long, short=short, time=time)

    def margin(self) -> Margin | None:
        """Return the account in the settlement currency, once a frame has shown it."""
        entry = self._rows.get("margin", {}).get((self._area,))
        return entry.value if entry else None
