"""A mapping of the family that tells why it lacks a key."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Lack = str | Callable[[], Any]
"""Why a key is not there, or what reads its value once it is asked for."""


class Row(dict[str, Any]):
    """A mapping of the family; a key that it lacks raises a KeyError with the reason.

    `lacks` has the reasons by key, that of every other key under "". A copy is a plain dict.
    """

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        lacks: Mapping[str, Lack] | None = None,
        **named: Any,
    ) -> None:
        super().__init__(given or {}, **named)
        self._lacks = lacks or {}

    def __missing__(self, key: str) -> Any:
        why = self._lacks.get(key) or self._lacks.get("")
        if callable(why):
            self[key] = value = why()
            return value
        read = {name for name, each in self._lacks.items() if callable(each)}
        there = ", ".join(sorted({*self, *read}))
        raise KeyError(f"{key}: {why or f'GTE shows no such value; there are {there}'}")

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if callable(self._lacks.get(key)) else super().get(key, default)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def stamp(time_ms: int) -> str:
    """Return a time in ms as the family's text in UTC."""
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def number_of(value: Decimal) -> float:
    """Return a quantity: whole numbers as int, others as float."""
    return int(value) if value == value.to_integral_value() else float(value)
