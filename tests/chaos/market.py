"""A cheap market that lives on simulated time: a walk, a book round it, and takers."""

import random

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from tests.world.world import World

LEVELS = 8
STEP_SECONDS = 1.0
START = 16_988
"""Ticks of BTC_USD, whose contract is the measure: elsewhere all distances are as large a part."""
HOME = 0.002
"""How strongly the walk is drawn to where it began."""


class Walk:
    """What the others do, second by second."""

    def __init__(self, world: World, chance: random.Random, *, refills: bool = False) -> None:
        self._world = world
        self._chance = chance
        instrument = world.exchange.listings[world.key].instrument
        self._scale = float(instrument.start / instrument.tick) / (START - 1)
        self._home = START * self._scale
        self._middle = self._home
        self._book: dict[tuple[Side, int], int] = {}
        self._was_taken = False
        self.still = False
        self._refills = refills
        """Whether what a taker has taken comes back before the price moves."""
        world.timeline.every(STEP_SECONDS, self._step)

    def jump(self, part: float) -> None:
        """Move the price at once, by so large a part of it."""
        self._middle *= 1 + part

    def middle(self) -> float:
        """Return where the walk is, in ticks of BTC_USD."""
        return self._middle / self._scale

    def ticks(self, of_btc_usd: float) -> int:
        """Return so many ticks of BTC_USD as ticks of what is traded here."""
        return round(of_btc_usd * self._scale)

    def price(self, of_btc_usd: float) -> str:
        """Return the price that is as far from where the walk began as this one in BTC_USD."""
        instrument = self._world.exchange.listings[self._world.key].instrument
        return str(instrument.price(self.ticks(of_btc_usd)))

    def _step(self) -> None:
        if self.still:
            self._restock()
            return
        chance = self._chance
        self._middle += (self._home - self._middle) * HOME + chance.gauss(0, 3 * self._scale)
        middle = round(self._middle)
        moves: list[Move] = [
            Index(self._world.exchange.listings[self._world.key].instrument.price(middle))
        ]
        wanted = {
            (side, middle - sign * max(self.ticks(3 + 5 * level), level + 1)): 400 + 300 * level
            for side, sign in ((Side.BUY, 1), (Side.SELL, -1))
            for level in range(LEVELS)
        }
        moves += [Depth(*place, 0) for place in self._book if place not in wanted]
        for place, size in wanted.items():
            if self._refills or place not in self._book:
                moves.append(Depth(*place, size))
        self._book = wanted
        if chance.random() < 0.15:
            side = chance.choice(list(Side))
            reach = middle + self.ticks(60 if side is Side.BUY else -60)
            moves.append(Take(side, reach, chance.randint(100, 9_000)))
            self._was_taken = True
        self._world.play(moves)

    def _restock(self) -> None:
        """Put back what was taken: a market must not stand still with an empty side."""
        if self._was_taken:
            self._was_taken = False
            self._world.play([Depth(*place, size) for place, size in self._book.items()])
