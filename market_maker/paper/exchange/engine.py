"""The matching engine: one order book, price before time, in whole ticks and whole lots."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

BACKGROUND = "background"
"""The owner of the orders of all other participants together."""


class Side(Enum):
    """The side of an order, with the numbers the venue uses."""

    SELL = 0
    BUY = 1

    __hash__ = object.__hash__  # in C: half of the 0.3 us of Enum's own

    @property
    def other(self) -> "Side":
        """Return the opposite side."""
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(slots=True, eq=False)
class Order:
    """A limit order in the book, in ticks and lots; only the book changes `left`, the open lots."""

    order_id: int
    owner: str
    side: Side
    price: int
    left: int
    fraction: float = 0.0
    """What of a lot stands before it beside whole ones; of a fill model (see `background`)."""


class Fill(NamedTuple):
    """One match, always at the maker's price in ticks; `qty` is in lots."""

    maker: Order
    taker: Order
    price: int
    qty: int


class Changes(NamedTuple):
    """Levels of a book that have changed: side, price and final size, by what happened to them."""

    gone: list[tuple[Side, int, int]]
    resized: list[tuple[Side, int, int]]
    new: list[tuple[Side, int, int]]


@dataclass(slots=True, eq=False)
class _Level:
    orders: dict[int, Order]  # by id, in order of arrival
    size: int


