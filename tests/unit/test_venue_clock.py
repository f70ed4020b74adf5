"""The venue's time, as its answers tell it: never ahead by more than a late order is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.auth import EXPIRES_AFTER_MS
from market_maker.orders.sweep import LATE_MS
from market_maker.paper.exchange.quirks import DEFAULTS
from market_maker.simulation.timeline import Timeline
from market_maker.wire.venue_clock import AHEAD_MS, SAMPLES, STEP_MS, VenueClock

AHEAD = 1_000
"""By how many ms the venue's clock is ahead of the machine's in these tests."""
WAYS = st.tuples(st.integers(0, 4_000), st.integers(0, 4_000)).filter(lambda ways: sum(ways) < 4000)


def answer(clock: VenueClock, timeline: Timeline, there: float, back: float) -> None:
    """Make a call that takes so many ms on its way to the venue and back."""
    begun = clock.steady_ms()
    timeline.sleep(there / 1000)
    time = timeline.true_ms() + AHEAD
    timeline.sleep(back / 1000)
    clock.learn(begun, time)


def error(clock: VenueClock, timeline: Timeline) -> int:
    return clock.now() - (timeline.true_ms() + AHEAD)


@given(st.lists(WAYS, min_size=1, max_size=20))
def test_however_slow_answers_are_no_request_is_valid_for_longer_than_a_late_order_may_take(
    ways: list[tuple[int, int]],
) -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    for there, back in ways:
        answer(clock, timeline, there, back)
    assert error(clock, timeline) <= AHEAD_MS == LATE_MS - DEFAULTS.expiry_grace_ms


@given(WAYS, st.integers(1, SAMPLES))
def test_a_request_arrives_before_it_expires_whatever_the_way_takes(
    way: tuple[int, int], count: int
) -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    for _ in range(count):
        answer(clock, timeline, *way)
    arrives = timeline.true_ms() + AHEAD + way[0]
    assert clock.now() + EXPIRES_AFTER_MS - arrives > 1_000


@given(st.integers(10_000, 10**8), st.integers(-(10**7), 10**7))
def test_an_answer_during_which_this_process_stood_still_counts_until_a_better_one(
    stood: int, wall_moves: int
) -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    answer(clock, timeline, 20, stood)
    timeline.step_wall_clock(wall_moves)
    clock.reset_to_latest()
    assert error(clock, timeline) <= AHEAD_MS
    answer(clock, timeline, 20, 20)
    assert abs(error(clock, timeline)) <= 1


def test_an_answer_during_which_this_process_stood_still_moves_no_estimate() -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    answer(clock, timeline, 20, 20)
    answer(clock, timeline, 20, 60_000)
    clock.reset_to_latest()
    assert abs(error(clock, timeline)) <= 1


def test_one_answer_with_a_wrong_time_moves_nothing() -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    for _ in range(SAMPLES):
        answer(clock, timeline, 20, 20)
    clock.learn(clock.steady_ms(), timeline.true_ms() + 3_600_000)
    assert abs(error(clock, timeline)) <= 1


def test_a_step_back_is_seen_and_slow_answers_are_none() -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    for there, back in ((20, 20), (3_000, 20), (20, 3_000), (20, 20)):
        answer(clock, timeline, there, back)
    assert clock.stepped_back_at < 0
    begun = clock.steady_ms()
    clock.learn(begun, timeline.true_ms() + AHEAD - 400)
    assert clock.stepped_back_at == timeline.monotonic()


@pytest.mark.parametrize("ahead_by", [5, -5])
def test_a_clock_of_this_machine_that_is_off_is_said_once_to_be_ahead_or_behind(
    ahead_by: int, log: pytest.LogCaptureFixture
) -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    for _ in range(3):
        clock.learn(clock.steady_ms(), timeline.true_ms() - ahead_by * 1000)
    assert log.messages == [f"This machine's clock is {ahead_by:.1f} s off the venue's."]


@given(st.integers(400, 3_600_000), WAYS)
def test_no_create_may_leave_from_the_answer_that_shows_a_step_back_until_most_have_shown_it(
    back: int, way: tuple[int, int]
) -> None:
    timeline = Timeline()
    clock = VenueClock(timeline)
    for _ in range(SAMPLES):
        answer(clock, timeline, 20, 20)
    assert not clock.is_contradicted()
    for _ in range(SAMPLES):
        begun = clock.steady_ms()
        timeline.sleep(0.04)
        clock.learn(begun, timeline.true_ms() + AHEAD - back)
        ahead = clock.now() - (timeline.true_ms() + AHEAD - back)
        assert clock.is_contradicted() or ahead <= STEP_MS + 100
    assert not clock.is_contradicted()
    answer(clock, timeline, *way)
    assert not clock.is_contradicted(), "a slow answer contradicts nothing"
