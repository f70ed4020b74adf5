"""A back-test: a bot on a recorded market, on simulated time, with its journal."""

import gc
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from market_maker.clock import Clock
from market_maker.decimals import exact, plain
from market_maker.errors import OrdersLeft, SettingsError
from market_maker.journal import Journal, Run, runs_in, tell_market
from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.account import Wallet, worth
from market_maker.paper.exchange.engine import BACKGROUND
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.fill_models import LEVEL_1_RANGE, FillModel, fill_model
from market_maker.paper.exchange.instrument import CONTRACT, Instrument, Key
from market_maker.paper.exchange.ledger import Party
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import Beginning, beginning
from market_maker.settings import Assigned, settings
from market_maker.simulation.latency import Latency
from market_maker.simulation.recorded_market import NS, RecordedMarket
from market_maker.simulation.tasks import interrupted_between_tasks
from market_maker.simulation.world import CONNECTION, World
from market_maker.tapes import Tape

KIND = "backtest"
INTERRUPTED = "interrupted"
"""Why a loop says that it ended by Ctrl-C."""
LOOK_SECONDS = 0.1
NO_FUNDING = Decimal(0)
"""Tapes have no rates."""
SHOWN_GAPS = 5
MS = 1_000_000
GARBAGE = 100_000
"""Objects that are made, and not thrown away, between two looks for garbage in circles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What a tape does not tell."""

    latency: Latency = field(default_factory=Latency)
    feed_latency: float = 0.01
    """Seconds that a frame travels at least."""
    fees: tuple[Decimal, Decimal] | None = None
    """Rates of makers and takers; None: those of the settings."""
    balance: Decimal = Decimal(50)
    """At the start, in the settlement currency; of a pair in quote currency and as much of base."""
    position: int = 0
    """Contracts held at the start, below zero short, at the first mid."""
    seed: int = 1
    """Of all that is drawn by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One back-test: what is run, on which tape, and under which assumptions."""

    tape: Tape
    strategy: type[OrderManager]
    overrides: Mapping[str, Any]
    """Settings that win over those of the file."""
    settings_file: Path | None = None
    settings_said: Assigned | None = None
    """What that file says; None: it is read when the back-test begins."""
    fills: str = "safe"
    """The fill model, by name."""
    assumed: Assumptions = field(default_factory=Assumptions)
    from_ns: int | None = None
    """The venue's time at which the bot begins; None: as soon as the book is known."""
    until_ns: int | None = None
    """The venue's time at which the tape is cut; None: it runs to its end."""
    linger_seconds: float | None = None
    """How long the bot goes on after the cut, as if more came; None: it ends with the tape."""
    is_direct: bool = True
    """Whether the book reaches the bot as values, or over the wire's format; the same comes out."""
    one_of: str = "1 back-test on this tape"
    """Of how many it is one, in words: the more are tried, the better the best one looks."""


