"""The back-off: how long the feed waits before it connects again."""

import random

from market_maker.ws.vitals import GRACE, Vitals

FAILED = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the next attempt after the first, second, ... failure in a row; at random, down
to half of it."""
SPACING = (0.2, 0.5, 1.0, 2.0, 5.0, 45.0)
"""Seconds from one connection to the next after the first, second, ... loss in a row; at random,
down to nine tenths of it."""
STABLE = 30.0
"""Seconds with all tables after which a connection is stable, and what was lost before is over."""


class BackOff:
    """Counts failures and losses in a row, and determines the pause before the next attempt.

    A venue that refuses is asked again soon. One that accepts and drops is not: each connection
    costs it a login and all snapshots, and us a look-up of all orders.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._failed = self._lost = 0
        self.pause = 0.0
        """Seconds before the next attempt."""

    def record(self, lost: Vitals | None, now: float, error: Exception, asked: bool) -> None:
        """Record a lost connection, or for None an attempt that failed.

        A connection that we gave up does not count: because it was `asked` for, or after a while,
        with a plain ConnectionError (`Vitals`), which makes such losses rare.
        """
        if lost is None:
            self._failed += 1
            self.pause = FAILED[min(self._failed, len(FAILED)) - 1] * self._chance.uniform(0.5, 1.0)
            return
        lived = now - lost.began
        is_given_up = asked or (type(error) is ConnectionError and lived >= GRACE)
        self._failed, self._lost = 0, self.lost_in_a_row(lost, now) + (not is_given_up)
        spacing = SPACING[min(max(self._lost, 1), len(SPACING)) - 1]
        self.pause = max(spacing * self._chance.uniform(0.9, 1.0) - lived, SPACING[0])

    def lost_in_a_row(self, present: Vitals, now: float) -> int:
        """Return how many connections before the `present` one were lost, none of them stable."""
        is_stable = present.complete_at is not None and now - present.complete_at >= STABLE
        return 0 if is_stable else self._lost

    def __str__(self) -> str:
        in_a_row = f"{self._lost} lost in a row, " if self._lost > 1 else ""
        return f"{in_a_row}next attempt in {self.pause:.1f} s"
