"""The guard: what it does when its bot is well, hung, dead or gone, on the real paper exchange."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bot import ended, is_guard
from conftest import account_of, client_of, wait_until
from listener import Listener, silent
from raw_server import RawServer

from market_maker.account import Account
from market_maker.gte import GTE
from market_maker.guard import guard as guarding
from market_maker.guard import watch as watching
from market_maker.guard.guard import BEAT, GOODBYE, Guard, revealed
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.watch import stand_by
from market_maker.paper.server.in_process import PaperExchange


class Watched:
    """The bot's end of a pipe, with a guard at the other end, in a thread of this process."""

    def __init__(self, account: Account, notify_url: str = "") -> None:
        theirs, self._pipe = os.pipe()
        self.files = RunFiles(account)
        self.files.lock.take()
        charge = {
            "account": revealed(account),
            "directory": str(self.files.directory),
            "lock": self.files.lock.fd,
            "notify_url": notify_url,
        }
        self.say(json.dumps(charge).encode() + b"\n")
        self.thread = threading.Thread(target=stand_by, args=(os.fdopen(theirs, "rb"),))
        self.thread.start()

    def say(self, word: bytes) -> None:
        os.write(self._pipe, word)

    def die(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1


Watch = Callable[..., Watched]


@pytest.fixture
def watch(venue: PaperExchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Let a guard watch us, with less patience than in life."""
    monkeypatch.setattr(watching, "HANG_SECONDS", 0.5)
    monkeypatch.setattr("market_maker.orders.sweep.LATE_SECONDS", 1.0)
    monkeypatch.setattr(watching, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(watching, "ROUND_SECONDS", 0.3)
    monkeypatch.setattr(watching, "GIVE_UP_SECONDS", 20.0)
    started: list[Watched] = []

    def start(notify_url: str = "", **changed: str) -> Watched:
        started.append(Watched(account_of(venue, timeout=1.0, **changed), notify_url))
        return started[-1]

    yield start
    monkeypatch.setattr(watching, "GIVE_UP_SECONDS", 0.0)
    for watched in started:
        watched.die()
        watched.thread.join(timeout=20)
        assert not watched.thread.is_alive()


# --- standing by, and acting --------------------------------------------------------------------


def test_it_sends_nothing_while_the_bot_beats_and_when_it_says_goodbye(
    watch: Watch, venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture
) -> None:
    gte.buy(10, 8000)
    before = venue.judge().requests.total()
    watched = watch()
    beat = threading.Event()
    for _ in range(10):
        watched.say(BEAT)
        beat.wait(0.1)
    watched.say(GOODBYE)
    watched.thread.join(timeout=5)
    assert not watched.thread.is_alive()
    assert venue.judge().requests.total() == before
    assert len(venue.open_orders()) == 1
    assert "guard:" not in log.text


def test_when_the_bot_dies_its_orders_go_and_those_of_others_stay(
    watch: Watch, venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture
) -> None:
    stranger = client_of(venue, prefix="manual_")
    stranger.buy(10, 7000)
    stranger.exit()
    for number in range(12):
        gte.buy(10, 8000 + number)
    watched = watch()
    watched.say(BEAT)
    watched.die()
    wait_until(lambda: len(venue.open_orders()) == 1, 5)
    watched.thread.join(timeout=5)
    assert [order.client_oid[:7] for order in venue.open_orders()] == ["manual_"]
    assert "guard: the bot has died" in log.text
    assert "guard: clean" in log.text


def test_a_person_is_told_once_the_orders_are_cancelled(
    watch: Watch, venue: PaperExchange, gte: GTE, listener: Listener
) -> None:
    gte.buy(10, 8000)
    watched = watch(notify_url=f"http://{listener.at}/hook")
    watched.say(BEAT)
    watched.die()
    wait_until(lambda: listener.bodies)
    assert venue.open_orders() == []
    watched.thread.join(timeout=5)
    assert not watched.thread.is_alive()
    (told,) = map(json.loads, listener.bodies)
    assert (told["kind"], told["prefix"], told["run"]) == ("bot died", "mm_test_", "PAPER")
    assert "The bot has died. Its guard has cancelled 1 orders, and none is left." in told["text"]


def test_a_person_is_told_of_orders_that_may_be_left_and_then_that_none_is(
    watch: Watch, venue: PaperExchange, gte: GTE, listener: Listener
) -> None:
    gte.buy(10, 8000)
    venue.fault("status", match="pc/order/cancel", value="503")
    watched = watch(notify_url=f"http://{listener.at}/hook")
    watched.die()
    wait_until(lambda: listener.bodies)
    venue.clear_faults()
    wait_until(lambda: len(listener.bodies) == 2)
    kinds = [json.loads(body)["kind"] for body in listener.bodies]
    assert kinds == ["orders may be left", "bot died"]


def test_a_slow_address_keeps_no_order_resting_and_no_lock_held(
    watch: Watch, venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture
) -> None:
    with RawServer(silent) as server:
        gte.buy(10, 8000)
        watched = watch(notify_url=f"http://127.0.0.1:{server.port}/hook")
        watched.say(BEAT)
        watched.die()
        wait_until(lambda: "guard: clean" in log.text)
        wait_until(lambda: RunFiles(gte.account).lock.holder() is None)
        assert venue.open_orders() == []


def test_a_bot_that_dies_before_its_first_beat_is_guarded_too(
    watch: Watch, venue: PaperExchange, gte: GTE
) -> None:
    gte.buy(10, 8000)
    watch().die()
    wait_until(lambda: not venue.open_orders(), 5)


def test_an_order_that_arrives_after_the_death_goes_too(
    watch: Watch, venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture
) -> None:
    watched = watch()
    watched.die()
    wait_until(lambda: "waiting until none can arrive late" in log.text, 5)
    gte.buy(10, 8000)
    watched.thread.join(timeout=10)
    assert venue.open_orders() == []
    assert "guard: clean" in log.text


def test_the_lock_names_the_guard_of_a_dead_bot(
    watch: Watch, log: pytest.LogCaptureFixture
) -> None:
    watched = watch()
    watched.die()
    wait_until(lambda: "the bot has died" in log.text, 5)
    holder = watched.files.lock.holder()
    assert holder
    assert holder.is_guard


def test_it_acts_once_for_each_hang_and_stands_by_again_when_beats_are_back(
    watch: Watch, venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture
) -> None:
    watched = watch()
    gte.buy(10, 8000)
    for time in (1, 2):
        watched.say(BEAT)
        wait_until(lambda: not venue.open_orders(), 5)
        wait_until(lambda time=time: log.text.count("guard: clean") == time, 5)
        gte.buy(10, 8000)
        assert threading.Event().wait(1.0) is False  # two more hangs long
        assert len(venue.open_orders()) == 1
        assert log.text.count("guard: the bot is hung") == time
    watched.say(GOODBYE)
    watched.thread.join(timeout=5)
    assert len(venue.open_orders()) == 1


def test_beats_that_come_back_stop_the_cancelling(
    watch: Watch, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    watched = watch()
    watched.say(BEAT)
    wait_until(lambda: "waiting until none can arrive late" in log.text, 5)
    watched.say(BEAT)
    wait_until(lambda: "the bot is back" in log.text, 5)
    assert "guard: clean" not in log.text
    assert watched.files.orders_left() is None
    wait_until(lambda: log.text.count("the bot is hung") == 2, 5)


def test_a_bot_that_has_never_beaten_is_starting_and_not_hung(
    watch: Watch, log: pytest.LogCaptureFixture
) -> None:
    watch()
    assert threading.Event().wait(1.2) is False
    assert "hung" not in log.text


# --- where it cannot cancel ---------------------------------------------------------------------


def test_while_the_venue_is_away_it_keeps_trying_and_says_so_in_a_file(
    watch: Watch, venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture
) -> None:
    gte.buy(10, 8000)
    watched = watch()
    venue.stop()
    watched.die()
    wait_until(lambda: watched.files.orders_left() is not None, 5)
    venue.start()
    watched.thread.join(timeout=15)
    assert venue.open_orders() == []
    assert watched.files.orders_left() is None
    assert "guard: clean" in log.text


def test_what_it_cannot_cancel_in_time_is_listed(
    watch: Watch,
    venue: PaperExchange,
    gte: GTE,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    listener: Listener,
) -> None:
    monkeypatch.setattr(watching, "GIVE_UP_SECONDS", 1.0)
    order = gte.buy(10, 8000)
    for endpoint in ("pc/order/cancel", "pc/order/cancel_batch"):
        venue.fault("code", match=endpoint, value="-10002")
    watched = watch(notify_url=f"http://{listener.at}/hook")
    watched.die()
    watched.thread.join(timeout=15)
    assert watched.files.orders_left() == (order.full,)
    assert "giving up" in log.text
    told = [json.loads(body)["text"] for body in listener.bodies]
    assert len(told) == 2
    assert f"Its guard has given up. 1 orders may be left: {order.full}." in told[1]
    assert order.client_oid in log.text


def test_a_list_that_the_bot_has_left_is_kept_while_nothing_better_is_known(
    watch: Watch, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GIVE_UP_SECONDS", 0.5)
    watched = watch()
    watched.files.write_orders_left("no answer", ["Buy 10 @ 8000"])
    venue.stop()
    watched.die()
    watched.thread.join(timeout=15)
    assert watched.files.orders_left() == ("Buy 10 @ 8000",)


def test_a_key_that_is_refused_is_tried_to_the_end_and_never_shown(
    watch: Watch, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GIVE_UP_SECONDS", 0.5)
    watched = watch(api_secret="not-the-secret")
    watched.die()
    watched.thread.join(timeout=15)
    assert "check the secret" in log.text
    assert "not-the-secret" not in log.text
    assert "clean" not in log.text


@pytest.mark.parametrize("line", [b"", b'{"account"'])
def test_a_bot_that_died_before_it_could_say_whose_orders_leaves_nothing_to_do(
    line: bytes, tmp_path: Path
) -> None:
    (tmp_path / "pipe").write_bytes(line)
    with open(tmp_path / "pipe", "rb") as pipe:
        stand_by(pipe)


# --- as a process -------------------------------------------------------------------------------


@pytest.fixture
def guard(venue: PaperExchange) -> Iterator[Guard]:
    """A guard in a process of its own, with this process as its bot."""
    account = account_of(venue, timeout=1.0)
    found = Guard(account, directory=RunFiles(account).directory)
    yield found
    found.goodbye()


def test_goodbye_ends_it_at_once_and_without_a_word(
    guard: Guard, venue: PaperExchange, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = guard.pid
    assert guard.beat() == ""
    guard.goodbye()
    wait_until(lambda: ended(pid))  # a busy machine takes longer to load it than goodbye waits
    assert capfd.readouterr().err == ""
    assert venue.judge().requests.total() == 0


def test_it_is_started_by_absolute_path_in_a_clean_environment(
    venue: PaperExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (Path(sys.executable).name, "python", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch hijacked\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "requests.py").write_text("open('hijacked', 'w')")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("GTE_API_SECRET", venue.secret)
    monkeypatch.chdir(tmp_path)
    account = account_of(venue, timeout=1.0)
    guard = Guard(account, directory=RunFiles(account).directory)
    process = Path(f"/proc/{guard.pid}")
    wait_until(lambda: is_guard(guard.pid))
    command = process.joinpath("cmdline").read_bytes().decode().split("\0")
    environment = process.joinpath("environ").read_bytes().decode()
    assert command[0] == sys.executable
    assert command[0].startswith("/")
    for secret in (venue.key, venue.secret):
        assert secret not in " ".join(command)
        assert secret not in environment
    assert str(tmp_path) not in environment
    os.close(guard._child.fd)  # so that it has to do its work
    wait_until(lambda: any("order/query" in name for name in venue.judge().requests))
    os.kill(guard.pid, signal.SIGKILL)
    os.waitpid(guard.pid, 0)
    assert not (tmp_path / "hijacked").exists()


def test_it_listens_nowhere_and_holds_no_file_of_ours(guard: Guard, tmp_path: Path) -> None:
    with open(tmp_path / "ours", "w"):
        wait_until(lambda: is_guard(guard.pid))
        held = []
        for fd in Path(f"/proc/{guard.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed just now
                held.append(os.readlink(fd))
    assert str(tmp_path / "ours") not in held
    assert not any(name.startswith("socket:") for name in held)


def test_no_signal_but_sigkill_ends_it(guard: Guard, venue: PaperExchange, gte: GTE) -> None:
    gte.buy(10, 8000)
    pid = guard.pid
    wait_until(lambda: _ignores(pid, signal.SIGTERM))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        os.kill(pid, number)
    assert threading.Event().wait(0.2) is False
    assert is_guard(pid)
    assert os.getsid(pid) == pid


def test_one_that_dies_is_replaced_and_two_deaths_are_trouble(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(guarding, "DEATHS_SECONDS", 1.5)
    first = guard.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: guard.beat() == "" and guard.pid not in (0, first))
    second = guard.pid
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: "2 guards have died" in guard.beat())
    assert guard.pid == 0
    assert ended(first)
    assert ended(second)
    wait_until(lambda: guard.beat() == "")
    assert is_guard(guard.pid) or not ended(guard.pid)


def test_one_that_hears_nothing_is_replaced(
    venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(guarding, "START_SECONDS", 1.0)
    monkeypatch.setattr(guarding, "UNREAD_SECONDS", 1.0)
    account = account_of(venue, timeout=1.0)
    guard = Guard(account, directory=RunFiles(account).directory)
    deaf = guard.pid
    assert [guard.beat() for _ in range(100)] == [""] * 100
    assert guard.pid == deaf
    wait_until(lambda: _ignores(deaf, signal.SIGTERM))
    os.kill(deaf, signal.SIGSTOP)
    wait_until(lambda: guard.beat() == "" and guard.pid != deaf)
    assert ended(deaf)
    guard.goodbye()


def test_one_that_cannot_be_started_is_trouble_and_no_error(
    venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    guard = Guard(account_of(venue, timeout=1.0), directory=Path("/no/such/directory"))
    guard.beat()
    assert "2 guards have died" in guard.beat()
    guard.goodbye()


def _ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) & 1 << (number - 1))
