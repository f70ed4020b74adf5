"""Time and waiting, in one place: nothing else imports `time`, so that a test can own the clock."""

import time
from queue import Empty, SimpleQueue
from threading import Condition


def now_ms() -> int:
    """Return the wall clock in integer milliseconds since the epoch, UTC. Never used for timers."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds on a clock that never steps. All timers use it."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Do nothing for so many seconds."""
    if seconds > 0:
        time.sleep(seconds)


def wait_on(changed: Condition, seconds: float) -> None:
    """Wait until a condition, whose lock is held, is notified; at most so many seconds."""
    changed.wait(max(seconds, 0))


def wait(wake: "SimpleQueue[str]", seconds: float) -> list[str]:
    """Wait until something is put into `wake`, at most so many seconds; return all that is in it.

    A `SimpleQueue` and not an `Event`, because its `put` may be called from a signal handler.
    """
    reasons: list[str] = []
    try:
        reasons.append(wake.get(timeout=max(seconds, 0)))
        while True:
            reasons.append(wake.get_nowait())
    except Empty:
        return reasons
