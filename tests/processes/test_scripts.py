"""A bot has its lock, guard, latch, signals and way out however it was started."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bot import ROOT, settings_for
from conftest import wait_until

from market_maker.paper.server.in_process import PaperExchange

if TYPE_CHECKING:
    from bot import Bot

Run = Callable[..., "Bot"]
CLEAN = r"All own orders cancelled \(confirmed by order query\)"
HEAD = """
import logging
logging.basicConfig(level=logging.INFO)
from market_maker.market_maker import *
class Mine(OrderManager):
    pass
"""


@pytest.fixture
def script(run: Run, venue: PaperExchange, tmp_path: Path) -> Callable[..., "Bot"]:
    """Run a script of the user's own, `mine.py`, with settings for the paper exchange."""

    def start(text: str, *arguments: str) -> "Bot":
        settings_for(venue, tmp_path, DRY_RUN=False)
        file = tmp_path / "mine.py"
        file.write_text(text)
        return run(*arguments, program=file, PYTHONPATH=str(ROOT))

    return start


def test_a_script_of_the_users_own_is_guarded_and_stops_cleanly(
    script: Run, venue: PaperExchange
) -> None:
    bot = script(HEAD + "Mine().run_loop()\n")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert len(bot.guards) == 1
    again = script(HEAD + "Mine().run_loop()\n")
    assert again.end() == 1
    assert "AlreadyRunning" in again.text
    assert bot.end(signal.SIGTERM) == 0
    assert re.search(CLEAN, bot.text)
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


def test_a_file_that_makes_a_bot_of_another_class_than_was_asked_for_is_refused(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=False)
    text = "class Other(OrderManager):\n    pass\nbot = Mine()\n"
    (tmp_path / "two.py").write_text(HEAD + text)
    bot = run("--strategy", "two.py:Other", "--loops", "2")
    assert bot.process.wait(30) == 2
    assert "two.py:Other: the file makes a Mine when it is imported" in bot.text
    assert venue.judge().accepted == 0
    wait_until(lambda: bot.guards == [])


@pytest.mark.slow
def test_the_orders_of_a_killed_script_are_cancelled_by_its_guard(
    script: Run, venue: PaperExchange
) -> None:
    bot = script(HEAD + "Mine().run_loop()\n")
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.kill()
    begun = time.monotonic()
    wait_until(lambda: not venue.open_orders(), 12)
    assert time.monotonic() - begun < 12
    bot.wait_for("guard: clean", 20)


@pytest.mark.parametrize(
    "start", ["Mine().run_loop()", "run()", "bot = Mine()", "if True: Mine().run_loop(2)"]
)
def test_a_strategy_that_starts_itself_when_it_is_imported_obeys_the_command_line(
    run: Run, venue: PaperExchange, tmp_path: Path, start: str
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=False)
    (tmp_path / "mine.py").write_text(HEAD + start + "\n")
    bot = run("--strategy", "mine.py:Mine", "--loops", "2")
    assert bot.end() == 0, bot.text
    assert bot.text.count("Guarded by process") == 1
    assert "Stopping: requested number of loops done." in bot.text
    assert re.search(CLEAN, bot.text)
    assert venue.open_orders() == []


OWN_LOOPS = {
    "goes on with ours": "    print('mine'); super().run_loop()",
    "is its own": "    while True: self.sanity_check(); self.place_orders(); sleep(0.1)",
    "ends at once": "    return",
}


@pytest.mark.parametrize("own", OWN_LOOPS)
def test_a_run_loop_of_the_strategys_own_goes_on_with_ours_or_is_refused(
    run: Run, venue: PaperExchange, tmp_path: Path, own: str
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=False)
    text = HEAD.replace("    pass", "    def run_loop(self):\n    " + OWN_LOOPS[own])
    (tmp_path / "mine.py").write_text(text)
    bot = run("--strategy", "mine.py", "--loops", "2")
    status = bot.end()
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])
    assert status == (2 if own == "is its own" else 0), bot.text
    assert re.search(CLEAN, bot.text)
    if own == "is its own":
        assert "Mine.run_loop() replaces the loop that guards the orders: end it with" in bot.text
        assert venue.judge().accepted == 0
        assert "Traceback" not in bot.text


FAMILY_EXIT = """
    def exit(self):
        logger.info("Mine is leaving.")
        try:
            self.exchange.cancel_all_orders()
            self.exchange.bitmex.exit()
        except errors.AuthenticationError as e:
            logger.info("Was not authenticated; could not cancel orders.")
        sys.exit()
"""
FAMILY_RESET = """
    def reset(self):
        self.exchange.cancel_all_orders()
        self.sanity_check()
        self.print_status()
        self.place_orders()
"""


@pytest.mark.parametrize("method", [FAMILY_EXIT, FAMILY_RESET], ids=["exit", "reset"])
def test_an_exit_or_reset_of_the_family_leaves_no_order(
    run: Run, venue: PaperExchange, tmp_path: Path, method: str
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=False)
    (tmp_path / "mine.py").write_text(HEAD.replace("    pass", method))
    bot = run("--strategy", "mine.py", "--loops", "2")
    assert bot.end() == 0, bot.text
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])
    assert re.search(CLEAN, bot.text)
    assert venue.judge().accepted >= 6
    assert "Traceback" not in bot.text


@pytest.mark.parametrize(("status", "ours"), [("", 0), ("0", 0), ("3", 1), ("5", 1)])
def test_a_strategy_that_ends_the_program_stops_the_bot_and_no_status_of_ours_is_taken(
    status: str, ours: int, run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=False)
    ends = f"""
    def place_orders(self):
        super().place_orders()
        if self.exchange.get_orders():
            sys.exit({status})
"""
    (tmp_path / "mine.py").write_text("import sys" + HEAD.replace("    pass", ends))
    bot = run("--strategy", "mine.py")
    assert bot.process.wait(30) == ours
    assert "Stopping: the strategy called sys.exit()." in bot.text
    assert re.search(CLEAN, bot.text)
    assert venue.open_orders() == []


def test_a_thread_of_the_strategy_that_keeps_the_program_is_named_and_ctrl_c_ends_it(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, DRY_RUN=False)
    (tmp_path / "mine.py").write_text(
        "import threading, time\n"
        "from market_maker.market_maker import OrderManager\n"
        "class Mine(OrderManager):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        threading.Thread(target=time.sleep, args=(3600,), name='poll').start()\n"
    )
    bot = run("--strategy", "mine.py", "--loops", "1")
    bot.wait_for("Threads of the strategy still run: poll.")
    assert bot.end(signal.SIGINT) == -signal.SIGINT
    assert re.search(CLEAN, bot.text)
    assert venue.open_orders() == []
