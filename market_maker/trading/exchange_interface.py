"""The venue as a strategy sees it: a snapshot out, a plan in. A dry run has virtual orders."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from operator import attrgetter
from typing import Any

from market_maker.control import Control
from market_maker.errors import (
    Fatal,
    RequestError,
    SettingsError,
    Temporary,
    VenueUnreachable,
)
from market_maker.models import (
    Fill,
    Plan,
    Side,
    Snapshot,
)
from market_maker.money import Money
from market_maker.orders.orders import Orders
from market_maker.safety import SILENT_AFTER, Health
from market_maker.settings import settings
from market_maker.trading import bitmex_names
from market_maker.trading.monitor import EMPTY_AFTER, Monitor
from market_maker.trading.runtime import Runtime
from market_maker.trading.view import View

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
PRICE = attrgetter("price")
SLOW_SECONDS = 1.0
"""Seconds after which a tick asks for nothing more that can wait for the next one."""


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
        self.orders = Orders(
            self.gte,
            self.feed,
            control,
            self._clock,
            on_fill=self._on_fill,
            dry_run=dry_run,
            stale_after=SILENT_AFTER,
        )
        self.money = Money()
        self.on_trade: Callable[[dict[str, str]], None] = lambda _: None
        """Is told what this run has traded, after each fill; `guard.session` sets it."""
        self.monitor = Monitor(
            self.gte,
            self.feed,
            self.orders,
            self.money,
            control,
            self._clock,
            settings.MAX_FILLS,
        )
        self._view = View(self.feed, self.orders, self.money, self.monitor, self._clock)

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
        self._resume_from(self._runtime.earlier.money)
        self.feed.start()
        self._wait_for_tables()
        self.orders.start(self._runtime.earlier)

    def _resume_from(self, trades: Mapping[str, str] | None) -> None:
        """Count the run's money on after a restart. Raises SettingsError if that cannot be."""
        if trades is None:
            return
        try:
            self.money.resume_from(trades)
        except (ValueError, ArithmeticError):
            if settings.MAX_LOSS:
                raise SettingsError(
                    "what was traded before the restart cannot be read, and MAX_LOSS counts it: "
                    "start anew by hand"
                ) from None
            logger.error("What was traded before the restart cannot be read; counting from zero.")

    def _wait_for_tables(self) -> None:
        """Wait for every needed table; raise VenueUnreachable or AuthError without one."""
        deadline = self._clock.monotonic() + START_SECONDS
        while self._clock.monotonic() < deadline:
            with suppress(VenueUnreachable):
                return self.feed.wait_for_tables(self.feed.needed, EMPTY_AFTER)
            self.monitor.query_missing_tables()
        self.feed.wait_for_tables(self.feed.needed, 0)

    def close(self) -> None:
        """Close all connections. Orders stay as they are."""
        self.is_closed = True
        self.gte.exit()

    # --- keeping up -----------------------------------------------------------------------------

    def refresh(self) -> Health:
        """Bring our orders up to date, and say what their state and the feed's allow."""
        self.orders.start_decision()
        slow_at = self._clock.monotonic() + SLOW_SECONDS

        def has_time() -> bool:
            """Return whether no read of this tick was slow: then one more may be asked for."""
            return self._clock.monotonic() < slow_at

        try:
            known = self.orders.refresh()
            if not self.dry_run and has_time():
                self.monitor.poll_margin()
        except Fatal as error:
            logger.error("%s", error)
            self.monitor.record_fatal(error)
            known = False
        is_current = self.dry_run or self.orders.reconciler.is_reconciled()
        return self.monitor.assess(
            self._look_if_possible(),
            position_limit=self._limit(),
            max_loss=Decimal(str(settings.MAX_LOSS)) or None,
            orders_known=known and is_current,
            has_time=has_time,
        )

    def _look_if_possible(self) -> Snapshot | None:
        try:
            return self.read_snapshot()
        except Temporary:
            return None

    def _limit(self) -> Decimal | None:
        if not settings.CHECK_POSITION_LIMITS:
            return None
        return Decimal(str(max(settings.MAX_POSITION, -settings.MIN_POSITION)))

    def _on_fill(self, fill: Fill) -> None:
        if instrument := self._view.latest_instrument():
            self.money.book(fill, instrument)
            self.on_trade(self.money.as_text())
        self.monitor.note("fill")

    def resync(self, reason: str) -> None:
        """Believe nothing that is known: connect the feed anew, and look the orders up."""
        try:
            self.gte.instrument_query()  # whose answer tells the venue's time
            self.gte.clock.believe_latest()
        except RequestError as error:
            logger.warning("The venue's time is not known: %s", error)
        self.feed.reconnect(reason)

    def has_gone_stale(self, before: bool) -> bool:
        """Say whether the feed has fallen silent, or died, since the last look at it."""
        return before and (self.feed.silent_for() > SILENT_AFTER or not self.is_open())

    def unconfirmed_for(self) -> float:
        """Return the seconds since the feed last told anything, or its book was found right."""
        return max(self.feed.silent_for(), self.monitor.book_unconfirmed_for())

    # --- what a tick reads ----------------------------------------------------------------------

    def begin_tick(self) -> None:
        """Show what `refresh()` reads from now on, until it is 2 s old."""
        self._view.begin_tick()

    def end_tick(self) -> None:
        """Show what is there at each question from now on."""
        self._view.end_tick()

    def snapshot(self) -> Snapshot:
        """Return all that a tick needs; inside a tick what the tick has read. Raises Temporary."""
        return self._view.snapshot()

    def read_snapshot(self) -> Snapshot:
        """Read everything anew; a tick goes on with it. Raises as `snapshot()` does."""
        return self._view.read()

    # --- what a strategy reads, under the family's names ------------------------------------------

    def get_instrument(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the instrument; see `bitmex_names.instrument_of()`."""
        self._check_symbol(symbol)
        row = self.feed.get_instrument_row()
        return bitmex_names.instrument_of(self.snapshot().instrument, row)

    def get_ticker(self, symbol: str | None = None) -> dict[str, Any]:
        """Return best bid and ask of the others; see `bitmex_names.ticker_of()`.

        Raises Temporary when a side is empty.
        """
        self._check_symbol(symbol)
        seen = self.snapshot()
        ticker = bitmex_names.ticker_of(seen.ticker, seen.instrument.tick)
        if ticker is None:
            raise Temporary("the order book is empty on one side or both")
        return ticker

    def get_position(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the position; see `bitmex_names.position_of()`."""
        return bitmex_names.position_of(self.snapshot().position, symbol or settings.SYMBOL)

    def get_delta(self, symbol: str | None = None) -> float:
        """Return long - short in contracts."""
        return self.get_position(symbol)["currentQty"]  # type: ignore[no-any-return]

    def calc_delta(self) -> dict[str, Any]:
        """Return the worth of the position; see `bitmex_names.delta_of()`."""
        seen = self.snapshot()
        return bitmex_names.delta_of(seen.instrument, seen.position)

    def get_margin(self) -> dict[str, Any]:
        """Return the account; see `bitmex_names.margin_of()`.

        Raises Temporary while it is not known.
        """
        margin = self._view.margin()
        if margin is None:
            raise Temporary("the venue has not shown the account yet")
        return bitmex_names.margin_of(margin)

    def get_orders(self) -> list[dict[str, Any]]:
        """Return our open orders; see `bitmex_names.orders_of()`."""
        return bitmex_names.orders_of(self._view.orders(), settings.SYMBOL)

    def get_highest_buy(self) -> dict[str, Any]:
        """Return our highest buy order; without one, an order at -2**32."""
        buys = [order for order in self._view.orders() if order.side is Side.BUY]
        if not buys:
            return {"price": -(2**32)}
        return bitmex_names.orders_of([max(buys, key=PRICE)], settings.SYMBOL)[0]

    def get_lowest_sell(self) -> dict[str, Any]:
        """Return our lowest sell order; without one, an order at 2**32."""
        sells = [order for order in self._view.orders() if order.side is Side.SELL]
        if not sells:
            return {"price": 2**32}
        return bitmex_names.orders_of([min(sells, key=PRICE)], settings.SYMBOL)[0]

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades, oldest first."""
        return self.gte.recent_trades()

    def is_open(self) -> bool:
        """Say whether the feed is connected."""
        return self.feed.is_connected()

    # --- acts -----------------------------------------------------------------------------------

    def execute(self, plan: Plan) -> int:
        """Carry out a plan; return how many creates the venue has refused (see `Executor`)."""
        if not plan.cancel and not plan.create:
            return 0
        self._view.forget()
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

    def _check_symbol(self, symbol: str | None) -> None:
        if symbol not in (None, settings.SYMBOL):
            raise ValueError(f"this bot trades {settings.SYMBOL}, not {symbol}")
