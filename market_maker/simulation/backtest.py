"""A back-test: a bot on a recorded market, on simulated time, with its journal."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from market_maker.clock import Clock
from market_maker.decimals import exact, plain
from market_maker.errors import SettingsError
from market_maker.journal import Journal, Run, runs_in, tell_market
from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.account import Wallet, worth
from market_maker.paper.exchange.background import BACKGROUND
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.fill_models import FillModel, fill_model
from market_maker.paper.exchange.instrument import CONTRACT, Instrument, Key
from market_maker.paper.exchange.ledger import Party
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import beginning
from market_maker.settings import settings
from market_maker.simulation.latency import Latency
from market_maker.simulation.replayed import NS, ReplayedMarket
from market_maker.simulation.world import CONNECTION, World
from market_maker.tapes import Gap, Record, Tape

KIND = "backtest"
LOOK_SECONDS = 0.1
BEGINNING = 5_000
"""Records from which the shift of a tape's receive clock is taken."""
SHOWN_GAPS = 5
MS = 1_000_000
CUT_LASTS = 5.0
"""Seconds that a bot goes on after a tape was cut: it decides there as if more would come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One back-test: what is run, on which tape, and under which assumptions."""

    tape: Tape
    strategy: type[OrderManager]
    overrides: Mapping[str, Any]
    """Settings that win over those of the file."""
    settings_file: Path | None = None
    fills: str = "safe"
    """The fill model, by name."""
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
    trials: int = 1
    """Which back-test on this tape it is: the more are tried, the better the best one looks."""
    from_ns: int | None = None
    """The venue's time at which the bot begins; None: as soon as the book is known."""
    is_direct: bool = True
    """Whether the book reaches the bot as values, or over the wire's format; the same comes out."""
    until_ns: int | None = None
    """The venue's time at which the tape is cut; None: it runs to its end."""


def back_test(trial: Trial, journal: Path, *, shown_as: str = "") -> Run:
    """Run a back-test to the end of its tape; its journal becomes this file. Return the run.

    On a terminal it shows how far it is, as `shown_as` if that is not empty.
    Raises SettingsError and others as the start of a live run does, TapeError for a tape that
    cannot be read on, and OrdersLeft if at the end own orders may rest.
    """
    journal, instrument = journal.absolute(), _instrument(trial.tape)
    world, bots = _world(trial, instrument), list[OrderManager]()

    def end() -> None:
        seconds = CUT_LASTS if trial.until_ns is not None else 0.0
        for bot in bots:
            world.timeline.after(seconds, partial(bot.stop, "the tape has ended"))

    replayed = ReplayedMarket(
        world,
        instrument,
        _records(trial, shown_as),
        shift_ns=_shift_ns(trial.tape),
        feed_latency=trial.feed_latency,
        on_end=end,
    )
    from_ms = (trial.from_ns or 0) // 1_000_000
    while not replayed.has_ended and not (
        replayed.is_quoted() and world.timeline.true_ms() >= from_ms
    ):
        world.timeline.sleep(LOOK_SECONDS)
    if not replayed.is_quoted():
        raise SettingsError("the tape ends before both sides of its book are known")
    _load(trial, instrument.key)
    world.exchange.settlement.fees = exact(settings.MAKER_FEE), exact(settings.TAKER_FEE)
    if trial.position:
        _take_position(world, instrument, trial.position, replayed.mid())
    begun_ms = world.timeline.true_ms()
    make = partial(_journal, journal)
    bot = trial.strategy.made_with(world.runtime(journal=make, kind=KIND))
    bots.append(bot)
    if replayed.has_ended:
        end()
    bot.run_loop()
    (run,) = runs_in(journal)
    tell_market(journal, run.number, json.dumps(_about(trial, replayed, begun_ms)))
    return run.again()


