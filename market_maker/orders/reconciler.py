"""Reconciles own orders with the venue: by the feed, and over REST where the feed falls short."""

import logging
from collections.abc import Callable, Iterable, Sequence

from market_maker.client_oid import is_ours, run_of
from market_maker.clock import Clock
from market_maker.decimals import plain
from market_maker.errors import Fatal, RequestError
from market_maker.gte import GTE
from market_maker.models import ZERO, CreateEvent, Fill, OpenOrder, OrderState, Side
from market_maker.orders.notes import Notes, claimed
from market_maker.orders.others import Others
from market_maker.orders.sweep import ASK_AGAIN, late_until
from market_maker.orders.taker_reports import TakerReports
from market_maker.orders.tracker import OrderTracker
from market_maker.orders.unacknowledged import id_number
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

MAX_SINGLE_QUERIES = 3
"""Up to so many orders are queried one by one; more, by pages from the oldest of them on."""
PAGE = 100
"""Rows of such a page."""
RECONCILE_EVERY = 10.0
"""Seconds between two reconciliations, because a feed may silently lose an update."""
MISMATCH_SECONDS = 2.0
"""Seconds that an own order may differ from the feed before it is reconciled over REST."""


class Reconciler:
    """Feeds updates from the feed and REST into the tracker. It places and cancels nothing."""

    def __init__(
        self,
        gte: GTE,
        feed: GTEWebsocket,
        tracker: OrderTracker,
        clock: Clock,
        on_fill: Callable[[Fill], None],
    ) -> None:
        self._clock = clock
        self._gte = gte
        self._feed = feed
        self._tracker = tracker
        self._on_fill = on_fill
        self.others = Others()
        self.taker_reports = TakerReports(clock, tracker.find)
        self._reconciled_epoch = 0
        self.reconciled_at = clock.monotonic()
        """When all own orders were last reconciled, in steady seconds."""
        self._stale_since: float | None = None
        """When reads of the own orders began to fail; None while they succeed."""
        self._is_requested = False
        self.heartbeat: Callable[[], None] = lambda: None
        """Called after each read of a reconciliation, as a heartbeat for the guard."""
        self._mismatch_since: dict[str, float] = {}
        """Since when an order is unknown, being cancelled, or not as the feed shows it."""
        self._repeated_at: dict[str, float] = {}

    def leftovers(self, notes: Notes) -> list[OpenOrder]:
        """Take stock at a start, and return the open orders of previous runs.

        From then on orders of others are followed. Own ones are known by their prefix, or by notes.
        """
        self._reconciled_epoch = self._feed.epoch
        newest = self._gte.newest_orders()
        for row in newest:
            self._tracker.record_id(row.order_id)
        rows = self._gte.query_orders()
        highest = max((id_number(row.order_id) for row in newest + rows), default=0)
        if self._gte.account.is_contract:  # of a pair no feed tells what they have filled
            self.others.begin(newest + rows, highest)
        named = {row.order_id for row in rows if is_ours(row.client_oid, self._tracker.prefix)}
        noted, _ = claimed(rows, notes)
        ours = [row for row in rows if row.order_id in named | noted]
        self._tracker.known_runs |= {
            run_of(row.client_oid, self._tracker.prefix) for row in ours if row.order_id in named
        }
        if len(rows) > len(ours):
            logger.info("%d orders are not ours; left alone.", len(rows) - len(ours))
        return ours

    def take_news(self) -> bool:
        """Process the order updates of the feed; return whether they call for a tick now.

        A fill does; so does an order that the venue ended unasked, and the end of the last order
        that was being cancelled, because its deferred replacement can now be created.
        """
        waiting, ended = self.is_being_cancelled(), self._tracker.ended_by_venue
        fills = self.process(self._feed.drain_news())
        is_free = waiting and not self.is_being_cancelled()
        return bool(fills) or is_free or self._tracker.ended_by_venue > ended

    def reconcile_if_needed(self, *, always: bool = False) -> bool:
        """Process the updates of the feed, and reconcile over REST where they are not enough.

        That is on a new connection, for an order of unknown outcome, for a lasting mismatch with
        the feed, and every RECONCILE_EVERY seconds. Returns False only while a new connection is
        not reconciled; `orders_stale_for()` tells of failed reads. Raises Fatal.
        """
        self.take_news()
        self._record_mismatches()
        epoch = self._feed.epoch
        now = self._clock.monotonic()
        ready = self._feed.is_connected() and not self._feed.missing()
        is_new = ready and epoch != self._reconciled_epoch
        is_due = now - self.reconciled_at >= RECONCILE_EVERY
        if not (always or is_new or is_due or self._is_requested or self._needs_reconcile()):
            return True
        try:
            self.reconcile()
        except Fatal:
            raise
        except RequestError as error:
            self.heartbeat()
            if self._stale_since is None:
                logger.warning("Could not read own orders over REST: %s", error)
                self._stale_since = now
            return not is_new
        if ready:
            self._reconciled_epoch = epoch
        return True

    def reconcile(self) -> None:
        """Query all open orders, and the final state of each own order that is no longer open.

        Raises RequestError after a failed read; nothing is concluded from it.
        """
        begun = self._clock.monotonic()
        known = self._tracker.live()
        rows = {order.order_id: order for order in self._gte.query_orders()}
        self.heartbeat()
        self._observe(rows.values())
        for row in self._tracker.listed(rows.values(), begun):
            logger.error("Order rests, though its row said that it had ended: %s.", row.full)
            self._observe([row])
        gone = [order for order in known if order.order_id and order.order_id not in rows]
        ended = {order.order_id: order for order in self.query_gone(gone)}
        self._observe(ended.values())
        for order in gone:
            if order.order_id not in ended:
                self._tracker.missed(
                    order.client_oid, begun, lambda since: self._may_be_late(since, begun)
                )
        self.heartbeat()
        if self._tracker.unknown():
            self._resolve_unknown()
            self.heartbeat()
        self.reconciled_at = self._clock.monotonic()
        self._stale_since = None
        self._is_requested = False

    def request_reconcile(self) -> None:
        """Reconcile at the next tick."""
        self._is_requested = True

    def is_reconciled(self) -> bool:
        """Return whether own orders were reconciled since the feed last connected."""
        return self._reconciled_epoch == self._feed.epoch

    def orders_stale_for(self) -> float:
        """Return the seconds since reads of the own orders began to fail."""
        return 0.0 if self._stale_since is None else self._clock.monotonic() - self._stale_since

    def longest_in_state(self, state: OrderState) -> float:
        """Return the seconds for which the oldest order in this state has been in it.

        For UNKNOWN and CANCELLING.
        """
        now = self._clock.monotonic()
        orders = [order for order in self._tracker.live() if order.state is state]
        return max(
            (now - self._mismatch_since.get(order.client_oid, now) for order in orders),
            default=0.0,
        )

    def overdue_cancels(self) -> tuple[OpenOrder, ...]:
        """Return the orders whose cancel is not confirmed after ASK_AGAIN seconds, to repeat it.

        Each is returned once per ASK_AGAIN. Repeating a cancel is harmless, and the venue may
        have lost the first.
        """
        now = self._clock.monotonic()
        due = [
            order
            for order in self._tracker.live()
            if order.state is OrderState.CANCELLING
            and now - self._mismatch_since.get(order.client_oid, now) > ASK_AGAIN
            and now - self._repeated_at.get(order.client_oid, -ASK_AGAIN) > ASK_AGAIN
        ]
        live = {order.client_oid for order in self._tracker.live()}
        self._repeated_at = {oid: at for oid, at in self._repeated_at.items() if oid in live}
        self._repeated_at |= {order.client_oid: now for order in due}
        return tuple(due)

    def query_gone(self, orders: list[OpenOrder]) -> list[OpenOrder]:
        """Return the rows of orders that are no longer open, as far as the venue knows them.

        Each page begins at the oldest one still to be found: no more pages than orders.
        """
        left = sorted(id_number(order.order_id) for order in orders)
        found: list[OpenOrder] = []
        while len(left) > MAX_SINGLE_QUERIES:
            page = self._gte.query_orders((), after=str(left[0] - 1), count=PAGE)
            found += page
            seen_up_to = max((id_number(row.order_id) for row in page), default=left[-1])
            left = [number for number in left if number > seen_up_to] if len(page) == PAGE else []
        return found + self._gte.get_orders([str(number) for number in left])

    def _observe(self, rows: Iterable[OpenOrder]) -> None:
        """Process rows read over REST."""
        rows, arrivals = list(rows), self._feed.arrivals
        self._tracker.claim(rows)
        self.process((row, arrivals) for row in rows)

    def process(self, rows: Iterable[tuple[OpenOrder, int]]) -> list[Fill]:
        """Process rows, each with the number of frames by then; log the outcomes now known."""
        unknown = self._tracker.unknown()
        joined = self.taker_reports.join(rows)
        fills = [fill for each in joined if (fill := self._observe_row(*each))]
        still = {order.client_oid for order in self._tracker.unknown()}
        for order in unknown:
            if order.client_oid not in still:
                logger.info("Unknown outcome resolved: %s reached the venue.", order)
                if found := self._tracker.find(order):
                    self._gte.on_create(CreateEvent.CREATED, order, found.order_id)
        self._report(fills)
        return fills

    def _observe_row(self, row: OpenOrder, arrival: int) -> Fill | None:
        """Process one row; log the change, so that the log alone holds the life of an order."""
        before = self._tracker.find(row)
        fill = self._tracker.observe(row, arrival)
        after = self._tracker.find(row)
        if not after:
            self.others.see(row, arrival)
        if after and after != before:
            words = after.state.value, plain(after.filled)
            logger.debug("Order %s: %s, %s filled.", after.full, *words)
        return fill

    def _resolve_unknown(self) -> None:
        """Look for orders of unknown outcome among all orders above `id_floor()`."""
        begun = self._clock.monotonic()
        rows = self._gte.query_orders((), after=self._tracker.id_floor())
        self._observe(rows)
        for order in self._tracker.unknown():
            if self._tracker.missed(
                order.client_oid, begun, lambda since: self._may_be_late(since, begun)
            ):
                logger.info("Unknown outcome resolved: %s never reached the venue.", order)
                self._gte.on_create(CreateEvent.REFUSED, order, "")

    def _may_be_late(self, since: float, begun: float) -> bool:
        """Return whether an order whose last byte left by `since` may arrive after `begun`."""
        return begun <= late_until(since, self._gte.clock)

    def is_being_cancelled(self) -> bool:
        """Return whether a cancel is not confirmed yet."""
        return any(order.state is OrderState.CANCELLING for order in self._tracker.live())

    def _record_mismatches(self) -> None:
        """Update `_mismatch_since` from the open orders of the feed, which shows none of a pair."""
        is_shown = "order" in self._feed.needed
        shown = {order.order_id for order in self._feed.open_orders()}
        now = self._clock.monotonic()
        mismatched = {
            order.client_oid
            for order in self._tracker.live()
            if order.state is not OrderState.OPEN or (is_shown and order.order_id not in shown)
        }
        self._mismatch_since = {oid: self._mismatch_since.get(oid, now) for oid in mismatched}

    def _needs_reconcile(self) -> bool:
        """Return whether an outcome is unknown, or an order has a lasting mismatch."""
        now = self._clock.monotonic()
        lasting = (now - since > MISMATCH_SECONDS for since in self._mismatch_since.values())
        return bool(self._tracker.unknown()) or any(lasting)

    def _report(self, fills: Sequence[Fill]) -> None:
        for fill in fills:
            self._on_fill(fill)
            order = fill.order
            logger.info(
                "%s %s @ %s (%s of %s filled, order %s)",
                "Bought" if fill.side is Side.BUY else "Sold",
                plain(fill.qty),
                _average(order),
                plain(order.filled),
                plain(order.qty),
                order.order_id,
            )


def _average(order: OpenOrder) -> str:
    if order.avg_price in (ZERO, order.price):
        return plain(order.price)
    return f"{plain(order.avg_price)} on average"
