"""What orders of the account that are not of this run have filled in its symbol."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from market_maker.models import ZERO, Fill, OpenOrder, OrderState, Side
from market_maker.orders.unacknowledged import id_number

REMEMBER = 10_000
"""Orders that are kept, to know what of them is filled already."""


class Others:
    """Rows of orders by hand or of other bots, by order_id; only their fills are of interest.

    Execution reports tell no average price, so only the rows of orders count.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, OpenOrder] = OrderedDict()
        self._new: OrderedDict[str, tuple[OpenOrder, int]] = OrderedDict()
        self._took: OrderedDict[str, None] = OrderedDict()
        """Orders that have taken liquidity, as their execution reports tell."""
        self._floor: int | None = None
        """The highest order_id when fills began to count; None: nothing is kept."""

    def begin(self, rows: Sequence[OpenOrder], highest_id: int) -> None:
        """Let fills count from now on: since these rows, or of an order with a higher order_id.

        An older one that is not among the rows may have filled before.
        """
        self._known |= {row.order_id: row for row in rows}
        self._floor = highest_id

    def see(self, row: OpenOrder, arrival: int) -> None:
        """Note a row that is not known to be of an own order; see `Fill` for `arrival`."""
        if self._floor is None:
            return
        if row.is_taker:
            self._took[row.order_id] = None
        latest = self._new.get(row.order_id, (row, 0))[0]
        if (row.avg_price or not row.filled) and row.filled >= latest.filled:
            self._new[row.order_id] = row, arrival

    def resting(self) -> list[OpenOrder]:
        """Return the rows of orders that were open when they were last seen."""
        return [row for row in self._known.values() if row.state is not OrderState.DONE]

    def take(
        self, is_own: Callable[[OpenOrder], bool], before_own: Fill | None = None
    ) -> list[Fill]:
        """Return the fills since the last call, or those of them that came `before_own` fill.

        Call it while no own order waits to be known by its row; `is_own` says which are. Of two
        sides of one trade the venue books the buyer first.
        """
        fills = []
        until = _place(before_own.arrival, before_own.side) if before_own else None
        due = {
            order_id: each
            for order_id, each in self._new.items()
            if until is None or _place(each[1], each[0].side) < until
        }
        for order_id, (row, arrival) in due.items():
            del self._new[order_id]
            before = self._known.get(order_id)
            if is_own(row) or (before and row.filled < before.filled):
                continue
            self._known[order_id] = row
            if before is None and id_number(order_id) > (self._floor or 0):
                before = replace(row, filled=ZERO, avg_price=ZERO, fee=None)
            if before and row.filled > before.filled:
                is_taker = order_id in self._took
                named = replace(row, client_oid=order_id, is_taker=is_taker)
                qty = row.filled - before.filled
                fills.append(
                    Fill(side=row.side, qty=qty, before=before, order=named, arrival=arrival)
                )
        while len(self._known) > REMEMBER:
            ended = (known for known, row in self._known.items() if row.state is OrderState.DONE)
            del self._known[next(ended, next(iter(self._known)))]
        while len(self._took) > REMEMBER:
            self._took.popitem(last=False)
        return fills


def _place(arrival: int, side: Side) -> tuple[int, bool]:
    return arrival, side is Side.SELL
