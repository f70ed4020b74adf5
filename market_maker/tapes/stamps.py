"""Times as tapes write them: since 1970 in s, ms, us or ns, or ISO 8601; here always ns UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from market_maker.tapes.records import TapeError

UNITS = {10: ("s", 10**9), 13: ("ms", 10**6), 16: ("us", 10**3), 19: ("ns", 1)}
"""By the digits of a time since 1970: its unit, and ns in one."""
ISO = "ISO 8601"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d[D T]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.A
)
SHOWN = 60


def nanoseconds(text: str) -> int:
    """Return a time in ns UTC. Raises TapeError for text that is no time."""
    unit = UNITS.get(len(text))
    if unit and text.isdecimal():
        return int(text) * unit[1]
    whole, _, part = text.partition(".")
    unit = UNITS.get(len(whole))
    if unit and whole.isdecimal() and part.isdecimal():
        return int(whole) * unit[1] + int(part[:9].ljust(9, "0")) * unit[1] // 10**9
    if found := MOMENT.fullmatch(text):
        moment, part, zone = found.groups(default="")
        return _seconds(moment, zone) * 10**9 + int(part.ljust(9, "0"))
    raise TapeError(
        f"time: {text[:SHOWN]!r} is none; expected s, ms, us or ns since 1970, or ISO 8601"
    )


def unit_of(text: str) -> str:
    """Return the unit that a valid time is written in."""
    unit = UNITS.get(len(text.partition(".")[0]))
    return unit[0] if unit and "-" not in text else ISO


def iso(time_ns: int) -> str:
    """Return a time as people write it, to the second, UTC."""
    return (EPOCH + timedelta(seconds=time_ns // 10**9)).strftime("%Y-%m-%d %H:%M:%S")


@lru_cache(maxsize=1024)
def _seconds(moment: str, zone: str) -> int:
    try:
        found = datetime.fromisoformat(moment + zone)
    except ValueError as error:
        raise TapeError(f"time: {moment!r}: {error}") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - EPOCH) // timedelta(seconds=1)
