"""Rules that hold over the whole tree, and over a whole run: nothing leaks, nothing is let in."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from bot import Bot, settings_for
from conftest import client_of, wait_until

from market_maker.paper.server.in_process import PaperExchange

ROOT = Path(__file__).parents[2]


def test_the_start_ends_with_2_when_a_version_will_not_do() -> None:
    program = (
        "from market_maker.app import cli, versions\n"
        "versions.PACKAGES['requests'] = '99.1'\n"
        "raise SystemExit(cli.main(['--paper', '--loops', '1']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "pip install -U 'requests>=99.1'" in run.stderr
    assert "Traceback" not in run.stderr


CANARY_KEY = "paper-c4nary-key/of+this=run"
CANARY_SECRET = "s3cret-c4nary/of+this=run&more"

CHATTY = """
import logging, os, threading
from market_maker.market_maker import OrderManager
from market_maker.settings import settings

log = logging.getLogger(__name__)

class Chatty(OrderManager):
    count = 0

    def place_orders(self):
        self.count += 1
        secret, key = settings.API_SECRET.reveal(), settings.API_KEY.reveal()
        log.debug("all: %r %s", vars(settings), dict(os.environ))
        log.info("plain %s and %s%s", key, secret[:9], secret[9:])
        log.info("bytes %r, base64 %s", secret.encode(), __import__("base64").b64encode(
            ("user:" + secret).encode()).decode())
        log.info("quoted %s", __import__("urllib.parse").parse.quote(secret, safe=""))
        log.info("too few %s %s", secret)
        def die(mine):
            raise KeyError(mine)
        if self.count == 1:
            thread = threading.Thread(target=die, args=(secret,))
            thread.start()
            thread.join()
        if self.count % 2 == 0:
            raise ValueError("strategy failed with " + secret + " of " + key)
        super().place_orders()
