"""Startup: cancels the orders of previous runs before this run places any."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from market_maker.client_oid import is_ours, run_of
from market_maker.clock import Clock
from market_maker.errors import AlreadyRunning, Temporary, VenueUnreachable
from market_maker.gte import GTE
from market_maker.models import OpenOrder
from market_maker.orders import sweep
from market_maker.orders.notes import Notes
from market_maker.orders.reconciler import Reconciler
from market_maker.orders.sweep import LATE_SECONDS, Sweep
from market_maker.orders.tracker import OrderTracker
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

T = TypeVar("T")

START_SECONDS = 30.0
WINDOW_SECONDS = 1.0
YOUNG_MS = 60_000
"""Orders younger than this prove that their run, unknown on this host, is trading now."""


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What this run knows of the runs before it."""

    known: frozenset[str] | None = None
    """Run ids of this host; None if nobody keeps them."""
    may_be_late: bool = False
    """Whether a previous run crashed, so that one of its orders may be in flight."""
    notes: Notes = field(default_factory=Notes)
    """Notes on their creates, as far as their orders may be left."""


class Startup:
    """Cancels the orders of previous runs. It creates none."""

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
        """Cancel the orders of previous runs and prove that none is left.

        Raises AlreadyRunning when another bot trades with our prefix, VenueUnreachable when the
        venue does not answer, OrdersLeft when an order cannot be cancelled.
        """
        begun = self._clock.monotonic()
        leftovers = self._patiently(lambda: self._reconciler.leftovers(earlier.notes))
        if earlier.known is not None:
            self._refuse_other_bots(leftovers, earlier.known)
        if leftovers:
            logger.warning("Cancelling %d orders of a previous run.", len(leftovers))
        if earlier.may_be_late:
            logger.warning(
                "Previous run crashed; waiting %.0f s for its in-flight orders to expire.",
                LATE_SECONDS,
            )
        if leftovers or earlier.may_be_late:
            left = Sweep(
                self._gte,
                known=leftovers,
                # a bot that starts meanwhile is not ours to cancel; the first tick halts
                runs=None if earlier.known is None else frozenset(self._tracker.known_runs),
                notes=earlier.notes,
                late_since=begun if earlier.may_be_late else -math.inf,
            )
            sweep.run(left, self._clock, START_SECONDS)
            self._clock.sleep(WINDOW_SECONDS)  # that run may have used up this second's rate limit
            for row, arrival in self._feed.drain_news():  # this run has sent no order yet
                self._reconciler.others.see(row, arrival)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Retry a read for START_SECONDS while it fails; then raise VenueUnreachable."""
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
        runs = runs_at_work(
            leftovers, prefix=prefix, known_runs=known_runs, now_ms=self._gte.clock.now()
        )
        if runs:
            raise AlreadyRunning(
                f"another bot trades with ORDERID_PREFIX {prefix} now (run "
                f"{', '.join(sorted(runs))}): stop it, or give this bot another prefix"
            )


def runs_at_work(
    rows: Iterable[OpenOrder], *, prefix: str, known_runs: Collection[str], now_ms: int
) -> set[str]:
    """Return the runs with our prefix that trade now and were not started on this host.

    `known_runs` are the runs of this host, dead or alive; `now_ms` is the venue's time in ms. An
    order without a creation time proves nothing.
    """
    return {
        run
        for row in rows
        if is_ours(row.client_oid, prefix)
        and (run := run_of(row.client_oid, prefix)) not in known_runs
        and row.ctime > 0
        and now_ms - row.ctime < YOUNG_MS
    }
