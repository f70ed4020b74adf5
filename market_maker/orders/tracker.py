"""The state of each own order, from evidence alone.

    SENT -> OPEN -> CANCELLING -> DONE        the usual way
    SENT -> DONE                              refused, or never left this machine
    SENT -> UNKNOWN -> OPEN or DONE           answer lost: only the venue's rows decide

An order keeps its place and its exposure until it is DONE. DONE needs evidence: a refusal, a row
that shows it, or two complete order lists without the order, both queried when it could no longer
arrive.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace

from market_maker.client_oid import is_ours, run_of
from market_maker.models import ZERO, Fill, OpenOrder, OrderRequest, OrderState
from market_maker.orders.unacknowledged import Unacknowledged

SCANS_APART = 1.0
"""Seconds between two complete lists that together prove an order absent."""
LIST_LAG = 5.0
"""Seconds that the venue's list may lag: an order seen before may be missing from it."""
REMEMBER = 10_000
"""Ended orders that are kept, to recognise their late rows."""


class OrderTracker:
    """Own orders by `client_oid`. It sends nothing. Times are seconds of a steady clock.

    An order leaves `live()` only on evidence that it has ended, and its filled quantity never
    decreases.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.on_step: Callable[[OpenOrder], None] = lambda _: None
        """Called with an order whose state has changed."""
        self.ended_by_venue = 0
        """Number of orders that ended without a cancel of ours."""
        self.late_orders: list[OpenOrder] = []
        """Late orders: shown by the venue after a refusal or a proof of absence."""
        self.overfilled: dict[str, OpenOrder] = {}
        """By client_oid, the first row that says that more was filled than was ordered."""
        self.is_nameless = False
        """Whether the venue has shown a live order of ours without its client_oid."""
        self.known_runs: set[str] = set()
        self.foreign_runs: set[str] = set()
        """Runs of another bot that uses our prefix."""
        self._orders: dict[str, OpenOrder] = {}
        self._oid_of: dict[str, str] = {}
        self._ended: OrderedDict[str, OpenOrder] = OrderedDict()
        self._never_seen: OrderedDict[str, OpenOrder] = OrderedDict()
        """Orders that ended without a row of the venue: refused, or proven absent."""
        self._unacknowledged = Unacknowledged(prefix)
        self._missed_since: dict[str, float] = {}
        """When the first complete list was queried that did not show an order."""
        self._listed_since: dict[str, float] = {}
        """When the first complete list was queried that shows an ended order as live."""
        self._cancels_asked: set[str] = set()

    def live(self) -> tuple[OpenOrder, ...]:
        """Return every order that rests or may rest at the venue."""
        return tuple(self._orders.values())

    def get(self, client_oid: str) -> OpenOrder | None:
        """Return a live order, or None."""
        return self._orders.get(client_oid)

    def find(self, row: OpenOrder) -> OpenOrder | None:
        """Return the own order that a row shows, live or ended; None for an order of others."""
        return self.latest(self._oid(row))

    def latest(self, client_oid: str) -> OpenOrder | None:
        """Return an own order, live or ended; None for one that the venue never had."""
        return self._orders.get(client_oid) or self._ended.get(client_oid)

    def unknown(self) -> tuple[OpenOrder, ...]:
        """Return the orders whose create has an unknown outcome."""
        return tuple(o for o in self._orders.values() if o.state is OrderState.UNKNOWN)

    # --- what we did ----------------------------------------------------------------------------

    def sending(self, request: OrderRequest) -> None:
        """Record an order before its first byte leaves."""
        self._unacknowledged.add(request.client_oid)
        self._set(replace(request.accepted(""), state=OrderState.SENT))

    def accepted(self, client_oid: str, order_id: str, arrival: int = 0) -> None:
        """Record that the venue accepted a create; a row that arrived earlier knows more.

        `arrival` is the number of feed frames that had arrived by then.
        """
        self._oid_of[order_id] = client_oid
        self.record_id(order_id)
        order = self._orders.get(client_oid)
        if order and not order.order_id:
            self._set(replace(order, order_id=order_id, state=OrderState.OPEN, arrival=arrival))
            self._acknowledge(client_oid)

    def refused(self, client_oid: str) -> None:
        """End an order that the venue refused, or that was never sent."""
        order = self._orders.get(client_oid)
        if order and order.state is OrderState.SENT:
            self._end_unseen(order)

    def lost(self, client_oid: str, now: float) -> None:
        """Record that the answer to a create was lost, and given up at `now`."""
        order = self._orders.get(client_oid)
        if order and order.state is OrderState.SENT:
            self._set(replace(order, state=OrderState.UNKNOWN))
            self._unacknowledged.give_up(client_oid, now)

    def cancelling(self, client_oid: str) -> None:
        """Record that a cancel is being sent. The order may still fill."""
        self._cancels_asked.add(client_oid)
        self._change_state(client_oid, OrderState.OPEN, OrderState.CANCELLING)

    def all_pulled(self) -> None:
        """Record that the guard may have pulled all orders: their end is not the venue's doing.

        They stay open until their rows show otherwise.
        """
        self._cancels_asked |= set(self._orders)

    def cancel_failed(self, client_oid: str) -> None:
        """Record that a cancel failed: the order is open again and can be cancelled again."""
        self._change_state(client_oid, OrderState.CANCELLING, OrderState.OPEN)

    # --- what the venue shows -------------------------------------------------------------------

    def observe(self, row: OpenOrder, arrival: int = 0) -> Fill | None:
        """Process a row of the venue, from any source and of any age; return the new fill, if any.

        Rows of others and outdated rows change nothing; no order fills beyond its quantity.
        `arrival` is the number of feed frames that had arrived by then.
        """
        self.record_id(row.order_id)
        client_oid = self._oid(row)
        if not is_ours(client_oid, self.prefix) or client_oid in self._ended:
            return None
        late = self._never_seen.get(client_oid)
        known = self._orders.get(client_oid) or late
        if known is None:
            self._record_foreign(row)
            return None
        if row.filled > known.qty:
            self.overfilled.setdefault(client_oid, row)
        if late:
            self.late_orders.append(self._never_seen.pop(client_oid))
        self._oid_of.setdefault(row.order_id, client_oid)
        self.is_nameless |= not row.client_oid
        filled = min(max(row.filled, known.filled), known.qty)
        state = row.state
        if state is OrderState.OPEN and known.state is OrderState.CANCELLING:
            state = OrderState.CANCELLING
        if filled == known.qty:
            state = OrderState.DONE
        newest = row if row.filled >= known.filled else known
        is_same = filled == known.filled  # else what earlier rows told is of less than that
        order = replace(
            known,
            order_id=known.order_id or row.order_id,
            filled=filled,
            avg_price=newest.avg_price or (known.avg_price if is_same else ZERO),
            fee=known.fee if newest.fee is None and is_same else newest.fee,
            ctime=row.ctime or known.ctime,
            arrival=known.arrival or arrival,
            is_taker=row.is_taker,
            state=state,
        )
        self._acknowledge(client_oid)
        if state is OrderState.DONE:
            was_asked_for = client_oid in self._cancels_asked or not order.remaining
            self.ended_by_venue += not was_asked_for
            self._end(order)
        else:
            self._set(order)
        return self._new_fill(known, order, arrival)

    def record_id(self, order_id: str) -> None:
        """Record an order id, own or foreign, to know the highest id so far."""
        self._unacknowledged.record_id(order_id)

    @property
    def highest_id(self) -> str:
        """The highest order_id so far, own or foreign."""
        return self._unacknowledged.highest_id

    def id_floor(self) -> str:
        """Return an id below that of every order of unknown outcome."""
        return self._unacknowledged.id_floor()

    def claim(self, rows: Iterable[OpenOrder]) -> None:
        """Match rows without client_oid to orders of unknown outcome."""
        self._oid_of |= self._unacknowledged.claim(rows, self.unknown(), self._oid_of)

    def missed(self, client_oid: str, begun: float, may_be_late: Callable[[float], bool]) -> bool:
        """Record that a complete list, queried at `begun`, does not show an order.

        Returns whether the order is now proven absent, and if so ends it. The proof needs two such
        lists, SCANS_APART or LIST_LAG seconds apart, both queried when the order could no longer
        arrive. `may_be_late(t)` returns whether an order whose last byte left by `t` may still
        arrive.
        """
        order = self._orders.get(client_oid)
        if not order or self._unacknowledged.may_arrive(client_oid, may_be_late):
            return False
        since = self._missed_since.setdefault(client_oid, begun)
        apart = SCANS_APART if order.state is OrderState.UNKNOWN else LIST_LAG
        if begun - since < apart:
            return False
        self._end_unseen(order)
        return True

    def listed(self, rows: Iterable[OpenOrder], begun: float) -> list[OpenOrder]:
        """Record a complete list, queried at `begun`; return the orders that it takes back.

        An order that has ended by its row, and that two lists more than LIST_LAG seconds apart show
        as live, rests after all: a single row was wrong.
        """
        since, self._listed_since = self._listed_since, {}
        taken_back = []
        for row in rows:
            ended = self._ended.get(oid := self._oid(row))
            if ended is None or row.state is OrderState.DONE:
                continue
            first = self._listed_since.setdefault(oid, since.get(oid, begun))
            if begun - first > LIST_LAG:
                del self._ended[oid]
                self._set(replace(ended, state=OrderState.OPEN))
                taken_back.append(row)
        return taken_back

    # --- inside ---------------------------------------------------------------------------------

    def _oid(self, row: OpenOrder) -> str:
        """Return the client_oid of a row: its own, else that of its order_id.

        A client_oid of ours has a check digit. An order_id has none, and may be another order's.
        """
        if is_ours(row.client_oid, self.prefix):
            return row.client_oid
        return self._oid_of.get(row.order_id) or row.client_oid

    def _new_fill(self, known: OpenOrder, order: OpenOrder, arrival: int) -> Fill | None:
        if (qty := order.filled - known.filled) <= 0:
            return None
        return Fill(side=order.side, qty=qty, before=known, order=order, arrival=arrival)

    def _adopt(self, row: OpenOrder) -> None:
        """Adopt a live order of a previous run of this host; its fills so far do not count."""
        client_oid = self._oid(row)
        if client_oid not in self._orders:
            self._oid_of[row.order_id] = client_oid
            self._set(replace(row, client_oid=client_oid))

    def _record_foreign(self, row: OpenOrder) -> None:
        """Process a row with our prefix of an order that this run did not send.

        An order of a previous run of this host is adopted, to be cancelled; any other belongs to
        another bot that uses our prefix.
        """
        run = run_of(row.client_oid, self.prefix)
        if run not in self.known_runs and row.state is not OrderState.DONE:
            self.foreign_runs.add(run)
        elif row.state is not OrderState.DONE:
            self._adopt(row)

    def _change_state(self, client_oid: str, before: OrderState, after: OrderState) -> None:
        order = self._orders.get(client_oid)
        if order and order.state is before:
            self._set(replace(order, state=after))

    def _set(self, order: OpenOrder) -> None:
        before = self._orders.get(order.client_oid)
        self._orders[order.client_oid] = order
        if before is None or before.state is not order.state:
            self.on_step(order)

    def _acknowledge(self, client_oid: str) -> None:
        self._unacknowledged.drop(client_oid)
        self._missed_since.pop(client_oid, None)

    def _end_unseen(self, order: OpenOrder) -> None:
        self._end(order)
        self._never_seen[order.client_oid] = self._ended.pop(order.client_oid)
        while len(self._never_seen) > REMEMBER:
            self._never_seen.popitem(last=False)

    def _end(self, order: OpenOrder) -> None:
        self._orders.pop(order.client_oid, None)
        self._cancels_asked.discard(order.client_oid)
        self._acknowledge(order.client_oid)
        self._ended[order.client_oid] = ended = replace(order, state=OrderState.DONE)
        self.on_step(ended)
        while len(self._ended) > REMEMBER:
            _, old = self._ended.popitem(last=False)
            self._oid_of.pop(old.order_id, None)
