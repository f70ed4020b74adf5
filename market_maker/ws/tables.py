"""The live tables: frames in, rows merged by key, values out.

`partial` replaces a table, `insert` and `update` merge into it, `delete` removes. Rows that arrive
before the table's partial (executions have none), and rows that do not parse, are dropped and
counted. It has no lock: `ws_thread` is the only writer and guards it.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from market_maker.errors import BadData
from market_maker.models import (
    PRICE_OLD,
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    OrderState,
    Position,
    Side,
    Ticker,
)
from market_maker.wire import fields, protocol
from market_maker.wire.fields import Row
from market_maker.ws.book import Book, Levels, OwnQuantity
from market_maker.ws.rows import are_two, is_other, trade

TRADES = 1_000
NEWS = 10_000
MISFITS = 3
"""So many levels whose id does not fit their price make the book invalid."""
SAMPLE = 100
"""So many levels of a new book are read to learn whether its ids follow prices."""
LOGGED = ("bad frame", "unknown table", "row of ", "field of ")
"""Beginnings of the names of those counts that belong in the log."""
PricesAt = Callable[[float], tuple[Decimal | None, ...]]
"""Returns best bid, best ask and mark as of a time in seconds."""
TRADED_IN = "traded in "
"""The same of counts of fills in other symbols of the area."""


@dataclass(slots=True)
class Entry:
    """A row of a keyed table: as merged text, and as the value it means."""

    row: dict[str, Any]
    value: Any


class Tables:
    """All tables of one connection, for one symbol. A new connection makes new tables."""

    def __init__(self, instrument_type: str, area: str, symbol: str) -> None:
        self._key = (area, symbol)
        self._area = area
        self.book = Book(self._id_fits)
        self.trades: deque[dict[str, str]] = deque(maxlen=TRADES)
        self.news: deque[tuple[OpenOrder, int]] = deque(maxlen=NEWS)
        """Rows of own orders, in order of arrival, until `drain_news()` takes them."""
        self.counts: Counter[str] = Counter()
        self.broken = ""
        """Why the tables are invalid, or empty text; only a new connection mends that."""
        self._id_rule: protocol.IdRule | None = None
        self._ids_fit: bool | None = None
        self.heard: dict[str, float] = {}
        """When the last frame of each table arrived, in seconds; not before its partial."""
        self._told: dict[str, float] = {}
        """When each price of the instrument was last told, in seconds."""
        self._arrival = 0
        self._at = 0.0
        self._position_arrival = 0
        self._rows: dict[str, dict[tuple[Any, ...], Entry]] = {}
        self._parse: dict[str, Callable[[Row], Any]] = {
            "instrument": lambda row: protocol.parse_instrument(row, instrument_type),
            "order": protocol.parse_order,
            "execution": protocol.parse_execution,
            "position": protocol.parse_leg,
            "margin": protocol.parse_margin,
        }

    # --- frames in ------------------------------------------------------------------------------

    def apply_levels(self, levels: Levels, at: float) -> None:
        """Apply levels of the book that came without a frame, at a time in steady seconds."""
        self.heard["order_book"] = at
        self.book.put_levels(levels)

    def apply(self, frame: Row, arrival: int = 0, at: float = 0.0) -> bool:
        """Apply a data frame; return whether it brought news of own orders or another position.

        `arrival` is its number, which rises from frame to frame, and `at` when it arrived, in
        seconds of a steady clock; what arrives later is newer. An unknown table and invalid rows
        are counted and dropped; an unknown action makes the tables `broken`.
        """
        table, action, data = str(frame.get("table")), str(frame.get("action")), frame.get("data")
        if not isinstance(data, list) or not set(map(type, data)) <= {dict}:
            self.counts["bad frame"] += 1
            return False
        self._arrival, self._at = arrival, at
        if table == "trade":
            self._each(table, data, lambda row: self.trades.append(trade(row)))
        elif table not in self._parse and table != "order_book":
            self.counts["unknown table"] += 1
        elif action not in ("partial", "insert", "update", "delete"):
            self.counts["unknown action"] += 1
            self.broken = f"an unknown action in table {table}"
        else:
            return self._apply(table, action, data)
        return False

    def _apply(self, table: str, action: str, data: list[Row]) -> bool:
        if action == "partial" or table == "execution":
            self.heard.setdefault(table, self._at)
        if table not in self.heard:
            self.counts["before partial"] += len(data)
            return False
        self.heard[table] = self._at
        if table == "position":
            self._position_arrival = self._arrival
        if table == "order_book":
            self._apply_book(action, data)
            return False
        news, refused = len(self.news), self.counts[f"row refused: {table}"]
        legs = self._leg_sizes() if table == "position" else None
        if action == "partial":
            self._rows[table] = {}
        take = self._delete if action == "delete" else self._merge
        self._each(table, data, partial(take, table))
        is_empty = table == "instrument" and self.instrument() is None
        is_partly_refused = self.counts[f"row refused: {table}"] > refused
        if is_empty or (table == "position" and action == "partial" and is_partly_refused):
            del self.heard[table]  # so this is no first image
        elif table == "instrument" and is_partly_refused:
            why = next(words for words in self.counts if words.startswith("row of instrument"))
            self.broken = f"invalid {why}"  # it may have told of another tick
        return len(self.news) != news or (legs is not None and self._leg_sizes() != legs)

    def _each(self, table: str, data: list[Row], take: Callable[[Row], None]) -> None:
        area, symbol = self._key
        for row in data:
            try:
                if is_other(row, "symbol", symbol):
                    self.counts["other symbol"] += 1
                    if table == "execution" and row.get("cum_qty") != "0":
                        self.counts[TRADED_IN + row["symbol"]] += 1
                elif is_other(row, "settle_currency", area):
                    self.counts["other area"] += 1
                else:
                    take(row)
            except (BadData, KeyError, TypeError) as error:
                why = str(error).partition(":")[0] if isinstance(error, BadData) else "wrong type"
                self.counts["row refused"] += 1
                self.counts[f"row refused: {table}"] += 1
                self.counts[f"row of {table}: {why}"] += 1

    def _apply_book(self, action: str, data: list[Row]) -> None:
        if action == "partial":
            self.book, self._ids_fit = Book(self._id_fits), None
        if self._ids_fit is None:
            self._ids_fit = self._learn_ids(data[:SAMPLE])
        change = self.book.delete if action == "delete" else self.book.put
        self._each("order_book", data, change)
        if self.book.misfits >= MISFITS:
            self.broken = "levels of the book whose id does not fit their price"

    def _learn_ids(self, data: list[Row]) -> bool | None:
        """Return whether ids follow prices at this venue (design: The wire): most levels decide.

        None while that cannot be told.
        """
        if self._id_rule is None:
            return None
        known = []
        for row in data:
            with suppress(BadData):
                known += [protocol.id_fits(row, self._id_rule)] if "id" in row else []
        return 2 * sum(known) > len(known) if known else None

    def _leg_sizes(self) -> tuple[Decimal, Decimal]:
        shown = self.position()
        return shown.long.qty, shown.short.qty

    def _id_fits(self, row: Row) -> bool | None:
        if not self._ids_fit or self._id_rule is None or "id" not in row:
            return None
        return protocol.id_fits(row, self._id_rule)

    def _merge(self, table: str, row: Row) -> None:
        rows = self._rows.setdefault(table, {})
        key = protocol.ROW_KEYS[table](row)
        known = rows.get(key)
        if table == "instrument":
            row = self._take_prices(row)
        merged = {**known.row, **row} if known else dict(row)
        if table == "order" and known and are_two(known.row, row):
            self.broken = "an order_id that names two orders"
        value = self._parse[table](merged)
        if table == "instrument" and (rule := protocol.id_rule(merged)) != self._id_rule:
            self._id_rule, self._ids_fit = rule, None
            self.book.check_again()
        if table in ("order", "execution"):
            self.news.append((value, self._arrival))
            if table == "execution":
                return
            if value.state is OrderState.DONE:
                rows.pop(key, None)
                return
        elif table == "position":
            mark = self.prices(0.0)[-1]  # however old: it is told when it changes
            value = replace(value, arrival=self._arrival, at=self._at, mark=mark)
        rows[key] = Entry(merged, value)

    def _take_prices(self, row: Row) -> Row:
        """Note which prices a row tells; return it without those that cannot be read."""
        told = [name for name in protocol.PRICES if name in row]
        unread = [name for name in told if fields.told(row, name, fields.positive) is None]
        self._told |= dict.fromkeys(set(told) - set(unread), self._at)
        for name in unread:
            self.counts[f"field of instrument: {name} is not a price"] += 1
        return {name: row[name] for name in row if name not in unread}

    def _delete(self, table: str, row: Row) -> None:
        self._rows.setdefault(table, {}).pop(protocol.ROW_KEYS[table](row), None)

    # --- values out -----------------------------------------------------------------------------

    def drain_news(self) -> list[tuple[OpenOrder, int]]:
        """Return the rows of own orders since the last call, each with its frame's number."""
        news = list(self.news)
        self.news.clear()
        return news

    def instrument(self, now: float = 0.0) -> Instrument | None:
        """Return the instrument, without what is old `now`, in seconds; None before its partial."""
        entry = self._rows.get("instrument", {}).get(self._key)
        if entry is None:
            return None
        instrument: Instrument = entry.value
        changed: dict[str, Any] = {
            name: None for name, at in self._told.items() if now - at > PRICE_OLD
        }
        if "tick_size" not in entry.row:  # its price_precision may tell a step that is too fine
            changed["tick"] = self.book.learned_tick(instrument.tick)
        return replace(instrument, **changed) if changed else instrument

    def instrument_row(self) -> dict[str, Any]:
        """Return the instrument's row as the venue sent it; empty before its partial."""
        entry = self._rows.get("instrument", {}).get(self._key)
        return dict(entry.row) if entry else {}

    def bad_private_rows(self) -> int:
        """Return how many rows of orders, fills and positions were refused."""
        return sum(self.counts[f"row refused: {table}"] for table in protocol.PRIVATE_TABLES)

    def ticker(self, own: OwnQuantity | None = None, now: float = 0.0) -> Ticker:
        """Return best bid and ask without our `own` quantity, and the last price.

        A price that is old `now`, in seconds, is None.
        """
        bid, ask = self.book.best(own)
        instrument = self.instrument(now)
        return Ticker(bid=bid, ask=ask, last=instrument.last_price if instrument else None)

    def prices(self, now: float) -> tuple[Decimal | None, ...]:
        """Return best bid, best ask and mark; None for what is not known or old `now`."""
        entry = self._rows.get("instrument", {}).get(self._key)
        mark = entry.value.mark_price if entry else None
        is_old = now - self._told.get("mark_price", now) > PRICE_OLD
        return *self.book.best(), None if is_old else mark

    def orders(self) -> tuple[OpenOrder, ...]:
        """Return all open orders of the account in this symbol, also those of other bots."""
        return tuple(entry.value for entry in self._rows.get("order", {}).values())

    def position(self) -> Position:
        """Return both legs, each with what is known of the frame that showed it."""
        rows = self._rows.get("position", {})
        legs = {side: entry.value for (_, _, side), entry in rows.items()}
        at = self.heard.get("position", 0.0)
        none = Leg(arrival=self._position_arrival, at=at)
        long, short = (legs.get(side, none) for side in (Side.BUY, Side.SELL))
        return Position(long=long, short=short, at=at)

    def margin(self) -> Margin | None:
        """Return the account in the settlement currency; None before a frame has shown it."""
        entry = self._rows.get("margin", {}).get((self._area,))
        return entry.value if entry else None

    def view(self, own: OwnQuantity, now: float) -> tuple[Instrument | None, Ticker, Position]:
        """Return instrument, bid and ask without our `own` quantity, and position, as of `now`."""
        return self.instrument(now), self.ticker(own, now), self.position()
