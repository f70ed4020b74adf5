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
    collars = {side: snapshot.instrument.collars(side, limits.collar) for side in Side}
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
        room = Room(side, snapshot, limits, ())
        for order in inside_out(o for o in legal if o.side is side):
            if _reaches(order, best[side.opposite]):
                dropped.append((order, "would cross another wanted order"))
            elif reason := room.take(order):
                dropped.append((order, reason))
            else:
                kept.append(order)
    over = _beyond_value(kept, snapshot, limits)
    dropped += [(order, "MAX_OPEN_VALUE") for order in kept if id(order) in over]
    return Trimmed(tuple(o for o in kept if id(o) not in over), tuple(dropped))


def conflict(order: OrderRequest, resting: Iterable[OpenOrder]) -> str:
    """Return why an order cannot be placed beside the `resting` ones; empty if it can."""
    for other in resting:
        if other.side is order.side and other.price == order.price:
            return "an own order is open at this price"
        if other.side is not order.side and not order.side.better(other.price, order.price):
            return "would trade with an own order"
    return ""


def gate(plan: Plan, snapshot: Snapshot, limits: Limits) -> Plan:
    """Return the plan with those creates deferred that do not fit the limits before the cancels.

    The limits are those on the position, on the number of open orders, on their value, and on spot
    the balances. The creates that pass have `close` set where they close a leg.
    """
    return gated(plan, snapshot, limits)[0]


def gated(plan: Plan, snapshot: Snapshot, limits: Limits) -> tuple[Plan, list[str]]:
    """Return what `gate()` does, and why each of these creates does not fit."""
    rooms = {side: Room(side, snapshot, limits, snapshot.orders) for side in Side}
    places = limits.max_orders - len(snapshot.orders)
    instrument = snapshot.instrument
    worth = limits.max_open_value - sum(
        (value(instrument, o.remaining, o.price) for o in snapshot.orders), ZERO
    )
    passed, late, reasons = [], [], []
    for order in nearest_first(plan.create, snapshot.ticker):
        room = rooms[order.side]
        is_close = room.would_close(order)
        worth -= value(instrument, order.qty, order.price)
        places -= 1
        why = room.take(order) or (worth < 0 and "MAX_OPEN_VALUE")
        if why := why or (places < 0 and "MAX_OPEN_ORDERS"):
            late.append(order)
            reasons.append(why)
        else:
            passed.append(replace(order, close=is_close))
    plan = replace(plan, create=tuple(passed), deferred=plan.deferred + tuple(late))
    return plan, reasons


class Room:
    """What may still be ordered on one side if all of `resting` fills.

    In net mode each order counts against the limit on long - short, and closes the opposite leg if
    all of it can. In hedge mode the limits are those of the legs: an order opens, but where the
    opposite leg is full, i.e. takes no more order of this size, it closes that leg.
    """

    def __init__(
        self, side: Side, snapshot: Snapshot, limits: Limits, resting: Sequence[OpenOrder]
    ) -> None:
        self.room = room_for(side, snapshot, limits, resting)
        self.closable = self._reducible = ZERO
        if snapshot.instrument.is_contract:
            self.closable = _closable(side, snapshot, resting)
        else:
            self._reducible = _reducible(side, snapshot, resting)
        self._is_hedge = limits.hedge
        self._other_room = room_for(side.opposite, snapshot, limits, ())
        self._fund = snapshot.funds.get(side)
        self._usable = self._fund.usable - cost(side, resting) if self._fund else ZERO

    @property
    def is_used_up(self) -> bool:
        """Whether no order of this side can be placed, by the position limits."""
        can_close = self._is_hedge and self.closable > 0
        return self.room is not None and self.room <= 0 and not can_close

    def would_close(self, order: OrderRequest) -> bool:
        """Return whether an order, as the next one, closes the opposite leg."""
        has_room = self._other_room is None or self._other_room >= order.qty
        must_open = self._is_hedge and has_room and not order.reduce_only
        return order.qty <= self.closable and not must_open

    def take(self, order: OrderRequest) -> str:
        """Take the room of an order; return why there is not enough, or an empty text.

        One that does not fit takes it all the same: what is further out waits until it does.
        """
        is_close = self.would_close(order)
        if order.reduce_only and not is_close and order.qty > self._reducible:
            return "reduce only, and not so much is left to close"
        self._reducible -= order.qty
        if is_close:
            self.closable -= order.qty
        if self.room is not None and not (is_close and self._is_hedge):
            self.room -= order.qty
            if self.room < 0:
                return "position limit"
        if self._fund:
            self._usable -= cost(order.side, [order])
            if self._usable < 0:
                return f"not enough {self._fund.currency}"
        return ""


