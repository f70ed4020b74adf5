"""The arguments of `plan`."""

import argparse
import ast
from decimal import Decimal
from typing import Any

from market_maker.app.arguments import factor, number_in
from market_maker.settings import FILE, SECRETS

LARGEST = 10**15
OF_THE_VENUE = {
    *("API_URL_BASE", "WS_URL", "USE_HOSTS_OF_2020", "DRY_RUN"),
    *("SETTLECURRENCY", "INSTRUMENTTYPE", "SYMBOL", "ORDERID_PREFIX"),
}
"""Settings that a plan cannot compare: it looks at one account of one market."""


def add_for_plan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `plan`."""
    parser.add_argument(
        "--change",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="compare with this setting changed; may be repeated",
    )
    parser.add_argument(
        "--balance",
        type=_not_negative,
        metavar="X",
        help="of the account; default: the account's own, without a key DRY_BTC",
    )
    parser.add_argument(
        "--position",
        type=_decimal,
        metavar="X",
        help="contracts, below 0 short; on spot the base currency to sell; default: the account's "
        "own, without a key 0, and on spot what the balance buys",
    )
    parser.add_argument(
        "--leverage",
        type=_leverage,
        metavar="X",
        help="default: the account's own, without a key 10",
    )
    parser.add_argument(
        "--move",
        type=_percent,
        default=Decimal(20),
        metavar="X",
        help="look at the loss when the price has moved by X %%; default: 20",
    )
    parser.add_argument(
        "--hourly-move",
        type=factor,
        metavar="X",
        help="assume that an hour's move has a standard deviation of X %%; default: as the last "
        "100 minutes had it",
    )
    parser.add_argument(
        "--watch",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="show the strategy the market for so long first, each LOOP_INTERVAL; default: 0",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def _setting(text: str) -> tuple[str, Any]:
    """Return a setting's name and its value, which is Python; other text is taken as it is.

    The value is shown by nobody: it may be a key in the wrong place.
    """
    name, is_there, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not is_there or not name.isidentifier() or not value:
        raise argparse.ArgumentTypeError("must be NAME=VALUE, such as ORDER_PAIRS=10")
    if name in SECRETS:
        raise argparse.ArgumentTypeError(f"{name} is secret, and changes no plan")
    if name in OF_THE_VENUE:
        raise argparse.ArgumentTypeError(
            f"{name} names another venue, account or market: set it in {FILE}, or name the SYMBOL"
        )
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= LARGEST:
        raise argparse.ArgumentTypeError(f"must be a number below 1e15, not {text!r}")
    return number


def _not_negative(text: str) -> Decimal:
    number = _decimal(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text!r}")
    return number


def _leverage(text: str) -> Decimal:
    return Decimal(str(number_in(text, Decimal, 1, 1000)))


def _percent(text: str) -> Decimal:
    return Decimal(str(number_in(text, Decimal, 0.01, 99)))


def _seconds(text: str) -> float:
    return number_in(text, float, 0, 86_400)
