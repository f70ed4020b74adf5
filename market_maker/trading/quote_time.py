"""How much of a run's time own orders rested, looked at once a tick."""

from collections.abc import Iterable
from typing import NamedTuple

from market_maker.clock import Clock
from market_maker.models import OpenOrder, OrderState, Side


class Quoted(NamedTuple):
    """Seconds of a run, and those in which own bids rested, own asks, and both."""

    whole: float
    bid: float
    ask: float
    both: float

    def less(self, before: "Quoted") -> "Quoted":
        """Return what has come since another one."""
        return Quoted(*(now - then for now, then in zip(self, before, strict=True)))

    def __str__(self) -> str:
        bid, ask, both = (part / (self.whole or 1.0) for part in self[1:])
        return f"Quoted: a bid {bid:.1%}, an ask {ask:.1%}, both {both:.1%} of the time."


class QuoteTime:
    """Adds up the time with own bids, own asks, and both. What a tick leaves lasts until the next.

    It knows the orders that the venue has acknowledged, not whether the feed was up.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sides = (False, False)
        self._at = clock.monotonic()
        self._quoted = Quoted(0.0, 0.0, 0.0, 0.0)

    def see(self, orders: Iterable[OpenOrder]) -> None:
        """Look at the own orders at the end of a tick."""
        self.so_far()
        sides = {order.side for order in orders if order.state is OrderState.OPEN}
        self._sides = Side.BUY in sides, Side.SELL in sides

    def so_far(self) -> Quoted:
        """Return the time so far."""
        now = self._clock.monotonic()
        passed, self._at = now - self._at, now
        parts = (True, *self._sides, all(self._sides))
        self._quoted = Quoted(
            *(so_far + passed * part for so_far, part in zip(self._quoted, parts, strict=True))
        )
        return self._quoted
