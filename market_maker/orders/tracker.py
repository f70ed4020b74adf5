"""The life of our own orders, as the evidence shows it.

    SENT -> OPEN -> CANCELLING -> DONE        the usual way
    SENT -> DONE                              refused, or never left this machine
    SENT -> UNKNOWN -> OPEN or DONE           the answer was lost: only the venue's rows decide

An order keeps its place and its exposure until it is DONE. Nothing ends on a guess: DONE needs a
refusal, a row that says so, or two complete scans of the venue that do not show the order at a time
when it can no longer arrive.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from market_maker.client_oid import is_ours, run_of
from market_maker.models import (
    ZERO,
    Fill,
    OpenOrder,
    OrderRequest,
    OrderState,
    Side,
)
from market_maker.orders.sweep import LATE_MS

SCANS_APART_MS = 1_000
LIST_LAG_MS = 5_000
"""How long the venue's list may lag behind, so that an order that was seen is not in it."""
REMEMBER = 10_000
NEARLY_MS = 1_000
"""How wrong our idea of the venue's time may be."""
STEP_MS, STEPS = 100, 10
"""Rows so far apart in time show whether ids rise with it; so many in order prove that they do."""


@dataclass(slots=True)
class _Unshown:
    """What is known of an order that the venue has not shown yet."""

    sent: int
    born_after: str
    """The highest id when it was sent."""
    expires: int | None = None
    """When its signature runs out, if the answer is lost."""
    is_alike: bool = False
    """Whether it may be a row that shows no id of ours: then it is never taken for absent."""


