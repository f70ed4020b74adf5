"""A back-test: a bot on a recorded market, on simulated time, with its journal."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from market_maker.clock import Clock
from market_maker.journal import Journal, Run, runs_in
from market_maker.market_maker import OrderManager
from market_maker.orders.orders import EarlierRuns
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.fill_models import fill_model
from market_maker.paper.exchange.instrument import CONTRACT, Instrument
from market_maker.paper.market.setup import OWNER
from market_maker.settings import settings
from market_maker.simulation.replayed import ReplayedMarket, Step
from market_maker.simulation.world import CONNECTION, World

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
KIND = "backtest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a back-test runs on."""

    instrument: Instrument
    steps: Callable[[], Iterable[Step]]
    """Returns the steps, anew each time."""
    shift_ns: int | None
    """The smallest receive time less venue time; None where there is one clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One back-test: what is run, and under which assumptions."""

    market: Market
    strategy: type[OrderManager]
    overrides: Mapping[str, Any]
    """Settings that win over those of the file."""
    settings_file: Path | None = None
    fills: str = "safe"
    """The fill model, by name."""
    latency: float = 0.01
    """Seconds that a request travels, and that its answer travels."""
    feed_latency: float = 0.01
    """Seconds that a frame travels at least."""
    balance: Decimal = Decimal(50)
    """Coins on the account at the start; of a pair in its quote currency, and of base as much."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A back-test that has ended."""

    run: Run
    volume: Decimal
    """What others have traded meanwhile, in contracts or base currency."""


def back_test(trial: Trial, journal: Path) -> Outcome:
    """Run a back-test to the end of its tape; its journal becomes this file.

    Raises SettingsError and others as the start of a live run does, ValueError for a tape that
    cannot be read on, and OrdersLeft if at the end own orders may rest.
    """
    world = _world(trial)
    instrument = trial.market.instrument
    key = instrument.key
    bots: list[OrderManager] = []

    def end() -> None:
        for bot in bots:
            bot.stop("the tape has ended")

    steps = iter(trial.market.steps())
    replayed = ReplayedMarket(
        world,
        instrument,
        steps,
        shift_ns=trial.market.shift_ns,
        feed_latency=trial.feed_latency,
        on_end=end,
    )
    while not (replayed.is_quoted() or replayed.has_ended):
        world.timeline.sleep(LOOK_SECONDS)
    if not replayed.is_quoted():
        raise ValueError("the tape ends before both sides of its book are known")
    about = {"INSTRUMENTTYPE": key.kind, "SETTLECURRENCY": key.area, "SYMBOL": key.symbol}
    overrides = {**CONNECTION, **trial.overrides, **about}
    settings.load(trial.settings_file, overrides=overrides, is_strict=False)
    fees = Decimal(str(settings.MAKER_FEE)), Decimal(str(settings.TAKER_FEE))
    world.exchange.settlement.fees = fees
    make = partial(_journal, journal)
    bot = trial.strategy.made_with(world.runtime(EarlierRuns(), make, kind=KIND))
    bots.append(bot)
    if replayed.has_ended:
        end()
    bot.run_loop()
    (run,) = runs_in(journal)
    return Outcome(run=run, volume=replayed.volume)


def _world(trial: Trial) -> World:
    instrument = trial.market.instrument
    exchange = Exchange([instrument])
    exchange.listing(instrument.key).background.model = fill_model(trial.fills)
    ledger = exchange.ledger
    ledger.open_account(OWNER)
    if instrument.key.kind == CONTRACT:
        ledger.deposit(OWNER, Wallet.CONTRACT, instrument.key.area, trial.balance)
    else:
        ledger.deposit(OWNER, Wallet.SPOT, instrument.key.area, trial.balance)
        base = trial.balance / instrument.start
        ledger.deposit(OWNER, Wallet.SPOT, instrument.base, base // instrument.lot * instrument.lot)
    first = next(iter(trial.market.steps()))
    world = World(exchange, seed=trial.seed, start_ms=first.venue_ns // 1_000_000)
    world.network.latency = (trial.latency, trial.latency)
    return world


def _journal(path: Path, _name: str, *, clock: Clock) -> Journal:
    return Journal(path.stem, directory=path.parent, clock=clock, has_thread=False)
