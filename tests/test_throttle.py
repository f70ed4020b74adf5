"""The request budget: no window of the venue ever sees more calls than its limit."""

from hypothesis import given
from hypothesis import strategies as st

from market_maker.throttle import MARGIN, SLOW_FOR, Throttle


def test_a_full_burst_leaves_at_once_and_the_next_call_waits_for_the_window() -> None:
    throttle = Throttle()
    moments = [throttle.book("create", calls=20, seconds=1, now=5.0) for _ in range(21)]
    assert moments[:20] == [5.0] * 20
    assert moments[20] == 5.0 + MARGIN


def test_endpoints_have_budgets_of_their_own() -> None:
    throttle = Throttle()
    throttle.book("batch", calls=1, seconds=10, now=0.0)
    assert throttle.next("batch", calls=1, seconds=10, now=0.0) == 10 * MARGIN
    assert throttle.next("cancel", calls=20, seconds=1, now=0.0) == 0.0


@given(
    st.lists(st.floats(0, 0.5), min_size=1, max_size=200),
    st.integers(1, 20),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 1), min_size=200, max_size=200),
)
def test_no_window_holds_more_calls_than_the_limit_even_with_jitter_on_the_way(
    pauses: list[float], calls: int, seconds: float, jitter: list[float]
) -> None:
    throttle, now, arrivals = Throttle(), 0.0, []
    for pause, late in zip(pauses, jitter, strict=False):
        now += pause
        moment = throttle.book("x", calls=calls, seconds=seconds, now=now)
        assert moment >= now
        arrivals.append(moment + late * seconds * (MARGIN - 1) * 0.99)
    arrivals.sort()
    for first, beyond in zip(arrivals, arrivals[calls:], strict=False):
        assert beyond - first >= seconds * 0.999999


def test_after_too_frequent_a_window_passes_and_half_the_budget_is_used_for_a_minute() -> None:
    throttle = Throttle()
    throttle.book("create", calls=20, seconds=1, now=0.0)
    throttle.slow_down("create", now=0.0)
    moments = [throttle.book("create", calls=20, seconds=1, now=0.1) for _ in range(20)]
    assert min(moments) >= 1.0
    assert moments[9] < moments[10]
    later = 3 + SLOW_FOR
    assert [throttle.book("create", calls=20, seconds=1, now=later) for _ in range(20)] == [
        later
    ] * 20
