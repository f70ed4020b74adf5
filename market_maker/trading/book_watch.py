"""Audits the order book: compares the best levels of the feed with REST now and then."""

import logging

from market_maker import safety
from market_maker.clock import Clock
from market_maker.errors import RequestError
from market_maker.gte import GTE
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

AUDIT_EVERY = 10.0
"""Seconds between audits of a book that the feed keeps changing."""
AUDIT_QUIET = 5.0
"""Seconds between audits of a book without a frame for so long."""
AUDIT_AGAIN = 1.0
"""Seconds to the next audit after one that found a mismatch."""


class BookWatch:
    """Audits the book when due, and reconnects a feed that has drifted. It sends only reads."""

    def __init__(self, gte: GTE, feed: GTEWebsocket, clock: Clock) -> None:
        self._gte = gte
        self._feed = feed
        self._clock = clock
        self._audit = safety.Audit()
        self._audited_at = self._confirmed_at = clock.monotonic()

    def has_mismatch(self) -> bool:
        """Return whether the last audit found a mismatch."""
        return bool(self._audit.wrong)

    def unconfirmed_for(self) -> float:
        """Return the seconds since a frame changed the book or an audit confirmed it."""
        confirmed = self._clock.monotonic() - self._confirmed_at
        return min(self._feed.silent_for("order_book"), confirmed)

    def audit(self, now: float) -> None:
        """Compare the best levels with REST, if due at `now` (steady seconds)."""
        quiet = self._feed.silent_for("order_book") > AUDIT_QUIET
        pause = AUDIT_AGAIN if self._audit.wrong else AUDIT_QUIET if quiet else AUDIT_EVERY
        if now - self._audited_at < pause or self._feed.missing():
            return
        self._audited_at = now
        epoch = self._feed.epoch
        before = safety.levels_of(self._feed.market_depth(safety.LEVELS))
        try:
            rest = safety.levels_of(self._gte.order_book_query(safety.LEVELS))
        except RequestError as error:
            logger.info("Could not audit the order book: %s", error)
            return
        after = safety.levels_of(self._feed.market_depth(safety.LEVELS))
        if epoch != self._feed.epoch:
            return
        self._audit = safety.follow(self._audit, safety.compare(before, rest, after))
        if not self._audit.wrong:
            self._confirmed_at = now
        elif self._audit.is_drift:
            logger.warning(
                "Order book has drifted from REST: %d levels wrong in %d audits; reconnecting.",
                *(len(self._audit.wrong), self._audit.times),
            )
            self._feed.reconnect("order book has drifted from REST")
            self._audit = safety.Audit()
