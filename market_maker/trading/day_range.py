"""The lowest and the highest price of 24 hours, which GTE shows for a pair alone."""

from decimal import Decimal

from market_maker.clock import Clock
from market_maker.errors import Temporary
from market_maker.gte import GTE

READ_EVERY = 60.0
"""Seconds that a range is kept."""
MINUTES, CANDLES = 5, 288
"""The candles that are read: a day of them."""


class DayRange:
    """Reads the candles of a day when it is asked for the range. Nothing else asks for them."""

    def __init__(self, gte: GTE, clock: Clock) -> None:
        self._gte = gte
        self._clock = clock
        self._range: tuple[Decimal, Decimal] | None = None
        self._due = 0.0

    def read(self) -> tuple[Decimal, Decimal]:
        """Return the lowest and the highest price of the latest 24 hours, at most a minute old.

        Raises Temporary where nothing has traded in them, and a RequestError of the venue.
        """
        now = self._clock.monotonic()
        if self._range is None or now >= self._due:
            begun = self._gte.clock.now() - MINUTES * CANDLES * 60_000
            rows = self._gte.candle_query(interval=MINUTES, size=CANDLES, start_time=begun)
            try:
                low = min(Decimal(row[3]) for row in rows)
                high = max(Decimal(row[2]) for row in rows)
            except (ArithmeticError, LookupError, TypeError, ValueError):
                raise Temporary("the venue shows no prices of the last 24 hours") from None
            self._range, self._due = (low, high), now + READ_EVERY
        return self._range
