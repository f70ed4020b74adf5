"""The names of the BitMEX sample's venue client: what a strategy calls `self.exchange.bitmex`."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from market_maker.trading.bitmex_names import Row

if TYPE_CHECKING:
    from market_maker.trading.exchange_interface import ExchangeInterface


class BitMEX:
    """The family's names for reading and for orders; they pass the limits, as all orders do.

    Where GTE has nothing of the kind, the name raises an AttributeError that says so.
    """

    def __init__(self, exchange: "ExchangeInterface") -> None:
        self._exchange = exchange
        self.symbol = exchange.symbol
        self.ticker_data = exchange.get_ticker
        self.instrument = exchange.get_instrument
        self.market_depth = exchange.get_market_depth
        self.recent_trades = exchange.recent_trades
        self.funds = exchange.get_margin
        self.position = exchange.get_position
        self.delta = exchange.get_delta
        self.open_orders = exchange.get_orders
        self.http_open_orders = exchange.get_orders_http
        self.create_bulk_orders = exchange.create_bulk_orders
        self.amend_bulk_orders = exchange.amend_bulk_orders

    def instruments(self, filter: object = None) -> list[Row]:  # noqa: ARG002
        """Return the one instrument that this bot trades."""
        return [self.instrument()]

    def place_order(self, quantity: float, price: float) -> Row | None:
        """Place an order: a quantity above zero buys, one below sells; None if a limit drops it."""
        side = "Buy" if quantity > 0 else "Sell"
        order = {"side": side, "orderQty": abs(quantity), "price": price}
        return next(iter(self.create_bulk_orders([order])), None)

    def buy(self, quantity: float, price: float) -> Row | None:
        """Place a buy order; None where a limit drops it."""
        return self.place_order(abs(quantity), price)

    def sell(self, quantity: float, price: float) -> Row | None:
        """Place a sell order; None where a limit drops it."""
        return self.place_order(-abs(quantity), price)

    def cancel(self, orderID: str | Mapping[str, Any] | Iterable[Any]) -> list[Row]:  # noqa: N803
        """Cancel own orders by orderID, one or several; return them."""
        given = [orderID] if isinstance(orderID, str | Mapping) else orderID
        return self._exchange.cancel_bulk_orders(given)

    def exit(self) -> None:
        """Do nothing: the connections are closed once it is proven that no order is left."""

    def isolate_margin(
        self,
        symbol: str | None = None,  # noqa: ARG002
        leverage: float = 0,
        rethrow_errors: bool = False,  # noqa: ARG002
    ) -> None:
        """Set isolated margin with this leverage on both legs; GTE refuses while orders rest."""
        self._exchange.gte.isolate_margin(leverage)

    def withdraw(self, amount: float, fee: float | None, address: str) -> Any:
        """See `GTE.withdraw()`. Amounts are in coins."""
        paid = None if fee is None else Decimal(str(fee))
        return self._exchange.gte.withdraw(amount=Decimal(str(amount)), address=address, fee=paid)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"exchange.bitmex has no {name!r} on GTE; exchange.gte is the venue's own client"
        )
