"""The order book of one instrument: rows in, best levels out."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from math import gcd
from typing import Any

from market_maker.errors import BadData
from market_maker.models import ZERO, Side
from market_maker.wire import fields
from market_maker.wire.fields import Row

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TICK_PRICES = 10
"""So many levels tell the tick of an instrument whose row does not."""
OwnQuantity = Mapping[tuple[Side, Decimal], Decimal]
"""Our own resting quantity at each (side, price)."""


Levels = list[tuple[bool, Decimal, Decimal]]
"""Whether each is a bid, its price and its size, zero for none: what a simulation tells in place of
the rows of a frame."""


class Level:
    """One price of one side; it is in the book while its size is not zero."""

    __slots__ = ("checked", "id", "price", "side", "size")

    def __init__(self, side: Side, price: Decimal) -> None:
        self.side = side
        self.price = price
        self.size = ZERO
        self.id = ""
        """The id by which rows name it; empty while no row had one."""
        self.checked: tuple[str, str] | None = None
        """Side and price as that row spelt them: such a row need not be checked again."""


class Book:
    """Both sides. Its rows are the venue's: `id`, `side`, `price`, `size`, all text.

    `fits` returns whether the id of a row fits its price, or None where that cannot be told. Prices
    are plain sorted lists: at 2,233 levels, the depth of a real feed, nothing else is faster.
    """

    def __init__(self, fits: Callable[[Row], bool | None] = lambda _: None) -> None:
        self._fits = fits
        self._levels: dict[Side, dict[Decimal, Level]] = {side: {} for side in Side}
        self._prices: dict[Side, list[Decimal]] = {side: [] for side in Side}
        """The prices of the levels, ascending."""
        self._by_id: dict[str, Level] = {}
        self._tick = ZERO
        """The tick as learned so far: it only becomes finer."""
        self.misfits = 0
        """Number of rows that were refused because their id does not fit their price."""

    def put(self, row: Row) -> None:
        """Set the size of a level; zero removes it. A row that arrives later is newer.

        A row with a known `id` may leave out side and price (design: The wire). Raises BadData for
        a row that does not parse, and for one whose id does not fit its price.
        """
        size = fields.not_negative(row, "size")
        level = self._by_id.get(row.get("id") or "")
        if level is None or level.checked != (row.get("side"), row.get("price")):
            level = self._level(row)
            if level is None:
                raise BadData("an unknown level without side and price")
            if size:  # a delete must not touch a newer level at the same price or id
                self._name(level, row)
        self._set(level, size)

    def delete(self, row: Row) -> None:
        """Remove a level, if it is there. Raises BadData where side or price cannot be read."""
        level = self._level(row)
        if level:
            self._set(level, ZERO)

    def put_levels(self, levels: Levels) -> None:
        """Set the sizes of levels whose values need no check."""
        buy, sell = Side.BUY, Side.SELL
        bids, asks = self._levels[buy], self._levels[sell]
        for is_bid, price, size in levels:
            level = bids.get(price) if is_bid else asks.get(price)
            if level and size:  # as at most
                level.size = size
            else:
                self._set(level or Level(buy if is_bid else sell, price), size)

    def best(self, own: OwnQuantity | None = None) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask that hold more than our `own` quantity, or None."""
        if not own:  # no level is empty
            bids, asks = self._prices[Side.BUY], self._prices[Side.SELL]
            return bids[-1] if bids else None, asks[0] if asks else None
        return (
            next((price for price, _ in self.levels(Side.BUY, own)), None),
            next((price for price, _ in self.levels(Side.SELL, own)), None),
        )

    def levels(
        self, side: Side, own: OwnQuantity | None = None
    ) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield (price, size without our `own` quantity), best first, where any is left."""
        levels, prices = self._levels[side], self._prices[side]
        for price in reversed(prices) if side is Side.BUY else prices:
            size = levels[price].size - own.get((side, price), ZERO) if own else levels[price].size
            if size > 0:
                yield price, size

    def learned_tick(self, finest: Decimal) -> Decimal:
        """Return the largest step that leads to every price shown so far, a multiple of `finest`.

        It is a multiple of the venue's tick, so prices on it are valid. With fewer than TICK_PRICES
        levels, or a price that is none of `finest`, it is `finest`.
        """
        prices = self._prices[Side.BUY] + self._prices[Side.SELL]
        if len(prices) >= TICK_PRICES:
            steps = [price / finest for price in [*prices, self._tick]]
            is_whole = all(step == step.to_integral_value() for step in steps)
            self._tick = finest * gcd(*map(int, steps)) if is_whole else finest
        return self._tick or finest

    def depth(self, size: int, told: Callable[[Decimal], Any] = str) -> dict[str, list[list[Any]]]:
        """Return the best `size` levels as `{"bids": [[price, size], ...], "asks": ...}`.

        `told` makes what is returned of a number.
        """
        return {
            name: [[told(price), told(qty)] for price, qty in islice(self.levels(side), size)]
            for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
        }

    def check_again(self) -> None:
        """Check all rows again from now on: what their ids should be has changed."""
        for level in self._by_id.values():
            level.checked = None

    # --- inside ---------------------------------------------------------------------------------

    def _level(self, row: Row) -> Level | None:
        """Check a row and return its level, a new one if need be; None for an unknown id alone."""
        if "price" not in row or "side" not in row:
            return self._by_id.get(row.get("id") or "")
        side = SIDES.get(fields.text(row, "side"))
        if side is None:
            raise BadData(f"side is neither buy nor sell: {fields.printable(row['side'])}")
        price = fields.positive(row, "price")
        if self._fits(row) is False:
            self.misfits += 1
            raise BadData("the id of a level does not fit its price")
        return self._levels[side].get(price) or Level(side, price)

    def _name(self, level: Level, row: Row) -> None:
        """Let the id of a row stand for this level and no other; what had it before is gone."""
        level_id = row.get("id")
        if not level_id:
            return
        before = self._by_id.get(level_id)
        if before is not level:
            if before:
                self._set(before, ZERO)
            self._by_id.pop(level.id, None)
            self._by_id[level_id], level.id = level, level_id
        if "side" in row and "price" in row:
            level.checked = row["side"], row["price"]

    def _set(self, level: Level, size: Decimal) -> None:
        if size and not level.size:
            self._levels[level.side][level.price] = level
            insort(self._prices[level.side], level.price)
        elif level.size and not size:
            prices = self._prices[level.side]
            del self._levels[level.side][level.price]
            del prices[bisect_left(prices, level.price)]
            self._by_id.pop(level.id, None)
        level.size = size
