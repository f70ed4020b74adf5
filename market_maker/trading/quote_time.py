"""How much of a run's time own orders rested, looked at once a tick."""

from collections.abc import Iterable

from market_maker.clock import Clock
from market_maker.models import OpenOrder, OrderState, Side


class QuoteTime:
    """Adds up the time with own bids, own asks, and both. What a tick leaves lasts until the next.

    It knows the orders that the venue has acknowledged, not whether the feed was up.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sides = (False, False)
        self._began = self._at = clock.monotonic()
        self._bid = self._ask = self._both = 0.0

    def see(self, orders: Iterable[OpenOrder]) -> None:
        """Look at the own orders at the end of a tick."""
        self._add()
        sides = {order.side for order in orders if order.state is OrderState.OPEN}
        self._sides = Side.BUY in sides, Side.SELL in sides

    def in_words(self) -> str:
        """Return the parts of the time so far."""
        self._add()
        whole = self._at - self._began or 1.0
        bid, ask, both = (part / whole for part in (self._bid, self._ask, self._both))
        return f"Quoted: a bid {bid:.1%}, an ask {ask:.1%}, both {both:.1%} of the time."

    def _add(self) -> None:
        now = self._clock.monotonic()
        passed, self._at = now - self._at, now
        self._bid += passed * self._sides[0]
        self._ask += passed * self._sides[1]
        self._both += passed * all(self._sides)
