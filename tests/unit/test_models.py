"""Numbers as the venue writes them, and the price grid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.decimals import plain, to_grid, to_lot
from market_maker.models import Instrument, Side
from market_maker.money import value


@pytest.mark.parametrize(
    ("value", "text"),
    [("8582.0", "8582"), ("8582.5", "8582.5"), ("1E+2", "100"), ("0.000", "0"), ("-0.50", "-0.5")],
)
def test_numbers_leave_as_plain_decimal_strings(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(st.decimals("-1e9", "1e9", places=8))
def test_a_plain_number_reads_back_as_the_same_number(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)


@pytest.mark.parametrize(
    ("price", "tick", "grid"),
    [
        (8493.75, "0.5", "8494.0"),  # the mid of the sample run: the tie goes to the even multiple
        (8494.25, "0.5", "8494.0"),
        (8539.485, "0.5", "8539.5"),
        (0.1234567, "0.000001", "0.123457"),
    ],
)
def test_prices_go_to_the_nearest_tick_and_ties_to_the_even_one(
    price: float, tick: str, grid: str
) -> None:
    assert to_grid(price, Decimal(tick)) == Decimal(grid)


@given(st.floats(0.01, 1e6), st.sampled_from(["0.01", "0.1", "0.5", "1", "25"]))
def test_rounding_to_the_grid_twice_changes_nothing_more(price: float, tick: str) -> None:
    once = to_grid(price, Decimal(tick))
    assert to_grid(once, Decimal(tick)) == once
    assert once % Decimal(tick) == 0


@pytest.mark.parametrize(
    ("qty", "lot", "found"),
    [
        (0.3, "0.1", "0.3"),
        (0.1 + 0.2, "0.1", "0.3"),
        (0.29999999999999993, "0.1", "0.2"),
        (99.9, "1", "99"),
        (0.9, "1", "0"),
        (Decimal("250"), "100", "200"),
    ],
)
def test_quantities_go_down_to_the_lot(qty: float | Decimal, lot: str, found: str) -> None:
    assert to_lot(qty, Decimal(lot)) == Decimal(found)


@given(st.floats(0.0001, 1e6), st.sampled_from(["0.0001", "0.01", "1", "10"]))
def test_a_quantity_on_the_lot_is_never_above_what_was_asked_for(qty: float, lot: str) -> None:
    found = to_lot(qty, Decimal(lot))
    assert found % Decimal(lot) == 0
    assert found <= Decimal(str(qty)) < found + Decimal(lot)
    assert to_lot(found, Decimal(lot)) == found


def test_an_inverse_contract_is_worth_less_of_the_currency_as_its_price_rises() -> None:
    contract = Instrument(
        instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
    )
    assert value(contract, Decimal(8000), Decimal(8000)) == 1
    assert value(contract, Decimal(8000), Decimal(16000)) == Decimal("0.5")


def test_better_means_nearer_to_the_front_of_the_queue() -> None:
    assert Side.BUY.better(Decimal(2), Decimal(1))
    assert Side.SELL.better(Decimal(1), Decimal(2))
    assert not Side.BUY.better(Decimal(1), Decimal(1))
