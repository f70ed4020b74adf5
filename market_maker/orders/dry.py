"""The executor of a dry run, with virtual orders."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from market_maker.models import OpenOrder, OrderRequest, OrderState, Ticker
from market_maker.orders.executor import Executor
from market_maker.orders.sweep import LEAVE_SECONDS

logger = logging.getLogger(__name__)


class DryExecutor(Executor):
    """Keeps virtual orders, which end when cancelled or crossed. It sends nothing."""

    _ids = count(1)

    def cancel(self, orders: Sequence[OpenOrder]) -> None:
        """End virtual orders."""
        for order in orders:
            self._tracker.cancelling(order.client_oid)
            self._tracker.observe(replace(order, state=OrderState.DONE))

    def cancel_all(self, seconds: float = LEAVE_SECONDS) -> None:  # noqa: ARG002
        """End all virtual orders."""
        self.cancel(self._tracker.live())

    def end_crossed(self, ticker: Ticker) -> None:
        """End and log the orders that the market would have filled."""
        for order in self._tracker.live():
            if not ticker.would_rest(order.side, order.price):
                logger.info("Dry run: %s would have been filled.", order)
                self.cancel([order])

    def _create(self, creates: Sequence[OrderRequest]) -> int:
        for request in creates:
            self._tracker.accepted(request.client_oid, str(next(self._ids)))
        return 0
