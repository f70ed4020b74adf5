"""The tape: a recorded market, replayed as the other participants of one instrument.

A line is `<local ns> <JSON>`, or the JSON alone, in one of two formats: depth updates, trades and
one full image as an inverse perpetual's public feed sends them (`b` and `a` hold `[price, size]`;
the size is final, 0 deletes the level), or frames of GTE's own `order_book` and `trade` tables.
Other valid JSON is ignored. A tape is read twice: `survey` validates it, `play` replays it.
"""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from math import gcd
from typing import Any, NamedTuple

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, Key
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from market_maker.paper.market.crowd import Step

BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
SCALE = 8  # decimals a price may have
WORDS = {"buy": Side.BUY, "sell": Side.SELL}


class Survey(NamedTuple):
    """The properties of a tape that are needed before it is played."""

    key: Key
    tick: Decimal
    start: Decimal  # the first trade, or the middle of the book


class _Level(NamedTuple):
    side: Side
    price: Decimal
    size: int


class _Image(NamedTuple):
    """A whole book; of the updates seen before it, only those that end after `last` count."""

    levels: list[_Level]
    last: int


class _Update(NamedTuple):
    levels: list[_Level]
    last: int


class _Trade(NamedTuple):
    takes: list[_Level]


_Record = _Image | _Update | _Trade


def survey(lines: Iterable[str], name: str) -> Survey:
    """Read a whole tape; raise ValueError with the file and the line that is not valid."""
    reader = _Reader(name)
    best: dict[Side, Decimal] = {}
    first_trade: Decimal | None = None
    divisor = 0
    for _, record in reader.effective(lines):
        levels = record.takes if isinstance(record, _Trade) else record.levels
        for level in levels:
            divisor = gcd(divisor, int(level.price.scaleb(SCALE)))
        if isinstance(record, _Trade) and first_trade is None and levels:
            first_trade = levels[0].price
        elif isinstance(record, _Image) and not best:
            best = _best(levels)
    if not divisor or reader.key is None:
        raise ValueError(f"{name}: no full image of an order book in it")
    middle = sum(best.values(), Decimal(0)) / max(len(best), 1)
    tick = _tick(divisor)
    start = first_trade or middle // tick * tick
    return Survey(reader.key, tick, start)


def play(lines: Iterable[str], name: str, tick: Decimal) -> Iterator[Step]:
    """Yield the steps of a tape at their recorded times, from the first full image on.

    `tick` is that of the survey. A line that is not valid raises ValueError.
    """
    resting: set[tuple[Side, int]] = set()
    began: int | None = None
    for time, record in _Reader(name).effective(lines):
        began = time if began is None else began
        moves: list[Move] = []
        if isinstance(record, _Trade):
            for take in record.takes:
                moves += [Take(take.side, int(take.price / tick), take.size), Index(take.price)]
        else:
            depths = [Depth(side, int(price / tick), size) for side, price, size in record.levels]
            if isinstance(record, _Image):
                gone = resting - {(depth.side, depth.price) for depth in depths}
                depths += [Depth(side, price, 0) for side, price in gone]
                resting.clear()
            # deletes first: within one update a price may move to the other side
            depths.sort(key=lambda depth: depth.size > 0)
            moves += depths
            for depth in depths:
                if depth.size:
                    resting.add(depth[:2])
                else:
                    resting.discard(depth[:2])
        yield Step(max(time - began, 0), moves)


