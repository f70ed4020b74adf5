"""The life of our own orders, as the evidence shows it.

    SENT -> OPEN -> CANCELLING -> DONE        the usual way
    SENT -> DONE                              refused, or never left this machine
    SENT -> UNKNOWN -> OPEN or DONE           the answer was lost: only the venue's rows decide

An order keeps its place and its exposure until it is DONE. Nothing ends on a guess: DONE needs a
refusal, a row that says so, or two complete scans of the venue that do not show the order at a time
when it can no longer arrive.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.client_oid import is_ours, run_of
from market_maker.models import (
    ZERO,
    Fill,
    OpenOrder,
    OrderRequest,
    OrderState,
    Side,
)

SCANS_APART = 1.0
"""Seconds that two complete lists must be apart to prove that an order is absent."""
LIST_LAG = 5.0
"""Seconds that the venue's list may lag behind, so that an order that was seen is not in it."""
REMEMBER = 10_000


@dataclass(slots=True)
class _Unacknowledged:
    """What is known of an order that the venue has not shown yet."""

    id_floor: str
    """The highest id when it was sent: its own will be higher (gte-api §3.2)."""
    given_up_at: float | None = None
    """When its answer was given up, on the steady clock: no byte of it left later."""
    is_alike: bool = False
    """Whether a row without client_oid may be it: then it is not taken for absent."""


