"""What `setup` proposes is valid, goes together and is small, whatever the market."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.decimals import to_lot
from market_maker.settings import (
    Known,
    completed,
    defaults,
    doubtful_pairs,
    proposed,
    setting_problem,
)
from market_maker.settings.checks import contradictions
from market_maker.settings.schema import SettingsBase

ASKED = ("ORDER_PAIRS", "ORDER_START_SIZE", "MIN_SPREAD", "MAX_POSITION", "MAX_LOSS")
CONTRACT = {"SYMBOL": "BTC_USD", "INSTRUMENTTYPE": "pc", "SETTLECURRENCY": "BTC"}
PAIR = {"SYMBOL": "BTC/USDT", "INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT"}


def taken(market: dict[str, Any], known: Known | None, **answered: Any) -> dict[str, Any]:
    """Return all settings after the dialogue, where the rest of the proposals is taken."""
    given = dict(market)
    for name in ASKED:
        given[name] = answered.get(name, proposed(name, given, known))
    return defaults(example=True) | completed(given, known)


def assert_fine(values: dict[str, Any], known: Known) -> None:
    problems = [text for name in values if (text := setting_problem(name, values[name]))]
    assert problems + contradictions(values) == []
    doubts = doubtful_pairs(
        SettingsBase(**values),
        tick=float(known.tick),
        price=float(known.price),
        face=float(known.face),
    )
    assert doubts == []


@given(
    st.sampled_from([CONTRACT, PAIR]),
    st.integers(100, 10**7),
    st.sampled_from(["0.01", "0.05", "0.5", "1"]),
    st.sampled_from(["0.0001", "0.01", "1"]),
    st.floats(0, 0.02),
    st.integers(1, 400),
)
def test_proposals_are_valid_and_go_together(
    market: dict[str, Any], ticks: int, tick: str, lot: str, minute: float, pairs: int
) -> None:
    known = Known(
        price=ticks * Decimal(tick),
        tick=Decimal(tick),
        lot=Decimal(1) if market is CONTRACT else Decimal(lot),
        face=Decimal(1),
        minute=minute,
    )
    values = taken(market, known)
    assert_fine(values, known)
    if values["MAX_FILLS"] >= pairs:
        assert_fine(taken(market, known, ORDER_PAIRS=pairs), known)
    assert to_lot(values["ORDER_START_SIZE"], known.lot)
    assert values["DRY_RUN"] is True


@pytest.mark.parametrize("market", [CONTRACT, PAIR])
def test_without_a_market_there_are_general_ones(market: dict[str, Any]) -> None:
    values = taken(market, None)
    guess = Known(
        price=Decimal(8500),
        tick=Decimal("0.5"),
        lot=Decimal(1) if market is CONTRACT else Decimal("0.0001"),
        face=Decimal(1),
        minute=0,
    )
    assert_fine(values, guess)
    assert 0 < values["MAX_LOSS"] <= 5


def test_the_first_level_is_worth_about_50_of_the_quote_currency() -> None:
    known = Known(
        price=Decimal(8493), tick=Decimal("0.01"), lot=Decimal("0.0001"), face=Decimal(1), minute=0
    )
    assert taken(PAIR, known)["ORDER_START_SIZE"] == 0.005
    assert taken(CONTRACT, known)["ORDER_START_SIZE"] == 50
    assert taken(CONTRACT, known)["MIN_SPREAD"] == 0.003
    assert taken(CONTRACT, known)["MAX_LOSS"] == 0.002, "5 % of 250 contracts, up to one digit"
