"""The arguments of the commands about tapes and back-tests."""

import argparse
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path

from market_maker.app.arguments import DEFAULT_STRATEGY, STRATEGIES
from market_maker.tapes import NAMES

DEFAULT_LATENCY = "10"
MOST = 10**9
SLOWEST = 1.9
"""Seconds each way; with more no answer would come in time."""


def add_for_tapes(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of these commands."""
    {
        "record": _add_for_record,
        "tape": _add_for_tape,
        "backtest": _add_for_backtest,
        "replay": _add_for_replay,
        "sweep": _add_for_sweep,
    }[name](parser)


def _add_for_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", nargs="?", metavar="SYMBOL", help="instead of the settings'")
    parser.add_argument("--settings", type=Path, metavar="PATH", help="default: ./settings.py")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where the files go; default: here"
    )
    _add_duration(parser, "until Ctrl-C")


def _add_for_tape(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="what a tape holds, and what it lacks")
    info.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _add_market(info)
    convert = actions.add_parser("convert", help="write a tape in our own format, or as npz")
    convert.add_argument("files", nargs="+", type=Path, metavar="FILE")
    convert.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="FILE.tape, FILE.tape.gz, FILE.npz"
    )
    _add_market(convert)
    _add_for_estimate(actions.add_parser("estimate", help="volatility, A and k, micro-price"))
    make = actions.add_parser("make", help="make a market up, from a seed")
    make.add_argument("--seed", type=int, default=1, help="another seed, another market")
    make.add_argument(
        "--adverse",
        action="store_true",
        help="half of the takers know where the price goes in the next seconds",
    )
    make.add_argument("--out", type=Path, required=True, metavar="FILE")
    _add_duration(make, "1h")


def _add_for_estimate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="of a tape")
    parser.add_argument(
        "--run", metavar="RUN", help="from the own quotes and fills of a run instead; as of report"
    )
    parser.add_argument(
        "--step", type=_seconds, default=1.0, metavar="TIME", help="of a return; default: 1s"
    )
    parser.add_argument(
        "--depths",
        type=_depths,
        metavar="FROM,TO",
        help="ticks from the mid that A and k must fit; default: from half of the usual spread on",
    )
    parser.add_argument("--microprice", type=Path, metavar="FILE", help="write its table there")
    parser.add_argument(
        "--buckets", type=_buckets, default=9, metavar="N", help="of its imbalance; default: 9"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    _add_market(parser)


def _add_for_backtest(parser: argparse.ArgumentParser) -> None:
    _add_trial(parser)
    parser.add_argument(
        "--fills",
        default="range",
        metavar="MODEL",
        help="touch, log, power:N, safe, through; default: range, that is touch and safe",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="cut the tape and see that no quote before the cut depends on what comes after",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts there")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--log-level",
        default="WARNING",
        type=str.upper,
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        help="of the bot's log; default: %(default)s",
    )


def _add_for_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="its number, `last`, a back-test's name, or a journal"
    )
    parser.add_argument(
        "--strategy",
        default="",
        metavar="NAME",
        help="let this strategy place orders again on the same facts, too",
    )


def _add_for_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, metavar="PLAN", help="see `marketmaker docs backtest`")
    _add_trial(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the run directory; default: PLAN without its end"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="processes; default: 1")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster: tcp://...")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on in a directory that has results of other trials, too",
    )
    parser.add_argument("--keep", action="store_true", help="keep the journal of each trial")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a heat map")


def _add_trial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="TAPE")
    _add_market(parser)
    parser.add_argument("--settings", type=Path, metavar="PATH", help="default: ./settings.py")
    parser.add_argument(
        "--strategy",
        default=DEFAULT_STRATEGY,
        metavar="NAME",
        help=STRATEGIES,
    )
    parser.add_argument(
        "--latency",
        type=_latency,
        default=_latency(DEFAULT_LATENCY),
        metavar="MS",
        help="of a request, and of its answer; or `measured`: from recorded runs; default: 10",
    )
    parser.add_argument(
        "--feed-latency",
        type=_milliseconds,
        default=0.01,
        metavar="MS",
        help="of the fastest frame; default: 10",
    )
    parser.add_argument(
        "--fee",
        type=_rates,
        metavar="MAKER,TAKER",
        help="such as --fee=-0.0001,0.0005; default: settings",
    )
    parser.add_argument(
        "--balance", type=_amount, default=Decimal(50), metavar="X", help="default: %(default)s"
    )
    parser.add_argument(
        "--position", type=int, default=0, metavar="N", help="contracts at the start; below 0 short"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what a bot draws; default: 1")


def _add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        default="",
        choices=("", *NAMES),
        metavar="FORMAT",
        help=f"{', '.join(NAMES)}; default: what the file looks like",
    )
    parser.add_argument(
        "--symbol", default="", metavar="AREA/SYMBOL", help="what an unknown tape trades as"
    )
    for name, what in (
        ("tick", "the step of its prices"),
        ("lot", "the step of its quantities"),
        ("face", "the worth of its contract"),
    ):
        parser.add_argument(f"--{name}", type=_amount, metavar="X", help=what)


def _add_duration(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_seconds,
        default=_seconds(default) if default[0].isdigit() else None,
        metavar="TIME",
        help=f"such as 90s, 10m, 1h; default: {default}",
    )


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"must be such as 90s, 10m or 1h, not {text!r}")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


def _depths(text: str) -> tuple[float, float | None]:
    first, _, last = text.partition(",")
    try:
        nearest, farthest = float(first), float(last) if last else None
        if 0 < nearest < (MOST if farthest is None else farthest) <= MOST:
            return nearest, farthest
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be ticks such as 2,40 or 2, not {text!r}")


def _buckets(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= 20:
        raise argparse.ArgumentTypeError(f"must be a whole number from 2 to 20, not {text!r}")
    return int(text)


def _amount(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal(0)
    if not found.is_finite() or not 0 < found <= MOST:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and below 1e9, not {text!r}")
    return found


def _rates(text: str) -> tuple[Decimal, Decimal]:
    try:
        maker, taker = (Decimal(each) for each in text.split(","))
        if all(each.is_finite() and abs(each) <= Decimal("0.01") for each in (maker, taker)):
            return maker, taker
    except (ValueError, InvalidOperation):
        pass
    raise argparse.ArgumentTypeError(f"must be such as 0.0002,0.0005, at most 0.01, not {text!r}")


def _latency(text: str) -> float | None:
    """Return seconds; None: those that were measured."""
    if text == "measured":
        return None
    found = _milliseconds(text)
    if found > SLOWEST:
        raise argparse.ArgumentTypeError(
            f"must be at most {SLOWEST * 1000:g}, not {text}: a call is given up after 4 s"
        )
    return found


def _milliseconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 10_000:
        raise argparse.ArgumentTypeError(f"must be ms from 0 to 10000, not {text!r}")
    return found / 1000
