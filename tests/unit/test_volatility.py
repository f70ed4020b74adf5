"""Volatility: by hand, through holes and jumps of the clock, and that its errors are right."""

import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.strategies.estimate import (
    HOLE_SECONDS,
    Estimate,
    MidSteps,
    NoEstimate,
    RollingVolatility,
)

NS = 1_000_000_000
STEPS = (0.1, 0.25, 1.0, 5.0, 60.0)


def zigzag(size: float, steps: int) -> Iterator[float]:
    """Yield mids whose logarithm goes up by `size` and down again, each step."""
    for step in range(steps):
        yield 8500 * math.exp(size * (step % 2))


def of_mids(step: float, mids: list[float]) -> Estimate:
    found = MidSteps(step)
    for place, mid in enumerate(mids):
        found.add(round(place * step * NS), mid)
        found.add(round((place + 1) * step * NS) - 1, mid)  # news that changes nothing
    return found.estimate()


# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.1, 0.25, 1.0, 5.0])
def test_steps_of_the_same_size_up_and_down_give_the_size_by_the_root_of_the_time(
    step: float,
) -> None:
    found = of_mids(step, [*zigzag(0.001, 200)])
    assert abs(found.value - 0.001 / math.sqrt(step)) < 1e-12
    assert found.n == 199


@pytest.mark.parametrize("step", STEPS)
def test_so_does_the_rolling_one(step: float) -> None:
    found = RollingVolatility(step, 50 * step)
    for place, mid in enumerate(zigzag(0.001, 200)):
        found.add(7.3 + place * step, mid)
    value = found.value()
    assert value is not None
    assert abs(value - 0.001 / math.sqrt(step)) < 1e-12


def test_the_mid_at_a_step_is_the_last_one_at_or_before_it() -> None:
    found = MidSteps(1)
    for at, mid in ((0, 100), (0.4, 500), (1, 101), (1.2, 900), (1.9, 102), (3, 103), (3.5, 900)):
        found.add(round(at * NS), mid)
    seconds = [math.log(101 / 100), math.log(102 / 101), math.log(103 / 102)]
    expected = math.sqrt(sum(each**2 for each in seconds) / 3)
    assert found.estimate().value == pytest.approx(expected, rel=1e-12)


def test_the_error_of_a_few_returns_is_that_of_normal_ones() -> None:
    found = of_mids(1, [*zigzag(0.001, 9)])
    assert found.error == pytest.approx(0.001 / math.sqrt(2 * 8))


@pytest.mark.parametrize(
    ("mids", "words"),
    [
        ([], "0 returns over 1 s do not tell"),
        ([100.0], "0 returns"),
        ([100.0, 101.0], "1 returns"),
        ([100.0] * 50, "the mid has not moved"),
    ],
)
def test_what_does_not_tell_is_no_estimate(mids: list[float], words: str) -> None:
    with pytest.raises(NoEstimate, match=words):
        of_mids(1, mids)


# --- holes ----------------------------------------------------------------------------------------


def fed(found: MidSteps, begin: float, end: float, chance: random.Random) -> None:
    for place in range(round((end - begin) * 10)):
        mid = 8500 * math.exp(0.001 * chance.gauss(0, 1))
        found.add(round((begin + place / 10) * NS), mid)


def test_over_a_silence_no_return_is_taken_and_its_steps_are_counted() -> None:
    found = MidSteps(1)
    fed(found, 0, 10, random.Random(1))
    fed(found, 100, 110, random.Random(2))
    n = found.estimate().n
    # the last news is of 9.9 s: known until 14.9 s, then again from 100 s on
    assert n == 14 + 9
    assert found.left_out == 100 - 14


def test_a_silence_of_years_costs_no_time() -> None:
    found = MidSteps(0.01)
    fed(found, 0, 10, random.Random(1))
    fed(found, 10**9, 10**9 + 10, random.Random(2))
    assert found.estimate().n == 1490 + 990


def test_the_return_over_a_gap_is_left_out() -> None:
    found = MidSteps(1)
    fed(found, 0, 4.1, random.Random(1))
    found.lose()
    fed(found, 4.16, 9.9, random.Random(2))
    assert found.estimate().n == 4 + 4
    assert found.left_out == 1


def test_a_step_at_which_a_side_is_empty_has_no_return() -> None:
    found = MidSteps(1)
    fed(found, 0, 3.95, random.Random(1))
    found.add(round(3.95 * NS), None)
    fed(found, 4.16, 9.9, random.Random(2))
    assert found.estimate().n == 3 + 4
    assert found.left_out == 2


def test_news_that_leaves_the_mid_keeps_it_known() -> None:
    found = MidSteps(1)
    for place in range(100):
        found.add(place * 3 * NS, 100.0 + (place == 50))
    assert found.estimate().n == 297
    assert found.left_out == 0
    assert HOLE_SECONDS > 3


# --- errors that are right ------------------------------------------------------------------------


def covered(draws: Callable[[random.Random], list[float]], truth: float, seeds: int) -> float:
    """Return how often the truth is within a standard error."""
    hits = 0
    for seed in range(seeds):
        mids, log = [8500.0], math.log(8500)
        for move in draws(random.Random(seed)):
            log += move
            mids.append(math.exp(log))
        found = of_mids(1, mids)
        hits += abs(found.value - truth) < found.error
    return hits / seeds


