"""The command line as a user types it: real processes, exit statuses, and nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from bot import ENVIRONMENT, ROOT, Bot, ended, settings_for, watched_code
from conftest import Run, account_of, client_of, wait_until

from market_maker import __version__
from market_maker.app import paper_child
from market_maker.errors import SettingsError
from market_maker.guard.runfiles import RunFiles
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings import example_text

# --- start and stop -----------------------------------------------------------------------------


def test_the_version_is_printed(run: Run) -> None:
    bot = run("--version")
    assert bot.end() == 0
    assert bot.text == f"marketmaker {__version__}"


def test_without_settings_one_line_says_the_two_ways_forward(run: Run) -> None:
    bot = run()
    assert bot.end() == 2
    assert len(bot.lines) == 1
    assert "setup" in bot.text
    assert "--paper" in bot.text


def test_on_paper_the_ladder_of_the_example_goes_up_and_comes_down(run: Run) -> None:
    bot = run("--paper")
    bot.wait_for("Creating 60 orders:")
    bot.wait_for("60 orders open as wanted|Bought|Sold", 30)
    assert bot.end(signal.SIGINT) == 0
    assert "Stopping: SIGINT." in bot.text
    assert "All own orders cancelled (confirmed by order query)." in bot.text
    assert "Traceback" not in bot.text
    line = (
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - status - log: - PAPER: BTC_USD Ticker: Buy"
    )
    assert re.search(line, bot.text)


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_all_own_orders_and_exits_0(
    run: Run, venue: PaperExchange, tmp_path: Path, number: int
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert bot.end(number) == 0
    assert venue.open_orders() == []


@pytest.mark.usefixtures("under_nohup")
def test_under_nohup_a_hangup_is_not_heeded(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.send_signal(signal.SIGHUP)
    bot.process.send_signal(signal.SIGTERM)
    assert bot.end() == 0
    assert "Stopping: SIGTERM." in bot.text
    assert "SIGHUP" not in bot.text


@pytest.mark.slow
def test_a_signal_during_the_start_ends_it(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    venue.freeze()
    settings_for(venue, tmp_path)
    bot = run()
    bot.wait_for("Order Manager initializing")
    assert bot.end(signal.SIGINT) == 3  # what an earlier run has left cannot be asked
    assert "Traceback" not in bot.text
    venue.thaw()


@pytest.mark.slow
def test_an_interrupted_start_takes_away_what_a_killed_run_has_left(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    killed = run("--no-guard")
    wait_until(lambda: len(venue.open_orders()) == 6)
    killed.end(signal.SIGKILL)
    (tmp_path / "slow.py").write_text("import time\n\nprint('importing')\ntime.sleep(30)\n")
    bot = run("--strategy", "slow:Slow")
    bot.wait_for("importing")
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []


def test_a_first_start_that_is_stopped_before_any_order_left_ends_at_once(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    venue.fault("mute", match="order_book", for_ms=60_000)
    bot = run()
    bot.wait_for("Connected to the feed")
    assert bot.end(signal.SIGTERM) == 0
    assert "may be in flight" not in bot.text
    assert venue.judge().accepted == 0


def test_loops_ends_after_so_many_ticks(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path)
    bot = run("--loops", "2")
    assert bot.end() == 0
    assert bot.text.count("Creating 6 orders:") == bot.text.count("6 orders open as wanted") == 1


@pytest.mark.slow
def test_orders_that_cannot_be_proven_gone_are_listed_with_exit_3(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, TIMEOUT=0.3)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    venue.freeze()
    assert bot.end(signal.SIGTERM) == 3
    venue.thaw()
    assert bot.text.count("client_oid mm_gte_") == 6
    assert "Traceback" not in bot.text


def test_a_key_that_is_not_accepted_is_said_so(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, API_SECRET="not-the-secret")
    bot = run()
    assert bot.end() == 1
    assert "check the secret" in bot.text
    assert "Traceback" not in bot.text
    assert "not-the-secret" not in bot.text


def test_wrong_settings_are_listed_with_exit_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("ORDER_PAIRS = 0\nINTERVALL = 1\n")
    bot = run()
    assert bot.end() == 2
    assert "ORDER_PAIRS must be at least 1" in bot.text
    assert "did you mean INTERVAL?" in bot.text
    assert "Traceback" not in bot.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bogus"], "unrecognized arguments"),
        (["--tape", "x"], "--tape goes with --paper"),
        (["--volatility", "2"], "--volatility goes with --paper"),
        (["--paper", "--tape-as", "pc/ETH/ETH_USD"], "--tape-as goes with --tape"),
        (["--paper", "--latency", "-1"], "must be a number from 0 to 10000, not '-1'"),
        (["--paper", "--tape", "nowhere"], "nowhere"),
        (["--settings", "nowhere.py"], "nowhere.py"),
        (["--paper", "--strategy", "no_such_module:Thing"], "no_such_module"),
        (["--paper", "--strategy", "json:JSONDecoder"], "not a subclass of OrderManager"),
        (["--paper", "--strategy", "json"], "json defines no subclass of OrderManager"),
        (["cancle"], "no such command: cancle; did you mean cancel?"),
        (["--paper", "--speed", "0"], "must be a number from 0.01 to 100, not '0'"),
        (["--loops", "x"], "must be a number from 1 to 1000000000, not 'x'"),
        (["--paper", "--strategy", "nowhere:Mine"], "such as mine:Mine"),
        (["--paper", "--strategy", "./nowhere.py:Mine"], "no such file"),
        (["--paper", "LTC_USD"], "SYMBOL: GTE has no LTC_USD in BTC; it has "),
        (["--paper", "--log-level", "loud"], "LOG_LEVEL"),
        (["--paper", "btc"], "SYMBOL must look like"),
        (["--loops", "0"], "--loops"),
        (["paper", "--port", "80000"], "cannot start"),
    ],
)
def test_a_wrong_argument_is_said_so_with_exit_2(
    run: Run, arguments: list[str], words: str
) -> None:
    bot = run(*arguments)
    assert bot.end() == 2
    assert words in bot.text
    assert "Traceback (most" not in bot.text


# --- paper, dry run, strategies, restart --------------------------------------------------------


def paper_pid(bot: Bot) -> int:
    children = subprocess.run(
        ["ps", "--ppid", str(bot.process.pid), "-o", "pid=,args=", "-ww"],
        check=True,
        capture_output=True,
        text=True,
    )
    return next(int(line.split()[0]) for line in children.stdout.splitlines() if " paper " in line)


def test_a_paper_run_that_does_not_start_leaves_no_file_and_no_process(
    run: Run, tmp_path: Path
) -> None:
    bot = run("--paper", "LTC_USD")
    assert bot.end() == 2
    assert "GTE has no LTC_USD" in bot.text
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not bot._reader.is_alive()  # nobody else holds its output


def test_a_run_whose_stdout_is_a_file_says_where_its_log_goes(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "marketmaker")]
    with (tmp_path / "bot.log").open("w") as file:
        shown = subprocess.run(
            command,
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "The log goes to stderr, not to stdout: --log-file PATH" in shown.stderr


@pytest.mark.parametrize("started", ["-m market_maker", f"{ROOT / 'marketmaker'}"])
def test_hints_name_the_program_as_it_was_started(tmp_path: Path, started: str) -> None:
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    shown = subprocess.run(
        [sys.executable, *started.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 2
    name = "marketmaker" if "/" in started else started
    assert f"`python {name} setup` writes one" in shown.stderr


@pytest.mark.slow
def test_the_paper_exchange_of_a_killed_bot_ends_by_itself(run: Run) -> None:
    bot = run("--paper")
    bot.wait_for("Creating 60 orders:")
    pid = paper_pid(bot)
    assert not ended(pid)
    bot.end(signal.SIGKILL)
    wait_until(lambda: ended(pid), 20)  # the guard cancels first


def test_a_bot_whose_log_nobody_reads_any_more_stops_and_leaves_no_order(
    venue: PaperExchange, tmp_path: Path
) -> None:
    """As after `marketmaker 2>&1 | head`."""
    settings_for(venue, tmp_path)
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "marketmaker")],
        cwd=tmp_path,
        env=ENVIRONMENT | state,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as bot:
        wait_until(lambda: len(venue.open_orders()) == 6)
        assert bot.stdout
        bot.stdout.close()
        assert bot.wait(timeout=30) == 0
    assert venue.open_orders() == []


def test_a_venue_that_cannot_be_reached_at_the_start_is_exit_4(run: Run, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(
        "API_URL_BASE = 'http://127.0.0.1:1'\nWS_URL = 'ws://127.0.0.1:1'\n"
    )
    bot = run()
    assert bot.end() == 4
    assert "no connection" in bot.text
    assert "Traceback" not in bot.text


def test_ctrl_c_in_another_command_than_a_run_is_exit_130(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    venue.freeze()
    check = run("check")
    check.wait_for("settings")
    assert check.end(signal.SIGINT) == 130
    venue.thaw()


STUCK = """
from market_maker.app.cli import main
from market_maker.paper.server.server import Server

