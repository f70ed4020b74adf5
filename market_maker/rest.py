"""GTE over REST: one method per endpoint. What spans several requests is in `gte`."""

import itertools
import secrets
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from market_maker.client_oid import RUN, base36, is_ours, new_oid, run_of
from market_maker.errors import (
    BadData,
    BadParameter,
    NotSent,
    OutcomeUnknown,
    RequestError,
    SettingsError,
    Temporary,
)
from market_maker.models import Instrument, Margin, OpenOrder, OrderRequest, Side, plain
from market_maker.wire import protocol
from market_maker.wire.protocol import Endpoint
from market_maker.wire.transport import Transport

MAX_PAGES = 100
HIGHEST_ID = str(2**63 - 1)

T = TypeVar("T")
Number = int | float | Decimal


class Rest:
    """The venue's REST endpoints, a method each, for one symbol.

    Methods raise a `RequestError` when the venue refuses or does not answer. Prices and quantities
    are decimals, times ms, `timeout` seconds.
    """

    def __init__(
        self,
        base_url: str,
        *,
        symbol: str,
        settle_currency: str,
        instrument_type: str,
        api_key: str,
        api_secret: str,
        orderid_prefix: str,
        timeout: float,
        withdraw_path: str,
        read_only: bool,
    ) -> None:
        self.symbol = symbol
        self.asset = settle_currency
        self.instrument_type = instrument_type
        self.orderid_prefix = orderid_prefix
        self._withdraw_path = withdraw_path
        self._transport = Transport(
            base_url,
            api_key=api_key,
            api_secret=api_secret,
            timeout=timeout,
            read_only=read_only,
        )
        self._cancel_id_name = "order_id"
        self.run = base36(secrets.randbelow(36**RUN), RUN)
        """The part of our client_oids that tells this process from all others."""
        self._sequence = itertools.count(1)
        self.on_created: Callable[[str], None] = lambda _: None
        """Is told the id of each order as soon as the venue has given it, in the sending thread."""

    def make_read_only(self) -> None:
        """Send no POST from now on."""
        self._transport.make_read_only()

    # --- time and identity ----------------------------------------------------------------------

    def now(self) -> int:
        """Return the venue's time in ms, as far as its answers tell."""
        return self._transport.now()

    def learn_time(self) -> None:
        """Ask the venue for its time, and forget what it was before: our clock stood still."""
        self.instrument_query()
        self._transport.believe_latest_time()

    def clock_offset(self) -> int | None:
        """Return how many ms the venue's clock is ahead of ours; None before the first answer."""
        return self._transport.clock_offset()

    def blocked_for(self) -> float | None:
        """Return the seconds since the venue began to answer 403 to all; None when it does not."""
        return self._transport.blocked_for()

    def new_client_oid(self) -> str:
        """Return an id never used before (see `identity`)."""
        return new_oid(self.orderid_prefix, self.run, next(self._sequence))

    # --- accounts -------------------------------------------------------------------------------

    def fund_query(self, asset: str | None = None) -> list[Margin]:
        """Return the funding account: one entry, for the asset or else for our own currency."""
        return self._margins(protocol.FUND_QUERY, asset)

    def account_query(self, asset: str | None = None) -> list[Margin]:
        """Return the trading account of this instrument type: contract (`pc`) or spot (`bb`)."""
        return self._margins(protocol.ACCOUNT_QUERY, asset)

    def transfer(
        self, *, volume: Decimal, source: int, target: int, asset: str | None = None
    ) -> None:
        """Move an amount between accounts: 1 funding, 2 contract, 3 spot (gte-api §4.2)."""
        params = {"from": str(source), "to": str(target), "volume": plain(volume)}
        self._call(protocol.TRANSFER, {"asset": asset or self.asset, **params})

    def withdraw(
        self, *, amount: Decimal, address: str, fee: Decimal | None = None, asset: str | None = None
    ) -> Any:
        """Request a withdrawal and return the venue's answer.

        Requested is not done: the venue still asks the user to confirm by e-mail and 2FA. The
        venue's public documents hold no such endpoint; the path comes from the setting
        WITHDRAW_PATH, and without it a SettingsError says so.
        """
        if not self._withdraw_path:
            raise SettingsError(
                "the venue documents no withdrawal endpoint: set WITHDRAW_PATH to the path that "
                "the venue gave you, or withdraw on its web site"
            )
        params = {"asset": asset or self.asset, "volume": plain(amount), "address": address}
        if fee is not None:
            params["fee"] = plain(fee)
        return self._send(Endpoint("POST", self._withdraw_path, 1), params, "withdraw")

    # --- market data ----------------------------------------------------------------------------

    def asset_query(self) -> list[str]:
        """Return the settlement areas (`pc`) or trading areas (`bb`)."""
        return [protocol.text(row, "asset") for row in self._rows(protocol.ASSET_QUERY, {})]

    def contract_query(self, asset: str | None = None) -> list[dict[str, Any]]:
        """Return the contracts of an area as rows: symbol, price_precision. `pc` only."""
        return self._rows(protocol.CONTRACT_QUERY, {"asset": asset or self.asset})

    def symbol_query(self, asset: str | None = None) -> list[dict[str, Any]]:
        """Return the pairs of an area as rows: symbol, precisions, min_trade_number. `bb` only."""
        return self._rows(protocol.SYMBOL_QUERY, {"asset": asset or self.asset})

    def instrument_query(self, symbol: str | None = None) -> Instrument:
        """Return an instrument.

        Its tick here is only what `price_precision` shows (gte-api §6.1).
        """
        params = {"asset": self.asset, "symbol": symbol or self.symbol}
        rows = self._rows(protocol.INSTRUMENT_QUERY, params)
        mine = [row for row in rows if row.get("symbol") == params["symbol"]]
        if not mine:
            raise BadParameter(f"the venue knows no {params['symbol']} in {self.asset}")
        return _parsed(protocol.parse_instrument, mine[0], self.instrument_type)

    def candle_query(
        self,
        *,
        interval: int = 1,
        size: int = 100,
        start_time: int | None = None,
        end_time: int | None = None,
    ) -> list[list[str]]:
        """Return candles [open time ms, open, high, low, close, volume]; interval in minutes."""
        params = {"interval": str(interval), "size": str(size)}
        bounds = {"start_time": start_time, "end_time": end_time}
        params |= {name: str(bound) for name, bound in bounds.items() if bound is not None}
        data = self._call(protocol.CANDLE_QUERY, self._symbol_params() | params)
        return list(data.get("rows") or [])

    def order_book_query(self, size: int = 15) -> dict[str, list[list[str]]]:
        """Return `{"bids": [[price, size], ...], "asks": ...}`, best first, at most 50 a side."""
        data = self._call(protocol.BOOK_QUERY, self._symbol_params() | {"size": str(size)})
        return {"bids": data.get("bids") or [], "asks": data.get("asks") or []}

    def trade_query(self, count: int = 100) -> list[dict[str, Any]]:
        """Return public trades as rows: trade_id, price, qty, trade_time. `pc` only."""
        return self._rows(protocol.TRADE_QUERY, self._symbol_params() | {"count": str(count)})

    def setting_query(self) -> dict[str, Any]:
        """Return margin mode and leverages of the symbol (gte-api §4.4). `pc` only."""
        return self._call(protocol.SETTING_QUERY, self._symbol_params())

    # --- leverage and margin --------------------------------------------------------------------

    def change_leverage(
        self, leverage: Decimal, *, mode: int = 2, long: bool | None = None
    ) -> None:
        """Set the leverage: mode 1 cross, 2 isolated (then for the long or the short side)."""
        params = {"mode": str(mode), "leverage": plain(leverage)}
        if long is not None:
            params["long_flag"] = _flag(long)
        self._call(protocol.LEVERAGE_CHANGE, self._symbol_params() | params)

    def isolate_margin(self, leverage: float | Decimal) -> None:
        """Set isolated margin with this leverage on both sides.

        Refused while orders rest (-13102).
        """
        for long in (True, False):
            self.change_leverage(Decimal(str(leverage)), mode=2, long=long)

    def increase_margin(self, margin: Decimal, *, long: bool, increase: bool = True) -> None:
        """Add margin to a position, or remove it."""
        params = {"long_flag": _flag(long), "increase_flag": _flag(increase)}
        self._call(
            protocol.MARGIN_INCREASE, self._symbol_params() | params | {"margin": plain(margin)}
        )

    def auto_margin(self, *, long: bool, on: bool) -> None:
        """Switch the automatic top-up of a position's margin."""
        params = {"long_flag": _flag(long), "open_flag": _flag(on)}
        self._call(protocol.MARGIN_AUTO, self._symbol_params() | params)

    # --- orders, one at a time ------------------------------------------------------------------

    def create_order(self, request: OrderRequest) -> str:
        """Place one limit order and return its order_id.

        Raises OutcomeUnknown when it may or may not have arrived: then look, never send it again.
        """
        return self._create(request)

    def place_order(self, quantity: Number, price: Number) -> OpenOrder:
        """Place one order: quantity above zero buys, below zero sells. Returns it as accepted."""
        qty = Decimal(str(quantity))
        request = OrderRequest(
            side=Side.BUY if qty > 0 else Side.SELL,
            price=Decimal(str(price)),
            qty=abs(qty),
            client_oid=self.new_client_oid(),
        )
        order_id = self.create_order(request)
        return OpenOrder(
            side=request.side,
            price=request.price,
            qty=request.qty,
            client_oid=request.client_oid,
            order_id=order_id,
            symbol=self.symbol,
        )

    def buy(self, quantity: Number, price: Number) -> OpenOrder:
        """Place a buy order."""
        return self.place_order(abs(Decimal(str(quantity))), price)

    def sell(self, quantity: Number, price: Number) -> OpenOrder:
        """Place a sell order."""
        return self.place_order(-abs(Decimal(str(quantity))), price)

    def cancel(self, order_id: str) -> None:
        """Ask to cancel one order.

        Accepted is not ended: it may still fill until its row says so.
        """
        self._cancel(order_id)

    def cancel_batch(self, order_ids: Sequence[str]) -> None:
        """Ask to cancel up to 50 orders. The venue does not say which ones it did. `pc` only."""
        self._cancel_batch(order_ids)

    def query_orders(
        self, statuses: Sequence[str] = protocol.LIVE_STATUSES, *, after: str = "", count: int = 0
    ) -> list[OpenOrder]:
        """Return all orders of the symbol in these statuses (none: in any), oldest first.

        The venue gives 100 rows at a time; this asks on until a page is short, so the list is
        complete or the call fails. `after` is an order_id to begin behind, `count` ends it after so
        many rows.
        """
        found: dict[str, OpenOrder] = {}
        for _ in range(MAX_PAGES):
            page = count or protocol.PAGE_ROWS
            params = self._symbol_params() | {"count": str(page)}
            if statuses:
                params["filter"] = protocol.filter_param("status", tuple(statuses))
            if after:
                params["gt_order_id"] = after
            rows = self._rows(protocol.ORDER_QUERY, params)
            orders = [_parsed(protocol.parse_order, row) for row in rows]
            found |= {order.order_id: order for order in orders}
            if count or len(rows) < page:
                return list(found.values())
            after = max((order.order_id for order in orders), key=int)
        raise Temporary(f"order/query did not end after {MAX_PAGES} pages")

    def newest_orders(self) -> list[OpenOrder]:
        """Return the orders with the highest ids, in whatever state: one page of them."""
        params = self._symbol_params() | {"count": str(protocol.PAGE_ROWS)}
        rows = self._rows(protocol.ORDER_QUERY, params | {"lt_order_id": HIGHEST_ID})
        return [_parsed(protocol.parse_order, row) for row in rows]

    def get_order(self, order_id: str) -> OpenOrder | None:
        """Return one order in whatever state; None when the venue does not know it."""
        rows = self.query_orders((), after=str(int(order_id) - 1), count=1)
        return next((order for order in rows if order.order_id == order_id), None)

    def open_orders_http(self) -> list[OpenOrder]:
        """Return our own open orders (by prefix), asked from the venue now."""
        return [order for order in self.query_orders() if self._is_ours(order)]

    # --- inside ---------------------------------------------------------------------------------

    def _create(
        self, request: OrderRequest, still_wanted: Callable[[], bool] = lambda: True
    ) -> str:
        is_contract = self.instrument_type != "bb"
        params = protocol.order_params(request, self.asset, self.symbol, is_contract)
        what = f"create {request}"
        try:
            data = self._send(protocol.ORDER_CREATE, params, what, still_wanted)
        except RequestError as error:
            raise _of_a_create(error) from None
        order_id = data.get("order_id") if isinstance(data, dict) else None
        if not isinstance(order_id, str) or not order_id.isdecimal():
            raise OutcomeUnknown(f"{what}: the answer holds no order_id")
        self.on_created(order_id)
        return order_id

    def _cancel(self, order_id: str) -> str:
        params = self._symbol_params()
        what = f"cancel {order_id}"
        try:
            named = {self._cancel_id_name: order_id}
            self._send(protocol.ORDER_CANCEL, params | named, what)
        except BadParameter:
            if self._cancel_id_name == "id":
                raise
            self._send(protocol.ORDER_CANCEL, params | {"id": order_id}, what)
            self._cancel_id_name = (
                "id"  # the parameter's name until 2020-05-07 (gte-api §12, row 1)
            )
        return order_id

    def _cancel_batch(self, order_ids: Sequence[str]) -> str:
        ids = protocol.filter_param("order_id", tuple(order_ids))
        params = self._symbol_params() | {"filter": ids}
        what = f"cancel {len(order_ids)} orders"
        self._send(protocol.ORDER_CANCEL_BATCH, params, what)
        return ""

    def _rows(self, endpoint: Endpoint, params: protocol.Params) -> list[dict[str, Any]]:
        rows = self._call(endpoint, params).get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Temporary(f"{endpoint.path}: the answer holds no rows")
        return rows

    def _margins(self, endpoint: Endpoint, asset: str | None) -> list[Margin]:
        rows = self._rows(endpoint, {"asset": asset or self.asset})
        return [_parsed(protocol.parse_margin, row) for row in rows]

    def _call(self, endpoint: Endpoint, params: protocol.Params) -> dict[str, Any]:
        data = self._send(endpoint, params, endpoint.path.format(type=self.instrument_type))
        if not isinstance(data, dict):
            raise Temporary(f"{endpoint.path}: the answer holds no data")
        return data

    def _send(
        self,
        endpoint: Endpoint,
        params: protocol.Params,
        what: str,
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> Any:
        path = endpoint.path.format(type=self.instrument_type)
        return self._transport.send(
            endpoint, params, path=path, what=what, still_wanted=still_wanted
        )

    def _is_ours(self, order: OpenOrder, spare: Collection[str] = ()) -> bool:
        oid, prefix = order.client_oid, self.orderid_prefix
        return is_ours(oid, prefix) and run_of(oid, prefix) not in spare

    def _symbol_params(self) -> protocol.Params:
        return {"asset": self.asset, "symbol": self.symbol}


def _of_a_create(error: RequestError) -> RequestError:
    """Return the error with what it means for a create: only a clear refusal ends it.

    A code that is not documented, "created already" (-13001), a fault of the venue and "too
    frequent" do not prove that the order is not there (faults §0.3, V8).
    """
    if isinstance(error, NotSent) or error.code == protocol.EXPIRED:
        return error
    in_doubt = isinstance(error, Temporary) or type(error) is RequestError
    if in_doubt or error.code == protocol.CREATED_ALREADY:
        return OutcomeUnknown(str(error), error.code)
    return error


def _parsed(parse: Callable[..., T], *args: Any) -> T:
    try:
        return parse(*args)
    except BadData as error:
        raise Temporary(f"the answer cannot be read: {error}") from None


def _flag(value: bool) -> str:
    return "1" if value else "0"
