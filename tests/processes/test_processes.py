"""Killed, hung, halted and started twice: real processes, judged by the exchange's own list."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bot import ENVIRONMENT, ROOT, Bot, ended, is_guard, settings_for, watched_code
from conftest import Run, account_of, client_of, wait_until
from kills import PAIR, SIXTY, SPOT, assert_clean, gone_after, kill_bots

from market_maker.guard.runfiles import RunFiles
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.server.in_process import PaperExchange

logger = logging.getLogger(__name__)

PREFIX = "mm_gte_"


def run_files(directory: Path) -> dict[str, Path]:
    """Return the run files of a bot's directory by the ends of their names."""
    found = (directory / "state" / "gte-marketmaker").iterdir()
    return {file.name.rpartition(PREFIX)[2]: file for file in found}


def list_of_orders_left(directory: Path) -> list[str] | None:
    file = run_files(directory).get(".orders_left.json")
    return json.loads(file.read_text())["orders"] if file else None


def runs_of(venue: PaperExchange) -> set[str]:
    """Return which runs the open orders are of."""
    return {str(o.client_oid)[len(PREFIX) : len(PREFIX) + 6] for o in venue.open_orders()}


# --- death --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_order_outlives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """Eight kills; `python -m tests.processes` makes more, on spot and at other latencies, too."""
    assert_clean(kill_bots(tmp_path, kills=8, lanes=8))


@pytest.mark.slow
def test_sixty_orders_go_within_ten_seconds(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path, **SIXTY)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 60, 30)
    bot.process.kill()
    seconds = gone_after(venue, time.monotonic())
    logger.info("Gone after %.2f s.", seconds)
    assert seconds <= 10
    bot.wait_for("guard: clean")
    assert list_of_orders_left(tmp_path) is None
    assert "Traceback" not in bot.text


@pytest.fixture
def spot() -> Iterator[PaperExchange]:
    """A venue whose spot rows show no client_oid, with a still book."""
    with PaperExchange(crowd=False, book=True, quirks=Quirks(forget_client_oid=True)) as exchange:
        exchange.put("buy", "8490", 10**9, key=PAIR)
        exchange.put("sell", "8497.5", 10**9, key=PAIR)
        yield exchange


@pytest.mark.slow
@pytest.mark.parametrize("orders", [1, 7, 25])
@pytest.mark.parametrize("who", ["guard", "cancel", "next run"])
def test_no_spot_order_outlives_a_kill_while_the_ladder_is_laid(
    run: Run, spot: PaperExchange, tmp_path: Path, who: str, orders: int
) -> None:
    """Some creates have an answer then, some have left without one (found 1.2)."""
    settings_for(spot, tmp_path, **SPOT)
    bot = run(*(() if who == "guard" else ("--no-guard",)))
    wait_until(lambda: len(spot.open_orders()) >= orders, 30)
    bot.process.kill()
    if who == "guard":
        bot.wait_for("guard: clean", 30)
    else:
        assert run(*(("cancel",) if who == "cancel" else ("--loops", "1"))).end() == 0
    assert spot.open_orders() == []


def kill_with_a_create_on_its_way(run: Run, venue: PaperExchange, tmp_path: Path) -> float:
    """Kill an unguarded bot; return when one of its creates, of 6, is to reach the venue."""
    settings_for(venue, tmp_path)
    venue.fault("late", match="pc/order/create", value="6000", done=False, times=1)
    killed = run("--no-guard")
    wait_until(lambda: len(venue.open_orders()) == 5)
    arrives = time.monotonic() + 6
    killed.end(signal.SIGKILL)
    return arrives


