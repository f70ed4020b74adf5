"""The journal: nothing waits for it, and what it could not record it says."""

import argparse
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import wait_until

from market_maker.account import Account
from market_maker.app import report
from market_maker.clock import SYSTEM, Clock
from market_maker.errors import SettingsError
from market_maker.guard.lock import InstanceLock
from market_maker.journal import (
    Beginning,
    Journal,
    Run,
    Unreadable,
    files_in,
    name_of,
    runs_in,
    schema,
    thinning,
)
from market_maker.journal import file as opening
from market_maker.journal import writer as writing
from market_maker.journal.place import others_with, remote_file_system
from market_maker.journal.thinning import Keep
from market_maker.private_files import PrivateFiles
from market_maker.secrecy import Secret

BEGINNING = Beginning(
    kind="paper",
    instrument_type="pc",
    area="BTC",
    symbol="BTC_USD",
    prefix="mm_",
    run_id="abc",
    version="1",
    settings="{}",
    is_restart=False,
    begun_ms=1,
    pid=4711,
)


def plain_row(*values: Any) -> tuple[Any, ...]:
    return values


def pay(journal: Journal, number: int) -> None:
    journal.put("payments", plain_row, number, "funding", "0.1", "", "")


def look(journal: Journal, number: int) -> None:
    journal.put("prices", plain_row, number, number, "1", "2", None)


def begun(directory: Path, name: str = "it", **options: Any) -> Journal:
    journal = Journal(name, directory=directory, **options)
    journal.begin(BEGINNING)
    return journal


