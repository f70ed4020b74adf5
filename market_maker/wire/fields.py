"""Fields of the wire: text into exact values, and what the venue says into text fit for the log.

Numbers arrive as plain decimal strings. A field that does not parse raises `BadData` with the
reason; NaN, Infinity, empty text and digits that are not ASCII never get through.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from market_maker.errors import BadData

Row = Mapping[str, Any]

TEXT_CHARS = 100
"""The longest name, id or time that is taken; the venue's own are far shorter."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,18})?", re.ASCII)
_MILLIS = re.compile(r"[0-9]{12,14}", re.ASCII)


def number(row: Row, name: str) -> Decimal:
    """Return the field as an exact number.

    Raises BadData for anything but a plain decimal string: the venue never sends another form.
    """
    text = row.get(name)
    try:
        return _parsed(text)
    except (TypeError, ValueError):
        raise BadData(f"{name} is not a number: {printable(text)}") from None


@lru_cache(8192)
def _parsed(text: Any) -> Decimal:
    """Return a number, or raise TypeError or ValueError. Kept: a feed repeats 98 % of its texts."""
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return Decimal(text)


def positive(row: Row, name: str) -> Decimal:
    """Return the field as a number above zero, or raise BadData."""
    value = number(row, name)
    if value <= 0:
        raise BadData(f"{name} is not positive: {value}")
    return value


def not_negative(row: Row, name: str) -> Decimal:
    """Return the field as a number that is zero or more, or raise BadData."""
    value = number(row, name)
    if value.is_signed():
        raise BadData(f"{name} is negative: {value}")
    return value


def optional(row: Row, name: str) -> Decimal | None:
    """Return the field as a number, or None where the row does not have it."""
    return number(row, name) if row.get(name) is not None else None


def price_if_any(row: Row, name: str) -> Decimal | None:
    """Return the field as a number above zero, or None where the row does not have it at all."""
    return positive(row, name) if name in row else None


def told(row: Row, name: str, parse: Callable[[Row, str], Decimal] = number) -> Decimal | None:
    """Return a field that decides nothing by itself, or None where it cannot be read."""
    try:
        return parse(row, name)
    except BadData:
        return None


def text(row: Row, name: str) -> str:
    """Return the field as text that is not empty and fit for the log, or raise BadData."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise BadData(f"{name} is missing")
    if not (value.isascii() and value.isprintable() and len(value) <= TEXT_CHARS):
        raise BadData(f"{name} is not plain text: {printable(value)}")
    return value


def millis(row: Row, name: str) -> int:
    """Return a time in ms UTC, or 0 where the row has no plausible one."""
    value = str(row.get(name, ""))
    return int(value) if _MILLIS.fullmatch(value) else 0


def printable(value: object, limit: int = 300) -> str:
    """Return the venue's text fit for the log: no control characters, not too long.

    >>> printable("a\\nb")
    "'a\\\\nb'"
    """
    shown = ascii(value)
    return shown if len(shown) <= limit else shown[:limit] + "..."


def escaped(text: str) -> str:
    """Return text fit for the log, without quotes around it."""
    return printable(text)[1:-1]


def parse_json(data: bytes | str) -> Any:
    """Return the JSON value of `data`.

    Raises BadData for what is not JSON, and for what only Python takes for JSON (NaN, Infinity).
    """
    try:
        return _DECODER.decode(data.decode() if isinstance(data, bytes) else data)
    except (ValueError, RecursionError) as error:
        raise BadData(f"not JSON: {printable(data, 64)}") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that is given twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_once_each)
"""Made once: `json.loads` with options makes one for each call, which costs 3 us."""
