"""The executor of a dry run, with virtual orders and their virtual fills."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count, takewhile
from typing import Any

from market_maker.decimals import plain
from market_maker.models import Fill, OpenOrder, OrderRequest, OrderState, Side
from market_maker.orders.executor import Executor
from market_maker.orders.matching import Match, PublicTrade, match
from market_maker.orders.sweep import LEAVE_SECONDS

logger = logging.getLogger(__name__)


class DryExecutor(Executor):
    """Keeps virtual orders until they are cancelled or filled. It sends nothing."""

    _ids = count(1)

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._last: dict[str, str] | None = None
        """The latest public trade that was taken from the feed."""
        self._trades: dict[int, PublicTrade] = {}
        """Public trades by number, until they are matched."""
        self._count = 0
        self._since: dict[str, int] = {}
        """By client_oid, the number of the first trade that an order can meet."""

    def cancel(self, orders: Sequence[OpenOrder]) -> None:
        """End virtual orders."""
        for order in orders:
            self._tracker.cancelling(order.client_oid)
            self._tracker.observe(replace(order, state=OrderState.DONE))

    def cancel_all(self, seconds: float = LEAVE_SECONDS) -> None:  # noqa: ARG002
        """End all virtual orders."""
        self.cancel(self._tracker.live())

    def fill_virtually(self) -> list[Fill]:
        """Fill the orders that the market has touched since the last call.

        These fills are booked as any other. Returns those that it has gone through, whole orders.
        """
        self._take_trades()
        orders, trades = self._tracker.live(), self._trades
        self._since = {o.client_oid: self._since.get(o.client_oid, 0) for o in orders}
        self._trades = {}
        matches = match(orders, trades, self._since, self._feed.get_ticker())
        for each in matches:
            models = "touch and through" if each.is_through else "touch"
            words = "Virtual fill of %s: %s by %s."
            logger.info(words, each.order, plain(each.touched), models)
        self._reconciler.process((_touched(each), self._feed.arrivals) for each in matches)
        arrival = self._feed.arrivals
        return [_through(each.order, arrival) for each in matches if each.is_through]

    def _create(self, creates: Sequence[OrderRequest]) -> int:
        self._take_trades()
        for request in creates:
            self._tracker.accepted(request.client_oid, str(next(self._ids)))
            self._since[request.client_oid] = self._count
        return 0

    def _take_trades(self) -> None:
        """Number the public trades that have arrived; of many, only the latest are known."""
        rows = self._feed.recent_trades()
        new = list(takewhile(lambda row: row is not self._last, reversed(rows)))
        if len(new) == len(rows) and self._last:  # a new connection may show earlier ones again
            new = [row for row in new if int(row["time"]) > int(self._last["time"])]
        for row in reversed(new):
            self._trades[self._count] = _trade(row)
            self._count += 1
        self._last = rows[-1] if rows else self._last


def _touched(found: Match) -> OpenOrder:
    """Return the row that shows what was touched."""
    order, filled = found.order, found.order.filled + found.touched
    state = OrderState.DONE if filled == order.qty else OrderState.OPEN
    return replace(order, filled=filled, avg_price=order.price, state=state)


def _through(order: OpenOrder, arrival: int) -> Fill:
    """Return the fill of a whole order."""
    after = replace(order, filled=order.qty, avg_price=order.price, state=OrderState.DONE)
    before = replace(order, filled=Decimal(0), avg_price=Decimal(0))
    return Fill(side=order.side, qty=order.qty, before=before, order=after, arrival=arrival)


def _trade(row: dict[str, str]) -> PublicTrade:
    """Return a row of the feed; its side is the taker's."""
    taken = Side.BUY if row["side"] == "sell" else Side.SELL
    return PublicTrade(taken, Decimal(row["price"]), Decimal(row["qty"]))
