"""The order book of one instrument: rows in, best levels out, at any depth for the same price."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from sys import intern
from typing import Any

from market_maker.errors import BadData
from market_maker.models import ZERO, Side
from market_maker.wire import protocol
from market_maker.wire.protocol import Row

BLOCK = 256
GONE = 1_000
"""So many levels that have gone are remembered: their names mostly come back."""
UNCHECKED: Any = object()
"""A spelling that no row has."""
SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class Level:
    """One price of one side; it is in the book while its size is not zero."""

    __slots__ = ("price", "side", "size", "spelt_price", "spelt_side")

    def __init__(self, side: Side, price: Decimal) -> None:
        self.side = side
        self.price = price
        self.size = ZERO
        self.spelt_side = self.spelt_price = UNCHECKED
        """How rows spell them, once that has been checked together with their id."""


class Prices:
    """Prices in ascending order, in blocks, so that a change moves few of them.

    In one list of 50,000 prices a new one costs five times as much as here (6 us and 1.2 us).
    """

    def __init__(self) -> None:
        self._blocks: list[list[Decimal]] = [[]]
        self._tops: list[Decimal] = []
        """For each block but the last, the price it may reach: its own ones are not above."""
        self._count = 0

    def add(self, price: Decimal) -> None:
        """Add a price that is not there."""
        at = bisect_left(self._tops, price)
        block = self._blocks[at]
        insort(block, price)
        self._count += 1
        if len(block) > 2 * BLOCK:
            self._blocks[at : at + 1] = block[:BLOCK], block[BLOCK:]
            self._tops.insert(at, block[BLOCK - 1])

    def remove(self, price: Decimal) -> None:
        """Remove a price that is there."""
        at = bisect_left(self._tops, price)
        block = self._blocks[at]
        del block[bisect_left(block, price)]
        self._count -= 1
        if not block and len(self._blocks) > 1:
            del self._blocks[at]
            del self._tops[min(at, len(self._tops) - 1)]

    def lowest(self) -> Decimal:
        """Return the first of some prices."""
        return self._blocks[0][0]

    def highest(self) -> Decimal:
        """Return the last of some prices."""
        return self._blocks[-1][-1]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Decimal]:
        for block in self._blocks:
            yield from block

    def __reversed__(self) -> Iterator[Decimal]:
        for block in reversed(self._blocks):
            yield from reversed(block)


class Book:
    """Both sides. Its rows are the venue's: `id`, `side`, `price`, `size`, all text.

    `fits` says whether the id of a row fits its price, or None where that cannot be told.
    """

    def __init__(self, fits: Callable[[Row], bool | None] = lambda _: None) -> None:
        self._fits = fits
        self._levels: dict[Side, dict[Decimal, Level]] = {side: {} for side in Side}
        self._prices = {side: Prices() for side in Side}
        self._by_id: dict[str, Level] = {}
        self.misfits = 0
        """Rows that were refused because their id does not fit their price."""

    def put(self, row: Row) -> None:
        """Set a level from a row; what arrives later is newer.

        A row with an `id` may leave out side and price (gte-api §6.3). Raises BadData.
        """
        size = protocol.not_negative(row, "size")
        try:  # a row that spells all as one that has been checked; nearly all do
            level = self._by_id[row["id"]]
            is_known = level.spelt_price == row["price"] and level.spelt_side == row["side"]
        except KeyError:
            is_known = False
        if not is_known:
            level = self._named(row, size)
        if size and level.size:  # nearly always; a call less
            level.size = size
        else:
            self._set(level, size)

    def delete(self, row: Row) -> None:
        """Remove a level, if it is there. Raises BadData."""
        level = self._level(row)
        if level:
            self._set(level, ZERO)

    def is_crossed(self) -> bool:
        """Say whether the best bid is above the best ask."""
        bids, asks = self._prices[Side.BUY], self._prices[Side.SELL]
        return bool(bids and asks) and bids.highest() > asks.lowest()

    def best(
        self, own: Mapping[tuple[Side, Decimal], Decimal]
    ) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask that hold more than our `own` quantity."""
        return (
            next((p for p, _ in self.levels(Side.BUY, own)), None),
            next((p for p, _ in self.levels(Side.SELL, own)), None),
        )

    def levels(
        self, side: Side, own: Mapping[tuple[Side, Decimal], Decimal]
    ) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield (price, size without our own quantity), best first."""
        levels, prices = self._levels[side], self._prices[side]
        for price in reversed(prices) if side is Side.BUY else prices:
            size = levels[price].size - own.get((side, price), ZERO) if own else levels[price].size
            if size > 0:
                yield price, size

    def check_anew(self) -> None:
        """Check ids anew from now on: what they should be has changed."""
        for level in self._by_id.values():
            level.spelt_price = UNCHECKED

    # --- inside ---------------------------------------------------------------------------------

    def _level(self, row: Row) -> Level | None:
        """Check a row and return its level, a new one if need be; None for an unknown id alone."""
        if "price" not in row or "side" not in row:
            return self._by_id.get(row.get("id") or "")
        side = SIDES.get(protocol.text(row, "side"))
        if side is None:
            raise BadData(f"side is neither buy nor sell: {protocol.printable(row['side'])}")
        price = protocol.positive(row, "price")
        if self._fits(row) is False:
            self.misfits += 1
            raise BadData("the id of a level does not fit its price")
        self._forget_the_gone()
        level = self._levels[side].get(price)
        if level is None:
            level = self._levels[side][price] = Level(side, price)
        return level

    def _named(self, row: Row, size: Decimal) -> Level:
        """Return the level of a row that is not known as it is spelt."""
        level = self._level(row)
        if level is None:
            raise BadData("an unknown level without side and price")
        if size:  # a delete must not touch a newer level at the same price or id
            self._name(level, row)
        return level

    def _name(self, level: Level, row: Row) -> None:
        """Let the id of a row stand for its level and no other, and remember how both are spelt."""
        level_id = row.get("id")
        before = self._by_id.get(level_id) if level_id else None
        if before is not None and before is not level:
            self._set(before, ZERO)
        if level_id:
            self._by_id[level_id] = level
            if "side" in row and "price" in row:
                level.spelt_side, level.spelt_price = intern(row["side"]), row["price"]

    def _set(self, level: Level, size: Decimal) -> None:
        if bool(size) is not bool(level.size):
            prices = self._prices[level.side]
            (prices.add if size else prices.remove)(level.price)
        level.size = size

    def _forget_the_gone(self) -> None:
        """Forget levels that are not in the book, and names beyond measure, once they are many."""
        most = GONE + 2 * sum(map(len, self._prices.values()))
        if max(sum(map(len, self._levels.values())), len(self._by_id)) <= most:
            return
        for side, levels in self._levels.items():
            self._levels[side] = {price: level for price, level in levels.items() if level.size}
        names = {name: level for name, level in self._by_id.items() if level.size}
        self._by_id = names if len(names) <= most else {}  # many names of few levels: learn anew
