"""How often a ladder moves when the price does, and how much the price moves."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter

from market_maker.decimals import to_grid
from market_maker.models import (
    ZERO,
    Exposure,
    Instrument,
    OpenOrder,
    OrderRequest,
    Position,
    Snapshot,
    Ticker,
)
from market_maker.strategy import Limits, decide

OVERSHOOT = 0.5826
"""How far a walk that is looked at once a step passes a limit, in standard deviations of a step.

It is -zeta(1/2) / sqrt(2 pi): Broadie, Glasserman and Kou 1997, Mathematical Finance 7(4).
"""
LEAST = 10
"""So few returns are no estimate."""
HOUR = 3600.0
USUAL = 0.006
"""The standard deviation of an hour where none has been seen."""
NO_LIMITS = Limits(check=False, min_position=ZERO, max_position=ZERO)


@dataclass(frozen=True, slots=True)
class Volatility:
    """The standard deviation of relative returns over one second, and where it is from."""

    per_root_second: float
    source: str

    @property
    def hourly(self) -> float:
        """That of an hour, as a fraction."""
        return self.per_root_second * math.sqrt(HOUR)

    @classmethod
    def of_hour(cls, hourly: float, source: str) -> "Volatility":
        """Return that of an hour, as a fraction."""
        return cls(hourly / math.sqrt(HOUR), source)


@dataclass(frozen=True, slots=True)
class Requests:
    """What keeps the ladder where it should be, while nothing fills."""

    each_time: int
    """Cancels and creates when the price has moved just beyond RELIST_INTERVAL."""
    every: float
    """Seconds from one such move to the next, on average; infinite if there is nothing to move."""

    @property
    def per_minute(self) -> float:
        """Requests in a minute, on average."""
        return self.each_time * 60 / self.every


def usual() -> Volatility:
    """Return what is assumed where none has been seen: about 60 % a year."""
    return Volatility.of_hour(USUAL, "assumed, as too few candles are there")


def realised(closes: Sequence[tuple[int, float]]) -> Volatility | None:
    """Return the volatility of (time in ms, price), oldest first; None for too few.

    variance = sum of squared log returns / sum of their times.
    """
    pairs = [
        (math.log(price / before), (time - then) / 1000)
        for (then, before), (time, price) in pairwise(closes)
        if time > then and price > 0 and before > 0
    ]
    if len(pairs) < LEAST:
        return None
    variance = sum(move * move for move, _ in pairs) / sum(seconds for _, seconds in pairs)
    return Volatility(math.sqrt(variance), f"seen in {len(pairs)} returns of a minute")


def expected(
    orders: Sequence[OrderRequest],
    snapshot: Snapshot,
    *,
    relist: Decimal,
    seconds: float,
    volatility: Volatility,
) -> Requests:
    """Return the requests that a ladder needs which moves with the price and keeps its sizes.

    One move just beyond `relist` is planned as the bot plans it. If it leaves the kept orders x off
    their places, the next is due when a random walk that starts at x has left +-relist. On average
    that takes (r^2 - x^2) / volatility^2, with r = relist + OVERSHOOT * volatility * sqrt(seconds),
    as the price is looked at every `seconds`; never less than one look.
    """
    if not orders:
        return Requests(0, math.inf)
    moved = [_moved(each, relist, snapshot.instrument) for each in orders]
    resting = tuple(each.accepted(str(n)) for n, each in enumerate(orders, start=1))
    plan = decide(moved, _bare(snapshot, resting), NO_LIMITS, relist=relist).plan
    sigma = volatility.per_root_second
    each_time = len(plan.cancel) + len(moved) - len(plan.keep)
    if not sigma or not each_time:
        return Requests(each_time, math.inf)
    fresh = {(order.side, order.price) for order in (*plan.create, *plan.deferred)}
    served = [order for order in moved if (order.side, order.price) not in fresh]
    reach = float(relist) + OVERSHOOT * sigma * math.sqrt(seconds)
    due = max(reach**2 - _farthest(plan.keep, served) ** 2, 0.0) / sigma**2
    return Requests(each_time, max(due, seconds))


def _moved(order: OrderRequest, relist: Decimal, instrument: Instrument) -> OrderRequest:
    """Return an order moved up to where its old price is just beyond `relist` of the new one."""
    price = to_grid(order.price / (1 - relist), instrument.tick) + instrument.tick
    return replace(order, price=price, close=False)


def _bare(snapshot: Snapshot, orders: tuple[OpenOrder, ...]) -> Snapshot:
    """Return a snapshot in which nothing but own orders is in the way of others."""
    instrument = replace(snapshot.instrument, mark_price=None, index_price=None)
    nothing = Exposure.of((ZERO, ZERO))
    return Snapshot(
        instrument=instrument,
        ticker=Ticker(bid=None, ask=None),
        orders=orders,
        position=Position(),
        exposure=nothing,
    )


def _farthest(kept: Iterable[OrderRequest], served: Iterable[OrderRequest]) -> float:
    """Return how far a kept order is off its place at most, as a fraction; pairs do not cross."""
    by_size, found = attrgetter("side.value", "qty", "price"), 0.0
    for order, place in zip(sorted(kept, key=by_size), sorted(served, key=by_size), strict=False):
        found = max(found, float(abs(order.price / place.price - 1)))
    return found
