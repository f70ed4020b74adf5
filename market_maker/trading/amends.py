"""What an amend leaves of an order: GTE has none, so it is cancelled and placed anew."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from market_maker.decimals import exact
from market_maker.errors import InvalidOrder
from market_maker.models import Instrument, OpenOrder
from market_maker.trading.order_keys import LARGEST, NAMING, asked_of, number, side_of

QUANTITIES = ("qty", "orderQty", "leavesQty", "cumQty")


def names_of(given: object) -> list[str]:
    """Return by which ids a strategy names an order: itself, or its orderID, clOrdID, origClOrdID.

    Raises InvalidOrder for what has none.
    """
    if isinstance(given, Mapping):
        found = [str(given[key]) for key in NAMING if given.get(key)]
    else:
        found = [str(given)] if given and isinstance(given, str | int) else []
    if not found:
        raise InvalidOrder(f"{given!r} names no order: give its orderID or clOrdID")
    return found


def check_change(before: OpenOrder, changed: Mapping[str, Any], instrument: Instrument) -> None:
    """Raise InvalidOrder for a change that cannot be; nothing has been cancelled yet."""
    if changed.get("side") and side_of(changed) is not before.side:
        raise InvalidOrder(
            f"{dict(changed)}: order {before.order_id} is a {before.side.value}, and an amend "
            "keeps the side: cancel it and create another"
        )
    new = amended(before, before.filled, changed) or {**changed, "side": before.side.value}
    kept = {key: value for key, value in new.items() if key not in ("qty", "orderQty")}
    price = kept.get("price", before.price)
    asked_of({**kept, "price": price, "orderQty": before.qty}, before.side, instrument)


def amended(
    before: OpenOrder, filled: Decimal, changed: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return an order as its amend leaves it; None when it has filled so far already.

    What is left is the new orderQty (or qty) less the quantity `filled`, or leavesQty. Of a row of
    `get_orders()`, which has both, the one that was changed counts. Raises InvalidOrder for a
    quantity that is none, or for two that contradict each other.
    """
    left = _left(before, filled, changed)
    kept = {key: value for key, value in changed.items() if key not in QUANTITIES}
    flags = (("reduceOnly", before.reduce_only), ("postOnly", before.post_only))
    new = {**{name: True for name, is_set in flags if is_set}, "price": before.price, **kept}
    return {**new, "side": before.side.value, "orderQty": left} if left > 0 else None


def _left(before: OpenOrder, filled: Decimal, changed: Mapping[str, Any]) -> Decimal:
    given = {key: _quantity(changed, key) for key in QUANTITIES}
    totals = {each for each in (given["orderQty"], given["qty"]) if each is not None}
    total, left, so_far = min(totals, default=None), given["leavesQty"], given["cumQty"]
    if len(totals) < 2:
        if left is None:
            return (before.qty if total is None else total) - filled
        if total is None:
            return left
        by_left = left + (before.filled if so_far is None else so_far)
        if by_left in (total, before.qty):
            return total - filled
        if total == before.qty:
            return left
    raise InvalidOrder(f"{dict(changed)}: two quantities that contradict each other: give one")


def _quantity(changed: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a quantity of a change, exact; None where it has none."""
    if name not in changed:
        return None
    found = number(changed[name])
    if found is None or not 0 <= found < LARGEST:
        raise InvalidOrder(f"{dict(changed)}: {name} must be a number, 0 or above and below 1e15")
    return exact(found)
