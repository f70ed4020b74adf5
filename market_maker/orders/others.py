"""What orders of the account that are not of this run have filled in its symbol."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from market_maker.models import ZERO, Fill, OpenOrder
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
        self._floor: int | None = None
        """The highest order_id when fills began to count; None before that."""

    def begin(self, rows: Sequence[OpenOrder], highest_id: int) -> None:
        """Let fills count from now on: since these rows, or of an order with a higher order_id.

        An older one that is not among the rows may have filled before.
        """
        self._known |= {row.order_id: row for row in rows}
        self._floor = highest_id

    def see(self, row: OpenOrder, arrival: int) -> None:
        """Note a row that is not known to be of an own order; see `Fill` for `arrival`."""
        latest = self._new.get(row.order_id, (row, 0))[0]
        if (row.avg_price or not row.filled) and row.filled >= latest.filled:
            self._new[row.order_id] = row, arrival

    def take(self, is_own: Callable[[OpenOrder], bool]) -> list[Fill]:
        """Return the fills since the last call.

        Call it while no own order waits to be known by its row; `is_own` says which are.
        """
        if self._floor is None:
            return []
        fills = []
        new, self._new = self._new, OrderedDict()
        for order_id, (row, arrival) in new.items():
            before = self._known.get(order_id)
            if is_own(row) or (before and row.filled < before.filled):
                continue
            self._known[order_id] = row
            if before is None and id_number(order_id) > self._floor:
                before = replace(row, filled=ZERO, avg_price=ZERO, fee=None)
            if before and row.filled > before.filled:
                named = replace(row, client_oid=row.client_oid or order_id)
                qty = row.filled - before.filled
                fills.append(
                    Fill(side=row.side, qty=qty, before=before, order=named, arrival=arrival)
                )
        while len(self._known) > REMEMBER:
            self._known.popitem(last=False)
        return fills
