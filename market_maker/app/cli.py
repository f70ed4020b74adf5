"""The command line: arguments, logging, signals and exit codes. All parts are put together here."""

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from market_maker import secrecy
from market_maker.app import versions
from market_maker.app.arguments import parse
from market_maker.app.logs import Quiet
from market_maker.errors import (
    AlreadyRunning,
    MarketMakerError,
    OrdersLeft,
    SettingsError,
    VenueUnreachable,
)
from market_maker.guard.runfiles import KILL_SWITCH
from market_maker.settings import FILE, environment_without_keys, example_text, settings

if TYPE_CHECKING:
    from market_maker.app.paper_child import OwnExchange
    from market_maker.guard.session import Safeguards
    from market_maker.market_maker import OrderManager
    from market_maker.paper.faults.schedule import Fault

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s - %(levelname)s - %(module)s - %(funcName)s: - %(message)s"
STATUS = {SettingsError: 2, OrdersLeft: 3, VenueUnreachable: 4, AlreadyRunning: 5}
"""Exit statuses; 0 is clean, 1 anything else."""
LAST_LINES_SECONDS = 1.0
CANCEL_NEEDS = (
    *("API_URL_BASE", "API_KEY", "API_SECRET", "SETTLECURRENCY", "INSTRUMENTTYPE", "SYMBOL"),
    "ORDERID_PREFIX",
)
"""The settings without which nothing can be cancelled; no other one can stand in the way of it."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HALT_SIGNAL = signal.SIGUSR1
LEAVE_AT_ONCE = 3
"""This many times Ctrl-C ends the bot at once."""
INHERITED = "GTE_MARKETMAKER_RESTART"
"""Environment variable that tells a process that it is a restart, and what is its own by it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    _open_standard_streams()
    arguments = parse(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO, handlers=[Quiet()], force=True)
    secrecy.install()
    try:
        return _status_of(arguments)
    finally:
        _give_up_broken_streams()


def _status_of(arguments: argparse.Namespace) -> int:
    try:
        versions.check()
        COMMANDS[arguments.command](arguments)
    except MarketMakerError as error:
        logger.error("%s", error)
        for order in getattr(error, "orders", ()):
            logger.error("  %s", order)
        return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 1)
    except BrokenPipeError:  # of `| head`
        logger.debug("Nobody reads on.")
    except KeyboardInterrupt:
        logger.warning("Interrupted.")
        return 130
    except Exception:
        logger.exception("Internal error.")
        return 1
    return 0


def _open_standard_streams() -> None:
    """Leave no standard stream closed: the next file that is opened would take its number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _give_up_broken_streams() -> None:
    """Let no output that nobody takes change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except AttributeError:  # it was closed when Python started
            pass


# --- run ----------------------------------------------------------------------------------------


class _Signals:
    """What signals ask of a run. They set flags; only the third Ctrl-C ends it on the spot."""

    def __init__(self) -> None:
        self.bot: OrderManager | None = None
        self.early = ""
        self.interrupts = 0
        self.is_halted = False

    def install(self) -> None:
        """Mind the signals from now on."""
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._stop)
        signal.signal(HALT_SIGNAL, self._halt)

    def mind(self, bot: "OrderManager") -> None:
        """Pass on to a bot what has come, and what comes."""
        self.bot = bot
        if self.is_halted:
            bot.halt(KILL_SWITCH)
        if self.early:
            bot.stop(self.early)

    def _stop(self, number: int, _frame: object) -> None:
        self.interrupts += number == signal.SIGINT
        if self.interrupts >= LEAVE_AT_ONCE:
            os._exit(130)
        if self.bot is None:
            self.early = signal.Signals(number).name  # an import may swallow the exception
            raise KeyboardInterrupt
        if self.interrupts > 1:
            self.bot.hurry()
        self.bot.stop(signal.Signals(number).name)

    def _halt(self, _number: int, _frame: object) -> None:
        self.is_halted = True
        if self.bot:
            self.bot.halt(KILL_SWITCH)


def _run(arguments: argparse.Namespace) -> None:
    from market_maker.trading.exchange_interface import EarlierRuns

    signals = _Signals()
    signals.install()
    inherited = json.loads(os.environ.pop(INHERITED, "null"))
    safeguards: Safeguards | None = None
    try:
        paper = _paper_exchange(arguments, inherited) if arguments.paper else None
        _load(arguments, _overrides(arguments, paper), may_be_missing=arguments.paper)
        if not settings.DRY_RUN or (inherited and inherited["safeguards"]):
            safeguards = _safeguards(arguments, paper, inherited)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP_SIGNALS, HALT_SIGNAL))  # see _start_anew
        strategy = _strategy(arguments.strategy)
        strategy.earlier = safeguards.earlier if safeguards else EarlierRuns()
        bot = strategy()
    except BaseException as error:
        if safeguards:
            safeguards.end_start(error, is_restart=bool(inherited))
        if isinstance(error, KeyboardInterrupt):
            logger.info("Stopped before anything was sent.")
            return
        raise
    signals.mind(bot)
    bot.on_restart = lambda: _start_anew(paper, safeguards, bot)
    try:
        with safeguards.watch(bot) if safeguards else nullcontext():
            bot.run_loop(arguments.loops)
    finally:
        if paper:
            paper.end()
            if safeguards:
                safeguards.files.discard()


