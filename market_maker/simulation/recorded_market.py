"""A recorded market on simulated time: the other participants of a back-test."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain, islice, takewhile

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import Instrument
from market_maker.paper.market.tape import moves_of
from market_maker.simulation.world import World
from market_maker.tapes import Facts, Gap, Record

NS = 1_000_000_000
FIRST = 5_000
"""Records that are looked at to find the smallest receive time less venue time."""


class RecordedMarket:
    """Plays the records of a tape into a world, each at the venue's time of it.

    Frames that a record gives rise to arrive as late as the recorder received it, shifted so that
    the earliest takes `feed_latency` seconds; anew where a clock has stepped. On a tape with one
    clock all take that long.
    """

    def __init__(
        self,
        world: World,
        instrument: Instrument,
        records: Iterable[Record],
        *,
        until_ns: int | None = None,
        feed_latency: float,
    ) -> None:
        """`until_ns` cuts the tape; how far its clocks are apart counts as if it went on."""
        self._world = world
        self._instrument = instrument
        self._records = iter(records)
        self._until_ns = until_ns
        self.shift_ns = self._shift_ns = self._find_shift()
        """The smallest receive time less venue time of the tape's beginning; None without any."""
        self._feed_latency = self._latency = feed_latency
        self._on_end: Callable[[], None] = lambda: None
        self.has_ended = False
        self.facts = Facts()
        """What the tape has shown so far."""
        self.worst_delay = 0.0
        """Seconds by which the slowest frame took longer than `feed_latency`."""
        self._begins_ns: int | None = None
        world.network.feed_way = lambda: self._latency
        self._schedule()

    def at_end(self, act: Callable[[], None]) -> None:
        """Let something happen when the tape ends; at once, if it has."""
        self._on_end = act
        if self.has_ended:
            act()

    @property
    def crossed(self) -> int:
        """How often the recorded book was crossed."""
        return self._world.exchange.listing(self._instrument.key).background.crossed

    def is_quoted(self) -> bool:
        """Return whether both sides of the book are there."""
        book = self._world.exchange.listing(self._instrument.key).book
        return all(book.best(side) is not None for side in Side)

    def mid(self) -> Decimal:
        """Return the mid; both sides must be there."""
        book = self._world.exchange.listing(self._instrument.key).book
        return self._instrument.price(sum(book.best(side) or 0 for side in Side)) / 2

    def _schedule(self) -> None:
        record = next(self._records, None)
        while isinstance(record, Gap):
            self.facts.add(record)
            if record.is_clock:
                self._shift_ns = self._find_shift()
            record = next(self._records, None)
        if record is None or (self._until_ns is not None and record.time_ns >= self._until_ns):
            self.has_ended = True
            self._on_end()
            return
        if self._begins_ns is None:
            self._begins_ns = record.time_ns
        micro = (record.time_ns - self._begins_ns) // 1000
        self._world.timeline.at(micro, lambda: self._play(record))

    def _find_shift(self) -> int | None:
        """Return the smallest receive time less venue time of what comes until a clock steps."""
        ahead = list(islice(self._records, FIRST))
        self._records = chain(ahead, self._records)
        return min(
            (
                record.received_ns - record.time_ns
                for record in takewhile(_is_of_one_clock, ahead)
                if not isinstance(record, Gap) and record.received_ns is not None
            ),
            default=None,
        )

    def _play(self, record: Record) -> None:
        assert not isinstance(record, Gap)
        self.facts.add(record)
        if self._shift_ns is not None and record.received_ns is not None:
            late = max(record.received_ns - record.time_ns - self._shift_ns, 0) / NS
            self.worst_delay = max(self.worst_delay, late)
            self._latency = self._feed_latency + late
        moves, now = moves_of(record, self._instrument.tick), self._world.timeline.true_ms()
        self._world.venue.play(self._instrument.key, moves, now)
        self._latency = self._feed_latency
        self._schedule()


def _is_of_one_clock(record: Record) -> bool:
    return not (isinstance(record, Gap) and record.is_clock)
