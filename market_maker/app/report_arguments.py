"""The arguments of the commands on runs: their list, report, status, reasons and live page."""

import argparse
from datetime import UTC, datetime, time
from pathlib import Path

WEB_PORT = 8421


def add_for_runs(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of a command on runs: one of `arguments.FOR_RUNS`."""
    if name == "runs":
        parser.add_argument("--all", action="store_true", help="list all, not the latest 20")
        parser.add_argument(
            "--since", type=_date, metavar="DATE", help="list those since then, such as 2020-02-01"
        )
        return
    if name == "web":
        parser.add_argument(
            "--port", type=int, default=WEB_PORT, help="default: %(default)s; 0: any free one"
        )
        return
    if name == "why":
        _add_for_why(parser)
        return
    parser.add_argument("--json", action="store_true", help="as JSON")
    if name == "status":
        return
    parser.add_argument(
        "run",
        nargs="?",
        default="last",
        metavar="RUN",
        help="its number, `last` (default), a back-test's name, or a journal: its last run",
    )
    parser.add_argument(
        "--since", type=_date, metavar="DATE", help="add up the runs since then instead"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts there")
    parser.add_argument("--csv", choices=("fills", "orders", "equity"), help="rows as CSV")


def _add_for_why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        metavar="PRICE|ORDER_ID",
        help="all rules of the quote at a price, or the history of an order; default: all quotes",
    )
    parser.add_argument("--missing", action="store_true", help="only the quotes that are missing")
    parser.add_argument(
        "--at",
        type=_moment,
        metavar="TIME",
        help="then instead of now: 10:20:30 of the run, or 2020-02-01T10:20:30; UTC",
    )
    parser.add_argument(
        "--run",
        default="last",
        metavar="RUN",
        help="its number, `last` (default), a back-test's name, or a journal: its last run",
    )


def _in_utc(found: datetime) -> datetime:
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _date(text: str) -> datetime:
    """Return a date, in UTC where it names no other time zone."""
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"must be such as 2020-02-01, not {text!r}") from None


def _moment(text: str) -> datetime | time:
    """Return a time of day, or a date with a time in UTC where it names no other time zone."""
    try:
        return time.fromisoformat(text)
    except ValueError:
        pass
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        words = f"must be such as 10:20:30 or 2020-02-01T10:20:30, not {text!r}"
        raise argparse.ArgumentTypeError(words) from None
