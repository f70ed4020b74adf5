"""Values under the names of the BitMEX sample market maker: plain numbers in mappings."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from market_maker.decimals import to_grid, to_lot
from market_maker.errors import InvalidOrder
from market_maker.models import (
    ZERO,
    Instrument,
    Margin,
    OpenOrder,
    OrderRequest,
    Position,
    Side,
    Ticker,
)
from market_maker.money import value

LARGEST = 10**15
"""Prices and quantities of a strategy must be below this."""


def instrument_of(instrument: Instrument, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the venue's row with tickSize, tickLog, lotSize, lastPrice and markPrice added."""
    return {
        **row,
        "symbol": instrument.symbol,
        "tickSize": float(instrument.tick),
        "tickLog": instrument.price_decimals,
        "lotSize": float(instrument.lot),
        "lastPrice": _float(instrument.last_price),
        "markPrice": _float(instrument.mark_price),
        "state": "Open",
    }


def ticker_of(ticker: Ticker, tick: Decimal) -> dict[str, Any] | None:
    """Return best bid and ask as buy and sell, their mid on the tick grid, and the last price.

    None when a side of the book is empty.
    """
    if ticker.bid is None or ticker.ask is None:
        return None
    return {
        "last": _float(ticker.last),
        "buy": float(ticker.bid),
        "sell": float(ticker.ask),
        "mid": float(to_grid((ticker.bid + ticker.ask) / 2, tick)),
    }


def position_of(position: Position, symbol: str) -> dict[str, Any]:
    """Return currentQty (long - short), both legs, and the entry price of the larger leg."""
    larger = position.long if position.net >= 0 else position.short
    return {
        "symbol": symbol,
        "currentQty": _number(position.net),
        "longQty": _number(position.long.qty),
        "shortQty": _number(position.short.qty),
        "longEntryPrice": float(position.long.entry_price),
        "shortEntryPrice": float(position.short.entry_price),
        "avgEntryPrice": float(larger.entry_price),
        "avgCostPrice": float(larger.entry_price),
    }


def delta_of(instrument: Instrument, position: Position) -> dict[str, Any]:
    """Return the position valued at the mark price as spot, in the settlement currency."""
    price = instrument.valuation_price
    worth = value(instrument, position.net, price) if price else ZERO
    return {"spot": float(worth), "mark_price": _float(price)}


def margin_of(margin: Margin) -> dict[str, Any]:
    """Return the account in its currency; marginBalance and availableMargin in 1e-8 of it."""
    return {
        "currency": margin.currency,
        "total": float(margin.total),
        "available": float(margin.available),
        "order_margin": float(margin.order_margin),
        "pos_margin": float(margin.position_margin or ZERO),
        "marginBalance": int(margin.total.scaleb(8)),
        "availableMargin": int(margin.available.scaleb(8)),
    }


def orders_of(orders: Iterable[OpenOrder], symbol: str) -> list[dict[str, Any]]:
    """Return orders with orderID, clOrdID, side, price, orderQty, cumQty and leavesQty."""
    return [
        {
            "orderID": order.order_id,
            "clOrdID": order.client_oid,
            "symbol": symbol,
            "side": order.side.value,
            "price": float(order.price),
            "orderQty": _number(order.qty),
            "cumQty": _number(order.filled),
            "leavesQty": _number(order.remaining),
            "ordStatus": order.state.value,
        }
        for order in orders
    ]


def _number(value: Decimal) -> float:
    """Return a quantity: whole numbers as int, others as float."""
    return int(value) if value == value.to_integral_value() else float(value)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def request_of(order: object, side: Side, instrument: Instrument) -> OrderRequest:
    """Return a strategy's order with its price to the nearest tick and its size down to the lot.

    Raises InvalidOrder for a missing or impossible price, quantity or side.
    """
    if not isinstance(order, Mapping):
        raise InvalidOrder(f"{order!r} is not a mapping with price, orderQty and side")
    if str(order.get("side", side.value)).lower() != side.value.lower():
        raise InvalidOrder(f"{dict(order)} is among the {side.value} orders")
    price = _quantity(order, "price")
    qty = _quantity(order, "orderQty" if "orderQty" in order else "qty")
    return OrderRequest(
        side=side, price=to_grid(price, instrument.tick), qty=to_lot(qty, instrument.lot)
    )


def _quantity(order: Mapping[str, Any], name: str) -> float | Decimal:
    value: object = order.get(name)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if 0 < value < LARGEST:
            return value
    raise InvalidOrder(f"{dict(order)}: {name} must be a number above zero and below 1e15")
