"""What a bot keeps on this machine: the lock, the halt, the count of starts, the orders left."""

import fcntl
import os
import resource
import shutil
import signal
import threading
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import account

from market_maker.clock import SYSTEM, Clock
from market_maker.errors import AlreadyRunning, NotNoted, SettingsError
from market_maker.guard import lock, runfiles
from market_maker.guard.lock import Holder
from market_maker.guard.runfiles import RunFiles
from market_maker.models import CreateEvent, OpenOrder, OrderRequest, OrderState, Side
from market_maker.orders.notes import Notes
from market_maker.simulation.timeline import Timeline

KEY = "the-key-of-the-account"


def files(*, clock: Clock = SYSTEM, **changed: str) -> RunFiles:
    given = {
        "base_url": "https://api.example.org",
        "api_key": KEY,
        "instrument_type": "pc",
        "settle_currency": "BTC",
        "symbol": "BTC_USD",
        "prefix": "mm_",
    }
    return RunFiles(account(**(given | changed)), clock=clock)


def request(client_oid: str) -> OrderRequest:
    return OrderRequest(
        side=Side.BUY, price=Decimal("8000.5"), qty=Decimal(7), client_oid=client_oid
    )


# --- names and the directory --------------------------------------------------------------------


def test_they_are_named_by_account_symbol_and_prefix_and_never_by_the_key() -> None:
    assert files().name.endswith("-BTC_USD-mm_")
    assert files(symbol="BTC/USDT").name.endswith("-BTC_USDT-mm_")
    others = (
        *({"base_url": "https://other.example.org"}, {"api_key": "another"}, {"prefix": "x_"}),
        *({"instrument_type": "bb"}, {"settle_currency": "ETH"}),
    )
    names = {files(**other).name for other in ({}, *others)}
    assert len(names) == 6
    assert not any(KEY in name for name in names)


def test_they_are_under_the_state_home_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert files().directory == tmp_path / "state" / "gte-marketmaker"
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files().directory == tmp_path / ".local/state/gte-marketmaker"


def test_nobody_else_can_enter_their_directory_or_read_them() -> None:
    mine = files()
    mine.lock.take()
    mine.halt("test")
    mine.note_run("abc123")
    mine.write_orders_left("test", ["Buy 1 @ 2"])
    assert mine.directory.stat().st_mode & 0o777 == 0o700
    found = list(mine.directory.iterdir())
    assert len(found) == 4
    assert {file.stat().st_mode & 0o777 for file in found} == {0o600}
    assert not any(KEY in file.name + file.read_text() for file in found)


def test_a_directory_that_others_could_change_is_refused(tmp_path: Path) -> None:
    directory = files().directory
    directory.chmod(0o777)
    with pytest.raises(SettingsError, match="nobody else"):
        files()
    directory.chmod(0o755)
    files()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    files()
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(SettingsError, match="belong to you"):
        files()


def test_no_symbolic_link_is_followed(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    mine = files()
    for suffix in (".lock", ".json", ".halt.new", ".json.new"):
        (mine.directory / (mine.name + suffix)).symlink_to(victim)
    mine.lock.take()
    mine.note_run("abc123")
    assert mine.halt("test")
    assert victim.read_text() == "mine"
    assert "No lock" in log.text
    directory = mine.directory
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="take it away"):
        files()


def test_without_a_directory_all_goes_on_and_is_said(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    mine = files()
    mine.lock.take()
    assert not mine.halt("test")
    assert mine.halted() == ""
    assert mine.note_start() == ""
    mine.note_run("abc123")
    mine.write_orders_left("test", [])
    mine.clear_orders_left()
    mine.clear_halt()
    mine.note_clean_end()
    assert mine.runs() == ()
    assert mine.orders_left() is None
    assert mine.lock.holder() is None
    mine.lock.release()
    mine.discard()
    mine.close()
    assert "No run files" in log.text
    assert "No lock against a second instance" in log.text
    assert "cannot be written" in log.text


# --- the lock -----------------------------------------------------------------------------------


def test_a_second_instance_is_told_which_process_runs() -> None:
    first, second = files(), files()
    first.lock.take()
    assert second.lock.holder() == Holder(os.getpid())
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} holds"):
        second.lock.take()
    files(prefix="x_").lock.take()
    first.lock.release()
    assert second.lock.holder() is None
    second.lock.take()