class OrderTracker:
    """Our orders by `client_oid`.

    It sends nothing and knows no clock: times are the venue's, in ms.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.taker_fills = 0
        self.ended_by_venue = 0
        """Orders that were cancelled by somebody else."""
        self.ghosts: list[OpenOrder] = []
        """Orders that turned up after a refusal, or after a proof that they were absent."""
        self.known_runs: set[str] = set()
        self.strange_runs: set[str] = set()
        """Runs that are none of ours but use our prefix."""
        self._orders: dict[str, OpenOrder] = {}
        self._oid_of: dict[str, str] = {}
        self._ended: OrderedDict[str, OpenOrder] = OrderedDict()
        self._never_seen: OrderedDict[str, OpenOrder] = OrderedDict()
        """Orders that ended without a row of the venue: refused, or absent by proof."""
        self._venue_forgets: bool | None = None
        """Whether rows of our orders come without our client_oid; None while none has come."""
        self._ids_grow: bool | None = None
        """Whether ids are known to rise with time (faults §0.1, V3); None while that is open."""
        self._highest_id = ""
        self._unshown: dict[str, _Unshown] = {}
        """What is known of live orders that the venue has not shown yet."""
        self._missed: dict[str, list[int]] = {}
        self._cancels_asked: set[str] = set()
        self._took: dict[str, Decimal] = {}

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

    def sending(self, request: OrderRequest, time: int = 0) -> None:
        """Enter an order before its first byte leaves."""
        self._unshown[request.client_oid] = _Unshown(time, self._highest_id)
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
        self.note_id(order_id)
        order = self._orders.get(client_oid)
        if order and not order.order_id:
            self._check_growth(client_oid, order_id)
            self._orders[client_oid] = replace(
                order, order_id=order_id, state=OrderState.OPEN, arrival=arrival
            )
            self._forget_doubt(client_oid)

    def refused(self, client_oid: str) -> None:
        """End an order that the venue has refused, or that was never sent."""
        order = self._orders.get(client_oid)
        if order and order.state is OrderState.SENT:
            self._end_unseen(order)

    def lost(self, client_oid: str, expires: int) -> None:
        """Note that the answer to a create is lost; `expires` is when its signature ran out."""
        order = self._orders.get(client_oid)
        if order and order.state is OrderState.SENT:
            self._orders[client_oid] = replace(order, state=OrderState.UNKNOWN)
            self._unshown[client_oid].expires = expires

    def cancelling(self, client_oid: str) -> None:
        """Note that a cancel is asked for: the order may still fill, and is not kept any more."""
        self._cancels_asked.add(client_oid)
        self._turn(client_oid, OrderState.OPEN, OrderState.CANCELLING)

    def all_pulled(self) -> None:
        """Note that another process of ours may have cancelled all: the venue did not end them.

        They are as open as before until their rows say otherwise.
        """
        self._cancels_asked |= set(self._orders)

    def cancel_failed(self, client_oid: str) -> None:
        """Note that a cancel did not get through: the order is open as before, cancel it again."""
        self._turn(client_oid, OrderState.CANCELLING, OrderState.OPEN)

    # --- what the venue shows -------------------------------------------------------------------

    def observe(self, row: OpenOrder, arrival: int = 0) -> Fill | None:
        """Take a row of the venue, from whichever source and however old; return its new fill.

        Rows of others, and rows older than what is known, change nothing: what is filled never goes
        down. `arrival` is how many frames of the feed had arrived by then.
        """
        self.note_id(row.order_id)
        client_oid = self._oid_of.get(row.order_id) or row.client_oid
        if not is_ours(client_oid, self.prefix) or client_oid in self._ended:
            return None
        ghost = self._never_seen.pop(client_oid, None)
        if ghost:
            self.ghosts.append(ghost)
        known = self._orders.get(client_oid) or ghost
        if known is None:
            self._see_stranger(row)
            return None
        self._oid_of[row.order_id] = client_oid
        if not known.order_id:
            self._check_growth(client_oid, row.order_id)
        if row.took and row.filled > self._took.get(client_oid, ZERO):
            self._took[client_oid] = row.filled
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
        self._forget_doubt(client_oid)
        if state is OrderState.DONE:
            was_asked_for = client_oid in self._cancels_asked or not order.remaining
            self.ended_by_venue += not was_asked_for
            self._end(order)
        else:
            self._orders[client_oid] = order
        return self._book(known, order, arrival)

    def adopt(self, rows: Iterable[OpenOrder]) -> int:
        """Take over live orders of an earlier run, whose fills so far were its; say how many."""
        before = len(self._orders)
        for row in rows:
            self.note_id(row.order_id)
            client_oid = self._oid_of.get(row.order_id) or row.client_oid
            is_new = client_oid not in self._orders and row.state is not OrderState.DONE
            if is_ours(client_oid, self.prefix) and is_new:
                self.known_runs.add(run_of(client_oid, self.prefix))
                self._oid_of[row.order_id] = client_oid
                self._orders[client_oid] = replace(row, client_oid=client_oid)
        return len(self._orders) - before

    def _see_stranger(self, row: OpenOrder) -> None:
        """Note a live order with our prefix that is not of this run: somebody else uses it."""
        run = run_of(row.client_oid, self.prefix)
        if run not in self.known_runs and row.state is not OrderState.DONE:
            self.strange_runs.add(run)
        elif row.state is not OrderState.DONE:
            self.adopt([row])

    def note_id(self, order_id: str) -> None:
        """Note an id of the venue, of whosever order."""
        self._highest_id = max(self._highest_id, order_id, key=id_number)

    def learn(self, rows: Iterable[OpenOrder]) -> None:
        """Learn from rows of whatever orders how high ids are, and whether they rise with time."""
        times = []
        for row in sorted(rows, key=lambda row: id_number(row.order_id)):
            self.note_id(row.order_id)
            times.append(row.ctime)
        steps = [later - earlier for earlier, later in pairwise(times)]
        if any(step < -STEP_MS for step in steps):
            self._ids_grow = False
        elif self._ids_grow is None and sum(step > STEP_MS for step in steps) >= STEPS:
            self._ids_grow = True

    def born_after(self) -> str:
        """Return an id that is older than every order in doubt; empty when none is known.

        None is unless ids are known to rise: then all that the venue has must be looked through.
        """
        if not self._ids_grow:
            return ""
        lost = [unshown for unshown in self._unshown.values() if unshown.expires is not None]
        return min((unshown.born_after for unshown in lost), key=id_number, default="")

    def claim(self, rows: Iterable[OpenOrder]) -> None:
        """Find orders in doubt among the rows of a list, on a venue that forgets the client_oid.

        That it does is known by an order of ours whose row has none. Then a row without one,
        younger than the order in doubt and alike in side, price, quantity and leg, is that order.
        While it is not known, or the row has another id, such a row proves nothing; but as long as
        it is there the order in doubt is not taken for absent.
        """
        rows = list(rows)
        for row in rows:
            if row.order_id in self._oid_of:
                self._venue_forgets = not is_ours(row.client_oid, self.prefix)
        strange = [r for r in rows if not is_ours(r.client_oid, self.prefix)]
        for order in self.unknown() if self._venue_forgets is not False else ():
            alike = [row for row in strange if self._may_be(row, order)]
            ours = [r for r in alike if not r.client_oid or r.client_oid.startswith(self.prefix)]
            if self._venue_forgets and ours:
                self._oid_of[ours[0].order_id] = order.client_oid
            elif alike:
                self._unshown[order.client_oid].is_alike = True

    def _may_be(self, row: OpenOrder, order: OpenOrder) -> bool:
        """Say whether a row may show an order in doubt, by all but its client_oid."""
        if row.order_id in self._oid_of or _shape(row) != _shape(order):
            return False
        unshown = self._unshown[order.client_oid]
        if self._ids_grow and id_number(row.order_id) <= id_number(unshown.born_after):
            return False
        return row.ctime >= unshown.sent - NEARLY_MS

    def missed(self, client_oid: str, begun: int) -> bool:
        """Note that a complete scan, begun at `begun`, did not show an order at all.

        Returns whether that proves its absence, and then ends it: two such scans, apart from each
        other, both begun when the request could no longer be accepted.
        """
        order = self._orders.get(client_oid)
        if not order:
            return False
        unshown = self._unshown.get(client_oid)
        if unshown and unshown.is_alike:
            return False
        if unshown and unshown.expires is not None and begun <= unshown.expires + LATE_MS:
            return False
        scans = self._missed.setdefault(client_oid, [])
        scans.append(begun)
        apart = SCANS_APART_MS if order.state is OrderState.UNKNOWN else LIST_LAG_MS
        if scans[-1] - scans[0] < apart:
            return False
        self._end_unseen(order)
        return True

    # --- inside ---------------------------------------------------------------------------------

    def _book(self, known: OpenOrder, order: OpenOrder, arrival: int) -> Fill | None:
        qty = order.filled - known.filled
        if qty <= 0:
            return None
        return Fill(side=order.side, qty=qty, before=known, order=order, arrival=arrival)

    def _turn(self, client_oid: str, before: OrderState, after: OrderState) -> None:
        order = self._orders.get(client_oid)
        if order and order.state is before:
            self._orders[client_oid] = replace(order, state=after)

    def _check_growth(self, client_oid: str, order_id: str) -> None:
        """See whether the id of an order is higher than all that were known when it was sent."""
        unshown = self._unshown.get(client_oid)
        if unshown and id_number(order_id) <= id_number(unshown.born_after):
            self._ids_grow = False

    def _forget_doubt(self, client_oid: str) -> None:
        self._unshown.pop(client_oid, None)
        self._missed.pop(client_oid, None)

    def _end_unseen(self, order: OpenOrder) -> None:
        self._end(order)
        self._never_seen[order.client_oid] = self._ended.pop(order.client_oid)
        while len(self._never_seen) > REMEMBER:
            self._never_seen.popitem(last=False)

    def _end(self, order: OpenOrder) -> None:
        self._orders.pop(order.client_oid, None)
        self._cancels_asked.discard(order.client_oid)
        self._forget_doubt(order.client_oid)
        self._ended[order.client_oid] = replace(order, state=OrderState.DONE)
        while len(self._ended) > REMEMBER:
            _, old = self._ended.popitem(last=False)
            self._oid_of.pop(old.order_id, None)
            self._took.pop(old.client_oid, None)


def _shape(order: OpenOrder) -> tuple[Side, Decimal, Decimal, bool]:
    return order.side, order.price, order.qty, order.close


def id_number(order_id: str) -> int:
    """Return an order_id as a number, to compare by age."""
    return int(order_id or 0)
