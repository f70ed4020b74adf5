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
    """Joins each report with the row that follows it.

    An order that takes liquidity fills at the prices that it finds, which its average price tells.
    An execution report has none (design: The wire).
    """

    def __init__(self, clock: Clock, find: Callable[[OpenOrder], OpenOrder | None]) -> None:
        """`find` returns the own order that a row shows, as it is known."""
        self._clock = clock
        self._find = find
        self._held: dict[str, _Held] = {}
        self._counted: OrderedDict[str, Decimal] = OrderedDict()
        self.count = 0
        """Own fills that took liquidity: also of orders whose row had ended them before."""

    def join(self, rows: Iterable[tuple[OpenOrder, int]]) -> list[tuple[OpenOrder, int]]:
        """Return the rows to process now, each with its `arrival`, of those that have come."""
        now, found = self._clock.monotonic(), []
        for row, arrival in rows:
            held = self._held.get(row.order_id)
            known = self._find(row) if row.is_taker else None
            if known:
                self._note(row)
            if known and known.filled < row.filled:
                self._held[row.order_id] = _Held(row, arrival, held.since if held else now)
                continue
            if held and row.avg_price and row.filled >= held.row.filled:
                del self._held[row.order_id]
                found.append((replace(row, is_taker=True), arrival))
            else:
                found.append((row, arrival))
        due = [each for each in self._held.values() if now >= each.since + WAIT_SECONDS]
        for each in due:
            del self._held[each.row.order_id]
        return found + [(each.row, each.arrival) for each in due]

    def _note(self, row: OpenOrder) -> None:
        if row.filled > self._counted.get(row.order_id, 0):
            self._counted[row.order_id] = row.filled
            self.count += 1
        while len(self._counted) > REMEMBER:
            self._counted.popitem(last=False)
