"""`marketmaker sweep`: many back-tests after a plan, in processes here or on a cluster."""

import argparse
import logging
from pathlib import Path
from typing import Any

from market_maker.app.backtest import files_key, trial_of
from market_maker.app.logs import quiet
from market_maker.app.report import write_page
from market_maker.app.tapes import options_of
from market_maker.app.workers import Worker, digest_of, executor, opened
from market_maker.errors import SettingsError
from market_maker.report.heat import sweep_html
from market_maker.report.sweep import Outcome, Row, Table, sweep_text
from market_maker.settings import settings
from market_maker.simulation.backtest import Trial
from market_maker.simulation.plan import Plan, read_plan
from market_maker.simulation.results import Directory, refuse_others
from market_maker.simulation.sweep import check_book, drive, jobs_of, models_of, parts_of, resolved
from market_maker.simulation.trials import Job, Part, Shared, Source
from market_maker.tapes import TapeError
from market_maker.utils.progress import Progress

Jobs = dict[tuple[int, int, str], Job]


def run(arguments: argparse.Namespace) -> str:
    """Run the trials that have not finished, and return the table of all as text.

    Raises SettingsError for a plan, a tape or a directory that will not do, before anything runs,
    and SweepEnds where it cannot go on.
    """
    logging.getLogger().setLevel(logging.WARNING)
    place = _place(arguments)
    directory = Directory(place.absolute())
    try:
        plan, parts, models, jobs = _set_out(arguments)
    except TapeError as error:
        raise SettingsError(str(error)) from None
    refuse_others(directory, {job.key for job in jobs.values()}, resume=arguments.resume)
    directory.make(keep=arguments.keep)
    _run_all(arguments, directory, jobs)
    table = _table(plan, parts, models, jobs, directory)
    if arguments.html:
        write_page(arguments.html, sweep_html(table, plan.heat))
    return sweep_text(table) + f"Results: {place}\n"


# --- what is run --------------------------------------------------------------------------------


def _set_out(arguments: argparse.Namespace) -> tuple[Plan, tuple[Part, ...], tuple[str, ...], Jobs]:
    """Return the plan, its parts and fill models, and all trials."""
    first = argparse.Namespace(**{**vars(arguments), "files": arguments.files[:1]})
    base = trial_of(first)
    about = options_of(arguments)
    tapes = [base.tape, *(opened(each, arguments.format, about) for each in arguments.files[1:])]
    for tape in tapes:
        check_book(tape)
    own = base.strategy.SETTINGS
    resolved(base.settings_file, {}, base.tape.market, own)
    plan = read_plan(arguments.plan, own, settings.STRATEGY_SETTINGS)
    models = models_of(plan, is_level_1=any(tape.is_level_1 for tape in tapes))
    with quiet():
        combinations = [_resolved(arguments, base, given) for given in plan.combinations]
    sources = [
        Source(
            path=tape.paths[0].absolute(),
            format=arguments.format,
            about=about,
            market=tape.market,
            digest=files_key(tape.paths),
        )
        for tape in tapes
    ]
    parts = parts_of(sources, base.tape)
    count = len(combinations) * len(parts) * len(models)
    shared = _shared(arguments.strategy, base, count)
    return plan, parts, models, jobs_of(combinations, parts, models, shared)


def _resolved(arguments: argparse.Namespace, base: Trial, given: Any) -> dict[str, Any]:
    """Return the settings of a combination. Raises SettingsError, naming the plan and them."""
    for name in ("MAKER_FEE", "TAKER_FEE"):
        if name in given and arguments.fee:
            raise SettingsError(f"{arguments.plan}: {name} does not go with --fee: take one out")
    try:
        return resolved(base.settings_file, given, base.tape.market, base.strategy.SETTINGS)
    except SettingsError as error:
        words = ", ".join(f"{name} = {value!r}" for name, value in given.items())
        raise SettingsError(f"{arguments.plan}: with {words}: {error}") from None


def _shared(named: str, base: Trial, count: int) -> Shared:
    file, colon, name = named.partition(":")
    if file.endswith(".py"):
        named = f"{Path(file).absolute()}{colon}{name}"
    return Shared(
        strategy=named,
        strategy_name=f"{base.strategy.__module__}:{base.strategy.__qualname__}",
        strategy_digest=digest_of(base.strategy),
        assumed=base.assumed,
        trials=count,
    )


def _place(arguments: argparse.Namespace) -> Path:
    """Return the run directory."""
    place: Path = arguments.out or arguments.plan.with_suffix("")
    if place.exists() and not place.is_dir():
        raise SettingsError(f"{place} is a file: name a directory with --out")
    return place


def _run_all(arguments: argparse.Namespace, directory: Directory, jobs: Jobs) -> None:
    finished = directory.keys()
    left = list({job.key: job for job in jobs.values() if job.key not in finished}.values())
    if not left:
        return
    worker = Worker(directory, arguments.keep)
    with Progress(f"Sweep of {len(left)} trials", len(left)) as progress:
        progress.step()
        with executor(arguments.scheduler, arguments.workers, len(left)) as pool:
            drive(left, pool, worker, step=progress.step)


# --- what came of it ----------------------------------------------------------------------------


def _table(
    plan: Plan,
    parts: tuple[Part, ...],
    models: tuple[str, ...],
    jobs: Jobs,
    directory: Directory,
) -> Table:
    found = {key: directory.read(key) for key in sorted({job.key for job in jobs.values()})}
    rows = []
    for number, given in enumerate(plan.combinations):
        outcomes = {
            (place, model): Outcome.of(found[jobs[number, place, model].key])
            for place in range(len(parts))
            for model in models
        }
        key = jobs[number, 0, models[-1]].key
        rows.append(Row(key, {name: given[name] for name in plan.varying}, outcomes))
    return Table(
        models=models,
        parts=tuple(part.name for part in parts),
        varying=plan.varying,
        currency=parts[0].source.market.area,
        rows=tuple(rows),
        trials=len(found),
    )
