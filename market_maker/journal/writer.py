"""The writer: a thread that writes what the loop hands over, and never makes it wait."""

import logging
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from market_maker.clock import SYSTEM, Clock
from market_maker.errors import SettingsError
from market_maker.journal import schema
from market_maker.journal.file import Beginning, enter, open_file
from market_maker.journal.place import others_with, remote_file_system
from market_maker.journal.thinning import MB, Keep, Thinning
from market_maker.private_files import default_directory

logger = logging.getLogger(__name__)

WRITE_EVERY = 0.25
"""Seconds between two writes: what a `kill -9` may take."""
MOST = 100_000
"""Rows of money that wait in memory while the file cannot be written."""
MOST_OTHERS = 10_000
"""With more rows than this waiting, those of the tables `DROPPABLE` are dropped."""
AT_ONCE = 5_000
"""Rows in one transaction."""
TRY_AGAIN = 1.0
"""Seconds after which a write that has failed is tried again."""
LOG_MB = 64
"""Above this size of the write-ahead log, which a reader keeps from being emptied, rows are dropped
but for money."""
CLOSE_SECONDS = 3.0
"""Seconds that the end of a run waits for its last rows."""

BAD_ROW = (
    *(UnicodeError, OverflowError, sqlite3.InterfaceError),
    *(sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError),
)
"""What says that a row can never be written, whatever becomes of the file."""

Row = tuple[Any, ...]


