"""A strategy before facts of another time: those of a run again, or those seen just now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from market_maker.errors import MarketMakerError
from market_maker.journal import Run
from market_maker.market_maker import OrderManager
from market_maker.models import Margin, OpenOrder, OrderRequest, Plan, Snapshot
from market_maker.models import Side as OwnSide
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import CONTRACT, Instrument, Key
from market_maker.paper.exchange.moves import Depth, Index, Move
from market_maker.paper.market.setup import OWNER
from market_maker.report import decisions_of
from market_maker.safety import Health, TradingState
from market_maker.settings import settings
from market_maker.simulation.world import CONNECTION, World
from market_maker.strategy import Decided

BEFORE_MS = 30_000
"""So long before the first decision the bot starts, which takes some seconds."""
FUNDS = Decimal(10**6)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a strategy wanted in a tick of the run, and what it wants now."""

    time_ms: int
    then: tuple[OrderRequest, ...]
    now: tuple[OrderRequest, ...]
    error: str
    """What it raised now; empty if nothing."""

    @property
    def is_same(self) -> bool:
        """Whether it wants the same."""
        return self.then == self.now and not self.error


Book = Mapping[OwnSide, Sequence[tuple[Decimal, Decimal]]]
"""(price, quantity) of the levels of each side."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a strategy is to decide on: a snapshot, its time in ms UTC, and the order book."""

    time_ms: int
    snapshot: Snapshot
    book: Book


class Shown:
    """In the place of a view: shows a given snapshot."""

    is_known = True

    def __init__(self, seen: Snapshot, then: Snapshot) -> None:
        self.set(seen, then)

    def set(self, seen: Snapshot, then: Snapshot) -> None:
        """Show what the strategy sees, and once it has decided what there was `then`."""
        self._now, self._next = seen, then

    def begin_tick(self) -> None:
        """Do nothing."""

    end_tick = forget = begin_tick

    def snapshot(self) -> Snapshot:
        """Return the snapshot of the tick."""
        return self._now

    def read(self) -> Snapshot:
        """Return the snapshot of the decision, which the tick goes on with."""
        self._now = self._next
        return self._now

    def orders(self) -> tuple[OpenOrder, ...]:
        """Return own orders."""
        return self._now.orders

    def margin(self) -> Margin | None:
        """Return the account."""
        return self._now.margin


def restage(
    run: Run, kind: type[OrderManager], step: Callable[[], None] = lambda: None
) -> list[Wish]:
    """Let a strategy place orders again on the facts of each decision of a run, in order.

    Nothing is sent. Orders placed beside the ladder are left out. Raises Unreadable, and what the
    start of a bot raises.
    """
    decided = (each for each in decisions_of(run) if not each[1].is_beside)
    first_ms, first = next(decided, (0, None))
    if first is None:
        return []
    shown = {name: value for name, value in run.settings.items() if name not in CONNECTION}
    settings.load(None, overrides={**shown, **CONNECTION}, is_strict=False)
    world = _world(first.snapshot, first_ms - BEFORE_MS)
    bot, stage = _on_stage(world, kind, first.snapshot)
    found = []
    for time_ms, then in chain([(first_ms, first)], decided):
        step()
        world.timeline.sleep((time_ms - world.timeline.true_ms()) / 1000)
        stage.set(then.seen or then.snapshot, then.snapshot)
        now, error = _decided(bot, is_reducing=then.limits.reducing)
        found.append(Wish(time_ms, then.wanted, now[-1].wanted if now else (), error))
    bot.exchange.close()
    return found


def decide_on(
    looks: Sequence[Seen], kind: type[OrderManager], step: Callable[[], None] = lambda: None
) -> list[Decided]:
    """Let a strategy decide on each of these facts, in order; return what it decided on the last.

    Nothing is sent. The settings in force have to be those of `CONNECTION`. Raises
    MarketMakerError with what the strategy raised on the last, and what the start of a bot raises.
    """
    first = looks[0]
    world = _world(first.snapshot, first.time_ms - BEFORE_MS, first.book)
    bot, stage = _on_stage(world, kind, first.snapshot)
    try:
        decided: list[Decided] = []
        error = ""
        for look in looks:
            step()
            world.timeline.sleep((look.time_ms - world.timeline.true_ms()) / 1000)
            stage.set(look.snapshot, look.snapshot)
            decided, error = _decided(bot, is_reducing=False)
    finally:
        bot.exchange.close()
    if error:
        raise MarketMakerError(f"the strategy raised {error}")
    return decided


def _on_stage(
    world: World, kind: type[OrderManager], snapshot: Snapshot
) -> tuple[OrderManager, Shown]:
    """Return a bot that is shown what it is given, and sends nothing."""
    bot = kind.made_with(world.runtime())
    stage = Shown(snapshot, snapshot)
    bot.exchange.view = stage  # type: ignore[assignment]
    bot.exchange.execute = _send_nothing  # type: ignore[method-assign]
    return bot, stage


def _send_nothing(plan: Plan) -> int:  # noqa: ARG001
    return 0


def _decided(bot: OrderManager, *, is_reducing: bool) -> tuple[list[Decided], str]:
    """Return what a strategy decides in one tick, and what it raised."""
    decided: list[Decided] = []
    bot.exchange.records.decision = decided.append  # type: ignore[method-assign,assignment]
    state = TradingState.REDUCING if is_reducing else TradingState.ACTIVE
    bot.loop.health, bot.loop.is_ticking = Health(state, ""), True
    bot.loop.asked_at = bot.clock.monotonic()
    try:
        bot.sanity_check()
        returned = bot.place_orders()  # type: ignore[func-returns-value]
        if returned is not None:
            bot.loop.take_returned(returned)
    except Exception as error:
        return [], f"{type(error).__name__}: {error}"
    finally:
        bot.loop.is_ticking = False
    return decided, ""


def _world(snapshot: Snapshot, start_ms: int, book: Book | None = None) -> World:
    """Return a world in which a bot of this market can start; without a book it has best prices."""
    known, ticker = snapshot.instrument, snapshot.ticker
    key = Key(known.instrument_type, known.settle_currency, known.symbol)
    price = known.valuation_price or ticker.near
    instrument = Instrument(key, 4, known.tick, price, lot=known.lot, face=known.face_value)
    exchange = Exchange([instrument])
    exchange.ledger.open_account(OWNER)
    wallet = Wallet.CONTRACT if key.kind == CONTRACT else Wallet.SPOT
    for asset in {key.area, instrument.base} if key.kind != CONTRACT else {key.area}:
        exchange.ledger.deposit(OWNER, wallet, asset, FUNDS)
    bid, ask = (int(each / known.tick) for each in (ticker.bid or price, ticker.ask or price))
    world = World(exchange, seed=1, start_ms=start_ms)
    moves: list[Move] = [Depth(Side.BUY, bid, 1), Depth(Side.SELL, max(ask, bid + 1), 1)]
    if book:
        moves = [
            Depth(side, int(price / known.tick), max(int(qty / known.lot), 1))
            for own, side in ((OwnSide.BUY, Side.BUY), (OwnSide.SELL, Side.SELL))
            for price, qty in book[own]
        ]
    world.venue.play(key, [*moves, Index(price)], start_ms)
    return world
