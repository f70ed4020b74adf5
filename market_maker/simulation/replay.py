"""A replay: the recorded decisions of a run, decided again by the code of today."""

from collections.abc import Callable
from dataclasses import dataclass

from market_maker import strategy
from market_maker.journal import Run
from market_maker.report import decided_in
from market_maker.strategy import Decided, Decision

SHOWN = 3
"""Differences that are shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that comes out another way today."""

    time_ms: int
    then: Decision
    now: Decision


@dataclass(frozen=True, slots=True)
class Replay:
    """What the replay of a run has shown."""

    decided: int
    """Decisions that were decided again."""
    repeated: int
    """Decisions that were the same object as one before, for equal inputs."""
    missing: int
    """Repeated decisions whose first one is no longer recorded."""
    differences: list[Difference]


def replay(run: Run, step: Callable[[], None] = lambda: None) -> Replay:
    """Decide again what a run has decided; `step` is called before each decision.

    Raises Unreadable for a journal in which a decision cannot be understood.
    """
    decided = repeated = missing = 0
    differences, known = [], set()
    for row in run.raw("decisions", "time_ms", "same_as", "detail"):
        step()
        if row["same_as"] is not None:
            repeated += 1
            missing += row["same_as"] not in known
            continue
        then = decided_in(run, row)
        known.add(row["time_ms"])
        decided += 1
        now = _again(then)
        if now != then.decision:
            differences.append(Difference(row["time_ms"], then.decision, now))
    return Replay(decided, repeated, missing, differences)


def _again(then: Decided) -> Decision:
    if then.is_beside:
        return strategy.decide_more(list(then.wanted), then.snapshot, then.limits)
    return strategy.decide(then.wanted, then.snapshot, then.limits, relist=then.relist)
