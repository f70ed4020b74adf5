"""Fill models: what recorded trades and sizes would have filled of an order that was not there.

A recorded market does not tell who stood where in a queue, so how soon an own order is filled is a
choice. `touch` is the most optimistic and `through` the most conservative; what each fills, all
before it in this order fill too: touch, log or power, safe, through.

Of n lots that leave a level without a trade, a part p stood behind our order and the rest before
it: p = b**N / (b**N + f**N) for power:N and ln(1+b) / (ln(1+b) + ln(1+f)) for log, with f lots
before it and b behind it (the queue models of hftbacktest); for safe, all that fits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

RANGE, LEVEL_1_RANGE = ("touch", "safe"), ("touch", "through")
"""The models of a range, the most optimistic first; of a tape that has the best prices only."""
FROM_OPTIMISTIC = ("touch", "log", "power", "safe", "through")
"""The kinds; log and power have no order between them."""
NAMES = "touch, power:N, log, safe or through"


@dataclass(frozen=True, slots=True)
class FillModel:
    """A model by its name. In all of them the market that goes through an order fills it."""

    name: str
    behind: Callable[[float, float], float]
    """From the lots before and behind an order, the part of a decrease that stood behind it."""
    is_first: bool = False
    """Whether own orders stand before all others at their price."""
    needs_through: bool = False
    """Whether trades at its price never fill an order."""

    def place(self, front: float, others: float, less: float) -> float:
        """Return the lots before an order after `less` of the `others` at its price have left.

        `front` of these stood before it. A fraction is a place between two lots.
        """
        back = others - front
        part = self.behind(front, back)
        after = front - (1 - part) * less + min(back - part * less, 0)
        return min(max(after, 0), others - less)


def fill_model(name: str) -> FillModel:
    """Return the model of a name. Raises ValueError for a name that none has."""
    kind, colon, number = name.partition(":")
    if kind == "power" and number.isdecimal() and 1 <= int(number) <= 9:
        return FillModel(name, lambda front, back: _power(front, back, int(number)))
    if not colon and name in MODELS:
        return MODELS[name]
    raise ValueError(f"there is no fill model {name!r}: it is {NAMES}, N from 1 to 9")


def _power(front: float, back: float, exponent: int) -> float:
    return back**exponent / (back**exponent + front**exponent) if back else 0.0


def _log(front: float, back: float) -> float:
    return math.log1p(back) / (math.log1p(back) + math.log1p(front)) if back else 0.0


def _all(_front: float, _back: float) -> float:
    return 1.0


MODELS = {
    "touch": FillModel("touch", _all, is_first=True),
    "log": FillModel("log", _log),
    "safe": FillModel("safe", _all),
    "through": FillModel("through", _all, needs_through=True),
}
