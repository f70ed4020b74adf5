"""The arguments of the command line."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from market_maker import __version__
from market_maker.settings import FILE
from market_maker.strategies import READY

T = TypeVar("T", int, float, Decimal)

DEFAULT_STRATEGY = "market_maker.market_maker:OrderManager"
STRATEGIES = f"{', '.join(READY)}; or your own: FILE.py, FILE.py:CLASS or MODULE:CLASS"
"""What `--strategy` may name."""
PAPER_PORT = 8420
PAPER_MARKET = {"tape_as": None, "seed": 1, "volatility": 8.0, "speed": 1.0, "latency": 100.0}
"""What shapes the paper exchange, and its defaults: livelier than a real market, for a first run,
and as far away as the real venue was."""

COMMANDS = {
    "": "Keep a ladder of orders around the market on GTE, or on the paper exchange.",
    "setup": f"Write {FILE} here, after some questions on a terminal; never over an existing one.",
    "check": "Check settings, connections, clock, key and open orders. Sends no order.",
    "plan": "Show what these settings would do now, before money. Sends no order.",
    "cancel": "Cancel every open order with our prefix, and prove that none is left.",
    "paper": "Serve the paper exchange on this machine until Ctrl-C.",
    "docs": "Show a page of the documentation; without PAGE, list the pages.",
    "runs": "List the runs of this machine, the latest last.",
    "report": "Show what a run did and earned.",
    "status": "Show what the bot that runs now does; `watch -n1` shows it again and again.",
    "why": "Tell why each quote of a run stands where it stands, and why others are missing.",
    "web": "Serve a live page about the bots of this machine, on this machine, until Ctrl-C.",
    "record": "Record the venue's public feed into tapes; needs no key.",
    "tape": "Tell what a tape holds, estimate from it, convert one, or make one up.",
    "backtest": "Run a strategy on tapes, on simulated time.",
    "replay": "See whether the decisions of a run come out the same today.",
    "sweep": "Run many back-tests after a plan, and tell the settings that did well apart.",
}
FOR_RUNS = ("runs", "report", "status", "why", "web")
WITH_MARKET = ("", "paper", "plan")
FOR_TAPES = ("record", "tape", "backtest", "replay", "sweep")
EPILOG = """commands:
  marketmaker setup     write settings.py
  marketmaker check     check settings, connections and key; sends no order
  marketmaker plan      show what the settings would do; sends no order
  marketmaker cancel    cancel all own orders; needs no running bot
  marketmaker paper     serve the paper exchange alone
  marketmaker docs      show the documentation
  marketmaker runs      list the runs of this machine
  marketmaker report    show what a run did and earned
  marketmaker status    show what the bot that runs now does
  marketmaker web       the same as a live page in a browser
  marketmaker why       tell why a quote stands where it stands, or is missing
  marketmaker record    record the venue's public feed
  marketmaker tape      tell what a tape holds; estimate, convert, make one
  marketmaker backtest  run a strategy on recorded markets
  marketmaker replay    decide again what a run has decided
  marketmaker sweep     run many back-tests

exit status: 0 clean, 1 internal error or refused by the venue, 2 settings or usage,
3 own orders may be left, 4 venue unreachable at start, 5 another instance runs,
130 Ctrl-C in another command than a run"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; `command` is the command's name, empty for a run.

    Ends the program with its text for --help and --version, and for what cannot be parsed.
    """
    name = argv[0] if argv and argv[0] in COMMANDS else ""
    parser = argparse.ArgumentParser(
        prog=f"{program()} {name}".strip(),
        description=COMMANDS[name],
        epilog="" if name else EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_of_others(parser, name)
    if name not in {"paper", "setup", "docs", *FOR_RUNS, *FOR_TAPES}:
        parser.add_argument("symbol", nargs="?", metavar="SYMBOL", help="instead of the settings'")
        parser.add_argument(
            "--settings", type=Path, metavar="PATH", help=f"settings file (default: ./{FILE})"
        )
    if name == "docs":
        parser.add_argument("page", nargs="?", metavar="PAGE", help="such as first-hour")
    if name in {"docs", "setup"}:
        parser.add_argument("--lang", choices=("en", "zh"), help="default: that of the locale")
    if name == "check":
        parser.add_argument(
            "--notify", action="store_true", help="send a test message to NOTIFY_URL, too"
        )
    if name == "cancel":
        parser.add_argument(
            "--halt",
            action="store_true",
            help="let no bot quote any more, nor one that runs",
        )
        parser.add_argument(
            "--close",
            action="store_true",
            help="then close the account's position in the symbol; of contracts only",
        )
        parser.add_argument("--yes", action="store_true", help="close without asking")
    if name == "setup":
        parser.add_argument(
            "--from",
            dest="source",
            type=Path,
            metavar="FILE",
            help="take over the settings of a bot of the BitMEX sample's family",
        )
        parser.add_argument(
            "--plain", action="store_true", help="ask nothing: copy the example as it is"
        )
    if name == "paper":
        _add_for_paper(parser)
    if name in WITH_MARKET:
        _add_for_market(parser)
    if name in {"", "plan"}:
        _add_for_strategy(parser)
    if not name:
        _add_for_run(parser)
    arguments = parser.parse_args(argv[1:] if name else argv)
    arguments.command = name
    symbol = getattr(arguments, "symbol", None) or ""
    if symbol.islower() and (near := difflib.get_close_matches(symbol, COMMANDS, 1)):
        parser.error(f"no such command: {symbol}; did you mean {near[0]}?")
    _complete(arguments, parser.error)
    return arguments


def program() -> str:
    """Return what a user types to start this program, as this one was started."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return "python -m market_maker"
    is_script = (started.parent / "setup.py").exists()
    return "python marketmaker" if is_script else "marketmaker"


