"""The offset of the venue's clock, estimated from its answers."""

import logging
import math
from collections import deque
from statistics import median_low

from market_maker.clock import Clock

logger = logging.getLogger(__name__)

SAMPLES = 9
"""The offset is the median of so many latest answers."""
AHEAD_MS = 200
"""The estimate is ahead of the venue's clock by no more than this, however long an answer took: a
request that is signed with it is valid so much longer (see `orders.sweep.LATE_MS`)."""
STOOD_STILL_MS = 10_000
"""No answer may take so long (see `wire.transport`): this process stood still meanwhile, and what
such an answer tells counts only until there is a better one."""
STEP_MS = 300
"""A step back of the venue's clock by more than this is not noise."""
OFF_MS = 2_000
"""A larger offset of this machine's clock is logged."""


class VenueClock:
    """The venue's time in ms, for signing and for the age of frames; never for what is newer.

    It runs on our steady clock, so that setting our wall clock cannot move it, plus the median
    offset of the latest answers, so that no single answer can.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: deque[int] = deque(maxlen=SAMPLES)
        """The venue's clock less our steady one, in ms, by its latest answers."""
        self._ahead_by: int | None = None
        self._lowest: int | None = None
        """The least that the venue's clock was ahead by when it sent the latest answer."""
        self._highest: int | None = None
        """The most that it was ahead by then."""
        self.stepped_back_at = -math.inf
        """When the venue's clock was last seen to step back, on our steady clock."""
        self._is_told = False

    def now(self) -> int:
        """Return the venue's time in ms; our own before its first answer."""
        if self._ahead_by is None:
            return self._clock.now_ms()
        return self._ahead_by + self.steady_ms()

    def is_contradicted(self) -> bool:
        """Return whether the latest answer shows that the estimate is ahead.

        The venue's clock was set back, or that answer is wrong: the next ones decide. A create that
        is signed meanwhile could be valid for longer than a late order is waited for.
        """
        if self._ahead_by is None or self._highest is None:
            return False
        return self._ahead_by > self._highest + STEP_MS

    def offset(self) -> int | None:
        """Return how many ms the venue's clock is ahead of ours; None before its first answer."""
        return None if self._ahead_by is None else self.now() - self._clock.now_ms()

    def steady_ms(self) -> int:
        """Return our steady clock in ms."""
        return round(self._clock.monotonic() * 1000)

    def learn(self, begun: int, time: object) -> None:
        """Add a sample: the `time` of an answer to a request that left at `begun` (steady ms).

        Anything but a time in ms is ignored.
        """
        if type(time) is int and 10**12 <= time < 10**14:
            done = self.steady_ms()
            lowest, highest = time - done, time - begun
            self._highest = highest
            if self._lowest is not None and highest < self._lowest - STEP_MS:
                self.stepped_back_at = self._clock.monotonic()
            self._lowest = lowest
            ahead = min((lowest + highest) // 2, lowest + AHEAD_MS)
            if done - begun < STOOD_STILL_MS:
                self._ahead.append(ahead)
                self._ahead_by = median_low(self._ahead)
            elif not self._ahead:
                self._ahead_by = ahead  # at worst too far behind: our own clock may be ahead
        self._warn()

    def reset_to_latest(self) -> None:
        """Drop all samples but the latest: our clock stood still, or theirs was set."""
        if self._ahead:
            self._ahead_by = self._ahead[-1]
            self._ahead = deque([self._ahead_by], maxlen=SAMPLES)

    def _warn(self) -> None:
        """Warn once when this machine's clock is off, and again after it was right."""
        offset = self.offset() or 0
        is_off = abs(offset) > OFF_MS
        if is_off and not self._is_told:
            logger.warning("This machine's clock is %.1f s off the venue's.", -offset / 1000)
        self._is_told = is_off
