"""Rules that hold over the whole tree, and over a whole run: nothing leaks, nothing is let in."""

import ast
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

from market_maker.app import versions
from market_maker.errors import BadData, SettingsError
from market_maker.market_maker import OrderManager
from market_maker.paper.server.in_process import PaperExchange
from market_maker.wire import protocol

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "market_maker"
SOURCES = [*sorted(PACKAGE.rglob("*.py")), ROOT / "marketmaker", ROOT / "setup.py"]
TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in SOURCES}


def names_in(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """All names, attributes, imports, keywords and string constants that are no docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node
        elif isinstance(node, ast.Attribute):
            yield node.attr, node
        elif isinstance(node, ast.alias):
            yield from ((part, node) for part in node.name.split("."))
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node


# --- the tree -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TREES)
def test_s4_nothing_in_the_tree_turns_verifying_off(name: str) -> None:
    forbidden = {"CERT_NONE", "CERT_OPTIONAL", "disable_warnings", "_create_unverified_context"}
    forbidden |= {"_create_stdlib_context", "_create_default_https_context", "wrap_ssl"}
    assert not {found for found, _ in names_in(TREES[name])} & forbidden
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.keyword) and node.arg in ("verify", "check_hostname"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is True
        if isinstance(node, ast.Assign):
            for target in node.targets:
                shown = ast.unparse(target)
                assert not shown.endswith((".verify", ".check_hostname", ".verify_mode"))
        if isinstance(node, ast.Constant) and node.value == "CERT_NONE":
            pytest.fail(f"{name}:{node.lineno}")


@pytest.mark.parametrize("name", TREES)
def test_s8_no_data_becomes_code(name: str) -> None:
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "eval", "exec", "__import__"}
    allowed = {"market_maker/settings/store.py": {"exec"}}
    for found, node in names_in(TREES[name]):
        if isinstance(node, ast.Attribute) and found == "exec":
            continue
        assert found not in forbidden - allowed.get(name, set()), f"{name}: {found}"
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.keyword) and node.arg == "shell":
            pytest.fail(f"{name}: shell=")
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"os.system", "os.popen", "subprocess.getoutput"}


def test_s8_code_is_imported_by_name_only_where_the_command_line_names_it() -> None:
    importing = {
        name for name, tree in TREES.items() if "import_module" in {f for f, _ in names_in(tree)}
    }
    assert importing == {"market_maker/app/run.py"}


@pytest.mark.parametrize("name", TREES)
def test_s3_nothing_in_the_tree_makes_a_library_print_its_traffic(name: str) -> None:
    forbidden = {"enableTrace", "debuglevel", "set_debuglevel", "keylog_filename"}
    assert not {found for found, _ in names_in(TREES[name])} & forbidden


def test_s15_no_program_is_started_but_the_paper_exchange_and_ourselves() -> None:
    starters = {"subprocess", "Popen", "execv", "execve", "execvp", "spawnv", "fork", "pty"}
    starting = {
        name: sorted({found for found, _ in names_in(tree)} & starters)
        for name, tree in TREES.items()
    }
    started = {name: found for name, found in starting.items() if found}
    assert set(started) <= {"market_maker/app/run.py", "market_maker/guard/child.py"}
    assert not {found for name in started for found, _ in names_in(TREES[name])} & {
        "getoutput",
        "which",
    }


@pytest.mark.parametrize("name", TREES)
def test_s4_connections_are_made_in_one_place(name: str) -> None:
    if name.startswith("market_maker/paper/") or name == "market_maker/wire/tls.py":
        return
    found = {found for found, _ in names_in(TREES[name])}
    assert not found & {"ssl", "wrap_socket", "proxies", "HTTPAdapter", "PoolManager"}


MONEY_MOVERS = {
    *("transfer", "withdraw", "change_leverage", "isolate_margin", "increase_margin"),
    *("auto_margin", "TRANSFER", "LEVERAGE_CHANGE", "MARGIN_INCREASE", "MARGIN_AUTO"),
}


@pytest.mark.parametrize("name", TREES)
def test_i25_only_the_venue_s_own_methods_move_money_or_leverage(name: str) -> None:
    if name.startswith("market_maker/paper/"):
        return
    used = {found for found, _ in names_in(TREES[name])} & MONEY_MOVERS
    if name == "market_maker/wire/protocol.py":
        assert all(word.isupper() for word in used)
    elif name != "market_maker/gte.py":
        assert not used


def test_i25_inside_the_client_each_of_them_is_used_by_its_own_method_alone() -> None:
    users: dict[str, set[str]] = {}
    for node in ast.walk(TREES["market_maker/gte.py"]):
        if isinstance(node, ast.FunctionDef):
            for found, _ in names_in(node):
                if found in MONEY_MOVERS or found == "_withdraw_path":
                    users.setdefault(found, set()).add(node.name)
    assert users == {
        "TRANSFER": {"transfer"},
        "LEVERAGE_CHANGE": {"change_leverage"},
        "change_leverage": {"isolate_margin"},
        "MARGIN_INCREASE": {"increase_margin"},
        "MARGIN_AUTO": {"auto_margin"},
        "_withdraw_path": {"__init__", "withdraw"},
    }


ASKED_BY_THE_LOOP = {
    *("pc/instrument/query", "pc/order/query", "pc/order/create", "pc/order/cancel"),
    *("pc/order/cancel_batch", "account/pc/query", "pc/setting/query", "pc/order/book/query"),
}


def test_i25_a_run_asks_for_nothing_but_orders_and_the_instrument(
    venue: PaperExchange, configure: Callable[..., None]
) -> None:
    configure(WITHDRAW_PATH="/v1/api/account/withdraw")
    bot = OrderManager()
    for price in ("8491", "8489", "8492"):
        venue.put("buy", price, 5)
        bot.tick()
    bot.exit()
    assert set(venue.judge().requests) <= ASKED_BY_THE_LOOP


# --- versions -----------------------------------------------------------------------------------


def test_f29_what_is_installed_here_will_do() -> None:
    versions.check()


@pytest.mark.parametrize("name", versions.PACKAGES)
def test_f29_an_old_or_a_missing_package_is_named_with_the_way_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda n: "1.5.9" if n == name else real(n))
    with pytest.raises(SettingsError, match=re.escape(f"{name} 1.5.9 is too old: pip install")):
        versions.check()

    def missing(wanted: str) -> str:
        if wanted == name:
            raise versions.PackageNotFoundError
        return real(wanted)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        versions.check()


def test_f29_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(SettingsError, match=r"Python 3\.10\.4 is too old"):
        versions.check()


def test_f29_the_start_ends_with_2_when_a_version_will_not_do() -> None:
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


@pytest.mark.parametrize("newer", ["2.32.4", "2.32.10", "2.100.0", "3.0.0rc1"])
def test_f29_versions_are_compared_by_number(newer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda n: newer if n == "requests" else real(n))
    versions.check()


def test_s11_setup_asks_for_the_versions_that_the_start_checks() -> None:
    text = (ROOT / "setup.py").read_text("utf-8")
    for name, oldest in versions.PACKAGES.items():
        if name != "urllib3":  # requests brings it
            assert f'"{name}>={oldest.removesuffix(".0")}' in text
    assert ".".join(map(str, versions.PYTHON)) in text


# --- the venue's words --------------------------------------------------------------------------

EVIL = ["\x1b[31mred", "a\nb", "a\r\x00", "x" * 500, "\u202egnp", "\x9b2J"]
ROW = {
    **{"symbol": "BTC_USD", "asset": "BTC", "side": "1", "status": "2", "order_id": "1"},
    **{"price": "8000", "qty": "1", "filled_qty": "0", "client_oid": "mm_1"},
}


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("name", ["symbol", "status", "order_id", "client_oid", "price", "side"])
def test_s14_no_row_of_an_order_brings_control_characters_in(name: str, evil: str) -> None:
    try:
        order = protocol.parse_order(ROW | {name: evil})
    except BadData as error:
        shown = str(error)
    else:
        shown = f"{order.full} {order.symbol} {order}"
    assert shown.isprintable()
    assert shown.isascii()
    assert len(shown) <= 400


@pytest.mark.parametrize("evil", EVIL)
def test_s14_an_odd_client_oid_is_nobody_s(evil: object) -> None:
    order = protocol.parse_order(ROW | {"client_oid": evil})
    assert order.client_oid
    assert not order.client_oid.startswith("mm_")


@pytest.mark.parametrize("evil", EVIL)
def test_s14_no_account_or_instrument_brings_control_characters_in(evil: str) -> None:
    margin = {"asset": evil, "total": "1", "available": "1"}
    with pytest.raises(BadData) as raised:
        protocol.parse_margin(margin)
    assert str(raised.value).isprintable()
    row = {"symbol": evil, "asset": "BTC", "tick_size": "0.5"}
    with pytest.raises(BadData) as raised:
        protocol.parse_instrument(row, "pc")
    assert str(raised.value).isprintable()


# --- whole runs ---------------------------------------------------------------------------------

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


def test_s3_a_run_through_faults_shows_no_key_in_any_form(
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
def test_s3_a_wrong_secret_is_not_shown(
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


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_s1_the_paper_exchange_is_started_without_the_key(
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


def test_s1_a_restart_hands_the_key_on(
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


def test_s1_a_key_in_private_files_trades(
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


def test_s9_live_settings_that_others_can_write_end_with_2_and_the_way_out(
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


def test_s9_cancel_goes_on_with_settings_that_others_can_write(
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


def test_s14_check_and_the_log_show_no_control_characters_of_the_venue(
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give a file away")
def test_s9_a_file_of_another_user_is_refused_for_the_superuser_too(
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
