"""The venue as a strategy sees it: a snapshot out, a plan in. A dry run has virtual orders."""

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from market_maker.clock import SYSTEM, Clock
from market_maker.control import Control
from market_maker.errors import Fatal, RequestError, Temporary, VenueUnreachable
from market_maker.gte import GTE
from market_maker.models import (
    ZERO,
    Fill,
    Instrument,
    Leg,
    Margin,
    Plan,
    Position,
    Snapshot,
    Ticker,
)
from market_maker.orders.orders import Orders
from market_maker.orders.startup import EarlierRuns
from market_maker.safety.trading_state import SILENT_AFTER, Health, TradingState
from market_maker.settings import settings
from market_maker.trading import bitmex_names
from market_maker.trading.monitor import EMPTY_AFTER, Monitor

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
MARGIN_SECONDS = 10.0
NO_INSTRUMENT = "the feed has not shown the instrument yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a run is given from outside. Live, paper and simulated runs differ in nothing else."""

    clock: Clock = SYSTEM
    client: Callable[..., GTE] = GTE
    """Makes the client of the venue, with the connections that it is to use."""
    chance: random.Random = field(default_factory=random.SystemRandom)
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    """What is known of the runs before this one."""
    can_restart: bool = False
    """Whether this program can be started anew for changed code."""


