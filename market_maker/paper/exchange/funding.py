"""Funding: what longs and shorts of a contract pay each other every eight hours."""

from collections.abc import Mapping

from market_maker.paper.exchange.instrument import CONTRACT, Key
from market_maker.paper.exchange.ledger import Ledger
from market_maker.paper.exchange.listing import Listing
from market_maker.paper.exchange.outbox import Outbox

PERIOD = 8 * 3_600_000  # ms


class Funding:
    """Books the funding of all contracts. It never funds a period twice."""

    def __init__(self, *, ledger: Ledger, outbox: Outbox, listings: Mapping[Key, Listing]) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._listings = listings
        self._last: int | None = None  # number of the last period

    def run(self, now: int) -> bool:
        """Book funding if a new period has begun, and return whether one has; `now` is ms UTC."""
        period = now // PERIOD
        if self._last is None:
            self._last = period
        if period <= self._last:  # the clock may have been ahead and be right again
            return False
        self._last = period
        for listing in self._listings.values():
            if listing.instrument.key.kind != CONTRACT:
                continue
            paid = self._ledger.fund(
                listing.contract, each=listing.mark_worth, rate=listing.funding_rate
            )
            for owner, leg in paid:
                self._outbox.position(owner, leg)
        return True
