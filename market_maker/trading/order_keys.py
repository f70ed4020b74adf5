"""Wanted orders, from the mappings of a strategy: exact, and nothing of them dropped silently."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from numbers import Rational
from typing import Any

from market_maker.decimals import to_grid, to_lot
from market_maker.errors import InvalidOrder
from market_maker.models import Instrument, OrderRequest, Side

LARGEST = 10**15
"""Prices and quantities of a strategy must be below this."""
PLAIN = {"price", "orderQty", "side"}
"""The keys of most orders."""
NOT_HERE = (
    *("stopPx", "pegOffsetValue", "pegPriceType", "displayQty", "simpleOrderQty"),
    *("contingencyType", "clOrdLinkID", "trailValue"),
)
"""Keys of the family's orders that change what an order does, and that GTE has nothing for."""
INSTRUCTIONS = {
    "": {},
    "ParticipateDoNotInitiate": {"post_only": True},
    "ReduceOnly": {"reduce_only": True},
    "Close": {"reduce_only": True},
}
"""The values of execInst that are obeyed; several are separated by commas."""


def request_of(order: object, side: Side | None, instrument: Instrument) -> OrderRequest:
    """Return a strategy's order with its price to the nearest tick and its size down to the lot.

    `side` is the side that the order must have; None takes the order's own. Raises InvalidOrder for
    a missing or impossible price, quantity or side, and for a key that GTE cannot obey.
    """
    side = side_of(order, side)
    assert isinstance(order, Mapping)
    price = _positive(order, "price")
    qty = _positive(order, "orderQty" if "orderQty" in order else "qty")
    wanted = OrderRequest(
        side=side, price=to_grid(price, instrument.tick), qty=to_lot(qty, instrument.lot)
    )
    if order.keys() <= PLAIN:
        return wanted
    return replace(wanted, **_instructions(order, instrument.symbol))


def side_of(order: object, wanted: Side | None = None) -> Side:
    """Return the side of a strategy's order. Raises InvalidOrder for a missing or another one."""
    if not isinstance(order, Mapping):
        raise InvalidOrder(f"{order!r} is not a mapping with price, orderQty and side")
    named = str(order.get("side") or (wanted.value if wanted else "missing")).capitalize()
    if named not in ("Buy", "Sell"):
        raise InvalidOrder(f"{dict(order)}: side must be Buy or Sell")
    if wanted and named != wanted.value:
        raise InvalidOrder(f"{dict(order)} is among the {wanted.value} orders")
    return Side(named)


def _instructions(order: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """Return what else an order asks for. Raises InvalidOrder for what GTE does not have."""

    def refuse(key: str, words: str) -> InvalidOrder:
        return InvalidOrder(f"{dict(order)}: {key} {order[key]!r} {words}")

    for key in NOT_HERE:
        if order.get(key) is not None:
            raise refuse(key, "cannot be had: GTE has limit orders only")
    if str(order.get("ordType") or "Limit").lower() != "limit":
        raise refuse("ordType", "cannot be had: GTE has limit orders only")
    if (order.get("timeInForce") or "GoodTillCancel") not in ("GoodTillCancel", "GTC"):
        raise refuse("timeInForce", "cannot be had: every order of GTE is good till cancelled")
    if (order.get("symbol") or symbol) != symbol:
        raise refuse("symbol", f"is not {symbol}, which this bot trades")
    found: dict[str, Any] = {}
    for word in str(order.get("execInst") or "").split(","):
        if word.strip() not in INSTRUCTIONS:
            known = ", ".join(filter(None, INSTRUCTIONS))
            raise refuse("execInst", f"is not one of {known}")
        found |= INSTRUCTIONS[word.strip()]
    for key in ("reduceOnly", "ReduceOnly"):
        found |= {"reduce_only": True} if order.get(key) else {}
    return found


def _positive(order: Mapping[str, Any], name: str) -> Decimal | float:
    found = _number(order.get(name))
    if found is not None and 0 < found < LARGEST:
        return found
    raise InvalidOrder(f"{dict(order)}: {name} must be a number above zero and below 1e15")


def _number(given: object) -> Decimal | float | None:
    """Return a number of any kind: Decimal, Fraction, numpy's, digits in text; None for another."""
    if isinstance(given, bool) or (isinstance(given, Decimal) and given.is_nan()):
        return None
    if isinstance(given, int | float | Decimal):
        return given
    item: Callable[[], object] | None = getattr(given, "item", None)
    if callable(item) and getattr(given, "ndim", 0) == 0:
        return _number(item())  # a scalar of numpy
    if isinstance(given, Rational):
        return Decimal(int(given.numerator)) / Decimal(int(given.denominator))
    try:
        return Decimal(given) if isinstance(given, str) else None
    except ArithmeticError:
        return None
