"""How often a ladder moves when the price does, and how much the price moves."""

import math
from collections.abc import Callable, Iterable, Sequence
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

EVENTS, WORK = 300, 20_000
"""So often the ladder moves in an estimate, and so many orders in all at most, within reason."""
FEWEST = 20
FINE = 30
"""A walk takes about so many steps, squared, to leave RELIST_INTERVAL: more tell no more."""
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
    """What keeps the ladder where it should be, while nothing fills; means of an estimate."""

    each_time: float
    """Cancels and creates when an order has been left behind by RELIST_INTERVAL."""
    every: float
    """Seconds from one such time to the next; infinite where the price does not move."""

    @property
    def per_minute(self) -> float:
        """Requests in a minute."""
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
    draw: Callable[[], float],
) -> Requests:
    """Estimate the requests of a ladder that moves with the price and keeps its sizes.

    The price takes a random walk with this volatility and is looked at every `seconds`. Each time
    that an order is further than `relist` from its place, all is planned as the bot plans it, and
    done at once. `draw` returns a standard normal deviate. With 300 such times the standard error
    is about 5 %.
    """
    sigma, apart = volatility.per_root_second, float(relist)
    if not orders or not sigma:
        return Requests(0, math.inf)
    step = max(seconds, (apart / FINE / sigma) ** 2)
    size = sigma * math.sqrt(step)
    resting = tuple(each.accepted(str(n)) for n, each in enumerate(orders, start=1))
    wanted_times = max(min(EVENTS, WORK // len(orders)), FEWEST)
    level, steps, times, requests = 0.0, 0, 0, 0
    low, high = _bounds(resting, orders, apart)
    while times < wanted_times:
        level += size * draw()
        steps += 1
        if low <= level <= high:
            continue
        moved = [_moved(each, level, snapshot.instrument) for each in orders]
        plan = decide(moved, _bare(snapshot, resting), NO_LIMITS, relist=relist).plan
        new = plan.create + plan.deferred
        resting = plan.keep + tuple(
            each.accepted(f"{steps}-{n}") for n, each in enumerate(new, start=1)
        )
        requests += len(plan.cancel) + len(new)
        times += 1
        low, high = _bounds(resting, orders, apart)
    return Requests(requests / times, steps * step / times)


def _moved(order: OrderRequest, level: float, instrument: Instrument) -> OrderRequest:
    """Return an order where it is wanted once the log of the price has changed by `level`."""
    price = to_grid(float(order.price) * math.exp(level), instrument.tick)
    return replace(order, price=max(price, instrument.tick), close=False)


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


def _bounds(
    resting: Iterable[OrderRequest], places: Iterable[OrderRequest], apart: float
) -> tuple[float, float]:
    """Return between which levels no order is left behind; places are those of level 0.

    Orders of one size serve their places by rank (see `strategy.convergence`).
    """
    by_size, low, high = attrgetter("side.value", "qty", "price"), -math.inf, math.inf
    for order, place in zip(
        sorted(resting, key=by_size), sorted(places, key=by_size), strict=False
    ):
        off = math.log(order.price / place.price)
        low = max(low, off - math.log1p(apart))
        high = min(high, off - math.log1p(-apart))
    return low, high
