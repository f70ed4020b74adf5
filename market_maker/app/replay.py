"""`marketmaker replay`: whether the decisions of a run come out the same today."""

import argparse
from collections.abc import Iterator

from market_maker.app.logs import quiet
from market_maker.app.report import find_run
from market_maker.app.strategies import load_strategy
from market_maker.errors import MarketMakerError, SettingsError
from market_maker.journal import Run, Unreadable
from market_maker.models import Plan
from market_maker.report import when
from market_maker.simulation.replay import SHOWN, Difference, replay
from market_maker.simulation.restage import restage
from market_maker.utils.progress import Progress


def run(arguments: argparse.Namespace) -> str:
    """Return in words that every decision comes out the same.

    Raises MarketMakerError with the first ones that do not, SettingsError without that run.
    """
    recorded = find_run(arguments.run)
    try:
        steps = len(recorded.raw("decisions", "time_ms"))
        with Progress(f"Deciding run {recorded.number} again", steps) as progress:
            found = replay(recorded, progress.step)
    except Unreadable as error:
        raise SettingsError(str(error)) from None
    if not found.decided:
        raise SettingsError(f"no decision is recorded of run {recorded.number}")
    about = f"{found.decided} decisions of run {recorded.number}"
    about += f", and {found.repeated} that repeated one" if found.repeated else ""
    about += f" ({found.missing} of them one that has gone with age)" if found.missing else ""
    if found.differences:
        lines = [line for each in found.differences[:SHOWN] for line in _lines(each)]
        number = len(found.differences)
        raise MarketMakerError("\n".join([f"{number} of {about} come out another way:", *lines]))
    text = f"{about}: all come out the same today, bit for bit.\n"
    return text + (_restaged(recorded, arguments.strategy, text) if arguments.strategy else "")


def _restaged(recorded: Run, named: str, text: str) -> str:
    """Return in words whether a strategy wants the same orders again.

    Raises MarketMakerError with `text` and what differs.
    """
    with quiet():
        wishes = restage(recorded, load_strategy(named))
    other = [wish for wish in wishes if not wish.is_same]
    if not other:
        return f"{named} wants the same orders in all {len(wishes)} of its ticks.\n"
    first = other[0]
    then, now = (", ".join(map(str, orders)) or "nothing" for orders in (first.then, first.now))
    raise MarketMakerError(
        f"{text}{named} wants other orders in {len(other)} of {len(wishes)} ticks. That is its own "
        "doing: it reads the time, files or chance, or knows of more than a tick shows.\n"
        f"  {when(first.time_ms)} UTC\n    then {then}\n    now  {first.error or now}"
    )


def _lines(difference: Difference) -> Iterator[str]:
    yield f"  {when(difference.time_ms)} UTC"
    for name, decision in (("then", difference.then), ("now", difference.now)):
        dropped = "; ".join(f"{order}: {why}" for order, why in decision.dropped)
        yield f"    {name:<5}{_plan(decision.plan)}{f'; not placed: {dropped}' if dropped else ''}"


def _plan(plan: Plan) -> str:
    parts = (
        f"{name} {', '.join(str(order) for order in getattr(plan, name))}"
        for name in ("cancel", "create", "deferred")
        if getattr(plan, name)
    )
    return "; ".join(parts) or f"keep all {len(plan.keep)}"
