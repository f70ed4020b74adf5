"""The reader: the journals of a directory, their runs, and the rows of a run. It writes nothing."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_maker.journal import schema

TIMES_AND_TEXTS = {
    *("run", "time_ms", "arrival", "level", "close", "number", "is_restart", "proven"),
    *("begun_ms", "ended_ms", "opened_ms", "dropped", "lost", "state", "reason", "step", "side"),
    *("client_oid", "order_id", "kind", "detail", "fee_currency", "how", "settings", "version"),
    *("instrument_type", "area", "symbol", "prefix", "run_id", "pid"),
}
"""The columns that hold no decimals."""
WAIT_SECONDS = 2.0

Row = dict[str, Any]


class Unreadable(Exception):
    """A file is no journal that this version can read."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run and its journal: the row of `runs`, and the other tables on demand."""

    path: Path
    row: Row

    @property
    def number(self) -> int:
        """Return the number of the run."""
        return int(self.row["number"])

    @property
    def is_contract(self) -> bool:
        """Return whether it traded contracts."""
        return bool(self.row["instrument_type"] != "bb")

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended and its process lives; False where none is recorded."""
        pid = self.row.get("pid")  # which an earlier version has not recorded
        if self.row["ended_ms"] is not None or not pid:
            return False
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError, TypeError):
            return False
        except PermissionError:
            pass
        return True

    @property
    def settings(self) -> Row:
        """Return its settings, without secrets."""
        found = json.loads(self.row["settings"])
        return found if isinstance(found, dict) else {}

    def rows(self, table: str, *, since_ms: int = 0) -> list[Row]:
        """Return its rows of a table in the order of time, from the last one before then on.

        Raises Unreadable.
        """
        before = (
            f"SELECT max(time_ms) FROM {table} WHERE run = {self.number} AND time_ms < {since_ms}"
        )
        condition = f"AND time_ms >= coalesce(({before}), 0)" if since_ms else ""
        with _reading(self.path) as db:
            return [_decoded(dict(row)) for row in self._select(db, "*", table, condition)]

    def last(self, table: str, *, but_null: str = "time_ms") -> Row | None:
        """Return its last row of a table with a value in this column. Raises Unreadable."""
        condition = f"AND {but_null} IS NOT NULL"
        with _reading(self.path) as db:
            row = self._select(db, "*", table, condition, "DESC").fetchone()
            return _decoded(dict(row)) if row else None

    def mids(self) -> tuple[list[int], list[Decimal]]:
        """Return the times and the mids of its prices, without the rows: they may be a million.

        Raises Unreadable.
        """
        condition = "AND bid IS NOT NULL AND ask IS NOT NULL"
        with _reading(self.path) as db:
            times, mids = [], []
            for time, bid, ask in self._select(db, "time_ms, bid, ask", "prices", condition):
                times.append(time)
                mids.append((Decimal(bid) + Decimal(ask)) / 2)
            return times, mids

    def _select(
        self, db: sqlite3.Connection, columns: str, table: str, condition: str = "", order: str = ""
    ) -> sqlite3.Cursor:
        assert table in schema.TABLES
        return db.execute(
            f"SELECT {columns} FROM {table} WHERE run = ? {condition} "
            f"ORDER BY time_ms {order}, rowid {order}",
            (self.number,),
        )


def files_in(directory: Path) -> list[Path]:
    """Return the journals of a directory."""
    return sorted(directory.glob(f"*{schema.SUFFIX}"))


def runs_in(path: Path) -> list[Run]:
    """Return the runs of a journal, oldest first. Raises Unreadable."""
    with _reading(path) as db:
        found = db.execute("SELECT * FROM runs ORDER BY number")
        return [Run(path, _decoded(dict(row))) for row in found]


def latest_number(directory: Path, *, but: Path) -> int:
    """Return the highest number of a run in the other journals of a directory; 0 if there is none.

    A journal that cannot be read counts as empty.
    """
    highest = 0
    for path in files_in(directory):
        if path != but:
            try:
                with _reading(path, wait=0) as db:
                    (found,) = db.execute("SELECT coalesce(max(number), 0) FROM runs").fetchone()
                highest = max(highest, found)
            except Unreadable:
                continue
    return highest


@contextmanager
def _reading(path: Path, wait: float = WAIT_SECONDS) -> Iterator[sqlite3.Connection]:
    """Open a journal to read. Raises Unreadable, whatever is wrong with it."""
    if not path.is_file():
        raise Unreadable(f"{path}: there is no such file")
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=wait)) as db:
            db.row_factory = sqlite3.Row
            (mark,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if mark != schema.MARK or not 1 <= version <= schema.VERSION:
                raise Unreadable(f"{path}: it is not a journal of version {schema.VERSION}")
            yield db
    except (sqlite3.Error, ArithmeticError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{path}: {error}") from error


def _decoded(row: Row) -> Row:
    """Return a row with its decimals as such."""
    return {
        name: value if value is None or name in TIMES_AND_TEXTS else Decimal(value)
        for name, value in row.items()
    }
