"""A bot that nobody watches: what it tells a service manager, and a person, in real processes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bot import ENVIRONMENT, ROOT, Bot, settings_for, watched_code
from conftest import wait_until
from listener import Listener, silent
from raw_server import RawServer

from market_maker.paper.server.in_process import PaperExchange
from tests.processes.test_container import INSIDE, needs_unshare

Start = Callable[..., Bot]
CANARY = "c4nary-token/of+this"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python marketmaker` in a directory of the test."""
    bots: list[Bot] = []

    def run(*arguments: str, **environment: str) -> Bot:
        bots.append(Bot(tmp_path, *arguments, **environment))
        return bots[-1]

    yield run
    for bot in bots:
        bot.kill()


class Manager:
    """The socket of a service manager, and what was sent there."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self.heard: list[str] = []

    def close(self) -> None:
        self._socket.close()

    def variables(self, watchdog_seconds: float = 1.0) -> dict[str, str]:
        usec = str(round(watchdog_seconds * 1e6))
        return {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": usec}

    def hear(self, seconds: float) -> str:
        """Return what comes next; empty when nothing comes in so many seconds."""
        self._socket.settimeout(seconds)
        try:
            self.heard.append(self._socket.recv(4096).decode())
        except (TimeoutError, BlockingIOError):
            return ""
        return self.heard[-1]

    def hear_until(self, word: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not self.hear(1).startswith(word):
            assert time.monotonic() < deadline, self.heard


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    is_file = getattr(request, "param", "file") == "file"
    made = Manager(str(tmp_path / "socket") if is_file else f"@gte-test-{os.getpid()}")
    yield made
    made.close()


# --- the service manager --------------------------------------------------------------------------


def kinds(heard: list[str]) -> list[str]:
    """Return the first line of each datagram, each of those that repeat once."""
    firsts = [each.split("\n")[0] for each in heard]
    return [first for place, first in enumerate(firsts) if firsts[place - 1 : place] != [first]]


def test_a_run_tells_that_it_is_up_and_alive_and_on_its_way_out(
    venue: PaperExchange, start: Start, manager: Manager, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = start("--loops", "4", **manager.variables())
    manager.hear_until("STOPPING=1")
    assert bot.end() == 0
    while manager.hear(0):
        pass
    told = kinds(manager.heard)
    begun = told.index("READY=1")
    assert told[begun : begun + 3] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]
    assert "READY=1\nSTATUS=ACTIVE: quoting" in manager.heard
    assert "STOPPING=1\nSTATUS=Stopping: requested number of loops done" in manager.heard


@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_neither_guard_nor_paper_exchange_gets_the_socket_or_the_address(
    start: Start, manager: Manager
) -> None:
    bot = start(
        "--paper",
        "--strategy",
        "market_maker.custom_strategy:CustomOrderManager",
        GTE_NOTIFY_URL="http://127.0.0.1:1/c4nary",
        **manager.variables(),
    )
    manager.hear_until("READY=1")
    children = Path(f"/proc/{bot.process.pid}/task/{bot.process.pid}/children").read_text()
    assert len(children.split()) == 2
    for child in children.split():
        for about in ("environ", "cmdline"):
            text = Path(f"/proc/{child}/{about}").read_bytes()
            assert not re.search(rb"NOTIFY_SOCKET|WATCHDOG|c4nary", text)
    assert bot.end(signal.SIGTERM) == 0
    manager.hear_until("STOPPING=1\nSTATUS=Stopping: SIGTERM", 1)


HANGS = """
import pathlib, time
from market_maker.market_maker import OrderManager

