"""The quotes of a decision, each with the rules that put it there or kept it away."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker import strategy
from market_maker.decimals import plain
from market_maker.models import OpenOrder, OrderRequest, Side
from market_maker.report.limits import passed_by, refused
from market_maker.strategy import Decided

Step = tuple[str, str]
"""A rule, and in words what it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A wanted order, or an open one that is no longer wanted."""

    side: Side
    price: Decimal
    """Of the open order; without one, of the wanted one."""
    qty: Decimal
    level: int | None
    """1 is nearest to the market on its side; None: it was not wanted."""
    steps: tuple[Step, ...]
    """The rules in the order in which they applied; the last one decided."""
    is_missing: bool
    """Whether the decision leaves no order there."""
    order: OpenOrder | None = None
    """The open order, as the decision saw it."""
    create: OrderRequest | None = None
    """What was to be created."""
    client_oid: str = ""
    """Of the order; of a create only once it is known which order it became."""
    given: Decimal | None = None
    """The price that the strategy gave, before rounding."""


def quotes_of(decided: Decided) -> list[Quote]:
    """Return the quotes of a decision as in a book: the highest price first."""
    wanted = list(_wanted(decided))
    quotes = [*wanted, *_unwanted(decided, [each.order for each in wanted if each.order])]
    return sorted(quotes, key=lambda quote: (-quote.price, quote.side.value))


def why_unwanted(order: OpenOrder, decided: Decided) -> str:
    """Return why an open order serves no wanted one."""
    word = order.side.value.lower()
    same_side = [each for each in decided.wanted if each.side is order.side]
    if not same_side:
        return f"no {word} is wanted"
    of_size = [each for each in same_side if each.qty == order.qty]
    near = min(of_size or same_side, key=lambda each: abs(each.price - order.price))
    what = f"{plain(near.qty)} @ {plain(near.price)}"
    if not of_size:
        return f"no {word} of {plain(order.qty)} is wanted, the nearest is {what}"
    if abs(order.price - near.price) > decided.relist * near.price:
        return f"the nearest wanted, {what}, is {_apart(order, near)} away, {_relist(decided)}"
    for request, reason in decided.decision.dropped:
        if request == near:
            return f"the nearest wanted, {what}, is not placed: {reason}"
    return f"another order serves {what}, or it would trade with a wanted order"


# --- wanted orders ------------------------------------------------------------------------------


def _wanted(decided: Decided) -> Iterator[Quote]:
    dropped = list(decided.decision.dropped)
    levels = {side: _levels(decided.wanted, side) for side in Side}
    counts = {side: len(levels[side]) for side in Side}
    passed: list[tuple[OrderRequest, list[Step], int]] = []
    for place, request in enumerate(decided.wanted):
        level = levels[request.side][place]
        steps = [("strategy", _asked(decided, place, level, counts[request.side]))]
        steps += _rounding(decided, place)
        reason = next((each for each in dropped if each[0] == request), None)
        if reason:
            dropped.remove(reason)
            steps.append(("limits", refused(request, reason[1], decided)))
            yield _quote(request, level, steps, is_missing=True, given=_given(decided, place)[0])
        else:
            steps.append(("limits", passed_by(request, decided)))
            passed.append((request, steps, place))
    served = _served([request for request, _, _ in passed], decided)
    for request, steps, place in passed:
        level = levels[request.side][place]
        quote = _placed(request, served.pop(id(request)), [*steps], level, decided)
        yield replace(quote, given=_given(decided, place)[0])


def _served(
    passed: Sequence[OrderRequest], decided: Decided
) -> dict[int, tuple[OrderRequest, OrderRequest]]:
    """Return by identity what is planned for each wanted order that the limits let pass."""
    if decided.is_beside:
        return {id(request): (request, request) for request in passed}
    snapshot = decided.snapshot
    as_trimmed = [w for side in Side for w in strategy.inside_out(passed) if w.side is side]
    found = strategy.served(
        as_trimmed, snapshot.orders, relist=decided.relist, tick=snapshot.instrument.tick
    )
    return {id(request): (request, target) for request, target in found}


def _placed(
    request: OrderRequest,
    served: tuple[OrderRequest, OrderRequest],
    steps: list[Step],
    level: int,
    decided: Decided,
) -> Quote:
    """Return the quote of a wanted order that the limits let pass."""
    target = served[1]
    if isinstance(target, OpenOrder):
        steps.append(("orders", _kept(target, request, decided)))
        return _quote(request, level, steps, order=target)
    if target.price != request.price:
        words = f"at {plain(target.price)}: another open order stands at {plain(request.price)}"
        steps.append(("orders", words))
    if any(_is_same(target, each) for each in decided.decision.plan.deferred):
        steps.append(("orders", _waits(target, decided)))
        return _quote(request, level, steps, is_missing=True)
    steps.append(("orders", "a new one, as no open order will do"))
    if decided.held:
        steps.append(("brake", f"not sent: {decided.held}"))
    return _quote(request, level, steps, is_missing=bool(decided.held), create=target)


def _quote(
    request: OrderRequest,
    level: int,
    steps: Sequence[Step],
    *,
    is_missing: bool = False,
    order: OpenOrder | None = None,
    create: OrderRequest | None = None,
    given: Decimal | None = None,
) -> Quote:
    shown = order or create or request
    return Quote(
        side=request.side,
        price=shown.price,
        qty=request.qty,
        level=level,
        steps=tuple(steps),
        is_missing=is_missing,
        order=order,
        create=create,
        client_oid=order.client_oid if order else "",
        given=given,
    )


def _given(decided: Decided, place: int) -> tuple[Decimal, Decimal]:
    """Return price and quantity as the strategy gave them; an earlier version has not kept them."""
    request = decided.wanted[place]
    return decided.given[place] if decided.given else (request.price, request.qty)


def _levels(wanted: Sequence[OrderRequest], side: Side) -> dict[int, int]:
    """Return by place among the wanted orders the level of those of a side."""
    places = [place for place, each in enumerate(wanted) if each.side is side]
    near = sorted(places, key=lambda place: -side.sign * wanted[place].price)
    return {place: level for level, place in enumerate(near, 1)}


def _asked(decided: Decided, place: int, level: int, count: int) -> str:
    request = decided.wanted[place]
    price, qty = _given(decided, place)
    flags = [name for name in ("reduce_only", "post_only") if getattr(request, name)]
    more = f", {' and '.join(flags)}" if flags else ""
    beside = ", beside the open ones" if decided.is_beside else ""
    return f"level {level} of {count}: {plain(qty)} @ {plain(price)}{more}{beside}"


def _rounding(decided: Decided, place: int) -> Iterator[Step]:
    request, instrument = decided.wanted[place], decided.snapshot.instrument
    price, qty = _given(decided, place)
    if price != request.price:
        tick = plain(instrument.tick)
        yield "rounding", f"price {plain(request.price)}, the nearest tick of {tick}"
    if qty != request.qty:
        yield (
            "rounding",
            f"quantity {plain(request.qty)}, down to the lot of {plain(instrument.lot)}",
        )


def _kept(order: OpenOrder, request: OrderRequest, decided: Decided) -> str:
    state = "" if order.state.value == "open" else f" ({order.state.value})"
    filled = f", {plain(order.filled)} filled" if order.filled else ""
    if order.price == request.price:
        return f"kept{state}: it stands as wanted{filled}"
    apart = f"{_apart(order, request)} from {plain(request.price)}"
    return f"kept{state}: {apart}, within {_relist(decided)}{filled}"


def _waits(target: OrderRequest, decided: Decided) -> str:
    held_by = [
        each
        for each in decided.snapshot.orders
        if each.price == target.price and each.side is target.side
    ]
    if held_by:
        return f"waits: an own order stands there, {held_by[0].state.value}, and must end first"
    ending = len(decided.decision.plan.cancel)
    ending += sum(each.state.value != "open" for each in decided.snapshot.orders)
    return f"waits until {ending} own orders have ended that still count against the limits"


# --- open orders that are not wanted ------------------------------------------------------------


def _unwanted(decided: Decided, kept: Sequence[OpenOrder]) -> Iterator[Quote]:
    known = {order.client_oid for order in kept}
    for order in decided.snapshot.orders:
        if order.client_oid in known:
            continue
        if decided.is_beside:
            step = ("orders", "left as it is: the strategy placed orders beside it")
        elif order.state.value == "open":
            step = ("orders", f"cancelled: {why_unwanted(order, decided)}")
        else:
            words = {"cancelling": "its cancel is under way", "sent": "no answer to it yet"}
            word = words.get(order.state.value, "its outcome is unknown, so it counts as open")
            step = ("orders", f"{word}; it is not wanted any more")
        yield Quote(
            side=order.side,
            price=order.price,
            qty=order.qty,
            level=None,
            steps=(step,),
            is_missing=False,
            order=order,
            client_oid=order.client_oid,
        )


def _apart(order: OrderRequest, request: OrderRequest) -> str:
    return f"{abs(order.price / request.price - 1):.3%}"


def _relist(decided: Decided) -> str:
    return f"RELIST_INTERVAL {decided.relist:.3%}"


def _is_same(target: OrderRequest, other: OrderRequest) -> bool:
    return (target.side, target.price, target.qty) == (other.side, other.price, other.qty)
