"""Volatility, of the mids of a tape or of a running bot.

sigma^2 = sum r^2 / sum dt over log returns r of the mid at steps of the clock: sigma is relative
price per square root of a second.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from market_maker.strategies.parts import Parts, added, variance_between

NS = 1_000_000_000
HOLE_SECONDS = 5.0
"""A mid is not known any more when nothing has come for so long."""
KNOWN_FROM = 0.5
"""A rolling volatility is known once returns cover so much of its window."""
ON_TIME = 1 - 1e-9
"""What a step may be shorter by: times are sums of floats."""


class NoEstimate(ValueError):
    """The sample does not tell: the text says why, and what would."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its standard error, and the number of observations behind it."""

    value: float
    error: float
    n: int


class MidSteps:
    """Returns of a mid between fixed steps of the clock, added up.

    The mid at a step is the last one at or before it. It is not known, and the returns to and from
    it are left out, while there is none or while nothing has come for HOLE_SECONDS.
    """

    def __init__(self, step_seconds: float) -> None:
        self._step_ns = round(step_seconds * NS)
        self.step_seconds = self._step_ns / NS
        self._hole_ns = round(HOLE_SECONDS * NS)
        if self._step_ns <= 0:
            raise ValueError(f"a step must be longer than 0 s: {step_seconds}")
        self._next_ns: int | None = None
        self._seen_ns = 0
        self._mid: float | None = None
        self._before: float | None = None
        """The logarithm of the mid at the last step, None where that was not known."""
        self._parts = Parts()
        self.n = 0
        self.left_out = -1  # the first step has no return
        """Steps without a return."""

    def add(self, time_ns: int, mid: float | None) -> None:
        """Take news at a time, ns, never before the last one: the mid as it is from then on.

        News that leaves the mid as it was counts, too. None while a side of the book is missing.
        """
        if self._next_ns is None:
            self._next_ns = -(-time_ns // self._step_ns) * self._step_ns
        elif self._next_ns < time_ns:
            self._next_ns = self._pass(self._next_ns, time_ns - 1)
        self._seen_ns, self._mid = time_ns, mid

    def lose(self) -> None:
        """Note that something is missing after the last news: the return over it is left out."""
        self._catch_up()
        self._mid = self._before = None

    def estimate(self) -> Estimate:
        """Return sigma, 1 per square root of a second, with its standard error.

        The error is the larger of sigma / sqrt(2 n), which holds for independent normal returns,
        and of what the parts of the sample differ by, which holds for calm and wild hours, too.
        Raises NoEstimate.
        """
        self._catch_up()
        if self.n < 2:
            raise NoEstimate(
                f"{self.n} returns over {self.step_seconds:g} s do not tell: it takes a longer tape"
            )
        sums: Any = [(part["squares"], part["returns"]) for part in self._parts.all()]
        variance = added(self._parts.all())["squares"] / (self.n * self.step_seconds)
        if not variance:
            raise NoEstimate("the mid has not moved")
        seconds = self.n * self.step_seconds
        influences = [(r2 - variance * n * self.step_seconds) / seconds for r2, n in sums]
        squared = max(2 * variance**2 / self.n, variance_between(influences))
        value = math.sqrt(variance)
        return Estimate(value, math.sqrt(squared) / (2 * value), self.n)

    def _catch_up(self) -> None:
        """Take the mid at the time of the last news, if a step is then."""
        if self._next_ns is not None:
            self._next_ns = self._pass(self._next_ns, self._seen_ns)

    def _pass(self, step_ns: int, until_ns: int) -> int:
        """Take the mid at each step from this one to a time; return the first one after it."""
        while step_ns <= min(until_ns, self._seen_ns + self._hole_ns):
            now = None if self._mid is None else math.log(self._mid)
            if now is None or self._before is None:
                self.left_out += 1
            else:
                part: Any = self._parts.at(self.n * self.step_seconds)
                part["squares"] += (now - self._before) ** 2
                part["returns"] += 1
                self.n += 1
            self._before = now
            step_ns += self._step_ns
        if step_ns <= until_ns:
            unknown = (until_ns - step_ns) // self._step_ns + 1
            self._before = None
            self.left_out += unknown
            step_ns += unknown * self._step_ns
        return step_ns


class RollingVolatility:
    """The volatility of the last `window_seconds`, kept up while a bot runs.

    A return is taken once `step_seconds` or more have passed since the last one, over the time that
    has really passed, so mids may come as irregularly and as seldom as a loop's do. It never raises
    for what a clock does: a step back counts as no time.
    """

    def __init__(self, step_seconds: float, window_seconds: float) -> None:
        """Over a hole, longer than the window, no return is taken.

        Raises ValueError unless 0 < step <= window.
        """
        if not 0 < step_seconds <= window_seconds < math.inf:
            raise ValueError(f"0 < step <= window must hold: {step_seconds}, {window_seconds}")
        self._step, self._window = step_seconds * ON_TIME, window_seconds
        self._returns: deque[tuple[float, float, float]] = deque()
        """Of each return: when it ended, how long it took, its square."""
        self._last: tuple[float, float] | None = None
        """When the last return ended, and the logarithm of the mid then."""
        self._now = -math.inf
        self._ahead = 0.0
        """What the clock has stepped back by, in all."""

    def add(self, at: float, mid: float) -> None:
        """Take the mid at a time, in seconds of any clock. Raises ValueError for no price."""
        if not 0 < mid < math.inf or not math.isfinite(at):
            raise ValueError(f"no mid at a time: {mid} at {at}")
        now, here = at + self._ahead, math.log(mid)
        if now < self._now:
            self._ahead += self._now - now
            now, self._last = self._now, None
        self._now = now
        if self._last is None or now - self._last[0] > self._window:
            self._last = now, here
        elif now - self._last[0] >= self._step:
            begun, before = self._last
            self._returns.append((now, now - begun, (here - before) ** 2))
            self._last = now, here
        while self._returns and self._returns[0][0] <= now - self._window:
            self._returns.popleft()

    def value(self) -> float | None:
        """Return sigma, relative price per square root of a second.

        None until the returns of the window cover half of it.
        """
        seconds = math.fsum(took for _, took, _ in self._returns)
        if seconds < KNOWN_FROM * self._window * ON_TIME:
            return None
        return math.sqrt(math.fsum(square for *_, square in self._returns) / seconds)
