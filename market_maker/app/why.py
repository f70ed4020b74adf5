"""`marketmaker why`: the reason of each quote of a run, and of each that is missing."""

import argparse
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from market_maker.app.report import BROKEN, find_run
from market_maker.clock import SYSTEM
from market_maker.decimals import plain
from market_maker.errors import SettingsError
from market_maker.journal import Run
from market_maker.report import moment, why

LATER = timedelta(seconds=2)
"""A time so long after the end is taken for the end."""
DIGITS = 15
"""A price has fewer; what has more is the id of an order."""


def show(arguments: argparse.Namespace) -> str:
    """Return the reasons as text. Raises SettingsError for a run, time or order that is not there.

    Without --at it is about now, of a run that has ended about its last tick.
    """
    run = find_run(arguments.run)
    try:
        return _show(run, arguments.what, _at(run, arguments.at), arguments.missing)
    except BROKEN as error:
        raise SettingsError(f"run {run.row['number']} of {run.path}: {error}") from None


def _show(run: Run, what: str | None, at_ms: int, only_missing: bool) -> str:
    if not what:
        return why.overview(moment.moment_of(run, at_ms), only_missing=only_missing)
    if steps := run.steps_of(what, until_ms=at_ms):
        return why.of_order(run, steps)
    price = _price(what)
    if price is None:
        words = f"run {run.number} had no order {what} until then; a price or an order id is needed"
        raise SettingsError(words)
    return why.at_price(moment.moment_of(run, at_ms), price)


def _price(text: str) -> Decimal | None:
    try:
        price = Decimal(text)
    except ArithmeticError:
        return None
    return price if price.is_finite() and price > 0 and len(plain(price)) < DIGITS else None


def _at(run: Run, given: datetime | time | None) -> int:
    """Return the moment in ms; a time of day is the last one within the run."""
    last = run.last("ticks")
    recorded_ms = last["time_ms"] if last else run.row["begun_ms"]
    begun = _utc(run.row["begun_ms"])
    end = _utc(SYSTEM.now_ms() if run.is_running else recorded_ms)
    if given is None:
        return round(end.timestamp() * 1000)
    if isinstance(given, time):
        ats = [_on(end.toordinal() + days, given) for days in (1, 0, -1)]
        given = next((at for at in ats if begun <= at <= end), ats[1])
    if given < begun:
        raise SettingsError(f"run {run.number} began at {begun:%F %T} UTC, after {given:%F %T}")
    if given > max(end, _utc(run.row["ended_ms"] or 0)) + LATER:
        what = "it is" if run.is_running else f"the last tick of run {run.number} was at"
        raise SettingsError(f"{what} {end:%F %T} UTC, before {given:%F %T}")
    return round(given.timestamp() * 1000)


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _on(day: int, at: time) -> datetime:
    return datetime.combine(date.fromordinal(day), at, at.tzinfo or UTC).astimezone(UTC)
