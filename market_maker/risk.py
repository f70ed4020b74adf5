"""Limits: which wanted orders may be placed. It never looks at, and never blocks, a cancel.

Worst case counts every order that rests or may rest as if it filled, so a limit holds even if
everything fills at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.models import (
    ZERO,
    OpenOrder,
    OrderRequest,
    Plan,
    Side,
    Snapshot,
    Ticker,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the position: of long - short in net mode, of each leg in hedge mode."""

    check: bool
    min_position: Decimal
    max_position: Decimal
    hedge: bool = False


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The wanted orders that may be placed, and those that may not, each with the reason."""

    orders: tuple[OrderRequest, ...]
    dropped: tuple[tuple[OrderRequest, str], ...]


def trim(wanted: Sequence[OrderRequest], snapshot: Snapshot, limits: Limits) -> Trimmed:
    """Return the wanted orders that are legal and fit the limits, best prices first.

    Dropped are orders off the grid, orders at or through the known other side of the book or of the
    wanted orders themselves (this venue has no post-only), and those beyond the position limits.
    """
    dropped = []
    legal = []
    for order in wanted:
        if reason := _fault(order, snapshot):
            dropped.append((order, reason))
        else:
            legal.append(order)
    crossing = [order for order in legal if _crosses(order, legal)]
    dropped += [(order, "it would trade with another order that is wanted") for order in crossing]
    legal = [order for order in legal if order not in crossing]
    kept = []
    for side in Side:
        room = room_for(side, snapshot, limits, ())
        for order in inside_out(o for o in legal if o.side is side):
            if room is not None:
                room -= order.qty
                if room < 0:
                    dropped.append((order, "position limit"))
                    continue
            kept.append(order)
    return Trimmed(tuple(kept), tuple(dropped))


def gate(plan: Plan, snapshot: Snapshot, limits: Limits) -> Plan:
    """Return the plan with those creates held back that must wait until cancels free their room."""
    allowed = []
    for side in Side:
        room = room_for(side, snapshot, limits, snapshot.orders)
        for order in inside_out(o for o in plan.create if o.side is side):
            if room is not None:
                room -= order.qty
                if room < 0:
                    continue
            allowed.append(order)
    passed = {id(order) for order in allowed}
    late = tuple(order for order in plan.create if id(order) not in passed)
    return replace(plan, create=tuple(allowed), hold=plan.hold + late)


def room_for(
    side: Side, snapshot: Snapshot, limits: Limits, orders: Iterable[OpenOrder]
) -> Decimal | None:
    """Return how much may still be added on a side when all `orders` fill; None without limits.

    Fills that the position does not show yet count on top of it: the worse of both views.
    """
    if not limits.check:
        return None
    position = snapshot.position
    resting = sum((o.remaining for o in orders if o.side is side), ZERO)
    if side is Side.BUY:
        held = position.long.qty if limits.hedge else position.net
        return limits.max_position - held - snapshot.unseen_bought - resting
    held = position.short.qty if limits.hedge else -position.net
    return -limits.min_position - held - snapshot.unseen_sold - resting


def choose_legs(
    creates: Sequence[OrderRequest], snapshot: Snapshot, limits: Limits
) -> tuple[OrderRequest, ...]:
    """Return the orders with `close` set: where all of an order can close the opposite leg.

    In hedge mode every order opens, as the old GTE sample did.
    """
    if limits.hedge or not snapshot.instrument.is_contract:
        return tuple(creates)
    chosen = []
    for side in Side:
        closable = _closable(side, snapshot)
        for order in inside_out(o for o in creates if o.side is side):
            close = order.qty <= closable
            closable -= order.qty if close else ZERO
            chosen.append(replace(order, close=close))
    return tuple(chosen)


def inside_out(orders: Iterable[OrderRequest]) -> list[OrderRequest]:
    """Return the orders of one side, those nearest to the market first."""
    return sorted(orders, key=lambda o: -o.side.sign * o.price)


def passive(order: OrderRequest | OpenOrder, ticker: Ticker) -> bool:
    """Say whether an order would rest: it is not at or through the known other side of the book."""
    other = ticker.ask if order.side is Side.BUY else ticker.bid
    return other is None or order.side.better(other, order.price)


def _closable(side: Side, snapshot: Snapshot) -> Decimal:
    """Return how much an order of this side can close: what no other order or fill has taken."""
    position = snapshot.position
    leg, unseen = (
        (position.short, snapshot.unseen_bought)
        if side is Side.BUY
        else (position.long, snapshot.unseen_sold)
    )
    closing = [o for o in snapshot.orders if o.side is side and o.close]
    unbound = [o for o in closing if not 0 < o.ctime < leg.time]
    return min(
        leg.qty - sum((o.remaining for o in closing), unseen),
        leg.available - sum((o.remaining for o in unbound), unseen),
    )


def _fault(order: OrderRequest, snapshot: Snapshot) -> str:
    instrument = snapshot.instrument
    if not order.price.is_finite() or order.price <= 0:
        return "the price is not above zero"
    if order.price % instrument.tick:
        return f"the price is not a multiple of the tick {instrument.tick}"
    if not order.qty.is_finite() or order.qty <= 0:
        return "the quantity is not above zero"
    if order.qty % instrument.lot:
        return f"the quantity is not a multiple of {instrument.lot}"
    if not passive(order, snapshot.ticker):
        return "it is at or through the other side of the book"
    return ""


def _crosses(order: OrderRequest, others: Sequence[OrderRequest]) -> bool:
    return any(
        other.side is not order.side and not order.side.better(other.price, order.price)
        for other in others
    )
