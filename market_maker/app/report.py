"""`marketmaker runs`, `report` and `status`: what the journals of this machine tell."""

import argparse
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from market_maker.clock import SYSTEM
from market_maker.errors import SettingsError
from market_maker.guard.runfiles import holders
from market_maker.journal import SUFFIX, Run, Unreadable, files_in, runs_in
from market_maker.private_files import default_directory
from market_maker.report import (
    STEPS,
    csv_of,
    in_html,
    in_json,
    in_text,
    line_of,
    report_of,
    status_json,
    status_of,
    status_text,
    summary_of,
    totals_json,
    totals_of,
    totals_text,
)
from market_maker.utils.progress import Progress

logger = logging.getLogger(__name__)

T = TypeVar("T")

BACK_TESTS = "backtests"
"""The directory of the journals of back-tests, beside those of runs."""
LISTED = 20
"""So many runs are listed without --all."""
BROKEN = (Unreadable, ArithmeticError, ValueError, TypeError, KeyError, IndexError)
"""What a journal raises that somebody else has written into."""
SQLITE = b"SQLite format 3\0"
HEAD = f"{'Run':>5}  {'Begun (UTC)':<19}  {'Ran':>9}  {'Kind':<8}  {'Symbol':<9}  {'Fills':>6}"
HEAD += f"  {'Profit after fees':>20}  Ended"


def list_runs(arguments: argparse.Namespace) -> str:
    """Return the runs as lines of text, the latest last."""
    runs = all_runs(since=arguments.since)
    shown = runs if arguments.all or arguments.since else runs[-LISTED:]
    lines = [HEAD, *_each(shown, lambda run: line_of(summary_of(run)))]
    if arguments.all:
        lines += _back_tests(arguments.since)
    if len(shown) < len(runs):
        lines.append(f"{len(runs) - len(shown)} earlier runs are not shown: --all shows them.")
    return "\n".join(lines) + "\n"


def show_report(arguments: argparse.Namespace) -> str:
    """Return the report of a run as text, JSON or CSV, or write a page and say so.

    With `since`, add up the runs that have begun since then. Raises SettingsError without a run.
    """
    if arguments.since:
        return _show_totals(arguments.since, is_json=arguments.json)
    run = find_run(arguments.run)
    try:
        if arguments.csv:
            return csv_of(run, arguments.csv)
        with Progress(f"Reading run {run.number}", STEPS) as progress:
            if arguments.html:
                return write_page(arguments.html, in_html(run, progress.step))
            report = report_of(run, progress.step)
        return in_json(report) if arguments.json else in_text(report)
    except BROKEN as error:
        raise SettingsError(f"run {run.row['number']} of {run.path}: {error}") from None


def show_status(arguments: argparse.Namespace) -> str:
    """Return what the bots that run now do, as text or JSON.

    Raises SettingsError where none runs; JSON is an empty list then.
    """
    now_ms, found, texts = SYSTEM.now_ms(), [], []
    latest = {run.row.get("pid"): run for run in all_runs()}  # a pid is that of one process
    unseen = {each.pid for each in holders(default_directory())}
    for run in latest.values():
        if run.is_running:
            try:
                status = status_of(run, now_ms)
                texts.append(status_text(status))
                found.append(status)
                unseen.discard(run.row["pid"])
            except BROKEN as error:
                logger.warning("Left out: run %s of %s: %s.", run.row["number"], run.path, error)
    for pid in sorted(unseen):
        logger.warning("A bot runs, process %s, of which no journal tells: see its log.", pid)
    if not found and not arguments.json:
        if unseen:
            raise SettingsError("no journal tells what the bot does that runs here")
        raise SettingsError("no bot runs here; `report` shows what the last run did")
    return status_json(found) if arguments.json else "\n".join(texts)


def _back_tests(since: datetime | None) -> list[str]:
    """Return the back-tests as lines, each with its name: `report` takes that."""
    runs = all_runs(default_directory() / BACK_TESTS, since=since)
    lines = list(_each(runs, lambda run: f"     {line_of(summary_of(run))[5:]}  {run.path.stem}"))
    return ["", "Back-tests, each with its name", *lines] if lines else []


def _show_totals(since: datetime, *, is_json: bool) -> str:
    totals = totals_of(_each(all_runs(since=since), summary_of))
    if not totals and not is_json:
        raise SettingsError(f"no run has begun since {since:%F %T %Z}: `runs --all` lists them")
    return totals_json(totals) if is_json else totals_text(totals)


def _each(runs: Sequence[Run], make: Callable[[Run], T]) -> Iterator[T]:
    """Yield what is made of each run; one that is unreadable is left out, and said."""
    with Progress("Reading the runs", len(runs)) as progress:
        for run in runs:
            progress.step()
            try:
                yield make(run)
            except BROKEN as error:
                logger.warning("Left out: run %s of %s: %s.", run.row["number"], run.path, error)


def check_page(file: Path) -> None:
    """Raise SettingsError where a page cannot be written, before anything is done for it."""
    if file.is_dir() or not os.access(file.absolute().parent, os.W_OK):
        raise SettingsError(f"{file} cannot be written: name a file in a directory of yours")


def write_page(file: Path, text: str) -> str:
    """Write a page, and say so. Raises SettingsError if it cannot be written, or is a journal."""
    try:
        if file.is_file() and file.open("rb").read(len(SQLITE)) == SQLITE:
            raise SettingsError(f"{file} is a journal, or another database: choose another name")
        file.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from None
    return f"Wrote {file}, {len(text) // 1000} KB.\n"


def find_run(name: str) -> Run:
    """Return the run of this number, the last one, a back-test by name, or the last of a file."""
    if name != "last" and not name.isdecimal():
        back_test = default_directory() / BACK_TESTS / f"{name}{SUFFIX}"
        path = back_test if "/" not in name and back_test.is_file() else Path(name)
        try:
            return _last(runs_in(path), name)
        except Unreadable as error:
            raise SettingsError(str(error)) from None
    runs = all_runs()
    if name == "last":
        return _last(runs, str(default_directory()))
    found = [run for run in runs if str(run.number) == name]
    if len(found) > 1:
        files = ", ".join(str(run.path) for run in found)
        raise SettingsError(f"there is a run {name} in each of {files}: name one of them")
    if not found:
        raise SettingsError(f"there is no run {name}: `runs --all` lists them")
    return found[0]


def _last(runs: Sequence[Run], where: str) -> Run:
    if not runs:
        raise SettingsError(f"no run is recorded in {where}")
    return runs[-1]


def all_runs(directory: Path | None = None, *, since: datetime | None = None) -> list[Run]:
    """Return the runs in the order of their beginning; a journal that is unreadable is said."""
    runs: list[Run] = []
    for path in files_in(directory or default_directory()):
        try:
            runs += sorted(runs_in(path), key=_begun)
        except BROKEN as error:
            logger.warning("Left out: %s.", error)
    since_ms = since.timestamp() * 1000 if since else 0
    return sorted((run for run in runs if run.row["begun_ms"] >= since_ms), key=_begun)


def _begun(run: Run) -> tuple[int, int]:
    return int(run.row["begun_ms"]), run.number
