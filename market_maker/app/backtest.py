"""`marketmaker backtest`: a strategy on a tape, by one fill model or by a range of two."""

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import file_digest, sha256
from itertools import count
from pathlib import Path

from market_maker.app import report
from market_maker.app.arguments import program
from market_maker.app.strategies import code_of, load_anew, load_strategy
from market_maker.app.tapes import tape_of
from market_maker.errors import SettingsError
from market_maker.journal import SUFFIX, Run, Unreadable
from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.fill_models import LEVEL_1_RANGE, RANGE
from market_maker.private_files import PrivateFiles, default_directory
from market_maker.report import in_html, in_text, range_json, range_text, report_of
from market_maker.settings import FILE, files_of
from market_maker.simulation.backtest import Assumptions, Trial, back_test, check_fills
from market_maker.simulation.check import CUTS, check
from market_maker.simulation.latency import Latency, measured
from market_maker.simulation.world import CONNECTION
from market_maker.tapes import Tape, TapeError
from market_maker.utils.progress import Progress


def run(arguments: argparse.Namespace) -> str:
    """Return the report of a back-test as text or JSON.

    Raises SettingsError for what cannot be run, as for a tape that cannot be read.
    """
    logging.getLogger().setLevel(arguments.log_level)
    if arguments.html:
        report.check_page(arguments.html)
    try:
        trial = trial_of(arguments)
        anew = _unedited(trial.strategy, partial(load_anew, arguments.strategy))
        models = models_of(arguments.fills, trial.tape)
        if arguments.check:
            with Progress("Checking", CUTS + 1) as progress:
                return check(replace(trial, fills=models[-1]), progress.step, anew)
        runs = _run_each(trial, models, anew)
        found = [report_of(run) for run in runs]
        if arguments.html:
            report.write_page(arguments.html, in_html(runs[-1]))
    except (TapeError, Unreadable) as error:
        raise SettingsError(str(error)) from None
    if arguments.json:
        return range_json(found)
    where = "".join(f"Report: {program()} report {run.path.stem}\n" for run in runs)
    return "\n".join(text for text in (in_text(found[-1]), range_text(found), where) if text)


def trial_of(arguments: argparse.Namespace) -> Trial:
    """Return the trial that the command line asks for. Raises SettingsError or TapeError."""
    tape = tape_of(arguments)
    file = arguments.settings or (FILE if FILE.exists() else None)
    return Trial(
        tape=tape,
        strategy=load_strategy(arguments.strategy),
        overrides={},
        settings_file=file,
        settings_said=files_of(file, CONNECTION),
        assumed=Assumptions(
            latency=_measured() if arguments.latency is None else Latency(arguments.latency),
            feed_latency=arguments.feed_latency,
            fees=arguments.fee,
            balance=arguments.balance,
            position=arguments.position,
            seed=arguments.seed,
        ),
    )


def models_of(fills: str, tape: Tape) -> Sequence[str]:
    """Return the fill models to run. Raises SettingsError for one that the tape does not allow."""
    if fills == "range":
        return LEVEL_1_RANGE if tape.is_level_1 else RANGE
    check_fills(fills, is_level_1=tape.is_level_1)
    return (fills,)


def files_key(paths: Sequence[Path]) -> str:
    """Return the digest of the contents of these files."""
    whole = sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _run_each(
    trial: Trial, models: Sequence[str], anew: Callable[[], type[OrderManager]]
) -> list[Run]:
    """Run one back-test for each model; a journal of one that does not end is removed."""
    key = files_key(trial.tape.paths)[:12]
    found = []
    for model in models:
        journal, number = _new_journal(key)
        words = f"back-test {number} on this tape, sweeps apart"
        numbered = replace(trial, strategy=anew(), fills=model, one_of=words)
        try:
            found.append(back_test(numbered, journal, shown_as=f"Back-test, fills by {model}"))
        except BaseException:
            for path in journal.parent.glob(f"{journal.name}*"):
                path.unlink()
            raise
    return found


def _unedited(
    strategy: type[OrderManager], anew: Callable[[], type[OrderManager]]
) -> Callable[[], type[OrderManager]]:
    """Return the same, which raises SettingsError once a file of the strategy was edited."""
    files = code_of(strategy)
    before = files_key(files)

    def load() -> type[OrderManager]:
        found = anew()
        if files_key(files) != before:
            raise SettingsError(
                "the strategy was edited while the back-tests ran, so they cannot be compared: "
                "run them again"
            )
        return found

    return load


def _new_journal(key: str) -> tuple[Path, int]:
    """Return a new empty file for a journal, and which back-test on its tape it is."""
    directory = default_directory() / report.BACK_TESTS
    PrivateFiles(default_directory(), "")  # makes it
    files = PrivateFiles(directory, key)
    for number in count(1 + len(list(directory.glob(f"{key}-*{SUFFIX}")))):
        suffix = f"-{number}{SUFFIX}"
        try:
            os.close(files.open(suffix, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        except OSError as error:
            raise SettingsError(f"{files.path(suffix)}: {error.strerror}") from None
        return files.path(suffix), number
    raise AssertionError


def _measured() -> Latency:
    runs = [run for run in report.all_runs() if run.row["kind"] in ("live", "dry")]
    return measured(runs)
