"""The wall clock of the paper exchange. Only the server room reads it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Clock = Callable[[], int]
"""Returns the time in integer ms UTC."""


def now_ms() -> int:
    """Return the wall clock in integer ms UTC since the epoch. Never use it for a timer."""
    return (datetime.now(UTC) - EPOCH) // timedelta(milliseconds=1)
