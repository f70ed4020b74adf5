"""Own orders: tracked, reconciled with the venue, and acted on."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from market_maker.client_oid import is_ours, run_of
from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.errors import Fatal, RequestError
from market_maker.gte import GTE
from market_maker.models import ZERO, Fill, OpenOrder, OrderState, Side
from market_maker.orders.dry import DryExecutor
from market_maker.orders.executor import ACCEPTED, Executor
from market_maker.orders.reconciler import Reconciler
from market_maker.orders.startup import EarlierRuns, Startup
from market_maker.orders.sweep import ASK_AGAIN
from market_maker.orders.tracker import OrderTracker
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)


DRY_SECONDS = 3.0
"""Seconds that becoming a dry run may block the loop; after them a bot halts and goes on so."""
SLOW_LIST = 2.0
"""A failed read of own orders that took longer stalls the tick."""
LONG_SECONDS = 0.5
"""A list that took longer is not read anew by a tick that follows at once."""

__all__ = ["ACCEPTED", "EarlierRuns", "Orders"]


class Orders:
    """The entry point of this package, with its tracker, reconciler and executor.

    It touches no order of others. `on_fill` is called with each fill; in a dry run with those of
    orders that the market has touched, and `on_through` where it went through them. No create
    leaves once the feed has been silent for `stale_after` seconds.
    """

    def __init__(
        self,
        gte: GTE,
        feed: GTEWebsocket,
        control: Control,
        clock: Clock,
        *,
        on_fill: Callable[[Fill], None],
        on_through: Callable[[Fill], None],
        dry_run: bool,
        stale_after: float,
    ) -> None:
        self._gte = gte
        self._feed = feed
        self._clock = clock
        self._on_through = on_through
        self._asked_epoch, self._asked_id = feed.epoch, ""
        """The connection for which others' orders were asked for, and the highest id on it."""
        self.was_slow = False
        """Whether the latest `refresh()` has taken long over the venue's list of orders."""
        self._listed_at = -math.inf
        """When the latest list came that has taken long."""
        self._is_spot = not gte.account.is_contract
        self.tracker = OrderTracker(gte.account.prefix)
        self.tracker.known_runs.add(gte.run)
        self.reconciler = Reconciler(gte, feed, self.tracker, clock, on_fill)
        self._startup = Startup(gte, feed, self.tracker, self.reconciler, clock)
        self._parts = (gte, feed, self.tracker, self.reconciler, control, clock, stale_after)
        self.executor: Executor = (DryExecutor if dry_run else Executor)(*self._parts)

    def set_heartbeat(self, heartbeat: Callable[[], None]) -> None:
        """Set the function to call during long operations, as a heartbeat for the guard."""
        self.executor.heartbeat = self.reconciler.heartbeat = heartbeat

    @property
    def is_dry(self) -> bool:
        """Whether nothing is sent."""
        return isinstance(self.executor, DryExecutor)

    def start(self, earlier: EarlierRuns) -> None:
        """Cancel the orders of previous runs; raises as `Startup.run()` does."""
        self.executor.start_decision()
        self.tracker.known_runs |= (
            earlier.known or set()
        )  # a late order of theirs is ours to cancel
        if not self.is_dry:
            self._startup.run(earlier)
            self._asked_epoch, self._asked_id = self._feed.epoch, self.tracker.highest_id

    def go_dry(self) -> None:
        """Cancel all own orders, prove it, and send nothing from now on. Raises OrdersLeft."""
        self.executor.cancel_all(DRY_SECONDS)
        self._gte.make_read_only()
        heartbeat, self.executor = self.executor.heartbeat, DryExecutor(*self._parts)
        self.executor.heartbeat = heartbeat

    def refresh(self) -> bool:
        """Reconcile own orders if needed; return whether their state is known.

        Repeats cancels that are not confirmed. Raises Fatal when the venue rejects the key or
        liquidates the position.
        """
        self.was_slow = False
        if isinstance(self.executor, DryExecutor):
            for fill in self.executor.fill_virtually():
                self._on_through(fill)
            return True
        begun = self._clock.monotonic()
        is_listed = begun - self._listed_at < LONG_SECONDS  # by the tick that this one follows
        known = self.reconciler.reconcile_if_needed(always=self._is_spot and not is_listed)
        took = self._clock.monotonic() - begun
        self.was_slow = took > SLOW_LIST and self.reconciler.orders_stale_for() > 0
        if took > LONG_SECONDS:
            self._listed_at = self._clock.monotonic()
        if self.was_slow:
            return known
        if known and not self._is_spot:
            self._ask_for_others()
        if again := self.reconciler.overdue_cancels():
            logger.warning(
                "Cancelling %d orders again: not confirmed within %g s.", len(again), ASK_AGAIN
            )
            self.executor.cancel(again)
        return known

    def _ask_for_others(self) -> None:
        """Ask for what orders of others have filled while the feed was away: no image tells."""
        epoch, others = self._feed.epoch, self.reconciler.others
        if epoch != self._asked_epoch and self.reconciler.is_reconciled():
            try:
                rows = self.reconciler.query_gone(others.resting())
                rows += self._gte.query_orders((), after=self._asked_id)
            except Fatal:
                raise
            except RequestError as error:
                logger.info("Could not read others' orders over REST: %s", error)
                return
            for row in rows:
                others.see(row, self._feed.arrivals)
            self._asked_epoch = epoch
        if epoch == self._asked_epoch and self._feed.is_connected():
            self._asked_id = self.tracker.highest_id

    def take_news(self) -> bool:
        """Process the order updates of the feed; return whether they call for a tick now."""
        return not self.is_dry and self.reconciler.take_news()

    def take_fills_of_others(self, before_own: Fill | None = None) -> list[Fill]:
        """Return, once, what orders of contracts have filled that are not of this run.

        Only what came `before_own` fill, if that is given. Nothing while an own order waits to be
        known by its row.
        """
        tracker = self.tracker
        states = {order.state for order in tracker.live()}
        if states & {OrderState.SENT, OrderState.UNKNOWN}:
            return []

        def is_own(row: OpenOrder) -> bool:
            """Return whether a row is of this run, or of an earlier one."""
            mine = is_ours(row.client_oid, tracker.prefix)
            earlier = mine and run_of(row.client_oid, tracker.prefix) in tracker.known_runs
            return earlier or tracker.find(row) is not None

        return self.reconciler.others.take(is_own, before_own)

    def take_cut_short(self) -> bool:
        """Return, once, whether the last plan was sent only in part: then tick at once."""
        cut, self.executor.is_cut_short = self.executor.is_cut_short, False
        return cut

    def live(self) -> tuple[OpenOrder, ...]:
        """Return every order that rests or may rest at the venue."""
        return self.tracker.live()

    def named(self, name: str) -> OpenOrder | None:
        """Return the own order, live or ended, with this order_id or client_oid; None of others.

        One that the venue never had is as ended as others.
        """
        asked = OpenOrder(side=Side.BUY, price=ZERO, qty=ZERO, order_id=name, client_oid=name)
        prefix = self.tracker.prefix
        if found := self.tracker.find(asked):
            return found
        is_sent = is_ours(name, prefix) and run_of(name, prefix) == self._gte.run
        return replace(asked, state=OrderState.DONE) if is_sent else None

    def is_unsettled(self) -> bool:
        """Return whether an outcome is unknown or a cancel not confirmed: then tick soon."""
        return bool(self.tracker.unknown()) or self.reconciler.is_being_cancelled()

    def own_quantity(self) -> dict[tuple[Side, Decimal], Decimal]:
        """Return the own quantity at each (side, price) of the book; without virtual orders."""
        own: dict[tuple[Side, Decimal], Decimal] = {}
        for order in () if self.is_dry else self.tracker.live():
            place = (order.side, order.price)
            own[place] = own.get(place, ZERO) + order.remaining
        return own
