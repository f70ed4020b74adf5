"""How deep the market orders of a tape reach into the book: what A and k are estimated from.

The trades of one side and one time are one market order, and its depth is the distance of the
farthest of their prices from the mid just before. A quote at a depth is reached by all orders that
go at least as deep, as a quote of one lot would be with nobody before it.
"""

from collections import Counter
from typing import Any

from market_maker.strategies.estimate import HOLE_SECONDS, NS, NoEstimate
from market_maker.strategies.intensity import Sample
from market_maker.strategies.parts import Parts, added


class MarketOrders:
    """Counts the market orders of a tape by the book that they met, and how long it stood so.

    Prices are whole ticks. Depths are counted in half ticks, as a mid may lie between two ticks;
    they become relative when they leave.
    """

    def __init__(self) -> None:
        self._hole_ns = round(HOLE_SECONDS * NS)
        self._best: tuple[int, int] | None = None
        self._news_ns = self._now_ns = self._known_ns = 0
        self._parts = Parts()
        self._taken: dict[int, int] = {}
        """By the sign of its side, the farthest price of the market order that comes in now."""
        self._taken_ns = 0
        self.left_out = 0
        """Trades that met no known book."""

    def book(self, time_ns: int, bid: int | None, ask: int | None) -> None:
        """Take the best prices from a time on; None where there are none."""
        self._come(time_ns)
        self._flush()
        self._news_ns = time_ns
        is_known = bid is not None and ask is not None and bid < ask
        self._best = (bid, ask) if is_known else None  # type: ignore[assignment]

    def trade(self, time_ns: int, sign: int, price: int) -> None:
        """Take a trade; `sign` is +1 where the taker bought, -1 where it sold."""
        self._come(time_ns)
        if self._best is None:
            self.left_out += 1
            return
        if time_ns != self._taken_ns:
            self._flush()
            self._taken_ns = time_ns
        self._taken[sign] = max(self._taken.get(sign, price), price, key=lambda at: at * sign)

    def lose(self) -> None:
        """Note that something is missing here: the book is not known until it comes again."""
        self._flush()
        self._best = None

    def _come(self, time_ns: int) -> None:
        """Let the time pass until a record; a book without news counts for a hole's length."""
        until_ns = self._news_ns + self._hole_ns
        known = min(time_ns, until_ns) - self._now_ns
        if self._best and known > 0:
            self._part()[self._best] += known
            self._known_ns += known
        self._now_ns = time_ns
        if time_ns > until_ns:
            self._flush()
            self._best = None

    def _flush(self) -> None:
        """Count what has come in."""
        for sign, price in self._taken.items():
            if self._best:
                depth = sign * (2 * price - sum(self._best))
                self._part()[(*self._best, depth)] += 1
        self._taken.clear()

    def _part(self) -> Counter[Any]:
        return self._parts.at(self._known_ns / NS)

    # --- what has been counted --------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Return for how long the book was known."""
        return self._known_ns / NS

    def usual_depth(self) -> int:
        """Return half of the spread that is the median over time, in half ticks."""
        spreads: Counter[int] = Counter()
        for (bid, ask, *depth), n in self._total().items():
            spreads[ask - bid] += 0 if depth else n
        passed = 0
        for spread in sorted(spreads):
            passed += spreads[spread]
            if 2 * passed >= spreads.total():
                return spread
        raise NoEstimate("the book was never known")

    def mid(self) -> float:
        """Return the mid in ticks, the mean over time. Raises NoEstimate."""
        if not self._known_ns:
            raise NoEstimate("the book was never known")
        books = ((sum(key), n) for key, n in self._total().items() if len(key) == 2)
        total: int = sum(mid * n for mid, n in books)
        return total / self._known_ns / 2

    def depths(self) -> Counter[int]:
        """Return how many market orders went as deep as so many half ticks, and not deeper."""
        found: Counter[int] = Counter()
        for (*_, last), n in ((key, n) for key, n in self._total().items() if len(key) == 3):
            found[last] += n
        return found

    def samples(self, nearest: int, farthest: int | None = None) -> list[Sample]:
        """Return what a ladder of quotes at each tick would have shown, in parts of the time.

        It begins at the first tick that is `nearest` half ticks from the mid or more, and ends at
        the first one that is `farthest` half ticks or more from it; without an end if None.
        """
        self._flush()
        return [_seen(part, nearest, farthest) for part in self._parts.all()]

    def _total(self) -> Counter[Any]:
        self._flush()
        total: Counter[Any] = added(self._parts.all())
        return total


def _seen(part: Counter[Any], nearest: int, farthest: int | None) -> Sample:
    sample = Sample()
    for (bid, ask, *depth), n in part.items():
        twice = bid + ask  # the mid in half ticks: a depth over it is relative
        first = _on_grid(nearest, twice)
        if not depth:
            sample.exposure[first / twice] += 2 * n / NS
        elif depth[0] >= first:
            last = None if farthest is None else _on_grid(farthest, twice)
            if last is not None and depth[0] >= last:
                sample.reached[last / twice, float("inf")] += n
            else:
                sample.reached[depth[0] / twice, (depth[0] + 2) / twice] += n
    return sample


def _on_grid(depth: int, twice: int) -> int:
    """Return the first depth of a tick from this depth on, in half ticks."""
    return depth + (depth + twice) % 2