class Journal:
    """Writes the rows of one run. `put()` never waits; nothing that goes wrong here is raised.

    While the file cannot be written (disk full or read-only, database locked or broken) rows of
    money wait in memory, up to MOST; what is dropped or lost is counted, logged and recorded.
    """

    def __init__(
        self,
        name: str,
        *,
        directory: Path | None = None,
        clock: Clock = SYSTEM,
        has_thread: bool = True,
    ) -> None:
        """`name` is that of the file; without a thread each `put()` of a tick writes at once."""
        self._directory = directory or default_directory()
        self._name = name
        self._clock = clock
        self.path = self._directory / f"{name}{schema.SUFFIX}"
        self.number: int | None = None
        """The number of the run; None until the file was first written."""
        self.dropped = self.lost = 0
        """How many rows of the tables `DROPPABLE`, and how many of money, are missing."""
        self._queue: deque[tuple[str, Callable[..., Row], Row]] = deque()
        self._waiting: list[tuple[str, Row]] = []
        """Rows that are being written; of those that could not be, the rows of money."""
        self._counting = threading.Lock()
        self._beginning: Beginning | None = None
        self._counted = (0, 0)
        self._db: sqlite3.Connection | None = None
        self._trouble = ""
        self._try_at = 0.0
        self._is_blocked = False
        """Whether a reader keeps the write-ahead log from being emptied."""
        self._thinning = Thinning(Keep())
        self._has_ended = threading.Event()
        self._has_thread = has_thread
        self._thread: threading.Thread | None = None

    def begin(self, beginning: Beginning, keep: Keep = Keep()) -> None:  # noqa: B008
        """Begin the run. Its number is known once the writer has written it."""
        self._beginning, self._thinning = beginning, Thinning(keep)
        if kind := remote_file_system(self._directory):
            logger.warning(
                "The journal is in %s, on a network file system (%s), where SQLite may lose "
                "rows or stand still: set XDG_STATE_HOME to a local directory.",
                *(self._directory, kind),
            )
        if self._has_thread:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        else:
            self.write()

    def put(self, table: str, make: Callable[..., Row], *values: Any) -> None:
        """Hand over a row: `make(*values)`, called by the writer, returns its columns after `run`.

        From any thread. The values must not change any more.
        """
        waiting = len(self._queue) + len(self._waiting)
        if table in schema.DROPPABLE:
            if self._is_blocked or waiting >= MOST_OTHERS:
                self._count(dropped=1)
                return
        elif waiting >= MOST + MOST_OTHERS:
            self._count(lost=1)
            return
        self._queue.append((table, make, values))
        if not self._has_thread and table == "ticks":
            self.write()

    def end(self, how: str, *, proven: bool, ended_ms: int) -> None:
        """End the run, wait a moment for its last rows, and log what is missing."""
        if self._has_ended.is_set() or self._beginning is None:
            return
        self.put("ending", lambda *row: row, ended_ms, how, int(proven))
        self._has_ended.set()
        if self._thread:
            self._thread.join(CLOSE_SECONDS)
        else:
            self._finish()
        tables = [table for table, *_ in [*self._waiting, *self._queue]]
        lost = self.lost + sum(table in schema.MONEY for table in tables)
        dropped = self.dropped + sum(table in schema.DROPPABLE for table in tables)
        if lost or dropped:
            logger.error(
                "The journal of this run is incomplete: %d rows of fills, payments and balances, "
                "and %d others are missing%s.",
                *(lost, dropped, f" ({self._trouble})" if self._trouble else ""),
            )

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._has_ended.wait(WRITE_EVERY):
            self.write()
        self._finish()

    def _finish(self) -> None:
        self._try_at = 0.0
        while self.write() and self._queue:
            pass
        self._close()

    def write(self) -> bool:
        """Write what waits; return whether that was done. Only the writer's thread may call it."""
        now = self._clock.monotonic()
        self._waiting += self._take()
        if now < self._try_at:
            self._keep_money()
            return False
        try:
            db = self._db = self._db or self._open()
            with db:
                db.execute("BEGIN IMMEDIATE")
                number, counts = self._write(db, self._waiting)
                self._thinning.work(db, now, self._clock.now_ms())
        except (sqlite3.Error, OSError, SettingsError, ValueError, ArithmeticError) as error:
            self._fail(error, now)
            return False
        self._waiting, self.number, self._counted = [], number, counts
        if self._trouble:
            self._trouble = ""
            logger.warning("The journal %s is written again.", self.path)
        self._check_log(db)
        return True

    def _open(self) -> sqlite3.Connection:
        """Open the file. In one that does not know this run, it is entered anew."""
        db = open_file(self._directory, self._name)
        if self.number is not None:
            known = db.execute("SELECT pid FROM runs WHERE number = ?", (self.number,)).fetchone()
            assert self._beginning
            if known != (self._beginning.pid,):  # the file was moved away, or is another one
                self.number, self._counted = None, (0, 0)
        return db

    def _take(self) -> list[tuple[str, Row]]:
        """Return the next rows; one that cannot be made is counted as lost."""
        rows = []
        for _ in range(min(len(self._queue), AT_ONCE)):
            table, make, values = self._queue.popleft()
            try:
                rows.append((table, make(*values)))
            except Exception:
                self._count(lost=1)
                logger.exception("A row of the journal's %s could not be made.", table)
        return rows

    def _write(
        self, db: sqlite3.Connection, rows: list[tuple[str, Row]]
    ) -> tuple[int, tuple[int, int]]:
        """Write rows; return the number of the run, and what of it is recorded as missing."""
        assert self._beginning
        number = self.number
        if number is None:
            number = enter(db, self._beginning, self.path)
        by_table = defaultdict(list)
        for table, row in rows:
            is_update = table in ("opening", "ending")
            by_table[table].append((*row, number) if is_update else (number, *row))
        for table, numbered in by_table.items():
            db.execute("SAVEPOINT rows")
            try:
                db.executemany(schema.STATEMENTS[table], numbered)
            except BAD_ROW:
                db.execute("ROLLBACK TO rows")
                self._write_singly(db, table, numbered)
            db.execute("RELEASE rows")
        counts = (self.dropped, self.lost)
        if counts != self._counted:
            db.execute("UPDATE runs SET dropped = ?, lost = ? WHERE number = ?", (*counts, number))
        return number, counts

    def _write_singly(self, db: sqlite3.Connection, table: str, rows: list[Row]) -> None:
        """Write the rows that can be written; one that cannot, ever, is counted as lost."""
        for row in rows:
            try:
                db.execute(schema.STATEMENTS[table], row)
            except BAD_ROW as error:
                self._count(lost=1)
                logger.error("A row of the journal's %s could not be written: %s.", table, error)

    def _count(self, *, dropped: int = 0, lost: int = 0) -> None:
        with self._counting:
            self.dropped += dropped
            self.lost += lost

    def _check_log(self, db: sqlite3.Connection) -> None:
        """Empty the write-ahead log when it is large; where a reader prevents it, say who."""
        log = self.path.with_name(f"{self.path.name}-wal")
        is_blocked = False
        try:
            if log.stat().st_size >= LOG_MB * MB:
                (is_blocked, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (OSError, sqlite3.Error) as error:  # the next write will tell
            logger.debug("Looking at the log of the journal: %s", error)
        if is_blocked and not self._is_blocked:
            logger.error(
                "Another program reads the journal %s without an end: %s. Until it stops, only "
                "fills and payments are recorded.",
                *(self.path, ", ".join(others_with(self.path)) or "this user cannot see which"),
            )
        elif self._is_blocked and not is_blocked:
            logger.warning("All of the journal %s is written again.", self.path)
        self._is_blocked = bool(is_blocked)

    def _fail(self, error: Exception, now: float) -> None:
        if not self._trouble:
            logger.error(
                "The journal %s cannot be written: %s. Trading goes on. Until it can, fills and "
                "payments wait in memory, up to %d, and nothing else is recorded.",
                *(self.path, error, MOST),
            )
        self._trouble, self._try_at = str(error), now + TRY_AGAIN
        self._close()
        self._keep_money()

    def _keep_money(self) -> None:
        """Keep the rows of money for the next attempt, and count the others."""
        money = [each for each in self._waiting if each[0] not in schema.DROPPABLE]
        self._count(dropped=len(self._waiting) - len(money), lost=max(len(money) - MOST, 0))
        self._waiting = money[:MOST]

    def _close(self) -> None:
        db, self._db = self._db, None
        if db:
            try:
                db.close()
            except sqlite3.Error as error:
                logger.debug("Closing the journal: %s", error)
