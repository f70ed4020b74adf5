"""Whether a value is of a type, and in a range."""

import re
from collections.abc import Mapping
from math import inf
from types import UnionType
from typing import Any, get_args


def is_a(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type: a number is below 1e15, and True is none."""
    if isinstance(kind, UnionType):
        return any(is_a(value, each) for each in get_args(kind))
    if kind is float:
        finite = isinstance(value, int | float) and abs(value) < 1e15
        return finite and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_args(kind):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind)


def kind_name(kind: Any) -> str:
    """Return the name of a type, as the end of "it must be"."""
    if isinstance(kind, UnionType):
        return " or ".join(kind_name(each) for each in get_args(kind))
    names = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
    return names.get(kind, "a list of texts")


def missed(value: Any, kind: Any, about: Mapping[str, Any]) -> str:
    """Return what a value of a setting must be and is not, or empty text.

    `about` is what `schema.setting()` notes of the setting.
    """
    if is_a(value, kind):
        return range_missed(value, about)
    takes = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    is_large = float in takes and isinstance(value, int | float) and 1e15 <= abs(value) < inf
    return "be a number between -1e15 and 1e15" if is_large else f"be {kind_name(kind)}"


def range_missed(value: Any, about: Mapping[str, Any]) -> str:
    """Return what a value of the right type must be and is not, or empty text."""
    if about["choices"] and value not in about["choices"]:
        return f"be one of {', '.join(about['choices'])}"
    if about["pattern"] and not re.fullmatch(about["pattern"], value, re.ASCII):
        return f"look like {about['pattern']}"
    if about["low"] is not None and value < about["low"]:
        return f"be at least {about['low']}"
    if about["high"] is not None and value > about["high"]:
        return f"be at most {about['high']}"
    return ""
