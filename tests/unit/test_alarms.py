"""Breakers: how often something may happen, and what follows when it happens more often."""

from math import inf

import pytest

from market_maker.safety.breakers import EVENTS, Breakers
from market_maker.safety.trading_state import TradingState


@pytest.mark.parametrize("kind", EVENTS)
def test_a_state_comes_with_the_last_event_allowed_and_lasts_its_time(kind: str) -> None:
    rule = EVENTS[kind]
    breakers = Breakers()
    for count in range(rule.limit):
        assert breakers.tripped(100.0) == []
        breakers.note(kind, 100.0)
        assert bool(breakers.tripped(100.0)) == (count + 1 == rule.limit)
    (trouble,) = breakers.tripped(100.0)
    assert (trouble.state, trouble.reason) == (rule.state, rule.reason)
    if rule.hold == inf:
        assert breakers.tripped(1e9)
    else:
        assert breakers.tripped(99.9 + rule.hold)
        assert not breakers.tripped(100.0 + rule.hold)


COUNTS = [
    *[(kind, 1, inf, "HALTED", inf) for kind in ("loss", "liquidation", "late order")],
    *[(kind, 1, inf, "HALTED", inf) for kind in ("other bot", "strategy", "crash")],
    *[(kind, 3, inf, "HALTED", inf) for kind in ("parameter", "metadata")],
    ("auth", 2, 60, "HALTED", inf),
    ("fill", 101, 60, "HALTED", inf),
    ("taker", 5, 60, "PAUSED", 60),
    ("ended", 3, 60, "PAUSED", 60),
    ("bad row", 3, 60, "PAUSED", 10),
    ("price", 1, inf, "PAUSED", 3),
    ("funds", 3, 60, "REDUCING", 60),
    ("margin", 1, inf, "REDUCING", 60),
    ("jump", 1, inf, "REDUCING", 60),
]


@pytest.mark.parametrize(("kind", "limit", "within", "state", "hold"), COUNTS)
def test_each_breaker_counts_as_the_page_on_incidents_says(
    kind: str, limit: int, within: float, state: str, hold: float
) -> None:
    in_time, late = Breakers(), Breakers()
    for breakers in (in_time, late):
        for _ in range(limit - 1):
            breakers.note(kind, 0.0)
        assert breakers.tripped(0.0) == []
    last = min(within, 1e6)
    in_time.note(kind, last)
    assert [each.state.value for each in in_time.tripped(last)] == [state]
    assert in_time.tripped(last + min(hold - 0.1, 1e6))
    if hold < inf:
        assert in_time.tripped(last + hold) == []
    if within < inf:
        late.note(kind, within + 0.1)
        assert late.tripped(within + 0.1) == []


@pytest.mark.parametrize(
    ("kind", "times", "is_up"),
    [
        ("taker", [0, 15, 30, 45, 60], True),
        ("taker", [0, 15, 30, 45, 61], False),
        ("auth", [0, 61], False),
        ("metadata", [0, 1_000, 100_000], True),
        ("fill", [0, 1, 2, 60], True),
        ("fill", [0, 1, 2, 61], False),
        ("fill", [0, 1, 2], False),
    ],
)
def test_events_count_only_within_their_time(kind: str, times: list[float], is_up: bool) -> None:
    breakers = Breakers()
    breakers.allow_fills(3)
    for time in times:
        breakers.note(kind, time)
    assert bool(breakers.tripped(times[-1])) is is_up


def test_no_breaker_is_left_out() -> None:
    assert sorted(kind for kind, *_ in COUNTS) == sorted(EVENTS)


def test_a_success_in_between_begins_the_count_anew() -> None:
    breakers = Breakers()
    breakers.allow_fills(3)
    for _ in range(2):
        breakers.note("metadata", 0.0)
    breakers.calm("metadata")
    breakers.note("metadata", 0.0)
    assert breakers.tripped(0.0) == []


def test_a_success_ends_no_state_that_is_in_force() -> None:
    breakers = Breakers()
    breakers.allow_fills(3)
    for _ in range(3):
        breakers.note("metadata", 0.0)
    breakers.calm("metadata")
    assert [each.state for each in breakers.tripped(1e9)] == [TradingState.HALTED]


def test_each_new_event_prolongs_a_state() -> None:
    breakers = Breakers()
    breakers.allow_fills(3)
    breakers.note("jump", 0.0)
    breakers.note("jump", 50.0)
    assert breakers.tripped(100.0)
    assert not breakers.tripped(110.0)


def test_several_troubles_are_all_told() -> None:
    breakers = Breakers()
    breakers.allow_fills(3)
    breakers.note("jump", 0.0)
    breakers.note("loss", 0.0)
    states = {each.state for each in breakers.tripped(0.0)}
    assert states == {TradingState.REDUCING, TradingState.HALTED}


@pytest.mark.parametrize(("before", "now", "trips"), [(100, 2, True), (2, 100, False)])
def test_a_changed_limit_of_fills_counts_at_once(before: int, now: int, trips: bool) -> None:
    breakers = Breakers()
    breakers.allow_fills(before)
    for second in range(2):
        breakers.note("fill", second)
    breakers.allow_fills(now)
    breakers.note("fill", 2.0)
    assert bool(breakers.tripped(2.0)) is trips


def test_the_figures_are_those_with_which_it_tripped() -> None:
    breakers = Breakers()
    breakers.note("loss", 10.0, "0.2 of 0.1 BTC")
    breakers.note("loss", 11.0, "0.3 of 0.1 BTC")
    [health] = breakers.tripped(12.0)
    assert health.reason == "loss of this run exceeds MAX_LOSS: 0.2 of 0.1 BTC"
    breakers.note("price", 20.0, "100 to 130")
    assert "price jumped by over 20%: 100 to 130" in {h.reason for h in breakers.tripped(21.0)}
    breakers.note("price", 40.0, "130 to 90")
    assert "price jumped by over 20%: 130 to 90" in {h.reason for h in breakers.tripped(41.0)}
