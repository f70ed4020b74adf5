"""Limits: the worst case counts every order that rests or may rest as filled."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import (
    Exposure,
    Fund,
    Instrument,
    Leg,
    OpenOrder,
    OrderRequest,
    OrderState,
    Plan,
    Position,
    Side,
    Snapshot,
    Ticker,
    riskiest_first,
)
from market_maker.strategy import risk
from market_maker.strategy.convergence import converge
from market_maker.strategy.decision import decide

BUY, SELL = Side.BUY, Side.SELL
BTC_USD = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
)
OFF = risk.Limits(check=False, min_position=Decimal(-10), max_position=Decimal(10))


def limits(low: int, high: int, *, hedge: bool = False) -> risk.Limits:
    return risk.Limits(
        check=True, min_position=Decimal(low), max_position=Decimal(high), hedge=hedge
    )


def want(side: Side, price: float, qty: float = 100) -> OrderRequest:
    return OrderRequest(side=side, price=Decimal(str(price)), qty=Decimal(str(qty)))


def has(side: Side, qty: int, *, close: bool = False, filled: int = 0) -> OpenOrder:
    return OpenOrder(
        side=side,
        price=Decimal(950 if side is BUY else 1050),
        qty=Decimal(qty),
        filled=Decimal(filled),
        close=close,
        client_oid=f"{side}{qty}",
        order_id="1",
    )


def snapshot(
    *orders: OpenOrder,
    long: int = 0,
    short: int = 0,
    fills_say: tuple[int, int] | None = None,
    free: int | None = None,
    bid: int | None = 990,
    ask: int | None = 1010,
) -> Snapshot:
    """What a plan is decided on; `fills_say` is (long, short) by our own fills, if not as shown."""
    views = [(Decimal(a), Decimal(b)) for a, b in ((long, short), fills_say or (long, short))]
    return Snapshot(
        instrument=BTC_USD,
        ticker=Ticker(
            bid=Decimal(bid) if bid else None,
            ask=Decimal(ask) if ask else None,
        ),
        orders=orders,
        position=Position(
            long=Leg(qty=Decimal(long), available=Decimal(long if free is None else free)),
            short=Leg(qty=Decimal(short), available=Decimal(short)),
        ),
        exposure=Exposure.of(*views),
    )


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (want(BUY, 1000.25), "multiple of the tick"),
        (want(BUY, 1000, 1.5), "multiple of the lot 1"),
        (want(BUY, 1010), "would cross the book"),
        (want(BUY, 1011), "would cross the book"),
        (want(SELL, 990), "would cross the book"),
        (OrderRequest(side=BUY, price=Decimal("NaN"), qty=Decimal(1)), "above zero"),
        (OrderRequest(side=BUY, price=Decimal("Infinity"), qty=Decimal(1)), "above zero"),
        (OrderRequest(side=BUY, price=Decimal(1), qty=Decimal(0)), "above zero"),
        (OrderRequest(side=BUY, price=Decimal(-1), qty=Decimal(1)), "above zero"),
    ],
)
def test_an_order_that_is_not_legal_is_dropped_with_the_reason(
    order: OrderRequest, reason: str
) -> None:
    trimmed = risk.trim([order], snapshot(), OFF)
    assert trimmed.orders == ()
    assert trimmed.dropped[0][0] is order
    assert reason in trimmed.dropped[0][1]


def test_wanted_orders_that_would_trade_with_each_other_are_both_dropped() -> None:
    fine = want(BUY, 995)
    trimmed = risk.trim([want(BUY, 1000), want(SELL, 1000), fine], snapshot(), OFF)
    assert trimmed.orders == (fine,)


def test_without_limits_everything_legal_passes() -> None:
    wishes = (want(BUY, 1000, 1_000_000), want(SELL, 1001, 1_000_000))
    assert set(risk.trim(wishes, snapshot(), OFF).orders) == set(wishes)
    ladder = tuple(want(BUY, 1000 - level) for level in range(300))
    assert risk.gate(Plan(create=ladder), snapshot(), OFF).create == ladder


def test_the_ladder_is_cut_from_outside_where_the_limit_is_reached() -> None:
    ladder = [want(BUY, 1000 - level) for level in range(5)]
    trimmed = risk.trim(ladder, snapshot(long=100), limits(-1000, 400))
    assert trimmed.orders == tuple(ladder[:3])
    assert trimmed.dropped[0] == (ladder[3], "position limit")


@pytest.mark.parametrize("side", list(Side))
def test_inside_out_is_from_the_market_outwards_whatever_the_order_given(side: Side) -> None:
    ladder = [want(side, 1000 - side.sign * level) for level in range(5)]
    assert risk.inside_out([ladder[n] for n in (3, 0, 4, 2, 1)]) == ladder


def test_a_smaller_order_further_out_does_not_slip_past_one_that_did_not_fit() -> None:
    ladder = [want(BUY, 1000, 300), want(BUY, 999, 50)]
    assert risk.trim(ladder, snapshot(), limits(-100, 100)).orders == ()


@pytest.mark.parametrize("state", [s for s in OrderState if s is not OrderState.DONE])
def test_creates_wait_until_cancels_have_freed_their_room(state: OrderState) -> None:
    plan = Plan(create=(want(BUY, 1000),))
    gated = risk.gate(plan, snapshot(replace(has(BUY, 100), state=state)), limits(-100, 100))
    assert (gated.create, gated.deferred) == ((), (want(BUY, 1000),))


def test_fills_that_the_position_does_not_show_yet_count() -> None:
    plan = Plan(create=(want(BUY, 1000),))
    assert risk.gate(plan, snapshot(fills_say=(1, 0)), limits(-100, 100)).deferred
    assert risk.gate(plan, snapshot(fills_say=(0, 0)), limits(-100, 100)).create


@pytest.mark.parametrize(
    ("hedge", "views", "buys", "sells"),
    [
        (False, [(50, 0), (50, 0)], 50, 150),
        (False, [(50, 0), (70, 0)], 30, 150),
        (False, [(70, 0), (50, 0)], 30, 150),
        (False, [(50, 50), (70, 20)], 50, 100),
        (False, [(0, 0), (0, 120)], 100, -20),
        (True, [(50, 50), (70, 20)], 30, 50),
        (True, [(50, 0), (0, 110)], 50, -10),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_of_what_is_shown_and_what_our_fills_say_the_worse_counts_for_each_side(
    hedge: bool, views: list[tuple[int, int]], buys: int, sells: int, turned: bool
) -> None:
    shown, by_fills = reversed(views) if turned else views
    now = snapshot(long=shown[0], short=shown[1], fills_say=by_fills)
    assert risk.room_for(BUY, now, limits(-100, 100, hedge=hedge), ()) == buys
    assert risk.room_for(SELL, now, limits(-100, 100, hedge=hedge), ()) == sells


def test_in_hedge_mode_each_leg_has_its_own_limit() -> None:
    both = snapshot(long=90, short=90)
    assert risk.room_for(BUY, both, limits(-100, 100, hedge=True), ()) == 10
    assert risk.room_for(SELL, both, limits(-100, 100, hedge=True), ()) == 10
    assert risk.room_for(BUY, both, limits(-100, 100), ()) == 100


def legs_of(
    creates: list[OrderRequest], now: Snapshot, bounds: risk.Limits = OFF
) -> dict[tuple[Decimal, Decimal], bool]:
    """Which creates pass, by quantity and price, and whether each closes a leg."""
    passed = risk.gate(Plan(create=tuple(creates)), now, bounds).create
    return {(order.qty, order.price): order.close for order in passed}


def test_an_order_closes_the_opposite_leg_when_all_of_it_can() -> None:
    creates = [want(SELL, 1001, 60), want(SELL, 1002, 60), want(BUY, 999, 10)]
    assert legs_of(creates, snapshot(long=100, short=5)) == {
        (60, 1001): True,
        (60, 1002): False,
        (10, 999): False,
    }


def test_what_resting_close_orders_have_bound_cannot_be_closed_twice() -> None:
    bound = snapshot(has(SELL, 80, close=True, filled=20), long=100)
    assert legs_of([want(SELL, 1001, 50)], bound) == {(50, 1001): False}
    assert legs_of([want(SELL, 1001, 40)], bound) == {(40, 1001): True}


def test_what_orders_of_others_have_bound_cannot_be_closed() -> None:
    chosen = legs_of([want(SELL, 1001, 50)], snapshot(long=100, free=40))
    assert chosen == {(50, 1001): False}


def test_a_fill_that_the_leg_does_not_show_yet_is_no_more_to_close() -> None:
    long = snapshot(long=100, free=70, fills_say=(60, 0))  # others have bound 30
    assert legs_of([want(SELL, 1001, 30)], long) == {(30, 1001): True}
    assert legs_of([want(SELL, 1001, 31)], long) == {(31, 1001): False}
    short = snapshot(short=100, fills_say=(0, 60))
    assert legs_of([want(BUY, 999, 60)], short) == {(60, 999): True}
    assert legs_of([want(BUY, 999, 61)], short) == {(61, 999): False}


def test_in_hedge_mode_an_order_opens_while_both_legs_have_room() -> None:
    bounds = limits(-300, 300, hedge=True)
    now = snapshot(long=100, short=100)
    assert legs_of([want(SELL, 1001, 60), want(BUY, 999, 60)], now, bounds) == {
        (60, 1001): False,
        (60, 999): False,
    }


def test_in_hedge_mode_a_full_leg_is_closed_by_the_other_side() -> None:
    bounds = limits(-300, 300, hedge=True)
    ladder = [want(SELL, 1001, 100), want(SELL, 1002, 100), want(BUY, 999, 100)]
    long_full = snapshot(long=250, short=100)  # no room for 100 more
    assert risk.trim(ladder, long_full, bounds).orders == tuple(ladder[:2])
    assert legs_of(ladder, long_full, bounds) == {(100, 1001): True, (100, 1002): True}
    both_full = snapshot(long=300, short=300)
    assert set(risk.trim(ladder, both_full, bounds).orders) == set(ladder)
    assert all(legs_of(ladder, both_full, bounds).values())


@pytest.mark.parametrize(
    ("short", "is_hedge", "is_used_up"),
    [(0, True, True), (1, True, False), (1, False, True), (0, False, True)],
)
def test_a_side_without_room_can_be_quoted_only_where_it_closes_the_other_leg(
    short: int, *, is_hedge: bool, is_used_up: bool
) -> None:
    full = snapshot(long=500 + (0 if is_hedge else short), short=short)
    room = risk.Room(BUY, full, limits(-500, 500, hedge=is_hedge), ())
    assert room.room == 0
    assert room.is_used_up is is_used_up


def test_in_hedge_mode_no_more_is_closed_than_the_leg_holds() -> None:
    bounds = limits(-300, 300, hedge=True)
    ladder = [want(SELL, 1001 + n, 120) for n in range(5)]
    both_full = snapshot(long=250, short=250)
    assert len(risk.trim(ladder, both_full, bounds).orders) == 2
    assert len(legs_of(ladder, both_full, bounds)) == 2
    resting = snapshot(has(SELL, 120, close=True), long=250, short=250)
    assert len(legs_of(ladder, resting, bounds)) == 1


def test_in_hedge_mode_reducing_closes_both_legs_and_opens_neither() -> None:
    bounds = replace(limits(-300, 300, hedge=True), reducing=True)
    ladder = [want(SELL, 1001, 60), want(BUY, 999, 60)]
    assert all(legs_of(ladder, snapshot(long=100, short=100), bounds).values())
    assert legs_of(ladder, snapshot(long=0, short=50), bounds) == {}


# --- balances on spot -----------------------------------------------------------------------------

BTC_USDT = Instrument(
    instrument_type="bb",
    settle_currency="USDT",
    symbol="BTC/USDT",
    tick=Decimal("0.5"),
    lot=Decimal("0.001"),
)


def on_spot(*orders: OpenOrder, base: str, quote: str) -> Snapshot:
    """A spot account with this much that own orders may use of each currency."""
    names = ((BUY, "USDT", quote), (SELL, "BTC", base))
    funds = {
        side: Fund(currency=name, total=Decimal(usable), usable=Decimal(usable))
        for side, name, usable in names
    }
    return replace(snapshot(*orders), instrument=BTC_USDT, funds=funds)


def test_on_spot_nothing_is_placed_that_its_balance_cannot_pay_and_the_other_side_stays() -> None:
    buys = [want(BUY, 1000 - n, 1) for n in range(3)]
    sells = [want(SELL, 1001 + n, 1) for n in range(3)]
    trimmed = risk.trim(buys + sells, on_spot(base="1.5", quote="5000"), OFF)
    assert trimmed.orders == (*buys, sells[0])
    assert {(order, why) for order, why in trimmed.dropped} == {
        (sells[1], "not enough BTC"),
        (sells[2], "not enough BTC"),
    }
    trimmed = risk.trim(buys + sells, on_spot(base="9", quote="1999"), OFF)
    assert set(trimmed.orders) == {*buys[:2], *sells}
    assert {why for _, why in trimmed.dropped} == {"not enough USDT"}


def test_on_spot_creates_wait_until_cancels_have_freed_the_balance() -> None:
    resting = has(SELL, 3, filled=2)  # uses 1 of it
    now = on_spot(resting, base="2.5", quote="0")
    plan = Plan(create=(want(SELL, 1001, 1), want(SELL, 1002, 1)), cancel=(resting,))
    gated = risk.gate(plan, now, OFF)
    assert [order.price for order in gated.create] == [1001]
    assert [order.price for order in gated.deferred] == [1002]


@pytest.mark.parametrize("side", list(Side))
def test_on_spot_reduce_only_closes_no_more_than_the_position_holds_by_each_view(
    side: Side,
) -> None:
    views = [(0, qty) if side is BUY else (qty, 0) for qty in (100, 50)]
    exposure = Exposure.of(*((Decimal(long), Decimal(short)) for long, short in views))
    now = replace(on_spot(base="1000", quote="1000000"), exposure=exposure)
    fits, too_large = (replace(want(side, 1000, qty), reduce_only=True) for qty in (50, 51))
    assert risk.trim([fits], now, OFF).orders == (fits,)
    assert risk.trim([too_large], now, OFF).orders == ()


# --- properties -----------------------------------------------------------------------------------

quantities = st.integers(1, 200)
ladders = st.builds(
    lambda buys, sells: (
        [want(BUY, 1000 - n, q) for n, q in enumerate(buys)]
        + [want(SELL, 1001 + n, q) for n, q in enumerate(sells)]
    ),
    st.lists(quantities, max_size=6),
    st.lists(quantities, max_size=6),
)
open_orders = st.lists(
    st.builds(
        lambda side, qty, close, state, n: OpenOrder(
            side=side,
            price=Decimal(1000 - 20 * side.sign - n),
            qty=Decimal(qty),
            close=close,
            client_oid=f"{n}",
            order_id=f"{n}",
            state=state,
        ),
        st.sampled_from(Side),
        quantities,
        st.booleans(),
        st.sampled_from([OrderState.OPEN, OrderState.CANCELLING, OrderState.UNKNOWN]),
        st.integers(0, 9),
    ),
    max_size=6,
    unique_by=lambda order: order.client_oid,
)


@given(
    ladders,
    open_orders,
    st.integers(0, 300),
    st.integers(0, 300),
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
    st.booleans(),
)
def test_no_create_takes_the_worst_case_past_a_limit(
    wanted: list[OrderRequest],
    orders: list[OpenOrder],
    long: int,
    short: int,
    by_fills: tuple[int, int],
    hedge: bool,
) -> None:
    bounds = limits(-400, 400, hedge=hedge)
    now = snapshot(*orders, long=long, short=short, fills_say=by_fills)
    trimmed = risk.trim(wanted, now, bounds)
    plan = risk.gate(
        converge(trimmed.orders, orders, relist=Decimal("0.01"), tick=Decimal("0.5")), now, bounds
    )
    for side, (held_long, held_short) in product(Side, [(long, short), by_fills]):
        if side is BUY:
            worst = held_long if hedge else held_long - held_short
        else:
            worst = held_short if hedge else held_short - held_long
        worst += sum(o.remaining for o in orders if o.side is side and not (hedge and o.close))
        created = sum(o.qty for o in plan.create if o.side is side and not (hedge and o.close))
        assert created == 0 or worst + created <= 400


@given(ladders, open_orders, st.integers(0, 300))
def test_limits_never_block_a_cancel(
    wanted: list[OrderRequest], orders: list[OpenOrder], long: int
) -> None:
    plan = converge(wanted, orders, relist=Decimal("0.01"), tick=Decimal("0.5"))
    gated = risk.gate(plan, snapshot(*orders, long=long), limits(0, 0))
    assert gated.cancel == plan.cancel
    opening = {replace(order, close=False) for order in gated.create + gated.deferred}
    assert opening == set(plan.create) | set(plan.deferred)


@given(ladders)
def test_what_passes_does_not_cross_itself_or_the_book(wanted: list[OrderRequest]) -> None:
    passed = risk.trim(wanted, snapshot(), OFF).orders
    buys = [o.price for o in passed if o.side is BUY]
    sells = [o.price for o in passed if o.side is SELL]
    assert not (buys and sells and max(buys) >= min(sells))
    assert all(price < 1010 for price in buys)
    assert all(price > 990 for price in sells)


@pytest.mark.parametrize(
    ("held", "first"),
    [({}, "BSbs"), ({"long": 70}, "BbSs"), ({"short": 70}, "SsBb")],
)
def test_cancels_begin_with_what_enlarges_the_position_and_is_nearest(
    held: dict[str, int], first: str
) -> None:
    prices = {"B": 980, "b": 900, "S": 1021, "s": 1100}
    orders = {
        name: replace(has(BUY if name in "Bb" else SELL, 10), price=Decimal(price))
        for name, price in prices.items()
    }
    now = snapshot(**held)
    found = riskiest_first(orders.values(), now.ticker, now.position)
    assert found == [orders[name] for name in first]


def test_a_plan_holds_the_most_urgent_requests_first() -> None:
    far, near = (
        replace(has(BUY, 10), price=Decimal(price), client_oid=str(price), order_id=str(price))
        for price in (900, 980)
    )
    wanted = [want(BUY, 930, 10), want(SELL, 1060, 10), want(BUY, 985, 10), want(SELL, 1020, 10)]
    plan = decide(wanted, snapshot(far, near, long=50), OFF, relist=Decimal(0)).plan
    assert plan.cancel == (near, far)
    plan = decide(wanted, snapshot(), OFF, relist=Decimal(0)).plan
    assert [order.price for order in plan.create] == [985, 1020, 1060, 930]


@given(open_orders, st.integers(0, 300), st.integers(0, 300), st.integers(0, 50), st.booleans())
def test_one_more_order_never_leaves_more_room(
    orders: list[OpenOrder], long: int, short: int, bought: int, hedge: bool
) -> None:
    now = snapshot(long=long, short=short, fills_say=(long + bought, short))
    bounds = limits(-400, 400, hedge=hedge)
    for side in Side:
        rooms = [risk.room_for(side, now, bounds, orders[:n]) for n in range(len(orders) + 1)]
        known = [room for room in rooms if room is not None]
        assert known == sorted(known, reverse=True)


@given(open_orders, st.integers(0, 300), st.integers(0, 300), st.data())
def test_a_fill_never_leaves_less_room_once_the_position_shows_it(
    orders: list[OpenOrder], long: int, short: int, data: st.DataObject
) -> None:
    if not orders:
        return
    filled = data.draw(st.sampled_from(orders))
    qty = data.draw(st.integers(1, int(filled.qty)))
    others = [order for order in orders if order is not filled]
    after = [*others, replace(filled, filled=Decimal(qty))]
    sign = filled.side.sign
    before = snapshot(long=long, short=short)
    unseen = snapshot(
        long=long, short=short, fills_say=(long + qty * (sign > 0), short + qty * (sign < 0))
    )
    shown = snapshot(long=long + qty * (sign > 0), short=short + qty * (sign < 0))
    for side in Side:
        room = risk.room_for(side, before, limits(-400, 400), orders)
        later = risk.room_for(side, shown, limits(-400, 400), after)
        meanwhile = risk.room_for(side, unseen, limits(-400, 400), after)
        assert room is not None
        assert later is not None
        assert meanwhile is not None
        assert later >= room
        assert meanwhile >= room


@pytest.mark.parametrize(
    ("changed", "order", "reason"),
    [
        ({"max_order_qty": 99}, want(BUY, 995, 100), "MAX_ORDER_QTY"),
        ({"max_order_qty": 100}, want(BUY, 995, 100), ""),
        ({"collar": "0.01"}, want(BUY, 1009, 1), "from the mark price"),
        ({"collar": "0.02"}, want(BUY, 1009, 1), ""),
        ({"collar": "0.01"}, want(SELL, 991, 1), "from the mark price"),
        ({"collar": "0.01"}, want(SELL, 2000, 1), ""),
        ({"collar": "0.01"}, want(BUY, 1, 1), ""),
    ],
)
@pytest.mark.parametrize("reference", ["mark", "index"])
def test_each_cap_drops_what_is_beyond_it_and_says_which(
    reference: str, changed: dict[str, object], order: OrderRequest, reason: str
) -> None:
    bounds = replace(OFF, **{name: Decimal(str(value)) for name, value in changed.items()})
    price = {f"{reference}_price": Decimal(995 if order.side is BUY else 1005)}
    now = replace(snapshot(), instrument=replace(BTC_USD, **price))
    dropped = risk.trim([order], now, bounds).dropped
    assert bool(dropped) == bool(reason)
    assert all(reason.replace("mark", reference) in why for _, why in dropped)


@pytest.mark.parametrize(
    ("changed", "placed"),
    [
        ({"max_orders": 3}, 2),
        ({"max_orders": 1}, 0),
        ({"max_open_value": "0.31"}, 2),
        ({"max_open_value": "0.1"}, 0),
        ({}, 4),
    ],
)
def test_number_and_worth_of_open_orders_are_bounded(
    changed: dict[str, object], placed: int
) -> None:
    bounds = replace(OFF, **{k: Decimal(str(v)) for k, v in changed.items()})
    creates = tuple(want(BUY, 1000 - n, 100) for n in range(4))
    gated = risk.gate(Plan(create=creates), snapshot(has(SELL, 100)), bounds)
    assert gated.create == creates[:placed]
    assert gated.deferred == creates[placed:]


def test_a_part_filled_order_counts_towards_the_worth_by_what_is_left_of_it() -> None:
    bounds = replace(OFF, max_open_value=Decimal("0.31"))
    creates = tuple(want(BUY, 1000 - n, 100) for n in range(4))
    gated = risk.gate(Plan(create=creates), snapshot(has(SELL, 300, filled=200)), bounds)
    assert gated.create == creates[:2]


@pytest.mark.parametrize("state", [s for s in OrderState if s is not OrderState.DONE])
def test_an_order_in_any_state_but_done_takes_its_place(state: OrderState) -> None:
    bounds = replace(OFF, max_orders=2)
    creates = tuple(want(BUY, 1000 - n, 100) for n in range(3))
    there = replace(has(SELL, 100), state=state)
    assert risk.gate(Plan(create=creates), snapshot(there), bounds).create == creates[:1]


@pytest.mark.parametrize(
    ("long", "short", "buys", "sells"),
    [(0, 0, 0, 0), (50, 0, 0, 50), (0, 50, 50, 0), (80, 30, 0, 50), (500, 0, 0, 500)],
)
@pytest.mark.parametrize("check", [True, False])
def test_reducing_leaves_room_towards_zero_alone(
    long: int, short: int, buys: int, sells: int, check: bool
) -> None:
    bounds = replace(limits(-1000, 1000), check=check, reducing=True)
    now = snapshot(long=long, short=short)
    assert max(risk.room_for(BUY, now, bounds, ()) or 0, 0) == buys
    assert max(risk.room_for(SELL, now, bounds, ()) or 0, 0) == sells
