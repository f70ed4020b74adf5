"""A market on simulated time that moves, of contracts or of spot, and fills our quotes."""

import itertools
from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from tests.world.world import World

SMALL_WAVE = (0, 3, 7, 4, -2, -6, -3)
MIDDLE = 16_988


class Lively:
    """A market that moves each second, and fills our quotes every `takes` seconds.

    `wave` holds the mid second by second, from its usual value and in ticks of half a dollar.
    """

    def __init__(
        self, world: World, market: str, *, wave: Sequence[int] = SMALL_WAVE, takes: int = 3
    ) -> None:
        self._world = world
        self._wave, self._takes = wave, takes
        is_contract = market == CONTRACT
        self.key = Key(market, "BTC", "BTC_USD") if is_contract else Key(SPOT, "USDT", "BTC/USDT")
        self._unit = 1 if is_contract else 50  # ticks of half a dollar
        self._lots = 1 if is_contract else 2
        self._has_index = is_contract
        self._turns = itertools.count()
        self._levels: set[tuple[Side, int]] = set()
        self.seen: deque[tuple[int, int]] = deque(maxlen=600)
        """The latest mids, each with its true time in ms."""
        self.mid = MIDDLE
        self._step()
        world.timeline.every(1.0, self._step)

    def price(self) -> Decimal:
        return Decimal(self.mid) / 2

    def _step(self) -> None:
        turn = next(self._turns)
        self.mid = MIDDLE + self._wave[turn % len(self._wave)]
        self.seen.append((self._world.timeline.true_ms(), self.mid))
        wanted = {
            (side, self.mid - sign * (2 + 6 * level))
            for side, sign in ((Side.BUY, 1), (Side.SELL, -1))
            for level in range(6)
        }
        moves: list[Move] = [Index(self.price())] if self._has_index else []
        moves += [self._depth(*level, 0) for level in sorted(self._levels - wanted, key=str)]
        moves += [self._depth(*level, 300) for level in sorted(wanted - self._levels, key=str)]
        self._levels = wanted
        if turn % self._takes == self._takes - 1:
            side, sign = ((Side.BUY, 1), (Side.SELL, -1))[turn // self._takes % 2]
            moves.append(Take(side, (self.mid + 20 * sign) * self._unit, 400 * self._lots))
        self._world.venue.play(self.key, moves, self._world._clock())

    def _depth(self, side: Side, price: int, qty: int) -> Depth:
        return Depth(side, price * self._unit, qty * self._lots)