def _add_of_others(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of commands that have a file of their own for them."""
    if name in FOR_TAPES:
        from market_maker.app import tape_arguments

        tape_arguments.add_for_tapes(parser, name)
    if name in FOR_RUNS:
        from market_maker.app import report_arguments

        report_arguments.add_for_runs(parser, name)
    if name == "plan":
        from market_maker.app import plan_arguments

        plan_arguments.add_for_plan(parser)


def _add_for_paper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=PAPER_PORT, help="default: %(default)s; 0: any free one"
    )
    parser.add_argument("--control", action="store_true", help="serve the control endpoint")
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="a schedule of faults, as JSON; see --list-faults",
    )
    parser.add_argument(
        "--list-faults", action="store_true", help="list all faults and their fields, and end"
    )
    parser.add_argument("--secret", default="", help="of its key; default: another one each time")
    parser.add_argument("--json", action="store_true", help="give the final report as JSON")
    parser.add_argument("--for-bot", action="store_true", help=argparse.SUPPRESS)


def _add_for_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tape",
        type=Path,
        metavar="FILE",
        help="a recorded market in place of the synthetic one",
    )
    parser.add_argument(
        "--tape-as",
        metavar="NAME",
        help="the instrument that plays the tape, such as pc/ETH/ETH_USD; default: its own",
    )
    parser.add_argument("--seed", type=int, help="another seed, another market")
    parser.add_argument(
        "--volatility",
        type=factor,
        metavar="X",
        help="of the synthetic market; 1: a real one's; default: 8",
    )
    parser.add_argument(
        "--speed", type=factor, metavar="X", help="how fast market and tape live; default: 1"
    )
    parser.add_argument(
        "--latency",
        type=_latency,
        metavar="MS",
        help="from a request to its answer, half of it each way; default: 100",
    )


def _add_for_strategy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strategy",
        default=DEFAULT_STRATEGY,
        metavar="NAME",
        help=STRATEGIES,
    )
    parser.add_argument("--paper", action="store_true", help="use the built-in paper exchange")


def _add_for_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="send no order")
    parser.add_argument("--loops", type=_positive, metavar="N", help="stop cleanly after N ticks")
    parser.add_argument(
        "--no-guard", action="store_true", help="run without the process that cancels for us"
    )
    parser.add_argument(
        "--clear-halt", action="store_true", help="quote again after `cancel --halt`"
    )
    parser.add_argument(
        "--help-settings", action="store_true", help="show the strategy's own settings, and end"
    )
    parser.add_argument("--log-level", metavar="LEVEL", help="instead of the settings'")
    parser.add_argument(
        "--log-file", type=Path, metavar="PATH", help="write the log there, too, 10 MB a file"
    )
    parser.add_argument("--version", action="version", version=f"marketmaker {__version__}")


def _complete(arguments: argparse.Namespace, error: Callable[[str], object]) -> None:
    """Refuse options that do not go together, and fill in the paper exchange's defaults."""
    if why := _contradiction(arguments):
        error(why)
    if arguments.command == "plan":
        arguments.change = dict(arguments.change)
    if arguments.command not in WITH_MARKET:
        return
    has_exchange = arguments.command == "paper" or arguments.paper
    for option, default in {"tape": None, **PAPER_MARKET}.items():
        if getattr(arguments, option) is None:
            setattr(arguments, option, default)
        elif not has_exchange:
            error(f"--{option.replace('_', '-')} goes with --paper")
    if arguments.tape_as and not arguments.tape:
        error("--tape-as goes with --tape")


def _contradiction(given: argparse.Namespace) -> str:
    """Return which options of a command do not go together; empty if all do."""
    if given.command == "report":
        formats = [name for name in ("json", "html", "csv") if getattr(given, name)]
        if len(formats) > 1:
            return f"--{formats[0]} does not go with --{formats[1]}"
        if given.since and (given.run != "last" or given.html or given.csv):
            return "--since adds up runs: it goes with --json alone"
    if given.command == "why" and given.what and given.missing:
        return "--missing goes without a price or an order id"
    if given.command == "backtest" and given.check and (given.html or given.json):
        return "--check makes no report: it goes without --html and --json"
    if given.command == "cancel" and given.yes and not given.close:
        return "--yes goes with --close"
    return ""


def factor(text: str) -> float:
    """Return a number from 0.01 to 100. Raises argparse.ArgumentTypeError for any other."""
    return number_in(text, float, 0.01, 100)


def _latency(text: str) -> float:
    return number_in(text, float, 0, 10_000)


def _positive(text: str) -> int:
    return number_in(text, int, 1, 10**9)


def number_in(text: str, kind: Callable[[str], T], low: float, high: float) -> T:
    """Return a number from `low` to `high`. Raises argparse.ArgumentTypeError for any other."""
    try:
        number = kind(text)
        is_within = low <= number <= high
    except (ValueError, ArithmeticError):
        number, is_within = None, False
    if number is None or not is_within:
        raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}, not {text!r}")
    return number
