"""What one instrument has traded: the latest trades, minute candles and the last 24 hours."""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.engine import Side

MINUTE = 60_000
DAY = 1440 * MINUTE
KEPT_TRADES = 1000
KEPT_MINUTES = 10_080


class Trade(NamedTuple):
    """One line of the public tape; `side` is the taker's."""

    trade_id: int
    time: int
    side: Side
    price: Decimal
    qty: Decimal


@dataclass(slots=True)
class Candle:
    """Prices and volume of a stretch of time that opens at `time`."""

    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def add(self, other: "Candle") -> None:
        """Take in what followed this candle."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume


class History:
    """The past of one instrument, in bounded memory."""

    def __init__(self) -> None:
        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self._minutes: deque[Candle] = deque(maxlen=KEPT_MINUTES)

    def add(self, trade: Trade) -> None:
        """Take in the next trade; time does not run back."""
        self.trades.append(trade)
        price = trade.price
        candle = Candle(trade.time // MINUTE * MINUTE, price, price, price, price, trade.qty)
        if self._minutes and self._minutes[-1].time >= candle.time:
            self._minutes[-1].add(candle)
        else:
            self._minutes.append(candle)

    def candles(self, *, minutes: int, start: int, end: int) -> list[Candle]:
        """Return candles of so many minutes that open in [start, end], oldest first."""
        width = minutes * MINUTE
        found: list[Candle] = []
        for minute in self._minutes:
            time = minute.time // width * width
            if start <= time <= end:
                part = Candle(
                    time, minute.open, minute.high, minute.low, minute.close, minute.volume
                )
                if found and found[-1].time == time:
                    found[-1].add(part)
                else:
                    found.append(part)
        return found

    def day(self, now: int) -> Candle | None:
        """Return the last 24 hours as one candle, None without a trade in them."""
        total: Candle | None = None
        for minute in reversed(self._minutes):
            if minute.time <= now - DAY:
                break
            if total is None:
                total = Candle(
                    minute.time, minute.open, minute.high, minute.low, minute.close, minute.volume
                )
            else:
                total.time, total.open = minute.time, minute.open
                total.high = max(total.high, minute.high)
                total.low = min(total.low, minute.low)
                total.volume += minute.volume
        return total
