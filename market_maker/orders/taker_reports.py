"""Execution reports of fills that took liquidity: the rows of their orders alone tell the price."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.models import OpenOrder

WAIT_SECONDS = 1.0
"""So long a report waits for the row of its order. Until then the order counts as resting."""
REMEMBER = 10_000
"""Orders that are kept, so that a report that comes twice counts once."""


@dataclass(frozen=True, slots=True)
class _Held:
    row: OpenOrder
    arrival: int
    since: float


class TakerReports:
    """Joins each report with the row of its fill, which may come before or after it.

    An order that takes liquidity fills at the prices that it finds, which its average price tells.
    An execution report has none (design: The wire). What takes, an order takes before it rests:
    up to the quantity of its latest report of this kind all of it has, and nothing beyond.
    """

    def __init__(self, clock: Clock, find: Callable[[OpenOrder], OpenOrder | None]) -> None:
        """`find` returns the own order that a row shows, as it is known."""
        self._clock = clock
        self._find = find
        self._held: dict[str, _Held] = {}
        self._taken: OrderedDict[str, Decimal] = OrderedDict()
        """How much of an order has taken, as its reports tell."""
        self.count = 0
        """Own fills that took liquidity: also of orders whose row had ended them before."""

    def join(self, rows: Iterable[tuple[OpenOrder, int]]) -> list[tuple[OpenOrder, int]]:
        """Return the rows to process now, each with its `arrival`, of those that have come."""
        now, rows, found = self._clock.monotonic(), list(rows), []
        known = {row.order_id: order for row, _ in rows if (order := self._find(row))}
        filled = {order_id: order.filled for order_id, order in known.items()}
        for row, _ in rows:
            if row.is_taker and row.order_id in known:
                self._note(row)
        for row, arrival in rows:
            held, before = self._held.get(row.order_id), filled.get(row.order_id, row.filled)
            if row.is_taker and row.filled > before:
                self._held[row.order_id] = _Held(row, arrival, held.since if held else now)
                continue
            if held and row.avg_price and row.filled >= held.row.filled:
                del self._held[row.order_id]
            has_taken = row.filled > before < self._taken.get(row.order_id, 0)
            filled[row.order_id] = max(before, row.filled)
            found.append((replace(row, is_taker=True) if has_taken else row, arrival))
        due = [each for each in self._held.values() if now >= each.since + WAIT_SECONDS]
        for each in due:
            del self._held[each.row.order_id]
        return found + [(each.row, each.arrival) for each in due]

    def _note(self, row: OpenOrder) -> None:
        if row.filled > self._taken.get(row.order_id, 0):
            self._taken[row.order_id] = row.filled
            self.count += 1
        while len(self._taken) > REMEMBER:
            self._taken.popitem(last=False)
