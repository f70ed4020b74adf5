"""Limits: which wanted orders may be placed, and what goes first. It never blocks a cancel.

Worst case counts every order that rests or may rest as if it filled, so a limit holds even if
everything fills at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from market_maker.models import (
    ZERO,
    Instrument,
    OpenOrder,
    OrderRequest,
    Plan,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.money import value


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the position: of long - short in net mode, of each leg in hedge mode."""

    check: bool
    min_position: Decimal
    max_position: Decimal
    hedge: bool = False
    collar: Decimal = Decimal(1)
    """A buy so far above mark or index, a sell so far below, is not placed; as a fraction."""
    max_order_qty: Decimal = Decimal("Infinity")
    max_open_value: Decimal = Decimal("Infinity")
    """Of all open orders together, in the settlement currency."""
    max_orders: int = 10**6
    reducing: bool = False
    """Whether the position may only come nearer to zero."""


@lru_cache(8)
def limits(
    *,
    check: bool,
    min_position: float,
    max_position: float,
    hedge: bool,
    collar: float,
    max_order_qty: float,
    max_open_value: float,
    max_orders: int,
    reducing: bool,
) -> Limits:
    """Return the limits that settings (floats) mean, exact; a `max_open_value` of 0 is none."""
    return Limits(
        check=check,
        min_position=Decimal(str(min_position)),
        max_position=Decimal(str(max_position)),
        hedge=hedge,
        collar=Decimal(str(collar)),
        max_order_qty=Decimal(str(max_order_qty)),
        max_open_value=Decimal(str(max_open_value or "Infinity")),
        max_orders=max_orders,
        reducing=reducing,
    )


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The wanted orders that may be placed, and those that may not, each with the reason."""

    orders: tuple[OrderRequest, ...]
    dropped: tuple[tuple[OrderRequest, str], ...]


def trim(wanted: Sequence[OrderRequest], snapshot: Snapshot, limits: Limits) -> Trimmed:
    """Return the wanted orders that are legal and fit the limits, best prices first.

    Dropped are orders off the grid, those at or through the known other side of the book or of the
    wanted orders themselves (this venue has no post-only), a second one at the same price, and
    those beyond the caps and the position limits.
    """
    dropped = []
    legal: list[OrderRequest] = []
    places = set()
    collars = {side: _collars(side, snapshot.instrument, limits) for side in Side}
    for order in wanted:
        place = (order.side, order.price)
        if reason := _fault(order, snapshot) or _beyond_caps(order, limits, collars[order.side]):
            dropped.append((order, reason))
        elif place in places:
            dropped.append((order, "another order is wanted at its price"))
        else:
            places.add(place)
            legal.append(order)
    best = {
        side: max((o.price * side.sign for o in legal if o.side is side), default=None)
        for side in Side
    }
    kept = []
    for side in Side:
        room = room_for(side, snapshot, limits, ())
        for order in inside_out(o for o in legal if o.side is side):
            if _reaches(order, best[side.opposite]):
                dropped.append((order, "it would trade with another order that is wanted"))
                continue
            if room is not None:
                room -= order.qty
                if room < 0:
                    dropped.append((order, "position limit"))
                    continue
            kept.append(order)
    return Trimmed(tuple(kept), tuple(dropped))


def gate(plan: Plan, snapshot: Snapshot, limits: Limits) -> Plan:
    """Return the plan with those creates held back that must wait until cancels free their room.

    Room is that of the position limits, of the number of open orders, and of their value.
    """
    rooms = {side: room_for(side, snapshot, limits, snapshot.orders) for side in Side}
    places = limits.max_orders - len(snapshot.orders)
    instrument = snapshot.instrument
    worth = limits.max_open_value - sum(
        (value(instrument, o.remaining, o.price) for o in snapshot.orders), ZERO
    )
    passed = set()
    for order in nearest_first(plan.create, snapshot.ticker):
        room = rooms[order.side]
        if room is not None:
            rooms[order.side] = room = room - order.qty
        worth -= value(instrument, order.qty, order.price)
        places -= 1
        if (room is None or room >= 0) and worth >= 0 and places >= 0:
            passed.add(id(order))
    allowed = tuple(order for order in plan.create if id(order) in passed)
    late = tuple(order for order in plan.create if id(order) not in passed)
    return replace(plan, create=allowed, deferred=plan.deferred + late)


def room_for(
    side: Side, snapshot: Snapshot, limits: Limits, orders: Iterable[OpenOrder]
) -> Decimal | None:
    """Return how much may still be added on a side when all `orders` fill; None without limits.

    The position counts by the worse of its views.
    """
    if not limits.check and not limits.reducing:
        return None
    exposure = snapshot.exposure
    if side is Side.BUY:
        held = exposure.long_high if limits.hedge else exposure.net_high
        most = limits.max_position
    else:
        held = exposure.short_high if limits.hedge else -exposure.net_low
        most = -limits.min_position
    if limits.reducing:
        most = max(held, ZERO) if not limits.check else min(most, max(held, ZERO))
    resting = sum((o.remaining for o in orders if o.side is side), ZERO)
    return most - held - resting


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


def nearest_first(creates: Iterable[OrderRequest], ticker: Ticker) -> list[OrderRequest]:
    """Return orders of both sides, those nearest to the middle of the market first."""
    middle = ticker.middle
    return sorted(creates, key=lambda order: abs(order.price - middle))


def _closable(side: Side, snapshot: Snapshot) -> Decimal:
    """Return how much an order of this side can close: what no other order or fill has taken.

    What the venue shows as available counts without those of our orders that it may not know of.
    """
    exposure, is_buy = snapshot.exposure, side is Side.BUY
    leg = snapshot.position.short if is_buy else snapshot.position.long
    held = exposure.short_low if is_buy else exposure.long_low
    closing = [o for o in snapshot.orders if o.side is side and o.close]
    unbound = [o for o in closing if not 0 < o.arrival < leg.arrival]
    filled = leg.qty - held  # by fills that the leg does not show
    return min(
        held - sum((o.remaining for o in closing), ZERO),
        leg.available - filled - sum((o.remaining for o in unbound), ZERO),
    )


def _collars(side: Side, instrument: Instrument, limits: Limits) -> list[tuple[str, Decimal]]:
    """Return the prices beyond which no order of a side is placed, each with its name."""
    prices = (("mark", instrument.mark_price), ("index", instrument.index_price))
    far = 1 + side.sign * limits.collar
    return [(name, price * far) for name, price in prices if price is not None]


def _beyond_caps(
    order: OrderRequest, limits: Limits, collars: Sequence[tuple[str, Decimal]]
) -> str:
    """Return which cap an order is beyond, or nothing."""
    if order.qty > limits.max_order_qty:
        return "it is larger than MAX_ORDER_QTY"
    for name, collar in collars:
        if order.side.better(order.price, collar):
            return f"its price is beyond PRICE_COLLAR from the {name} price"
    return ""


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
    if not snapshot.ticker.would_rest(order.side, order.price):
        return "it is at or through the other side of the book"
    return ""


def _reaches(order: OrderRequest, best: Decimal | None) -> bool:
    """Say whether an order would trade with the best of the other side, given as price * sign."""
    return best is not None and order.side.sign * order.price >= -best
