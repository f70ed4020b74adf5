"""A cheap market that lives on simulated time: a walk, a book round it, and takers."""

import random

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from market_maker.paper.market.tape import BTC_USD as KEY
from tests.world.world import World

LEVELS = 8
STEP_SECONDS = 1.0
START = 16_988  # ticks of 0.5
HOME = 0.002
"""How strongly the walk is drawn to where it began."""


class Walk:
    """What the others do, second by second."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._middle = float(START)
        self._book: dict[tuple[Side, int], int] = {}
        self.still = False
        world.timeline.every(STEP_SECONDS, self._step)

    def jump(self, part: float) -> None:
        """Move the price at once, by so large a part of it."""
        self._middle *= 1 + part

    def _step(self) -> None:
        if self.still:
            return
        chance = self._chance
        self._middle += (START - self._middle) * HOME + chance.gauss(0, 3)
        middle = round(self._middle)
        moves: list[Move] = [Index(self._world.exchange.listings[KEY].instrument.price(middle))]
        wanted = {
            (side, middle - side_sign * (3 + 5 * level)): 400 + 300 * level
            for side, side_sign in ((Side.BUY, 1), (Side.SELL, -1))
            for level in range(LEVELS)
        }
        moves += [Depth(*place, 0) for place in self._book if place not in wanted]
        for place, size in wanted.items():
            if place not in self._book:
                moves.append(Depth(*place, size))
        self._book = wanted
        if chance.random() < 0.15:
            side = chance.choice(list(Side))
            reach = middle + (60 if side is Side.BUY else -60)
            moves.append(Take(side, reach, chance.randint(100, 9_000)))
        self._world.play(moves)
