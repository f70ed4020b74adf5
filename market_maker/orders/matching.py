"""Matching of virtual orders: what the market would have filled of them, by two models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.models import ZERO, OpenOrder, Side, Ticker


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A public trade: the side that it took from, its price and quantity."""

    taken: Side
    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Match:
    """What the market would have filled of an order.

    `touched` is the quantity with nobody in front of it: of each trade at its price, and all once
    the market has gone through. `is_through` says that it has: a trade beyond its price, or the
    other side of the book at its price. So what is filled by through is filled by touch, too.
    """

    order: OpenOrder
    touched: Decimal
    is_through: bool


def match(
    orders: Sequence[OpenOrder],
    trades: Mapping[int, PublicTrade],
    since: Mapping[str, int],
    ticker: Ticker,
) -> list[Match]:
    """Return the matches of orders, the oldest first, with trades by their number.

    `since` is by client_oid the number of the first trade that an order could meet. A trade's
    quantity is shared among the orders at its price, by age, and never twice.
    """
    left = {order.client_oid: order.remaining for order in orders}
    through = {
        order.client_oid
        for order in orders
        if not (ticker.is_crossed or ticker.would_rest(order.side, order.price))
    }
    for number, trade in trades.items():
        qty = trade.qty
        for order in orders:
            oid = order.client_oid
            if order.side is not trade.taken or number < since.get(oid, 0):
                continue
            if order.side.better(order.price, trade.price):
                through.add(oid)
            elif order.price == trade.price:
                part = min(left[oid], qty)
                left[oid] -= part
                qty -= part
    found = []
    for order in orders:
        is_through = order.client_oid in through
        touched = order.remaining - (ZERO if is_through else left[order.client_oid])
        if touched:
            found.append(Match(order, touched, is_through))
    return found
