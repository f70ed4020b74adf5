"""`marketmaker why`: the reason of each quote of a run, and of each that is missing."""

import argparse
from datetime import UTC, date, datetime, time
from decimal import Decimal

from market_maker.app.report import BROKEN, find_run
from market_maker.clock import SYSTEM
from market_maker.decimals import plain
from market_maker.errors import SettingsError
from market_maker.journal import Run
from market_maker.report import moment, why


def show(arguments: argparse.Namespace) -> str:
    """Return the reasons as text. Raises SettingsError for a run, time or order that is not there.

    Without --at it is about now, of a run that has ended about its last decision.
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
    return price if price.is_finite() and price > 0 and len(plain(price)) < 20 else None


def _at(run: Run, given: datetime | time | None) -> int:
    """Return the moment in ms; a time of day is the last one within the run."""
    last = run.last("decisions")
    end_ms = SYSTEM.now_ms() if run.is_running else last["time_ms"] if last else None
    end = _utc(end_ms or run.row["ended_ms"] or run.row["begun_ms"])
    begun = _utc(run.row["begun_ms"])
    if isinstance(given, time):
        at, day_before = (_on(end.toordinal() - days, given) for days in (0, 1))
        given = day_before if at > end and day_before >= begun else at
    given = given or end
    if given < begun:
        raise SettingsError(f"run {run.number} began at {begun:%F %T} UTC, after {given:%F %T}")
    return round(given.timestamp() * 1000)


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _on(day: int, at: time) -> datetime:
    return datetime.combine(date.fromordinal(day), at, at.tzinfo or UTC)
