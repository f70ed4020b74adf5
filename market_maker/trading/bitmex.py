"""The venue's client as a strategy has it: by the sample's names, and by those of `GTE`."""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, Any

from market_maker.decimals import exact, plain
from market_maker.errors import InvalidOrder
from market_maker.trading.order_keys import number
from market_maker.trading.row import Row

logger = logging.getLogger(__name__)

Number = float | Decimal | str
"""A number of any kind that `order_keys.number()` reads."""

SET_ELSEWHERE = {"postOnly": ": use the setting POST_ONLY, or the key postOnly of an order"}

if TYPE_CHECKING:
    from market_maker.trading.exchange_interface import ExchangeInterface


class OrderNames:
    """Placing and cancelling by the names of a venue's client: within the limits, as all orders."""

    def __init__(self, exchange: "ExchangeInterface") -> None:
        self._exchange = exchange
        self.create_bulk_orders = exchange.create_bulk_orders
        self.cancel_bulk_orders = exchange.cancel_bulk_orders

    def place_order(self, quantity: Number, price: Number) -> Row | None:
        """Place an order: a quantity above zero buys, one below sells; None if a limit drops it.

        Numbers are of any kind, as in `create_bulk_orders()`. Raises InvalidOrder as that does.
        """
        qty = _number(quantity, "quantity")
        order = {"side": "Buy" if qty > 0 else "Sell", "orderQty": abs(qty), "price": price}
        return next(iter(self.create_bulk_orders([order])), None)

    def buy(self, quantity: Number, price: Number) -> Row | None:
        """Place a buy order; None where a limit drops it."""
        return self.place_order(abs(_number(quantity, "quantity")), price)

    def sell(self, quantity: Number, price: Number) -> Row | None:
        """Place a sell order; None where a limit drops it."""
        return self.place_order(-abs(_number(quantity, "quantity")), price)

    def cancel(self, orderID: str | Mapping[str, Any] | Iterable[Any]) -> list[Row]:  # noqa: N803
        """Cancel own orders by orderID, one or several; return them.

        See `ExchangeInterface.cancel_bulk_orders()`.
        """
        is_one = isinstance(orderID, str | Mapping) or not isinstance(orderID, Iterable)
        return self._exchange.cancel_bulk_orders([orderID] if is_one else orderID)  # type: ignore

    def exit(self) -> None:
        """Do nothing: the connections are closed once it is proven that no order is left."""


class BitMEX(OrderNames):
    """The family's names for reading and for orders; they pass the limits, as all orders do.

    Where GTE has nothing of the kind, the name raises an AttributeError that says so.
    """

    def __init__(self, exchange: "ExchangeInterface") -> None:
        super().__init__(exchange)
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
        self.amend_bulk_orders = exchange.amend_bulk_orders
        self._is_made = True

    def instruments(self, filter: object = None) -> list[Row]:  # noqa: ARG002
        """Return the one instrument that this bot trades."""
        return [self.instrument()]

    def isolate_margin(
        self,
        symbol: str | None = None,
        leverage: Number = 0,
        rethrow_errors: bool = False,  # noqa: ARG002
    ) -> None:
        """Set isolated margin with this leverage on both legs; GTE refuses while orders rest.

        A dry run sets nothing, and says so. Raises ValueError for another symbol than the one that
        this bot trades.
        """
        self._exchange.check_symbol(symbol)
        wanted = _number(leverage, "leverage")
        if self._exchange.dry_run:
            logger.info("Dry run: leverage %s is not set.", plain(wanted))
        else:
            self._exchange.client.isolate_margin(wanted)

    def withdraw(self, amount: Number, fee: Number | None, address: str) -> Any:
        """See `GTE.withdraw()`. Amounts are in coins."""
        paid = None if fee is None else _number(fee, "fee")
        sum_ = _number(amount, "amount")
        return self._exchange.client.withdraw(amount=sum_, address=address, fee=paid)

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_made" in vars(self) and name not in vars(self):
            raise AttributeError(
                f"exchange.bitmex has no {name!r} to set{SET_ELSEWHERE.get(name, '')}"
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"exchange.bitmex has no {name!r} on GTE; exchange.gte has the client's own names"
        )


class Client(OrderNames):
    """The venue's client as a strategy has it: `GTE`, but for the names that place and cancel."""

    def create_order(self, order: Mapping[str, Any]) -> Row | None:
        """Place an order as `create_bulk_orders()` takes it; None where a limit drops it."""
        return next(iter(self.create_bulk_orders([order])), None)

    cancel_batch = OrderNames.cancel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange.client, name)


def _number(given: Number, name: str) -> Decimal:
    found = number(given)
    if found is None or isnan(found):
        raise InvalidOrder(f"{name} {given!r} is not a number")
    return exact(found)
