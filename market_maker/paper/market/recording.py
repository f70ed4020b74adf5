"""The format of a tape: from the lines of a file to timed records of one market.

A line is a time, a space and JSON, or the JSON alone, in one of two formats: depth updates, trades
and full images as a futures feed sends them (`b` and `a` hold `[price, size]`; the size is final, 0
deletes the level), or frames of GTE's own `order_book` and `trade` tables. Other valid JSON is
ignored, and so are the markets that are not the first one named.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import Key

FORMATS = (
    "A tape has one message a line: a time, a space and JSON, or JSON alone that holds its time. "
    "The JSON is of a futures feed (depthUpdate, trade, aggTrade, a snapshot with lastUpdateId), "
    "or a frame of GTE's tables order_book and trade"
)
SCALE = 8  # decimals that a price or a quantity may have
WORDS = {"buy": Side.BUY, "sell": Side.SELL}
UNITS = {10: ("s", 1000.0), 13: ("ms", 1.0), 16: ("us", 1e-3), 19: ("ns", 1e-6)}
"""By the digits of a time since 1970: its unit, and milliseconds in one."""
MAX_LINE = 16 * 1024 * 1024  # bytes; what is longer is no line
SHOWN = 60  # characters of a wrong value


class Level(NamedTuple):
    """The final size at a price, or a trade with the side of its taker."""

    side: Side
    price: Decimal
    size: Decimal


class Image(NamedTuple):
    """A whole book; of the updates seen before it, only those that end after `last` count."""

    levels: list[Level]
    last: int


class Update(NamedTuple):
    """Levels that have changed."""

    levels: list[Level]
    last: int


class Trades(NamedTuple):
    """Trades of one moment."""

    levels: list[Level]


Record = Image | Update | Trades


class Reader:
    """Parses lines into records, one line at a time, whatever the length of the tape."""

    def __init__(self, name: str) -> None:
        """`name` is the file's, for errors."""
        self._name = name
        self._ids: dict[str, tuple[Side, Decimal]] = {}
        self._frames = 0
        self._has_image = False
        self.line = 0
        """The number of the line that was read last."""
        self.market: Key | str = ""
        """What the tape is about: an instrument of GTE, or the name that another feed gives it."""
        self.unit = ""
        """The unit of the first time."""

    def records(self, lines: Iterable[bytes]) -> Iterator[tuple[int, Record | None]]:
        """Yield (ms UTC, record) for each line, None for what is no record of this market.

        Raises ValueError with the file, the line, the field and what is expected there.
        """
        source = iter(lines)
        while True:
            self.line += 1
            try:
                line = next(source)
                parsed = self._parse(line.decode("utf-8-sig" if self.line == 1 else "utf-8"))
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise self.error(f"not UTF-8: {error.reason}") from None
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise self.error(f"the gzip file is damaged or not complete: {error}") from None
            except RecursionError:
                raise self.error("JSON that is nested too deep") from None
            except json.JSONDecodeError as error:
                raise self.error(f"not JSON: {error.msg} at character {error.pos}") from None
            except (ValueError, InvalidOperation) as error:
                raise self.error(str(error)) from None
            yield parsed

    def error(self, reason: str) -> ValueError:
        """Return the error that names the file and the line that was read last."""
        return ValueError(f"{self._name}: line {self.line}: {reason}. {FORMATS}")

    def _parse(self, line: str) -> tuple[int, Record | None]:
        stamp, brace, rest = line.strip().partition("{")
        if not brace:
            if stamp:
                raise ValueError(f"{stamp[:SHOWN]!r} is no JSON object, with or without a time")
            return 0, None
        content = json.loads(brace + rest, parse_float=Decimal, parse_constant=_reject_constant)
        record = self._record(content)
        data = content.get("data")
        given = stamp.strip() or content.get("time")
        given = given or (data if isinstance(data, dict) else content).get("E")
        if not given:
            if record:
                raise ValueError("time: none before the JSON, nor as `time` or `E` in it")
            return 0, None
        time, unit = _time(str(given))
        self.unit = self.unit or unit
        return time, record

    def _record(self, content: dict[str, Any]) -> Record | None:
        table = content.get("table")
        if table == "order_book":
            return self._gte_book(content)
        if table == "trade":
            rows = self._gte_rows(content)
            return Trades([_level(row, "side", "price", "qty") for row in rows]) if rows else None
        data = content.get("data", content)
        if not isinstance(data, dict):
            return None
        is_image = "lastUpdateId" in data
        if not is_image and data.get("e") not in ("depthUpdate", "trade", "aggTrade"):
            return None
        if not self._is_ours(str(data.get("s") or data.get("symbol") or self.market)):
            return None
        if is_image:
            return Image(_levels(data, bids="bids", asks="asks"), _whole(data, "lastUpdateId"))
        if data["e"] == "depthUpdate":
            return Update(_levels(data, bids="b", asks="a"), _whole(data, "u"))
        side = Side.SELL if _field(data, "m") else Side.BUY
        return Trades([Level(side, price_of(data, "p"), size_of(data, "q"))])

    def _is_ours(self, market: Key | str) -> bool:
        self.market = self.market or market
        return market == self.market

    def _gte_book(self, content: dict[str, Any]) -> Record | None:
        action = _field(content, "action")
        rows = self._gte_rows(content)
        levels = []
        for row in rows:
            level = self._gte_level(row, is_gone=action == "delete")
            levels += [level] if level else []
        if not rows:
            return None
        self._frames += 1  # GTE does not number its updates
        if action == "partial":
            self._has_image = True
            return Image(levels, self._frames)
        return Update(levels, self._frames)

    def _gte_level(self, row: dict[str, Any], *, is_gone: bool) -> Level | None:
        """Return the level of a row; None for an id from before the tape began."""
        number = str(row.get("id", ""))
        if "price" in row:
            self._ids[number] = _side(row, "side"), price_of(row, "price")
        elif number not in self._ids:
            if self._has_image:
                raise ValueError(f"id: {number[:SHOWN]!r} has not been seen with a price before")
            return None
        return Level(*self._ids[number], Decimal(0) if is_gone else size_of(row, "size"))

    def _gte_rows(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        rows = _field(content, "data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("data: expected a list of rows")
        names = "instrument_type", "settle_currency", "symbol"
        return [row for row in rows if self._is_ours(Key(*(_field(row, name) for name in names)))]


def lines_of(tape: Path) -> Iterator[bytes]:
    """Yield the lines of a file, plain or gzip."""
    with tape.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    with gzip.open(tape) if packed else tape.open("rb") as lines:
        yield from iter(partial(lines.readline, MAX_LINE), b"")


def _time(text: str) -> tuple[int, str]:
    """Return a time in ms UTC, and the unit it is written in."""
    whole, _, part = text.partition(".")
    if whole.isascii() and whole.isdigit() and (part or "0").isdigit() and len(whole) in UNITS:
        unit, ms = UNITS[len(whole)]
        return (int(Decimal(text) * 1000) if unit == "s" else int(int(whole) * ms)), unit
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"time: {text[:SHOWN]!r} is none; expected s, ms, us or ns since 1970, or ISO 8601"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000), "ISO 8601"


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _field(row: dict[str, Any], name: str) -> Any:
    if row.get(name) is None:
        raise ValueError(f"{name}: missing")
    return row[name]


def _side(row: dict[str, Any], name: str) -> Side:
    if _field(row, name) not in WORDS:
        raise ValueError(f"{name}: {str(row[name])[:SHOWN]!r} is neither buy nor sell")
    return WORDS[row[name]]


def _level(row: dict[str, Any], side: str, price: str, size: str) -> Level:
    return Level(_side(row, side), price_of(row, price), size_of(row, size))


def _levels(data: dict[str, Any], *, bids: str, asks: str) -> list[Level]:
    levels = []
    for side, name in ((Side.BUY, bids), (Side.SELL, asks)):
        pairs = _field(data, name)
        if not isinstance(pairs, list):
            raise ValueError(f"{name}: expected a list of [price, size]")
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) < 2:
                raise ValueError(f"{name}: {str(pair)[:SHOWN]!r} is not [price, size]")
            named = {f"{name} price": pair[0], f"{name} size": pair[1]}
            price, size = price_of(named, f"{name} price"), size_of(named, f"{name} size")
            levels.append(Level(side, price, size))
    return levels


def price_of(row: dict[str, Any], name: str) -> Decimal:
    """Return the price in a field of a row."""
    price = _number(row, name)
    if not price:
        raise ValueError(f"{name}: a price is above 0")
    return price


def size_of(row: dict[str, Any], name: str) -> Decimal:
    """Return the quantity in a field of a row."""
    return _number(row, name)


def _whole(row: dict[str, Any], name: str) -> int:
    number = _field(row, name)
    if not str(number).isdecimal():
        raise ValueError(f"{name}: {str(number)[:SHOWN]!r} is not a whole number")
    return int(number)


def _number(row: dict[str, Any], name: str) -> Decimal:
    value = _field(row, name)
    value = str(value) if isinstance(value, bool) else value
    try:
        number = Decimal(value if isinstance(value, str | int | Decimal) else "NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number < 10**12 or number != round(number, SCALE):
        shown = str(value)[:SHOWN]
        raise ValueError(f"{name}: {shown!r} is no number from 0 with at most {SCALE} decimals")
    return number