class ExchangeInterface:
    """Reads the feed and REST into a `Snapshot`, and carries out a `Plan`.

    It touches only our own orders, and only as a plan or the way out asks. Spot has no private
    tables (gte-api §6.8): there, orders and balance are asked for over REST at each tick.
    """

    def __init__(
        self,
        dry_run: bool = True,
        *,
        control: Control | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._runtime = runtime or Runtime()
        self.is_closed = False
        """Whether nothing can be sent any more."""
        self._clock = self._runtime.clock
        control = control or Control()
        account = settings.account(with_key=not dry_run)
        self.gte = self._runtime.client(
            account,
            read_only=dry_run,
            wake=control.wake,
            withdraw_path=settings.WITHDRAW_PATH,
        )
        assert self.gte.ws
        self.feed = self.gte.ws
        self._is_spot = not account.is_contract
        self._instrument: Instrument | None = None
        """The latest that was shown; a fill may be found while a new connection shows none yet."""
        self._margin: Margin | None = None
        self._margin_due = 0.0
        self.orders = Orders(
            self.gte,
            self.feed,
            control,
            self._clock,
            on_fill=self._on_fill,
            dry_run=dry_run,
            stale_after=SILENT_AFTER,
        )
        self.monitor = Monitor(self.gte, self.feed, self.orders, self._clock, settings.MAX_FILLS)

    @property
    def dry_run(self) -> bool:
        """Whether nothing is sent."""
        return self.orders.is_dry

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, wait for every needed table, and cancel what an earlier run has left.

        Young orders of a run that is not known are those of a bot at work elsewhere. Raises
        VenueUnreachable when the feed does not get ready, AuthError for a bad key, AlreadyRunning
        for another bot, OrdersLeft when leftovers cannot be cancelled.
        """
        try:
            self.gte.instrument_query()  # REST answers, and tells the venue's time for the login
        except Temporary as error:
            raise VenueUnreachable(str(error)) from None
        self.feed.start()
        self._wait_for_tables()
        self.orders.start(self._runtime.earlier)

    def _wait_for_tables(self) -> None:
        """Wait for every needed table; raise VenueUnreachable or AuthError without one."""
        deadline = self._clock.monotonic() + START_SECONDS
        while self._clock.monotonic() < deadline:
            with suppress(VenueUnreachable):
                return self.feed.wait_for_tables(self.feed.needed, EMPTY_AFTER)
            self.monitor.see_empty_tables()
        self.feed.wait_for_tables(self.feed.needed, 0)

    def close(self) -> None:
        """Close all connections. Orders stay as they are."""
        self.is_closed = True
        self.gte.exit()

    # --- keeping up -----------------------------------------------------------------------------

    def refresh(self) -> Health:
        """Bring our orders up to date, and say what their state and the feed's allow."""
        self.orders.decide_now()
        try:
            if not self.dry_run:
                self._poll_margin()
            known = self.orders.refresh()
        except Fatal as error:
            logger.error("%s", error)
            self.monitor.note_fatal(error)
            known = False
        found = self.monitor.look(
            self._snapshot_if_any(),
            self._ticker_if_any(),
            position_limit=self._limit(),
            max_loss=Decimal(str(settings.MAX_LOSS)) or None,
        )
        known = known and (self.dry_run or self.orders.reconciler.is_of_this_connection())
        if not known and found.state.severity < TradingState.PAUSED.severity:
            return Health(TradingState.PAUSED, "own orders are still being looked up")
        return found

    def _snapshot_if_any(self) -> Snapshot | None:
        try:
            return None if self.feed.missing() else self.snapshot()
        except Temporary:
            return None

    def _ticker_if_any(self) -> Ticker | None:
        return None if self.feed.missing() else self.ticker()

    def _limit(self) -> Decimal | None:
        if not settings.CHECK_POSITION_LIMITS:
            return None
        return Decimal(str(max(settings.MAX_POSITION, -settings.MIN_POSITION)))

    def _on_fill(self, fill: Fill) -> None:
        self._instrument = self.feed.get_instrument() or self._instrument
        if self._instrument:
            self.monitor.ledger.book(fill, self._instrument)
        self.monitor.note("fill")

    def take_news(self) -> bool:
        """Take what the feed has brought; return whether it is a reason to tick now."""
        return not self.dry_run and self.orders.reconciler.take_news()

    def reconcile(self) -> None:
        """Ask the venue for all our orders now; raises RequestError when it does not answer."""
        self.orders.reconciler.reconcile()

    def is_unsettled(self) -> bool:
        """Return whether an outcome is unknown or a cancel not confirmed: look again soon."""
        return self.orders.is_unsettled()

    def is_doubtful(self) -> bool:
        """Say whether the position is not what our fills make of it, or the book is in doubt."""
        return self.monitor.is_doubtful()

    def look_anew(self, reason: str) -> None:
        """Believe nothing that is known: connect the feed anew, and look the orders up."""
        try:
            self.gte.learn_time()
        except RequestError as error:
            logger.warning("The venue's time is not known: %s", error)
        self.feed.connect_anew(reason)

    def has_gone_silent(self, before: bool) -> bool:
        """Say whether the feed has fallen silent, or died, since the last look at it."""
        return before and (self.feed.silent_for() > SILENT_AFTER or not self.is_open())

    def unconfirmed_for(self) -> float:
        """Return the seconds since the feed last told anything, or its book was found right."""
        return max(self.feed.silent_for(), self.monitor.book_unconfirmed_for())

    def take_fills(self) -> list[Fill]:
        """Return the fills since the last call."""
        return self.orders.reconciler.take_fills()

    # --- what a tick reads ----------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return all that a tick needs, as values. Raises Temporary without an instrument."""
        orders = self.orders.live()
        instrument, ticker, position, margin = self.feed.view(self.orders.own_quantity())
        if instrument is None:
            raise Temporary(NO_INSTRUMENT)
        self._instrument = instrument
        if self._is_spot:
            position = self._spot_position()
        bought, sold = self.orders.tracker.unseen(position)
        return Snapshot(
            instrument=instrument,
            ticker=ticker,
            orders=orders,
            position=position,
            unseen_bought=bought,
            unseen_sold=sold,
            margin=self._dry_margin() if self.dry_run else margin or self._margin,
        )

    def ticker(self) -> Ticker:
        """Return best bid and ask of the others."""
        return self.feed.get_ticker(self.orders.own_quantity())

    def position(self) -> Position:
        """Return both legs. Raises Temporary while the feed has not shown them."""
        if "position" in self.feed.missing():
            raise Temporary("the feed has not shown the position yet")
        return self._spot_position() if self._is_spot else self.feed.position()

    def instrument(self) -> Instrument:
        """Return the instrument. Raises Temporary while the feed has not shown it."""
        instrument = self.feed.get_instrument()
        if instrument is None:
            raise Temporary(NO_INSTRUMENT)
        return instrument

    def margin(self) -> Margin | None:
        """Return the account; in a dry run the balance of DRY_BTC."""
        return self._dry_margin() if self.dry_run else self.feed.funds() or self._margin

    # --- what a strategy reads, under the family's names ------------------------------------------

    def get_instrument(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the instrument; see `bitmex_names.instrument_of()`."""
        self._mind_symbol(symbol)
        return bitmex_names.instrument_of(self.instrument(), self.feed.get_instrument_row())

    def get_ticker(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the others' best prices; see `bitmex_names.ticker_of()`. Temporary without them."""
        self._mind_symbol(symbol)
        ticker = bitmex_names.ticker_of(self.ticker(), self.instrument().tick)
        if ticker is None:
            raise Temporary("the order book is empty on one side or both")
        return ticker

    def get_position(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the position; see `bitmex_names.position_of()`."""
        return bitmex_names.position_of(self.position(), symbol or settings.SYMBOL)

    def get_delta(self, symbol: str | None = None) -> float:
        """Return long - short in contracts."""
        return self.get_position(symbol)["currentQty"]  # type: ignore[no-any-return]

    def calc_delta(self) -> dict[str, Any]:
        """Return the worth of the position; see `bitmex_names.delta_of()`."""
        return bitmex_names.delta_of(self.instrument(), self.position())

    def get_margin(self) -> dict[str, Any]:
        """Return the account; see `bitmex_names.margin_of()`. Raises Temporary while it is not known."""
        margin = self.margin()
        if margin is None:
            raise Temporary("the venue has not shown the account yet")
        return bitmex_names.margin_of(margin)

    def get_orders(self) -> list[dict[str, Any]]:
        """Return our open orders; see `bitmex_names.orders_of()`."""
        return bitmex_names.orders_of(self.orders.live(), settings.SYMBOL)

    def get_highest_buy(self) -> dict[str, Any]:
        """Return our highest buy order; without one, an order at -2**32."""
        buys = [order for order in self.get_orders() if order["side"] == "Buy"]
        return max(buys, key=lambda order: order["price"], default={"price": -(2**32)})

    def get_lowest_sell(self) -> dict[str, Any]:
        """Return our lowest sell order; without one, an order at 2**32."""
        sells = [order for order in self.get_orders() if order["side"] == "Sell"]
        return min(sells, key=lambda order: order["price"], default={"price": 2**32})

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades, oldest first."""
        return self.gte.recent_trades()

    def is_open(self) -> bool:
        """Say whether the feed is connected."""
        return self.feed.is_connected()

    # --- acts -----------------------------------------------------------------------------------

    def execute(self, plan: Plan) -> int:
        """Carry out a plan; return how many creates the venue has refused (see `Executor`)."""
        return self.orders.execute(plan, post_only=settings.POST_ONLY)

    def cancel_order(self, order: dict[str, Any]) -> None:
        """Cancel one of our orders, given as `get_orders()` returns it."""
        found = self.orders.tracker.get(order["clOrdID"])
        if found:
            self.orders.executor.cancel([found])

    def cancel_all_orders(self, seconds: float = 20.0) -> None:
        """Cancel all our orders and prove that none is left; raises OrdersLeft without a proof.

        It gives up after so many seconds without progress.
        """
        self.orders.executor.cancel_all(seconds)

    # --- inside ---------------------------------------------------------------------------------

    def _spot_position(self) -> Position:
        """Return what this run has bought less what it has sold: spot has balances, no position."""
        net, now = self.orders.tracker.bought - self.orders.tracker.sold, self.gte.now() + 1
        long, short = Leg(qty=max(net, ZERO), time=now), Leg(qty=max(-net, ZERO), time=now)
        return Position(long=long, short=short)

    def _poll_margin(self) -> None:
        """Ask REST for the account now and then, where the feed does not show it."""
        now = self._clock.monotonic()
        if self.feed.funds() is None and now >= self._margin_due:
            self._margin_due = now + MARGIN_SECONDS
            try:
                self._margin = next(iter(self.gte.account_query()), None)
            except Fatal:
                raise
            except RequestError as error:
                logger.info("The account could not be looked up: %s", error)

    def _dry_margin(self) -> Margin:
        balance = Decimal(str(settings.DRY_BTC))
        return Margin(currency=settings.SETTLECURRENCY, total=balance, available=balance)

    def _mind_symbol(self, symbol: str | None) -> None:
        if symbol not in (None, settings.SYMBOL):
            raise ValueError(f"this bot trades {settings.SYMBOL}, not {symbol}")
