"""The reads of a tick over REST: how long they may take, and which of them go first."""

from collections.abc import Callable, Sequence

from market_maker.clock import Clock

SLOW_READS = 1.0
"""Seconds after which a tick begins no other read."""

Read = Callable[[], None]


class Reads:
    """Says which reads of a tick go first, and whether there is time for another.

    Where there was none, the order is turned round at the next tick, which follows at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0
        self.has_left = False
        """Whether a slow read has left no time for another."""
        self.is_stalled = False
        """Whether reads took so long that this tick places nothing: the next one does."""

    def begin(self, reads: Sequence[Read], *, last: Read) -> list[Read]:
        """Begin a tick, and return its reads in their order; `last` always comes last."""
        ordered = [*reads][:: -1 if self.has_left else 1]
        self._until, self.has_left = self._clock.monotonic() + SLOW_READS, False
        return [*ordered, last]

    def has_time(self) -> bool:
        """Return whether this tick has time for another read, and note if it has not."""
        self.has_left |= not self.may_read()
        return not self.has_left

    def may_read(self) -> bool:
        """Return whether there is time for a read that nobody misses."""
        return self._clock.monotonic() < self._until

    def settle(self, *, is_slow: bool) -> None:
        """Decide whether this tick is stalled; no two in a row are."""
        self.is_stalled = is_slow and not self.is_stalled