class _Half:
    """One side of a book. `ranks` are prices times `sign`, ascending: the best is the last."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.ranks: list[int] = []
        self.background: dict[int, int] = {}
        """The lots at each price where only the background rests: such a level has no orders."""
        self.levels: dict[int, _Level] = {}
        """The levels at all other prices."""
        self.before: dict[int, int] = {}
        """The sizes that changed levels had when they were drained last."""

    def size(self, price: int) -> int:
        level = self.levels.get(price)
        return level.size if level else self.background.get(price, 0)

    def add(self, order: Order) -> None:
        price = order.price
        level = self.levels.get(price)
        if level is None:
            self.before.setdefault(price, 0)
            self.levels[price] = _Level({order.order_id: order}, order.left)
            insort(self.ranks, price * self.sign)
        else:
            self.before.setdefault(price, level.size)
            level.orders[order.order_id] = order
            level.size += order.left

    def remove(self, order: Order) -> None:
        price = order.price
        level = self.levels[price]
        self.before.setdefault(price, level.size)
        del level.orders[order.order_id]
        level.size -= order.left
        if not level.orders:
            self.drop(price)

    def drop(self, price: int) -> None:
        del self.levels[price]
        self.forget(price)

    def forget(self, price: int) -> None:
        del self.ranks[bisect_left(self.ranks, price * self.sign)]

    def prices(self) -> Iterator[int]:
        return (rank * self.sign for rank in reversed(self.ranks))


class Book:
    """The resting orders of one instrument. Whose an order is changes nothing in its matching.

    Prices are whole ticks, quantities whole lots. Of a level at which nothing but the background
    has ever rested, as at most, only the size is kept; it becomes an order once it must queue.
    """

    def __init__(self) -> None:
        self._half = {Side.BUY: _Half(1), Side.SELL: _Half(-1)}
        self._orders: dict[int, Order] = {}
        self._last_of_background = 0

    def of_background(self, side: Side, price: int, size: int) -> Order:
        """Return a new order of the background; its id is negative, so never that of a user's."""
        self._last_of_background -= 1
        return Order(self._last_of_background, BACKGROUND, side, price, size)

    def set_background(self, side: Side, price: int, size: int) -> bool:
        """Set the size of a level of which only that is kept, or of an empty one.

        Return False, with nothing changed, for another level, and where such an order would trade.
        """
        half = self._half[side]
        before = half.background.get(price)
        if before is None:
            if price in half.levels:
                return False
            if size:
                rank, other = price * half.sign, self._half[side.other].ranks
                if other and rank + other[-1] >= 0:  # it reaches the best of the other side
                    return False
                insort(half.ranks, rank)
                half.background[price] = size
                half.before.setdefault(price, 0)
        elif size != before:
            half.before.setdefault(price, before)
            if size:
                half.background[price] = size
            else:
                del half.background[price]
                half.forget(price)
        return True

    def place(self, order: Order) -> list[Fill]:
        """Match an order, rest the remainder, and return the fills in order."""
        fills = self.take(order)
        if order.left:
            self.rest(order)
        return fills

    def rest(self, order: Order) -> None:
        """Rest an order without matching it; the caller ensures that the book is not crossed."""
        self._with_orders(order.side, order.price)
        self._half[order.side].add(order)
        self._orders[order.order_id] = order

    def take(self, order: Order) -> list[Fill]:
        """Match an order and return the fills in order; the remainder does not rest."""
        fills: list[Fill] = []
        half = self._half[order.side.other]
        limit = order.price * half.sign
        while order.left and half.ranks and half.ranks[-1] >= limit:
            fills += self.take_at(order, half.ranks[-1] * half.sign)
        return fills

    def take_at(self, order: Order, price: int) -> list[Fill]:
        """Match an order with those at one price, whatever stands at better ones."""
        fills: list[Fill] = []
        half = self._half[order.side.other]
        level = self._with_orders(order.side.other, price)
        if level is None:
            return fills
        half.before.setdefault(price, level.size)
        while order.left and level.orders:
            maker = next(iter(level.orders.values()))
            qty = min(order.left, maker.left)
            order.left -= qty
            maker.left -= qty
            level.size -= qty
            if not maker.left:
                del level.orders[maker.order_id]
                del self._orders[maker.order_id]
            fills.append(Fill(maker, order, price, qty))
        if not level.orders:
            half.drop(price)
        return fills

    def requeue(self, side: Side, price: int, orders: list[Order]) -> None:
        """Let the orders at a price trade in this order; they are those that rest there."""
        level = self._with_orders(side, price)
        assert level
        level.orders = {order.order_id: order for order in orders}

    def reach(self, *, side: Side, price: int, qty: int) -> list[tuple[int, int]]:
        """Return the (price, qty) pairs that such an order would trade at once; change nothing."""
        pairs: list[tuple[int, int]] = []
        half = self._half[side.other]
        for best in half.prices():
            if not qty or best * half.sign < price * half.sign:
                break
            part = min(qty, half.size(best))
            pairs.append((best, part))
            qty -= part
        return pairs

    def cancel(self, order_id: int) -> Order:
        """Remove a resting order and return it; raise KeyError if it does not rest here."""
        order = self._orders.pop(order_id)
        self._half[order.side].remove(order)
        return order

    def resize(self, order_id: int, left: int) -> None:
        """Set the open lots of a resting order, above 0; it keeps its place in the queue."""
        order = self._orders[order_id]
        half = self._half[order.side]
        level = half.levels[order.price]
        half.before.setdefault(order.price, level.size)
        level.size += left - order.left
        order.left = left

    def best(self, side: Side) -> int | None:
        """Return the best price of a side, None if nothing rests there."""
        half = self._half[side]
        return half.ranks[-1] * half.sign if half.ranks else None

    def size(self, side: Side, price: int) -> int:
        """Return the lots that rest at a price, 0 if none do."""
        return self._half[side].size(price)

    def queue(self, side: Side, price: int) -> list[Order]:
        """Return the orders at a price in the order in which they trade."""
        level = self._with_orders(side, price)
        return list(level.orders.values()) if level else []

    def prices(self, side: Side) -> Iterator[int]:
        """Yield the prices of a side, best first."""
        return self._half[side].prices()

    def drain(self) -> Changes:
        """Return what has become of the levels since the last call."""
        gone, resized, new = changes = Changes([], [], [])
        for side, half in self._half.items():
            background, levels = half.background, half.levels
            for price in sorted(half.before):
                before, size = half.before[price], background.get(price, 0)
                if not size and price in levels:
                    size = levels[price].size
                if size != before:
                    (resized if size and before else new if size else gone).append(
                        (side, price, size)
                    )
            half.before.clear()
        return changes

    def _with_orders(self, side: Side, price: int) -> _Level | None:
        """Return a level, None for an empty one; if only its size is kept, make an order of it."""
        half = self._half[side]
        if size := half.background.pop(price, 0):
            order = self.of_background(side, price, size)
            half.levels[price] = _Level({order.order_id: order}, size)
            self._orders[order.order_id] = order
        return half.levels.get(price)
