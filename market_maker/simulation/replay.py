"""A replay: the recorded decisions of a run, decided again by the code of today."""

import json
import types
import typing
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

from market_maker import strategy
from market_maker.journal import Row, Run, Unreadable
from market_maker.strategy import Decision
from market_maker.trading import Decided

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
        then = _decided(run, row)
        known.add(row["time_ms"])
        decided += 1
        now = _again(then)
        if now != then.decision:
            differences.append(Difference(row["time_ms"], then.decision, now))
    return Replay(decided, repeated, missing, differences)


def decisions_of(run: Run) -> Iterator[tuple[int, Decided]]:
    """Yield all decisions of a run with their times in ms, those too that repeat one.

    One that repeats a decision that is no longer recorded is left out. Raises Unreadable.
    """
    latest: tuple[int, Decided] | None = None
    for row in run.raw("decisions", "time_ms", "same_as", "detail"):
        if row["same_as"] is None:
            latest = row["time_ms"], _decided(run, row)
        if latest and latest[0] == (row["same_as"] or row["time_ms"]):
            yield row["time_ms"], latest[1]


def _again(then: Decided) -> Decision:
    if then.is_beside:
        return strategy.decide_more(list(then.wanted), then.snapshot, then.limits)
    return strategy.decide(then.wanted, then.snapshot, then.limits, relist=then.relist)


def _decided(run: Run, row: Row) -> Decided:
    try:
        found = value_of(Decided, json.loads(zlib.decompress(row["detail"])))
    except (zlib.error, ValueError, TypeError, KeyError, ArithmeticError) as error:
        words = f"the decision at {row['time_ms']} cannot be understood"
        raise Unreadable(f"{run.path}: {words}: {error}") from error
    assert isinstance(found, Decided)
    return found


def value_of(hint: Any, value: Any) -> Any:
    """Return what `journal.rows` has made JSON of, as a value of this type.

    Raises ValueError, TypeError, KeyError or ArithmeticError for what is no such value. A field
    that an earlier version has not recorded has its default.
    """
    if value is None or hint in (str, int, float, bool):
        return value
    if hint is Decimal:
        return Decimal(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if is_dataclass(hint):
        return hint(**{name: value_of(kind, value[name]) for name, kind in _kinds(hint, value)})  # type: ignore[operator]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (kind,) = (each for each in inner if each is not type(None))
        return value_of(kind, value)
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(value_of(kind, each) for kind, each in zip(kinds, value, strict=True))
    if origin in (Mapping, dict):
        return {value_of(inner[0], name): value_of(inner[1], each) for name, each in value.items()}
    raise TypeError(f"no value of {hint}")


def _kinds(kind: Any, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a dataclass that a value has, with their types."""
    hints = _hints(kind)
    return ((each.name, hints[each.name]) for each in fields(kind) if each.name in value)


@lru_cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)
