"""The book of a tape, for its best prices and what stands there."""

from market_maker.models import Side
from market_maker.tapes.records import Level


class Best:
    """The sizes at the prices of a book, and the best of its prices at once."""

    def __init__(self) -> None:
        self._sizes: dict[Side, dict[int, int]] = {side: {} for side in Side}
        self._best: dict[Side, int | None] = dict.fromkeys(Side)

    def apply(self, levels: list[Level], *, is_whole: bool) -> None:
        """Take the levels of an update, or of a whole book."""
        if is_whole:
            self._sizes = {side: {} for side in Side}
            self._best = dict.fromkeys(Side)
        for side, price, size in levels:
            sizes, best = self._sizes[side], self._best[side]
            if size:
                sizes[price] = size
                if best is None or (price - best) * side.sign > 0:
                    self._best[side] = price
            elif sizes.pop(price, 0) and price == best:
                self._best[side] = (max if side is Side.BUY else min)(sizes, default=None)

    def of(self, side: Side) -> Level | None:
        """Return the best level of a side; None while there is none."""
        price = self._best[side]
        return None if price is None else Level(side, price, self._sizes[side][price])

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        bid, ask = self._best[Side.BUY], self._best[Side.SELL]
        return bid is not None and ask is not None and bid >= ask
