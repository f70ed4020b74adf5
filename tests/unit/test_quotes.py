"""The quotes of a decision: each wanted and each open order once, with the rule that decided."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market_maker import strategy
from market_maker.models import (
    Exposure,
    Instrument,
    Leg,
    OpenOrder,
    OrderRequest,
    OrderState,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.report.quotes import Quote, quotes_of
from market_maker.strategy import Decided, Limits

ONE, ZERO = Decimal(1), Decimal(0)
RELIST = Decimal("0.01")
INSTRUMENT = Instrument(
    instrument_type="pc",
    settle_currency="BTC",
    symbol="BTC_USD",
    tick=ONE,
    mark_price=Decimal(1000),
    index_price=Decimal(1000),
)


def seen(orders: list[OpenOrder], net: int = 0) -> Snapshot:
    long, short = Decimal(max(net, 0)), Decimal(max(-net, 0))
    return Snapshot(
        instrument=INSTRUMENT,
        ticker=Ticker(bid=Decimal(999), ask=Decimal(1001)),
        orders=tuple(orders),
        position=Position(long=Leg(qty=long), short=Leg(qty=short)),
        exposure=Exposure.of((long, short)),
    )


def limits(**changed: Decimal | bool) -> Limits:
    most = Decimal(1000)
    return replace(Limits(check=True, min_position=-most, max_position=most), **changed)  # type: ignore[arg-type]


def decide(
    wanted: list[OrderRequest],
    orders: list[OpenOrder] | None = None,
    *,
    net: int = 0,
    within: Limits | None = None,
    **more: object,
) -> list[Quote]:
    within, snapshot = within or limits(), seen(orders or [], net)
    decision = strategy.decide(wanted, snapshot, within, relist=RELIST)
    return quotes_of(Decided(tuple(wanted), snapshot, within, RELIST, decision, **more))  # type: ignore[arg-type]


def want(side: Side, price: int, qty: int = 100) -> OrderRequest:
    return OrderRequest(side=side, price=Decimal(price), qty=Decimal(qty))


def has(side: Side, price: int, qty: int = 100, state: OrderState = OrderState.OPEN) -> OpenOrder:
    order = OpenOrder(side=side, price=Decimal(price), qty=Decimal(qty), state=state)
    return replace(order, client_oid=f"{side.value}{price}", order_id=f"{price}")


def last(quote: Quote) -> str:
    return ": ".join(quote.steps[-1])


def test_a_kept_order_says_how_far_it_is_from_what_is_wanted() -> None:
    (quote,) = decide([want(Side.BUY, 990)], [has(Side.BUY, 985)])
    assert last(quote) == "orders: kept: 0.505% from 990, within RELIST_INTERVAL 1.000%"
    assert (quote.price, quote.is_missing) == (Decimal(985), False)


def test_what_the_strategy_gave_is_told_with_what_rounding_made_of_it() -> None:
    asked = (Decimal("989.7"), Decimal("100.9"))
    (quote,) = decide([want(Side.BUY, 990)], given=(asked,))
    assert quote.steps[:3] == (
        ("strategy", "level 1 of 1: 100.9 @ 989.7"),
        ("rounding", "price 990, the nearest tick of 1"),
        ("rounding", "quantity 100, down to the lot of 1"),
    )


def test_each_limit_that_keeps_a_quote_away_is_named_with_its_figures() -> None:
    cases = [
        ([want(Side.BUY, 990)], {"net": 950}, "position 950, 1050 once", "MAX_POSITION 1000"),
        ([want(Side.SELL, 1010)], {"net": -950}, "position -950, -1050 once", "MIN_POSITION"),
        ([want(Side.BUY, 1001)], {}, "would cross the book", "the best ask is 1001"),
        ([want(Side.SELL, 990)], {}, "would cross the book", "the best bid is 999"),
        (
            [want(Side.BUY, 990)],
            {"within": limits(max_order_qty=Decimal(50))},
            "larger than MAX_ORDER_QTY",
            "50",
        ),
        (
            [want(Side.SELL, 1010)],
            {"within": limits(max_open_value=Decimal("0.05"))},
            "MAX_OPEN_VALUE",
            "0.05",
        ),
        (
            [want(Side.SELL, 1010)],
            {"within": limits(reducing=True)},
            "position limit",
            "REDUCING allows no larger one",
        ),
        (
            [want(Side.SELL, 1010)],
            {"within": limits(collar=Decimal("-0.02"))},
            "PRICE_COLLAR",
            "at least 1020 by the mark",
        ),
    ]
    for wanted, given_with, reason, figure in cases:
        (quote,) = decide(wanted, **given_with)  # type: ignore[arg-type]
        assert quote.is_missing
        assert reason in last(quote), wanted
        assert figure in last(quote), wanted


def test_a_cancelled_order_says_what_was_wanted_in_its_place() -> None:
    cases = [
        ([want(Side.SELL, 1050)], has(Side.SELL, 1010), "is 3.810% away"),
        ([want(Side.SELL, 1010, 50)], has(Side.SELL, 1010), "no sell of 100 is wanted"),
        ([want(Side.BUY, 990)], has(Side.SELL, 1010), "no sell is wanted"),
        ([want(Side.SELL, 1010)], has(Side.SELL, 1011), "is not placed: position limit"),
    ]
    for wanted, order, reason in cases:
        net = -1000 if "position" in reason else 0
        found = [quote for quote in decide(wanted, [order], net=net) if quote.level is None]
        assert [reason in last(quote) for quote in found] == [True], reason


def test_a_quote_that_waits_for_an_own_order_says_so() -> None:
    leaving = has(Side.BUY, 990, state=OrderState.CANCELLING)
    quotes = decide([want(Side.BUY, 990)], [leaving])
    assert {last(quote) for quote in quotes} == {
        "orders: waits: an own order stands there, cancelling, and must end first",
        "orders: its cancel is under way; it is not wanted any more",
    }


def test_what_the_brake_holds_back_is_missing() -> None:
    (quote,) = decide([want(Side.BUY, 990)], held="order churn")
    assert quote.is_missing
    assert last(quote) == "brake: not sent: order churn"


@st.composite
def ladders(draw: st.DrawFn) -> tuple[list[OrderRequest], list[OpenOrder], int, Limits]:
    sides = st.sampled_from(Side)
    prices, sizes = st.integers(960, 1040), st.sampled_from([50, 100, 200])
    wanted = draw(st.lists(st.builds(want, sides, prices, sizes), max_size=12))
    states = st.sampled_from([state for state in OrderState if state is not OrderState.DONE])
    orders = draw(
        st.lists(
            st.builds(has, sides, prices, sizes, states),
            max_size=8,
            unique_by=lambda o: o.client_oid,
        )
    )
    changed = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "hedge": st.booleans(),
                "check": st.booleans(),
                "reducing": st.booleans(),
                "max_order_qty": st.just(Decimal(100)),
                "max_open_value": st.just(Decimal("0.3")),
                "max_orders": st.integers(0, 6),
            },
        )
    )
    return wanted, orders, draw(st.integers(-1100, 1100)), limits(**changed)


def test_every_wanted_and_every_open_order_is_told_once_and_as_it_was_decided() -> None:
    @given(ladders())
    def check(case: tuple[list[OrderRequest], list[OpenOrder], int, Limits]) -> None:
        wanted, orders, net, within = case
        plan = strategy.decide(wanted, seen(orders, net), within, relist=RELIST).plan
        quotes = decide(wanted, orders, net=net, within=within)
        assert len([quote for quote in quotes if quote.level]) == len(wanted)
        told = [quote.order.full for quote in quotes if quote.order]
        assert sorted(told) == sorted(order.full for order in orders)
        kept = [quote.order.full for quote in quotes if quote.order and quote.level]
        assert sorted(kept) == sorted(order.full for order in plan.keep)
        made = sorted((q.side.value, q.price, q.qty) for q in quotes if q.create)
        assert made == sorted((c.side.value, c.price, c.qty) for c in plan.create)
        assert all(quote.is_missing == (not (quote.order or quote.create)) for quote in quotes)

    check()