class _Reader:
    """Parses lines into records. The first one that names an instrument sets `key`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ids: dict[str, tuple[Side, Decimal]] = {}
        self._frames = 0
        self.key: Key | None = None

    def effective(self, lines: Iterable[str]) -> Iterator[tuple[int, _Record]]:
        """Yield (time in ms, record) from the first image on, without updates that it contains."""
        early: list[_Update] = []
        seen: int | None = None
        for time, record in self._records(lines):
            if isinstance(record, _Image):
                seen = record.last
                yield time, record
                for update in early:
                    if update.last > seen:
                        yield time, update
                early.clear()
            elif seen is None:
                if isinstance(record, _Update):
                    early.append(record)
            elif isinstance(record, _Trade) or record.last > seen:
                yield time, record

    def _records(self, lines: Iterable[str]) -> Iterator[tuple[int, _Record]]:
        number = 0
        try:
            for line in lines:
                number += 1
                if line.strip():
                    time, content = _split(line)
                    record = self._record(content)
                    if record:
                        yield time, record
        except (ValueError, KeyError, TypeError, InvalidOperation, RecursionError) as error:
            reason = f"{type(error).__name__} {error}".replace("\n", " ")[:200]
            raise ValueError(f"{self._name}: line {number}: {reason}") from None

    def _record(self, content: dict[str, Any]) -> _Record | None:
        table = content.get("table")
        if table == "order_book":
            return self._gte_book(content)
        if table == "trade":
            rows = self._gte_rows(content)
            return _Trade(
                [
                    _Level(WORDS[row["side"]], _price(row["price"]), _size(row["qty"]))
                    for row in rows
                ]
            )
        data = content.get("data", content)
        if not isinstance(data, dict):
            return None
        if "lastUpdateId" in data:
            self.key = self.key or BTC_USD
            return _Image(_levels(data, bids="bids", asks="asks"), int(data["lastUpdateId"]))
        match data.get("e"):
            case "depthUpdate":
                return _Update(_levels(data, bids="b", asks="a"), int(data["u"]))
            case "trade" | "aggTrade":
                side = Side.SELL if data["m"] else Side.BUY
                return _Trade([_Level(side, _price(data["p"]), _size(data["q"]))])
        return None

    def _gte_book(self, content: dict[str, Any]) -> _Record | None:
        action = content.get("action")
        rows = self._gte_rows(content)
        levels = []
        for row in rows:
            if "price" in row:
                side, price = WORDS[row["side"]], _price(row["price"])
                self._ids[row.get("id", "")] = side, price
            else:
                side, price = self._ids[row["id"]]
            levels.append(_Level(side, price, 0 if action == "delete" else _size(row["size"])))
        if not rows:
            return None
        self._frames += 1  # GTE does not number its updates
        if action == "partial":
            return _Image(levels, self._frames)
        return _Update(levels, self._frames)

    def _gte_rows(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of the tape's instrument: the first that it names."""
        found = []
        for row in content["data"]:
            key = Key(row["instrument_type"], row["settle_currency"], row["symbol"])
            self.key = self.key or key
            if key == self.key:
                found.append(row)
        return found


def _split(line: str) -> tuple[int, dict[str, Any]]:
    """Return the time of a line in milliseconds and its JSON object."""
    stamp, _, rest = line.partition(" ")
    timed = stamp.isascii() and stamp.isdigit()
    content = json.loads(
        rest if timed else line, parse_float=Decimal, parse_constant=_reject_constant
    )
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    if timed:
        return int(stamp) // 1_000_000, content
    data = content.get("data")
    inner = data if isinstance(data, dict) else content
    return int(content.get("time") or inner.get("E") or 0), content


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _levels(data: dict[str, Any], *, bids: str, asks: str) -> list[_Level]:
    return [
        _Level(side, _price(price), _size(size))
        for side, name in ((Side.BUY, bids), (Side.SELL, asks))
        for price, size, *_ in data[name]
    ]


def _price(value: Any) -> Decimal:
    price = Decimal(value)
    if not 0 < price < 10**12 or price != round(price, SCALE):
        raise ValueError(f"{value!r} is not a price")
    return price


def _size(value: Any) -> int:
    size = Decimal(value)
    if not 0 <= size < 10**12 or size % 1:
        raise ValueError(f"{value!r} is not a number of contracts")
    return int(size)


def _best(levels: Iterable[_Level]) -> dict[Side, Decimal]:
    bids = [level.price for level in levels if level.size and level.side is Side.BUY]
    asks = [level.price for level in levels if level.size and level.side is Side.SELL]
    best = {Side.BUY: max(bids, default=None), Side.SELL: min(asks, default=None)}
    return {side: price for side, price in best.items() if price is not None}


def _tick(divisor: int) -> Decimal:
    """Return the coarsest tick of 5, 2 or 1 times a power of ten (at most 5) that fits."""
    for power in range(SCALE, 0, -1):
        for factor in (5, 2, 1):
            if divisor % (factor * 10**power) == 0:
                return Decimal(factor).scaleb(power - SCALE)
    return Decimal(1).scaleb(-SCALE)
