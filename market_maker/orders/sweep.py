"""The sweep: cancels all own orders and proves, by the venue's order list, that none is left.

Shutdown, pull, startup, guard and `marketmaker cancel` all use it. It works in steps; its caller
waits between them.
"""

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from market_maker.account import ANSWER_SECONDS, Account
from market_maker.auth import EXPIRES_AFTER_MS
from market_maker.client_oid import is_ours, run_of
from market_maker.clock import Clock
from market_maker.errors import Fatal, HeldBack, NotSent, OrdersLeft, RequestError, Temporary
from market_maker.models import OpenOrder
from market_maker.orders.notes import NO_NOTES, Notes, claimed
from market_maker.orders.slices import LONG_SLICE, SLICE_SECONDS, Slice

logger = logging.getLogger(__name__)

LATE_MS = 5_200
"""How long after its expiry the venue may still accept a request. Its documents tell clients to
sign with the current time as the expiry, so it must be lenient (design: The wire)."""
LATE_SECONDS = (EXPIRES_AFTER_MS + LATE_MS) / 1000
"""How long after the death of a process one of its orders may still arrive."""
ASK_AGAIN = 5.0
"""Seconds after which the cancel of an order that is still open is repeated. Harmless: the venue
may have lost the first."""
LOOK_AGAIN = 0.15
"""Seconds between two order lists while cancels take effect."""
TRY_AGAIN = 0.5
"""Seconds until the next step after a failed read."""
LATE_LOOK = 1.0
"""Seconds between two order lists while a late order may still arrive."""
OPEN_STILL = "not cancelled yet"
OWNER_UNKNOWN = "open orders without client_oid may be ours, owner unknown"
LEAVE_SECONDS = 24.0
"""By then it is proven that none is left, or told what may be: 25 s with closing connections."""
LEAST_SECONDS = 10.0
"""So much of it is left for cancelling, however late the loop ends."""
FEW_ORDERS, ORDERS_A_SECOND = 90, 20
"""Above so many orders it may take longer: what the rate limit asks for."""
PATIENCE = 8.0
"""Seconds after the last end of an order for which a sweep goes on all the same: two answers."""
BLOCK_SECONDS = 6.0
"""However short its time, a sweep may begin what ends within so many seconds."""


class VenueTime(Protocol):
    """The part of the venue's clock that bounds how late an order may arrive."""

    stepped_back_at: float
    """When it last stepped back, in steady seconds."""


def late_until(since: float, clock: VenueTime) -> float:
    """Return until when an order may arrive whose last byte left by `since`, in steady seconds.

    -inf, no such order, stays. A step back of the venue's clock prolongs signatures: LATE_SECONDS
    count from it then.
    """
    return since if since == -math.inf else max(since, clock.stepped_back_at) + LATE_SECONDS