class OrderTracker:
    """Our orders by `client_oid`.

    It sends nothing; times are seconds of a steady clock.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.taker_fills = 0
        self.ended_by_venue = 0
        """Orders that were cancelled by somebody else."""
        self.late_orders: list[OpenOrder] = []
        """Late orders: they turned up after a refusal, or after a proof that they were absent."""
        self.known_runs: set[str] = set()
        self.foreign_runs: set[str] = set()
        """Runs that are none of ours but use our prefix."""
        self._orders: dict[str, OpenOrder] = {}
        self._oid_of: dict[str, str] = {}
        self._ended: OrderedDict[str, OpenOrder] = OrderedDict()
        self._never_seen: OrderedDict[str, OpenOrder] = OrderedDict()
        """Orders that ended without a row of the venue: refused, or absent by proof."""
        self._rows_lack_oid: bool | None = None
        """Whether rows of our orders come without client_oid, as captured rows of contracts do.

        None while none has come.
        """
        self._highest_id = ""
        self._unacknowledged: dict[str, _Unacknowledged] = {}
        """What is known of live orders that the venue has not shown yet."""
        self._missed: dict[str, list[float]] = {}
        self._cancels_asked: set[str] = set()
        self._taker_filled: dict[str, Decimal] = {}

    def live(self) -> tuple[OpenOrder, ...]:
        """Return every order that rests or may rest at the venue."""
        return tuple(self._orders.values())

    def get(self, client_oid: str) -> OpenOrder | None:
        """Return a live order, or None."""
        return self._orders.get(client_oid)

    def find(self, row: OpenOrder) -> OpenOrder | None:
        """Return the order of ours that a row shows, live or ended; None for one of others."""
        client_oid = self._oid_of.get(row.order_id) or row.client_oid
        return self._orders.get(client_oid) or self._ended.get(client_oid)

    def unknown(self) -> tuple[OpenOrder, ...]:
        """Return the orders whose creation is in doubt."""
        return tuple(o for o in self._orders.values() if o.state is OrderState.UNKNOWN)

    # --- what we did ----------------------------------------------------------------------------

    def sending(self, request: OrderRequest) -> None:
        """Enter an order before its first byte leaves."""
        self._unacknowledged[request.client_oid] = _Unacknowledged(self._highest_id)
        self._orders[request.client_oid] = OpenOrder(
            side=request.side,
            price=request.price,
            qty=request.qty,
            close=request.close,
            client_oid=request.client_oid,
            state=OrderState.SENT,
        )

    def accepted(self, client_oid: str, order_id: str, arrival: int = 0) -> None:
        """Record the venue's answer to a create. A row that came before it has said more already.

        `arrival` is how many frames of the feed had arrived by then.
        """
        self._oid_of[order_id] = client_oid
        self.record_id(order_id)
        order = self._orders.get(client_oid)
        if order and not order.order_id:
            self._orders[client_oid] = replace(
                order, order_id=order_id, state=OrderState.OPEN, arrival=arrival
            )
            self._acknowledge(client_oid)

    def refused(self, client_oid: str) -> None:
        """End an order that the venue has refused, or that was never sent."""
        order = self._orders.get(client_oid)
        if order and order.state is OrderState.SENT:
            self._end_unseen(order)

    def lost(self, client_oid: str, now: float) -> None:
        """Record that the answer to a create is lost, and was given up `now`."""
        order = self._orders.get(client_oid)
        if order and order.state is OrderState.SENT:
            self._orders[client_oid] = replace(order, state=OrderState.UNKNOWN)
            self._unacknowledged[client_oid].given_up_at = now

    def cancelling(self, client_oid: str) -> None:
        """Note that a cancel is asked for: the order may still fill, and is not kept any more."""
        self._cancels_asked.add(client_oid)
        self._change_state(client_oid, OrderState.OPEN, OrderState.CANCELLING)

    def all_pulled(self) -> None:
        """Note that another process of ours may have cancelled all: the venue did not end them.

        They are as open as before until their rows say otherwise.
        """
        self._cancels_asked |= set(self._orders)

    def cancel_failed(self, client_oid: str) -> None:
        """Note that a cancel did not get through: the order is open as before, cancel it again."""
        self._change_state(client_oid, OrderState.CANCELLING, OrderState.OPEN)

    # --- what the venue shows -------------------------------------------------------------------

    def observe(self, row: OpenOrder, arrival: int = 0) -> Fill | None:
        """Take a row of the venue, from whichever source and however old; return its new fill.

        Rows of others, and rows older than what is known, change nothing: what is filled never goes
        down. `arrival` is how many frames of the feed had arrived by then.
        """
        self.record_id(row.order_id)
        client_oid = self._oid_of.get(row.order_id) or row.client_oid
        if not is_ours(client_oid, self.prefix) or client_oid in self._ended:
            return None
        late = self._never_seen.pop(client_oid, None)
        if late:
            self.late_orders.append(late)
        known = self._orders.get(client_oid) or late
        if known is None:
            self._record_foreign(row)
            return None
        self._oid_of[row.order_id] = client_oid
        if row.is_taker and row.filled > self._taker_filled.get(client_oid, ZERO):
            self._taker_filled[client_oid] = row.filled
            self.taker_fills += 1
        filled = max(row.filled, known.filled)
        state = row.state
        if state is OrderState.OPEN and known.state is OrderState.CANCELLING:
            state = OrderState.CANCELLING
        if filled == known.qty:
            state = OrderState.DONE
        newest = row if row.filled >= known.filled else known
        order = replace(
            known,
            order_id=row.order_id,
            filled=filled,
            avg_price=newest.avg_price or known.avg_price,
            ctime=row.ctime or known.ctime,
            arrival=known.arrival or arrival,
            symbol=row.symbol or known.symbol,
            state=state,
        )
        self._acknowledge(client_oid)
        if state is OrderState.DONE:
            was_asked_for = client_oid in self._cancels_asked or not order.remaining
            self.ended_by_venue += not was_asked_for
            self._end(order)
        else:
            self._orders[client_oid] = order
        return self._book(known, order, arrival)

    def record_id(self, order_id: str) -> None:
        """Record the highest order id seen, of whosever order."""
        self._highest_id = max(self._highest_id, order_id, key=id_number)

    def id_floor(self) -> str:
        """Return an id that is lower than that of every order of unknown outcome."""
        lost = [
            unacknowledged
            for unacknowledged in self._unacknowledged.values()
            if unacknowledged.given_up_at is not None
        ]
        return min((unacknowledged.id_floor for unacknowledged in lost), key=id_number, default="")

    def claim(self, rows: Iterable[OpenOrder]) -> None:
        """Find orders of unknown outcome among rows that show no client_oid.

        A row without one, with a higher id than any that was known when the order was sent, and
        alike in side, price, quantity and leg, is that order, where rows of our own orders show
        none either. While that is not known such a row proves nothing, but the order is not taken
        for absent.
        """
        rows = list(rows)
        for row in rows:
            if row.order_id in self._oid_of:
                self._rows_lack_oid = not row.client_oid
        nameless = [row for row in rows if not row.client_oid]
        for order in self.unknown() if self._rows_lack_oid is not False else ():
            unacknowledged = self._unacknowledged[order.client_oid]
            alike = [
                row
                for row in nameless
                if row.order_id not in self._oid_of
                and id_number(row.order_id) > id_number(unacknowledged.id_floor)
                and _shape(row) == _shape(order)
            ]
            if alike and self._rows_lack_oid:
                self._oid_of[alike[0].order_id] = order.client_oid
            unacknowledged.is_alike = bool(alike)

    def missed(self, client_oid: str, begun: float, may_be_late: Callable[[float], bool]) -> bool:
        """Record that a complete list, asked for at `begun`, did not show an order at all.

        `may_be_late` says of a time whether an order whose last byte left by then may still arrive.
        Returns whether that proves its absence, and then ends it: two such lists, apart from each
        other, both asked for when it could no longer arrive.
        """
        order = self._orders.get(client_oid)
        if not order:
            return False
        unacknowledged = self._unacknowledged.get(client_oid)
        if unacknowledged and unacknowledged.given_up_at is not None:
            if unacknowledged.is_alike or may_be_late(unacknowledged.given_up_at):
                return False
        lists = self._missed.setdefault(client_oid, [])
        lists.append(begun)
        apart = SCANS_APART if order.state is OrderState.UNKNOWN else LIST_LAG
        if lists[-1] - lists[0] < apart:
            return False
        self._end_unseen(order)
        return True

    # --- inside ---------------------------------------------------------------------------------

    def _book(self, known: OpenOrder, order: OpenOrder, arrival: int) -> Fill | None:
        qty = order.filled - known.filled
        if qty <= 0:
            return None
        return Fill(side=order.side, qty=qty, before=known, order=order, arrival=arrival)

    def _adopt(self, row: OpenOrder) -> None:
        """Take over a live order of an earlier run, whose fills so far were its."""
        client_oid = self._oid_of.get(row.order_id) or row.client_oid
        if client_oid not in self._orders:
            self._oid_of[row.order_id] = client_oid
            self._orders[client_oid] = replace(row, client_oid=client_oid)

    def _record_foreign(self, row: OpenOrder) -> None:
        """Record a live order with our prefix that is not of this run.

        One of an earlier run of this machine is ours to cancel; else somebody else uses the prefix.
        """
        run = run_of(row.client_oid, self.prefix)
        if run not in self.known_runs and row.state is not OrderState.DONE:
            self.foreign_runs.add(run)
        elif row.state is not OrderState.DONE:
            self._adopt(row)

    def _change_state(self, client_oid: str, before: OrderState, after: OrderState) -> None:
        order = self._orders.get(client_oid)
        if order and order.state is before:
            self._orders[client_oid] = replace(order, state=after)

    def _acknowledge(self, client_oid: str) -> None:
        self._unacknowledged.pop(client_oid, None)
        self._missed.pop(client_oid, None)

    def _end_unseen(self, order: OpenOrder) -> None:
        self._end(order)
        self._never_seen[order.client_oid] = self._ended.pop(order.client_oid)
        while len(self._never_seen) > REMEMBER:
            self._never_seen.popitem(last=False)

    def _end(self, order: OpenOrder) -> None:
        self._orders.pop(order.client_oid, None)
        self._cancels_asked.discard(order.client_oid)
        self._acknowledge(order.client_oid)
        self._ended[order.client_oid] = replace(order, state=OrderState.DONE)
        while len(self._ended) > REMEMBER:
            _, old = self._ended.popitem(last=False)
            self._oid_of.pop(old.order_id, None)
            self._taker_filled.pop(old.client_oid, None)


def _shape(order: OpenOrder) -> tuple[Side, Decimal, Decimal, bool]:
    return order.side, order.price, order.qty, order.close


def id_number(order_id: str) -> int:
    """Return an order_id as a number, to compare by age."""
    return int(order_id or 0)
