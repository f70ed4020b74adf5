"""The reader: the journals of a directory, their runs, and the rows of a run. It writes nothing."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_maker.journal import schema
from market_maker.journal.place import started_ms

TIMES_AND_TEXTS = {
    *("run", "time_ms", "arrival", "level", "close", "number", "is_restart", "proven"),
    *("begun_ms", "ended_ms", "opened_ms", "dropped", "lost", "state", "reason", "step", "side"),
    *("client_oid", "order_id", "kind", "detail", "fee_currency", "how", "settings", "version"),
    *("instrument_type", "area", "symbol", "prefix", "run_id", "pid", "thinned_ms", "market"),
    *("method", "path", "calls", "seconds", "took_ms", "outcome", "same_as", "model", "text"),
    "currency",
}
"""The columns that hold no decimals; `detail` of decisions is bytes."""
WAIT_SECONDS = 2.0
CLOCK_SLACK_MS = 60_000
"""By how much the time of a start may be off: it is counted from the boot."""
MID = "(bid + ask) / 2.0"
"""The mid, of a row of `prices`."""

Row = Mapping[str, Any]


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
        pid = self.row.get("pid")  # an earlier version has not recorded it
        if self.row["ended_ms"] is not None or not pid:
            return False
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError, TypeError):
            return False
        except PermissionError:
            pass
        started = started_ms(pid)  # else the pid is another process's by now
        return started is None or started <= self.row["begun_ms"] + CLOCK_SLACK_MS

    @property
    def settings(self) -> Row:
        """Return its settings, without secrets."""
        found = json.loads(self.row["settings"])
        return found if isinstance(found, dict) else {}

    def again(self) -> "Run":
        """Return the run with its row as it is now. Raises Unreadable."""
        return next((run for run in runs_in(self.path) if run.number == self.number), self)

    def rows(self, table: str, *, since_ms: int = 0) -> list[Row]:
        """Return its rows of a table in the order of time, from the last one before then on.

        What an earlier version has not recorded is None. Raises Unreadable.
        """
        before = (
            f"SELECT max(time_ms) FROM {table} WHERE run = {self.number} AND time_ms < {since_ms}"
        )
        where = f"time_ms >= coalesce(({before}), 0)" if since_ms else "1"
        return [_decoded(dict(row)) for row in self.raw(table, *schema.COLUMNS[table], where=where)]

    def raw(self, table: str, *names: str, where: str = "1") -> list[Row]:
        """Return these columns of its rows, as they are stored: decimals as text.

        That is much faster where there may be a million. `where` is SQL. Raises Unreadable.
        """
        with _reading(self.path) as db:
            columns = _columns(db, table, names)
            found: list[Any] = self._select(db, list(columns.values()), table, where).fetchall()
            return found

    def last(self, table: str, *, where: str = "1", until_ms: int | None = None) -> Row | None:
        """Return its last row of a table, not later than `until_ms`; `where` is SQL.

        Raises Unreadable.
        """
        with _reading(self.path) as db:
            columns = list(_columns(db, table, schema.COLUMNS[table]).values())
            where += "" if until_ms is None else f" AND time_ms <= {int(until_ms)}"
            row = self._select(db, columns, table, where, "DESC").fetchone()
            return _decoded(dict(row)) if row else None

    def latest(self, table: str, count: int) -> list[Row]:
        """Return its last rows of a table, as they are stored, in the order of time.

        Raises Unreadable.
        """
        with _reading(self.path) as db:
            columns = list(_columns(db, table, schema.COLUMNS[table]).values())
            found: list[Any] = self._select(db, columns, table, "1", "DESC").fetchmany(count)
        return found[::-1]

    def steps_of(self, order: str, *, until_ms: int) -> list[Row]:
        """Return the rows of `orders` of one order, by its order_id or client_oid, until then.

        Raises Unreadable.
        """
        which = "SELECT client_oid FROM orders WHERE run = :run AND order_id = :order"
        query = (
            f"SELECT * FROM orders WHERE run = :run AND time_ms <= :until "
            f"AND (client_oid = :order OR client_oid IN ({which})) ORDER BY time_ms, rowid"
        )
        asked = {"run": self.number, "order": order, "until": until_ms}
        with _reading(self.path) as db:
            return [_decoded(dict(row)) for row in db.execute(query, asked)]

    def steps_between(self, since_ms: int, until_ms: int) -> list[Row]:
        """Return its rows of `orders` from a time to another one. Raises Unreadable."""
        names, span = schema.COLUMNS["orders"], f"{int(since_ms)} AND {int(until_ms)}"
        rows = self.raw("orders", *names, where=f"time_ms BETWEEN {span}")
        return [_decoded(dict(row)) for row in rows]

    def warnings_between(self, since_ms: int, until_ms: int) -> list[str]:
        """Return the lines of its log above INFO, likewise. Raises Unreadable."""
        span = f"{int(since_ms)} AND {int(until_ms)}"
        rows = self.raw("log", "text", where=f"time_ms BETWEEN {span} AND level != 'INFO'")
        return [row["text"] for row in rows]

    def next_tick(self, since_ms: int) -> int | None:
        """Return when the first tick that was under way at a time had ended. Raises Unreadable."""
        query = "SELECT min(time_ms) FROM ticks WHERE run = ? AND time_ms >= ?"
        with _reading(self.path) as db:
            (found,) = db.execute(query, (self.number, since_ms)).fetchone()
            return None if found is None else int(found)

    def last_steps(self, *, until_ms: int) -> list[Row]:
        """Return of each order the last row of `orders` until then. Raises Unreadable."""
        query = (
            "SELECT * FROM orders WHERE rowid IN (SELECT max(rowid) FROM orders "
            "WHERE run = ? AND time_ms <= ? GROUP BY client_oid)"
        )
        with _reading(self.path) as db:
            return [_decoded(dict(row)) for row in db.execute(query, (self.number, until_ms))]

    def mids_at(self, times_ms: Iterable[int], *, age_ms: int) -> dict[int, Decimal]:
        """Return the last mid before each time, where there is one not older than `age_ms`.

        Raises Unreadable.
        """
        query = (
            "SELECT time_ms, bid, ask FROM prices WHERE run = ? AND time_ms <= ? "
            "AND bid IS NOT NULL AND ask IS NOT NULL ORDER BY time_ms DESC, rowid DESC LIMIT 1"
        )
        found = {}
        with _reading(self.path) as db:
            for time_ms in times_ms:
                row = db.execute(query, (self.number, time_ms)).fetchone()
                if row and time_ms - row["time_ms"] <= age_ms:
                    found[time_ms] = (Decimal(row["bid"]) + Decimal(row["ask"])) / 2
        return found

    def mids(self, every_ms: int) -> list[tuple[int, float]]:
        """Return (time, mid) as floats, the last one of each part of `every_ms`: not for money.

        Raises Unreadable.
        """
        columns = ["max(time_ms)", f"{MID} AS mid"]
        where = f"mid IS NOT NULL GROUP BY time_ms / {int(every_ms)}"
        with _reading(self.path) as db:
            return [tuple(row) for row in self._select(db, columns, "prices", where)]

    def extremes(
        self, table: str, value: str, begun_ms: int, ended_ms: int, columns: int
    ) -> list[tuple[int, float, float]]:
        """Return (column, lowest, highest) of a value over time, for a chart so many columns wide.

        `value` is an expression in SQL, MID for example. Raises Unreadable.
        """
        span = max(ended_ms - begun_ms, 1)
        place = f"(time_ms - {int(begun_ms)}) * {int(columns)} / {int(span)}"
        chosen = [f"{place} AS place", f"min(0.0 + {value})", f"max(0.0 + {value})"]
        span_of_time = f"time_ms BETWEEN {int(begun_ms)} AND {int(ended_ms)}"
        where = f"{span_of_time} AND {value} IS NOT NULL GROUP BY place"
        with _reading(self.path) as db:
            return [tuple(row) for row in self._select(db, chosen, table, where)]

    def _select(
        self, db: sqlite3.Connection, columns: list[str], table: str, where: str, order: str = ""
    ) -> sqlite3.Cursor:
        return db.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE run = ? AND {where} "
            f"ORDER BY time_ms {order}, rowid {order}",
            (self.number,),
        )


def _columns(db: sqlite3.Connection, table: str, names: Iterable[str]) -> dict[str, str]:
    """Return each name with what selects it: NULL where the file's version has no such column.

    A table that it has not is made, empty, for this connection alone.
    """
    there = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
    if not there:
        db.execute(f"CREATE TEMP TABLE {table} ({schema.TABLES[table]}\n)")
        there = set(schema.COLUMNS[table])
    return {name: name if name in there else f"NULL AS {name}" for name in names}


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
    try:
        if not path.is_file():
            raise Unreadable(f"{path}: there is no such file")
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=wait)) as db:
            db.row_factory = sqlite3.Row
            (mark,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if mark == schema.MARK and version > schema.VERSION:
                raise Unreadable(f"{path}: a newer version of this program has written it")
            if mark != schema.MARK or not version >= 1:
                raise Unreadable(f"{path}: it is not a journal of version {schema.VERSION}")
            yield db
    except (sqlite3.Error, OSError, ArithmeticError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{path}: {error}") from error


def _decoded(row: Row) -> Row:
    """Return a row with its decimals as such."""
    return {
        name: value if value is None or name in TIMES_AND_TEXTS else Decimal(value)
        for name, value in row.items()
    }
