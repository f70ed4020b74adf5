"""What the formats of JSON lines and CSV share: a line's parts, its fields, and its levels."""

import json
from typing import Any

from market_maker.models import Side
from market_maker.tapes.records import Level, Numbered, TapeError
from market_maker.tapes.subject import SHOWN, Steps, Subject

SIDES = {"buy": Side.BUY, "sell": Side.SELL, "Buy": Side.BUY, "Sell": Side.SELL}
Row = dict[str, Any]


class Reading:
    """What every parser of lines has. Numbers of its JSON are text, exactly as written."""

    unit = ""
    is_cut_gracefully = False

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def rest(self) -> Numbered | None:
        """Return the record that the end of the file completes."""
        return None


def _reject_constant(constant: str) -> None:
    raise TapeError(f"{constant} is not a number")


DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_reject_constant)


def split(line: str) -> tuple[str, Row]:
    """Return the time before the JSON of a line, and the JSON, its numbers as text.

    Of an empty line both are empty. Raises TapeError for a line without a JSON object.
    """
    at = line.find("{")
    if at < 0:
        if text := line.strip():
            raise TapeError(f"{text[:SHOWN]!r} is no JSON object, with or without a time")
        return "", {}
    try:
        content, end = DECODER.raw_decode(line, at)
    except json.JSONDecodeError as error:
        raise TapeError(f"not JSON: {error.msg} at character {error.pos}") from None
    if len(line) - end > 1 and line[end:].strip():
        raise TapeError(f"not JSON: more after it at character {end}")
    return line[:at].strip(), content


def field(row: Row, name: str) -> Any:
    """Return a field of a row; raise TapeError if it is missing."""
    value = row.get(name)
    if value is None or value == "":
        raise TapeError(f"{name}: missing")
    return value


def whole(row: Row, name: str) -> int:
    """Return a field that is a whole number."""
    text = str(field(row, name))
    if not text.isdecimal():
        raise TapeError(f"{name}: {text[:SHOWN]!r} is not a whole number")
    return int(text)


def side_of(row: Row, name: str = "side") -> Side:
    """Return a side that is written as a word."""
    value = field(row, name)
    side = SIDES.get(value) if isinstance(value, str) else None
    if side is None:
        raise TapeError(f"{name}: {str(value)[:SHOWN]!r} is neither buy nor sell")
    return side


def steps_of(steps: Steps, row: Row, name: str) -> int:
    """Return a price in ticks, or a size in lots."""
    return _steps(steps, field(row, name), name)


def level_of(row: Row, subject: Subject, *, price: str, size: str, side: str = "side") -> Level:
    """Return the level of a row with these fields."""
    ticks, lots = steps_of(subject.prices, row, price), steps_of(subject.sizes, row, size)
    return Level(side_of(row, side), ticks, lots)


def pairs_of(row: Row, subject: Subject, *, bids: str, asks: str) -> list[Level]:
    """Return the levels of two lists of [price, size]."""
    return [
        *_side_of_pairs(field(row, bids), bids, Side.BUY, subject),
        *_side_of_pairs(field(row, asks), asks, Side.SELL, subject),
    ]


def rows_of(content: Row, name: str = "data") -> list[Row]:
    """Return the rows of a frame."""
    rows = field(content, name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TapeError(f"{name}: expected a list of rows")
    return rows


def columns(line: str) -> list[str]:
    """Return the fields of a line of CSV; none of the formats quotes them."""
    return line.rstrip("\r\n").split(",")


def named(names: list[str], values: list[str]) -> Row:
    """Return the fields of a line of CSV by the names of its columns."""
    if len(values) != len(names):
        raise TapeError(f"{len(values)} columns where {len(names)} are expected: {','.join(names)}")
    return dict(zip(names, values, strict=True))


def _side_of_pairs(pairs: Any, name: str, side: Side, subject: Subject) -> list[Level]:
    if not isinstance(pairs, list):
        raise TapeError(f"{name}: expected a list of [price, size]")
    prices, sizes = subject.prices, subject.sizes
    try:
        if {*map(type, pairs)} <= {list}:
            return [Level(side, prices[pair[0]], sizes[pair[1]]) for pair in pairs]
    except (TapeError, TypeError, IndexError):
        pass  # one of them is wrong: look for it
    return [_pair(pair, name, side, subject) for pair in pairs]


def _pair(pair: Any, name: str, side: Side, subject: Subject) -> Level:
    if not isinstance(pair, list) or len(pair) < 2:
        raise TapeError(f"{name}: {str(pair)[:SHOWN]!r} is not [price, size]")
    price = _steps(subject.prices, pair[0], f"{name} price")
    return Level(side, price, _steps(subject.sizes, pair[1], f"{name} size"))


def _steps(steps: Steps, value: Any, name: str) -> int:
    try:
        return steps[str(value)]
    except TapeError as error:
        raise TapeError(f"{name}: {error}") from None


class Csv(Reading):
    """Reads CSV with a header; the second column names the market."""

    _names: list[str] | None = None

    def row_of(self, line: str, venue: str) -> Row | None:
        """Return the fields of a line by name; None for the header, a blank, another market's."""
        values = columns(line)
        if self._names is None:
            self._names = values
            return None
        if values == [""] or not self.subject.is_ours(values[1] if len(values) > 1 else "", venue):
            return None
        return named(self._names, values)
