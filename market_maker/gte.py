"""GTE: the venue client for one symbol. One method for each documented endpoint, and the feed."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from decimal import Decimal
from functools import partial
from queue import SimpleQueue
from typing import Any

from market_maker.account import Account
from market_maker.client_oid import RUN, base36, is_ours, new_oid
from market_maker.clock import SYSTEM, Clock
from market_maker.decimals import plain
from market_maker.errors import (
    BadData,
    BadParameter,
    OutcomeUnknown,
    RequestError,
    SettingsError,
    Temporary,
)
from market_maker.models import (
    CreateEvent,
    Instrument,
    Margin,
    OpenOrder,
    OrderRequest,
    Position,
    Side,
)
from market_maker.wire import codes, endpoints, fields, protocol
from market_maker.wire.endpoints import Endpoint
from market_maker.wire.rest import Outcome, Rest, outcome_of, parsed
from market_maker.wire.shared import Shared
from market_maker.wire.tls import Connections
from market_maker.wire.transport import OnCall, Transport
from market_maker.wire.venue_clock import VenueClock
from market_maker.ws.ws_thread import GTEWebsocket

__all__ = ["GTE", "Outcome"]

MAX_PAGES = 100
HIGHEST_ID = str(2**63 - 1)

Number = int | float | Decimal
Wanted = Callable[[], bool]
OnCreate = Callable[[CreateEvent, OrderRequest | OpenOrder, str], None]


class GTE:
    """The venue client for one account and symbol; without a key it makes public calls only.

    Every method raises a `RequestError` when the venue refuses or does not answer. A write whose
    answer is lost raises `OutcomeUnknown`. Prices and quantities are decimals, times ms. It retries
    nothing. With `read_only` it sends no POST.
    """

    def __init__(
        self,
        account: Account,
        *,
        read_only: bool = False,
        wake: "SimpleQueue[str] | None" = None,
        withdraw_path: str = "",
        clock: Clock = SYSTEM,
        connections: Connections | None = None,
        chance: random.Random | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.account = account
        self.symbol = account.symbol
        self.asset = account.settle_currency
        self._withdraw_path = withdraw_path
        self.clock = VenueClock(clock)
        connections, chance = connections or Connections(shared), chance or random.SystemRandom()
        self._transport = Transport(
            account,
            read_only=read_only,
            clock=clock,
            venue_clock=self.clock,
            connections=connections,
        )
        self._rest = Rest(account, self._transport)
        self._pool = connections.pool()
        self.run = base36(chance.randrange(36**RUN), RUN)
        """The part of our client_oids that identifies this process."""
        self._sequence = itertools.count(1)
        self.on_create: OnCreate = lambda *_: None
        """Called in the sending thread with each event of a create; NotSent keeps it back."""
        self.ws: GTEWebsocket | None = None
        if account.ws_url:
            self.ws = GTEWebsocket(
                account,
                now=self.clock.now,
                wake=wake,
                clock=clock,
                connections=connections,
                chance=chance,
            )

    def exit(self) -> None:
        """Close all connections. Orders are not cancelled."""
        if self.ws:
            self.ws.exit()
        self._pool.shutdown()
        self._transport.close()

    def make_read_only(self) -> None:
        """Send no POST from now on."""
        self._transport.make_read_only()

    def watch_calls(self, on_call: OnCall) -> None:
        """Have each call reported in its thread (see `Transport.on_call`)."""
        self._transport.on_call = on_call

    def blocked_for(self) -> float | None:
        """Return for how many seconds 403 has held creates back; None while it does not."""
        return self._transport.blocked_for(endpoints.ORDER_CREATE)

    def new_client_oid(self) -> str:
        """Return a unique client_oid (see `client_oid`)."""
        return new_oid(self.account.prefix, self.run, next(self._sequence))

    # --- accounts -------------------------------------------------------------------------------

    def fund_query(self, asset: str | None = None) -> list[Margin]:
        """Return the funding account: one entry, for `asset` or for the settlement currency."""
        return self._rest.margins(endpoints.FUND_QUERY, asset)

    def account_query(self, asset: str | None = None, *, other: bool = False) -> list[Margin]:
        """Return the account of this instrument type (`pc` or `bb`), or the `other`; as above."""
        return self._rest.margins(endpoints.account_query(self.account, other=other), asset)

    def transfer(
        self, *, volume: Decimal, source: int, target: int, asset: str | None = None
    ) -> None:
        """Transfer an amount between accounts: 1 funding, 2 contract, 3 spot."""
        params = {"from": str(source), "to": str(target), "volume": plain(volume)}
        self._rest.data(endpoints.TRANSFER, {"asset": asset or self.asset, **params})

    def withdraw(
        self, *, amount: Decimal, address: str, fee: Decimal | None = None, asset: str | None = None
    ) -> Any:
        """Request a withdrawal and return the venue's answer; the user must still confirm it there.

        The venue documents no endpoint: raises SettingsError without WITHDRAW_PATH.
        """
        if not self._withdraw_path:
            raise SettingsError(
                "the venue documents no withdrawal endpoint: set WITHDRAW_PATH to the path that "
                "the venue gave you, or withdraw on its web site"
            )
        params = {"asset": asset or self.asset, "volume": plain(amount), "address": address}
        params |= {"fee": plain(fee)} if fee is not None else {}
        return self._rest.send(Endpoint("POST", self._withdraw_path, 1), params, "withdraw")

    # --- market data ----------------------------------------------------------------------------

    def asset_query(self) -> list[str]:
        """Return the settlement areas (`pc`) or trading areas (`bb`)."""
        return [fields.text(row, "asset") for row in self._rest.rows(endpoints.ASSET_QUERY, {})]

    def contract_query(self, asset: str | None = None) -> list[dict[str, Any]]:
        """Return the contracts of an area as rows: symbol, price_precision. `pc` only."""
        return self._rest.rows(endpoints.CONTRACT_QUERY, {"asset": asset or self.asset})

    def symbol_query(self, asset: str | None = None) -> list[dict[str, Any]]:
        """Return the pairs of an area as rows: symbol, precisions, min_trade_number. `bb` only."""
        return self._rest.rows(endpoints.SYMBOL_QUERY, {"asset": asset or self.asset})

    def instrument_query(self, symbol: str | None = None) -> Instrument:
        """Return an instrument, its tick from `price_precision`; BadParameter if unknown."""
        params = self._rest.area | {"symbol": symbol or self.symbol}
        rows = self._rest.rows(endpoints.INSTRUMENT_QUERY, params)
        mine = [row for row in rows if row.get("symbol") == params["symbol"]]
        if not mine:
            raise BadParameter(f"unknown symbol {params['symbol']} in {self.asset}")
        kind = self.account.instrument_type
        return parsed(lambda row: protocol.parse_instrument(row, kind), mine[:1])[0]

    def candle_query(self, *, interval: int = 1, size: int = 100, **bounds: int) -> list[list[str]]:
        """Return candles [open time ms, open, high, low, close, volume]; `interval` in minutes."""
        params = {"interval": interval, "size": size} | bounds
        named = {name: str(value) for name, value in params.items()}
        return self._rest.data(endpoints.CANDLE_QUERY, self._rest.symbol | named).get("rows") or []

    def order_book_query(self, size: int = 15) -> dict[str, list[list[Decimal]]]:
        """Return `{"bids": [[price, size], ...], "asks": ...}`, best first, at most 50 a side."""
        data = self._rest.data(endpoints.BOOK_QUERY, self._rest.symbol | {"size": str(size)})
        return parsed(protocol.parse_levels, [data])[0]

    def trade_query(self, count: int = 100) -> list[dict[str, Any]]:
        """Return public trades as rows: trade_id, price, qty, trade_time. `pc` only."""
        return self._rest.rows(endpoints.TRADE_QUERY, self._rest.symbol | {"count": str(count)})

    # --- leverage and margin (`pc` only) --------------------------------------------------------

    def setting_query(self) -> dict[str, Any]:
        """Return the margin mode and leverages of the symbol."""
        return self._rest.data(endpoints.SETTING_QUERY, self._rest.symbol)

    def change_leverage(
        self, leverage: Decimal, *, mode: int = 2, long: bool | None = None
    ) -> None:
        """Set the leverage: mode 1 is cross, mode 2 isolated (for the long or the short leg)."""
        params = {"mode": str(mode), "leverage": plain(leverage)}
        params |= {} if long is None else {"long_flag": protocol.flag(long)}
        self._rest.data(endpoints.LEVERAGE_CHANGE, self._rest.symbol | params)

    def isolate_margin(self, leverage: Number) -> None:
        """Set isolated margin with this leverage on both legs; refused while orders rest."""
        for long in (True, False):
            self.change_leverage(Decimal(str(leverage)), mode=2, long=long)

    def increase_margin(self, margin: Decimal, *, long: bool, increase: bool = True) -> None:
        """Add margin to a leg, or with `increase=False` remove it."""
        flags = {"long_flag": protocol.flag(long), "increase_flag": protocol.flag(increase)}
        params = self._rest.symbol | {"margin": plain(margin)} | flags
        self._rest.data(endpoints.MARGIN_INCREASE, params)

    def auto_margin(self, *, long: bool, on: bool) -> None:
        """Switch the automatic margin top-up of a leg on or off."""
        params = {"long_flag": protocol.flag(long), "open_flag": protocol.flag(on)}
        self._rest.data(endpoints.MARGIN_AUTO, self._rest.symbol | params)

    # --- orders ---------------------------------------------------------------------------------

    def create_order(self, request: OrderRequest, still_wanted: Wanted = lambda: True) -> str:
        """Place one limit order and return its order_id; `still_wanted()` is read until it leaves.

        Raises OutcomeUnknown when it may or may not have arrived: reconcile, never send it again.
        """

        def leaving() -> None:
            self.on_create(CreateEvent.LEAVING, request, str(self.clock.now()))

        params, what = protocol.order_params(request, self.account), f"create {request}"
        try:
            data = self._rest.send(endpoints.ORDER_CREATE, params, what, still_wanted, leaving)
            order_id = protocol.order_id(data if isinstance(data, dict) else {})
        except BadData as error:
            raise OutcomeUnknown(f"{what}: the answer cannot be read: {error}") from None
        except RequestError as error:
            found = codes.error_of_create(error)
            if not isinstance(found, OutcomeUnknown):
                self.on_create(CreateEvent.REFUSED, request, "")
            raise found from None
        self.on_create(CreateEvent.CREATED, request, order_id)
        return order_id

    def place_order(self, quantity: Number, price: Number) -> OpenOrder:
        """Place one order and return it as accepted: quantity above zero buys, below zero sells."""
        qty, limit = Decimal(str(quantity)), Decimal(str(price))
        side, oid = Side.BUY if qty > 0 else Side.SELL, self.new_client_oid()
        request = OrderRequest(side=side, price=limit, qty=abs(qty), client_oid=oid)
        return request.accepted(self.create_order(request))

    def buy(self, quantity: Number, price: Number) -> OpenOrder:
        """Place a buy order."""
        return self.place_order(abs(Decimal(str(quantity))), price)

    def sell(self, quantity: Number, price: Number) -> OpenOrder:
        """Place a sell order."""
        return self.place_order(-abs(Decimal(str(quantity))), price)

    def cancel(self, order_id: str, still_wanted: Wanted = lambda: True) -> str:
        """Send a cancel and return the order_id; until its row shows it, the order may fill."""
        params = self._rest.symbol | {"order_id": order_id}
        self._rest.send(endpoints.ORDER_CANCEL, params, f"cancel {order_id}", still_wanted)
        return order_id

    def cancel_batch(self, order_ids: Sequence[str], still_wanted: Wanted = lambda: True) -> str:
        """Cancel up to 50 orders; the answer does not tell which ones succeeded. `pc` only."""
        params = self._rest.symbol | protocol.filter_params("order_id", order_ids)
        what = f"cancel {len(order_ids)} orders"
        self._rest.send(endpoints.ORDER_CANCEL_BATCH, params, what, still_wanted)
        return ""

    def create_bulk_orders(
        self,
        wanted: Sequence[OrderRequest],
        still_wanted: Callable[[OrderRequest], bool] = lambda _: True,
    ) -> list[Outcome]:
        """Place many orders in parallel, roughly in this order where the rate limit delays them.

        `still_wanted(order)` is checked just before each leaves, in the sending thread. Once an
        answer is lost, no further order leaves. Returns one outcome for each order.
        """
        lost = threading.Event()

        def create(order: OrderRequest) -> str:
            try:
                return self.create_order(order, lambda: not lost.is_set() and still_wanted(order))
            except OutcomeUnknown:
                lost.set()
                raise

        sent = [self._pool.submit(create, order) for order in wanted]
        return [outcome_of(order, future) for order, future in zip(wanted, sent, strict=True)]

    def cancel_bulk_orders(
        self, orders: Sequence[OpenOrder], still_wanted: Wanted = lambda: True
    ) -> list[Outcome]:
        """Cancel many orders, the most urgent first: a batch if one is free, then singles.

        An accepted cancel is not yet a cancelled order. `still_wanted()` is checked just before
        each single one leaves; a batch does not wait to be free. Returns one outcome for each.
        """
        is_free = partial(self._transport.is_free, endpoints.ORDER_CANCEL_BATCH)
        can_batch = self.account.is_contract and len(orders) > 1 and is_free()
        batch = orders[: protocol.BATCH_IDS] if can_batch else ()
        sent: list[tuple[OpenOrder, Future[str]]] = []
        if ids := [order.order_id for order in batch]:
            future = self._pool.submit(self.cancel_batch, ids, is_free)
            sent += [(order, future) for order in batch]
        for order in orders[len(batch) :]:
            sent.append((order, self._pool.submit(self.cancel, order.order_id, still_wanted)))
        return [outcome_of(order, future) for order, future in sent]

    def query_orders(
        self, statuses: Sequence[str] = protocol.LIVE_STATUSES, *, after: str = "", count: int = 0
    ) -> list[OpenOrder]:
        """Return all orders of the symbol in these statuses (empty: in any), oldest first.

        It reads pages until one is short, so the list is complete or the call fails. It begins
        after the order_id `after`, and stops after `count` rows if that is given.
        """
        found: dict[str, OpenOrder] = {}
        page = count or protocol.PAGE_ROWS
        for _ in range(MAX_PAGES):
            params = self._rest.symbol | {"count": str(page)}
            params |= protocol.filter_params("status", statuses) if statuses else {}
            params |= {"gt_order_id": after} if after else {}
            rows = self._rest.rows(endpoints.ORDER_QUERY, params)
            orders = parsed(protocol.parse_order, rows)
            found |= {order.order_id: order for order in orders}
            if count or len(rows) < page:
                return list(found.values())
            after = max((order.order_id for order in orders), key=int)
        raise Temporary(f"order/query did not end after {MAX_PAGES} pages")

    def newest_orders(self) -> list[OpenOrder]:
        """Return one page of the orders with the highest ids, in any state."""
        params = self._rest.symbol | {"count": str(protocol.PAGE_ROWS)}
        params |= {"lt_order_id": HIGHEST_ID}
        return parsed(protocol.parse_order, self._rest.rows(endpoints.ORDER_QUERY, params))

    def get_order(self, order_id: str) -> OpenOrder | None:
        """Return one order in any state; None when the venue does not know it."""
        rows = self.query_orders((), after=str(int(order_id) - 1), count=1)
        return next((order for order in rows if order.order_id == order_id), None)

    def get_orders(self, order_ids: Sequence[str]) -> list[OpenOrder]:
        """Return the orders that the venue knows, in any state; queried in parallel."""
        asked = [self._pool.submit(self.get_order, order_id) for order_id in order_ids]
        return [order for future in asked if (order := future.result())]

    def open_orders_http(self) -> list[OpenOrder]:
        """Return own open orders (by prefix), read over REST."""
        return self._own(self.query_orders())

    # --- the feed, under the names of the BitMEX sample -------------------------------------------

    def open_orders_ws(self) -> tuple[OpenOrder, ...]:
        """Return own open orders (by prefix) from the feed."""
        return tuple(self._own(self._feed.open_orders()))

    def funds(self) -> Margin | None:
        """Return the account from the feed; None while it has not shown it."""
        return self._feed.funds()

    def position_ws(self) -> Position:
        """Return both legs from the feed; REST has no position (design: The wire)."""
        return self._feed.position()

    def delta(self) -> Decimal:
        """Return long - short in contracts."""
        return self.position_ws().net

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades from the feed."""
        return self._feed.recent_trades()

    def market_depth(self, size: int = 25) -> dict[str, list[list[str]]]:
        """Return the best `size` levels of the book from the feed."""
        return self._feed.market_depth(size)

    # --- inside ---------------------------------------------------------------------------------

    def _own(self, orders: Iterable[OpenOrder]) -> list[OpenOrder]:
        return [order for order in orders if is_ours(order.client_oid, self.account.prefix)]

    @property
    def _feed(self) -> GTEWebsocket:
        if self.ws is None:
            raise SettingsError("this needs the live feed: give the account a ws_url")
        return self.ws
