"""Values of the loop into rows of the journal. The writer's thread calls all of this."""

import json
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from market_maker.decimals import plain
from market_maker.models import ZERO, Fill, OpenOrder, OrderRequest, OrderState, Side, Snapshot

Row = tuple[Any, ...]
FULL_EVERY_MS = 3_600_000
"""After so long a decision that is still the same is recorded in full again."""
FAST = 1
"""Of zlib: a fifth larger than by its default, in a third of the time."""
PRICES_KEPT = 2_000
"""The latest prices, among which those before a fill are looked up."""


class Rows:
    """Makes rows, and remembers what a fill needs of those before it: prices and levels."""

    def __init__(self) -> None:
        self._prices: deque[tuple[int, str | None, str | None]] = deque(maxlen=PRICES_KEPT)
        self._orders: tuple[OpenOrder, ...] = ()
        """The live own orders after the last tick."""
        self._ahead: dict[str, Decimal] = {}
        """By client_oid, what stands before a resting order at most."""
        self._decision: tuple[object, int] | None = None
        """The last decision, and its time."""

    def tick(
        self,
        time_ms: int,
        state: str,
        reason: str,
        snapshot: Snapshot | None,
        orders: tuple[OpenOrder, ...],
        profit: Decimal | None,
    ) -> Row:
        """Return a row of `ticks`; `orders` are the live own orders after the tick."""
        self._orders = orders
        resting = [order for order in orders if order.state is OrderState.OPEN]
        bid = max((o.price for o in resting if o.side is Side.BUY), default=None)
        ask = min((o.price for o in resting if o.side is Side.SELL), default=None)
        best = (_text(bid), _text(ask))
        shown: list[str | None] = [None] * 4
        if snapshot:
            position, margin = snapshot.position, snapshot.margin
            mark = snapshot.instrument.valuation_price
            legs = (position.long.qty, position.short.qty)
            shown = [*map(_text, legs), _text(margin.total if margin else None), _text(mark)]
        return (time_ms, state, reason, *best, *shown, _text(profit))

    def price(
        self,
        time_ms: int,
        arrival: int,
        bid: Decimal | None,
        ask: Decimal | None,
        mark: Decimal | None,
    ) -> Row:
        """Return a row of `prices`."""
        best = _text(bid), _text(ask)
        if bid and ask:
            self._prices.append((arrival, *best))
        return (time_ms, arrival, *best, _text(mark))

    def book(
        self,
        time_ms: int,
        depth: Mapping[str, Sequence[Sequence[Decimal]]],
        orders: tuple[OpenOrder, ...],
        is_dry: bool,
    ) -> Row:
        """Return the row of `book`: the best levels, and the own orders with what is before them.

        `depth` has bids and asks as (price, size). Nobody tells who stands where in a level:
        at most what others had there when the order was first seen in it, and at most what they
        have now. It is null where the levels do not reach. A dry run's orders are in no level.
        """
        sizes: dict[Side, dict[Decimal, Decimal]] = {
            side: {price: size for price, size in depth[name]}  # noqa: C416
            for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
        }
        resting = [order for order in orders if order.state is OrderState.OPEN]
        own: dict[tuple[Side, Decimal], Decimal] = defaultdict(Decimal)
        for order in () if is_dry else resting:
            own[order.side, order.price] += order.remaining
        ahead: dict[str, Decimal] = {}
        for order in resting:
            levels = sizes[order.side]
            if any(not order.side.better(price, order.price) for price in levels):
                others = levels.get(order.price, ZERO) - own.get((order.side, order.price), ZERO)
                if others >= ZERO:  # else the book does not show the order yet
                    before = self._ahead.get(order.client_oid, others)
                    ahead[order.client_oid] = min(before, others)
        self._ahead = ahead
        shown = [
            (o.side.value, plain(o.price), plain(o.remaining), _text(ahead.get(o.client_oid)))
            for o in resting
        ]
        return (time_ms, json.dumps({**depth, "own": shown}, default=str))

    def order(self, time_ms: int, order: OpenOrder) -> Row:
        """Return a row of `orders`: an order has taken a step."""
        return (
            *(time_ms, order.client_oid, order.order_id, order.state.value, order.side.value),
            *(plain(order.price), plain(order.qty), plain(order.filled), int(order.close)),
            self._level(order),
        )

    def decision(self, time_ms: int, decided: object) -> Row:
        """Return a row of `decisions`; one that is the same object as the last refers to it.

        The row that it refers to may be missing: it can be dropped, and goes with age.
        """
        if self._decision and self._decision[0] is decided:
            first_ms = self._decision[1]
            if first_ms < time_ms < first_ms + FULL_EVERY_MS:
                return (time_ms, first_ms, None)
        self._decision = decided, time_ms
        return (time_ms, None, zlib.compress(_json(decided).encode(), FAST))

    def fill(
        self,
        time_ms: int,
        fill: Fill,
        price: Decimal | None,
        fee: Decimal | None,
        currency: str,
        model: str,
        own: Decimal,
    ) -> Row:
        """Return a row of `fills`."""
        order = fill.order
        before = (each[1:] for each in reversed(self._prices) if each[0] <= fill.arrival)
        return (
            *(time_ms, fill.arrival, order.client_oid, order.order_id, fill.side.value),
            *(int(order.close), plain(fill.qty), price and plain(price), _text(fee), currency),
            *(self._level(order), *next(before, (None, None)), model, plain(own)),
        )

    def _level(self, order: OpenOrder) -> int | None:
        """Return the place of an order on its side after the last tick, 1 nearest to the market."""
        side = [other for other in self._orders if other.side is order.side]
        if not any(other.client_oid == order.client_oid for other in side):
            return None
        return 1 + sum(order.side.better(other.price, order.price) for other in side)


