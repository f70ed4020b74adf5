"""The last check of a create, just before it leaves: whether its decision still holds."""

from decimal import Decimal

from market_maker.clock import SLEPT_SECONDS, Clock
from market_maker.control import Control
from market_maker.gte import GTE
from market_maker.models import OrderRequest
from market_maker.ws.ws_thread import GTEWebsocket

RECHECK_AFTER = 2.0
"""Age of a decision in seconds from which a waiting create is checked against the book again."""


class LastCheck:
    """Permits a create to leave. It is asked in the sending threads."""

    def __init__(
        self, gte: GTE, feed: GTEWebsocket, control: Control, clock: Clock, stale_after: float
    ) -> None:
        self._gte = gte
        self._feed = feed
        self._control = control
        self._clock = clock
        self._stale_after = stale_after
        self._epoch, self._decided_at, self._ahead = 0, 0.0, 0.0

    def start_decision(self) -> None:
        """Record the connection and time on which the next plan is decided."""
        self._epoch, self._ahead = self._feed.epoch, self._clock.ahead()
        self._decided_at = self._clock.monotonic()

    def permits(self, request: OrderRequest, *, post_only: bool, collar: Decimal) -> bool:
        """Return whether a create may still leave.

        Not once the loop is stopping or halted, the venue's clock is in doubt, or the feed is
        stale; nor if the feed has reconnected or the machine was suspended since the decision, nor
        at a price beyond the `collar`, a fraction, of mark or index as they are now. A create that
        waited for over RECHECK_AFTER must still rest in the current book.
        """
        feed, ticker, control = self._feed, self._feed.get_ticker(), self._control
        if control.is_stopping or control.is_halted or self._gte.clock.is_contradicted():
            return False
        if abs(self._clock.ahead() - self._ahead) > SLEPT_SECONDS:
            return False
        if not feed.is_connected() or feed.epoch != self._epoch or feed.missing():
            return False
        if feed.silent_for() > self._stale_after or ticker.is_crossed:
            return False
        instrument = feed.get_instrument()
        collars = instrument.collars(request.side, collar) if instrument else ()
        if any(request.side.better(request.price, worst) for _, worst in collars):
            return False
        is_old = self._clock.monotonic() - self._decided_at > RECHECK_AFTER
        must_rest = is_old or post_only or request.post_only
        return not must_rest or ticker.would_rest(request.side, request.price)
