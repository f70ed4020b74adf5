"""The start: what earlier runs have left is cancelled before this one places anything."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from market_maker.client_oid import is_ours, run_of
from market_maker.clock import Clock
from market_maker.errors import AlreadyRunning, Temporary, VenueUnreachable
from market_maker.gte import GTE
from market_maker.models import OpenOrder
from market_maker.orders import sweep
from market_maker.orders.reconciler import Reconciler
from market_maker.orders.sweep import LATE_SECONDS, Notes, Sweep
from market_maker.orders.tracker import OrderTracker
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

T = TypeVar("T")

START_SECONDS = 30.0
WINDOW_SECONDS = 1.0
YOUNG_MS = 60_000
"""An order of a run that is not of this host, and younger than this: that run lives."""


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What a start knows of the runs before it."""

    known: frozenset[str] | None = None
    """Those of this host; None while nobody keeps them."""
    money: Mapping[str, str] | None = None
    """What the program had traded whose place this one takes after a restart for new code."""
    may_be_late: bool = False
    """Whether one has ended so that one of its orders may still be on its way."""
    notes: Notes = field(default_factory=Notes)
    """What is noted of their creates, as far as their orders may be left."""


class Startup:
    """Deals with the orders of earlier runs. It creates nothing."""

    def __init__(
        self,
        gte: GTE,
        feed: GTEWebsocket,
        tracker: OrderTracker,
        reconciler: Reconciler,
        clock: Clock,
    ) -> None:
        self._gte = gte
        self._feed = feed
        self._tracker = tracker
        self._reconciler = reconciler
        self._clock = clock

    def run(self, earlier: EarlierRuns) -> None:
        """Cancel what earlier runs have left.

        Raises AlreadyRunning for another bot at work with our prefix, VenueUnreachable when the
        venue does not answer, OrdersLeft when leftovers cannot be cancelled.
        """
        begun = self._clock.monotonic()
        leftovers = self._patiently(lambda: self._reconciler.leftovers(earlier.notes))
        if earlier.known is not None:
            self._refuse_other_bots(leftovers, earlier.known)
        if leftovers:
            logger.warning("Cancelling %d orders of an earlier run.", len(leftovers))
        if earlier.may_be_late:
            logger.warning(
                "Previous run crashed; waiting %.0f s for its in-flight orders to expire.",
                LATE_SECONDS,
            )
        if leftovers or earlier.may_be_late:
            left = Sweep(
                self._gte,
                known=leftovers,
                # another bot that comes up meanwhile is not ours to cancel; the first tick halts
                runs=None if earlier.known is None else frozenset(self._tracker.known_runs),
                notes=earlier.notes,
                late_since=begun if earlier.may_be_late else -math.inf,
            )
            sweep.run(left, self._clock, START_SECONDS)
            self._clock.sleep(WINDOW_SECONDS)  # that run may have used up this second's budget
            self._feed.drain_news()  # what it told of them is over

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again while the venue does not answer, or has just answered another process."""
        deadline = self._clock.monotonic() + START_SECONDS
        while True:
            try:
                return ask()
            except Temporary as error:
                if self._clock.monotonic() >= deadline:
                    raise VenueUnreachable(str(error)) from None
                logger.warning("%s", error)
                self._clock.sleep(1.0)

    def _refuse_other_bots(
        self, leftovers: Sequence[OpenOrder], known_runs: Collection[str]
    ) -> None:
        prefix = self._tracker.prefix
        runs = runs_at_work(leftovers, prefix=prefix, known_runs=known_runs, now_ms=self._gte.now())
        if runs:
            raise AlreadyRunning(
                f"another bot trades with ORDERID_PREFIX {prefix} now (run "
                f"{', '.join(sorted(runs))}): give this one another prefix, or stop that one"
            )


def runs_at_work(
    rows: Iterable[OpenOrder], *, prefix: str, known_runs: Collection[str], now_ms: int
) -> set[str]:
    """Return the runs with our prefix that seem to trade now and were not started on this host.

    `known_runs` are those of this host, dead or alive, and `now_ms` is the venue's time. An order
    without a time of creation proves nothing.
    """
    return {
        run
        for row in rows
        if is_ours(row.client_oid, prefix)
        and (run := run_of(row.client_oid, prefix)) not in known_runs
        and row.ctime > 0
        and now_ms - row.ctime < YOUNG_MS
    }