def test_the_error_covers_the_truth_two_times_of_three() -> None:
    share = covered(lambda chance: [chance.gauss(0, 1e-4) for _ in range(300)], 1e-4, 300)
    assert abs(share - 0.683) < 3.5 * math.sqrt(0.683 * 0.317 / 300)


def test_the_error_covers_it_where_calm_and_wild_minutes_alternate_by_chance() -> None:
    def draws(chance: random.Random) -> list[float]:
        sizes = [chance.choice((0.2e-4, 1.4e-4)) for _ in range(60)]
        return [chance.gauss(0, sizes[place // 20]) for place in range(1200)]

    share = covered(draws, 1e-4, 200)
    assert abs(share - 0.683) < 3.5 * math.sqrt(0.683 * 0.317 / 200)


# --- the rolling one ------------------------------------------------------------------------------


def test_it_is_not_known_until_returns_cover_half_of_the_window() -> None:
    found = RollingVolatility(1, 10)
    seen = []
    for place, mid in enumerate(zigzag(0.001, 8)):
        found.add(place, mid)
        seen.append(found.value() is not None)
    assert seen == [False] * 5 + [True] * 3


def test_mids_that_come_more_seldom_than_the_step_count_over_the_time_they_took() -> None:
    found = RollingVolatility(1, 100)
    for place, mid in enumerate(zigzag(0.001, 30)):
        found.add(place * 5, mid)
    assert found.value() == pytest.approx(0.001 / math.sqrt(5), rel=1e-12)


def test_mids_that_come_at_any_times_give_the_volatility_of_the_path() -> None:
    chance, at, log = random.Random(5), 0.0, 0.0
    found = RollingVolatility(1, 4000)
    for _ in range(12_000):
        passed = chance.expovariate(3)
        at, log = at + passed, log + chance.gauss(0, 1e-4 * math.sqrt(passed))
        found.add(at, math.exp(log))
    assert found.value() == pytest.approx(1e-4, rel=0.05)


def test_the_window_forgets() -> None:
    found = RollingVolatility(1, 20)
    for place, mid in enumerate(zigzag(0.01, 100)):
        found.add(place, mid)
    for place, mid in enumerate(zigzag(0.001, 21)):
        found.add(100 + place, mid)
    assert found.value() == pytest.approx(0.001, rel=1e-9)


def test_no_return_is_taken_over_a_hole_that_is_longer_than_the_window() -> None:
    found = RollingVolatility(1, 4)
    for place, mid in enumerate(zigzag(0.001, 5)):
        found.add(place, mid)
    found.add(50, 9999)
    assert found.value() is None
    for place, mid in enumerate(zigzag(0.001, 5)):
        found.add(50 + place, mid * 9999 / 8500)
    assert found.value() == pytest.approx(0.001, rel=1e-9)


def test_a_clock_that_steps_back_costs_one_return_and_nothing_else() -> None:
    found = RollingVolatility(1, 60)
    for begin in (0, -3600, -9000):
        for place, mid in enumerate(zigzag(0.001, 11)):
            found.add(begin + place, mid * (1 + abs(begin)))
    assert found.value() == pytest.approx(0.001, rel=1e-9)


def test_a_jump_forward_past_the_window_begins_anew() -> None:
    found = RollingVolatility(1, 60)
    for begin in (0, 86_400):
        for place, mid in enumerate(zigzag(0.001, 41)):
            found.add(begin + place, mid)
        assert found.value() is not None
        found.add(begin + 7200, 8500)
        assert found.value() is None


@pytest.mark.parametrize(("step", "window"), [(0, 1), (-1, 1), (2, 1), (1, math.inf)])
def test_a_step_must_fit_into_the_window(step: float, window: float) -> None:
    with pytest.raises(ValueError, match="step <= window"):
        RollingVolatility(step, window)


@pytest.mark.parametrize(("at", "mid"), [(0, 0), (0, -1), (0, math.nan), (math.nan, 1)])
def test_what_is_no_price_is_refused(at: float, mid: float) -> None:
    with pytest.raises(ValueError, match="no mid"):
        RollingVolatility(1, 10).add(at, mid)


@given(
    st.lists(st.tuples(st.floats(0.01, 9), st.floats(-0.01, 0.01)), min_size=20, max_size=60),
    st.sampled_from([1e-8, 0.5, 100.0, 1e8]),
    st.sampled_from([-1000.0, 0.0, 86_400.0]),
)
def test_neither_the_unit_of_the_price_nor_the_time_of_day_changes_it(
    moves: list[tuple[float, float]], unit: float, begin: float
) -> None:
    one, other = RollingVolatility(1, 40), RollingVolatility(1, 40)
    at, log = 0.0, 0.0
    for passed, move in moves:
        at, log = round(at + passed, 2), log + move
        one.add(at, math.exp(log))
        other.add(begin + at, unit * math.exp(log))
    assert (one.value() is None) == (other.value() is None)
    if one.value() is not None:
        assert other.value() == pytest.approx(one.value(), rel=1e-6, abs=1e-12)
