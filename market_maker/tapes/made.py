"""A made market: one that a seed makes up, in which what others know is chosen.

The fair price is a random walk without drift: each step of 100 ms moves its logarithm by a normal
draw. Makers quote a ladder around it and never look at anybody's orders. Takers come by chance, in
bursts, and take from the best prices on. Of an ordinary market each buys or sells by the toss of a
coin, so who quotes earns the spread. In an adverse one half of the takers know the fair price of
some seconds later, and take the side that it will favour, so quotes are filled before they lose.
Which of the two a strategy meets decides whether it earns: a made market shows how a strategy
works, not what it will earn.
"""

import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from market_maker.models import Side
from market_maker.tapes.market import CONTRACT, Market
from market_maker.tapes.records import Image, Level, Record, Trades, Update

MS = 1_000_000
STEP_MS = 100
BEGINS_NS = 1_577_836_800_000 * MS
"""2020-01-01, 00:00 UTC."""
LATENCY_MS = (5.0, 25.0)
"""The least and the most that the made recorder receives a record after the venue's time of it."""
START = 17_000  # ticks
VOLATILITY = 0.00011  # of the fair price, per square root of a second
LEVELS = 20
GRID = 2  # ticks between levels
HALF_SPREAD = 2.0  # ticks
LOTS = 400.0  # of a level, and of a taker, on average
TAKES = 0.06  # a step, by chance
BURST = 0.35  # the chance that another taker follows at once
KNOW_STEPS = 50
"""So many steps ahead the informed takers know the fair price."""
INFORMED = 0.5

MADE = Market(
    name="MADE",
    kind=CONTRACT,
    area="BTC",
    symbol="BTC_USD",
    tick=Decimal("0.5"),
    lot=Decimal(1),
    face=Decimal(1),
    known_from="made up",
)


@dataclass(frozen=True, slots=True)
class MadeTape:
    """A made market as a tape: the same seed makes the same one."""

    seed: int
    seconds: float
    is_adverse: bool = False
    market: Market = MADE
    begins_ns: int = BEGINS_NS

    def records(self) -> Iterator[Record]:
        """Yield its records."""
        chance = random.Random(f"made {self.seed}")
        market = _Made(chance, self.begins_ns, is_adverse=self.is_adverse)
        yield from market.records(round(self.seconds * 1000) // STEP_MS)


class _Made:
    """Makes the records of a market, step by step."""

    def __init__(self, chance: random.Random, begins_ns: int, *, is_adverse: bool) -> None:
        self._chance = chance
        self._begins_ns = begins_ns
        self._is_adverse = is_adverse
        self._ahead: deque[float] = deque([float(START)])
        while len(self._ahead) <= KNOW_STEPS:
            self._ahead.append(self._walked(self._ahead[-1]))
        self._book: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._received_ns = 0

    def records(self, steps: int) -> Iterator[Record]:
        """Yield the records of so many steps: first the whole book."""
        yield Image(*self._stamps(0), self._requoted())
        for step in range(1, steps + 1):
            times = self._stamps(step)
            self._ahead.popleft()
            self._ahead.append(self._walked(self._ahead[-1]))
            before = {side: dict(levels) for side, levels in self._book.items()}
            if trades := self._taken():
                yield Trades(*times, trades)
            self._requoted()
            if changed := _changes(before, self._book):
                yield Update(*times, changed)

    def _stamps(self, step: int) -> tuple[int, int]:
        """Return the venue's and the receive time, which keeps the order."""
        time_ns = self._begins_ns + step * STEP_MS * MS
        late_ns = round(self._chance.uniform(*LATENCY_MS) * MS)
        self._received_ns = max(self._received_ns, time_ns + late_ns)
        return time_ns, self._received_ns

    def _walked(self, fair: float) -> float:
        root = math.sqrt(STEP_MS / 1000)
        return fair * math.exp(VOLATILITY * root * self._chance.gauss(0, 1))

    def _taken(self) -> list[Level]:
        """Let takers come; return their trades."""
        trades: list[Level] = []
        goes_on = TAKES
        while self._chance.random() < goes_on:
            goes_on = BURST
            knows = self._is_adverse and self._chance.random() < INFORMED
            rises = self._ahead[-1] > self._ahead[0] if knows else self._chance.random() < 0.5
            trades += self._take(Side.BUY if rises else Side.SELL, self._drawn(1))
        return trades

    def _take(self, side: Side, qty: int) -> list[Level]:
        """Take from the best prices on, at most three; return a trade for each."""
        book = self._book[side.opposite]
        trades = []
        for price in sorted(book, reverse=side is Side.SELL)[:3]:
            part = min(qty, book[price])
            trades.append(Level(side, price, part))
            book[price] -= part
            qty -= part
            if not book[price]:
                del book[price]
            if not qty:
                break
        return trades

    def _requoted(self) -> list[Level]:
        """Let makers quote around the fair price; return the whole book."""
        for side, book in self._book.items():
            edge = (self._ahead[0] - side.sign * HALF_SPREAD) / GRID
            first = (math.floor(edge) if side is Side.BUY else math.ceil(edge)) * GRID
            wanted = [first - side.sign * GRID * level for level in range(LEVELS)]
            for price in set(book) - set(wanted):
                del book[price]
            for level, price in enumerate(wanted):
                if price not in book or self._chance.random() < 0.01:
                    book[price] = self._drawn(level + 1)
        return [
            Level(side, price, size)
            for side, book in self._book.items()
            for price, size in sorted(book.items())
        ]

    def _drawn(self, level: int) -> int:
        size = LOTS * (1 + level / 8) * self._chance.lognormvariate(-0.5, 1)
        return max(int(size), 1)


def _changes(before: dict[Side, dict[int, int]], after: dict[Side, dict[int, int]]) -> list[Level]:
    """Return the final sizes of the levels that differ, those that are gone first."""
    gone = [
        Level(side, price, 0)
        for side, levels in before.items()
        for price in sorted(levels)
        if price not in after[side]
    ]
    return gone + [
        Level(side, price, size)
        for side, levels in after.items()
        for price, size in sorted(levels.items())
        if before[side].get(price) != size
    ]