def back_test(trial: Trial, journal: Path, *, shown_as: str = "") -> Run:
    """Run a back-test to the end of its tape; its journal becomes this file. Return the run.

    On a terminal it shows how far it is, as `shown_as` if that is not empty.

    A strategy that ends its program ends its run; orders that may be left at the end are in the
    report. Raises SettingsError and others as the start of a live run does, TapeError for a tape
    that cannot be read on, and KeyboardInterrupt.
    """
    random.seed(f"strategy {trial.assumed.seed}")  # for strategies that draw without a seed
    journal, begins = journal.absolute(), beginning(trial.tape)
    instrument = _instrument(trial.tape, begins)
    _load(trial)
    world = _world(trial, instrument, begins)
    tape = trial.tape.watched(shown_as) if shown_as else trial.tape.records()
    market = RecordedMarket(
        world,
        instrument,
        tape,
        until_ns=trial.until_ns,
        feed_latency=trial.assumed.feed_latency,
    )
    _warm_up(trial, world, market)
    if trial.assumed.position:
        _take_position(world, instrument, trial.assumed.position, market.mid())
    begun_ms = world.timeline.true_ms()
    make = partial(_journal, journal)
    given = replace(world.runtime(journal=make, kind=KIND), watches_files=False)
    bot = trial.strategy.made_with(given)
    market.at_end(lambda: _end(trial, world, begins, bot))
    with (
        suppress(OrdersLeft, SystemExit),
        _rare_collections(),
        interrupted_between_tasks(world.timeline),
    ):
        bot.run_loop()
    if bot.control.stop_reason == INTERRUPTED:
        raise KeyboardInterrupt
    (run,) = runs_in(journal)
    tell_market(journal, run.number, json.dumps(_about(trial, market, begun_ms)))
    return run.again()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage in circles seldom: a book of thousands of levels makes it dear, and a
    back-test leaves little."""
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _warm_up(trial: Trial, world: World, market: RecordedMarket) -> None:
    """Let the market alone until the bot is to begin."""
    from_ms = (trial.from_ns or 0) // MS
    while not market.has_ended and not (market.is_quoted() and world.timeline.true_ms() >= from_ms):
        world.timeline.sleep(LOOK_SECONDS)
    if not market.is_quoted():
        raise SettingsError("the tape ends before both sides of its book are known")


def _end(trial: Trial, world: World, begins: Beginning, bot: OrderManager) -> None:
    """Let the bot end, now that the tape has; it leaves as it does by Ctrl-C."""
    at = 0
    if trial.linger_seconds is not None and trial.until_ns is not None:
        at = (trial.until_ns - begins.time_ns) // 1000 + round(trial.linger_seconds * 1_000_000)
    world.timeline.at(at, lambda: bot.stop("the tape has ended"))


def check_fills(name: str, *, is_level_1: bool) -> FillModel:
    """Return a fill model that a tape allows. Raises SettingsError."""
    try:
        model = fill_model(name)
    except ValueError as error:
        raise SettingsError(f"{error}; range is two of them") from None
    if is_level_1 and name not in LEVEL_1_RANGE:
        raise SettingsError(
            f"this tape has the best prices only, so who stands before us is not known: {name} "
            "needs whole levels; --fills touch and through do not"
        )
    return model


def _load(trial: Trial) -> None:
    overrides = {**CONNECTION, **trial.overrides, **trial.tape.market.as_settings}
    if trial.assumed.fees:
        overrides["MAKER_FEE"], overrides["TAKER_FEE"] = map(float, trial.assumed.fees)
    file, said = trial.settings_file, trial.settings_said
    settings.load(file, overrides=overrides, is_strict=False, files=said)


def _instrument(tape: Tape, begins: Beginning) -> Instrument:
    market = tape.market
    if not begins.prices:
        raise SettingsError("the tape has no book and no trade in its beginning")
    start = sum(begins.prices) // len(begins.prices) * market.tick
    key = Key(market.kind, market.area, market.symbol)
    quote = market.symbol.replace("/", "_").rpartition("_")[2]
    return Instrument(key, 4, market.tick, start, lot=market.lot, face=market.face, quote=quote)


def _world(trial: Trial, instrument: Instrument, begins: Beginning) -> World:
    exchange, key, assumed = Exchange([instrument]), instrument.key, trial.assumed
    exchange.settlement.fees = exact(settings.MAKER_FEE), exact(settings.TAKER_FEE)
    listing = exchange.listing(key)
    listing.funding_rate = NO_FUNDING
    listing.background.model = check_fills(trial.fills, is_level_1=trial.tape.is_level_1)
    ledger = exchange.ledger
    ledger.open_account(OWNER)
    if key.kind == CONTRACT:
        ledger.deposit(OWNER, Wallet.CONTRACT, key.area, assumed.balance)
    else:
        ledger.deposit(OWNER, Wallet.SPOT, key.area, assumed.balance)
        base = assumed.balance / instrument.start
        ledger.deposit(OWNER, Wallet.SPOT, instrument.base, base // instrument.lot * instrument.lot)
    world = World(exchange, seed=assumed.seed, start_ms=begins.time_ns // MS)
    world.network.is_side_by_side = True
    world.network.is_direct = trial.is_direct
    world.network.latency = (assumed.latency.seconds, assumed.latency.seconds)
    world.network.journey = assumed.latency.journeys(assumed.seed)
    return world


def _take_position(world: World, instrument: Instrument, qty: int, price: Decimal) -> None:
    """Let the account hold a position, bought or sold at this price without a fee."""
    if instrument.key.kind != CONTRACT:
        raise SettingsError("--position is in contracts; of a pair the balance is what is held")
    ledger, contract = world.exchange.ledger, world.exchange.listing(instrument.key).contract
    each, account = worth(face=instrument.face, price=price), ledger.accounts[OWNER]
    margin = abs(qty) * each / account.setting(contract).leverage(qty > 0)
    balance = account.balance(Wallet.CONTRACT, contract.area).total
    if margin >= balance:
        raise SettingsError(f"--position {qty} needs a margin of {margin:f}, --balance {balance:f}")
    parties = [Party(owner, False, Decimal(0)) for owner in (OWNER, BACKGROUND)]
    buyer, seller = parties if qty > 0 else reversed(parties)
    ledger.trade(contract, qty=abs(qty), each=each, buyer=buyer, seller=seller)


def _about(trial: Trial, market: RecordedMarket, begun_ms: int) -> dict[str, Any]:
    """Return what a report tells of the market and of the assumptions; money is text."""
    tape, facts, shift_ns = trial.tape, market.facts, market.shift_ns
    jumps = sum(gap.is_clock for gap in facts.gaps)
    return {
        "tape": [path.name for path in tape.paths],
        "format": tape.format,
        "market": str(tape.market),
        "seconds": (facts.ended_ns - facts.began_ns) // NS,
        "records": facts.messages.total(),
        "levels": facts.changes.total(),
        "gaps": len(facts.gaps) - jumps,
        "first_gaps": [[gap.time_ns // MS, gap.what] for gap in facts.gaps[:SHOWN_GAPS]],
        "clock_jumps": jumps,
        "silences": len(facts.silences),
        "silent_seconds": facts.silent_ns // NS,
        "crossed": market.crossed,
        "is_level_1": tape.is_level_1,
        "volume": plain(facts.traded.total() * tape.market.lot),
        "fills": trial.fills,
        "latency": trial.assumed.latency.words,
        "feed_ms": round(trial.assumed.feed_latency * 1000),
        "feed_spread_ms": None if shift_ns is None else round(market.worst_delay * 1000),
        "shift_ms": None if shift_ns is None else shift_ns // MS,
        "fees": [plain(exact(settings.MAKER_FEE)), plain(exact(settings.TAKER_FEE))],
        "warm_up_ms": begun_ms - facts.began_ns // MS,
        "one_of": trial.one_of,
        "seed": trial.assumed.seed,
        "strategy": f"{trial.strategy.__module__}:{trial.strategy.__name__}",
        "funding": "none: the tape has no rates",
    }


def _journal(path: Path, _name: str, *, clock: Clock) -> Journal:
    return Journal(path.stem, directory=path.parent, clock=clock, has_thread=False)
