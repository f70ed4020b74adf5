"""The crowd: simulated participants that make a market.

A market is an iterator of steps. It never sees the orders of the users: it sets background orders
and takes, and the exchange lets the users' orders queue and fill among them. So the same seed gives
the same market, whatever the users trade. The profit of a strategy in a simulated market says
nothing about its profit in a real one.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple, Protocol

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.moves import Depth, Index, Move, Take


class Step(NamedTuple):
    """The moves of one moment, `time` ms after the market began."""

    time: int
    moves: list[Move]


class Chance(Protocol):
    """The part of `random.Random` that the crowd draws from."""

    def random(self) -> float:
        """Return a uniform draw from [0, 1)."""

    def gauss(self, mu: float, sigma: float) -> float:
        """Return a normal draw."""

    def lognormvariate(self, mu: float, sigma: float) -> float:
        """Return a log-normal draw."""


STEP_MS = 100
LEVELS = 30

# of the fair value, per square root of a minute and per minute
VOLATILITY = 0.01 / 15  # moves of 0.036 % in 10 s, as in a real perpetual's market
REVERSION = 0.5
CLUSTERING = 1.0  # volatility of the logarithm of the volatility
JUMPS = 0.2
JUMP_SIZE = 0.004 / 15


class Crowd:
    """Makers around a fair value and takers in bursts. It never looks at the book."""

    def __init__(
        self,
        chance: Chance,
        *,
        start: Decimal,
        tick: Decimal,
        grid: int,
        size: float,
        volatility: float = 1.0,
        speed: float = 1.0,
    ) -> None:
        """Set the first price and the grid.

        `grid` is the distance between levels in ticks, `size` a typical size in lots. `volatility`
        and `speed` are multiples of a real market's.
        """
        self._chance = chance
        self._start = start
        self._tick = tick
        self._grid = grid
        self._size = size
        self._volatility = VOLATILITY * volatility
        self._speed = speed
        self._shift = 0.0  # of the fair value, as a logarithm
        self._heat = 0.0  # of the volatility, as a logarithm
        self._urge = 0.0  # of the takers: rises with each take, decays with time
        self._book: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def steps(self) -> Iterator[Step]:
        """Yield the steps of this market without end, one each `STEP_MS`."""
        yield Step(0, self._quote())
        time = 0
        while True:
            time += STEP_MS
            before = self._shift
            self._drift(STEP_MS * self._speed / 60_000)
            yield Step(time, self._sweep() + self._quote() + self._burst(self._shift - before))

    def _drift(self, minutes: float) -> None:
        gauss = self._chance.gauss
        root = math.sqrt(minutes)
        self._heat += -self._heat * minutes + CLUSTERING * root * gauss(0, 1)
        self._heat = max(-1.0, min(1.0, self._heat))
        self._shift += -self._shift * REVERSION * minutes
        self._shift += self._volatility * math.exp(self._heat) * root * gauss(0, 1)
        if self._chance.random() < JUMPS * minutes:
            self._shift += JUMP_SIZE * gauss(0, 1) * self._volatility / VOLATILITY

    @property
    def _fair(self) -> float:
        return float(self._start / self._tick) * math.exp(self._shift)

    def _inner(self, side: Side) -> int:
        """Return the best price of the crowd on a side; the spread widens with the heat."""
        half = 0.75 * self._grid * math.exp(max(self._heat, 0.0))
        if side is Side.BUY:
            return math.floor((self._fair - half) / self._grid) * self._grid
        return math.ceil((self._fair + half) / self._grid) * self._grid

    def _sweep(self) -> list[Move]:
        """Take the levels that are on the wrong side of the fair value now."""
        moves: list[Move] = []
        for side in Side:
            inner = self._inner(side.other)
            sign = 1 if side is Side.BUY else -1
            passed = [price for price in self._book[side] if price * sign > inner * sign - 1]
            if passed:
                gone = sum(self._book[side].pop(price) for price in passed)
                moves.append(Take(side.other, inner, gone + self._draw(len(passed))))
                moves += [Depth(side, price, 0) for price in sorted(passed)]
        return moves

    def _quote(self) -> list[Move]:
        """Fill the levels from the inner one outward, and change some sizes."""
        index = Decimal(self._fair).quantize(Decimal(1)) * self._tick
        moves: list[Move] = [Index(index)]
        for side in Side:
            book = self._book[side]
            sign = 1 if side is Side.BUY else -1
            inner = self._inner(side)
            wanted = [inner - sign * self._grid * level for level in range(LEVELS)]
            wanted = [price for price in wanted if price > 0]
            keep = set(wanted)
            stale = [price for price in book if price not in keep]
            for price in sorted(stale):
                del book[price]
                moves.append(Depth(side, price, 0))
            for level, price in enumerate(wanted):
                if book.get(price, 0) <= 0 or self._chance.random() < 0.02:
                    book[price] = self._draw(level + 1)
                    moves.append(Depth(side, price, book[price]))
        return moves

    def _burst(self, moved: float) -> list[Move]:
        """Take in bursts: each take makes the next more likely; most go with the price move."""
        chance = self._chance
        rounds = max(round(self._speed), 1)  # in one, the chance of another take stays below 1
        lean = 0.5 + max(-0.3, min(0.3, moved * 1000))
        moves: list[Move] = []
        for _ in range(rounds):
            self._urge *= math.exp(-STEP_MS * self._speed / rounds / 2000)
            while chance.random() < 0.05 * self._speed / rounds + min(self._urge, 0.5):
                self._urge += 0.12
                side = Side.BUY if chance.random() < lean else Side.SELL
                qty = self._draw(1)
                price = self._inner(side.other)
                moves.append(Take(side, price, qty))
                rest = self._book[side.other]
                if price in rest:
                    rest[price] = max(rest[price] - qty, 0)
        return moves

    def _draw(self, level: int) -> int:
        return max(int(self._size * (1 + level / 8) * self._chance.lognormvariate(-0.5, 1)), 1)
