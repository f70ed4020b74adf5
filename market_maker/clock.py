"""Time and waiting. Code that trades is given a `Clock`, and asks nobody else for the time."""

import time
from queue import Empty, SimpleQueue
from threading import Condition

SLEPT_SECONDS = 5.0
"""Process or machine that stood still for longer than this makes all data stale."""


class Clock:
    """The clock of this machine. Simulated time is another class with the same methods."""

    def now_ms(self) -> int:
        """Return the wall clock in integer ms since the epoch, UTC. No timer uses it."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the steady clock in seconds, which never steps. All timers use it."""
        return time.monotonic()

    def ahead(self) -> float:
        """Return the wall clock less the steady clock, in seconds.

        It changes when the machine is suspended, which the steady clock does not count, and when
        the wall clock is set.
        """
        return self.now_ms() / 1000 - self.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds; not at all when below or equal to zero."""
        if seconds > 0:
            time.sleep(seconds)

    def wait_on(self, changed: Condition, seconds: float) -> None:
        """Wait until a condition, whose lock is held, is notified, at most so many seconds."""
        changed.wait(max(seconds, 0))

    def wait(self, wake: "SimpleQueue[str]", seconds: float) -> list[str]:
        """Wait until an item arrives in `wake`, at most so many seconds; return all items.

        A `SimpleQueue` and not an `Event`, because a signal handler may call its `put`.
        """
        reasons: list[str] = []
        try:
            reasons.append(wake.get(timeout=max(seconds, 0)))
            while True:
                reasons.append(wake.get_nowait())
        except Empty:
            return reasons


def utc_offset() -> str:
    """Return the time zone of this machine, such as UTC+0100."""
    return f"UTC{time.strftime('%z')}"


SYSTEM = Clock()
"""The clock of a live run."""
