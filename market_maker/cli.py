"""The command line: arguments, logging, signals and exit codes. All parts are put together here."""

import argparse
import importlib
import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from market_maker import __version__, secrecy, versions
from market_maker.errors import (
    MarketMakerError,
    OrdersLeft,
    RequestError,
    SettingsError,
    VenueUnreachable,
)
from market_maker.settings import FILE, environment_without_keys, example_text, settings

if TYPE_CHECKING:
    from market_maker.gte import GTE
    from market_maker.market_maker import OrderManager
    from market_maker.paper.faults import Fault

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s - %(levelname)s - %(module)s - %(funcName)s: - %(message)s"
STATUS = {SettingsError: 2, OrdersLeft: 3, VenueUnreachable: 4}
"""Exit statuses; 0 is clean, 1 anything else."""
DEFAULT_STRATEGY = "market_maker.market_maker:OrderManager"
PAPER_PORT = 8420
PAPER_SECONDS = 15.0
PAPER_END_SECONDS = 3.0
CANCEL_SECONDS = 20.0
START_CANCEL_SECONDS = 3.0
CANCEL_NEEDS = (
    *("API_URL_BASE", "API_KEY", "API_SECRET", "SETTLECURRENCY", "INSTRUMENTTYPE", "SYMBOL"),
    "ORDERID_PREFIX",
)
"""The settings without which nothing can be cancelled; no other one can stand in the way of it."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INHERITED = "GTE_MARKETMAKER_PAPER"
"""Environment variable that tells a process that it is a restart, and of its paper exchange."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO, force=True)
    secrecy.install()
    try:
        versions.check()
        arguments.run(arguments)
    except MarketMakerError as error:
        logger.error("%s", error)
        for order in getattr(error, "orders", ()):
            logger.error("  %s", order)
        return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 1)
    except BrokenPipeError:  # of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        logger.info("Stopped before anything was sent.")
        return 130
    except Exception:
        logger.exception("Internal error.")
        return 1
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    commands = {"setup": _setup, "check": _check, "cancel": _cancel, "paper": _paper}
    name = argv[0] if argv and argv[0] in commands else ""
    parser = argparse.ArgumentParser(
        prog=f"marketmaker {name}".strip(),
        description=_HELP[name],
        epilog="" if name else _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if name not in {"paper", "setup"}:
        parser.add_argument("symbol", nargs="?", metavar="SYMBOL", help="instead of the settings'")
        parser.add_argument(
            "--settings", type=Path, metavar="PATH", help=f"settings file (default: ./{FILE})"
        )
    if name == "paper":
        parser.add_argument(
            "--port", type=int, default=PAPER_PORT, help="default: %(default)s; 0: any free one"
        )
        parser.add_argument("--control", action="store_true", help="serve the control endpoint")
        parser.add_argument(
            "--faults", type=Path, metavar="FILE", help="a schedule of faults, as JSON"
        )
        parser.add_argument("--list-faults", action="store_true", help="list all faults and end")
        parser.add_argument("--json", action="store_true", help="give the final report as JSON")
        parser.add_argument("--for-bot", action="store_true", help=argparse.SUPPRESS)
    if name in {"paper", ""}:
        parser.add_argument(
            "--tape",
            type=Path,
            metavar="FILE",
            help="a recorded market in place of the synthetic one",
        )
        parser.add_argument("--seed", type=int, default=1, help="another seed, another market")
        parser.add_argument(
            "--volatility", type=_factor, default=1.0, metavar="X", help="times the usual one"
        )
        parser.add_argument(
            "--speed", type=_factor, default=1.0, metavar="X", help="how fast the market lives"
        )
    if not name:
        parser.add_argument(
            "--paper", action="store_true", help="trade on the built-in paper exchange"
        )
        parser.add_argument("--dry-run", action="store_true", help="send no order")
        parser.add_argument(
            "--strategy", default=DEFAULT_STRATEGY, metavar="MODULE:CLASS", help="your OrderManager"
        )
        parser.add_argument(
            "--loops", type=_positive, metavar="N", help="stop cleanly after N ticks"
        )
        parser.add_argument("--log-level", metavar="LEVEL", help="instead of the settings'")
        parser.add_argument("--version", action="version", version=f"marketmaker {__version__}")
    arguments = parser.parse_args(argv[1:] if name else argv)
    arguments.run = commands.get(name, _run)
    if not name and arguments.tape and not arguments.paper:
        parser.error("--tape goes with --paper")
    return arguments


def _factor(text: str) -> float:
    number = float(text)
    if not 0.01 <= number <= 100:
        raise ValueError
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_HELP = {
    "": "Keep a ladder of orders around the market on GTE, or on the paper exchange.",
    "setup": f"Write {FILE} here from the example; never over an existing one.",
    "check": "Check settings, connections, clock, key and open orders. Sends no order.",
    "cancel": "Cancel every open order with our prefix, and prove that none is left.",
    "paper": "Serve the paper exchange on this machine until Ctrl-C.",
}
_EPILOG = """commands:
  marketmaker setup     write settings.py
  marketmaker check     check settings, connections and key; sends no order
  marketmaker cancel    cancel all own orders; needs no running bot
  marketmaker paper     serve the paper exchange alone

exit status: 0 clean, 1 internal error or refused by the venue, 2 settings or usage,
3 own orders may be left, 4 venue unreachable at start"""


# --- run ----------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> None:
    bot: OrderManager | None = None
    early = ""

    def stop(number: int, _frame: object) -> None:
        nonlocal early
        if bot is None:
            early = signal.Signals(number).name  # an import may swallow the exception
            raise KeyboardInterrupt
        bot.stop(signal.Signals(number).name)

    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, stop)
    inherited = os.environ.pop(INHERITED, "")
    try:
        paper = _paper_exchange(arguments, inherited) if arguments.paper else {}
        _load(arguments, _overrides(arguments, paper), may_be_missing=arguments.paper)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # a restart blocks them
        strategy = _strategy(arguments.strategy)
        strategy.takes_over = bool(inherited)
        bot = strategy()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if (inherited or interrupted) and settings.loaded and not settings.DRY_RUN:
            logger.warning("The start came to nothing; canceling what an earlier run has left.")
            _cancel_all(START_CANCEL_SECONDS)
            if interrupted:
                return
        raise
    bot.on_restart = lambda: _start_anew(paper, bot)
    if early:
        bot.stop(early)
    try:
        bot.run_loop(arguments.loops)
    finally:
        if paper:
            _end_paper(paper)