def room_for(
    side: Side, snapshot: Snapshot, limits: Limits, orders: Iterable[OpenOrder]
) -> Decimal | None:
    """Return the quantity that may still be added on a side if all `orders` fill.

    None without limits. The position counts by its worst view. In hedge mode the limit is that of
    the leg which the side opens.
    """
    if not limits.check and not limits.reducing:
        return None
    held = held_at_most(side, snapshot, limits)
    most = limits.max_position if side is Side.BUY else -limits.min_position
    if limits.reducing:
        most = max(held, ZERO) if not limits.check else min(most, max(held, ZERO))
    adding = (o for o in orders if o.side is side and not (limits.hedge and o.close))
    return most - held - sum((o.remaining for o in adding), ZERO)


def held_at_most(side: Side, snapshot: Snapshot, limits: Limits) -> Decimal:
    """Return the position that orders of a side enlarge, by its worst view: net, or their leg."""
    exposure = snapshot.exposure
    if limits.hedge:
        return exposure.long_high if side is Side.BUY else exposure.short_high
    return exposure.net_high if side is Side.BUY else -exposure.net_low


def cost(side: Side, orders: Iterable[OrderRequest]) -> Decimal:
    """Return what spot orders of a side take from the account if they fill, in its currency."""
    of_side = [o for o in orders if o.side is side]
    return sum((o.remaining * (o.price if side is Side.BUY else 1) for o in of_side), ZERO)


def inside_out(orders: Iterable[OrderRequest]) -> list[OrderRequest]:
    """Return the orders of one side, the nearest to the market first."""
    return sorted(orders, key=lambda o: -o.side.sign * o.price)


def nearest_first(creates: Iterable[OrderRequest], ticker: Ticker) -> list[OrderRequest]:
    """Return orders of both sides, the nearest to the mid first."""
    near = ticker.near
    return sorted(creates, key=lambda order: abs(order.price - near))


def _closable(side: Side, snapshot: Snapshot, resting: Iterable[OpenOrder]) -> Decimal:
    """Return the quantity that orders of this side can close beside `resting` ones.

    That is the position by its lowest view, and no more than the venue calls available: the row
    of the leg reserves for the own orders that it includes, and lacks the fills that it does not.
    """
    exposure, is_buy = snapshot.exposure, side is Side.BUY
    leg = snapshot.position.short if is_buy else snapshot.position.long
    held = exposure.short_low if is_buy else exposure.long_low
    closing = [o for o in snapshot.orders if o.side is side and o.close]
    reserved = sum((o.remaining for o in closing if 0 < o.arrival < leg.arrival), ZERO)
    filled = leg.qty - held  # by fills that the leg does not show
    others = sum((o.remaining for o in resting if o.side is side and o.close), ZERO)
    return min(held, leg.available - filled + reserved) - others


def _reducible(side: Side, snapshot: Snapshot, resting: Iterable[OpenOrder]) -> Decimal:
    """Return by how much orders of this side can bring a pair's position to 0 beside others."""
    exposure = snapshot.exposure
    held = -exposure.net_high if side is Side.BUY else exposure.net_low
    return held - sum((o.remaining for o in resting if o.side is side), ZERO)


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