def test_an_unlocked_lock_is_free_though_a_child_has_it_open() -> None:
    first, second = files(), files()
    first.lock.take()
    inherited = os.dup(first.lock.fd)
    first.lock.release()
    second.lock.take()
    os.close(inherited)


def test_the_lock_of_a_dead_process_is_held_on_by_the_one_that_has_inherited_it() -> None:
    first = files()
    first.lock.take()
    fd = os.dup(first.lock.fd)  # as a guard has it open
    os.set_inheritable(fd, True)
    guard = files()
    guard.lock.inherit(fd)
    assert not os.get_inheritable(fd)
    first.close()
    with pytest.raises(AlreadyRunning):
        files().lock.take()
    guard.lock.release()
    files().lock.take()


def test_a_start_waits_for_the_guard_of_a_dead_run(log: pytest.LogCaptureFixture) -> None:
    guard, bot = files(), files()
    guard.lock.take()
    guard.lock.sign(is_guard=True)
    assert bot.lock.holder() == Holder(os.getpid(), is_guard=True)
    timer = threading.Timer(0.3, guard.lock.release)
    timer.start()
    bot.lock.take()
    timer.join()
    assert "Waiting for the guard" in log.text
    assert files().lock.holder() == Holder(os.getpid())


def test_a_guard_that_does_not_finish_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "GUARD_SECONDS", 0.2)
    guard = files()
    guard.lock.take()
    guard.lock.sign(is_guard=True)
    with pytest.raises(AlreadyRunning, match=rf"guard .* process {os.getpid()} holds"):
        files().lock.take()


def test_a_lock_file_that_holds_nonsense_locks_all_the_same() -> None:
    first = files()
    first.lock.take()
    os.pwrite(first.lock.fd, b"\xff nonsense", 0)
    with pytest.raises(AlreadyRunning, match="not named"):
        files().lock.take()
    assert files().lock.holder() == Holder(0)


def test_a_start_is_not_refused_as_somebody_looks_who_holds_the_lock() -> None:
    mine = files()
    fd = os.open(mine.directory / f"{mine.name}.lock", os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    threading.Timer(0.2, lambda: os.close(fd)).start()
    mine.lock.take()
    assert files().lock.holder() == Holder(os.getpid())


def test_a_stale_lock_file_locks_nothing() -> None:
    first = files()
    first.lock.take()
    fcntl.flock(first.lock.fd, fcntl.LOCK_UN)  # as the kernel does when a process dies
    assert files().lock.holder() is None
    files().lock.take()


# --- the halt -----------------------------------------------------------------------------------


def test_a_halt_stays_until_it_is_cleared_and_says_why_and_when() -> None:
    assert files().halted() == ""
    assert files().halt("kill switch")
    assert files().halt("another reason")
    assert files().halted().startswith("kill switch (20")
    files().clear_halt()
    assert files().halted() == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "no reason"), ("by hand\n\x1b[2J", "by hand"), ("x" * 9999, "x" * 300)],
)
def test_a_halt_file_made_by_hand_halts_whatever_it_holds(text: str, reason: str) -> None:
    mine = files()
    (mine.directory / f"{mine.name}.halt").write_text(text)
    assert reason in mine.halted()
    assert mine.halted().isprintable()
    assert len(mine.halted()) <= 300


def test_a_halt_file_that_cannot_be_read_halts() -> None:
    mine = files()
    (mine.directory / f"{mine.name}.halt").symlink_to("nowhere")
    assert "cannot be read" in mine.halted()


# --- starts, runs, orders left ------------------------------------------------------------------


def test_too_many_starts_without_a_clean_end_are_a_crash_loop() -> None:
    time = Timeline()
    assert [files(clock=time).note_start() for _ in range(5)] == [""] * 5
    assert "6 starts in 10 min" in files(clock=time).note_start()
    files(clock=time).clear_halt()
    assert files(clock=time).note_start() == ""
    time.sleep(11 * 60)
    assert [files(clock=time).note_start() for _ in range(5)] == [""] * 5


def test_a_clean_end_is_no_crash() -> None:
    for _ in range(20):
        assert files().note_start() == ""
        files().note_clean_end()


def test_a_clean_end_takes_its_own_start_from_the_count_and_no_earlier_one() -> None:
    """Of four crashes and a run that ended cleanly, nothing counts once the crashes are too old."""
    time = Timeline()
    for _ in range(4):
        files(clock=time).note_start()
    time.sleep(9 * 60)
    files(clock=time).note_start()
    files(clock=time).note_clean_end()
    time.sleep(2 * 60)
    assert [files(clock=time).note_start() for _ in range(5)] == [""] * 5


