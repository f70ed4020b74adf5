"""When no order is created for a while: after refusals, and when orders are churned."""

import logging
from collections import deque
from dataclasses import replace

from market_maker.models import Plan

logger = logging.getLogger(__name__)

MINUTE = 60.0
CHURN = 60
"""So many creates in a minute for each wanted order, and it calms down."""


class CreateBrake:
    """Holds the creates of plans back. It never holds back a cancel. Times are steady seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._created: deque[float] = deque()

    def rest(self, now: float, seconds: float) -> None:
        """Hold all creates back for so long: the venue has refused some."""
        self._until = now + seconds
        logger.warning("No new orders for %g s.", seconds)

    def hold_back(self, plan: Plan, wanted: int, now: float) -> Plan:
        """Return the plan, with its creates deferred while the brake is on.

        `wanted` is how many orders the strategy wants in all.
        """
        if now < self._until or self._is_churning(len(plan.create), wanted, now):
            return replace(plan, create=(), deferred=plan.deferred + plan.create)
        return plan

    def _is_churning(self, creates: int, wanted: int, now: float) -> bool:
        while self._created and now - self._created[0] > MINUTE:
            self._created.popleft()
        if len(self._created) + creates > CHURN * max(wanted, 1):
            logger.warning("%d orders created in a minute: no more for now.", len(self._created))
            return True
        self._created.extend([now] * creates)
        return False
