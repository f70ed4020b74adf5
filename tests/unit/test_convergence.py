"""From open orders to wanted ones: the fewest requests, and never a double."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import OpenOrder, OrderRequest, OrderState, Plan, Side
from market_maker.strategy import convergence

RELIST = Decimal("0.01")
BUY, SELL = Side.BUY, Side.SELL


def converge(
    wanted: list[OrderRequest], orders: list[OpenOrder], *, relist: Decimal = RELIST
) -> Plan:
    return convergence.converge(wanted, orders, relist=relist, tick=Decimal(1))


def want(side: Side, price: int | str, qty: int = 100) -> OrderRequest:
    return OrderRequest(side=side, price=Decimal(price), qty=Decimal(qty))


def has(
    side: Side,
    price: int | str,
    qty: int = 100,
    *,
    oid: str = "a",
    filled: int = 0,
    state: OrderState = OrderState.OPEN,
) -> OpenOrder:
    return OpenOrder(
        side=side,
        price=Decimal(price),
        qty=Decimal(qty),
        filled=Decimal(filled),
        client_oid=oid,
        order_id=oid,
        state=state,
    )


def test_nothing_is_sent_when_the_ladder_stands_as_wanted() -> None:
    order = has(BUY, 1000)
    assert converge([want(BUY, 1000)], [order]) == Plan(keep=(order,))


def test_prices_compare_as_numbers_and_not_as_text() -> None:
    plan = converge([want(BUY, "8582.0")], [has(BUY, "8582")], relist=Decimal(0))
    assert len(plan.keep) == 1


def test_an_order_far_from_its_wish_stays_where_relist_interval_allows_it() -> None:
    order = has(BUY, "100.5")
    plan = converge([want(BUY, "80.5"), want(BUY, "1.5")], [order], relist=Decimal("0.5"))
    assert plan.keep == (order,)
    assert [each.price for each in plan.create] == [Decimal("1.5")]


def test_of_two_orders_as_near_to_a_wish_the_cheaper_stays() -> None:
    low, high = has(BUY, "9998.5"), has(BUY, "10001.5")
    plan = converge([want(BUY, "10000")], [low, high], relist=Decimal("0.0003"))
    assert (plan.keep, plan.cancel, plan.create) == ((low,), (high,), ())


@pytest.mark.parametrize("unit", ["1000", "1", "0.00001"])
def test_an_order_within_relist_interval_stays_and_one_beyond_is_replaced(unit: str) -> None:
    wish, inner, outer = (str(Decimal(unit) * Decimal(n)) for n in ("1", "0.99", "0.989"))
    near = converge([want(BUY, wish)], [has(BUY, inner)])
    assert near.keep
    assert not near.cancel
    far = converge([want(BUY, wish)], [has(BUY, outer)])
    assert far.cancel
    assert not far.keep


def test_a_replacement_waits_until_the_order_it_replaces_has_ended() -> None:
    old, wish = has(BUY, 900), want(BUY, 1000)
    first = converge([wish], [old])
    assert (first.cancel, first.create, first.deferred) == ((old,), (), (wish,))
    going = replace(old, state=OrderState.CANCELLING)
    second = converge([wish], [going])
    assert (second.cancel, second.create, second.deferred) == ((), (), (wish,))
    assert converge([wish], []).create == (wish,)


def test_an_order_in_doubt_keeps_its_place_and_is_not_cancelled_or_doubled() -> None:
    doubtful = has(SELL, 1000, state=OrderState.UNKNOWN)
    assert converge([want(SELL, 1000)], [doubtful]) == Plan(keep=(doubtful,))
    moved = converge([want(SELL, 1100)], [doubtful])
    assert moved == Plan(deferred=(want(SELL, 1100),))


def test_orders_are_matched_by_price_and_not_by_arrival() -> None:
    """The inner level has filled: one create, where the BitMEX sample would amend all of them."""
    orders = [has(SELL, 1010, oid="b"), has(SELL, 1020, oid="c")]
    wishes = [want(SELL, 1000), want(SELL, 1010), want(SELL, 1020)]
    plan = converge(wishes, orders, relist=Decimal("0.005"))
    assert plan.create == (wishes[0],)
    assert set(plan.keep) == set(orders)


def test_a_part_filled_order_counts_with_its_original_size() -> None:
    assert converge([want(BUY, 1000)], [has(BUY, 1000, filled=60)]).keep


@pytest.mark.parametrize(("side", "there"), [(BUY, 995), (BUY, 1000), (SELL, 1000), (SELL, 1005)])
def test_a_wanted_order_waits_while_it_would_trade_with_an_own_order_that_is_leaving(
    side: Side, there: int
) -> None:
    leaving = has(side.opposite, there, state=OrderState.CANCELLING)
    plan = converge([want(side, 1000)], [leaving])
    assert plan == Plan(deferred=(want(side, 1000),))


def test_an_order_that_is_leaving_is_not_kept_though_it_is_wanted_again() -> None:
    leaving = has(BUY, 1000, state=OrderState.CANCELLING)
    assert converge([want(BUY, 1000)], [leaving]) == Plan(deferred=(want(BUY, 1000),))


def test_an_order_that_reaches_the_other_sides_wanted_prices_is_not_kept() -> None:
    plan = converge([want(BUY, 1000), want(SELL, 1003)], [has(SELL, 999)])
    assert plan.cancel
    assert want(BUY, 1000) in plan.deferred


def test_of_two_orders_that_fit_the_nearer_is_kept() -> None:
    near, far = has(BUY, 1000, oid="n"), has(BUY, 995, oid="f")
    plan = converge([want(BUY, 1001)], [far, near])
    assert (plan.keep, plan.cancel) == ((near,), (far,))


def test_a_new_order_steps_aside_from_the_price_of_one_that_is_kept_for_another_level() -> None:
    kept = has(SELL, 1005, 273)
    plan = converge([want(SELL, 1005, 100), want(SELL, 1006, 100), want(SELL, 1010, 273)], [kept])
    assert plan.keep == (kept,)
    assert plan.create == (want(SELL, 1007, 100), want(SELL, 1006, 100))


def test_an_order_is_not_kept_at_a_price_where_another_one_is_wanted_and_has_no_other_place() -> (
    None
):
    kept = has(SELL, 1653, 71)
    ladder = [want(SELL, 1652, 71), want(SELL, 1653, 60), want(SELL, 1654, 50)]
    plan = converge(ladder, [kept], relist=Decimal("0.0008"))
    assert plan.cancel == (kept,)
    assert plan.create == (ladder[0], ladder[2]) or plan.create == (ladder[2],)
    assert want(SELL, 1653, 60) in plan.deferred


# --- properties -----------------------------------------------------------------------------------

sizes = st.sampled_from([100, 273])
wishes = st.builds(
    lambda buys, sells: (
        [want(BUY, 1000 - d, q) for d, q in buys] + [want(SELL, 1003 + d, q) for d, q in sells]
    ),
    st.lists(st.tuples(st.integers(0, 30), sizes), max_size=4),
    st.lists(st.tuples(st.integers(0, 30), sizes), max_size=4),
)
states = st.sampled_from(
    [OrderState.OPEN, OrderState.OPEN, OrderState.OPEN, OrderState.CANCELLING, OrderState.UNKNOWN]
)


@st.composite
def resting(draw: st.DrawFn, any_state: bool = True) -> list[OpenOrder]:
    """Own orders as they can rest together: no buy at or above a sell."""
    middle = draw(st.integers(980, 1020))
    orders = []
    for number in range(draw(st.integers(0, 5))):
        side = draw(st.sampled_from(Side))
        away = draw(st.integers(1, 30))
        state = draw(states) if any_state else OrderState.OPEN
        price = middle - side.sign * away
        orders.append(has(side, price, draw(sizes), oid=f"o{number}", state=state))
    return orders


def crosses(orders: list[OrderRequest | OpenOrder]) -> bool:
    buys = [o.price for o in orders if o.side is BUY]
    sells = [o.price for o in orders if o.side is SELL]
    return bool(buys and sells and max(buys) >= min(sells))


@given(wishes, resting())
def test_every_order_and_wish_appears_once_in_the_plan(
    wanted: list[OrderRequest], orders: list[OpenOrder]
) -> None:
    plan = converge(wanted, orders)
    assert len(plan.keep) + len(plan.create) + len(plan.deferred) <= len(wanted) + len(orders)
    kept = {o.client_oid for o in plan.keep}
    assert not kept & {o.client_oid for o in plan.cancel}
    assert len(plan.create) + len(plan.deferred) == len(wanted) - len(plan.keep)
    assert all(o.state is OrderState.OPEN for o in plan.cancel)


@given(wishes, resting())
def test_no_plan_crosses_itself_or_what_still_rests(
    wanted: list[OrderRequest], orders: list[OpenOrder]
) -> None:
    plan = converge(wanted, orders)
    assert not crosses([*plan.keep, *plan.create, *plan.deferred])
    for new in plan.create:
        assert not any(crosses([new, order]) for order in orders)


@given(wishes, resting(), st.sampled_from(["0", "0.0015", "0.0025", "0.01"]))
def test_no_order_is_created_at_the_price_of_another_that_rests(
    wanted: list[OrderRequest], orders: list[OpenOrder], relist: str
) -> None:
    plan = converge(wanted, orders, relist=Decimal(relist))
    places = {(order.side, order.price) for order in orders}
    assert not any((new.side, new.price) in places for new in plan.create)


@given(wishes, resting())
def test_a_side_never_holds_more_orders_than_are_wanted_or_were_there(
    wanted: list[OrderRequest], orders: list[OpenOrder]
) -> None:
    plan = converge(wanted, orders)
    for side in Side:
        resting_now = sum(o.side is side for o in orders)
        created = sum(o.side is side for o in plan.create)
        wishes_of_side = sum(o.side is side for o in wanted)
        assert created == 0 or resting_now + created <= wishes_of_side


@given(wishes, resting(any_state=False))
def test_a_plan_applied_twice_changes_nothing_the_second_time(
    wanted: list[OrderRequest], orders: list[OpenOrder]
) -> None:
    plan = converge(wanted, orders)
    created = [
        has(o.side, str(o.price), int(o.qty), oid=f"n{n}")
        for n, o in enumerate((*plan.create, *plan.deferred))
    ]
    again = converge(wanted, [*plan.keep, *created])
    assert (again.cancel, again.create, again.deferred) == ((), (), ())


@given(wishes, resting(any_state=False))
def test_no_other_plan_needs_fewer_requests_or_deviates_less(
    wanted: list[OrderRequest], orders: list[OpenOrder]
) -> None:
    """Each pair saves one cancel and one create, so all plans are tried by all ways to pair."""

    def fits(order: OpenOrder, wish: OrderRequest) -> bool:
        others = [w.price for w in wanted if w.side is not order.side]
        clear = all((price - order.price) * order.side.sign > 0 for price in others)
        near = abs(order.price - wish.price) <= RELIST * wish.price
        return clear and near and order.side is wish.side and order.qty == wish.qty

    def best(left: tuple[OpenOrder, ...], free: tuple[OrderRequest, ...]) -> tuple[int, Decimal]:
        if not left:
            return 0, Decimal(0)
        order, rest = left[0], left[1:]
        scores = [best(rest, free)]
        for n, wish in enumerate(free):
            if fits(order, wish):
                pairs, nearness = best(rest, free[:n] + free[n + 1 :])
                scores.append((pairs + 1, nearness - abs(order.price - wish.price)))
        return max(scores)

    plan = converge(wanted, orders)
    optimum = best(tuple(orders), tuple(wanted))
    assert best(plan.keep, tuple(wanted)) == optimum
    assert len(plan.keep) == optimum[0]
    assert len(plan.cancel) == len(orders) - optimum[0]
    assert len(plan.create) + len(plan.deferred) == len(wanted) - optimum[0]
