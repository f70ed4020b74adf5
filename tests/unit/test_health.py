"""When quoting is allowed, and in which words it is not: a row for each fact."""

from dataclasses import fields, replace
from decimal import Decimal

import pytest

from market_maker.models import Instrument, Ticker
from market_maker.safety.trading_state import Facts, Health, TradingState, assess

ACTIVE, REDUCING, PAUSED, HALTED = TradingState
NAMES = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
BTC_USD = Instrument(
    **NAMES,
    tick=Decimal("0.5"),
    last_price=Decimal(8494),
    mark_price=Decimal(8494),
    index_price=Decimal(8494),
)
TICKER = Ticker(bid=Decimal(8490), ask=Decimal("8497.5"))
FINE = Facts(connected=True, ticker=TICKER, instrument=BTC_USD)


def prices(**changed: int) -> Instrument:
    return replace(BTC_USD, **{name: Decimal(price) for name, price in changed.items()})


CASES = [
    (PAUSED, {"connected": False}, "not connected"),
    (PAUSED, {"connected": False, "last_error": "refused"}, "refused"),
    (PAUSED, {"silent_for": 10.1}, "silent for over 10 s"),
    (ACTIVE, {"silent_for": 9.9}, ""),
    *(
        (ACTIVE, {name: limit}, "")
        for name, limit in (("silent_for", 10.0), ("unconfirmed_for", 12.0), ("unknown_for", 30.0))
    ),
    (
        ACTIVE,
        {"position": Decimal(-1000), "position_limit": Decimal(100), "mismatch_for": 0.1},
        "",
    ),
    (PAUSED, {"missing": ("order", "margin")}, "no data yet for order, margin"),
    (PAUSED, {"ticker": None}, "empty"),
    (PAUSED, {"ticker": Ticker(bid=None, ask=Decimal(2))}, "empty"),
    (PAUSED, {"ticker": Ticker(bid=Decimal(1), ask=None)}, "empty"),
    (ACTIVE, {"ticker": Ticker(bid=Decimal(8490), ask=Decimal(8490))}, ""),
    (PAUSED, {"ticker": Ticker(bid=Decimal(8491), ask=Decimal(8490))}, "crossed"),
    (PAUSED, {"unconfirmed_for": 12.1}, "order book not confirmed for over 12 s"),
    (PAUSED, {"lag_ms": 2001}, "feed lags by over 2 s"),
    (REDUCING, {"position_stale_for": 15.1}, "no position update for over 15 s"),
    (PAUSED, {"position_stale_for": 30.1}, "no position update for over 30 s"),
    (REDUCING, {"orders_stale_for": 15.1}, "own orders for over 15 s"),
    (PAUSED, {"orders_stale_for": 30.1}, "own orders for over 30 s"),
    (ACTIVE, {"unknown_for": 29.9}, ""),
    (PAUSED, {"unknown_for": 30.1}, "unknown outcome for over 30 s"),
    (HALTED, {"unknown_for": 120.1}, "unknown outcome for over 120 s"),
    (PAUSED, {"cancelling_for": 30.1}, "cancel not confirmed for over 30 s"),
    (PAUSED, {"clock_offset_ms": 30_001}, "clock is -30 s off the venue's (limit 30 s)"),
    (PAUSED, {"clock_offset_ms": -30_001}, "clock is 30 s off the venue's (limit 30 s)"),
    (PAUSED, {"blocked_for": 0.0}, "403"),
    (HALTED, {"blocked_for": 600.1}, "blocked by the venue (403) for over 600 s"),
    (
        PAUSED,
        {"position": Decimal(-1001), "position_limit": Decimal(100), "mismatch_for": 0.1},
        "exceeds 10 times the limit of 100",
    ),
    (ACTIVE, {"position": Decimal(-1001), "position_limit": Decimal(100)}, ""),
    (ACTIVE, {"position": Decimal(-1001), "position_limit": None}, ""),
    (REDUCING, {"instrument": prices(last_price=8000)}, "last"),
    (REDUCING, {"instrument": prices(index_price=9000)}, "index"),
    (REDUCING, {"ticker": Ticker(bid=Decimal(9000), ask=Decimal(9001))}, "mid"),
]


@pytest.mark.parametrize(("state", "changed", "reason"), CASES)
def test_what_each_fact_allows(
    state: TradingState, changed: dict[str, object], reason: str
) -> None:
    health = assess(replace(FINE, **changed))  # type: ignore[arg-type]
    assert health.state is state
    assert reason in health.reason
    assert bool(health.reason) is (state is not ACTIVE)


def test_a_fact_that_is_not_given_is_no_trouble_of_any_size() -> None:
    facts = Facts(connected=True)
    given = {"connected", "orders_known"}
    assert facts.orders_known
    assert not any(getattr(facts, each.name) for each in fields(Facts) if each.name not in given)


def test_of_several_troubles_the_most_severe_counts() -> None:
    troubles = (Health(HALTED, "a loss"), Health(REDUCING, "no margin"))
    assert assess(replace(FINE, connected=False, tripped=troubles)) == troubles[0]
    assert assess(replace(FINE, tripped=troubles[1:])) == troubles[1]