def _safeguards(
    arguments: argparse.Namespace, paper: "OwnExchange | None", inherited: dict[str, Any] | None
) -> "Safeguards":
    from market_maker.guard.session import Safeguards

    return Safeguards(
        has_guard=not arguments.no_guard,
        clear_halt=arguments.clear_halt,
        keep=(paper.child.fd,) if paper else (),
        inherited=inherited and inherited["safeguards"],
    )


def _overrides(arguments: argparse.Namespace, paper: "OwnExchange | None") -> dict[str, Any]:
    """Return the settings that the command line decides."""
    decided: dict[str, Any] = {}
    if arguments.log_level:
        decided["LOG_LEVEL"] = arguments.log_level.upper()
    if paper:
        decided |= {
            "API_URL_BASE": paper.rest,
            "WS_URL": paper.ws,
            "API_KEY": paper.key,
            "API_SECRET": paper.secret,
            "DRY_RUN": False,
        }
    if arguments.dry_run:
        decided["DRY_RUN"] = True
    return decided


def _load(
    arguments: argparse.Namespace,
    overrides: dict[str, Any],
    *,
    may_be_missing: bool = False,
    only: Collection[str] = (),
) -> None:
    path: Path | None = arguments.settings or FILE
    if path == FILE and not FILE.exists():
        if not may_be_missing:
            raise SettingsError(
                f"There is no {FILE} here. `python marketmaker setup` writes one; "
                "`python marketmaker --paper` runs without, on the built-in paper exchange."
            )
        path = None
    settings.load(path, symbol=arguments.symbol, overrides=overrides, only=only)
    logging.getLogger().setLevel(settings.log_level())
    for noisy in ("urllib3", "websocket"):
        logging.getLogger(noisy).setLevel(logging.ERROR)  # their warnings quote the venue at length


def _strategy(name: str) -> "type[OrderManager]":
    """Return the class that `--strategy` names."""
    from market_maker.market_maker import OrderManager

    module_name, _, class_name = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise SettingsError(f"--strategy {name}: {error}; it is MODULE:CLASS") from error
    if not (isinstance(found, type) and issubclass(found, OrderManager)):
        raise SettingsError(f"--strategy {name}: it is not a subclass of OrderManager")
    return found


