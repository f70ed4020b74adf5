"""A bot and an exchange in one process on simulated time: the same seed gives the same run."""

import random
from functools import partial
from typing import Any

from market_maker.bot import Runtime
from market_maker.gte import GTE
from market_maker.orders.orders import EarlierRuns
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.server.venue import PAPER_KEY, PAPER_SECRET, Venue
from market_maker.simulation.connections import SimulatedConnections
from market_maker.simulation.network import Network
from market_maker.simulation.timeline import Timeline
from market_maker.trading import MakesJournal

VENUE_TICK = 0.25
CONNECTION: dict[str, Any] = {
    "API_URL_BASE": "http://127.0.0.1:1",
    "WS_URL": "ws://127.0.0.1:1",
    "API_KEY": PAPER_KEY,
    "API_SECRET": PAPER_SECRET,
    "DRY_RUN": False,
}
"""The settings that a bot of a simulation trades with. Nobody listens at these addresses."""


class World:
    """One exchange and one network on one timeline, and what a bot there is given.

    Only a bot lets time pass: where it waits, what is due happens in order.
    """

    def __init__(self, exchange: Exchange, *, seed: int, start_ms: int) -> None:
        """`start_ms` is the time at which it begins, in ms UTC."""
        self.chance = random.Random(f"world {seed}")
        self.timeline = Timeline(start_ms)
        self.exchange = exchange
        self.venue = Venue(exchange, seed)
        self.network = Network(self.timeline, self.venue, random.Random(f"network {seed}"))
        self.bots_chance = Chance(self.chance)
        push_period_s = exchange.quirks.push_period_s
        self.timeline.every(push_period_s, lambda: self.venue.pulse(self.timeline.true_ms()))
        self.timeline.every(VENUE_TICK, self._tick)

    def _tick(self) -> None:
        self.venue.tick(self.timeline.true_ms())
        if self.venue.refusing:
            self.network.drop_all()

    def runtime(
        self,
        earlier: EarlierRuns | None = None,
        journal: MakesJournal | None = None,
        *,
        kind: str = "",
    ) -> Runtime:
        """Return what a bot of this world is given; `kind` is that of `Dependencies`."""
        return Runtime(
            clock=self.timeline,
            client=partial(
                GTE,
                clock=self.timeline,
                connections=SimulatedConnections(self.network),
                chance=self.bots_chance,
            ),
            chance=self.bots_chance,
            earlier=earlier or EarlierRuns(),
            journal=journal,
            kind=kind,
        )


class Chance(random.Random):
    """What a bot draws from: its run's id apart from all else, so that a run can be repeated."""

    def __init__(self, world: random.Random) -> None:
        super().__init__(world.random())
        self._world = world

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """Return a draw of what the run's id is made of."""
        return self._world.randrange(start, stop, step)
