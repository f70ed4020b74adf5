"""The executor: it carries out plans at the venue, and takes all orders back on the way out."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.decimals import plain
from market_maker.errors import (
    BadParameter,
    Fatal,
    Liquidated,
    MetadataFault,
    NoFunds,
    NotClosable,
    NotSent,
    OrderGone,
    OrdersLeft,
    OutcomeUnknown,
    RequestError,
)
from market_maker.gte import GTE, Outcome
from market_maker.models import (
    OpenOrder,
    OrderRequest,
    Plan,
    Side,
    riskiest_first,
)
from market_maker.orders import sweep
from market_maker.orders.reconciler import Reconciler
from market_maker.orders.sweep import SLICE_SECONDS, Sweep
from market_maker.orders.tracker import OrderTracker
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

ACCEPTED = "accepted"
"""The event of a create that the venue has accepted."""
LOOK_AGAIN = 0.5
NO_FUNDS_SECONDS = 60.0
"""Seconds in which no order is added after the margin did not suffice for one."""
NOT_CLOSABLE_SECONDS = 60.0
"""Seconds in which a close is not tried again at a price at which the venue has refused it."""
RECHECK_AFTER = 2.0
"""Seconds after which a create that still waits for its turn is looked at once more."""


class Executor:
    """Sends the creates and cancels of plans, and notes what became of each in `OrderTracker`."""

    def __init__(
        self,
        gte: GTE,
        feed: GTEWebsocket,
        tracker: OrderTracker,
        reconciler: Reconciler,
        control: Control,
        clock: Clock,
        stale_after: float,
    ) -> None:
        self._gte = gte
        self._feed = feed
        self._tracker = tracker
        self._reconciler = reconciler
        self._control = control
        self._clock = clock
        self._stale_after = stale_after
        self.events: list[tuple[str, float]] = []
        """What answers may be a sign of, each with its time; the monitor takes them."""
        self.heartbeat: Callable[[], None] = lambda: None
        """Called now and then in whatever takes long, as a sign that it goes on."""
        self.is_cut_short = False
        """Whether a plan was sent in part only: its slice of time was over, so tick at once."""
        self._slice_ends = 0.0
        self._decision = (0, 0.0)
        self._post_only = False
        self._order_cap = 0
        self._order_cap_until = 0.0
        self._not_closable: dict[tuple[Side, Decimal], float] = {}
        """Until when a close at a price is left out, because the venue has refused it."""
        self._busy_seconds = 0.0

    def start_decision(self) -> None:
        """Note that what is decided from now on is decided on what the feed shows now."""
        self._decision = (self._feed.epoch, self._clock.monotonic())

    def order_limit(self, most: int) -> int:
        """Return how many orders may be open: fewer for a while after the margin did not do."""
        return (
            min(self._order_cap, most) if self._clock.monotonic() < self._order_cap_until else most
        )

    def take_busy_seconds(self) -> float:
        """Return the seconds that plans have taken since the last call."""
        busy, self._busy_seconds = self._busy_seconds, 0.0
        return busy

    def execute(self, plan: Plan, *, post_only: bool) -> int:
        """Carry out a plan: cancels first. Return how many creates the venue has refused.

        They go in the order in which the plan holds them, the most urgent first, for a slice of
        time; what has not left by then is left to the next tick, which plans anew. `post_only`
        looks at the book once more just before each create leaves. Raises Fatal when the venue does
        not accept us any more.
        """
        begun = self._clock.monotonic()
        self._post_only = post_only
        self._slice_ends, self.is_cut_short = begun + SLICE_SECONDS, False
        try:
            if plan.cancel:
                logger.info("Cancelling %d orders:", len(plan.cancel))
                self._log(plan.cancel)
                self.cancel(plan.cancel)
                self.heartbeat()
                self._slice_ends = self._clock.monotonic() + SLICE_SECONDS
            wanted = [request for request in plan.create if not self._was_not_closable(request)]
            creates = [replace(r, client_oid=self._gte.new_client_oid()) for r in wanted]
            if not creates:
                return 0
            logger.info("Creating %d orders:", len(creates))
            self._log(creates)
            for request in creates:
                self._tracker.sending(request)
            return self._create(creates)
        finally:
            self._busy_seconds += self._clock.monotonic() - begun

    def cancel(self, orders: Sequence[OpenOrder]) -> None:
        """Ask to cancel orders, for a slice of time; what is left then is open as before.

        Accepted is not ended. Raises Fatal as `execute()` does.
        """
        for order in orders:
            self._tracker.cancelling(order.client_oid)
        fatal: Fatal | None = None
        self._slice_ends = self._clock.monotonic() + SLICE_SECONDS
        for outcome in self._gte.cancel_bulk_orders(orders, self._is_in_time):
            if outcome.error and not isinstance(outcome.error, OrderGone):
                if not (self.is_cut_short and isinstance(outcome.error, NotSent)):
                    logger.warning("%s", outcome.error)
                self._tracker.cancel_failed(outcome.client_oid)
                fatal = outcome.error if isinstance(outcome.error, Fatal) else fatal
        if fatal:
            raise fatal

    def cancel_all(self, seconds: float = 20.0) -> None:
        """Cancel all our orders and prove by query that none is left.

        Raises OrdersLeft with a list of those that may still rest after so many seconds without
        progress.
        """
        deadline = self._clock.monotonic() + seconds
        fewest = len(self._tracker.live())
        while True:
            problem = "their fate is not known"
            try:
                known = [order for order in self._tracker.live() if order.order_id]
                ticker, position = self._feed.get_ticker(), self._feed.position()
                for order in self._tracker.live():
                    self._tracker.cancelling(order.client_oid)
                known = riskiest_first(known, ticker, position)
                sweep.run(
                    Sweep(self._gte, known=known, excluded_runs=self._tracker.foreign_runs),
                    self._clock,
                    deadline - self._clock.monotonic(),
                    self._may_continue,
                )
                self._reconciler.take_news()
                self._reconciler.reconcile()
                if not self._tracker.live():
                    return
                if len(self._tracker.live()) < fewest:
                    fewest, deadline = len(self._tracker.live()), self._clock.monotonic() + seconds
            except Fatal as error:
                self._record_event("liquidation" if isinstance(error, Liquidated) else "auth")
                problem, deadline = str(error), self._clock.monotonic()
            except (RequestError, OrdersLeft) as error:
                problem = str(error)
            if self._control.is_hurried or self._clock.monotonic() >= deadline:
                left = tuple(order.full for order in self._tracker.live())
                raise OrdersLeft(f"own orders may be left: {problem}", left)
            self._clock.sleep(LOOK_AGAIN)

    # --- inside ---------------------------------------------------------------------------------

    def _may_continue(self) -> bool:
        self.heartbeat()
        return not self._control.is_hurried

    def _create(self, creates: Sequence[OrderRequest]) -> int:
        refused: list[tuple[OrderRequest, RequestError]] = []
        not_sent: list[NotSent] = []
        try:
            outcomes = self._gte.create_bulk_orders(creates, self._is_still_wanted)
            for request, outcome in zip(creates, outcomes, strict=True):
                self._record(request, outcome, refused, not_sent)
        finally:
            for request in creates:  # whatever happened: what has no outcome may have left
                self._tracker.lost(request.client_oid, self._clock.monotonic())
        if self.is_cut_short:
            logger.info("%d orders left for the next tick.", len(not_sent))
        elif not_sent:
            logger.warning("%d orders were not sent: %s", len(not_sent), not_sent[0])
        errors = [error for _, error in refused]
        if any(isinstance(error, NoFunds) for error in errors):
            self._record_event("funds")  # once: its outermost orders do not fit
            self._order_cap = max(len(self._tracker.live()), 2)
            self._order_cap_until = self._clock.monotonic() + NO_FUNDS_SECONDS
        for error in errors:
            if isinstance(error, Fatal):
                raise error
        return len(refused)

    def _record(
        self,
        request: OrderRequest,
        outcome: Outcome,
        refused: list[tuple[OrderRequest, RequestError]],
        not_sent: list[NotSent],
    ) -> None:
        """Note what became of one create, and what that may be a sign of."""
        error = outcome.error
        if error is None:
            self._tracker.accepted(request.client_oid, outcome.order_id, self._feed.arrivals)
            self._record_event(ACCEPTED)
        elif isinstance(error, OutcomeUnknown):
            logger.warning("%s", error)
            self._tracker.lost(request.client_oid, self._clock.monotonic())
            self._record_refusal(error)
        elif isinstance(error, NotSent):
            self._tracker.refused(request.client_oid)
            not_sent.append(error)
        else:
            logger.warning("%s", error)
            self._tracker.refused(request.client_oid)
            refused.append((request, error))
            self._record_refusal(error)
            if isinstance(error, NotClosable):
                self._suspend_close(request)

    def _record_refusal(self, error: RequestError) -> None:
        """Record what a refusal may be a sign of."""
        cause = error.cause if isinstance(error, OutcomeUnknown) else error
        if isinstance(cause, BadParameter):
            self._record_event("parameter")
        elif isinstance(cause, Liquidated):
            self._record_event("liquidation")
        elif isinstance(cause, MetadataFault):
            self._record_event("metadata")

    def _record_event(self, kind: str) -> None:
        self.events.append((kind, self._clock.monotonic()))

    def _suspend_close(self, request: OrderRequest) -> None:
        """Leave a close that the venue has refused out for a while, at this price."""
        now = self._clock.monotonic()
        self._not_closable = {at: end for at, end in self._not_closable.items() if end > now}
        self._not_closable[request.side, request.price] = now + NOT_CLOSABLE_SECONDS

    def _was_not_closable(self, request: OrderRequest) -> bool:
        until = self._not_closable.get((request.side, request.price), 0.0)
        return request.close and self._clock.monotonic() < until

    def _is_still_wanted(self, request: OrderRequest) -> bool:
        """Return whether a create may still leave.

        Not once the slice of time is over or the loop is to end, nor when the connection has
        changed on whose tables it was decided; and one that had to wait must still rest where the
        market is now.
        """
        if not self._is_in_time():
            return False
        epoch, decided = self._decision
        feed, ticker = self._feed, self._feed.get_ticker()
        if self._control.is_stopping or self._control.is_halted:
            return False
        if not feed.is_connected() or feed.epoch != epoch or feed.missing():
            return False
        if feed.silent_for() > self._stale_after or ticker.is_crossed:
            return False
        is_old = self._clock.monotonic() - decided > RECHECK_AFTER
        return ticker.would_rest(request.side, request.price) if is_old or self._post_only else True

    def _is_in_time(self) -> bool:
        """Return whether a further request may leave in this slice of time."""
        if self._clock.monotonic() < self._slice_ends:
            return True
        self.is_cut_short = True
        return False

    def _log(self, orders: Iterable[OpenOrder | OrderRequest]) -> None:
        instrument = self._feed.get_instrument()
        for order in sorted(orders, key=lambda order: -order.price):
            digits = instrument.price_decimals if instrument else 8
            logger.info("%4s %s @ %.*f", order.side.value, plain(order.qty), digits, order.price)
