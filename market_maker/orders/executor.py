"""The executor: sends plans to the venue, and cancels all own orders on shutdown."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from market_maker.account import ANSWER_SECONDS
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
from market_maker.models import OpenOrder, OrderRequest, Plan, Side, riskiest_first
from market_maker.orders import sweep
from market_maker.orders.last_check import RECHECK_AFTER, LastCheck
from market_maker.orders.reconciler import Reconciler
from market_maker.orders.slices import Slice
from market_maker.orders.sweep import LEAVE_SECONDS, Sweep
from market_maker.orders.tracker import OrderTracker
from market_maker.orders.words import in_words
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

ACCEPTED = "accepted"
"""The event of a create that the venue has accepted."""
LOOK_AGAIN = 0.5
"""Seconds between two attempts to cancel all own orders."""
NO_FUNDS_SECONDS = 60.0
"""Seconds without further orders after a refusal for insufficient margin."""
NOT_CLOSABLE_SECONDS = 60.0
"""Seconds without another close at a price at which the venue refused one."""


class Executor:
    """Sends the creates and cancels of plans and records each outcome in `OrderTracker`.

    It sends nothing twice: a create of unknown outcome is left to the reconciler.
    """

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
        self._last_check = LastCheck(gte, feed, control, clock, stale_after)
        self.events: list[tuple[str, float]] = []
        """Kinds of answers that the circuit breakers count, each with its time."""
        self.heartbeat: Callable[[], None] = lambda: None
        """Called during long operations, as a heartbeat for the guard."""
        self.is_cut_short = False
        """Whether the time slice ended before the whole plan was sent: then tick at once."""
        self._sent: tuple[str, ...] = ()
        self._permits: Callable[[OrderRequest], bool] = lambda _: False
        self._order_cap = 0
        self._order_cap_until = 0.0
        self._not_closable: dict[tuple[Side, Decimal], float] = {}
        """By side and price, until when a refused close is not tried again."""
        self._busy_seconds = 0.0

    def start_decision(self) -> None:
        """Record the connection and the clocks on which the next plan is decided."""
        self._last_check.start_decision()

    def order_limit(self, most: int) -> int:
        """Return how many orders may be open: fewer for a while after a refusal for margin."""
        is_capped = self._clock.monotonic() < self._order_cap_until
        return min(self._order_cap, most) if is_capped else most

    def take_sent(self) -> list[OpenOrder]:
        """Return the orders that the last plan created, but for those that the venue never had."""
        sent, self._sent = self._sent, ()
        return [order for order in map(self._tracker.latest, sent) if order]

    def take_busy_seconds(self) -> float:
        """Return the seconds spent on sending plans since the last call."""
        busy, self._busy_seconds = self._busy_seconds, 0.0
        return busy

    def execute(self, plan: Plan, *, post_only: bool, collar: Decimal) -> int:
        """Send a plan, cancels first; return how many creates the venue has refused.

        Requests leave in the order of the plan, the most urgent first, cancels and creates each for
        one `Slice`; no create after cancels that took RECHECK_AFTER. The rest is left to the next
        tick, which plans again. Just before it leaves each create is checked against the `collar`,
        a fraction beyond mark and index, and with `post_only` against the book. Raises Fatal when
        the venue rejects the key or liquidates the position.
        """
        begun = self._clock.monotonic()
        self._permits = partial(self._last_check.permits, post_only=post_only, collar=collar)
        self.is_cut_short = False
        try:
            if plan.cancel:
                self._log("Cancelling", plan.cancel)
                self.cancel(plan.cancel)
                self.heartbeat()
            self.is_cut_short |= (is_late := self._clock.monotonic() - begun > RECHECK_AFTER)
            wanted = [r for r in plan.create if not (is_late or self._was_not_closable(r))]
            if not wanted:
                return 0
            creates = [replace(r, client_oid=self._gte.new_client_oid()) for r in wanted]
            self._sent = tuple(r.client_oid for r in creates)
            self._log("Creating", creates)
            for request in creates:
                self._tracker.sending(request)
            return self._create(creates)
        finally:
            self._busy_seconds += self._clock.monotonic() - begun

    def cancel(self, orders: Sequence[OpenOrder]) -> None:
        """Send cancels for one `Slice`; an order whose cancel did not leave stays open.

        An accepted cancel is not yet a cancelled order. Raises Fatal as `execute()` does.
        """
        for order in orders:
            self._tracker.cancelling(order.client_oid)
        fatal: Fatal | None = None
        troubles: dict[str, None] = {}  # a batch has one outcome for all its orders
        part = Slice(self._clock.monotonic)
        for outcome in self._gte.cancel_bulk_orders(orders, part.is_open):
            if outcome.error and not isinstance(outcome.error, OrderGone):
                if not (part.was_used_up and isinstance(outcome.error, NotSent)):
                    troubles[str(outcome.error)] = None
                self._tracker.cancel_failed(outcome.client_oid)
                fatal = outcome.error if isinstance(outcome.error, Fatal) else fatal
        self.is_cut_short |= part.was_used_up
        for trouble in troubles:
            logger.warning("%s", trouble)
        if fatal:
            raise fatal

    def cancel_all(self, seconds: float = LEAVE_SECONDS) -> None:
        """Cancel all own orders and prove by query that none is left.

        Raises OrdersLeft, with the orders that may still rest, when that takes more than `seconds`
        (see `sweep.run()`).
        """
        begun = self._clock.monotonic()
        listed: tuple[str, ...] = ()
        while True:
            tried = self._clock.monotonic()
            try:
                problem = self._cancel_once(begun + seconds - tried)
            except Fatal as error:
                self._record_event("liquidation" if isinstance(error, Liquidated) else "auth")
                problem, seconds = str(error), 0.0
            except RequestError as error:
                problem = str(error)
            except OrdersLeft as error:
                problem, listed = str(error), error.orders
            if not problem:
                return
            took = min(self._clock.monotonic() - tried, ANSWER_SECONDS)
            if self._control.is_hurried or self._clock.monotonic() + took >= begun + seconds:
                live = (order.full for order in self._tracker.live())
                by_id = {line.rpartition(" ")[2] or line: line for line in (*listed, *live)}
                raise OrdersLeft(f"own orders may be left: {problem}", tuple(by_id.values()))
            self._clock.sleep(LOOK_AGAIN)

    # --- inside ---------------------------------------------------------------------------------

    def _cancel_once(self, seconds: float) -> str:
        """Cancel all own orders; return why it is not proven that none is left, or empty text.

        Raises OrdersLeft, and RequestError for a failed read.
        """
        for order in self._tracker.live():
            self._tracker.cancelling(order.client_oid)
        known = [order for order in self._tracker.live() if order.order_id]
        left = Sweep(
            self._gte,
            known=riskiest_first(known, self._feed.get_ticker(), self._feed.position()),
            excluded_runs=self._tracker.foreign_runs,
            heartbeat=self.heartbeat,
        )
        try:
            sweep.run(left, self._clock, seconds, self._may_continue)
        except OrdersLeft:
            self._reconciler.request_reconcile()  # those that are gone need no second cancel
            raise
        self._reconciler.take_news()
        self._reconciler.reconcile()
        return "their outcome is unknown" if self._tracker.live() else ""

    def _may_continue(self) -> bool:
        self.heartbeat()
        return not self._control.is_hurried

    def _create(self, creates: Sequence[OrderRequest]) -> int:
        refused: list[RequestError] = []
        not_sent: list[NotSent] = []
        part = Slice(self._clock.monotonic)

        def still_wanted(request: OrderRequest) -> bool:
            return part.is_open() and self._permits(request)

        try:
            outcomes = self._gte.create_bulk_orders(creates, still_wanted)
            for request, outcome in zip(creates, outcomes, strict=True):
                self._record(request, outcome, refused, not_sent)
        finally:
            for request in creates:  # a create without an outcome may have left
                self._tracker.lost(request.client_oid, self._clock.monotonic())
        self.is_cut_short |= part.was_used_up
        if part.was_used_up:
            logger.info("%d creates left for the next tick: time slice used up.", len(not_sent))
        elif not_sent:
            logger.warning("%d creates were not sent: %s", len(not_sent), not_sent[0])
        if any(isinstance(error, NoFunds) for error in refused):
            self._record_event("funds")  # one event a plan, however many creates were refused
            self._order_cap = max(len(self._tracker.live()), 2)
            self._order_cap_until = self._clock.monotonic() + NO_FUNDS_SECONDS
        for error in refused:
            if isinstance(error, Fatal):
                raise error
        return len(refused)

    def _record(
        self,
        request: OrderRequest,
        outcome: Outcome,
        refused: list[RequestError],
        not_sent: list[NotSent],
    ) -> None:
        """Record the outcome of one create, and the event that the breakers count."""
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
            refused.append(error)
            self._record_refusal(error)
            if isinstance(error, NotClosable):
                self._suspend_close(request)

    def _record_refusal(self, error: RequestError) -> None:
        """Record the event that a refusal stands for, if any."""
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
        """Try no close at this price for NOT_CLOSABLE_SECONDS."""
        now = self._clock.monotonic()
        self._not_closable = {at: end for at, end in self._not_closable.items() if end > now}
        self._not_closable[request.side, request.price] = now + NOT_CLOSABLE_SECONDS

    def _was_not_closable(self, request: OrderRequest) -> bool:
        until = self._not_closable.get((request.side, request.price), 0.0)
        return request.close and self._clock.monotonic() < until

    def _log(self, act: str, orders: Sequence[OpenOrder | OrderRequest]) -> None:
        instrument = self._feed.get_instrument()
        digits = instrument.price_decimals if instrument else 8
        logger.info("%s %d orders: %s", act, len(orders), in_words(orders, digits))
        for order in sorted(orders, key=lambda order: -order.price):
            logger.debug("%4s %s @ %.*f", order.side.value, plain(order.qty), digits, order.price)