def check_fills(name: str, *, is_level_1: bool) -> FillModel:
    """Return a fill model that a tape allows. Raises SettingsError."""
    try:
        model = fill_model(name)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if is_level_1 and name not in ("touch", "through"):
        raise SettingsError(
            f"this tape has the best prices only, so who stands before us is not known: {name} "
            "needs whole levels; --fills touch and through do not"
        )
    return model


def _records(trial: Trial, shown_as: str) -> Iterator[Record]:
    tape = trial.tape
    for record in tape.watched(shown_as) if shown_as else tape.records():
        if trial.until_ns is not None and record.time_ns >= trial.until_ns:
            return
        yield record


def _load(trial: Trial, key: Key) -> None:
    about = {"INSTRUMENTTYPE": key.kind, "SETTLECURRENCY": key.area, "SYMBOL": key.symbol}
    overrides = {**CONNECTION, **trial.overrides, **about}
    if trial.fees:
        overrides["MAKER_FEE"], overrides["TAKER_FEE"] = map(float, trial.fees)
    settings.load(trial.settings_file, overrides=overrides, is_strict=False)


def _instrument(tape: Tape) -> Instrument:
    market = tape.market
    begun = beginning(tape)
    if not begun.prices:
        raise SettingsError("the tape has no book and no trade in its beginning")
    start = sum(begun.prices) // len(begun.prices) * market.tick
    key = Key(market.kind, market.area, market.symbol)
    quote = market.symbol.replace("/", "_").rpartition("_")[2]
    return Instrument(key, 4, market.tick, start, lot=market.lot, face=market.face, quote=quote)


def _world(trial: Trial, instrument: Instrument) -> World:
    exchange, key = Exchange([instrument]), instrument.key
    exchange.listing(key).background.model = check_fills(
        trial.fills, is_level_1=trial.tape.is_level_1
    )
    ledger = exchange.ledger
    ledger.open_account(OWNER)
    if key.kind == CONTRACT:
        ledger.deposit(OWNER, Wallet.CONTRACT, key.area, trial.balance)
    else:
        ledger.deposit(OWNER, Wallet.SPOT, key.area, trial.balance)
        base = trial.balance / instrument.start
        ledger.deposit(OWNER, Wallet.SPOT, instrument.base, base // instrument.lot * instrument.lot)
    begun_ns = beginning(trial.tape).time_ns
    world = World(exchange, seed=trial.seed, start_ms=begun_ns // 1_000_000)
    world.network.is_direct = trial.is_direct
    world.network.journey = trial.latency.journeys(trial.seed)
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


def _shift_ns(tape: Tape) -> int | None:
    """Return the smallest receive time less venue time of a tape's beginning."""
    records = islice(tape.records(), BEGINNING)
    return min(
        (
            record.received_ns - record.time_ns
            for record in records
            if not isinstance(record, Gap) and record.received_ns is not None
        ),
        default=None,
    )


def _about(trial: Trial, replayed: ReplayedMarket, begun_ms: int) -> dict[str, Any]:
    """Return what a report tells of the market and of the assumptions; money is text."""
    tape, facts, shift_ns = trial.tape, replayed.facts, replayed.shift_ns
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
        "crossed": replayed.crossed,
        "is_level_1": tape.is_level_1,
        "volume": plain(facts.traded.total() * tape.market.lot),
        "fills": trial.fills,
        "latency": trial.latency.words,
        "feed_ms": round(trial.feed_latency * 1000),
        "feed_spread_ms": None if shift_ns is None else round(replayed.latest * 1000),
        "shift_ms": None if shift_ns is None else shift_ns // MS,
        "fees": [plain(exact(settings.MAKER_FEE)), plain(exact(settings.TAKER_FEE))],
        "warm_up_ms": begun_ms - facts.began_ns // MS,
        "trials": trial.trials,
        "seed": trial.seed,
        "strategy": f"{trial.strategy.__module__}:{trial.strategy.__name__}",
        "funding": "none: the tape has no rates",
    }


def _journal(path: Path, _name: str, *, clock: Clock) -> Journal:
    return Journal(path.stem, directory=path.parent, clock=clock, has_thread=False)
