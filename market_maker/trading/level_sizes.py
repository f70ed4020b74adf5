"""The sizes of the levels of the ladder: rising, or random until the order has filled."""

import math
from collections.abc import Callable
from decimal import Decimal

from market_maker import strategy
from market_maker.errors import InvalidOrder
from market_maker.models import Fill, Side
from market_maker.settings import settings


class LevelSizes:
    """Tells the size of each level; a random one is drawn once. Levels below zero are buys.

    `draw(low, high)` returns a whole number from `low` to `high`, both included.
    """

    def __init__(self, draw: Callable[[int, int], int]) -> None:
        self._draw = draw
        self._drawn: dict[int, float] = {}
        self._bounds = (0.0, 0.0, 0.0)

    def of_settings(self, index: int, *, lot: float) -> float:
        """Return the size of a level as the settings have it. Raises as `of()` does."""
        if settings.RANDOM_ORDER_SIZE:
            bounds = {"low": settings.MIN_ORDER_SIZE, "high": settings.MAX_ORDER_SIZE}
            return self.of(index, **bounds, lot=lot)
        start, step = settings.ORDER_START_SIZE, settings.ORDER_STEP_SIZE
        return strategy.level_qty(index, start_size=start, step_size=step)

    def of(self, index: int, *, low: float, high: float, lot: float) -> float:
        """Return the size of a level, a multiple of `lot` from `low` to `high`.

        Raises InvalidOrder when there is no such multiple. Other bounds draw all sizes anew.
        """
        if self._bounds != (low, high, lot):
            self._bounds = (low, high, lot)
            self._drawn.clear()
        if index not in self._drawn:
            step = Decimal(str(lot))
            least, most = math.ceil(Decimal(str(low)) / step), math.floor(Decimal(str(high)) / step)
            if least > most:
                raise InvalidOrder(f"no multiple of {step} from MIN_ORDER_SIZE to MAX_ORDER_SIZE")
            self._drawn[index] = float(self._draw(least, most) * step)
        return self._drawn[index]

    def forget(self, fill: Fill) -> None:
        """Forget the size of the level whose order has filled: the next one is drawn again."""
        sign = -1 if fill.side is Side.BUY else 1
        levels = [
            index
            for index, qty in self._drawn.items()
            if index * sign > 0 and Decimal(str(qty)) == fill.order.qty
        ]
        if levels and not fill.order.remaining:
            del self._drawn[min(levels, key=abs)]
