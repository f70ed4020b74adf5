"""A sweep: the trials of a plan, run by any number of processes over one directory."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from market_maker.clock import SYSTEM, Clock
from market_maker.errors import SettingsError
from market_maker.paper.exchange.fill_models import FROM_OPTIMISTIC, LEVEL_1_RANGE, RANGE
from market_maker.settings import defaults, settings
from market_maker.simulation.backtest import check_fills
from market_maker.simulation.claims import EXPIRES
from market_maker.simulation.plan import OUTSIDE, Own, Plan
from market_maker.simulation.results import Directory
from market_maker.simulation.trials import Job, Part, Shared, Source, SweepEnds
from market_maker.simulation.world import CONNECTION
from market_maker.tapes import Image, Market, Tape, Update, examine

BEGINNING = 5_000
"""Records among which a tape that has a book shows it."""
LOOK_SECONDS = 1.0
"""Between two looks at the trials that others have claimed."""
WAIT_SECONDS = 3600.0
"""How long those are waited for while none finishes."""


def models_of(plan: Plan, *, is_level_1: bool) -> tuple[str, ...]:
    """Return the fill models, the most optimistic first.

    Raises SettingsError for one that there is not, or that the tapes do not allow.
    """
    wanted = plan.fills or (LEVEL_1_RANGE if is_level_1 else RANGE)
    for name in wanted:
        check_fills(name, is_level_1=is_level_1)
    queued = [name for name in wanted if name.partition(":")[0] in ("log", "power")]
    if len(queued) > 1:
        raise SettingsError(
            f"of {' and '.join(queued)} neither is the more conservative: name one of them"
        )
    return tuple(sorted(wanted, key=lambda name: FROM_OPTIMISTIC.index(name.partition(":")[0])))


def parts_of(sources: Sequence[Source], tape: Tape) -> tuple[Part, ...]:
    """Return the parts, the last of which is out of sample: each tape, or two halves of one.

    `tape` is that of the first source; it is read for its span. Raises SettingsError for tapes that
    do not go together, TapeError for one that is not valid.
    """
    markets = dict.fromkeys(source.market.place for source in sources)
    if len(markets) > 1:
        raise SettingsError(f"the tapes of a sweep are of one market, not of {', '.join(markets)}")
    for place, source in enumerate(sources):
        if source.digest in (each.digest for each in sources[:place]):
            raise SettingsError(f"{source.path} holds the same as a tape before it: name it once")
    if len(sources) > 1:
        return tuple(Part(source=source) for source in sources)
    facts = examine(tape)
    half_ns = (facts.began_ns + facts.ended_ns) // 2
    return (
        Part(source=sources[0], until_ns=half_ns, words="first half of "),
        Part(source=sources[0], from_ns=half_ns, words="second half of "),
    )


def check_book(tape: Tape) -> None:
    """Raise SettingsError for a tape of trades alone."""
    beginning = islice(tape.records(), BEGINNING)
    if not any(isinstance(record, Image | Update) for record in beginning):
        raise SettingsError(
            f"{tape.paths[0]} has no book: a tape of a sweep is one file, which `tape convert` "
            "makes of a book and its trades"
        )


def jobs_of(
    combinations: Sequence[Mapping[str, Any]],
    parts: Sequence[Part],
    models: Sequence[str],
    shared: Shared,
) -> dict[tuple[int, int, str], Job]:
    """Return the trials by (combination, part, fill model), those of one tape in a row."""
    return {
        (number, place, model): Job(part=part, fills=model, settings=combination, shared=shared)
        for place, part in enumerate(parts)
        for number, combination in enumerate(combinations)
        for model in models
    }


def resolved(
    file: Path | None, given: Mapping[str, Any], market: Market, own: Own
) -> dict[str, Any]:
    """Return the settings of a trial that differ from the example's, and the strategy's own.

    `given` wins over the file; `own` are those that the strategy declares. Raises SettingsError for
    what is not valid, or cannot be part of a key.
    """
    overrides = {**CONNECTION, **given, **market.as_settings}
    settings.load(file, overrides=overrides, is_strict=False)
    settings.declare(own)
    standard = defaults(example=True)  # those of a trial, which reads no file
    values = {name: value for name, value in settings.shown().items() if value != standard[name]}
    names = [*own, *settings.STRATEGY_SETTINGS]
    values |= {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    kept = {*values} - OUTSIDE | ({"STRATEGY_SETTINGS"} & {*values})
    for name in kept:
        try:
            json.dumps(values[name], sort_keys=True)
        except (TypeError, ValueError, RecursionError):
            kind = type(values[name]).__name__
            raise SettingsError(f"{name} cannot be swept: {kind} is not a value of JSON") from None
    return {name: values[name] for name in sorted(kept)}


ONE_AT_A_TIME = threading.Lock()
"""The settings are those of a process: a worker with several threads runs one trial at a time."""


def attempt(
    job: Job,
    directory: Directory,
    run: Callable[[Job], str],
    *,
    expires: float = EXPIRES,
    clock: Clock = SYSTEM,
) -> str:
    """Run a trial unless it has finished; return empty text, or in words who runs it.

    `run` returns the result of a trial. Raises SweepEnds.
    """
    try:
        with ONE_AT_A_TIME:
            if directory.has(job.key):
                return ""
            claim = directory.claims(expires=expires, clock=clock).take(job.key)
            if isinstance(claim, str):
                return claim
            with claim:
                if not directory.has(job.key):  # it may have finished just before the claim
                    directory.write(job.key, run(job))
            return ""
    except OSError as error:
        raise SweepEnds(f"{directory.path} cannot be used: {error.strerror or error}") from None


def drive(
    jobs: Sequence[Job],
    executor: Executor,
    attempted: Callable[[Job], str],
    *,
    step: Callable[[], None] = lambda: None,
    wait: float = WAIT_SECONDS,
    clock: Clock = SYSTEM,
) -> None:
    """Have all trials attempted until each has finished, whoever runs it; `step` after each.

    Raises SweepEnds when those that others have claimed do not finish for `wait` seconds.
    """
    left, since = list(jobs), clock.monotonic()
    while left:
        futures = {executor.submit(partial(attempted, job)): job for job in left}
        claimed: dict[str, Job] = {}
        for future in as_completed(futures):
            if by := future.result():
                claimed[by] = futures[future]
            else:
                step()
                since = clock.monotonic()
        left = [futures[each] for each in futures if each.result()]
        if left and clock.monotonic() - since >= wait:
            raise SweepEnds(
                f"{len(left)} trials are claimed by {', '.join(claimed)}, and none has finished "
                f"for {wait:.0f} s: see whether that still runs, then --resume"
            )
        clock.sleep(LOOK_SECONDS if left else 0)