def only_run(journal: Journal) -> Run:
    (run,) = runs_in(journal.path)
    return run


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what waits in the writer be short."""
    monkeypatch.setattr(writing, "TRY_AGAIN", 0.02)
    monkeypatch.setattr(writing, "WRITE_EVERY", 0.01)
    monkeypatch.setattr(opening, "LOCKED_SECONDS", 0.01)
    monkeypatch.setattr(writing, "CLOSE_SECONDS", 0.2)


def test_what_is_handed_over_is_in_the_file_when_the_run_has_ended(directory: Path) -> None:
    journal = begun(directory)
    for number in range(100):
        pay(journal, number)
    journal.end("stopped", proven=True, ended_ms=7)
    run = only_run(journal)
    assert (run.number, run.row["how"], run.row["proven"], run.row["ended_ms"]) == (
        *(1, "stopped", 1),
        7,
    )
    assert [row["time_ms"] for row in run.rows("payments")] == list(range(100))
    assert (run.row["dropped"], run.row["lost"]) == (0, 0)


def test_only_we_can_read_it_and_its_companions(directory: Path) -> None:
    journal = begun(directory)
    wait_until(lambda: journal.number)
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    journal.end("", proven=True, ended_ms=0)


def test_runs_of_all_journals_of_a_directory_are_numbered_together(directory: Path) -> None:
    for name in ("a", "b", "a"):
        begun(directory, name).end("", proven=True, ended_ms=0)
    (directory / "c.journal").write_bytes(b"garbage" * 1000)
    begun(directory, "b").end("", proven=True, ended_ms=0)
    numbers = [
        [run.number for run in runs_in(path)]
        for path in files_in(directory)
        if path.stem in ("a", "b")
    ]
    assert numbers == [[1, 3], [2, 4]]


def test_two_runs_may_write_to_one_file_at_once(directory: Path) -> None:
    journals = [begun(directory) for _ in range(4)]
    for number in range(300):
        for journal in journals:
            pay(journal, number)
    for journal in journals:
        journal.end("", proven=True, ended_ms=0)
    runs = runs_in(journals[0].path)
    assert [run.number for run in runs] == [1, 2, 3, 4]
    assert {len(run.rows("payments")) for run in runs} == {300}


# --- trouble --------------------------------------------------------------------------------------


def lock(path: Path) -> Callable[[], None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def read_only(path: Path) -> Callable[[], None]:
    """Make the file one that this process may not write to, root or not."""
    aside = path.with_suffix(".aside")
    for each in path.parent.glob("*.journal-*"):
        each.unlink()
    path.rename(aside)
    path.mkdir()

    def back() -> None:
        path.rmdir()
        aside.rename(path)

    return back


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("break_it", [lock, read_only])
def test_money_waits_while_the_file_cannot_be_written_and_ticks_do_not(
    directory: Path, break_it: Callable[[Path], Callable[[], None]], caplog: Any
) -> None:
    begun(directory, has_thread=False).end("", proven=True, ended_ms=0)
    mend = break_it(directory / "it.journal")
    journal = begun(directory)
    for number in range(20):
        pay(journal, number)
        look(journal, number)
    wait_until(lambda: journal.dropped == 20)
    assert "cannot be written" in caplog.text
    assert "nothing else is recorded" in caplog.text
    mend()
    wait_until(lambda: journal.number)
    pay(journal, 20)
    look(journal, 20)
    journal.end("", proven=True, ended_ms=0)
    run = runs_in(journal.path)[-1]
    assert len(run.rows("payments")) == 21
    assert len(run.rows("prices")) == 1
    assert (run.row["dropped"], run.row["lost"]) == (20, 0)
    assert "is written again" in caplog.text
    assert "0 rows of fills, payments and balances, and 20 others" in caplog.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("content", [b"garbage" * 1000, b"\x00" * 8192, b"SQLite format 3\x00" * 9])
def test_garbage_in_the_file_is_left_there_and_said(
    directory: Path, content: bytes, caplog: Any
) -> None:
    directory.mkdir(0o700)
    path = directory / "it.journal"
    path.write_bytes(content)
    journal = begun(directory)
    pay(journal, 1)
    wait_until(lambda: "cannot be written" in caplog.text)
    journal.end("", proven=True, ended_ms=0)
    assert "incomplete: 1 rows of fills" in caplog.text
    assert path.read_bytes() == content
    with pytest.raises(Unreadable):
        runs_in(path)


@pytest.mark.usefixtures("impatient")
def test_a_disk_that_is_full_stops_nothing(directory: Path, caplog: Any) -> None:
    begun(directory, has_thread=False).end("", proven=True, ended_ms=0)
    journal = Journal("it", directory=directory, has_thread=False)
    journal.begin(BEGINNING)
    assert journal._db
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(3_000):
        pay(journal, number)
    assert not journal.write()
    assert "disk is full" in caplog.text
    time.sleep(0.03)
    assert journal.write()
    journal.end("", proven=True, ended_ms=0)
    assert len(runs_in(journal.path)[-1].rows("payments")) == 3_000


def test_what_does_not_fit_into_memory_is_counted(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(writing, "MOST", 50)
    monkeypatch.setattr(writing, "MOST_OTHERS", 10)
    journal = Journal("it", directory=directory, has_thread=False)
    for number in range(200):
        look(journal, number)
        pay(journal, number)
    assert journal.dropped == 195
    assert journal.lost == 145
    journal.begin(BEGINNING)
    journal.end("", proven=True, ended_ms=0)
    assert (only_run(journal).row["lost"], only_run(journal).row["dropped"]) == (145, 195)
    assert "incomplete: 145 rows of fills, payments and balances, and 195 others" in caplog.text


EARLIER = {
    5: [
        "ALTER TABLE fills DROP COLUMN own",
        *(
            f"ALTER TABLE balances DROP COLUMN {name}"
            for name in ("by_hand", "liquidation", "transfers", "unrealised")
        ),
    ],
    4: [f"ALTER TABLE {table} DROP COLUMN currency" for table in ("payments", "balances")],
    3: ["ALTER TABLE runs DROP COLUMN market"],
    2: [
        "ALTER TABLE runs DROP COLUMN thinned_ms",
        "ALTER TABLE orders DROP COLUMN level",
        "ALTER TABLE fills DROP COLUMN model",
        "DROP TABLE book",
        "DROP TABLE log",
        "DROP TABLE requests",
        "DROP TABLE decisions",
    ],
    1: ["ALTER TABLE runs DROP COLUMN pid"],
}
"""What makes a journal one of an earlier version, newest first."""


def lowered(journal: Journal, version: int) -> None:
    """Make a journal one of an earlier version."""
    with closing(sqlite3.connect(journal.path)) as db, db:
        for below, statements in EARLIER.items():
            for statement in statements if below >= version else ():
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", [*schema.UPGRADES])
def test_a_journal_of_an_earlier_version_is_read_and_upgraded_in_place(
    directory: Path, version: int
) -> None:
    journal = begun(directory, has_thread=False)
    pay(journal, 1)
    journal.put("orders", plain_row, 1, "a", "1", "open", "Buy", "1", "2", "0", 0, 1)
    journal.end("", proven=True, ended_ms=5)
    lowered(journal, version)
    (run,) = runs_in(journal.path)
    assert (run.row["ended_ms"], len(run.rows("payments"))) == (5, 1)
    level = 1 if version > 2 else None
    assert (run.rows("requests"), run.rows("orders")[0]["level"]) == ([], level)
    assert "not known" in report.in_text(report.report_of(run))
    second = begun(directory, has_thread=False)
    second.put("orders", plain_row, 1, "a", "1", "open", "Buy", "1", "2", "0", 0, 1)
    second.put("requests", plain_row, 1, "GET", "/x", 1, 1.0, 9, "done")
    second.end("", proven=True, ended_ms=6)
    earlier, later = runs_in(journal.path)
    assert (earlier.row["ended_ms"], earlier.row["thinned_ms"]) == (5, 0)
    assert (earlier.row["pid"], later.row["pid"]) == (4711 if version > 1 else 0, 4711)
    assert len(earlier.rows("payments")) == 1
    assert [row["level"] for run in (earlier, later) for row in run.rows("orders")] == [level, 1]
    assert len(later.rows("requests")) == 1


def test_the_versions_that_are_upgraded_are_all_before_this_one() -> None:
    assert sorted(EARLIER) == sorted(schema.UPGRADES) == [*range(1, schema.VERSION)]


# --- what is written once and whole ---------------------------------------------------------------


def test_a_run_whose_first_write_is_taken_back_is_entered_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [sqlite3.OperationalError("database or disk is full")]

    def work(*_: Any) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(thinning.Thinning, "work", work)
    clock = Standing(0)
    journal = begun(directory, has_thread=False, clock=clock)
    assert journal.number is None
    pay(journal, 1)
    clock.seconds += 2
    journal.end("", proven=True, ended_ms=5)
    run = only_run(journal)
    assert (run.number, run.row["ended_ms"], len(run.rows("payments"))) == (1, 5, 1)


def test_what_is_written_is_not_written_again_whatever_fails_after_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LOG_MB", 0)
    journal = begun(directory, has_thread=False)
    real, journal.path = journal.path, directory / "gone"  # so that its log cannot be looked at
    pay(journal, 1)
    assert journal.write()
    assert journal.write()
    journal.path = real
    journal.end("", proven=True, ended_ms=5)
    assert len(only_run(journal).rows("payments")) == 1


@pytest.mark.usefixtures("impatient")
def test_the_end_of_a_run_does_not_wait_for_the_next_attempt_after_a_failed_write(
    directory: Path,
) -> None:
    journal = begun(directory, has_thread=False, clock=Standing(0))
    unlock = lock(journal.path)
    pay(journal, 1)
    assert not journal.write()
    unlock()
    pay(journal, 2)
    assert not journal.write(), "not yet due"
    journal.end("over", proven=True, ended_ms=5)
    run = only_run(journal)
    assert run.row["ended_ms"] == 5
    assert [row["time_ms"] for row in run.rows("payments")] == [1, 2]


def test_a_file_that_was_moved_away_gets_a_new_one_with_the_run(directory: Path) -> None:
    begun(directory, has_thread=False).end("", proven=True, ended_ms=1)
    journal = begun(directory, has_thread=False)
    journal._close()
    journal.path.rename(directory / "moved")
    pay(journal, 7)
    journal.end("", proven=True, ended_ms=5)
    run = only_run(journal)
    assert (run.row["ended_ms"], [row["time_ms"] for row in run.rows("payments")]) == (5, [7])


def test_a_row_that_can_never_be_written_costs_that_row(directory: Path, caplog: Any) -> None:
    journal = begun(directory, has_thread=False)
    pay(journal, 1)
    journal.put("payments", plain_row, 2, "funding", "1", "\ud800")
    journal.put("payments", plain_row, 1 << 80, "funding", "1", "")
    pay(journal, 4)
    assert journal.write()
    journal.end("", proven=True, ended_ms=5)
    run = only_run(journal)
    assert [row["time_ms"] for row in run.rows("payments")] == [1, 4]
    assert run.row["lost"] == journal.lost == 2
    assert caplog.text.count("could not be written") == 2


def test_a_page_overwrites_no_journal(directory: Path) -> None:
    journal = begun(directory, has_thread=False)
    journal.end("", proven=True, ended_ms=5)
    before = journal.path.read_bytes()
    with pytest.raises(SettingsError, match="choose another name"):
        report.write_page(journal.path, "<html>")
    assert journal.path.read_bytes() == before


def test_a_run_whose_pid_another_process_has_got_does_not_run(directory: Path) -> None:
    journal = begun(directory, has_thread=False)
    run = only_run(journal)
    here = dict(run.row) | {"pid": os.getpid()}
    assert replace(run, row=here | {"begun_ms": SYSTEM.now_ms()}).is_running
    assert not replace(run, row=here | {"begun_ms": SYSTEM.now_ms() - DAY}).is_running
    journal.end("", proven=True, ended_ms=5)


# --- age and size ---------------------------------------------------------------------------------

DAY = 86_400_000


def test_rows_that_are_too_old_go_but_for_money(directory: Path) -> None:
    clock = Standing(100 * DAY)
    journal = Journal("it", directory=directory, clock=clock, has_thread=False)
    journal.begin(BEGINNING, Keep(days=10))
    for day in range(80, 100):
        look(journal, day * DAY)
        pay(journal, day * DAY)
    journal.write()
    for _ in range(5):
        clock.seconds += thinning.LOOK_EVERY
        journal.write()
    run = only_run(journal)
    assert [row["time_ms"] // DAY for row in run.rows("prices")] == [*range(90, 100)]
    assert len(run.rows("payments")) == 20
    assert run.row["thinned_ms"] == 90 * DAY
    assert (
        "THINNED    drawdown, quoting, states, requests and levels are those since 1970-04-01"
        in (report.in_text(report.report_of(run)))
    )


def test_the_oldest_rows_go_while_a_journal_is_too_large(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinning, "AT_ONCE", 500)
    clock = Standing(100 * DAY)
    journal = Journal("it", directory=directory, clock=clock, has_thread=False)
    journal.begin(BEGINNING, Keep(mb=0.2))
    for minute in range(4_000):
        look(journal, 95 * DAY + minute * 60_000)
    for _ in range(400):
        clock.seconds += 1
        journal.write()
    assert journal._db
    assert thinning.used_bytes(journal._db) <= 0.2 * thinning.MB
    times = [row["time_ms"] for row in only_run(journal).rows("prices")]
    assert 1_000 < len(times) < 4_000
    assert times[-1] == 95 * DAY + 3_999 * 60_000
    assert times == [*range(times[0], times[-1] + 1, 60_000)]


def test_a_journal_of_less_than_an_hour_loses_no_row_however_large_it_is(directory: Path) -> None:
    clock = Standing(100 * DAY)
    journal = Journal("it", directory=directory, clock=clock, has_thread=False)
    journal.begin(BEGINNING, Keep(mb=0.001))
    for minutes_ago in (59, 30, 0):
        look(journal, 100 * DAY - minutes_ago * 60_000)
    journal.write()
    for _ in range(5):
        clock.seconds += thinning.LOOK_EVERY
        journal.write()
    assert journal._db
    assert thinning.used_bytes(journal._db) > 0.001 * thinning.MB
    assert len(only_run(journal).rows("prices")) == 3


def test_nothing_goes_where_nothing_says_so(directory: Path) -> None:
    clock = Standing(10_000 * DAY)
    journal = Journal("it", directory=directory, clock=clock, has_thread=False)
    journal.begin(BEGINNING, Keep())
    look(journal, 1)
    for _ in range(3):
        clock.seconds += thinning.LOOK_EVERY
        journal.write()
    assert len(only_run(journal).rows("prices")) == 1


class Standing(Clock):
    """A clock that stands still, at a time since the epoch."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.seconds = 0.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self.seconds


