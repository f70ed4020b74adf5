"""Time and waiting. Whoever needs them is given a `Clock`; nothing else imports `time`."""

import time
from queue import Empty, SimpleQueue
from threading import Condition


class Clock:
    """The clock of this machine. Simulated time is another object with the same methods."""

    def now_ms(self) -> int:
        """Return the wall clock in integer ms since the epoch, UTC. Never used for timers."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps. All timers use it."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for so many seconds; not at all when there are none left."""
        if seconds > 0:
            time.sleep(seconds)

    def wait_on(self, changed: Condition, seconds: float) -> None:
        """Wait until a condition, whose lock is held, is notified; at most so many seconds."""
        changed.wait(max(seconds, 0))

    def wait(self, wake: "SimpleQueue[str]", seconds: float) -> list[str]:
        """Wait until something is put into `wake`, at most so many seconds; return all of it.

        A `SimpleQueue` and not an `Event`, because its `put` may be called from a signal handler.
        """
        reasons: list[str] = []
        try:
            reasons.append(wake.get(timeout=max(seconds, 0)))
            while True:
                reasons.append(wake.get_nowait())
        except Empty:
            return reasons


SYSTEM = Clock()
"""The clock that a live run is given."""