def test_the_latest_runs_of_this_machine_are_known() -> None:
    for number in range(120):
        files().note_run(f"{number:06}")
    files().note_run("000050")
    assert len(files().runs()) == 100
    assert files().runs()[-2:] == ("000119", "000050")
    assert "000019" not in files().runs()


def test_orders_that_may_be_left_are_listed_until_it_is_known_better() -> None:
    assert files().orders_left() is None
    files().write_orders_left("no answer", ["Buy 1 @ 2", "Sell 3 @ 4"])
    assert files().orders_left() == ("Buy 1 @ 2", "Sell 3 @ 4")
    files().clear_orders_left()
    files().clear_orders_left()
    assert files().orders_left() is None


def test_an_order_may_be_late_from_the_first_that_a_run_may_send_until_all_is_proven() -> None:
    assert files().may_be_late() is None
    files().note_start()
    files().clear_halt()
    assert files().may_be_late() is False
    files().note_run("abc123")
    files().clear_orders_left()
    assert files().may_be_late()
    files().note_proven_clean()
    assert files().may_be_late() is False


def test_notes_of_creates_are_kept_until_all_is_proven_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runfiles, "KEPT_NOTES", 3)
    mine = files()
    assert mine.notes() == Notes()
    for number in range(4):
        mine.note_create(CreateEvent.LEAVING, request(f"mm_{number}"), "1")
        mine.note_create(CreateEvent.CREATED, request(f"mm_{number}"), str(number))
    mine.keep_notes([])
    assert mine.notes() == Notes()
    mine.note_create(CreateEvent.LEAVING, request("mm_17"), "1")
    mine.note_create(CreateEvent.CREATED, request("mm_17"), "17")
    mine.keep_notes([])
    assert files().notes().ids == {"17"}, "few are not worth a new file"
    mine.note_proven_clean()
    assert files().notes() == Notes()


def test_no_note_goes_while_the_outcome_of_a_create_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runfiles, "KEPT_NOTES", 3)
    mine, sent = files(), request("mm_3")
    unknown = OpenOrder(
        side=sent.side,
        price=sent.price,
        qty=sent.qty,
        client_oid="mm_3",
        state=OrderState.UNKNOWN,
    )
    for number in range(4):
        mine.note_create(CreateEvent.LEAVING, request(f"mm_{number}"), "1")
    mine.keep_notes([unknown])
    assert "mm_3" in {create.client_oid for create in mine.notes().open_creates}
    mine.note_create(CreateEvent.CREATED, request("mm_3"), "3")
    mine.keep_notes([replace(unknown, order_id="3", state=OrderState.OPEN)])
    assert mine.notes() == Notes(ids=frozenset({"3"}))


def test_a_create_is_open_until_its_answer_is_noted() -> None:
    mine = files()
    for oid in ("mm_1", "mm_2", "mm_3"):
        mine.note_create(CreateEvent.LEAVING, request(oid), "5")
    mine.note_create(CreateEvent.CREATED, request("mm_1"), "1")
    mine.note_create(CreateEvent.REFUSED, request("mm_2"), "")
    (left,) = files().notes().open_creates
    assert (left.client_oid, left.side, left.price, left.qty, left.ctime) == (
        *("mm_3", Side.BUY, Decimal("8000.5"), Decimal(7), 5),
    )


def blocked(mine: RunFiles) -> Path:
    """Let nobody read or write the notes, root neither; return what stands in the way."""
    notes = mine.directory / f"{mine.name}.notes"
    notes.mkdir()
    return notes


@pytest.mark.parametrize(
    ("kind", "is_nameless", "leaves"),
    [("pc", False, True), ("pc", True, False), ("bb", False, False)],
)
def test_a_create_that_cannot_be_noted_leaves_only_where_rows_show_whose_it_is(
    kind: str, is_nameless: bool, leaves: bool, log: pytest.LogCaptureFixture
) -> None:
    mine = files(instrument_type=kind)
    mine.must_note |= is_nameless
    assert mine.check_notes() == ""
    (mine.directory / f"{mine.name}.notes").unlink()
    notes = blocked(mine)
    with nullcontext() if leaves else pytest.raises(NotNoted, match=r"cannot be noted: .*notes"):
        mine.note_create(CreateEvent.LEAVING, request("mm_1"), "1")
    mine.note_create(CreateEvent.CREATED, request("mm_2"), "2")
    assert "Creates cannot be noted: " in log.text
    assert "notes cannot be written: Is a directory" in log.text
    assert bool(mine.check_notes()) is not leaves
    notes.rmdir()
    assert mine.check_notes() == ""
    mine.note_create(CreateEvent.LEAVING, request("mm_1"), "1")


