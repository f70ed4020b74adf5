"""The request budget: no window of the venue ever sees more calls than its limit."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.wire.throttle import SLACK, SLOW_FOR, Throttle

CREATES = {"calls": 20, "seconds": 1.0}


def call(throttle: Throttle, now: float, count: int = 1) -> None:
    """Make calls that are answered at once."""
    for _ in range(count):
        throttle.start("create")
        throttle.finish("create", calls=20, at=now)


def test_a_full_burst_leaves_at_once_and_the_next_call_waits_for_the_window() -> None:
    throttle = Throttle()
    call(throttle, now=5.0, count=19)
    assert throttle.wait("create", **CREATES, now=5.0) == 0
    call(throttle, now=5.0)
    assert throttle.wait("create", **CREATES, now=5.0) == 1.0 + SLACK
    assert throttle.wait("create", **CREATES, now=6.0 + SLACK) == 0


def test_a_call_keeps_its_place_until_it_is_answered() -> None:
    throttle = Throttle()
    throttle.start("batch")
    assert throttle.wait("batch", calls=1, seconds=10, now=99.0) > 0
    throttle.finish("batch", calls=1, at=100.0)
    assert throttle.wait("batch", calls=1, seconds=10, now=100.0) > 10
    assert throttle.wait("batch", calls=1, seconds=10, now=110.1) == 0


def test_calls_of_other_processes_take_places_too() -> None:
    throttle = Throttle()
    call(throttle, now=5.0, count=12)
    others = [4.9] * 7
    assert throttle.wait("create", **CREATES, now=5.0, by_others=others) == 0
    others += [4.9]
    wait = throttle.wait("create", **CREATES, now=5.0, by_others=others)
    assert wait == pytest.approx(0.9 + SLACK), "until the oldest of all is a window ago"


def test_endpoints_have_budgets_of_their_own() -> None:
    throttle = Throttle()
    call(throttle, now=0.0, count=20)
    assert throttle.wait("cancel", **CREATES, now=0.0) == 0


@given(
    st.lists(
        st.tuples(st.floats(0, 0.5), st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=150
    ),
    st.integers(1, 20),
    st.floats(0.1, 10),
)
def test_no_window_holds_more_arrivals_than_the_limit_however_long_the_way(
    steps: list[tuple[float, float, float]], calls: int, seconds: float
) -> None:
    """Each step: a pause, how long the answer takes, and where on the way the call arrives."""
    throttle, now = Throttle(), 0.0
    under_way: list[float] = []
    arrivals: list[float] = []
    for pause, answer, share in steps:
        now += pause
        while (wait := throttle.wait("x", calls=calls, seconds=seconds, now=now)) > 0:
            now += min(wait, max(under_way[0] - now, 1e-9)) if under_way else wait
            while under_way and under_way[0] <= now:
                throttle.finish("x", calls=calls, at=heapq.heappop(under_way))
        throttle.start("x")
        arrivals.append(now + answer * share)
        heapq.heappush(under_way, now + answer)
        while under_way and under_way[0] <= now:
            throttle.finish("x", calls=calls, at=heapq.heappop(under_way))
    arrivals.sort()
    for first, beyond in zip(arrivals, arrivals[calls:], strict=False):
        assert beyond - first >= seconds


def test_after_too_frequent_a_window_passes_and_half_the_budget_is_used_for_a_minute() -> None:
    throttle = Throttle()
    call(throttle, now=0.0)
    throttle.slow_down("create", calls=20, now=0.0)
    assert throttle.wait("create", **CREATES, now=0.1) >= 0.9
    assert throttle.wait("create", **CREATES, now=1.1) == 0
    call(throttle, now=1.1, count=10)
    assert throttle.wait("create", **CREATES, now=1.2) > 0
    later = 4 + SLOW_FOR
    call(throttle, now=later, count=19)
    assert throttle.wait("create", **CREATES, now=later) == 0


def test_refusals_of_calls_that_were_under_way_together_are_one_reason_to_rest() -> None:
    throttle = Throttle()
    for late in range(8):
        throttle.slow_down("cancel", calls=20, now=0.001 * late)
    assert throttle.pause("cancel", now=0.0) == 1
    throttle.slow_down("cancel", calls=20, now=1.0)
    assert throttle.pause("cancel", now=1.0) == 2
    throttle.slow_down("cancel", calls=20, now=1.5, asked_for=9)
    assert throttle.pause("cancel", now=1.5) == 9


def test_after_too_frequent_half_the_calls_are_made_for_a_minute_or_one_in_twice_the_time() -> None:
    throttle = Throttle()
    throttle.slow_down("create", calls=20, now=0.0)
    throttle.slow_down("batch", calls=1, now=0.0)
    for now, calls, seconds in ((30.0, 10, 20.0), (62.0, 20, 10.0)):
        call(throttle, now=now, count=calls - 1)
        assert throttle.wait("create", **CREATES, now=now) == 0
        call(throttle, now=now)
        assert throttle.wait("create", **CREATES, now=now) == pytest.approx(1.0 + SLACK)
        throttle.start("batch")
        throttle.finish("batch", calls=1, at=now)
        wait = throttle.wait("batch", calls=1, seconds=10, now=now)
        assert wait == pytest.approx(seconds + SLACK)


def test_after_a_long_rest_that_was_asked_for_half_the_budget_is_used_for_a_minute_too() -> None:
    throttle, asked_for = Throttle(), 1.5 * SLOW_FOR
    throttle.slow_down("create", calls=20, now=0.0, asked_for=asked_for)
    now = asked_for + SLOW_FOR - 5
    call(throttle, now=now, count=9)
    assert throttle.wait("create", **CREATES, now=now) == 0
    call(throttle, now=now)
    assert throttle.wait("create", **CREATES, now=now) > 0
    now = asked_for + SLOW_FOR + 5
    call(throttle, now=now, count=19)
    assert throttle.wait("create", **CREATES, now=now) == 0


def test_the_rest_after_too_frequent_is_never_longer_than_half_a_minute() -> None:
    throttle, now = Throttle(), 0.0
    for _ in range(12):
        throttle.slow_down("create", calls=20, now=now)
        assert throttle.pause("create", now) <= 30
        now += throttle.pause("create", now)
    throttle.slow_down("create", calls=20, now=now)
    assert throttle.pause("create", now) == 30
