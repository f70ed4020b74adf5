"""A recorded market on simulated time: the other participants of a back-test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import Instrument
from market_maker.paper.exchange.moves import Move, Take
from market_maker.simulation.world import World

NS, US = 1_000_000_000, 1_000_000


class Step(NamedTuple):
    """What others did at one moment. Times are ns since the epoch, UTC."""

    venue_ns: int
    received_ns: int | None
    moves: list[Move]


@dataclass(slots=True)
class Clocks:
    """How the receive times of a tape stand to the venue's, as seen so far, in ns."""

    shortest: int | None = None
    longest: int | None = None

    def see(self, step: Step) -> None:
        """Take in the two times of a step."""
        if step.received_ns is not None:
            late = step.received_ns - step.venue_ns
            self.shortest = late if self.shortest is None else min(self.shortest, late)
            self.longest = late if self.longest is None else max(self.longest, late)


class ReplayedMarket:
    """Plays the steps of a tape into a world, each at the venue's time of it.

    Frames that a step gives rise to arrive as late as the tape's recorder received it, shifted so
    that the earliest of all takes `feed_latency` seconds. A tape with one clock has that alone.
    """

    def __init__(
        self,
        world: World,
        instrument: Instrument,
        steps: Iterator[Step],
        *,
        shift_ns: int | None,
        feed_latency: float,
        on_end: Callable[[], None],
    ) -> None:
        """`shift_ns` is the smallest of receive less venue time; None for a tape with one clock."""
        self._world = world
        self._instrument = instrument
        self._steps = steps
        self._shift_ns = shift_ns
        self._feed_latency = feed_latency
        self._on_end = on_end
        self._late = feed_latency
        self._begun_ns: int | None = None
        self.has_ended = False
        self.volume = Decimal(0)
        """What others have traded so far, in contracts or base currency."""
        self.crossed = 0
        """Steps after which the recorded book was crossed."""
        world.network.feed_way = self._feed_way
        self._schedule()

    def _feed_way(self) -> float:
        return self._late

    def _schedule(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self.has_ended = True
            self._on_end()
            return
        if self._begun_ns is None:
            self._begun_ns = step.venue_ns
        timeline = self._world.timeline
        timeline.at((step.venue_ns - self._begun_ns) // 1000, lambda: self._play(step))

    def _play(self, step: Step) -> None:
        world = self._world
        if step.received_ns is not None and self._shift_ns is not None:
            late = (step.received_ns - step.venue_ns - self._shift_ns) / NS
            self._late = self._feed_latency + late
        world.venue.play(self._instrument.key, step.moves, world.timeline.true_ms())
        self._late = self._feed_latency
        for move in step.moves:
            if isinstance(move, Take):
                self.volume += self._instrument.qty(move.qty)
        self._schedule()

    def is_quoted(self) -> bool:
        """Return whether both sides of the book are there."""
        book = self._world.exchange.listing(self._instrument.key).book
        return all(book.best(side) is not None for side in Side)
