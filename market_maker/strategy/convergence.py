"""Convergence: from resting orders to wanted orders with the fewest requests.

An order is kept for a wanted one of the same side and size when its price is within `relist` of the
wanted price and does not reach the other side's wanted prices. Each kept order saves a cancel and a
create, so the fewest requests means the most kept orders. Of those plans it returns the one with
the smallest total deviation from the wanted prices. A part-filled order counts with its original
size.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from market_maker.models import ZERO, OpenOrder, OrderRequest, OrderState, Plan, Side

Pair = tuple[OpenOrder, OrderRequest]


def converge(
    wanted: Sequence[OrderRequest], orders: Sequence[OpenOrder], *, relist: Decimal, tick: Decimal
) -> Plan:
    """Return the plan that turns `orders` (all that rest or may rest) into `wanted`.

    `wanted` must not cross itself. No order is created where it conflicts with a resting one: each
    order that is cancelling or of unknown outcome defers the wanted order nearest to it on its
    side, and those that would trade with it. None is created at the price of a kept order: it goes
    to a free price within `relist` (a fraction), or else that order is not kept.
    """
    pairs, missing = _matched(wanted, orders, relist, tick)
    kept = {id(order) for order, _ in pairs}
    in_the_way = [o for o in orders if id(o) not in kept]
    creates = [moved for _, moved in missing]
    held = _held_back(creates, in_the_way)
    return Plan(
        cancel=tuple(o for o in in_the_way if o.state is OrderState.OPEN),
        create=tuple(w for w in creates if id(w) not in held),
        keep=tuple(order for order, _ in pairs),
        deferred=tuple(w for w in creates if id(w) in held),
    )


def served(
    wanted: Sequence[OrderRequest], orders: Sequence[OpenOrder], *, relist: Decimal, tick: Decimal
) -> list[tuple[OrderRequest, OrderRequest]]:
    """Return each wanted order with what `converge()` plans for it.

    That is the open order kept for it, or what is to be created, whose price may be another.
    """
    pairs, missing = _matched(wanted, orders, relist, tick)
    return [(request, order) for order, request in pairs] + missing


def _matched(
    wanted: Sequence[OrderRequest], orders: Sequence[OpenOrder], relist: Decimal, tick: Decimal
) -> tuple[list[Pair], list[tuple[OrderRequest, OrderRequest]]]:
    """Return the kept orders, and the other wanted ones with what is to be created for them."""
    pairs = [
        pair
        for side in Side
        for pair in _most_pairs(_keepable(orders, wanted, side), _on(side, wanted), relist)
    ]
    while True:
        served_by = {id(request) for _, request in pairs}
        missing = [w for w in wanted if id(w) not in served_by]
        moved, full = _apart(missing, pairs, relist, tick)
        if not full:
            return pairs, list(zip(missing, moved, strict=True))
        pairs = [pair for pair in pairs if (pair[0].side, pair[0].price) not in full]


def _on(side: Side, wanted: Sequence[OrderRequest]) -> list[OrderRequest]:
    return sorted((w for w in wanted if w.side is side), key=lambda w: w.price)


def _keepable(
    orders: Sequence[OpenOrder], wanted: Sequence[OrderRequest], side: Side
) -> list[OpenOrder]:
    """Return the resting orders of a side that do not reach the other side's wanted prices."""
    prices = [w.price for w in wanted if w.side is not side]
    limit = (min(prices) if side is Side.BUY else max(prices)) if prices else None
    return sorted(
        (
            o
            for o in orders
            if o.side is side
            and o.state is not OrderState.CANCELLING
            and (limit is None or side.better(limit, o.price))
        ),
        key=lambda o: (o.price, o.client_oid),
    )


def _most_pairs(orders: list[OpenOrder], wanted: list[OrderRequest], relist: Decimal) -> list[Pair]:
    """Pair orders with wanted ones of the same size; both lists ascend in price."""
    by_size: dict[Decimal, tuple[list[OpenOrder], list[OrderRequest]]]
    by_size = defaultdict(lambda: ([], []))
    for order in orders:
        by_size[order.qty][0].append(order)
    for request in wanted:
        by_size[request.qty][1].append(request)
    return [pair for group in by_size.values() for pair in _align(*group, relist)]


