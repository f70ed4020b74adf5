"""The create brake: no creates for a while after refusals, or when orders churn."""

import logging
from collections import deque
from dataclasses import replace

from market_maker.models import Plan

logger = logging.getLogger(__name__)

MINUTE = 60.0
CHURN = 60
"""Most creates in a minute for each wanted order."""


class CreateBrake:
    """Defers the creates of plans. It never defers a cancel. Times are steady seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._created: deque[float] = deque()

    def rest(self, now: float, seconds: float) -> None:
        """Defer all creates for `seconds`, after refusals by the venue."""
        self._until = now + seconds
        logger.warning("Creates refused: no new orders for %g s.", seconds)

    def record(self, creates: int, now: float) -> None:
        """Record so many creates that the venue has accepted, or may have."""
        self._created.extend([now] * creates)

    def hold_back(self, plan: Plan, wanted: int, now: float) -> tuple[Plan, str]:
        """Return the plan, with its creates deferred while the brake is on, and then the reason.

        `wanted` is the number of orders that the strategy wants in all.
        """
        reason = ""
        if now < self._until:
            reason = "the venue has refused creates: none for API_ERROR_INTERVAL"
        elif self._is_churning(len(plan.create), wanted, now):
            reason = "order churn: too many creates in a minute"
        if not reason or not plan.create:
            return plan, ""
        return replace(plan, create=(), deferred=plan.deferred + plan.create), reason

    def _is_churning(self, creates: int, wanted: int, now: float) -> bool:
        while self._created and now - self._created[0] > MINUTE:
            self._created.popleft()
        limit = CHURN * max(wanted, 1)
        if len(self._created) + creates > limit:
            logger.warning(
                "Order churn: %d orders created in a minute (limit %d); no more for now.",
                *(len(self._created), limit),
            )
            return True
        return False