class Hangs(OrderManager):
    def place_orders(self):
        super().place_orders()
        if pathlib.Path("hang").exists():
            time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_a_loop_that_hangs_says_no_more_that_it_is_alive_and_the_guard_survives_what_follows(
    venue: PaperExchange, start: Start, manager: Manager, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    (tmp_path / "hangs.py").write_text(HANGS)
    bot = start("--strategy", "hangs:Hangs", **manager.variables(0.4))
    manager.hear_until("READY=1")
    wait_until(lambda: len(venue.open_orders()) == 6)
    (tmp_path / "hang").touch()
    deadline = time.monotonic() + 10
    while manager.hear(1.5):
        assert time.monotonic() < deadline
    (guard,) = bot.guards
    os.kill(guard, signal.SIGABRT)  # systemd sends it to every process of the service
    bot.process.send_signal(signal.SIGABRT)
    assert bot.process.wait(5) == -signal.SIGABRT
    wait_until(lambda: not venue.open_orders())
    bot.wait_for("guard: clean, 6 orders cancelled", 20)


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_a_restart_for_changed_code_is_no_stop(
    venue: PaperExchange, start: Start, manager: Manager, tmp_path: Path
) -> None:
    code = watched_code(venue, tmp_path)
    bot = start(**manager.variables())
    manager.hear_until("READY=1")
    code.write_text("A = 2\n")
    manager.hear_until("READY=1")
    assert not [each for each in manager.heard if each.startswith("STOPPING")]
    manager.hear_until("WATCHDOG=1")
    assert bot.end(signal.SIGTERM) == 0
    manager.hear_until("STOPPING=1")


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_a_halted_bot_is_up_and_shows_why_it_does_not_quote(
    venue: PaperExchange, start: Start, manager: Manager, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    assert start("cancel", "--halt").end() == 0
    bot = start(**manager.variables())
    manager.hear_until("READY=1\nSTATUS=HALTED: kill switch (")
    assert bot.end(signal.SIGTERM) == 0


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_a_manager_that_reads_nothing_holds_nothing_up(
    venue: PaperExchange, start: Start, manager: Manager, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, LOOP_INTERVAL=0.05)
    bot = start("--loops", "150", **manager.variables(0.001))
    assert bot.process.wait(40) == 0
    assert len(venue.open_orders()) == 0


@pytest.mark.slow
@needs_unshare
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_a_service_of_a_container_s_own_manager_speaks_for_itself(
    venue: PaperExchange, manager: Manager, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    program = f"{sys.executable} {ROOT / 'marketmaker'} --loops 4"
    as_service = f"WATCHDOG_PID=$$ SYSTEMD_EXEC_PID=$$ exec {program}"
    command = ["sh", "-c", "sh -c '" + as_service + "'; exit $?"]
    environment = ENVIRONMENT | {"XDG_STATE_HOME": str(tmp_path / "state")} | manager.variables()
    inside = subprocess.Popen([*INSIDE, *command], cwd=tmp_path, env=environment)
    try:
        manager.hear_until("STOPPING=1")
        assert inside.wait(30) == 0
    finally:
        inside.kill()
    assert "WATCHDOG=1" in manager.heard


def service_file() -> str:
    page = (ROOT / "market_maker/docs/en/operate.md").read_text("utf-8")
    found = re.search(r"```ini\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_printed_service_file_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = tmp_path / "marketmaker.service"
    text = service_file().replace("User=trader\n", "")
    unit.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", text))
    found = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True
    )
    assert "marketmaker.service" not in found.stderr
    assert found.returncode == 0


def test_the_printed_stop_timeouts_leave_time_for_bot_and_guard() -> None:
    from market_maker.guard.watch import GIVE_UP_SECONDS
    from market_maker.orders.sweep import LEAVE_SECONDS

    page = (ROOT / "market_maker/docs/en/operate.md").read_text("utf-8")
    timeouts = re.findall(r"TimeoutStopSec=(\d+)|--stop-timeout (\d+)", page)
    assert len(timeouts) == 2
    for one, other in timeouts:
        assert int(one or other) > GIVE_UP_SECONDS + LEAVE_SECONDS


# --- a person -------------------------------------------------------------------------------------


def texts(listener: Listener) -> list[str]:
    return [json.loads(body)["text"] for body in listener.bodies]


@pytest.mark.slow
def test_when_a_bot_is_killed_its_guard_tells_after_it_has_cancelled(
    venue: PaperExchange, start: Start, listener: Listener, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = start(GTE_NOTIFY_URL=f"http://{listener.at}/{CANARY}")
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.kill()
    wait_until(lambda: listener.bodies, 30)
    assert venue.open_orders() == []
    (text,) = texts(listener)
    assert text.startswith(
        "Bot died: BTC_USD mm_gte_ (PAPER). The bot has died. Its guard has cancelled 6 orders, "
        "and none is left."
    )
    assert listener.heads[0].startswith(f"POST /{CANARY} HTTP")
    wait_until(lambda: not bot.guards, 20)
    bot.wait_for("Notified: bot died.")  # the guard has ended, its last line may not be read yet
    assert CANARY not in bot.text


@pytest.mark.slow
def test_a_new_bot_need_not_wait_for_a_guard_whose_address_is_slow(
    venue: PaperExchange, start: Start, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    with RawServer(silent) as server:
        first = start(GTE_NOTIFY_URL=f"http://127.0.0.1:{server.port}/hook")
        wait_until(lambda: len(venue.open_orders()) == 6)
        first.process.kill()
        first.wait_for("guard: clean", 20)
        begun = time.monotonic()
        second = start()
        second.wait_for("Creating 6 orders", 20)
        assert time.monotonic() - begun < 6
        assert second.end(signal.SIGTERM) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["silent", "refused", "error", "redirect"])
def test_a_bad_address_delays_neither_ticks_nor_the_way_out(
    venue: PaperExchange, start: Start, listener: Listener, kind: str, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    with bad(kind, listener) as port:
        bot = start(GTE_NOTIFY_URL=f"http://127.0.0.1:{port}/{CANARY}")
        wait_until(lambda: len(venue.open_orders()) == 6)
        bot.process.send_signal(signal.SIGUSR1)
        begun = time.monotonic()
        wait_until(lambda: not venue.open_orders(), 5)
        bot.wait_for("HALTED until a person has looked")
        assert time.monotonic() - begun < 3
        begun = time.monotonic()
        assert bot.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 3 + 3
    assert CANARY not in bot.text
    assert CANARY.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()
    )
    if kind == "redirect":
        assert "HTTP 302, a redirect, not followed" in bot.text


@contextmanager
def bad(kind: str, listener: Listener) -> Iterator[int]:
    """Yield the port of a listener that does not take messages."""
    if kind == "silent":
        with RawServer(silent) as server:
            yield server.port
        return
    lines = {"error": b"500 No", "redirect": b"302 Found\r\nlocation: http://127.0.0.1:1/x"}
    listener.answer = b"HTTP/1.1 " + lines.get(kind, b"") + b"\r\ncontent-length: 0\r\n\r\n"
    yield 1 if kind == "refused" else listener.server.port


LEAKS = """
import base64, logging
from urllib.parse import quote, quote_plus
from market_maker.market_maker import OrderManager
from market_maker.settings import settings

log = logging.getLogger(__name__)

class Leaks(OrderManager):
    def place_orders(self):
        url = settings.NOTIFY_URL.reveal()
        token = url.split("/", 3)[3]
        log.info("all %r %s", vars(settings), url)
        log.info("%s %s %s", token, quote(token, safe=""), quote_plus(url))
        log.info("%s %s", url.encode().hex(), base64.b64encode(token.encode()).decode())
        self.halt("halted because of " + token)
        raise ValueError(token)
"""


@pytest.mark.slow
def test_no_form_of_the_address_is_shown_or_kept_anywhere(
    venue: PaperExchange, start: Start, listener: Listener, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    (tmp_path / "leaks.py").write_text(LEAKS)
    url = f"http://{listener.at}/{CANARY}"
    listener.answer = f"HTTP/1.1 503 No\r\ncontent-length: 99\r\n\r\n/{CANARY}".encode()
    bot = start("--strategy", "leaks:Leaks", "--log-level", "DEBUG", GTE_NOTIFY_URL=url)
    bot.wait_for("Notification not sent, tried again for an hour: .*503")
    bot.process.kill()
    bot.wait_for("guard: clean", 30)
    assert listener.bodies
    shown = bot.text + listener.bodies[0].decode()
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    for text in (shown, *(each.decode("latin-1") for each in kept)):
        assert "c4nary" not in text
        assert b"c4nary".hex() not in text
        assert "YzRuYXJ5" not in text
    assert "halted because of ***" in listener.bodies[0].decode()


@pytest.mark.slow
def test_check_says_where_notifications_go_and_sends_a_test_message_when_asked(
    venue: PaperExchange, start: Start, listener: Listener, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    told = {"GTE_NOTIFY_URL": f"ntfy+http://{listener.at}/c4nary-topic"}
    bot = start("check", **told)
    assert bot.end() == 0
    assert "notify     ok    ntfy at 127.0.0.1, not tried: --notify sends a test" in bot.text
    assert listener.bodies == []
    bot = start("check", "--notify", **told)
    assert bot.end() == 0
    assert "notify     ok    a test message was sent to ntfy at 127.0.0.1" in bot.text
    assert listener.bodies[0].startswith(b"This is a test: notifications of this bot arrive here.")
    listener.answer = b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"
    bot = start("check", "--notify", **told)
    assert bot.end() == 1
    assert "notify     FAIL  ntfy at 127.0.0.1: HTTP 404" in bot.text
    assert start("check", "--notify").end() == 1
    bot = start("check", GTE_NOTIFY_URL="c4nary")
    assert bot.end() == 2
    assert "NOTIFY_URL must be https://HOST/PATH" in bot.text
    assert "c4nary" not in bot.text


MODULES = """
import sys
from market_maker.app.cli import main
status = main(["--loops", "1", "--no-guard"])
print(status, *(name for name in sys.modules if "notif" in name))
"""


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1/hook"])
def test_without_an_address_nothing_is_loaded_for_notifications(
    venue: PaperExchange, tmp_path: Path, url: str
) -> None:
    settings_for(venue, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", MODULES],
        cwd=tmp_path,
        env=ENVIRONMENT
        | {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "GTE_NOTIFY_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )
    status, *loaded = done.stdout.split()
    assert status == "0"
    assert bool(loaded) is bool(url)
