"""Time, in one place: no other module imports `time`, so that a test can drive the clock."""

import time
from queue import Empty, SimpleQueue


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
