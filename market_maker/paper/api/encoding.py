"""The encoding of the wire: numbers as text, and JSON without spaces."""

import json
from decimal import ROUND_DOWN, Decimal
from typing import Any

from market_maker.paper.exchange.account import MILLIONTH

Row = dict[str, Any]
"""A JSON object: one row of a table, or the `data` of a reply."""

LevelValue = tuple[bool, Decimal, Decimal]
"""Whether a level of the book is a bid, its price and its size."""


def text(number: Decimal | int) -> str:
    """Return a number as GTE writes it: plain digits without trailing zeros."""
    digits = format(Decimal(number), "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def cut(amount: Decimal) -> Decimal:
    """Return an amount of money truncated to the six decimals that GTE shows."""
    return amount.quantize(MILLIONTH, ROUND_DOWN)


def ratio(part: Decimal, whole: Decimal) -> str:
    """Return part / whole as text with four decimals, "0" if the whole is 0."""
    return text((part / whole).quantize(Decimal("0.0001"), ROUND_DOWN)) if whole else "0"


def dump(value: object) -> str:
    """Return a value as JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))