"""


def forms(value: str) -> set[str]:
    encoded = {base64.b64encode(bytes(n) + value.encode()).decode()[4:-4] for n in range(3)}
    return {value, quote(value), quote(value, safe=""), quote_plus(value)} | encoded


def assert_nothing_leaked(text: str) -> None:
    assert not re.search("[0-9a-f]{64}", text)
    for secret in (CANARY_KEY, CANARY_SECRET):
        for form in forms(secret):
            assert form not in text
    assert "s3cret" not in text


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[PaperExchange]:
    """A paper exchange whose key pair can be recognised anywhere."""
    monkeypatch.setattr("market_maker.paper.server.venue.PAPER_KEY", CANARY_KEY)
    monkeypatch.setattr("market_maker.paper.server.venue.PAPER_SECRET", CANARY_SECRET)
    with PaperExchange(crowd=False, book=True) as exchange:
        yield exchange


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Bot]]:
    """Start `python marketmaker` in a directory of the test."""
    bots: list[Bot] = []

    def start(*arguments: str, **environment: str) -> Bot:
        bots.append(Bot(tmp_path, *arguments, **environment))
        return bots[-1]

    yield start
    for bot in bots:
        if bot.process.poll() is None:
            bot.process.kill()
            bot.process.wait()


PAIR = {"GTE_API_KEY": CANARY_KEY, "GTE_API_SECRET": CANARY_SECRET}
TROUBLE = (
    {"name": "code", "match": "pc/order/create", "value": "-10013", "times": 2},
    {"name": "code", "match": "pc/order/query", "value": "-10053", "times": 2},
    {"name": "reset", "match": "pc/order/create", "times": 2},
    {"name": "html", "match": "pc/order/query", "times": 2},
    {"name": "truncated", "match": "pc/order/cancel", "times": 2},
    {"name": "status", "match": "pc/order/create", "value": "503", "times": 2},
    {"name": "huge", "match": "pc/order/query", "times": 1},
    {"name": "trickle", "match": "pc/order/create", "times": 1},
    {"name": "frame_raw", "match": "order_book", "value": "not_json", "times": 2},
    {"name": "frame_raw", "match": "order", "value": "odd_rows", "times": 2},
    {"name": "cut", "match": "instrument", "times": 1},
)


@pytest.mark.slow
def test_a_run_through_faults_shows_no_key_in_any_form(
    canary: PaperExchange, run: Callable[..., Bot], tmp_path: Path
) -> None:
    settings_for(canary, tmp_path, API_KEY="", API_SECRET="", LOOP_INTERVAL=0.1, TIMEOUT=0.5)
    (tmp_path / "chatty.py").write_text(CHATTY)
    bot = run("--strategy", "chatty:Chatty", "--log-level", "DEBUG", **PAIR)
    wait_until(lambda: canary.open_orders())
    for fault in TROUBLE:
        canary.fault(**fault)
    for price in ("8491", "8400", "8493", "8300", "8495"):
        canary.put("buy", price, 5)
        canary.take("sell", price, 2)
        time.sleep(0.6)  # how long each price stands
    bot.wait_for("Feed lost")
    canary.clear_faults()
    canary.drop()
    bot.wait_for("ValueError: strategy failed")
    bot.end(signal.SIGTERM)
    for words in ("all: ", "plain ***", "too few", "KeyError: '***", "ValueError: strategy failed"):
        assert words in bot.text
    assert_nothing_leaked(bot.text)


@pytest.mark.parametrize("command", [(), ("check",), ("cancel",)])
def test_a_wrong_secret_is_not_shown(
    command: tuple[str, ...], venue: PaperExchange, run: Callable[..., Bot], tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, API_KEY="", API_SECRET="")
    pair = {"GTE_API_KEY": venue.key, "GTE_API_SECRET": CANARY_SECRET}
    bot = run(*command, **pair)
    assert bot.end() != 0
    assert "check the secret" in bot.text
    assert_nothing_leaked(bot.text)


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(),
    reason="only Linux shows the environment of another process, in /proc",
)
def test_the_paper_exchange_is_started_without_the_key(
    run: Callable[..., Bot], tmp_path: Path
) -> None:
    bot = run("--paper", GTE_API_KEY="real-c4nary-key", GTE_API_SECRET=CANARY_SECRET)
    bot.wait_for("Creating 60 orders:")
    children = Path(f"/proc/{bot.process.pid}/task/{bot.process.pid}/children").read_text()
    assert children.split()
    for child in children.split():
        assert environment_of(int(child))
        assert b"c4nary" not in environment_of(int(child))
        assert b"c4nary" not in Path(f"/proc/{child}/cmdline").read_bytes()
    assert b"c4nary" not in Path(f"/proc/{bot.process.pid}/cmdline").read_bytes()
    assert bot.end(signal.SIGTERM) == 0


@pytest.mark.slow
def test_a_restart_hands_the_key_on(
    venue: PaperExchange, run: Callable[..., Bot], tmp_path: Path
) -> None:
    watched = {"WATCHED_FILES": ["watched.py"]}
    settings_for(venue, tmp_path, API_KEY="", API_SECRET="", **watched)
    code = tmp_path / "watched.py"
    code.write_text("A = 1\n")
    bot = run(GTE_API_KEY=venue.key, GTE_API_SECRET=venue.secret)
    wait_until(lambda: len(venue.open_orders()) == 6)
    for number in (2, 3):  # twice: the successor's successor too
        code.write_text(f"A = {number}\n")
        wait_until(lambda: bot.text.count("Creating 6 orders:") == number, 20)  # noqa: B023
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []


def test_a_key_in_private_files_trades(
    venue: PaperExchange, run: Callable[..., Bot], tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, API_KEY="", API_SECRET="")
    named = {}
    for name, value in (("KEY", venue.key), ("SECRET", venue.secret)):
        file = tmp_path / name
        file.write_text(value + "\n")
        file.chmod(0o600)
        named[f"GTE_API_{name}_FILE"] = str(file)
    assert run("--loops", "1", **named).end() == 0
    assert venue.judge().accepted == 6
    (tmp_path / "SECRET").chmod(0o644)
    refused = run("--loops", "1", **named)
    assert refused.end() == 2
    assert f"chmod 600 {tmp_path / 'SECRET'}" in refused.text
    assert run("cancel", **named).end() == 0


def test_live_settings_that_others_can_write_end_with_2_and_the_way_out(
    run: Callable[..., Bot], tmp_path: Path
) -> None:
    file = tmp_path / "settings.py"
    file.write_text(
        "API_URL_BASE = 'api.invalid'\nWS_URL = 'ws.invalid'\nDRY_RUN = False\n"
        "API_KEY = 'real'\nAPI_SECRET = 's'\n"
    )
    file.chmod(0o666)
    bot = run()
    assert bot.end() == 2
    assert "chmod go-w settings.py" in bot.text


@pytest.mark.slow
def test_cancel_goes_on_with_settings_that_others_can_write(
    venue: PaperExchange, run: Callable[..., Bot], tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    (tmp_path / "settings.py").chmod(0o666)
    client = client_of(venue, prefix="mm_gte_")
    client.buy(10, 8000)
    client.exit()
    bot = run("cancel", SSLKEYLOGFILE=str(tmp_path / "keys"))
    assert bot.end() == 0
    assert venue.open_orders() == []
    assert "others can write" in bot.text
    keys = tmp_path / "keys"  # old `requests` open it, and have nothing to write
    lines = keys.read_text().splitlines() if keys.exists() else []
    assert not [line for line in lines if not line.startswith("#")]


@pytest.mark.slow
def test_check_and_the_log_show_no_control_characters_of_the_venue(
    venue: PaperExchange, run: Callable[..., Bot], tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    evil = '"\\u001b]0;owned\\u0007\\nINFO - all is well"'
    for name in ("client_oid", "symbol", "status", "asset", "last_price"):
        venue.fault("reply_field", value=f"{name}={evil}", chance=0.5)
        venue.fault("frame_field", value=f"{name}={evil}", chance=0.3)
    for command in (("check",), ("cancel",), ("--loops", "3")):
        bot = run(*command)
        bot.end()
        assert "\x1b" not in bot.text
        assert "\x07" not in bot.text
        assert not any(line.startswith("INFO - all is well") for line in bot.lines)
    venue.clear_faults()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file to another user")
def test_a_file_of_another_user_is_refused_for_the_superuser_too(
    run: Callable[..., Bot], tmp_path: Path
) -> None:
    file = tmp_path / "settings.py"
    file.write_text(
        "API_URL_BASE = 'api.invalid'\nWS_URL = 'ws.invalid'\nDRY_RUN = False\n"
        "API_KEY = 'real'\nAPI_SECRET = 's'\n"
    )
    os.chown(file, 12345, -1)
    bot = run()
    assert bot.end() == 2
    assert "belongs to another user" in bot.text
