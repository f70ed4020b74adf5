"""What our fills have earned, exactly; and the trades of a run counted on by the next program."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import (
    Exposure,
    Fill,
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.money import Money, value
from market_maker.money.valuation import price_of
from market_maker.paper.exchange.account import ATOM, worth
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.market.setup import set_up

BUY, SELL = Side.BUY, Side.SELL
LISTINGS = set_up(crowd=False)[0].listings
INVERSE = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
)
PAIR = Instrument(
    instrument_type="bb", settle_currency="USDT", symbol="BTC/USDT", tick=Decimal("0.5")
)
FOREIGN = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="ETH_USD", tick=Decimal("0.05")
)


def fill(side: Side, qty: int, price: str = "8000", *, close: bool = False) -> Fill:
    after = OpenOrder(
        side=side,
        price=Decimal(price),
        qty=Decimal(qty),
        filled=Decimal(qty),
        avg_price=Decimal(price),
        close=close,
    )
    before = OpenOrder(side=side, price=Decimal(price), qty=Decimal(qty), close=close)
    return Fill(side=side, qty=Decimal(qty), before=before, order=after)


prices = st.integers(1, 40_000).map(lambda ticks: f"{Decimal(ticks) / 2}")


@given(st.integers(1, 10_000), prices, prices, st.booleans(), prices)
def test_a_round_trip_of_a_pair_earns_its_difference_exactly(
    qty: int, bought: str, sold: str, buys_first: bool, mark: str
) -> None:
    money = Money()
    trips = [fill(BUY, qty, bought), fill(SELL, qty, sold, close=True)]
    for each in trips if buys_first else reversed(trips):
        money.book(each, PAIR)
    assert money.trades.profit(PAIR, Decimal(mark)) == qty * (Decimal(sold) - Decimal(bought))


@given(st.integers(1, 10_000), prices, prices, prices)
def test_a_round_trip_of_an_inverse_contract_earns_the_difference_of_the_inverses(
    qty: int, bought: str, sold: str, mark: str
) -> None:
    money = Money()
    money.book(fill(BUY, qty, bought), INVERSE)
    money.book(fill(SELL, qty, sold, close=True), INVERSE)
    exact = qty / Decimal(bought) - qty / Decimal(sold)
    assert money.trades.profit(INVERSE, Decimal(mark)) == exact


@pytest.mark.parametrize("instrument", [INVERSE, PAIR])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_each_fill_of_an_order_is_valued_at_its_own_price_which_the_averages_tell(
    instrument: Instrument, side: Side
) -> None:
    """The first 40 at 7900, then 60 at 7950: the order of 100 at 8000 shows averages alone."""
    money, first, second = Money(), value(instrument, Decimal(40), Decimal(7900)), Decimal(60)
    both = first + value(instrument, second, Decimal(7950))
    average = 100 / both if instrument.is_contract else both / 100
    rows = [(0, "0"), (40, "7900"), (100, str(average))]
    orders = [
        replace(fill(side, 100).order, filled=Decimal(filled), avg_price=Decimal(price))
        for filled, price in rows
    ]
    for before, after in pairwise(orders):
        qty = after.filled - before.filled
        money.book(Fill(side=side, qty=qty, before=before, order=after), instrument)
        paid = money.trades.paid * side.sign
        assert paid == pytest.approx(first if after.filled == 40 else both)


@pytest.mark.parametrize("average", ["0", "4000", "80000"])
def test_an_average_that_cannot_be_is_not_believed(average: str) -> None:
    money, odd = Money(), fill(BUY, 10)
    money.book(replace(odd, order=replace(odd.order, avg_price=Decimal(average))), INVERSE)
    assert money.trades.paid == value(INVERSE, Decimal(10), Decimal(8000))


@pytest.mark.parametrize(
    ("instrument", "side", "mark", "profit"),
    [
        (PAIR, BUY, "8100", "1000"),
        (PAIR, SELL, "8100", "-1000"),
        (INVERSE, BUY, "10000", "0.00025"),
        (FOREIGN, BUY, "10000", "0.00025"),
        (INVERSE, SELL, "10000", "-0.00025"),
        (INVERSE, BUY, "5000", "-0.00075"),
    ],
)
def test_an_open_position_is_worth_its_mark(
    instrument: Instrument, side: Side, mark: str, profit: str
) -> None:
    money = Money()
    money.book(fill(side, 10), instrument)
    assert money.trades.profit(instrument, Decimal(mark)) == Decimal(profit)


@given(st.integers(1, 10_000), prices, st.sampled_from([INVERSE, PAIR, FOREIGN]))
def test_the_price_of_a_fill_follows_from_what_it_is_worth(
    qty: int, price: str, instrument: Instrument
) -> None:
    worth = value(instrument, Decimal(qty), Decimal(price))
    assert price_of(instrument, Decimal(qty), worth) == Decimal(price)


@given(st.integers(1, 10_000), prices)
def test_the_paper_exchange_values_each_of_its_contracts_in_each_area_as_we_do(
    qty: int, price: str
) -> None:
    for key, listing in LISTINGS.items():
        if key.kind == CONTRACT:
            instrument = Instrument(
                instrument_type=key.kind,
                settle_currency=key.area,
                symbol=key.symbol,
                tick=listing.instrument.tick,
                face_value=listing.instrument.face,
            )
            theirs = worth(face=listing.instrument.face, price=Decimal(price))
            ours = value(instrument, Decimal(qty), Decimal(price))
            assert abs(ours - qty * theirs) <= qty * ATOM
    assert len({key.area for key in LISTINGS}) > 2


def test_bought_and_sold_are_counted_apart_whatever_they_open_or_close() -> None:
    money = Money()
    for each in (
        fill(BUY, 30),
        fill(BUY, 20, close=True),
        fill(SELL, 10),
        fill(SELL, 5, close=True),
    ):
        money.book(each, INVERSE)
    trades = money.trades
    assert (trades.bought, trades.sold, trades.fills, trades.net) == (50, 15, 4, 35)


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 1000), prices), max_size=9))
def test_a_program_that_takes_over_counts_on_to_the_same_profit(
    traded: list[tuple[Side, int, str]],
) -> None:
    whole, before = Money(), Money()
    for side, qty, price in traded:
        whole.book(fill(side, qty, price), INVERSE)
        before.book(fill(side, qty, price), INVERSE)
    after = Money()
    after.trades.resume_from(before.trades.as_text())
    for money in (whole, after):
        money.book(fill(BUY, 7, "8123.5"), INVERSE)
    assert after.trades.as_text() == whole.trades.as_text()
    assert after.trades.profit(INVERSE, Decimal(8000)) == whole.trades.profit(
        INVERSE, Decimal(8000)
    )


GOOD = {"bought": "5", "sold": "3", "fills": "2", "paid": "0.1"}


@pytest.mark.parametrize(
    "changed",
    [
        *({name: evil} for name in GOOD for evil in ("", "x", "NaN", "Infinity", "1,5")),
        {"fills": "1.5"},
    ],
)
def test_text_that_is_no_record_of_trades_is_refused_and_nothing_of_it_taken(
    changed: dict[str, str],
) -> None:
    money = Money()
    with pytest.raises((ValueError, ArithmeticError)):
        money.trades.resume_from(GOOD | changed)
    with pytest.raises((ValueError, ArithmeticError)):
        money.trades.resume_from({name: text for name, text in GOOD.items() if name not in changed})
    assert money.trades.as_text() == Money().trades.as_text()


def test_what_funding_and_liquidations_have_cost_is_counted_on_after_a_restart() -> None:
    money = Money()
    money.resume_from(GOOD | {"fees": "1", "fees_base": "2", "funding": "-3", "liquidation": "-4"})
    assert (money.fees.paid, money.fees.paid_base) == (1, 2)
    assert (money.funding, money.liquidation) == (-3, -4)
    again = Money()
    again.resume_from(money.as_text())
    assert again.as_text() == money.as_text()


def booked_for_funding(*, begins_anew: bool, next_rate: str = "0.001") -> list[str]:
    """Let a funding of 0.0001 BTC leave the balance; return the kinds of steps that are booked."""
    money, booked = Money(), []
    position = Position(long=Leg(qty=Decimal(800), entry_price=Decimal(8000)))
    for second in range(60):
        hours = Decimal(8) if begins_anew and second >= 20 else Decimal(60 - second) / 3600
        rated = replace(
            INVERSE,
            mark_price=Decimal(8000),
            funding_rate=Decimal("0.001" if second < 20 else next_rate),
            funding_hours=hours,
        )
        total = Decimal(50) - (Decimal("0.0001") if second >= 20 else 0)
        snapshot = Snapshot(
            instrument=rated,
            ticker=Ticker(bid=Decimal(7999), ask=Decimal(8001)),
            orders=(),
            position=position,
            exposure=Exposure.of((Decimal(800), Decimal(0))),
            margin=Margin(currency="BTC", total=total, available=total),
        )
        money.position.see(position, second)
        found = money.audit(snapshot, second, second, {"BTC": Decimal(0)})
        booked += [step.kind.value for step in found.steps]
    return booked


@pytest.mark.parametrize(("begins_anew", "kind"), [(True, "funding"), (False, "unexplained")])
def test_funding_is_due_when_its_hours_begin_anew_and_not_as_they_pass(
    begins_anew: bool, kind: str
) -> None:
    assert booked_for_funding(begins_anew=begins_anew) == [kind]


@pytest.mark.parametrize("next_rate", ["0.0002", "0.005", "-0.001", "0"])
def test_funding_is_due_by_the_rate_before_its_hours_begin_anew(next_rate: str) -> None:
    assert booked_for_funding(begins_anew=True, next_rate=next_rate) == ["funding"]


@pytest.mark.parametrize("instrument", [INVERSE, PAIR])
def test_money_is_behind_until_a_balance_was_shown_after_its_fills(instrument: Instrument) -> None:
    money = Money()
    snapshot = Snapshot(
        instrument=instrument,
        ticker=Ticker(bid=Decimal(7999), ask=Decimal(8001)),
        orders=(),
        position=Position(),
        exposure=Exposure.of((Decimal(0), Decimal(0))),
        margin=Margin(currency="BTC", total=Decimal(50), available=Decimal(50)),
    )
    money.audit(snapshot, 0, 0)
    assert not money.is_behind
    money.trades.book(fill(BUY, 1), instrument)
    money.fees.book(fill(BUY, 1), Decimal(8000), PAIR)
    money.fees.book(fill(SELL, 1), Decimal(8000), instrument)
    for shown_at, is_behind in ((5, True), (5.9, True), (6, False)):
        money.audit(snapshot, shown_at, shown_at)
        assert money.is_behind is is_behind


@pytest.mark.parametrize(
    ("shown", "is_doubtful"),
    [("0.0501", True), ("0.04999", False), ("0.01251", False), ("0.0125", True)],
)
def test_a_value_twice_or_half_of_ours_is_by_another_rule(shown: str, *, is_doubtful: bool) -> None:
    money, marked = Money(), replace(INVERSE, mark_price=Decimal(8000))
    money.compare(marked, Position(long=Leg(qty=Decimal(200), value=Decimal(shown))))
    assert bool(money.doubt) is is_doubtful
