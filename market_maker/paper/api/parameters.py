"""The parameters of a request, read and checked by name."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.instrument import Key

T = TypeVar("T")

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{0,18})?", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,20}", re.ASCII)


class Parameters:
    """Texts by name. A wrong or missing one raises ApiError; it never guesses."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, *names: str) -> str:
        """Return a required text that may have several names; the values given must agree."""
        value = self.optional(*names)
        if value is None:
            raise ApiError(Code.PARAM_EMPTY, names[0])
        return value

    def optional(self, *names: str) -> str | None:
        """Return a text, None if it is missing or empty."""
        given = {self._values[name] for name in names if self._values.get(name)}
        if len(given) > 1:
            raise ApiError(Code.PARAM_VALUE, names[0])
        return given.pop() if given else None

    def number(self, *names: str) -> Decimal:
        """Return a required plain decimal."""
        value = self.text(*names)
        if not _NUMBER.fullmatch(value):
            raise ApiError(Code.PARAM_TYPE, names[0])
        return Decimal(value)

    def integer(self, *names: str) -> int:
        """Return a required whole number that is not negative."""
        value = self.text(*names)
        if not _INTEGER.fullmatch(value):
            raise ApiError(Code.PARAM_TYPE, names[0])
        return int(value)

    def integer_or(self, default: T, name: str) -> int | T:
        """Return a whole number, or the default if it is missing."""
        return default if self.optional(name) is None else self.integer(name)

    def bounded(self, name: str, default: int, most: int) -> int:
        """Return a whole number from 1 to `most`, or the default if it is missing."""
        value = self.integer_or(default, name)
        if not 0 < value <= most:
            raise ApiError(Code.PARAM_VALUE, name)
        return value

    def choice(self, choices: Mapping[int, T], *names: str) -> T:
        """Return the choice that a required whole number stands for."""
        value = self.integer(*names)
        if value not in choices:
            raise ApiError(Code.PARAM_VALUE, names[0])
        return choices[value]

    def filter(self, name: str) -> list[str] | None:
        """Return a list from the JSON text of `filter`, None if it has no such list."""
        value = self.optional("filter")
        if value is None:
            return None
        try:
            content = json.loads(value)
        except (ValueError, RecursionError):
            raise ApiError(Code.PARAM_TYPE, "filter") from None
        if not isinstance(content, dict):
            raise ApiError(Code.PARAM_TYPE, "filter")
        items = content.get(name)
        if items is None:
            return None
        if isinstance(items, str | int):
            items = [items]
        if not isinstance(items, list):
            raise ApiError(Code.PARAM_TYPE, "filter")
        return [_filter_item(item) for item in items]

    def changed(self, **values: str) -> "Parameters":
        """Return a copy with other values."""
        return Parameters({**self._values, **values})

    def key(self, kind: str) -> Key:
        """Return the key of the instrument that the request names."""
        return Key(kind, self.text("asset", "settle_currency"), self.text("symbol"))


def _filter_item(item: object) -> str:
    if isinstance(item, bool) or not isinstance(item, str | int):
        raise ApiError(Code.PARAM_TYPE, "filter")
    value = str(item)
    if not _INTEGER.fullmatch(value):
        raise ApiError(Code.PARAM_TYPE, "filter")
    return value