def test_that_notes_cannot_be_written_is_known_before_the_first_create(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    assert "cannot be written" in files(instrument_type="bb").check_notes()


@pytest.mark.parametrize("how", ["a directory", "no directory", "no place for one"])
@pytest.mark.parametrize("kind", ["pc", "bb"])
def test_notes_that_cannot_be_read_are_not_taken_for_none(
    kind: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On contracts a row tells whose its order is, until one has not."""
    if how == "no place for one":
        monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    mine = files(instrument_type=kind)
    assert mine.notes().is_whole or how == "no place for one", "nothing was noted"
    if how == "a directory":
        blocked(mine)
    elif how == "no directory":
        shutil.rmtree(mine.directory)
    assert mine.notes().is_whole is (kind == "pc")
    mine.note_nameless()
    assert not mine.notes().is_whole


def test_that_rows_show_no_client_oid_is_known_to_the_next_run() -> None:
    files().note_nameless()
    assert files().must_note


@pytest.mark.parametrize("left", [8, 20, 32])
def test_a_note_that_a_full_disk_has_torn_spoils_no_other_and_is_none(
    left: int, log: pytest.LogCaptureFixture
) -> None:
    mine = files()
    mine.note_create(CreateEvent.LEAVING, request("mm_1"), "1")
    mine.note_create(CreateEvent.CREATED, request("mm_0"), "132392392643870720")
    notes = mine.directory / f"{mine.name}.notes"
    before, soft = resource.getrlimit(resource.RLIMIT_FSIZE), notes.stat().st_size + left
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, before[1]))
    try:
        mine.note_create(CreateEvent.CREATED, request("mm_1"), "132392392643870721")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written" in log.text
    mine.note_create(CreateEvent.CREATED, request("mm_2"), "132392392643870722")
    found = mine.notes()
    assert found.ids == {"132392392643870720", "132392392643870722"}
    assert [order.client_oid for order in found.open_creates] == ["mm_1"]


def test_runs_are_not_known_by_a_record_that_cannot_be_read() -> None:
    mine = files()
    assert mine.known_runs() == frozenset()
    mine.note_run("abc123")
    assert mine.known_runs() == {"abc123"}
    (mine.directory / f"{mine.name}.json").write_text("")
    assert mine.known_runs() is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"runs": 7, "starts": ["x", null, true], "sends": 1}', "[" * 100_000],
)
def test_a_file_that_holds_nonsense_counts_as_empty(text: str) -> None:
    mine = files()
    (mine.directory / f"{mine.name}.json").write_text(text)
    assert mine.runs() == ()
    assert mine.may_be_late(), "it vouches for nothing"
    assert mine.note_start() == ""
    mine.note_run("abc123")
    assert mine.runs() == ("abc123",)


@pytest.mark.parametrize("suffix", [".json", ".orders_left.json", ".halt", ".lock"])
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(
    suffix: str, log: pytest.LogCaptureFixture
) -> None:
    mine = files()
    os.mkfifo(mine.directory / f"{mine.name}{suffix}")
    mine.lock.take()
    mine.note_run("abc123")
    assert mine.orders_left() in (None, ())
    assert ("cannot be read" in mine.halted()) == (suffix == ".halt")
    assert suffix == ".halt" or "it is not a regular file" in log.text


def test_a_halt_that_cannot_be_taken_away_is_an_error_that_says_how() -> None:
    mine = files()
    (mine.directory / f"{mine.name}.halt").mkdir()
    with pytest.raises(SettingsError, match=r"take .*\.halt away yourself"):
        mine.clear_halt()


def test_a_file_is_written_whole_or_not_at_all() -> None:
    mine = files()
    mine.note_run("abc123")
    (mine.directory / f"{mine.name}.json.new").mkdir()
    mine.note_run("def456")
    assert mine.runs() == ("abc123",)


def test_all_of_them_can_be_thrown_away() -> None:
    mine = files()
    mine.lock.take()
    mine.halt("test")
    mine.note_run("abc123")
    mine.write_orders_left("test", [])
    mine.shared().found("host", "127.0.0.1")
    mine.discard()
    assert list(mine.directory.iterdir()) == []