def _overrides(arguments: argparse.Namespace, paper: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the command line decides."""
    decided: dict[str, Any] = {}
    if arguments.log_level:
        decided["LOG_LEVEL"] = arguments.log_level.upper()
    if paper:
        decided |= {
            "API_URL_BASE": paper["rest"],
            "WS_URL": paper["ws"],
            "API_KEY": paper["key"],
            "API_SECRET": paper["secret"],
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


def _start_anew(paper: dict[str, Any], bot: "OrderManager") -> None:
    """Replace this process by a new one with the same command line, and hand it the paper exchange.

    A signal that comes meanwhile waits, and stops the new process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    if bot.stop_reason in signal.Signals.__members__:
        os.kill(os.getpid(), signal.Signals[bot.stop_reason])
    if paper:
        os.set_inheritable(paper["fd"], True)
    environment = settings.environment() | {INHERITED: json.dumps(paper)}
    logging.shutdown()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


# --- the paper exchange -------------------------------------------------------------------------


def _paper_exchange(arguments: argparse.Namespace, inherited: str) -> dict[str, Any]:
    """Return the addresses and the key of a paper exchange of our own: the inherited one, or new.

    It is a child process in a session of its own, so that Ctrl-C does not reach it, and it ends
    when the pipe to it closes, which is when this process ends, in whatever way.
    """
    if inherited:
        return json.loads(inherited)  # type: ignore[no-any-return]
    _need_aiohttp()
    root = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r}); from market_maker.cli import main; "
    command = [sys.executable, "-c", code + "raise SystemExit(main())"]
    command += ["paper", "--for-bot", "--port", "0", "--seed", str(arguments.seed)]
    command += ["--volatility", str(arguments.volatility), "--speed", str(arguments.speed)]
    if arguments.tape:
        command += ["--tape", str(arguments.tape)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=environment_without_keys(),
    )
    assert child.stdin
    assert child.stdout
    too_long = threading.Timer(PAPER_SECONDS, child.kill)
    too_long.daemon = True
    too_long.start()
    line = child.stdout.readline()
    too_long.cancel()
    fd = os.dup(child.stdin.fileno())  # survives a restart, unlike the object that holds the other
    child.stdin.close()
    if not line:
        raise SettingsError("the paper exchange did not start; the lines above say why")
    return json.loads(line) | {  # type: ignore[no-any-return]
        "fd": fd,
        "pid": child.pid,
    }


