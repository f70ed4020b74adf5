"""The file of a journal: its name, how it is opened to be written, and how a run is entered."""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from market_maker.account import Account
from market_maker.errors import SettingsError
from market_maker.journal import schema
from market_maker.journal.reader import latest_number
from market_maker.private_files import PrivateFiles

LOCKED_SECONDS = 0.5
"""Seconds to wait for another program that writes to the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What is known of a run when it begins; the columns of `runs` of these names."""

    kind: str
    instrument_type: str
    area: str
    symbol: str
    prefix: str
    run_id: str
    version: str
    settings: str
    """JSON, without secrets."""
    is_restart: bool
    begun_ms: int
    pid: int


def name_of(account: Account, *, is_dry: bool) -> str:
    """Return the name of an account's journal: one for each host, key, type and area.

    The key is never in it, only a short hash of host and key. Dry runs and runs on the paper
    exchange, whose addresses and keys change from run to run, have one for each type and area.
    """
    if is_dry or account.is_paper:
        who = "dry" if is_dry else "paper"
    else:
        host, key = urlsplit(account.base_url).netloc, account.api_key.reveal()
        who = sha256(f"{host}\n{key}".encode()).hexdigest()[:12]
    return f"{who}-{account.instrument_type}-{account.settle_currency}"


def open_file(directory: Path, name: str) -> sqlite3.Connection:
    """Open a journal to write, with its tables, readable by its owner alone.

    Raises OSError, SettingsError, ValueError for a file that is no journal, or sqlite3.Error.
    """
    files = PrivateFiles(directory, name)
    path = directory / f"{name}{schema.SUFFIX}"
    with suppress(FileExistsError):
        os.close(files.open(schema.SUFFIX, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    about = path.lstat()  # not by a descriptor: closing one drops the locks of this process on it
    if not stat.S_ISREG(about.st_mode):
        raise SettingsError(f"{path} is not a regular file")
    if about.st_uid != os.geteuid():
        raise SettingsError(f"{path} belongs to somebody else")
    if stat.S_IMODE(about.st_mode) != 0o600:
        path.chmod(0o600)
    db = sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # a kill takes nothing that is committed
        with db:
            db.execute("BEGIN IMMEDIATE")
            _make_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def enter(db: sqlite3.Connection, beginning: Beginning, path: Path) -> int:
    """Enter a run, and return its number: the next one of all journals of the directory.

    Two runs that begin at once in two files may get the same one.
    """
    (own,) = db.execute("SELECT coalesce(max(number), 0) FROM runs").fetchone()
    number: int = max(own, latest_number(path.parent, but=path)) + 1
    names = ("number", *schema.BEGINNING)
    given = asdict(beginning)
    db.execute(
        f"INSERT INTO runs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        (number, *(given[name] for name in schema.BEGINNING)),
    )
    return number


def tell_market(path: Path, number: int, market: str) -> None:
    """Record what the market of a back-test that has ended was: JSON. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path, timeout=LOCKED_SECONDS)) as db, db:
        db.execute("UPDATE runs SET market = ? WHERE number = ?", (market, number))


def _make_tables(db: sqlite3.Connection) -> None:
    """Make the tables in a new file, or upgrade those of an earlier version.

    Raises ValueError for a file that is not our journal.
    """
    (version,), (mark,) = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")
    )
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark == schema.MARK and 1 <= version <= schema.VERSION:
        for earlier in range(version, schema.VERSION):
            for statement in schema.UPGRADES[earlier]:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {earlier + 1}")
        return
    if mark == schema.MARK and version > schema.VERSION:
        raise ValueError(f"a newer version of this program has written it (version {version})")
    if tables or version or mark:
        raise ValueError(f"it is not a journal of version {schema.VERSION}: move it away")
    for table, columns in schema.TABLES.items():
        db.execute(f"CREATE TABLE {table} ({columns}\n)")
    for index in schema.INDEXES.values():
        db.execute(index)
    db.execute(f"PRAGMA application_id = {schema.MARK}")
    db.execute(f"PRAGMA user_version = {schema.VERSION}")
