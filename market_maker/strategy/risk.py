"""Limits: which wanted orders may be placed, and in which order. They never block a cancel.

Every order that rests or may rest counts as filled, so a limit holds even if all orders fill at
once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.decimals import plain
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
    """Limits on position and orders. Position limits bound long - short, in hedge mode each leg."""

    check: bool
    min_position: Decimal
    max_position: Decimal
    hedge: bool = False
    collar: Decimal = Decimal(1)
    """Price collar: the most that a buy may be above mark or index, a sell below; a fraction."""
    max_order_qty: Decimal = Decimal("Infinity")
    max_open_value: Decimal = Decimal("Infinity")
    """Value of all open orders together, in the settlement currency."""
    max_orders: int = 10**6
    reducing: bool = False
    """Whether orders may only reduce the position."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The wanted orders that may be placed, and the dropped ones, each with the reason."""

    orders: tuple[OrderRequest, ...]
    dropped: tuple[tuple[OrderRequest, str], ...]


def trim(wanted: Sequence[OrderRequest], snapshot: Snapshot, limits: Limits) -> Trimmed:
    """Return the wanted orders that are valid and within the limits, best prices first.

    Dropped are orders off the grid; orders that cross the book or other wanted orders (this venue
    has no post-only); a second order at the same price; orders beyond the caps and the position
    limits.
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
            dropped.append((order, "duplicate price"))
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
                dropped.append((order, "would cross another wanted order"))
                continue
            if room is not None:
                room -= order.qty
                if room < 0:
                    dropped.append((order, "position limit"))
                    continue
            kept.append(order)
    over = _beyond_value(kept, snapshot, limits)
    dropped += [(order, "MAX_OPEN_VALUE") for order in kept if id(order) in over]
    return Trimmed(tuple(o for o in kept if id(o) not in over), tuple(dropped))


def gate(plan: Plan, snapshot: Snapshot, limits: Limits) -> Plan:
    """Return the plan with those creates deferred that do not fit the limits before the cancels.

    The limits are those on the position, on the number of open orders, and on their value.
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
    """Return the quantity that may still be added on a side if all `orders` fill.

    None without limits. The position counts by its worst view.
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
    """Return the orders with `close` set where the whole order can close the opposite leg.

    In hedge mode every order opens, as in the old GTE sample.
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
    """Return the orders of one side, the nearest to the market first."""
    return sorted(orders, key=lambda o: -o.side.sign * o.price)


def nearest_first(creates: Iterable[OrderRequest], ticker: Ticker) -> list[OrderRequest]:
    """Return orders of both sides, the nearest to the mid first."""
    near = ticker.near
    return sorted(creates, key=lambda order: abs(order.price - near))


def _closable(side: Side, snapshot: Snapshot) -> Decimal:
    """Return the quantity that an order of this side can close, less other orders and fills.

    The venue's available quantity is reduced by own orders that it may not include yet.
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
    """Return the price collars of a side, each with the name of its reference price."""
    prices = (("mark", instrument.mark_price), ("index", instrument.index_price))
    far = 1 + side.sign * limits.collar
    return [(name, price * far) for name, price in prices if price is not None]


def _beyond_caps(
    order: OrderRequest, limits: Limits, collars: Sequence[tuple[str, Decimal]]
) -> str:
    """Return which cap an order exceeds; empty if none."""
    if order.qty > limits.max_order_qty:
        return f"larger than MAX_ORDER_QTY {plain(limits.max_order_qty)}"
    for name, collar in collars:
        if order.side.better(order.price, collar):
            return f"price beyond PRICE_COLLAR from the {name} price"
    return ""


def _beyond_value(orders: Sequence[OrderRequest], snapshot: Snapshot, limits: Limits) -> set[int]:
    """Return the identities of those orders that are worth too much with the nearer ones."""
    worth, over = limits.max_open_value, set()
    for order in nearest_first(orders, snapshot.ticker) if worth.is_finite() else ():
        worth -= value(snapshot.instrument, order.qty, order.price)
        over |= {id(order)} if worth < 0 else set()
    return over


def _fault(order: OrderRequest, snapshot: Snapshot) -> str:
    instrument = snapshot.instrument
    if not order.price.is_finite() or order.price <= 0:
        return "price not above zero"
    if order.price % instrument.tick:
        return f"price not a multiple of the tick {instrument.tick}"
    if not order.qty.is_finite() or order.qty <= 0:
        return "quantity not above zero"
    if order.qty % instrument.lot:
        return f"quantity not a multiple of the lot {instrument.lot}"
    if not snapshot.ticker.would_rest(order.side, order.price):
        return "would cross the book"
    return ""


def _reaches(order: OrderRequest, best: Decimal | None) -> bool:
    """Return whether an order would trade with the best of the other side (price * sign)."""
    return best is not None and order.side.sign * order.price >= -best
