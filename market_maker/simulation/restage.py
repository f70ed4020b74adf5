"""A strategy before the recorded facts of a run again: does it want the same orders?"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from market_maker.journal import Run
from market_maker.market_maker import OrderManager
from market_maker.models import Margin, OpenOrder, OrderRequest, Plan, Snapshot
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


class Shown:
    """In the place of a view: shows a recorded snapshot."""

    is_known = True

    def __init__(self, decided: Decided) -> None:
        self.set(decided)

    def set(self, decided: Decided) -> None:
        """Show what the strategy saw, and once it has decided what there was then."""
        self._now, self._next = decided.seen or decided.snapshot, decided.snapshot

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
    bot = kind.made_with(world.runtime())
    stage = Shown(first)
    bot.exchange.view = stage  # type: ignore[assignment]
    bot.exchange.execute = _send_nothing  # type: ignore[method-assign]
    found = []
    for time_ms, then in chain([(first_ms, first)], decided):
        step()
        world.timeline.sleep((time_ms - world.timeline.true_ms()) / 1000)
        stage.set(then)
        now, error = _wanted(bot, is_reducing=then.limits.reducing)
        found.append(Wish(time_ms, then.wanted, now, error))
    bot.exchange.close()
    return found


def _send_nothing(plan: Plan) -> int:  # noqa: ARG001
    return 0


def _wanted(bot: OrderManager, *, is_reducing: bool) -> tuple[tuple[OrderRequest, ...], str]:
    """Return what a strategy wants in one tick, and what it raised."""
    wanted: list[Decided] = []
    bot.exchange.records.decision = wanted.append  # type: ignore[method-assign,assignment]
    state = TradingState.REDUCING if is_reducing else TradingState.ACTIVE
    bot.loop.health, bot.loop.is_ticking = Health(state, ""), True
    bot.loop.asked_at = bot.clock.monotonic()
    try:
        bot.sanity_check()
        returned = bot.place_orders()  # type: ignore[func-returns-value]
        if returned is not None:
            bot.loop.take_returned(returned)
    except Exception as error:
        return (), f"{type(error).__name__}: {error}"
    finally:
        bot.loop.is_ticking = False
    return (wanted[-1].wanted if wanted else ()), ""


def _world(snapshot: Snapshot, start_ms: int) -> World:
    """Return a world in which a bot of this market can start."""
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
    moves: list[Move] = [
        Depth(Side.BUY, bid, 1),
        Depth(Side.SELL, max(ask, bid + 1), 1),
        Index(price),
    ]
    world.venue.play(key, moves, start_ms)
    return world
