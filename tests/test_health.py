"""When quoting is allowed, and in which words it is not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from market_maker.health import SILENT_AFTER, Facts, TradingState, assess
from market_maker.models import Ticker

FINE = Facts(connected=True, ticker=Ticker(bid=Decimal(1), ask=Decimal(2)))


def test_a_living_feed_with_a_two_sided_book_is_quoted_on() -> None:
    assert assess(FINE).state is TradingState.ACTIVE


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(FINE, connected=False), "not connected"),
        (replace(FINE, connected=False, last_error="refused"), "refused"),
        (replace(FINE, silent_for=SILENT_AFTER + 1), "silent for 11 s"),
        (replace(FINE, missing=("order", "margin")), "no data yet for order, margin"),
        (replace(FINE, ticker=None), "empty"),
        (replace(FINE, ticker=Ticker(bid=None, ask=Decimal(2))), "empty"),
        (replace(FINE, ticker=Ticker(bid=Decimal(1), ask=None)), "empty"),
        (replace(FINE, ticker=Ticker(bid=Decimal(2), ask=Decimal(2))), "crossed"),
        (replace(FINE, ticker=Ticker(bid=Decimal(3), ask=Decimal(2))), "crossed"),
    ],
)
def test_without_it_the_bot_pauses_and_says_why(facts: Facts, reason: str) -> None:
    health = assess(facts)
    assert health.state is TradingState.PAUSED
    assert reason in health.reason
