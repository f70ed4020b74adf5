"""The ledger: what our fills explain of the position, and what they earned."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import Fill, Instrument, Leg, OpenOrder, Position, Side
from market_maker.money.position import GOES_ON, SETTLE, VANISHED_MS, Jump, Ledger

BUY, SELL = Side.BUY, Side.SELL
INVERSE = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
)
LINEAR = Instrument(
    instrument_type="pc", settle_currency="USDT", symbol="BTC_USDT", tick=Decimal("0.5")
)


def fill(side: Side, qty: int, price: str = "8000", *, close: bool = False, at: int = 0) -> Fill:
    after = OpenOrder(
        side=side,
        price=Decimal(price),
        qty=Decimal(qty),
        filled=Decimal(qty),
        avg_price=Decimal(price),
        close=close,
    )
    before = OpenOrder(side=side, price=Decimal(price), qty=Decimal(qty), close=close)
    return Fill(side=side, qty=Decimal(qty), before=before, order=after, time=at)


def legs(long: int, short: int = 0, *, at: int = 1, frame: int | None = None) -> Position:
    return Position(
        long=Leg(qty=Decimal(long), time=at, liquidation_price=Decimal(7000)),
        short=Leg(qty=Decimal(short), time=at, liquidation_price=Decimal(9000)),
        time=at if frame is None else frame,
    )


def jumps(ledger: Ledger, position: Position, *times: float, mark: int = 8000) -> list[Jump]:
    found = [ledger.see(position, Decimal(mark), time, known_at=time) for time in times]
    return [jump for jump in found if jump]


# --- changes of the position ----------------------------------------------------------------------


def test_what_was_there_before_us_is_no_jump() -> None:
    assert jumps(Ledger(), legs(70, 30), 0, 10, 20) == []


@pytest.mark.parametrize(
    ("booked", "position"),
    [
        (fill(BUY, 10), legs(80, 30)),
        (fill(SELL, 10), legs(70, 40)),
        (fill(SELL, 10, close=True), legs(60, 30)),
        (fill(BUY, 10, close=True), legs(70, 20)),
    ],
)
def test_what_our_fills_explain_is_no_jump(booked: Fill, position: Position) -> None:
    ledger = Ledger()
    assert jumps(ledger, legs(70, 30), 0) == []
    ledger.book(booked, INVERSE)
    assert jumps(ledger, position, 1, 10, 20) == []
    assert not ledger.is_odd()


@pytest.mark.parametrize(
    ("position", "said"), [(legs(75), "long +5"), (legs(0), "long -70"), (legs(70, 9), "short +9")]
)
def test_a_jump_is_told_once_and_only_when_it_has_stood(position: Position, said: str) -> None:
    ledger = Ledger()
    assert jumps(ledger, legs(70), 0) == []
    assert jumps(ledger, position, 1, 1 + SETTLE - 0.1) == []
    assert ledger.is_odd()
    found = jumps(ledger, position, 1 + SETTLE, 2 + SETTLE, 100)
    assert [str(jump) for jump in found] == [said]
    assert not ledger.is_odd()


def test_a_jump_that_goes_back_in_time_is_none() -> None:
    ledger = Ledger()
    for time, qty in ((0, 70), (1, 75), (5, 75), (5.9, 70), (7, 75), (11, 75)):
        assert jumps(ledger, legs(qty), time) == []


def test_a_position_of_before_the_fill_tells_nothing_however_long() -> None:
    ledger = Ledger()
    assert jumps(ledger, legs(70, at=1), 0) == []
    ledger.book(fill(BUY, 10, at=5), INVERSE)
    assert jumps(ledger, legs(70, at=4), 1, 10, 30) == []
    assert jumps(ledger, legs(80, at=6), 31, 60) == []
    assert len(jumps(ledger, legs(70, at=7), 61, 67)) == 1


@pytest.mark.parametrize(
    ("mark", "after", "liquidated"),
    [
        (7000, legs(0), True),
        (7034, legs(0), True),
        (7036, legs(0), False),
        (7000, legs(10), False),
        (8000, legs(0), False),
    ],
)
def test_a_leg_that_ends_near_its_liquidation_price_was_liquidated(
    mark: int, after: Position, liquidated: bool
) -> None:
    ledger = Ledger()
    assert jumps(ledger, legs(70), 0, mark=mark) == []
    (jump,) = jumps(ledger, after, 1, 1 + SETTLE, mark=mark)
    assert jump.liquidated is liquidated


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40))
def test_a_jump_has_stood_or_gone_on_for_its_time_and_is_told_once(quantities: list[int]) -> None:
    ledger = Ledger()
    told = quantities[0]
    for second, qty in enumerate(quantities):
        jump = ledger.see(legs(qty), None, float(second), known_at=float(second))
        if jump:
            stood = quantities[max(0, second - int(SETTLE)) : second + 1]
            away = quantities[max(0, second - int(GOES_ON)) : second + 1]
            assert set(stood) == {qty} or (len(away) > GOES_ON and told not in away)
            assert jump.qty == qty - told != 0
            told = qty
        elif len(set(quantities[max(0, second - int(SETTLE)) : second + 1])) == 1:
            assert qty == told or second < SETTLE


def test_a_leg_that_is_shown_no_more_is_asked_about_once() -> None:
    ledger = Ledger()
    quiet = legs(70, at=1, frame=VANISHED_MS + 1)
    assert not ledger.has_vanished(legs(70, at=1, frame=VANISHED_MS))
    assert ledger.has_vanished(quiet)
    assert not ledger.has_vanished(quiet)
    assert not ledger.has_vanished(legs(0, at=1, frame=VANISHED_MS + 1))
    assert ledger.has_vanished(quiet)
    assert ledger.has_vanished(legs(71, at=1, frame=VANISHED_MS + 1))


# --- money ----------------------------------------------------------------------------------------

prices = st.integers(1, 40_000).map(lambda ticks: f"{Decimal(ticks) / 2}")


@given(st.integers(1, 10_000), prices, prices, st.booleans(), prices)
def test_a_round_trip_of_a_linear_contract_earns_its_difference_exactly(
    qty: int, bought: str, sold: str, buys_first: bool, mark: str
) -> None:
    ledger = Ledger()
    trips = [fill(BUY, qty, bought), fill(SELL, qty, sold, close=True)]
    for each in trips if buys_first else reversed(trips):
        ledger.book(each, LINEAR)
    assert ledger.profit(LINEAR, Decimal(mark)) == qty * (Decimal(sold) - Decimal(bought))


@given(st.integers(1, 10_000), prices, prices, prices)
def test_a_round_trip_of_an_inverse_contract_earns_the_difference_of_the_inverses(
    qty: int, bought: str, sold: str, mark: str
) -> None:
    ledger = Ledger()
    ledger.book(fill(BUY, qty, bought), INVERSE)
    ledger.book(fill(SELL, qty, sold, close=True), INVERSE)
    exact = qty / Decimal(bought) - qty / Decimal(sold)
    assert ledger.profit(INVERSE, Decimal(mark)) == exact


@pytest.mark.parametrize(
    ("instrument", "side", "mark", "profit"),
    [
        (LINEAR, BUY, "8100", "1000"),
        (LINEAR, SELL, "8100", "-1000"),
        (INVERSE, BUY, "10000", "0.00025"),
        (INVERSE, SELL, "10000", "-0.00025"),
        (INVERSE, BUY, "5000", "-0.00075"),
    ],
)
def test_an_open_position_is_worth_its_mark(
    instrument: Instrument, side: Side, mark: str, profit: str
) -> None:
    ledger = Ledger()
    ledger.book(fill(side, 10), instrument)
    assert ledger.profit(instrument, Decimal(mark)) == Decimal(profit)


def test_a_change_is_not_anothers_before_our_orders_have_been_looked_up() -> None:
    ledger = Ledger()
    for time in (0.0, 1.0, 20.0, 40.0):
        assert ledger.see(legs(0 if time < 1 else 10), None, time, known_at=0.5) is None
    assert ledger.see(legs(10), None, 41.0, known_at=40.5) is not None


def test_a_gap_that_never_stands_still_is_anothers_work_after_a_while() -> None:
    ledger = Ledger()
    ledger.see(legs(0), None, 1.0, known_at=1.0)
    seen = [
        ledger.see(legs(10 * second, at=second * 1000), None, float(second), known_at=float(second))
        for second in range(2, 16)
    ]
    assert [bool(jump) for jump in seen] == [False] * 12 + [True, False]
