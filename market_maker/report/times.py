"""Times and lengths of time as text, UTC."""

from datetime import UTC, datetime
from decimal import Decimal


def clock_time(time_ms: int) -> str:
    """Return a time with its milliseconds, UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%F %T.%f}"[:-3]


def when(time_ms: int) -> str:
    """Return a time to the second."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%F %T}"


def duration(seconds: Decimal) -> str:
    """Return a length of time in seconds, minutes or hours."""
    whole = max(int(seconds), 0)  # the clock may have been set back
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole // 60 % 60} min"
