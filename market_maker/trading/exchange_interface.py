"""The exchange as a strategy sees it, under the names of the BitMEX sample and of GTE's own."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cached_property
from typing import Any

from market_maker.errors import InvalidOrder, MarketClosedError, MarketEmptyError, Temporary
from market_maker.models import OpenOrder, OrderState, Side
from market_maker.settings import settings
from market_maker.trading import bitmex_names
from market_maker.trading.amends import amended, check_change, names_of
from market_maker.trading.bitmex import BitMEX, Client
from market_maker.trading.day_range import DayRange
from market_maker.trading.exchange import Exchange
from market_maker.trading.order_keys import Given, listed
from market_maker.trading.order_rows import no_order, orders_of
from market_maker.trading.row import Row

logger = logging.getLogger(__name__)

AMEND_SECONDS = 3.0
"""Seconds that an amend waits for its cancels to be final."""
LOOK_EVERY = 0.05
"""Seconds between two looks whether they are."""


def _nobody(_orders: Sequence[Mapping[str, Any]]) -> list[OpenOrder]:
    raise InvalidOrder("orders are placed by an OrderManager, which keeps their limits")


class ExchangeInterface(Exchange):
    """What a strategy reads and does. Orders it places pass the limits of its `OrderManager`.

    A `symbol` may be given where the family gives one; it must be the one that this bot trades.
    """

    def __init__(self, dry_run: bool = True, **options: Any) -> None:
        super().__init__(dry_run, **options)
        self._day = DayRange(self.client, self._clock)
        self.place: Callable[[Sequence[Mapping[str, Any]]], list[OpenOrder]] = _nobody
        """Places orders within the limits; `Converger` sets it."""

    @property
    def symbol(self) -> str:
        """The symbol, such as BTC_USD."""
        return settings.SYMBOL

    @property
    def settle_currency(self) -> str:
        """The area: the currency in which contracts settle, or the quote currency of a pair."""
        return settings.SETTLECURRENCY

    @cached_property
    def bitmex(self) -> BitMEX:
        """The same under the names of the family's venue client."""
        return BitMEX(self)

    @cached_property
    def gte(self) -> Client:
        """The venue's client under its own names; orders pass the limits here, too."""
        return Client(self)

    # --- read -----------------------------------------------------------------------------------

    def get_instrument(self, symbol: str | None = None) -> Row:
        """Return the instrument; see `bitmex_names.instrument_of()`."""
        self.check_symbol(symbol)
        seen, row = self.snapshot(), self.feed.get_instrument_row()
        leverage = self.monitor.account.leverage()
        day = self._day.read
        return bitmex_names.instrument_of(seen.instrument, row, seen.ticker, leverage, day)

    def get_ticker(self, symbol: str | None = None) -> Row:
        """Return best bid and ask without own orders; see `bitmex_names.ticker_of()`.

        Raises MarketEmptyError when a side of the book is empty.
        """
        self.check_symbol(symbol)
        seen = self.snapshot()
        ticker = bitmex_names.ticker_of(seen.ticker, seen.instrument.tick)
        if ticker is None:
            raise MarketEmptyError("order book empty on one side or both")
        return ticker

    def get_top_of_book(self) -> Row:
        """Return the best prices of others with their sizes, as the book is now.

        See `bitmex_names.top_of()`. Raises MarketEmptyError when a side is empty.
        """
        own = self.orders.own_quantity()
        top = bitmex_names.top_of(self.client.market_depth(len(own) + 1), own)
        if top is None:
            raise MarketEmptyError("order book empty on one side or both")
        return top

    def get_market_depth(self, symbol: str | None = None) -> list[Row]:
        """Return the order book as rows, the highest price first; own orders are in it.

        Each has side, price and size in contracts or base currency.
        """
        self.check_symbol(symbol)
        return bitmex_names.depth_of(self.client.market_depth(), self.symbol)

    def get_position(self, symbol: str | None = None) -> Row:
        """Return the position; see `bitmex_names.position_of()`."""
        self.check_symbol(symbol)
        seen = self.snapshot()
        leverage = self.monitor.account.leverage()
        return bitmex_names.position_of(seen.held, seen.instrument, seen.orders, leverage)

    def get_delta(self, symbol: str | None = None) -> float:
        """Return long - short, in contracts or the base currency of a pair."""
        return self.get_position(symbol)["currentQty"]  # type: ignore[no-any-return]

    def get_long_delta(self, symbol: str | None = None) -> float:
        """Return the quantity of the long leg in contracts."""
        return self.get_position(symbol)["longQty"]  # type: ignore[no-any-return]

    def get_short_delta(self, symbol: str | None = None) -> float:
        """Return the quantity of the short leg in contracts, above zero."""
        return self.get_position(symbol)["shortQty"]  # type: ignore[no-any-return]

    def get_portfolio(self) -> dict[str, Row]:
        """Return the position by symbol; see `bitmex_names.portfolio_of()`."""
        seen = self.snapshot()
        return bitmex_names.portfolio_of(seen.instrument, seen.held)

    def calc_delta(self) -> Row:
        """Return the delta of the position; see `bitmex_names.delta_of()`."""
        seen = self.snapshot()
        return bitmex_names.delta_of(seen.instrument, seen.held)

    def get_margin(self) -> Row:
        """Return the account; see `bitmex_names.margin_of()`.

        Raises Temporary while the venue has not shown it.
        """
        margin = self.view.margin()
        if margin is None:
            raise Temporary("no account data from the venue yet")
        unrealised: Decimal | None = None
        with suppress(Temporary):
            seen = self.snapshot()
            unrealised = bitmex_names.unrealised(seen.instrument, seen.position)
        return bitmex_names.margin_of(margin, unrealised)

    def get_orders(self) -> list[Row]:
        """Return own open orders; see `order_rows.orders_of()`."""
        if self.view.is_stale():  # the strategy may be waiting for a fill
            self.orders.take_news()
        return orders_of(self.view.orders(), self.symbol)

    get_orders_ws = get_orders

    def get_orders_http(self) -> list[Row]:
        """Return own open orders, read over REST; in a dry run its virtual ones."""
        if self.dry_run:
            return self.get_orders()
        return orders_of(self.client.open_orders_http(), self.symbol)

    def get_highest_buy(self) -> Row:
        """Return the own buy order with the highest price; without one, `{"price": -2**32}`."""
        return self._nearest(Side.BUY)

    def get_lowest_sell(self) -> Row:
        """Return the own sell order with the lowest price; without one, `{"price": 2**32}`."""
        return self._nearest(Side.SELL)

    def _nearest(self, side: Side) -> Row:
        own = [order for order in self.view.orders() if order.side is side]
        nearest = max(own, key=lambda order: side.sign * order.price, default=None)
        return orders_of([nearest], self.symbol)[0] if nearest else no_order(side)

    def recent_trades(self) -> list[Row]:
        """Return the latest public trades, oldest first; see `bitmex_names.trades_of()`."""
        return bitmex_names.trades_of(self.client.recent_trades(), self.symbol)

    def check_market_open(self) -> None:
        """Raise MarketClosedError when the feed does not show the market; GTE never closes it."""
        if not self.is_open():
            raise MarketClosedError(f"{self.symbol}: the feed is not connected")

    def check_if_orderbook_empty(self) -> None:
        """Raise MarketEmptyError when a side of the order book is empty."""
        self.get_ticker()

    # --- act ------------------------------------------------------------------------------------

    def create_bulk_orders(self, orders: Given) -> list[Row]:
        """Place orders beside the open ones, within the limits; return those that were accepted.

        Orders are as for `OrderManager.converge_orders()`. Raises as it does.
        """
        return orders_of(self.place(listed(orders)), self.symbol)

    def amend_bulk_orders(self, orders: Given) -> list[Row]:
        """Change own orders, given by orderID, clOrdID or origClOrdID, to another price or size.

        GTE has no amend: they are cancelled, seen to have ended, and placed anew with what orderQty
        (or qty) is above the quantity filled, or with leavesQty. One that has ended by itself, or
        not yet after AMEND_SECONDS, is not placed. Returns the new orders. Raises InvalidOrder for
        an id that is not of an own order and for a change that cannot be, and as
        `create_bulk_orders()` does while no order may be placed: then nothing is cancelled.
        """
        changes = self._changes(listed(orders))
        self.place(())  # raises where none may be placed
        self._cancel([found for found, _ in changes])
        due = self._clock.monotonic() + AMEND_SECONDS
        while self._clock.monotonic() < due and any(self._is_live(found) for found, _ in changes):
            self._clock.sleep(LOOK_EVERY)
            self.orders.executor.heartbeat()
            self.orders.take_news()
            self.orders.refresh()
        wanted = []
        for found, change in changes:
            if self._is_live(found):
                words = "Not amended: %s has not ended %g s after its cancel."
                logger.warning(words, found.full, AMEND_SECONDS)
            elif new := amended(found, (self.orders.tracker.find(found) or found).filled, change):
                wanted.append(new)
        return self.create_bulk_orders(wanted)

    def cancel_bulk_orders(self, orders: Iterable[Mapping[str, Any] | str]) -> list[Row]:
        """Cancel own orders, given as `get_orders()` returns them or by id; return them.

        They may fill until the venue shows that they have ended. Raises InvalidOrder for an id that
        is not of an own order, once the others are being cancelled.
        """
        found, unknown = [], []
        for given in [orders] if isinstance(orders, str | Mapping) else orders:
            try:
                found += [order] if (order := self._find(given)) else []
            except InvalidOrder as error:
                unknown.append(str(error))
        self._cancel(found)
        if unknown:
            raise InvalidOrder("; ".join(unknown))
        return orders_of((self.orders.tracker.find(o) or o for o in found), self.symbol)

    def cancel_order(self, order: Mapping[str, Any] | str) -> None:
        """Cancel an own order, given as `get_orders()` returns it or by orderID."""
        self.cancel_bulk_orders([order])

    # --- inside ---------------------------------------------------------------------------------

    def _cancel(self, orders: Sequence[OpenOrder]) -> None:
        """Cancel open orders; one whose create is not answered cannot be cancelled yet."""
        for order in orders:
            if order.state in (OrderState.SENT, OrderState.UNKNOWN):
                logger.info("Not cancelled: %s, its create is not answered yet.", order)
        if found := [order for order in orders if order.state is OrderState.OPEN]:
            self.view.forget()
            logger.info("Cancelling %d orders: %s", len(found), ", ".join(map(str, found)))
            self.orders.executor.cancel(found)

    def _changes(
        self, orders: Sequence[Mapping[str, Any]]
    ) -> list[tuple[OpenOrder, Mapping[str, Any]]]:
        """Return the live orders that are to change, each with its change, which can be."""
        found: dict[str, tuple[OpenOrder, Mapping[str, Any]]] = {}
        for change in orders:
            if not isinstance(change, Mapping):
                raise InvalidOrder(f"{change!r} is not a mapping with orderID and what changes")
            if (order := self._find(change)) is None:
                continue
            check_change(order, change, self.snapshot().instrument)
            if order.client_oid in found:
                raise InvalidOrder(f"{dict(change)}: order {order.order_id} is amended twice")
            found[order.client_oid] = order, change
        return list(found.values())

    def _find(self, given: object) -> OpenOrder | None:
        """Return the live own order that a strategy means; None when it has ended.

        Raises InvalidOrder for an id that never was of an order of this run.
        """
        names = names_of(given)
        for name in names:
            if order := self.orders.named(name):
                if self._is_live(order):
                    return order
                logger.info("Order %s has ended already.", name)
                return None
        raise InvalidOrder(f"no order of this run has the id {' or '.join(names)}")

    def __getattr__(self, name: str) -> Any:
        what = "`marketmaker docs strategy` lists what it has; exchange.gte is the venue's client"
        raise AttributeError(f"self.exchange has no {name!r}: {what}")

    def _is_live(self, order: OpenOrder) -> bool:
        return self.orders.tracker.get(order.client_oid) is not None

    def check_symbol(self, symbol: str | None) -> None:
        """Raise ValueError for another symbol than the one that this bot trades."""
        if symbol not in (None, settings.SYMBOL):
            raise ValueError(f"this bot trades {settings.SYMBOL}, not {symbol}")
