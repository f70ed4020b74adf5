"""The soak, for an hour of simulated time; and that its judge sees what is wrong.

`python -m tests.chaos` is the same for as long as one likes.
"""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from market_maker.settings.schema import FIELDS, NEED_RESTART
from tests.chaos.bugs import BUGS, Bug
from tests.chaos.injections import KINDS, WIDE_KINDS
from tests.chaos.shape import DRAWS, WIDE
from tests.chaos.soak import Outcome, Soak, run

HOURS, SEEDS = 1.0, 4
WIDE_SEEDS = (WIDE + 13, WIDE + 17, WIDE + 21)
"""Of a pair, of a contract settled in BTC, and of one settled in ETH."""
BUG_SECONDS = 900.0
BUG_SEEDS = 4
ROOM = {"MIN_POSITION": -3_000, "MAX_POSITION": 3_000}
"""Limits that leave a bot room to show what is wrong with it."""


def test_there_are_many_kinds_of_trouble() -> None:
    assert len({kind.name for kind in KINDS}) >= 120


def slow_but(seeds: Iterable[int], fast: Collection[int]) -> list[Any]:
    """All seeds; those that are not `fast` run with the slow tests."""
    return [pytest.param(s, marks=[] if s in fast else [pytest.mark.slow]) for s in seeds]


@pytest.mark.parametrize("seed", slow_but(range(SEEDS), fast=(1,)))
def test_a_bot_in_trouble_breaks_no_invariant(seed: int) -> None:
    outcome = run(seed, HOURS / SEEDS)
    assert not outcome.violations, told(outcome)
    assert outcome.seconds >= HOURS / SEEDS * 3600


@pytest.mark.slow
@pytest.mark.parametrize("seed", WIDE_SEEDS)
def test_a_bot_of_any_market_and_settings_breaks_no_invariant(seed: int) -> None:
    outcome = run(seed, 0.2)
    assert not outcome.violations, told(outcome)


def test_whatever_may_be_reloaded_is() -> None:
    assert {*DRAWS, "DRY_RUN"} == set(FIELDS) - NEED_RESTART


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "clock", ["venue clock steps back", "venue clock -20 s", "venue clock +20 s", "wall clock +3 s"]
)
def test_no_limit_is_passed_whatever_a_clock_does(clock: str, seed: int) -> None:
    """In a lively market, with limits that a ladder fills at once."""
    kinds = [kind for kind in KINDS if kind.name == clock]
    assert kinds
    given = {"MIN_POSITION": -500, "MAX_POSITION": 500}
    soak = Soak(seed, kinds=kinds, swarm=False, pairs=3, gap=12.0, given=given)
    outcome = soak.run(600)
    assert not outcome.violations, told(outcome)
    assert outcome.fills > 10


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run() -> None:
    first, second = run(3, 0.1), run(3, 0.1)
    assert first == second
    assert first.messages > 100


LONG = {
    *("always healthy", "batches of sixty", "books fills twice", "loses more than it may"),
    *("ends part-filled orders", "does not list what it leaves", "mixes up the legs"),
    *("does not count unseen fills", "never connects again"),
}
"""What takes a soak many simulated minutes to find."""


@pytest.mark.parametrize(
    "bug",
    [
        pytest.param(bug, id=bug.name, marks=[pytest.mark.slow] if bug.name in LONG else [])
        for bug in BUGS
    ],
)
def test_a_seeded_bug_is_caught(bug: Bug) -> None:
    """And by an invariant that is about it, not by chance."""
    kinds = [kind for kind in WIDE_KINDS if kind.name in bug.kinds]
    assert len(kinds) == len(bug.kinds)
    with bug.made():
        first = WIDE if bug.is_wide else 0
        for seed in range(first, first + BUG_SEEDS):
            given = ROOM | dict(bug.given)
            shape = {"swarm": False, "pairs": bug.pairs, "gap": 12.0, "given": given}
            soak = Soak(seed, kinds=kinds, **shape)  # type: ignore[arg-type]
            found = {each.invariant for each in soak.run(BUG_SECONDS).violations}
            if found:
                break
    assert found & set(bug.finds.split()), found


def told(outcome: Outcome) -> str:
    """Return what is needed to see a breach again."""
    violations = "; ".join(map(str, outcome.violations[:3]))
    return f"seed {outcome.seed}: {violations}\n  " + "\n  ".join(outcome.trace[-10:])