def _start_anew(
    paper: "OwnExchange | None", safeguards: "Safeguards | None", bot: "OrderManager"
) -> None:
    """Replace this process by a new one with the same command line; it inherits what is ours.

    A signal that comes meanwhile waits, and reaches the new process. Raises OSError when there is
    no program to start.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP_SIGNALS, HALT_SIGNAL))
    if bot.stop_reason in signal.Signals.__members__:
        os.kill(os.getpid(), signal.Signals[bot.stop_reason])
    if paper:
        paper.child.outlive_restart()
    inherited = {
        "paper": asdict(paper) if paper else None,
        "safeguards": safeguards.outlive_restart(bot) if safeguards else None,
    }
    environment = settings.environment() | {INHERITED: json.dumps(inherited)}
    logging.shutdown()
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP_SIGNALS, HALT_SIGNAL))


# --- the paper exchange and the guard -----------------------------------------------------------


def _paper_exchange(
    arguments: argparse.Namespace, inherited: dict[str, Any] | None
) -> "OwnExchange":
    """Return a paper exchange of our own: the inherited one, or new."""
    from market_maker.app.paper_child import OwnExchange

    if inherited:
        return OwnExchange.inherited(inherited["paper"])
    options = ["--seed", str(arguments.seed), "--speed", str(arguments.speed)]
    options += ["--volatility", str(arguments.volatility)]
    if arguments.tape:
        options += ["--tape", str(arguments.tape)]
    return OwnExchange.start(options, environment_without_keys())


def _guard(_arguments: argparse.Namespace) -> None:
    """Guard the bot that has started us. Neither a signal nor a log that is stuck stops it."""
    from market_maker.guard import guard

    for number in (*STOP_SIGNALS, HALT_SIGNAL):
        signal.signal(number, signal.SIG_IGN)
    lines: SimpleQueue[Any] = SimpleQueue()
    root = logging.getLogger()
    listener = QueueListener(lines, *root.handlers)
    listener.start()
    root.handlers = [QueueHandler(lines)]
    try:
        guard.stand_by(sys.stdin.buffer)
    except BaseException:
        logger.exception("guard: internal error.")
    writing = threading.Thread(target=listener.stop, daemon=True)  # it ends with the last line
    writing.start()
    writing.join(LAST_LINES_SECONDS)
    os._exit(0)


def _paper(arguments: argparse.Namespace) -> None:
    from market_maker.app.paper_child import need_aiohttp

    need_aiohttp()
    from market_maker.paper.api import judge
    from market_maker.paper.faults import schedule
    from market_maker.paper.server.service import serve
    from market_maker.paper.server.venue import PAPER_KEY, PAPER_SECRET

    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())

    def stop_with_the_bot() -> None:
        sys.stdin.read()
        stop.set()

    def tell_the_bot(rest: str, ws: str) -> None:
        answer = {"rest": rest, "ws": ws, "key": PAPER_KEY, "secret": PAPER_SECRET}
        print(json.dumps(answer), flush=True)
        threading.Thread(target=stop_with_the_bot, daemon=True).start()

    def tell_the_user(rest: str, ws: str) -> None:
        print(f"REST       {rest}\nWebSocket  {ws}")
        print(f"Key        {PAPER_KEY}\nSecret     {PAPER_SECRET}\nCtrl-C ends it.", flush=True)

    def tell_of_control(url: str, token: str) -> None:
        print(f"Control    {url}\nToken      {token}", flush=True)

    if arguments.list_faults:
        for name, text in schedule.listed():
            print(f"{name:<18} {text}")
        return
    if arguments.for_bot:
        logging.getLogger().setLevel(logging.WARNING)
    try:
        report = serve(
            port=arguments.port,
            seed=arguments.seed,
            tape=arguments.tape,
            volatility=arguments.volatility,
            speed=arguments.speed,
            faults=_schedule(arguments.faults),
            ready=tell_the_bot if arguments.for_bot else tell_the_user,
            control=tell_of_control if arguments.control else None,
            stop=stop,
        )
    except (ValueError, OSError, OverflowError) as error:
        raise SettingsError(f"the paper exchange cannot start: {error}") from None
    if arguments.json:
        print(json.dumps(judge.as_plain(report)))
        return
    logging.getLogger().setLevel(logging.INFO)
    for line in judge.in_words(report):
        if arguments.for_bot:
            logger.info("The exchange's judge: %s", line)
        else:
            print(line)


def _schedule(file: Path | None) -> "list[Fault]":
    """Return the faults of a file: a JSON list of objects such as {"name": "cut", "after_ms":
    5000}."""
    from market_maker.paper.faults.schedule import Fault

    if file is None:
        return []
    try:
        return [Fault(**wanted) for wanted in json.loads(file.read_text("utf-8"))]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None


# --- setup, check, cancel -----------------------------------------------------------------------


def _setup(_arguments: argparse.Namespace) -> None:
    try:
        with open(os.open(FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(example_text())
    except FileExistsError:
        raise SettingsError(f"{FILE} is here already; it is left as it is") from None
    except OSError as error:
        raise SettingsError(f"{FILE} cannot be written: {error.strerror}") from None
    print(f"Wrote {FILE}. It is a dry run until you set DRY_RUN = False. Next: marketmaker check")


def _cancel(arguments: argparse.Namespace) -> None:
    from market_maker.app import cancel

    _load(arguments, {}, only=CANCEL_NEEDS)
    if not settings.API_KEY:
        raise SettingsError("cancel needs a key: set GTE_API_KEY and GTE_API_SECRET")
    cancel.run(and_halt=arguments.halt)


def _check(arguments: argparse.Namespace) -> None:
    from market_maker.app import cancel, check

    _load(arguments, {})
    logging.getLogger().setLevel(logging.CRITICAL)
    failed = []
    gte = cancel.client(settings.WS_URL)
    try:
        for name, found in check.run(gte):
            shown = secrecy.fit(str(found))
            print(f"{name:<10} {'FAIL' if isinstance(found, Exception) else 'ok':<5} {shown}")
            failed += [found] if isinstance(found, Exception) else []
    finally:
        gte.exit()
        logging.getLogger().setLevel(logging.INFO)
    if failed:
        unreachable = any(isinstance(error, VenueUnreachable) for error in failed)
        kind = VenueUnreachable if unreachable else MarketMakerError
        raise kind(f"{len(failed)} checks failed")


COMMANDS = {
    **{"": _run, "setup": _setup, "check": _check, "cancel": _cancel, "paper": _paper},
    "guard": _guard,
}