@pytest.mark.slow
def test_an_order_that_arrives_after_the_death_of_its_run_is_cancelled_by_hand(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    arrives = kill_with_a_create_on_its_way(run, venue, tmp_path)
    by_hand = run("cancel")
    assert by_hand.end() == 0
    assert time.monotonic() > arrives
    assert "An order may be in flight: querying open orders for 10 s." in by_hand.text
    assert venue.judge().accepted == 6
    assert venue.open_orders() == []
    again = run("cancel")
    assert again.end() == 0
    assert "in flight" not in again.text, "all is proven by now"


@pytest.mark.slow
def test_a_strategy_that_forgets_to_cancel_on_its_way_out_leaves_nothing(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "forgets.py").write_text(
        "from market_maker.market_maker import OrderManager\n\n\n"
        "class Forgets(OrderManager):\n"
        "    def exit(self, *arguments):\n"
        "        self.exchange.close()\n"
    )
    settings_for(venue, tmp_path)
    bot = run("--strategy", "forgets:Forgets")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert bot.end(signal.SIGTERM) == 0
    assert "Shutdown failed: it has proven nothing." in bot.text
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


def test_a_start_waits_for_what_may_still_arrive_of_an_unguarded_run(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    arrives = kill_with_a_create_on_its_way(run, venue, tmp_path)
    bot = run("--loops", "1")
    assert bot.end() == 0
    assert time.monotonic() > arrives
    assert "Cancelling 5 orders of a previous run." in bot.text
    assert venue.judge().accepted == 12, "the five, the late one, and its own"
    assert venue.open_orders() == []
    assert venue.judge().doubled == []
    assert "hung" not in bot.text, "its guard waits for the end of the start"


@pytest.mark.slow
def test_orders_that_a_reset_has_placed_are_pulled_when_it_hangs(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(
        "import time\n\nfrom market_maker.market_maker import OrderManager\n\n\n"
        "class Hangs(OrderManager):\n"
        "    def reset(self):\n"
        "        super().reset()\n"
        "        self.place_orders()\n"
        "        time.sleep(60)\n"
    )
    settings_for(venue, tmp_path)
    bot = run("--strategy", "hangs:Hangs")
    wait_until(lambda: len(venue.open_orders()) == 6)
    wait_until(lambda: not venue.open_orders(), 20)
    assert "guard: the bot is hung" in bot.text


@pytest.mark.slow
def test_a_bot_that_stands_still_has_its_orders_pulled_and_goes_on_later(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    wait_until(lambda: not venue.open_orders(), 15)
    assert 9 < time.monotonic() - begun < 15
    bot.process.send_signal(signal.SIGCONT)
    bot.wait_for("guard: the bot is back")
    wait_until(lambda: len(venue.open_orders()) == 6, 20)
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])
    assert "The loop hangs" not in bot.text  # it was stopped, and is well


def sleeps(pid: int) -> bool:
    """Say whether the main thread of a process waits, as a loop does between two ticks."""
    about = Path(f"/proc/{pid}/task/{pid}/stat").read_text()
    return about.rpartition(")")[2].split()[0] == "S"


@pytest.mark.slow
def test_a_real_process_that_was_stopped_looks_anew_and_quotes_on(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, LOOP_INTERVAL=5)
    bot = run()
    bot.wait_for("6 orders open as wanted")
    wait_until(lambda: sleeps(bot.process.pid))  # the tick that has said so is over
    bot.process.send_signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    time.sleep(6.5)  # the fault itself: a standstill has to last
    venue.put("sell", "8490.5", 5000)
    bot.process.send_signal(signal.SIGCONT)
    bot.wait_for("stood still for .* s: resyncing")
    lasted = time.monotonic() - stopped_at
    bot.wait_for("(?s)resyncing.*ACTIVE: quoting")
    said = re.search(r"stood still for (\d+) s: resyncing", bot.text)
    assert said
    assert 5 <= int(said[1]) <= round(lasted)
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []
    report = venue.judge()
    assert (report.doubled, report.self_trades, sum(report.breaches.values())) == ([], 0, 0)


@pytest.mark.slow
def test_a_strategy_that_hangs_has_its_orders_pulled_and_its_stack_shown(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(
        "import time\n\nfrom market_maker.market_maker import OrderManager\n\n\n"
        "class Hangs(OrderManager):\n"
        "    def place_orders(self):\n"
        "        super().place_orders()\n"
        "        if len(self.exchange.orders.tracker.live()) == 6:\n"
        "            sleeping_beauty('a secret of hers')\n\n\n"
        "def sleeping_beauty(secret):\n"
        "    time.sleep(3600)\n"
    )
    settings_for(venue, tmp_path)
    bot = run("--strategy", "hangs:Hangs")
    wait_until(lambda: len(venue.open_orders()) == 6)
    wait_until(lambda: not venue.open_orders(), 15)
    bot.wait_for("in sleeping_beauty")
    assert "a secret of hers" not in bot.text


@pytest.mark.slow
def test_a_bot_without_file_descriptors_leaves_no_order(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "greedy.py").write_text(
        "import os\n\nfrom market_maker.market_maker import OrderManager\n\n\n"
        "class Greedy(OrderManager):\n"
        "    def place_orders(self):\n"
        "        super().place_orders()\n"
        "        if len(self.exchange.orders.tracker.live()) == 6:\n"
        "            while True:\n"
        "                os.dup(2)\n"
    )
    settings_for(venue, tmp_path)
    bot = run("--strategy", "greedy:Greedy")
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.wait_for("Too many open files")
    bot.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    gone_after(venue, begun)
    assert bot.end() in {0, 3}
    assert venue.open_orders() == []


def test_a_bot_that_is_killed_for_its_memory_leaves_no_order(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    """The kernel's killer is a SIGKILL; the guard is small enough to be spared."""
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    (guard,) = bot.guards
    wait_until(lambda: is_guard(guard))
    status = Path(f"/proc/{guard}/status").read_text().splitlines()
    used = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    assert used < 60 * 1024
    bot.process.kill()
    gone_after(venue, time.monotonic())


# --- leaving ------------------------------------------------------------------------------------


def test_sigterm_stops_creates_at_once_and_leaves_nothing(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, **SIXTY)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) >= 10, 30)
    bot.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    time.sleep(0.1)
    accepted = venue.judge().accepted
    assert bot.end() == 0
    assert time.monotonic() - begun < 20
    assert venue.judge().accepted == accepted
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


@pytest.mark.slow
def test_a_second_ctrl_c_looks_once_more_and_lists_what_is_left(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, TIMEOUT=0.5)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    venue.freeze()
    bot.process.send_signal(signal.SIGINT)
    bot.wait_for("Shutting down")
    begun = time.monotonic()
    assert bot.end(signal.SIGINT) == 3
    assert time.monotonic() - begun < 8
    assert len(list_of_orders_left(tmp_path) or ()) == 6
    venue.thaw()
    gone_after(venue, time.monotonic())
    bot.wait_for("guard: clean", 20)
    wait_until(lambda: list_of_orders_left(tmp_path) is None)


def test_a_second_ctrl_c_is_clean_when_one_round_of_cancels_is_enough(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.send_signal(signal.SIGINT)
    assert bot.end(signal.SIGINT) in {0, 3}
    gone_after(venue, time.monotonic())


@pytest.mark.slow
def test_a_third_ctrl_c_leaves_at_once_and_the_guard_takes_over(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    venue.freeze()
    for _ in range(2):
        bot.process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # two signals at once are one
    begun = time.monotonic()
    assert bot.end(signal.SIGINT) == 130
    assert time.monotonic() - begun < 2
    assert len(venue.open_orders()) == 6
    venue.thaw()
    gone_after(venue, time.monotonic())
    bot.wait_for("guard: clean", 20)


@pytest.mark.slow
def test_exit_3_while_the_venue_is_away_and_the_guard_cleans_up_when_it_is_back(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    venue.stop()
    begun = time.monotonic()
    assert bot.end(signal.SIGTERM) == 3
    assert 19 < time.monotonic() - begun < 30
    assert "No order" not in bot.text
    truth = {order.client_oid for order in venue.open_orders()}
    listed = list_of_orders_left(tmp_path) or ()
    assert {line.split("client_oid ")[1].split()[0] for line in listed} == truth
    second = run()
    second.wait_for("Waiting for the guard")
    venue.start()
    gone_after(venue, time.monotonic())
    bot.wait_for("guard: clean", 20)
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert list_of_orders_left(tmp_path) is None
    assert second.end(signal.SIGTERM) == 0


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_does_not_stop_the_way_out(
    venue: PaperExchange, tmp_path: Path, number: int
) -> None:
    with Mute(venue, tmp_path, stderr=subprocess.PIPE) as bot:
        assert bot.process.stderr
        bot.process.stderr.close()
        assert bot.end(number) == 0
        assert venue.open_orders() == []


def test_streams_that_are_closed_from_the_start_do_not_matter(
    venue: PaperExchange, tmp_path: Path
) -> None:
    with Mute(venue, tmp_path, shell='exec "$@" <&- >&- 2>&-') as bot:
        assert bot.end(signal.SIGTERM) == 0
        assert venue.open_orders() == []


@pytest.mark.slow
def test_a_terminal_that_takes_no_more_text_stops_the_bot_but_not_the_guard(
    venue: PaperExchange, tmp_path: Path
) -> None:
    with Mute(venue, tmp_path, "--log-level", "DEBUG", stderr=subprocess.PIPE) as bot:
        wait_until(lambda: not venue.open_orders(), 60)  # the pipe holds 64 KiB
        assert bot.process.poll() is None


SLOW_LOG = """
import logging, time
from market_maker.app import guard_process

class Slow(logging.StreamHandler):
    def emit(self, record):
        time.sleep(0.2)
        super().emit(record)

guard_process.logs.set_up = lambda: logging.basicConfig(handlers=[Slow()])
guard_process.watch.stand_by = lambda *_: logging.warning("clean")
guard_process.main()
"""


def test_the_last_line_of_a_guard_is_written_to_a_slow_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW_LOG],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == "WARNING:root:clean\n"


def test_a_full_disk_does_not_stop_the_way_out(venue: PaperExchange, tmp_path: Path) -> None:
    with (
        open("/dev/full", "w") as full,
        Mute(venue, tmp_path, shell='ulimit -f 0; exec "$@"', stderr=full) as bot,
    ):
        assert bot.end(signal.SIGTERM) == 0
        assert venue.open_orders() == []


@pytest.mark.slow
def test_without_run_files_the_bot_quotes_and_its_guard_cancels(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run(XDG_STATE_HOME="/dev/null")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert "No run files" in bot.text
    bot.process.kill()
    gone_after(venue, time.monotonic())
    bot.wait_for("guard: clean", 20)


@pytest.mark.slow
def test_a_bot_of_a_pair_without_run_files_places_nothing_and_says_why(
    run: Run, spot: PaperExchange, tmp_path: Path
) -> None:
    settings_for(spot, tmp_path, **SPOT)
    bot = run(XDG_STATE_HOME="/dev/null")
    bot.wait_for("PAUSED, not quoting: orders cannot be noted: .*notes cannot be written")
    assert bot.end(signal.SIGTERM) == 0
    assert spot.judge().accepted == 0


class Mute:
    """A bot whose output nobody reads, with its six orders up."""

    def __init__(
        self,
        venue: PaperExchange,
        directory: Path,
        *arguments: str,
        shell: str = 'exec "$@"',
        **streams: object,
    ) -> None:
        settings_for(venue, directory)
        program = [sys.executable, str(ROOT / "marketmaker"), *arguments]
        self.process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            ["/bin/sh", "-c", shell, "sh", *program],
            cwd=directory,
            env=ENVIRONMENT | {"XDG_STATE_HOME": str(directory / "state")},
            **streams,
        )
        wait_until(lambda: len(venue.open_orders()) == 6, 20)
        self.guards = children(self.process.pid)

    def __enter__(self) -> "Mute":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in filter(is_guard, self.guards):
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        assert not any(map(is_guard, self.guards))
        return status


def children(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], check=False, capture_output=True, text=True
    )
    return [int(line) for line in found.stdout.split()]


@pytest.mark.slow
def test_a_way_out_that_fails_does_not_keep_the_orders(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(
        "from market_maker.market_maker import OrderManager\n\n\n"
        "class Broken(OrderManager):\n"
        "    def exit(self, seconds=None):\n"
        "        raise ValueError('no way out')\n"
    )
    settings_for(venue, tmp_path)
    bot = run("--strategy", "broken:Broken")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert bot.end(signal.SIGTERM) == 0
    assert "exit() failed." in bot.text
    assert "ValueError: no way out" in bot.text
    assert "All own orders cancelled (confirmed by order query)." in bot.text
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


# --- restart and second instance ----------------------------------------------------------------


@pytest.mark.slow
def test_a_second_instance_ends_with_5_and_names_the_first(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    before = runs_of(venue)
    second = run()
    assert second.end() == 5
    assert f"process {bot.process.pid} holds" in second.text
    assert runs_of(venue) == before
    assert len(venue.open_orders()) == 6
    assert run("--dry-run", "--loops", "1").end() == 0
    assert bot.end(signal.SIGTERM) == 0
    assert run("--loops", "1").end() == 0
    assert venue.open_orders() == []


@pytest.mark.slow
def test_a_planned_restart_leaves_no_order_between_and_is_guarded_anew(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    code = watched_code(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    before = runs_of(venue)
    (guard,) = bot.guards
    code.write_text("A = 2\n")
    bot.wait_for("Restarting")
    wait_until(lambda: venue.open_orders() == [])
    bot.wait_for(r"(?s)All own orders cancelled.*Guarded by.*Creating 6 orders:")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert not before & runs_of(venue)
    assert ended(guard)
    assert len(bot.guards) == 1
    assert run().end() == 5
    time.sleep(11)  # longer than a guard lets a hung bot be
    assert "hung" not in bot.text
    assert "guard:" not in bot.text
    assert bot.text.count("Guarded by") == 2
    assert venue.judge().accepted == 12
    assert venue.judge().doubled == []
    bot.process.kill()
    gone_after(venue, time.monotonic())
    bot.wait_for("guard: clean", 20)


@pytest.mark.slow
def test_a_loss_before_a_restart_counts_for_max_loss_after_it(run: Run, tmp_path: Path) -> None:
    """Each half of the loss is below MAX_LOSS; both are above it (found 1.7)."""
    with PaperExchange(crowd=False) as venue:
        venue.put("buy", "8600", 100_000)  # the mark price is 8493.5: every buy is a loss
        venue.put("sell", "8607.5", 100_000)
        code = watched_code(venue, tmp_path, MAX_LOSS=0.0004, ORDER_START_SIZE=300)
        bot = run()
        lose(venue, bot, 1)
        code.write_text("A = 2\n")
        bot.wait_for("Restarting")
        lose(venue, bot, 2)
        bot.wait_for("HALTED.*loss of this run exceeds MAX_LOSS")
        assert bot.end(signal.SIGTERM) == 0
        assert venue.open_orders() == []


def lose(venue: PaperExchange, bot: Bot, run_number: int) -> None:
    """Let the best buy of a new run be filled, above the mark price; nothing else ends it."""
    wait_until(
        lambda: bot.text.count("Creating 6 orders:") == run_number and venue.open_orders(), 20
    )
    assert "HALTED" not in bot.text
    venue.put("buy", "8600", 0)
    venue.take("sell", "8500", 300)
    venue.put("buy", "8600", 100_000)
    wait_until(lambda: bot.text.count("Bought 300") == run_number)


@pytest.mark.slow
def test_many_restarts_are_no_crash_loop(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    code = watched_code(venue, tmp_path)
    bot = run("--no-guard")
    for number in range(1, 8):
        wait_until(lambda: bot.text.count("Creating 6 orders:") == number, 20)  # noqa: B023
        code.write_text(f"A = {number + 1}\n")
    wait_until(lambda: bot.text.count("Creating 6 orders:") == 8, 20)
    assert "HALTED" not in bot.text
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []


def test_a_restart_without_a_program_to_start_leaves_no_order(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "import sys\n\nfrom market_maker.market_maker import OrderManager\n\n\n"
        "class Mine(OrderManager):\n"
        "    def restart(self):\n"
        "        sys.executable = '/no/such/python'\n"
        "        super().restart()\n"
    )
    code = watched_code(venue, tmp_path)
    bot = run("--strategy", "mine:Mine")
    wait_until(lambda: len(venue.open_orders()) == 6)
    code.write_text("A = 2\n")
    assert bot.end() == 1
    assert venue.open_orders() == []
    wait_until(lambda: bot.guards == [])


@pytest.mark.slow
def test_a_crash_loop_comes_up_halted_and_quotes_only_when_a_person_says_so(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "crash.py").write_text(
        "import os\n\nfrom market_maker.market_maker import OrderManager\n\n\n"
        "class Crash(OrderManager):\n"
        "    def tick(self):\n"
        "        os._exit(1)\n"
    )
    settings_for(venue, tmp_path)
    client = client_of(venue, prefix=PREFIX)
    client.buy(10, 8000)
    client.exit()
    files = RunFiles(account_of(venue, prefix=PREFIX))
    files.note_run(client.run)
    for _ in range(4):  # that many have crashed before; the fifth does it here
        files.note_start()
    assert run("--no-guard", "--strategy", "crash:Crash").end() == 1
    bot = run("--no-guard")
    bot.wait_for("HALTED.*crash loop: 6 starts")
    wait_until(lambda: not venue.open_orders())
    accepted = venue.judge().accepted
    assert bot.end(signal.SIGTERM) == 0
    again = run("--no-guard")
    again.wait_for("HALTED.*crash loop")
    assert again.end(signal.SIGTERM) == 0
    assert venue.judge().accepted == accepted
    cleared = run("--no-guard", "--clear-halt")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert cleared.end(signal.SIGTERM) == 0


def test_a_dead_guard_is_replaced_and_two_deaths_are_said(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    for outcome in (r"(?s)Guarded by.*Guarded by", "no guard process: 2 guards have died"):
        (guard,) = bot.guards
        os.kill(guard, signal.SIGKILL)
        wait_until(lambda guard=guard: ended(guard))
        bot.wait_for(outcome)
    assert bot.end(signal.SIGTERM) == 0
    assert venue.open_orders() == []


def test_without_a_guard_there_is_none(run: Run, venue: PaperExchange, tmp_path: Path) -> None:
    settings_for(venue, tmp_path)
    bot = run("--no-guard")
    wait_until(lambda: len(venue.open_orders()) == 6)
    assert "Guarded by" not in bot.text
    assert children(bot.process.pid) == []
    assert bot.end(signal.SIGTERM) == 0


# --- the kill switch ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_kill_switch_stops_creates_within_100_ms_pulls_all_and_stays(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, **SIXTY)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) >= 10, 30)
    kill_switch = run("cancel", "--halt")
    kill_switch.wait_for("told to halt")
    time.sleep(0.1)
    accepted = venue.judge().accepted
    assert accepted < 60
    assert kill_switch.end() == 0
    assert venue.open_orders() == []
    bot.wait_for("HALTED until a person has looked: kill switch")
    assert bot.process.poll() is None
    assert bot.end(signal.SIGTERM) == 0
    again = run()
    again.wait_for("HALTED.*kill switch")
    assert again.end(signal.SIGTERM) == 0
    assert venue.judge().accepted == accepted
    cleared = run("--clear-halt")
    cleared.wait_for("Creating 60 orders")
    wait_until(venue.open_orders)
    assert cleared.end(signal.SIGTERM) == 0


def test_sigusr1_alone_is_a_kill_switch_that_latches(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: not venue.open_orders())
    wait_until(lambda: ".halt" in run_files(tmp_path))
    assert bot.end(signal.SIGTERM) == 0


def test_a_halt_file_made_by_hand_is_seen_within_a_second_or_two(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    run_files(tmp_path)[".lock"].with_suffix(".halt").write_text("by hand\n")
    wait_until(lambda: not venue.open_orders(), 3)
    bot.wait_for("HALTED.*by hand")
    assert bot.end(signal.SIGTERM) == 0


@pytest.mark.slow
@pytest.mark.parametrize("state", ["state", "/dev/null"])
def test_a_halt_outlives_changed_code_whatever_the_command_line_says(
    run: Run, venue: PaperExchange, tmp_path: Path, state: str
) -> None:
    code = watched_code(venue, tmp_path)
    bot = run("--no-guard", "--clear-halt", XDG_STATE_HOME=str(tmp_path / state))
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: not venue.open_orders())
    accepted = venue.judge().accepted
    code.write_text("A = 2\n")
    bot.wait_for("Changed: watched.py")
    time.sleep(3)  # long enough for a process that starts anew to quote
    assert venue.judge().accepted == accepted
    assert bot.process.poll() is None
    assert bot.end(signal.SIGTERM) == 0


def test_a_kill_switch_during_a_restart_is_not_forgotten(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "import os, signal\n\nfrom market_maker.market_maker import OrderManager\n\n\n"
        "class Mine(OrderManager):\n"
        "    def exit(self):\n"
        "        os.kill(os.getpid(), signal.SIGUSR1)\n"
        "        super().exit()\n"
    )
    code = watched_code(venue, tmp_path)
    bot = run("--strategy", "mine:Mine", "--clear-halt")
    wait_until(lambda: len(venue.open_orders()) == 6)
    code.write_text("A = 2\n")
    bot.wait_for("Restarting")
    assert bot.end() == 0
    assert venue.judge().accepted == 6
    assert venue.open_orders() == []
    assert ".halt" in run_files(tmp_path)


@pytest.mark.slow
def test_a_latch_from_amid_a_restart_is_not_cleared_by_the_old_command_line(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from market_maker.guard.runfiles import RunFiles\n"
        "from market_maker.market_maker import OrderManager\n"
        "from market_maker.settings import settings\n\n\n"
        "class Mine(OrderManager):\n"
        "    def exit(self):\n"
        "        super().exit()\n"
        "        RunFiles(settings.account()).halt('by hand')\n"
    )
    code = watched_code(venue, tmp_path)
    bot = run("--strategy", "mine:Mine", "--clear-halt")
    wait_until(lambda: len(venue.open_orders()) == 6)
    code.write_text("A = 2\n")
    bot.wait_for("(?s)Restarting.*HALTED.*by hand")
    assert venue.judge().accepted == 6
    assert bot.end(signal.SIGTERM) == 0
    assert run("--clear-halt", "--loops", "1").end() == 0
    assert venue.judge().accepted == 12


@pytest.mark.slow
def test_the_kill_switch_needs_no_running_bot(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path, ORDER_PAIRS="six")
    client = client_of(venue, prefix=PREFIX)
    client.buy(10, 8000)
    client.exit()
    assert run("cancel", "--halt").end() == 0
    assert venue.open_orders() == []
    settings_for(venue, tmp_path)
    bot = run()
    bot.wait_for("HALTED.*kill switch")
    assert bot.end(signal.SIGTERM) == 0


@pytest.mark.slow
def test_the_kill_switch_needs_no_strategy_that_works(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run("--no-guard")
    wait_until(lambda: len(venue.open_orders()) == 6)
    bot.process.send_signal(signal.SIGSTOP)
    assert run("cancel", "--halt").end() == 0
    assert venue.open_orders() == []
    accepted = venue.judge().accepted
    bot.process.send_signal(signal.SIGCONT)
    bot.wait_for("HALTED")
    assert bot.end(signal.SIGTERM) == 0
    assert venue.judge().accepted == accepted


@pytest.mark.slow
def test_the_kill_switch_cancels_where_it_cannot_latch_and_says_so(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    client = client_of(venue, prefix=PREFIX)
    client.buy(10, 8000)
    client.exit()
    bot = run("cancel", "--halt", XDG_STATE_HOME="/dev/null")
    assert bot.end() == 1
    assert venue.open_orders() == []
    assert "the halt is not latched" in bot.text
    (tmp_path / "state" / "gte-marketmaker").mkdir(parents=True, mode=0o700)
    (tmp_path / "state" / "gte-marketmaker").chmod(0o777)
    insecure = run("cancel", "--halt")
    assert insecure.end() == 1
    assert "nobody else may write" in insecure.text
    assert run().end() == 2


# --- what can be seen of it from outside ----------------------------------------------------------


def test_neither_bot_nor_guard_listens_or_shows_the_key(
    run: Run, venue: PaperExchange, tmp_path: Path
) -> None:
    settings_for(venue, tmp_path)
    bot = run()
    wait_until(lambda: len(venue.open_orders()) == 6)
    (guard,) = bot.guards
    listening = set(_listening())
    for pid in (bot.process.pid, guard):
        process = Path(f"/proc/{pid}")
        sockets = {os.readlink(fd) for fd in (process / "fd").iterdir() if fd.exists()}
        assert not sockets & listening
        seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert venue.secret.encode() not in seen
        assert venue.key.encode() not in seen
    kept = "".join(file.read_bytes().decode("latin-1") for file in run_files(tmp_path).values())
    assert bot.end(signal.SIGTERM) == 0
    for text in (kept, bot.text):
        assert venue.key not in text
        assert venue.secret not in text


def _listening() -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            if line.split()[3] == "0A":
                yield f"socket:[{line.split()[9]}]"
