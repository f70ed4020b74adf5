"""Realised volatility of a price that is looked at again and again."""

import math
from collections import deque

NEARLY = 0.9
"""The part of a step that is enough: a tick may come a little early, and the next one is far."""


class RollingVolatility:
    """Sum of squared log returns over the sum of their times, of the latest returns.

    It is relative, per square root of a second. It asks no clock: times are given to it.
    """

    def __init__(self) -> None:
        self._returns: deque[tuple[float, float]] = deque()
        """Time in s and squared log return, oldest first."""
        self._last: tuple[float, float] | None = None
        """Time and price at which the next return begins."""

    def see(self, price: float, *, at: float, step: float, most: int) -> None:
        """Look at a price at a time in s; a return ends once `step` seconds have nearly passed.

        The latest `most` returns are kept. After a hole that is longer than all of them together
        would be, it begins anew.
        """
        while len(self._returns) > most:
            self._returns.popleft()
        if self._last is None:
            self._last = at, price
            return
        took = at - self._last[0]
        if took < NEARLY * step:
            return
        if took > step * max(most, 1):
            self._returns.clear()
        elif most:
            if len(self._returns) >= most:
                self._returns.popleft()
            self._returns.append((took, math.log(price / self._last[1]) ** 2))
        self._last = at, price

    def value(self, *, least: int) -> float | None:
        """Return the volatility; None while there are fewer than `least` returns, or none."""
        if not self._returns or len(self._returns) < least:
            return None
        seconds = math.fsum(took for took, _ in self._returns)
        return math.sqrt(math.fsum(squared for _, squared in self._returns) / seconds)
