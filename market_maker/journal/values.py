"""Rows of the journal back into values: the inverse of what `rows` makes JSON of."""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any


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