class Client(Protocol):
    """The part of a venue client that cancelling needs."""

    account: Account

    @property
    def clock(self) -> VenueTime:
        """The venue's clock."""

    def query_orders(self) -> list[OpenOrder]:
        """Return all open orders of the symbol, own and foreign."""

    def cancel_bulk_orders(
        self, orders: Sequence[OpenOrder], still_wanted: Callable[[], bool]
    ) -> Sequence[Any]:
        """Send cancels; the outcome of each has `order_id` and `error`."""


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step: done, or continue after `wait` seconds."""

    is_done: bool = False
    wait: float = 0.0
    left: tuple[OpenOrder, ...] = ()
    """Orders known to rest."""
    trouble: str = ""
    """Why the sweep is not done; empty while only a late order may still arrive."""


class Sweep:
    """Cancels own orders of one account and symbol until a complete list shows none.

    Own orders are those with our prefix, except of `excluded_runs` (another bot's), and only of
    `runs` where these are given; those in `known`, which are cancelled first and in their order;
    and rows without client_oid that are ours by `notes`. Rows whose owner is unknown are not
    cancelled, and prevent the proof. It needs no settings and no feed. `late_since` is when the
    last byte of an order may have left, in steady seconds: a list is a proof only if it was queried
    when that order could no longer arrive. `heartbeat()` is called between a list
    and the cancels, each of which may take as long as an answer may.
    """

    def __init__(
        self,
        client: Client,
        *,
        known: Sequence[OpenOrder] = (),
        excluded_runs: Collection[str] = (),
        runs: Collection[str] | None = None,
        notes: Notes = NO_NOTES,
        late_since: float = -math.inf,
        is_alone: bool = False,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self._slice_seconds = LONG_SLICE if is_alone else SLICE_SECONDS
        self._heartbeat = heartbeat
        self._client = client
        self._excluded_runs = excluded_runs
        self._runs = runs
        self._notes = notes
        self._late_since = late_since
        self._orders = list(known)
        self._urgency = {order.order_id: place for place, order in enumerate(known)}
        self._known_ids = set(self._urgency)
        self._asked: dict[str, float] = {}
        self._is_cut_off = False
        """Whether the last query found no connection: the next one comes before another cancel."""
        self._fewest = math.inf
        self._ambiguous: tuple[OpenOrder, ...] = ()
        self.nameless = 0
        """How many open orders of the latest list have no client_oid."""
        self.progress_at = -math.inf
        """When the number of orders left last reached a new low or zero, in steady seconds."""

    @property
    def cancelled(self) -> int:
        """The number of orders whose cancel the venue has accepted."""
        return len(self._asked)

    def set_notes(self, notes: Notes) -> None:
        """Replace the notes by newer ones."""
        self._notes = notes

    def step(
        self, now: Callable[[], float], *, is_last: bool = False, until: float = math.inf
    ) -> Step:
        """Cancel the known orders, query the open ones and cancel those; `is_last`: only query.

        Nothing is begun that would end after `until` if it takes as long as what came before it in
        this step. Raises Fatal when the venue rejects the key.
        """
        first = now()

        def has_time() -> bool:
            took = min(now() - first, ANSWER_SECONDS)
            return not took or now() + took <= until

        tried: set[str] = set()
        if not is_last and not self._is_cut_off:
            tried |= self._cancel(now, tried)
        self._heartbeat()
        if not has_time():
            return Step(left=tuple(self._orders), trouble=OPEN_STILL)
        begun, trouble, fatal = now(), OPEN_STILL, None
        self._is_cut_off = False
        try:
            self._process(self._client.query_orders(), now)
            proves_from = late_until(self._late_since, self._client.clock)
            if not self._orders and begun < proves_from:
                return Step(wait=min(LATE_LOOK, proves_from - begun))
            if not self._orders and self._ambiguous:
                return Step(wait=LATE_LOOK, left=self._ambiguous, trouble=OWNER_UNKNOWN)
            if not self._orders:
                return Step(is_done=True)
        except Temporary as error:
            is_held_back = isinstance(error, HeldBack)
            self._is_cut_off = isinstance(error, NotSent) and not is_held_back
            trouble = str(error)
        except Fatal as error:
            trouble, fatal = str(error), error
        self._heartbeat()
        if not is_last and not self._is_cut_off and has_time():
            self._cancel(now, tried)
        if fatal:
            raise fatal
        wait = LOOK_AGAIN if trouble == OPEN_STILL else TRY_AGAIN
        return Step(wait=wait, left=tuple(self._orders), trouble=trouble)

    def _process(self, found: Sequence[OpenOrder], now: Callable[[], float]) -> None:
        ours, self._ambiguous = claimed(found, self._notes)
        self.nameless = sum(not order.client_oid for order in found)
        ours |= self._known_ids
        self._orders = [o for o in found if o.order_id in ours or self._is_ours(o)]
        self._orders.sort(key=lambda order: self._urgency.get(order.order_id, len(self._urgency)))
        left = len(self._orders) + len(self._ambiguous)
        if left < self._fewest or not left:
            self._fewest, self.progress_at = left, now()

    def _cancel(self, clock: Callable[[], float], tried: Collection[str]) -> set[str]:
        """Send the cancels that are due, but those `tried`; return whose. Raises Fatal."""
        long_ago = clock() - ASK_AGAIN
        due = [
            order
            for order in self._orders
            if order.order_id not in tried and self._asked.get(order.order_id, long_ago) <= long_ago
        ]
        part = Slice(clock, self._slice_seconds)
        outcomes = self._client.cancel_bulk_orders(due, part.is_open) if due else ()
        answered = clock()
        for outcome in outcomes:
            if outcome.error is None:
                self._asked[outcome.order_id] = answered
        for outcome in outcomes:
            if isinstance(outcome.error, Fatal):
                raise outcome.error
        return {order.order_id for order in due}

    def _is_ours(self, order: OpenOrder) -> bool:
        oid, prefix = order.client_oid, self._client.account.prefix
        if not is_ours(oid, prefix) or run_of(oid, prefix) in self._excluded_runs:
            return False
        return self._runs is None or run_of(oid, prefix) in self._runs


def leave_by(stopped: float, now: float, count: int) -> float:
    """Return by when the way out with so many orders must end: it began at `stopped`."""
    more = max(0, count - FEW_ORDERS) / ORDERS_A_SECOND
    return max(stopped + LEAVE_SECONDS + more, now + LEAST_SECONDS)


def run(
    sweep: Sweep, clock: Clock, seconds: float, go_on: Callable[[], bool] = lambda: True
) -> None:
    """Step until no own order is left. Raises OrdersLeft when that takes more than `seconds`.

    While orders come to their end it goes on, for up to PATIENCE after each; and where only a late
    one may still arrive, for 2 LATE_SECONDS more: a step back of the venue's clock begins that wait
    anew. `go_on()` is called before each step. Once it returns False, after the first step, one
    more query ends the sweep, without a further cancel. Raises Fatal as `Sweep.step()` does.
    """
    begun = clock.monotonic()
    is_first = True
    while True:
        is_last = not go_on() and not is_first
        stepped = clock.monotonic()
        until = max(begun + seconds, sweep.progress_at + min(seconds, PATIENCE))
        step = sweep.step(clock.monotonic, is_last=is_last, until=max(until, begun + BLOCK_SECONDS))
        if step.is_done:
            return
        until = max(begun + seconds, sweep.progress_at + min(seconds, PATIENCE))
        took = min(clock.monotonic() - stepped, ANSWER_SECONDS)
        until = until if step.trouble else begun + seconds + 2 * LATE_SECONDS
        if is_last or clock.monotonic() + took >= until:
            trouble = step.trouble or "an in-flight order may still arrive"
            raise OrdersLeft(trouble, tuple(order.full for order in step.left))
        clock.sleep(step.wait)
        is_first = False


def prove_none_left(
    client: Client,
    clock: Clock,
    seconds: float,
    *,
    notes: Notes,
    may_be_late: bool,
    heartbeat: Callable[[], None] = lambda: None,
) -> None:
    """Cancel all own orders over REST alone and prove that none is left.

    With `may_be_late` it goes on until no in-flight order can arrive. Raises OrdersLeft, for
    whatever cause, when there is no proof after `seconds` (see `run()`).
    """
    late_since = clock.monotonic() if may_be_late else -math.inf
    if may_be_late:
        logger.warning("An order may be in flight: querying open orders for %.0f s.", LATE_SECONDS)
    try:
        sweep = Sweep(
            client,
            notes=notes,
            late_since=late_since,
            is_alone=True,
            heartbeat=heartbeat,
        )
        run(sweep, clock, seconds)
    except (RequestError, OrdersLeft) as error:
        listed = getattr(error, "orders", ())
        raise OrdersLeft(f"own orders may be left: {error}", listed) from None
    account = client.account
    logger.info("Cancelled %d orders.", sweep.cancelled)
    logger.info("No order with prefix %s is left in %s.", account.prefix, account.symbol)
    if sweep.nameless:
        logger.warning("%d open orders have no client_oid; owner unknown.", sweep.nameless)
