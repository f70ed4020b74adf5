"""The trade history of one instrument: latest trades, minute candles, the last 24 hours."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.exchange.engine import Side

MINUTE = 60_000
DAY = 1440 * MINUTE
KEPT_TRADES = 1000
KEPT_MINUTES = 10_080


class Trade(NamedTuple):
    """One trade of the public tape; `side` is the taker's, `time` in ms UTC."""

    trade_id: int
    time: int
    side: Side
    price: Decimal
    qty: Decimal


@dataclass(slots=True)
class Candle:
    """Prices and volume of an interval that opens at `time`, in ms UTC."""

    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def add(self, other: "Candle") -> None:
        """Merge the candle that follows this one."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume


class History:
    """The trade history of one instrument, in bounded memory. All times are ms UTC."""

    def __init__(self) -> None:
        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self._minutes: deque[Candle] = deque(maxlen=KEPT_MINUTES)
        self._day: tuple[int, Candle | None] = (0, None)  # without the running minute

    def add(self, trade: Trade) -> None:
        """Record the next trade; its time is not before that of the last one."""
        self.trades.append(trade)
        price = trade.price
        candle = Candle(trade.time // MINUTE * MINUTE, price, price, price, price, trade.qty)
        if self._minutes and self._minutes[-1].time >= candle.time:
            self._minutes[-1].add(candle)
        else:
            self._minutes.append(candle)

    def candles(self, *, minutes: int, start: int, end: int) -> list[Candle]:
        """Return candles of `minutes` each that open in [start, end], oldest first."""
        width = minutes * MINUTE
        found: list[Candle] = []
        for minute in self._minutes:
            time = minute.time // width * width
            if not start <= time <= end:
                continue
            if found and found[-1].time == time:
                found[-1].add(minute)
            else:
                found.append(replace(minute, time=time))
        return found

    def day(self, now: int) -> Candle | None:
        """Return the last 24 hours, to the minute, as one candle; None if nothing traded."""
        running = now // MINUTE * MINUTE
        if self._day[0] != running:
            past = [m for m in self._minutes if running - DAY <= m.time < running]
            self._day = (running, _merged(past))
        latest = self._minutes[-1] if self._minutes and self._minutes[-1].time >= running else None
        return _merged([candle for candle in (self._day[1], latest) if candle])


def _merged(candles: Iterable[Candle]) -> Candle | None:
    total: Candle | None = None
    for candle in candles:
        if total is None:
            total = replace(candle)
        else:
            total.add(candle)
    return total
