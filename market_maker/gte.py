"""GTE: the bulk calls on top of its REST endpoints, and the live feed, which it owns."""

import itertools
import math
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from queue import SimpleQueue

from market_maker import clock
from market_maker.errors import (
    Fatal,
    NotSent,
    OrdersLeft,
    OutcomeUnknown,
    RequestError,
    SettingsError,
    Temporary,
)
from market_maker.models import Margin, OpenOrder, OrderRequest, OrderState, Position
from market_maker.rest import Rest
from market_maker.wire import protocol
from market_maker.wire.transport import CONNECTIONS
from market_maker.ws.ws_thread import GTEWebsocket

ASK_AGAIN = 5.0
"""Seconds after which an order that is still open is asked to be cancelled again."""
LOOK_AGAIN = 0.15
TRY_AGAIN = 0.5
OPEN_STILL = "they are still open"
CANCEL_AT_ONCE = 90


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one create or cancel of a bulk call: done when `error` is None."""

    client_oid: str
    order_id: str = ""
    error: RequestError | None = None


class GTE(Rest):
    """The venue, for one symbol: without a key, public calls only; `read_only`, no POST at all.

    Methods raise a `RequestError` when the venue refuses or does not answer. Prices and quantities
    are decimals, times ms.
    """

    def __init__(
        self,
        base_url: str,
        *,
        symbol: str,
        settle_currency: str,
        instrument_type: str = "pc",
        api_key: str = "",
        api_secret: str = "",
        orderid_prefix: str = "mm_",
        ws_url: str = "",
        timeout: float = 7.0,
        withdraw_path: str = "",
        read_only: bool = False,
        wake: "SimpleQueue[str] | None" = None,
    ) -> None:
        super().__init__(
            base_url,
            symbol=symbol,
            settle_currency=settle_currency,
            instrument_type=instrument_type,
            api_key=api_key,
            api_secret=api_secret,
            orderid_prefix=orderid_prefix,
            timeout=timeout,
            withdraw_path=withdraw_path,
            read_only=read_only,
        )
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="GTE")
        self.ws: GTEWebsocket | None = None
        if ws_url:
            has_private_tables = instrument_type != "bb"  # gte-api §6.8
            self.ws = GTEWebsocket(
                ws_url,
                instrument_type=instrument_type,
                settle_currency=settle_currency,
                symbol=symbol,
                api_key=api_key if has_private_tables else "",
                api_secret=api_secret if has_private_tables else "",
                now=self.now,
                wake=wake,
            )

    def exit(self) -> None:
        """Close all connections. Nothing is cancelled here."""
        if self.ws:
            self.ws.exit()
        self._pool.shutdown()
        self._transport.close()

    # --- orders, in bulk ------------------------------------------------------------------------

    def create_bulk_orders(
        self,
        wanted: Sequence[OrderRequest],
        still_wanted: Callable[[OrderRequest], bool] = lambda _: True,
    ) -> list[Outcome]:
        """Place many orders in parallel, nearly in this order where the budget delays them.

        `still_wanted` is asked about each order just before it leaves, in the thread that sends it.
        Once an answer has been lost the orders that have not left yet do not leave any more.
        """
        lost = threading.Event()

        def create(order: OrderRequest) -> str:
            try:
                return self._create(order, lambda: not lost.is_set() and still_wanted(order))
            except OutcomeUnknown:
                lost.set()
                raise

        sent = [self._pool.submit(create, order) for order in wanted]
        return [_outcome(order, future) for order, future in zip(wanted, sent, strict=True)]

    def cancel_bulk_orders(self, orders: Sequence[OpenOrder]) -> list[Outcome]:
        """Ask to cancel many orders with the fewest requests: a batch if one is free, then singles.

        Give the most urgent ones first. As with `cancel()`, accepted is not ended.
        """
        has_batch = self.instrument_type != "bb"
        batch: Sequence[OpenOrder] = ()
        if has_batch and len(orders) > 1 and self._transport.is_free(protocol.ORDER_CANCEL_BATCH):
            batch = orders[: protocol.BATCH_IDS]
        sent: list[tuple[OpenOrder, Future[str]]] = []
        if batch:
            ids = [order.order_id for order in batch]
            future = self._pool.submit(self._cancel_batch, ids)
            sent += [(order, future) for order in batch]
        for order in orders[len(batch) :]:
            sent.append((order, self._pool.submit(self._cancel, order.order_id)))
        return [_outcome(order, future) for order, future in sent]

    def amend_bulk_orders(
        self, changes: Sequence[tuple[OpenOrder, OrderRequest]], seconds: float = 10.0
    ) -> list[Outcome]:
        """Change orders, which this venue cannot: cancel, see them ended, create what is left.

        The wanted quantity counts what the old order has filled. An order that is not seen ended
        within `seconds` keeps its place, and its outcome holds the error.
        """
        self.cancel_bulk_orders([order for order, _ in changes])
        deadline = clock.monotonic() + seconds
        waiting = {order.order_id for order, _ in changes}
        while waiting and clock.monotonic() < deadline:
            waiting &= {order.order_id for order in self.query_orders()}
            clock.sleep(LOOK_AGAIN if waiting else 0.0)
        creates, outcomes = [], []
        for order, request in changes:
            last = None if order.order_id in waiting else self.get_order(order.order_id)
            if last is None or last.state is not OrderState.DONE:
                error = OutcomeUnknown(f"{order} is not seen to have ended")
                outcomes.append(Outcome(order.client_oid, order.order_id, error))
            elif request.qty > last.filled:
                creates.append(
                    replace(
                        request, qty=request.qty - last.filled, client_oid=self.new_client_oid()
                    )
                )
        return outcomes + self.create_bulk_orders(creates)

    def cancel_all_orders(
        self,
        seconds: float,
        known: Sequence[OpenOrder] = (),
        go_on: Callable[[], bool] = lambda: True,
        spare: Collection[str] = (),
        ids: Collection[str] = (),
    ) -> None:
        """Cancel all our open orders and prove by query that none is left.

        Ours are those with the prefix, but for the runs to `spare`, which are another bot's, and
        those that are `known`, or known by `ids`, for a venue that forgets the client_oid or does
        not list; the `known` ones go first, in their order. Needs key, URL and symbol, nothing
        else. Raises OrdersLeft with a list after so many seconds without progress, and Fatal when
        the venue does not accept the key. `go_on` is asked before each round; when it says no,
        there is one more look and no further cancel.
        """
        deadline = clock.monotonic() + seconds
        orders = list(known)
        urgency = {order.order_id: place for place, order in enumerate(known)}
        known_ids = {*urgency, *ids}
        fewest = math.inf
        asked: dict[str, float] = {}
        for rounds in itertools.count():
            trouble = OPEN_STILL
            is_last = not go_on() and rounds > 0
            is_cut_off = False
            fatal: Fatal | None = None
            try:
                found = self.query_orders()
                orders = [o for o in found if o.order_id in known_ids or self._is_ours(o, spare)]
                orders.sort(key=lambda order: urgency.get(order.order_id, len(urgency)))
                if not orders:
                    return
                if len(orders) < fewest:
                    fewest, deadline = len(orders), clock.monotonic() + seconds
            except Temporary as error:  # then those that are known are cancelled all the same
                trouble = str(error)
                is_cut_off = isinstance(error, NotSent)
            except Fatal as error:
                trouble, fatal = str(error), error
            now = clock.monotonic()
            due = [o for o in orders if now - asked.get(o.order_id, -ASK_AGAIN) >= ASK_AGAIN]
            due = [] if is_last or is_cut_off else due
            for outcome in self.cancel_bulk_orders(due[:CANCEL_AT_ONCE]):
                if outcome.error is None:
                    asked[outcome.order_id] = now
                elif isinstance(outcome.error, Fatal):
                    fatal = outcome.error
            if fatal:
                raise fatal
            if is_last or clock.monotonic() >= deadline:
                raise OrdersLeft(trouble, tuple(order.full for order in orders))
            clock.sleep(LOOK_AGAIN if trouble == OPEN_STILL else TRY_AGAIN)

    # --- the live tables, under the family's names ----------------------------------------------

    def open_orders_ws(self) -> tuple[OpenOrder, ...]:
        """Return our own open orders (by prefix) as the live table shows them."""
        return self._feed().open_orders(self.orderid_prefix)

    def funds(self) -> Margin | None:
        """Return the account as the live table shows it."""
        return self._feed().funds()

    def position_ws(self) -> Position:
        """Return both legs as the live table shows them; REST has no position (gte-api §11)."""
        return self._feed().position()

    def delta(self) -> Decimal:
        """Return long - short in contracts."""
        return self.position_ws().net

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades as the live table shows them."""
        return self._feed().recent_trades()

    def market_depth(self, size: int = 25) -> dict[str, list[list[str]]]:
        """Return the best levels as the live table shows them."""
        return self._feed().market_depth(size)

    def _feed(self) -> GTEWebsocket:
        if self.ws is None:
            raise SettingsError("this needs the live feed: give GTE a ws_url")
        return self.ws


def _outcome(order: OrderRequest | OpenOrder, future: "Future[str]") -> Outcome:
    order_id = order.order_id if isinstance(order, OpenOrder) else ""
    try:
        return Outcome(order.client_oid, future.result() or order_id)
    except RequestError as error:
        return Outcome(order.client_oid, order_id, error)