def opening(time_ms: int, snapshot: Snapshot) -> Row:
    """Return what the first snapshot shows, for the columns `schema.OPENING`."""
    instrument, position, margin = snapshot.instrument, snapshot.position, snapshot.margin
    long, short = position.long, position.short
    return (
        *(time_ms, plain(instrument.face_value), plain(long.qty), plain(short.qty)),
        *(plain(long.entry_price), plain(short.entry_price)),
        *(_text(instrument.valuation_price), _text(margin.total if margin else None)),
    )


def plain_row(*values: Any) -> Row:
    """Return values as a row, decimals as text."""
    return tuple(_text(each) if isinstance(each, Decimal) else each for each in values)


def _json(value: object) -> str:
    """Return a value as JSON: decimals as text, enums as their values, dataclasses as objects."""
    return _writer(type(value))(value)  # type: ignore[arg-type]  # a class has a hash


@cache
def _writer(kind: type) -> Callable[[Any], str]:
    """Return what makes JSON of values of a type."""
    if issubclass(kind, OrderRequest):
        return _order_json
    if issubclass(kind, Decimal):
        return '"{}"'.format
    if issubclass(kind, Enum):
        return cache(lambda value: _json(value.value))
    if issubclass(kind, str):
        return encode_basestring_ascii
    if issubclass(kind, tuple | list | frozenset):
        return lambda value: f"[{','.join([_json(each) for each in value])}]"
    if issubclass(kind, Mapping):
        return _mapping_json
    if is_dataclass(kind):
        return _writer_of_fields(kind)
    return json.dumps


def _mapping_json(value: Mapping[Any, Any]) -> str:
    pairs = (f"{json.dumps(_plain(name))}:{_json(each)}" for name, each in value.items())
    return f"{{{','.join(pairs)}}}"


def _plain(name: object) -> str:
    return str(name.value if isinstance(name, Enum) else name)


@lru_cache(8192)
def _order_json(order: OrderRequest) -> str:
    """Return an order as JSON. Kept: most orders of a decision are those of the one before."""
    return _writer_of_fields(type(order))(order)  # type: ignore[arg-type]  # a class has a hash


@cache
def _writer_of_fields(kind: type) -> Callable[[Any], str]:
    names = [each.name for each in fields(kind)]
    form = "{" + ",".join(f'"{name}":%s' for name in names) + "}"
    return lambda value: form % tuple([_json(getattr(value, name)) for name in names])


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"