async def spin(*_):
    while True:
        pass

Server.stop = spin
main(["paper", "--for-bot", "--port", "0"])
"""


@pytest.mark.slow
def test_a_paper_exchange_that_is_stuck_ends_with_its_bot() -> None:
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as exchange:
        assert exchange.stdin
        assert exchange.stdout
        exchange.stdout.readline()  # it serves
        exchange.stdin.close()  # what the end of the bot does
        assert exchange.wait(timeout=30) == 1


def test_a_dry_run_needs_no_key_and_sends_nothing(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=True, API_KEY="", API_SECRET="")
    bot = run("--loops", "3")
    assert bot.end() == 0
    assert "Dry run" in bot.text
    assert bot.text.count("Creating 6 orders:") == 1
    assert "6 orders open as wanted." in bot.text
    assert not any("order/c" in name for name in venue.judge().requests)


def test_dry_run_on_the_command_line_wins(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path)
    assert run("--dry-run", "--loops", "2").end() == 0
    assert not any("order/c" in name for name in venue.judge().requests)


def test_the_sample_strategy_runs_by_name(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path)
    bot = run("--strategy", "market_maker.custom_strategy:CustomOrderManager")
    wait_until(lambda: len(venue.open_orders()) == 2)
    assert bot.end(signal.SIGTERM) == 0


def test_a_strategy_in_the_directory_of_the_user_runs(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    (tmp_path / "mine.py").write_text(
        "from market_maker.market_maker import OrderManager\n\n\n"
        "class Mine(OrderManager):\n"
        "    def place_orders(self):\n"
        "        order = {'price': 999.0, 'orderQty': 100, 'side': 'Buy'}\n"
        "        self.converge_orders([order], [])\n"
    )
    bot = run("--strategy", "mine:Mine")
    wait_until(lambda: [order.price for order in venue.open_orders()] == [999])
    assert bot.end(signal.SIGTERM) == 0


CANCELLED = r"All own orders cancelled \(confirmed by order query\)\."


@pytest.mark.slow
def test_changed_code_restarts_the_bot_with_no_order_between_and_its_paper_exchange(
    run: Run, tmp_path: Path
) -> None:
    code = tmp_path / "watched.py"
    code.write_text("A = 1\n")
    (tmp_path / "settings.py").write_text(
        "WATCHED_FILES = ['watched.py']\nORDER_PAIRS = 3\nLOOP_INTERVAL = 0.5\nINTERVAL = 0.1\n"
    )
    bot = run("--paper")
    bot.wait_for("Creating 6 orders:")
    pid = paper_pid(bot)
    code.write_text("A = 2\n")
    bot.wait_for(f"(?s)Restarting.*{CANCELLED}.*Creating 6 orders:")
    assert not ended(pid)
    assert paper_pid(bot) == pid
    assert bot.end(signal.SIGTERM) == 0
    assert len(re.findall(CANCELLED, bot.text)) == 2
    assert "of a previous run" not in bot.text
    assert re.search(r"judge: orders: ([7-9]|1[0-2]) accepted, .* 0 left open", bot.text), (
        "of both ladders; a stop may come before the second one is whole"
    )
    wait_until(lambda: ended(pid))


@pytest.mark.slow
def test_a_restart_that_fails_leaves_no_order(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, WATCHED_FILES=["mine.py"])
    code = tmp_path / "mine.py"
    good = "from market_maker.market_maker import OrderManager as Mine\n"
    code.write_text(good)
    bot = run("--strategy", "mine:Mine")
    wait_until(lambda: len(venue.open_orders()) == 6)
    code.write_text(good + "import no_such_module\n")
    assert bot.end() == 2
    assert re.search(f"(?s){CANCELLED}.*no_such_module", bot.text)
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    ["Restarting", CANCELLED, "(?s)Guarded.*Guarded", "(?s)initializing.*initializing"],
)
def test_a_signal_during_a_restart_ends_it_with_no_order_left(
    run: Run, venue: PaperExchange, tmp_path: Path, moment: str
) -> None:
    code = watched_code(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    code.write_text("A = 2\n")
    bot.wait_for(moment)
    assert bot.end(signal.SIGTERM) == 0
    assert "Traceback" not in bot.text
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


@pytest.mark.slow
def test_settings_by_an_absolute_path_are_reloaded_and_not_taken_for_code(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    file = tmp_path / "settings.py"
    bot = run("--settings", str(file))
    wait_until(lambda: len(venue.open_orders()) == 6)
    file.write_text(file.read_text().replace("ORDER_PAIRS = 3", "ORDER_PAIRS = 2"))
    wait_until(lambda: len(venue.open_orders()) == 4)
    assert "Setting ORDER_PAIRS: 3 -> 2" in bot.text
    assert "Restarting" not in bot.text
    file.write_text(file.read_text() + "ORDERID_PREFIX = 'other'\n")
    bot.wait_for("ORDERID_PREFIX needs a restart by hand")
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []


# --- the other commands -------------------------------------------------------------------------


def test_setup_writes_the_example_and_never_over_a_file(run: Run, tmp_path: Path) -> None:
    assert run("setup").end() == 0
    file = tmp_path / "settings.py"
    assert file.read_text() == example_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("mine")
    again = run("setup")
    assert again.end() == 2
    assert "here already" in again.text
    assert file.read_text() == "mine"


@pytest.mark.slow
def test_cancel_takes_own_orders_away_and_leaves_those_of_others(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=True)
    for prefix in ("mm_gte_", "manual"):
        client = client_of(venue, prefix=prefix)
        client.buy(10, 8000)
        client.exit()
    bot = run("cancel")
    assert bot.end() == 0
    assert [order.client_oid[:6] for order in venue.open_orders()] == ["manual"]
    assert "Cancelled 1 orders." in bot.text
    assert "No order with prefix mm_gte_ is left" in bot.text


@pytest.mark.slow
def test_cancel_warns_of_a_bot_that_runs_and_may_place_orders_again(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    (tmp_path / "state").mkdir(exist_ok=True)
    account = account_of(venue, prefix="mm_gte_")
    files = RunFiles(account, directory=tmp_path / "state" / "gte-marketmaker")
    files.lock.take()  # as a bot does that runs in this process
    cancel = run("cancel")
    assert cancel.end() == 0
    assert f"Process {os.getpid()} runs and may place orders again" in cancel.text
    files.close()


@pytest.mark.slow
def test_no_other_setting_stands_in_the_way_of_cancel(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, ORDER_PAIRS="six", UNKNOWN=1)
    client = client_of(venue, prefix="mm_gte_")
    client.buy(10, 8000)
    client.exit()
    assert run("cancel").end() == 0
    assert venue.open_orders() == []


def test_cancel_without_a_key_is_said_so(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path, DRY_RUN=True, API_KEY="", API_SECRET="")
    bot = run("cancel")
    assert bot.end() == 2
    assert "GTE_API_KEY" in bot.text


def test_check_prints_one_line_per_check_and_sends_no_order(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run("check")
    assert bot.end() == 0
    names = [line.split()[0] for line in bot.lines]
    assert names == "settings REST clock WebSocket tick key orders position".split()
    assert bot.lines[-1].split(None, 2)[2] == "0 contracts (long 0, short 0)"
    assert all(line.split()[1] == "ok" for line in bot.lines)
    assert not any("order/c" in name for name in venue.judge().requests)


def test_check_says_what_fails(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path, API_SECRET="not-the-secret")
    bot = run("check")
    assert bot.end() == 1
    assert re.search(r"key +FAIL .*check the secret", bot.text)
    assert "not-the-secret" not in bot.text


@pytest.mark.parametrize("command", [["check"], ["--loops", "1"]], ids=["check", "run"])
def test_where_no_paper_exchange_is_one_is_told_how_to_start_it(
    run: Run, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "settings.py").write_text(
        "API_URL_BASE = 'http://127.0.0.1:1'\nWS_URL = 'ws://127.0.0.1:1'\n"
    )
    bot = run(*command)
    assert bot.end() == 4
    assert bot.text.count("FAIL") == (command == ["check"])
    assert "Nothing serves http://127.0.0.1:1: start the paper exchange" in bot.text
    assert "`python marketmaker paper`" in bot.text


@pytest.mark.slow
def test_paper_serves_until_it_is_stopped(run: Run, tmp_path: Path) -> None:
    exchange = run("paper", "--port", "0")
    exchange.wait_for("Ctrl-C ends it")
    shown = dict(line.split(None, 1) for line in exchange.lines[-5:-1])
    assert shown["REST"].startswith("http://127.0.0.1:")
    (tmp_path / "settings.py").write_text(
        f"API_URL_BASE = {shown['REST']!r}\nWS_URL = {shown['WebSocket']!r}\nDRY_RUN = False\n"
    )
    pair = {"GTE_API_KEY": shown["Key"], "GTE_API_SECRET": shown["Secret"]}
    bot = run("--loops", "1", **pair)
    assert bot.end() == 0
    assert re.search(r"Creating \d+ orders:", bot.text)
    assert exchange.end(signal.SIGINT) == 0
    assert "Traceback" not in exchange.text


@pytest.mark.slow
def test_a_recorded_market_can_be_played(run: Run, tmp_path: Path) -> None:
    def line(nanoseconds: int, message: dict[str, object]) -> str:
        return f"{nanoseconds} {json.dumps(message)}"

    began, second = 1_700_000_000_000_000_000, 1_000_000_000
    bids = [[str(8490 - n), "1000"] for n in range(30)]
    asks = [[str(8491 + n), "1000"] for n in range(30)]
    book = {"lastUpdateId": 1, "symbol": "BTCUSD_PERP", "bids": bids, "asks": asks}
    trade = {"e": "trade", "s": "BTCUSD_PERP", "p": "8480.5", "q": "100000", "m": True}
    tape = [line(began, book), line(began + 8 * second, {"stream": "x@trade", "data": trade})]
    (tmp_path / "tape").write_text("\n".join(tape) + "\n")
    (tmp_path / "settings.py").write_text(
        "ORDER_PAIRS = 1\nMIN_SPREAD = 0.0005\nLOOP_INTERVAL = 0.5\n"
    )
    bot = run("--paper", "--tape", "tape", "--speed", "2", "--latency", "0")
    bot.wait_for("Bought 100 @ ", 20)
    bot.wait_for("BTC_USD stands still from here on. Its tape has ended.")
    assert "The tape plays as pc/BTC/BTC_USD, from its first full image on." in bot.text
    assert bot.end(signal.SIGTERM) == 0
    assert re.search(r"This run: [1-9]", bot.text)


def test_the_faults_are_listed(run: Run) -> None:
    bot = run("paper", "--list-faults")
    assert bot.end() == 0
    assert {"reset", "batch_half", "forget_client_oid", "after_ms", "chance"} <= {
        line.split()[0] for line in bot.lines if line
    }


@pytest.mark.slow
def test_the_judge_speaks_at_the_end_in_words_and_as_json(run: Run) -> None:
    command = [sys.executable, str(ROOT / "marketmaker"), "paper", "--port", "0", "--json"]
    exchange = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert exchange.stderr
    while "Ctrl-C ends it" not in (line := exchange.stderr.readline()):
        assert line
    exchange.send_signal(signal.SIGINT)
    shown, _ = exchange.communicate(timeout=20)
    assert exchange.returncode == 0
    assert json.loads(shown)["self_trades"] == 0  # that and nothing else
    bot = run("--paper", "--loops", "4", "--speed", "2", "--volatility", "0.5", "--seed", "3")
    assert bot.end() == 0
    assert re.search(r"judge: orders: [6-9]\d accepted, ", bot.text)
    assert ", 0 left open" in bot.text
    assert "doubled in one price level: 0, self-trades: 0" in bot.text


@pytest.mark.slow
def test_the_secret_is_another_one_each_time_unless_one_is_given(run: Run) -> None:
    found = []
    for given in ([], [], ["--secret", "mine"]):
        exchange = run("paper", "--port", "0", *given)
        exchange.wait_for("export GTE_API_KEY=")
        found += re.findall(r"GTE_API_KEY=paper-key GTE_API_SECRET=(\S+)$", exchange.text)
        exchange.end(signal.SIGINT)
    assert len({len(found[0]), *found}) == 4
    assert len(found[0]) >= 32
    assert found[2] == "mine"


def test_a_paper_exchange_that_does_not_start_in_time_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paper_child, "START_SECONDS", 0.01)
    with pytest.raises(SettingsError, match=r"^the paper exchange has not started in 0.01 s$"):
        paper_child.PaperChild.start([], ENVIRONMENT)


@pytest.mark.slow
def test_a_schedule_of_faults_is_carried_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text(
        '[{"name": "status", "match": "pc/asset/query", "value": "503"}]'
    )
    exchange = run("paper", "--port", "0", "--faults", "faults.json")
    exchange.wait_for("Ctrl-C ends it")
    url = re.search(r"http://\S+", exchange.text)
    assert url
    assert requests.get(f"{url[0]}/v1/api/pc/asset/query", timeout=5).status_code == 503
    assert exchange.end(signal.SIGINT) == 0
    for text, told in (
        ('[{"name": "no_such_fault"}]', "fault 1: name: there is no fault 'no_such_fault'"),
        ('[{"name": "cut"}, {"name": "cut", "after": 5}]', "fault 2: there is no field 'after'"),
        ("{", "faults.json: "),
    ):
        (tmp_path / "faults.json").write_text(text)
        wrong = run("paper", "--port", "0", "--faults", "faults.json")
        assert wrong.end() == 2
        assert told in wrong.text


def test_the_control_endpoint_is_served_on_request(run: Run) -> None:
    exchange = run("paper", "--port", "0", "--control")
    exchange.wait_for("Ctrl-C ends it")
    shown = dict(line.split(None, 1) for line in exchange.lines if line.startswith(("Con", "Tok")))
    url, token = shown["Control"], shown["Token"]
    assert requests.get(f"{url}/judge", timeout=5).status_code == 403
    report = requests.get(f"{url}/judge", headers={"x-token": token}, timeout=5).json()
    assert report["accepted"] == 0
    assert exchange.end(signal.SIGINT) == 0


# --- runs and reports ---------------------------------------------------------------------------


def asked(directory: Path, *arguments: str) -> tuple[int, str, str]:
    """Return status, stdout and stderr of a command."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "marketmaker"), *arguments],
        cwd=directory,
        env=ENVIRONMENT | {"XDG_STATE_HOME": str(directory / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_the_last_line_of_a_run_names_the_command_that_shows_its_report(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    for number in (1, 2):
        bot = run("--loops", "2")
        assert bot.end() == 0
        assert bot.lines[-1].endswith(f"Its report: python marketmaker report {number}")
    for name in ("last", "2", str(tmp_path / "state/gte-marketmaker/paper-pc-BTC.journal")):
        status, out, _ = asked(tmp_path, "report", name)
        assert status == 0
        assert out.startswith("Run 2: paper, BTC_USD (BTC)")
    assert "Ended      requested number of loops done; no own order left" in out
    status, out, _ = asked(tmp_path, "runs")
    assert [line.split()[0] for line in out.splitlines()] == ["Run", "1", "2"]
    status, out, _ = asked(tmp_path, "report", "--json")
    assert json.loads(out)["run"]["number"] == 2
    status, out, _ = asked(tmp_path, "report", "1", "--csv", "orders")
    assert out.startswith("time_ms,client_oid,order_id,step,")
    assert asked(tmp_path, "report", "--html", "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert page.count("http") == page.count("http://www.w3.org/2000/svg")
    assert len(page) < 200_000


@pytest.mark.slow
def test_status_shows_the_bot_that_runs_and_no_other(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    assert run("--loops", "1").end() == 0
    bot = run()
    bot.wait_for("orders open as wanted")
    wait_until(lambda: "quoting; so for" in asked(tmp_path, "status")[1])
    _, out, _ = asked(tmp_path, "status")
    assert out.startswith(f"Run 2: paper, BTC_USD (BTC), process {bot.process.pid}, since ")
    assert "Run 1" not in out
    assert re.search(
        r"^Position   long 0, short 0; limits at the start -10000/10000$", out, re.MULTILINE
    )
    assert not re.search(r"^Quotes .*-", out, re.MULTILINE), "both sides are quoted"
    [found] = json.loads(asked(tmp_path, "status", "--json")[1])
    assert found["tick"]["state"] == "ACTIVE"
    bot.process.kill()
    bot.process.wait()
    status, out, err = asked(tmp_path, "status")
    assert (status, out) == (2, "")
    assert "no bot runs here" in err
    assert json.loads(asked(tmp_path, "status", "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report"], "no run is recorded in"),
        (["status"], "no bot runs here"),
        (["report", "7"], "there is no run 7"),
        (["report", "nowhere.journal"], "there is no such file"),
        (["runs", "--since", "x"], "must be such as 2020-02-01"),
    ],
)
def test_a_report_that_there_is_not_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    status, out, err = asked(tmp_path, *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
