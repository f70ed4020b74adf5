"""`marketmaker plan`: what these settings would do now. It sends no order."""

import argparse
import logging
import random
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from market_maker.app import look, run
from market_maker.app.connection import connected
from market_maker.app.load import load
from market_maker.app.look import Assumed, Look
from market_maker.app.strategies import load_anew, refuse_to_run
from market_maker.bot import Runtime
from market_maker.decimals import exact
from market_maker.errors import MarketMakerError, SettingsError
from market_maker.market_maker import OrderManager
from market_maker.money import Rates
from market_maker.outlook import (
    Basis,
    Outlook,
    Rules,
    Volatility,
    compared,
    in_json,
    in_text,
    outlook_of,
    usual,
)
from market_maker.settings import doubtful_pairs, settings
from market_maker.simulation.restage import decide_on
from market_maker.simulation.world import CONNECTION

if TYPE_CHECKING:
    from market_maker.app.paper_child import PaperChild


def plan(arguments: argparse.Namespace) -> str:
    """Return what the settings would do now, as text or JSON; with changes, beside what they do.

    Raises SettingsError, VenueUnreachable and RequestError, and MarketMakerError with what the
    strategy raised.
    """
    paper: PaperChild | None = run.paper_exchange(arguments) if arguments.paper else None
    try:
        given = run.overrides(arguments, paper)
        load(arguments, given, may_be_missing=arguments.paper, is_strict=False)
        logging.getLogger().setLevel(logging.CRITICAL)
        seen = _look(arguments)
        found = _outlook(arguments, seen, {})
        changed = _outlook(arguments, seen, arguments.change) if arguments.change else None
    finally:
        logging.getLogger().setLevel(logging.INFO)
        if paper:
            paper.end()
    if arguments.json:
        return in_json(found, changed)
    if changed:
        words = ", ".join(f"{name} = {value}" for name, value in arguments.change.items())
        return compared(found, changed, words)
    return in_text(found)


def _look(arguments: argparse.Namespace) -> Look:
    assumed = Assumed(
        balance=arguments.balance, position=arguments.position, leverage=arguments.leverage
    )
    with connected(settings.account()) as gte:
        return look.look(
            gte,
            assumed,
            default=exact(settings.DRY_BTC),
            every=settings.LOOP_INTERVAL,
            watch=arguments.watch,
        )


def _outlook(arguments: argparse.Namespace, seen: Look, changes: Mapping[str, Any]) -> Outlook:
    """Return the outlook with some settings changed. Raises SettingsError for a wrong one."""
    load(arguments, {**changes, **CONNECTION}, may_be_missing=arguments.paper, is_strict=False)
    logging.getLogger().setLevel(logging.CRITICAL)
    return outlook_with(
        seen, arguments.strategy, move=arguments.move / 100, hourly=arguments.hourly_move
    )


def outlook_with(
    seen: Look, strategy: str, *, move: Decimal, hourly: float | None = None
) -> Outlook:
    """Return the outlook of a strategy with the settings in force, which are for a simulation.

    `move` is a fraction; `hourly` a volatility in percent of an hour, in place of the one seen.
    """
    OrderManager.runtime = Runtime(client=refuse_to_run)
    with redirect_stdout(sys.stderr):  # what a strategy prints
        try:
            kind = load_anew(strategy)
            decided = decide_on(seen.seen, kind)
        except MarketMakerError:
            raise
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}"
            raise SettingsError(f"--strategy {strategy}: it raised {what}") from error
    snapshot = seen.seen[-1].snapshot
    instrument = snapshot.instrument
    is_ladder = kind.place_orders is OrderManager.place_orders
    price = float(instrument.valuation_price or snapshot.ticker.near)
    face = float(instrument.face_value)
    doubts = doubtful_pairs(
        settings,
        tick=float(instrument.tick),
        price=price,
        face=face,
        has_spread=kind.READS_MIN_SPREAD,
    )
    rules = Rules(
        strategy="the ladder" if kind is OrderManager else f"strategy {strategy}",
        rates=Rates(exact(settings.MAKER_FEE), exact(settings.TAKER_FEE)),
        relist=exact(settings.RELIST_INTERVAL),
        seconds=settings.LOOP_INTERVAL,
        max_loss=exact(settings.MAX_LOSS) or None,
        move=move,
        doubts=tuple(doubts) if is_ladder else (),
    )
    volatility = seen.volatility or usual()
    if hourly is not None:
        volatility = Volatility.of_hour(hourly / 100, "as --hourly-move says")
    chance = random.Random(1)  # the same walk each time, so that two plans can be compared
    basis = Basis(
        snapshot=snapshot, leverage=seen.leverage, volatility=volatility, notes=seen.notes
    )
    last = max((n for n, each in enumerate(decided) if not each.is_beside), default=0)
    return outlook_of(decided[last:], basis, rules, partial(chance.gauss, 0.0, 1.0))