def _end_paper(paper: dict[str, Any]) -> None:
    """End our paper exchange, and wait a moment for what its judge says."""
    os.close(paper["fd"])
    waiting = threading.Thread(target=os.waitpid, args=(paper["pid"], 0), daemon=True)
    waiting.start()
    waiting.join(PAPER_END_SECONDS)


def _need_aiohttp() -> None:
    if importlib.util.find_spec("aiohttp") is None:
        raise SettingsError("the paper exchange needs aiohttp: pip install -e '.[paper]'")


def _paper(arguments: argparse.Namespace) -> None:
    _need_aiohttp()
    from market_maker.paper import faults, judge
    from market_maker.paper.house import PAPER_KEY, PAPER_SECRET
    from market_maker.paper.server import serve

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
        for name, text in faults.listed():
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
    from market_maker.paper.faults import Fault

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


def _gte(*, feed: bool) -> "GTE":
    from market_maker.gte import GTE

    return GTE(
        settings.API_URL_BASE,
        symbol=settings.SYMBOL,
        settle_currency=settings.SETTLECURRENCY,
        instrument_type=settings.INSTRUMENTTYPE,
        api_key=settings.API_KEY,
        api_secret=settings.API_SECRET,
        orderid_prefix=settings.ORDERID_PREFIX,
        ws_url=settings.WS_URL if feed else "",
        timeout=settings.TIMEOUT,
    )


def _cancel(arguments: argparse.Namespace) -> None:
    _load(arguments, {}, only=CANCEL_NEEDS)
    if not settings.API_KEY:
        raise SettingsError("cancel needs a key: set GTE_API_KEY and GTE_API_SECRET")
    _cancel_all(CANCEL_SECONDS)


def _cancel_all(seconds: float) -> None:
    """Cancel all own orders over REST and say so; raise OrdersLeft when that cannot be proven."""
    gte = _gte(feed=False)
    try:
        gte.cancel_all_orders(seconds)
        nameless = sum(not order.client_oid for order in gte.query_orders())
    except (RequestError, OrdersLeft) as error:
        listed = getattr(error, "orders", ())
        raise OrdersLeft(f"own orders may be left: {error}", listed) from None
    finally:
        gte.exit()
    logger.info("No order with prefix %s is left in %s.", settings.ORDERID_PREFIX, settings.SYMBOL)
    if nameless:
        logger.warning("%d orders without client_oid are left: whose, cannot be told.", nameless)


def _check(arguments: argparse.Namespace) -> None:
    from market_maker import check

    _load(arguments, {})
    logging.getLogger().setLevel(logging.CRITICAL)
    failed = []
    gte = _gte(feed=True)
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