# --- other programs -------------------------------------------------------------------------------

READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("BEGIN")
db.execute("SELECT * FROM prices").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


def test_a_reader_that_stops_in_mid_read_is_named_and_costs_no_money(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(writing, "LOG_MB", 0.2)
    monkeypatch.setattr(opening, "LOCKED_SECONDS", 0.01)
    journal = begun(directory, has_thread=False)
    look(journal, 0)
    journal.write()
    command = [sys.executable, "-c", READER, str(journal.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "reading\n"
        assert any(f"process {reader.pid} " in each for each in others_with(journal.path))
        for number in range(10_000):
            look(journal, number)
            if number % 500 == 0:
                journal.write()
                pay(journal, number)
        journal.write()
        assert f"process {reader.pid} (python" in caplog.text
        assert journal.dropped > 1_000
        reader.communicate()
    journal.write()
    assert "is written again" in caplog.text
    look(journal, 10_001)
    journal.end("", proven=True, ended_ms=20_000)
    run = only_run(journal)
    assert len(run.rows("payments")) == 20
    assert run.rows("prices")[-1]["time_ms"] == 10_001
    assert run.row["dropped"] == journal.dropped


@pytest.mark.parametrize(
    ("directory", "kind"),
    [("/home/me/x", "nfs4"), ("/home", ""), ("/home/mew", ""), ("/a b/c", "cifs"), ("/srv", "")],
)
def test_a_network_file_system_is_known_by_the_mount_that_holds_it(
    directory: str, kind: str
) -> None:
    mounts = "/dev/sda1 / ext4 rw 0 0\nsrv:/x /home/me nfs4 rw 0 0\n//w/x /a\\040b cifs rw 0 0\n"
    assert remote_file_system(Path(directory), mounts + "garbage\n") == kind


def test_a_journal_that_belongs_to_nobody_else_is_never_followed_elsewhere(
    directory: Path, tmp_path: Path, caplog: Any
) -> None:
    directory.mkdir(0o700)
    target = tmp_path / "target"
    target.write_text("")
    (directory / "it.journal").symlink_to(target)
    journal = begun(directory, has_thread=False)
    journal.end("", proven=True, ended_ms=0)
    assert target.read_text() == ""
    assert "cannot be written" in caplog.text


KILLED = """
import sys, time
from pathlib import Path
from tests.unit.test_journal import begun, pay
journal = begun(Path(sys.argv[1]))
for number in range(10**9):
    pay(journal, number)
    print(number, flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("after", [1.3, 1.6])
def test_a_kill_leaves_a_file_that_opens_and_is_complete_up_to_the_last_second(
    directory: Path, after: float
) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(directory)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    at: dict[int, float] = {}
    reader = threading.Thread(
        target=lambda: at.update((int(line), time.monotonic()) for line in process.stdout or ())
    )
    reader.start()
    wait_until(lambda: at)
    time.sleep(after)
    killed_at = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.wait()
    reader.join()
    (run,) = runs_in(directory / "it.journal")
    rows = [row["time_ms"] for row in run.rows("payments")]
    assert rows
    assert rows == list(range(len(rows)))
    assert run.row["ended_ms"] is None
    assert all(number in rows for number, told_at in at.items() if told_at < killed_at - 1.0)
    begun(directory).end("", proven=True, ended_ms=0)
    assert [run.number for run in runs_in(directory / "it.journal")] == [1, 2]


def test_no_key_is_in_its_name() -> None:
    account = Account(
        base_url="https://api.example.org",
        symbol="BTC_USD",
        settle_currency="BTC",
        api_key=Secret("canary-key"),
        api_secret=Secret("canary-secret"),
    )
    name = name_of(account, is_dry=False)
    assert name.endswith("-pc-BTC")
    assert "canary" not in name
    assert name_of(account, is_dry=True) == "dry-pc-BTC"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs SET settings = '{' WHERE number = 2",
        """UPDATE runs SET settings = '{"MAX_POSITION": null}' WHERE number = 2""",
        "UPDATE runs SET pid = 9000000000 WHERE number = 2",
        "UPDATE runs SET pid = 'abc' WHERE number = 2",
        "UPDATE runs SET begun_ms = 9000000000000000000 WHERE number = 2",
        "UPDATE runs SET symbol = CAST(x'ff' AS TEXT) WHERE number = 2",
        "UPDATE ticks SET time_ms = 'x'",
        "UPDATE ticks SET short = NULL",
        "UPDATE ticks SET mark = 'much'",
        "UPDATE runs SET begun_ms = 'x'",
    ],
)
def test_a_journal_that_somebody_has_written_into_hides_no_other(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, change: str
) -> None:
    monkeypatch.setattr(report, "default_directory", lambda: directory)
    here = replace(BEGINNING, pid=os.getpid(), begun_ms=SYSTEM.now_ms())
    parent = replace(here, pid=os.getppid())
    tick = (here.begun_ms, "ACTIVE", "", "1", "2", "0", "0", "10", "8000", "0")
    journals = []
    for name, beginning in (("good", here), ("bad", parent)):
        journals.append(Journal(name, directory=directory, has_thread=False))
        journals[-1].begin(beginning)
        journals[-1].put("ticks", plain_row, *tick)
    with closing(sqlite3.connect(journals[1].path)) as db, db:
        db.execute(change)
    wanted = argparse.Namespace(json=False, all=True, since=None, run="2", csv="", html=None)
    assert report.show_status(wanted).startswith("Run 1: paper, BTC_USD (BTC)")
    assert re.search(
        r"^    1  \d{4}-\d\d-\d\d .* not yet: it runs$", report.list_runs(wanted), re.M
    )
    with suppress(SettingsError):
        report.show_report(wanted)


def test_runs_are_added_up_by_kind_and_market_and_the_parts_stay_a_whole(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "default_directory", lambda: directory)
    day_ms = 86_400_000
    for number, symbol in enumerate(("BTC_USD", "BTC_USD", "BTC_USD", "ETH_USD")):
        journal = Journal("it", directory=directory, has_thread=False)
        journal.begin(replace(BEGINNING, symbol=symbol, begun_ms=number * day_ms))
        begun_ms = number * day_ms
        opening = (begun_ms, "1", "0", "0", "0", "0", "8000", "10")
        journal.put("opening", plain_row, *opening)
        fill = (begun_ms + 1, 1, "oid", "1", "Buy", 0, "10", "8000", "0.0001", "BTC", 1)
        journal.put("fills", plain_row, *fill, "7999", "8003", "", "0")
        journal.put("prices", plain_row, begun_ms + 2, 2, "7999", "8003", "8100")
        journal.end("over", proven=True, ended_ms=begun_ms + 1000)
    since = datetime.fromtimestamp(1, UTC)
    wanted = argparse.Namespace(since=since, json=True, run="last", html=None, csv=None)
    btc, eth = json.loads(report.show_report(wanted))
    assert (btc["symbol"], btc["runs"], btc["fills"], btc["begun_ms"]) == ("BTC_USD", 2, 2, day_ms)
    assert (eth["symbol"], eth["runs"], eth["fills"]) == ("ETH_USD", 1, 1)
    one, two = Decimal(eth["profit"]["total"]), Decimal(btc["profit"]["total"])
    assert two == 2 * one == 2 * (10 * (1 / Decimal(8000) - 1 / Decimal(8100)) - Decimal("0.0001"))
    parts = ("spread", "inventory", "fees", "funding")
    assert sum(Decimal(btc["profit"][part]) for part in parts) == two
    wanted.json = False
    text = report.show_report(wanted)
    assert text.startswith("paper, BTC_USD (BTC): 2 runs since 1970-01-02 00:00:00 UTC, 2 s in all")
    wanted.since = datetime.fromtimestamp(9 * day_ms / 1000, UTC)
    with pytest.raises(SettingsError, match="no run has begun since"):
        report.show_report(wanted)


def test_of_runs_added_up_those_that_lack_money_are_incomplete_and_not_those_that_lack_ticks(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "default_directory", lambda: directory)
    for lost, dropped in ((1, 0), (0, 1), (0, 1)):
        journal = Journal("it", directory=directory, has_thread=False)
        journal.begin(replace(BEGINNING, begun_ms=2_000))
        journal.lost, journal.dropped = lost, dropped
        journal.end("over", proven=True, ended_ms=3_000)
    since = datetime.fromtimestamp(1, UTC)
    wanted = argparse.Namespace(since=since, json=False, run="last", html=None, csv=None)
    assert "INCOMPLETE 1 of them lack fills or payments" in report.show_report(wanted)


def test_a_bot_whose_journal_tells_nothing_is_not_taken_for_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(report, "default_directory", lambda: directory)
    lock = InstanceLock(PrivateFiles(directory, "a-bot"))
    lock.take()
    (directory / "it.journal").write_bytes(b"garbage")
    with pytest.raises(SettingsError, match="no journal tells what the bot does"):
        report.show_status(argparse.Namespace(json=False))
    assert f"A bot runs, process {os.getpid()}, of which no journal tells" in caplog.text
    lock.release()
    with pytest.raises(SettingsError, match="no bot runs here"):
        report.show_status(argparse.Namespace(json=False))
