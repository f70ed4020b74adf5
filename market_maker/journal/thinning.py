"""Thinning: removes old rows of a journal, but for money, a few at a time."""

import sqlite3
from dataclasses import dataclass

from market_maker.journal import schema

DAY_MS = 86_400_000
SLICE_MS = 3_600_000
"""While the file is too large, its oldest rows go in parts of so long."""
AT_ONCE = 2_000
"""Rows removed in one transaction."""
LOOK_EVERY = 60.0
"""Seconds between two looks whether there is something to remove."""
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days of rows a journal keeps, and up to which size in MB; 0: without end."""

    days: float = 0
    mb: float = 0


class Thinning:
    """Removes rows that are too old, and the oldest while the file is too large.

    What is removed leaves room in the file, which is used again: the file does not shrink.
    """

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._due = 0.0
        self._before_ms = 0
        """Rows from before this must go; 0: there is nothing to do."""

    def work(self, db: sqlite3.Connection, now: float, now_ms: int) -> None:
        """Remove a few rows, when there are some. `now` is in steady seconds, for the pace."""
        if not self._before_ms:
            if now < self._due:
                return
            self._due = now + LOOK_EVERY
            self._before_ms = self._cutoff(db, now_ms)
        if self._before_ms and not _remove(db, self._before_ms):
            self._before_ms, self._due = 0, now  # whether that was enough, the next look tells

    def _cutoff(self, db: sqlite3.Connection, now_ms: int) -> int:
        """Return before which time rows must go; 0 where none must."""
        oldest = min((_oldest(db, number) for number in _runs(db)), default=now_ms)
        old = int(now_ms - self._keep.days * DAY_MS) if self._keep.days else 0
        if oldest < old:
            return old
        if self._keep.mb and used_bytes(db) > self._keep.mb * MB and oldest < now_ms - SLICE_MS:
            return oldest + SLICE_MS
        return 0


def used_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of a journal hold something."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _remove(db: sqlite3.Connection, before_ms: int) -> bool:
    """Remove some rows from before a time; return whether there were any."""
    for number in _runs(db):
        for table in schema.DROPPABLE:
            cursor = db.execute(
                f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} "
                "WHERE run = ? AND time_ms < ? LIMIT ?)",
                (number, before_ms, AT_ONCE),
            )
            if cursor.rowcount:
                db.execute("UPDATE runs SET thinned_ms = ? WHERE number = ?", (before_ms, number))
                return True
    return False


def _runs(db: sqlite3.Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT number FROM runs ORDER BY number")]


def _oldest(db: sqlite3.Connection, number: int) -> int:
    """Return the time of the oldest row of a run that may be removed."""
    times = [
        db.execute(f"SELECT min(time_ms) FROM {table} WHERE run = ?", (number,)).fetchone()[0]
        for table in schema.DROPPABLE
    ]
    found = [time for time in times if time is not None]
    return min(found, default=1 << 62)
