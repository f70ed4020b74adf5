"""A dry run's virtual fills: by touch and by through, nested, and never more than was traded."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import Fill, Instrument, Leg, OpenOrder, Position, Side, Ticker
from market_maker.money import Money, VirtualLedger
from market_maker.orders.matching import Match, PublicTrade, match

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
WIDE = Ticker(bid=D(90), ask=D(110))
CONTRACT = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=D("0.5"), face_value=D(1)
)


def order(side: Side, price: int, qty: int = 10, oid: str = "a", **about: Any) -> OpenOrder:
    return OpenOrder(side=side, price=D(price), qty=D(qty), client_oid=oid, **about)


def matched(
    orders: list[OpenOrder], *trades: tuple[Side, int, int], ticker: Ticker = WIDE, **since: int
) -> list[tuple[str, Decimal, bool]]:
    found = match(orders, numbered(*trades), since, ticker)
    return [(each.order.client_oid, each.touched, each.is_through) for each in found]


def numbered(*trades: tuple[Side, int, int]) -> dict[int, PublicTrade]:
    """Return trades by number; each the side that was taken from, price, and quantity."""
    return {
        number: PublicTrade(taken, D(price), D(qty))
        for number, (taken, price, qty) in enumerate(trades)
    }


def test_a_trade_at_the_price_touches_up_to_its_quantity() -> None:
    assert matched([order(BUY, 100)], (BUY, 100, 4)) == [("a", 4, False)]
    assert matched([order(BUY, 100)], (BUY, 100, 4), (BUY, 100, 9)) == [("a", 10, False)]
    assert matched([order(SELL, 100)], (SELL, 100, 4)) == [("a", 4, False)]


def test_a_trade_beyond_the_price_goes_through_and_fills_all() -> None:
    assert matched([order(BUY, 100)], (BUY, 99, 1)) == [("a", 10, True)]
    assert matched([order(SELL, 100)], (SELL, 101, 1)) == [("a", 10, True)]


def test_a_trade_on_the_other_side_or_short_of_the_price_fills_nothing() -> None:
    assert matched([order(BUY, 100)], (SELL, 100, 50), (SELL, 99, 50), (BUY, 101, 50)) == []


def test_the_other_side_of_the_book_at_the_price_goes_through() -> None:
    assert matched([order(BUY, 100)], ticker=Ticker(bid=D(99), ask=D(100))) == [("a", 10, True)]
    assert matched([order(SELL, 100)], ticker=Ticker(bid=D(100), ask=D(101))) == [("a", 10, True)]
    assert matched([order(BUY, 100)], ticker=Ticker(bid=D(102), ask=D(99))) == []  # no sound book


def test_one_trade_is_shared_by_age_and_never_twice() -> None:
    orders = [order(BUY, 100, oid="a"), order(BUY, 100, oid="b"), order(BUY, 100, oid="c")]
    assert matched(orders, (BUY, 100, 15)) == [("a", 10, False), ("b", 5, False)]


def test_an_order_meets_no_trade_from_before_it() -> None:
    trades = (BUY, 100, 4), (BUY, 99, 1), (BUY, 100, 3)
    assert matched([order(BUY, 100)], *trades, a=2) == [("a", 3, False)]
    assert matched([order(BUY, 100)], *trades, a=3) == []


def test_what_was_touched_before_counts() -> None:
    assert matched([order(BUY, 100, filled=D(7))], (BUY, 100, 9)) == [("a", 3, False)]
    assert matched([order(BUY, 100, filled=D(7))], (BUY, 99, 9)) == [("a", 3, True)]


sides, prices, quantities = st.sampled_from([BUY, SELL]), st.integers(95, 105), st.integers(1, 30)


@given(
    st.lists(st.tuples(sides, prices, quantities), max_size=6),
    st.lists(st.tuples(sides, prices, quantities), max_size=12),
)
def test_no_more_is_touched_than_was_traded_but_where_the_market_went_through(
    wanted: list[Any], trades: list[Any]
) -> None:
    orders = [order(*each, oid=str(place)) for place, each in enumerate(wanted)]
    found = match(orders, numbered(*trades), {}, WIDE)
    for each in found:
        assert 0 < each.touched <= each.order.remaining
        assert not each.is_through or each.touched == each.order.remaining
    for side, price in {(each.order.side, each.order.price) for each in found}:
        traded = sum(qty for taken, at, qty in trades if (taken, at) == (side, price))
        at_price = [each for each in found if (each.order.side, each.order.price) == (side, price)]
        if not any(each.is_through for each in at_price):
            assert sum(each.touched for each in at_price) <= traded


@given(st.lists(st.tuples(sides, prices, quantities), max_size=12))
def test_a_trade_more_never_fills_less(trades: list[Any]) -> None:
    orders = [order(BUY, 100, oid="a"), order(BUY, 98, oid="b"), order(SELL, 102, oid="c")]

    def touched(some: list[Any]) -> dict[str, Match]:
        return {each.order.client_oid: each for each in match(orders, numbered(*some), {}, WIDE)}

    fewer, all_of_them = touched(trades[:-1]), touched(trades)
    for oid, each in fewer.items():
        assert all_of_them[oid].touched >= each.touched
        assert all_of_them[oid].is_through >= each.is_through


# --- the legs -------------------------------------------------------------------------------------


def fill(side: Side, qty: int, price: int, *, close: bool = False) -> Fill:
    before = order(side, price, qty, close=close)
    after = order(side, price, qty, close=close, filled=D(qty), avg_price=D(price))
    return Fill(side=side, qty=D(qty), before=before, order=after)


def ledger_of(*fills: Fill) -> VirtualLedger:
    ledger = VirtualLedger(Money())
    for each in fills:
        ledger.book(each, CONTRACT)
    return ledger


def test_virtual_fills_open_and_close_legs_at_their_average_price() -> None:
    ledger = ledger_of(fill(BUY, 10, 100), fill(BUY, 10, 200), fill(SELL, 5, 150, close=True))
    found = ledger.position(Position())
    assert (found.long.qty, found.short.qty, found.net) == (15, 0, 15)
    assert found.long.entry_price == round(D(20) / (D(10) / 100 + D(10) / 200), 8)
    ledger.book(fill(SELL, 15, 150, close=True), CONTRACT)
    ledger.book(fill(SELL, 3, 150), CONTRACT)
    found = ledger.position(Position())
    assert (found.long.qty, found.long.entry_price, found.short.qty) == (0, 0, 3)
    assert found.short.entry_price == 150


def test_what_is_opened_after_a_close_is_averaged_with_what_was_left() -> None:
    ledger = ledger_of(fill(BUY, 10, 100), fill(SELL, 5, 150, close=True), fill(BUY, 5, 200))
    found = ledger.position(Position()).long
    assert (found.qty, found.entry_price) == (10, round(D(10) / (D(5) / 100 + D(5) / 200), 8))


def test_the_average_price_is_the_same_whatever_a_contract_is_worth() -> None:
    ledger, large = VirtualLedger(Money()), replace(CONTRACT, face_value=D(10))
    for price in (100, 200):
        ledger.book(fill(BUY, 10, price), large)
    price = ledger.position(Position()).long.entry_price
    assert price == round(D(20) / (D(10) / 100 + D(10) / 200), 8)


def test_a_close_of_what_through_has_not_opened_is_none() -> None:
    ledger = ledger_of(fill(BUY, 3, 100))
    closing = fill(SELL, 5, 150, close=True)
    part = ledger.possible(closing, Position())
    assert part
    assert part.qty == 3
    ledger.book(part, CONTRACT)
    assert ledger.possible(closing, Position()) is None
    assert ledger.possible(fill(SELL, 5, 150), Position()) == fill(SELL, 5, 150)
    real = Position(long=Leg(qty=D(4), entry_price=D(90)))
    assert ledger.possible(closing, real) == replace(closing, qty=D(4))