def _align(orders: list[OpenOrder], wanted: list[OrderRequest], relist: Decimal) -> list[Pair]:
    """Pair as many as possible, then as near as possible.

    Optimal pairs never cross in price. If all can be paired by rank, as in a ladder that only
    moves, those are the pairs. Otherwise it is a sequence alignment: `scores[j]` is the best score
    of the orders so far with the first j wanted ones, and a pair scores more than all deviations
    together. An order can pair only with the wanted ones from `low` to `high`, which rise with its
    price, so each order costs only its candidates. Prices are integers here, and the pairs are
    read back from the kept scores at the end, which saves two fifths of the time.
    """
    pairs = list(zip(orders, wanted, strict=False))
    if len(orders) == len(wanted) and all(_is_near(*pair, relist) for pair in pairs):
        return pairs
    total = sum([order.price for order in orders] + [each.price for each in wanted], ZERO)
    scale = 10 ** max(-int(total.as_tuple().exponent), 0)  # a sum has the decimals of all its parts
    worth = int(total * scale) + 1
    want = [int(request.price * scale) for request in wanted]
    part, whole = relist.as_integer_ratio()
    least = [-(-price * (whole - part) // whole) for price in want]
    most = [price * (whole + part) // whole for price in want]
    scores = [0]
    steps: list[tuple[int, list[int], list[int]]] = []
    for order in orders:
        price = int(order.price * scale)
        low, high = bisect_left(most, price), bisect_right(least, price)
        scores += [scores[-1]] * (high + 1 - len(scores))
        before = scores[low:]
        best, after = before[0], before[:1]
        for without, score, each in zip(before[1:], before, want[low:high], strict=False):
            if without > best:  # noqa: PLR1730  # max() is a call: twice the time of the whole
                best = without
            paired = score + worth - abs(each - price)
            if paired > best:  # noqa: PLR1730
                best = paired
            after.append(best)
        scores[low:] = after
        steps.append((low, before, after))
    return [(orders[i], wanted[j]) for i, j in _pairs_of(steps)]


def _pairs_of(steps: list[tuple[int, list[int], list[int]]]) -> Iterator[tuple[int, int]]:
    """Yield the pairs (i, j), last first: those that the best score needs."""
    j = 10**9
    for i, (low, before, after) in reversed(list(enumerate(steps))):
        j = min(j, low + len(after) - 1)
        while j > low and after[j - low] == after[j - low - 1]:
            j -= 1
        if j > low and after[j - low] != before[j - low]:
            j -= 1
            yield i, j


def _is_near(order: OpenOrder, request: OrderRequest, relist: Decimal) -> bool:
    return abs(order.price - request.price) <= relist * request.price


def _apart(
    missing: list[OrderRequest], pairs: list[Pair], relist: Decimal, tick: Decimal
) -> tuple[list[OrderRequest], set[tuple[Side, Decimal]]]:
    """Move wanted orders outward, by ticks, off the prices of orders kept for other ones.

    They stay within `relist`, where any price is acceptable. Returns them, and the sides and prices
    of kept orders beside which there was no free price.
    """
    taken = {(order.side, order.price) for order, _ in pairs}
    free = {(w.side, w.price) for w in missing} - taken
    moved, full = [], set()
    for request in missing:
        price = request.price
        if (request.side, price) in taken:
            while (request.side, price) in taken or (request.side, price) in free:
                price -= request.side.sign * tick
            if price <= 0 or abs(price - request.price) > relist * request.price:
                price = request.price
                full.add((request.side, price))
            taken.add((request.side, price))
        moved.append(request if price == request.price else replace(request, price=price))
    return moved, full & {(order.side, order.price) for order, _ in pairs}


def _held_back(missing: list[OrderRequest], in_the_way: list[OpenOrder]) -> set[int]:
    places = {(order.side, order.price) for order in in_the_way}
    held = {id(w) for w in missing if (w.side, w.price) in places}
    for side in Side:
        free = _on(side, missing)
        prices = [w.price for w in free]
        for order in sorted((o for o in in_the_way if o.side is side), key=lambda o: o.price):
            if not free:
                break
            at = bisect_left(prices, order.price)
            around = [i for i in (at - 1, at) if 0 <= i < len(free)]
            nearest = min(around, key=lambda i: abs(prices[i] - order.price))
            held.add(id(free.pop(nearest)))
            prices.pop(nearest)
        against = [o.price for o in in_the_way if o.side is not side]
        if against:
            limit = min(against) if side is Side.BUY else max(against)
            held |= {id(w) for w in free if not side.better(limit, w.price)}
    return held
