"""A bot and an exchange in one process on simulated time: the same seed gives the same run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from market_maker.bot import Runtime
from market_maker.client_oid import is_ours
from market_maker.journal import Journal
from market_maker.market_maker import OrderManager
from market_maker.orders.notes import note_of, read_notes
from market_maker.orders.startup import EarlierRuns
from market_maker.paper.api.judge import Report
from market_maker.paper.exchange.account import LegKey
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.faults.schedule import Fault
from market_maker.paper.market.setup import OWNER, set_up, still_book
from market_maker.paper.market.tape import BTC_USD
from market_maker.settings import settings
from market_maker.simulation import world as simulation
from market_maker.simulation.timeline import START_MS
from market_maker.simulation.world import CONNECTION
from market_maker.wire.throttle import Throttle

_is_ours = lru_cache(10_000)(is_ours)
GIVEN: dict[str, Any] = CONNECTION | {"ORDER_PAIRS": 3, "LOOP_INTERVAL": 2}


class World(simulation.World):
    """One exchange, one network, one bot at a time. Only `run` and the bot let time pass."""

    def __init__(
        self,
        *,
        seed: int = 1,
        key: Key = BTC_USD,
        quirks: Quirks = DEFAULTS,
        still: bool = True,
        start_ms: int = START_MS,
        **changed: Any,
    ) -> None:
        exchange, _ = set_up(crowd=False, quirks=quirks)
        super().__init__(exchange, seed=seed, start_ms=start_ms)
        self.key = key
        """What the bot trades, and the methods below are about."""
        about = {"INSTRUMENTTYPE": key.kind, "SETTLECURRENCY": key.area, "SYMBOL": key.symbol}
        self.settings = GIVEN | about | changed
        self.bot: OrderManager | None = None
        self.journals: Path | None = None
        """Where the bots keep their journals; None: they have none."""
        self._had_bot = False
        self.runs: list[str] = []
        """What the run files of the bots' machine hold: the ids of their runs, ..."""
        self.has_crashed = False
        """... whether the last one was killed, ..."""
        self.notes: list[str] = []
        """... and their notes of creates."""
        self.foreign: list[int] = []
        """The orders that the owner of the account placed by hand."""
        if still:
            self.play(still_book())

    def _clock(self) -> int:
        return self.timeline.true_ms()

    @contextmanager
    def installed(self) -> Iterator["World"]:
        """Put the settings back at the end."""
        saved = dict(vars(settings))
        try:
            yield self
        finally:
            vars(settings).clear()
            vars(settings).update(saved)

    def _earlier(self) -> EarlierRuns:
        known = frozenset(self.runs) if self.runs else None
        return EarlierRuns(known=known, may_be_late=self.has_crashed, notes=read_notes(self.notes))

    # --- the bot --------------------------------------------------------------------------------

    def start(
        self,
        kind: type[OrderManager] = OrderManager,
        *,
        file: Path | None = None,
        earlier: EarlierRuns | None = None,
        runtime: Runtime | None = None,
        **changed: Any,
    ) -> OrderManager:
        """Start a bot, connected and not yet ticking; its settings may come from a file alone.

        Without a `runtime` of its own, with a session, it knows of earlier runs what this world
        does.
        """
        settings.load(file, overrides={} if file else self.settings | changed, is_strict=False)
        journal = None
        if self.journals:
            journal = partial(Journal, directory=self.journals, has_thread=False)
        given = runtime or self.runtime(earlier or self._earlier(), journal)
        self.bot = kind.made_with(given)
        self.runs.append(self.bot.exchange.client.run)
        self.has_crashed = False
        if not given.session:
            note = lambda *create: self.notes.append(note_of(*create))  # noqa: E731
            self.bot.exchange.client.on_create = note
        if not self._had_bot:  # nobody before it can have used up a budget
            self.bot.exchange.client._transport._throttle = Throttle()
        self._had_bot = True
        return self.bot

    def run(self, seconds: float) -> None:
        """Let the bot do its loop for so long."""
        assert self.bot
        end = self.timeline.monotonic() + seconds
        self.timeline.after(seconds, lambda: self.bot and self.bot.control.wake.put("look"))
        while self.timeline.monotonic() < end:
            self.bot.tick()
            self.bot.loop.wait()

    def run_until(self, condition: Callable[[], Any], seconds: float = 60.0) -> float:
        """Let the bot do its loop until something is true, and return how long that took.

        Fails when it does not become true in so many seconds.
        """
        begun = self.timeline.monotonic()
        while not condition():
            assert self.timeline.monotonic() - begun < seconds, "it did not become true in time"
            self.run(0.25)
        return self.timeline.monotonic() - begun

    def kill(self) -> None:
        """End the bot's process as `kill -9` does, at its next breath."""
        self.timeline.kill()

    def bury(self) -> None:
        """Clear away what a killed bot has left on this machine; its orders stay at the venue."""
        if self.bot:
            self.bot.exchange.feed.exit()
        self.network.drop_all()
        self.timeline.killed = False
        self.bot = None

    def stop_bot(self, seconds: float, *, suspended: bool = False) -> None:
        """Let the bot's process (`suspended`: its machine) stand still, from within its wait."""
        assert self.bot

        def stop() -> None:
            self.network.stopped = True
            self.timeline.stand_still(seconds, suspended=suspended)
            self.network.stopped = False

        self.timeline.after(0.1, stop)

    def kill_bot(self) -> None:
        """End the bot as `kill -9` does: it does nothing any more, and its orders stay."""
        assert self.bot
        self.has_crashed = True
        self.bot.exchange.close()
        self.network.drop_all()
        self.bot = None

    # --- the venue ------------------------------------------------------------------------------

    def fault(self, name: str, **options: Any) -> None:
        """Put a fault on the schedule; the options are those of `faults.Fault`."""
        self.venue.plan(Fault(name=name, **options), self._clock())

    def play(self, moves: list[Move]) -> None:
        """Let the others act."""
        self.venue.play(self.key, moves, self._clock())

    def put(self, side: str, price: str, qty: int) -> None:
        """Let others rest this quantity at a price, in all."""
        self.play([Depth(Side[side.upper()], self._ticks(price), qty)])

    def take(self, side: str, price: str, qty: int) -> None:
        """Let somebody else buy or sell up to this quantity at once, at this price or better."""
        self.play([Take(Side[side.upper()], self._ticks(price), qty)])

    def bids(self) -> list[tuple[Decimal, int]]:
        """Return price and size of all that rests to buy, ours included, best first."""
        listing = self.exchange.listing(self.key)
        return [
            (listing.instrument.price(price), listing.book.size(Side.BUY, price))
            for price in listing.book.prices(Side.BUY)
        ]

    def index(self, price: str) -> None:
        """Move the price elsewhere, which is the mark price too."""
        self.play([Index(Decimal(price))])

    def foreign_order(
        self,
        side: str,
        price: str,
        qty: int | Decimal,
        *,
        close: bool = False,
        client_oid: str | None = None,
    ) -> int:
        """Let the owner of the account, or another bot of theirs, place an order."""
        order_id = self.exchange.create(
            OWNER,
            self.key,
            side=Side[side.upper()],
            close=close,
            price=Decimal(price),
            qty=Decimal(qty),
            client_oid=client_oid,
            now=self.venue.time(self._clock()),
        )
        self.venue.publish(self._clock())
        self.foreign.append(order_id)
        return order_id

    def venue_cancels(self, order: Order) -> None:
        """Let the venue itself end an order of ours."""
        self.exchange.cancel(OWNER, self.key, order.order_id, self.venue.time(self._clock()))
        self.venue.publish(self._clock())

    def orders(self) -> list[Order]:
        """Return the live orders of the bot, oldest first."""
        prefix = settings.ORDERID_PREFIX
        live = self.exchange.blotter.live(OWNER)
        return [order for order in live if _is_ours(order.client_oid or "", prefix)]

    def ladder(self) -> list[str]:
        """Return our live orders, from the highest price to the lowest."""
        orders = sorted(self.orders(), key=lambda order: -order.price)
        return [f"{order.side.name} {order.qty} @ {order.price}" for order in orders]

    def position(self) -> tuple[int, int]:
        """Return the contracts held long and short."""
        account = self.exchange.ledger.accounts[OWNER]
        long, short = (
            account.qty(LegKey(self.key.area, self.key.symbol, side)) for side in (True, False)
        )
        return long, short

    @property
    def report(self) -> Report:
        """What the judge has found."""
        return self.venue.judge.report

    def _ticks(self, price: str) -> int:
        ticks = self.exchange.listing(self.key).instrument.ticks(Decimal(price))
        assert ticks is not None
        return ticks


def silence() -> None:
    """Keep the log of a long run out of the way."""
    logging.disable(logging.CRITICAL)
