"""Quotes as functions of state and parameters. Floats; they become exact in `converge_orders()`.

Units. An inverse contract is linear in -1 / price, so to first order every model for a linear
asset holds in relative price: depths, spreads and shifts are fractions of the mid. Positions and
sizes are in coin, n * face / price for n contracts, and the base quantity itself for a pair.
Volatility is relative, per square root of a second; risk aversion is 1 / coin. Only products of
these matter, so quotes are the same in coin and in 1e-8 of a coin. The published tables have size 1
and prices in place of fractions: the same functions give them.
"""

import math
from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotes:
    """The first buy and the first sell price. They may be off the tick grid."""

    buy: float
    sell: float

    @classmethod
    def around(cls, centre: float, *, half: float) -> "Quotes":
        """Return quotes at a distance of `half` on each side of a price."""
        return cls(buy=centre - half, sell=centre + half)

    @property
    def centre(self) -> float:
        """The price halfway between the two."""
        return (self.buy + self.sell) / 2

    @property
    def half(self) -> float:
        """Half of their distance, in price units."""
        return (self.sell - self.buy) / 2

    def moved(self, by: float) -> "Quotes":
        """Return both shifted by so much, in price units."""
        return Quotes(buy=self.buy + by, sell=self.sell + by)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a model quotes by: the market, and the position of the bot."""

    bid: float
    """The best bid of others."""
    ask: float
    """The best ask of others."""
    tick: float
    ladder: Quotes
    """Where the default ladder would begin, with its MIN_SPREAD."""
    position: float
    """Long - short, in coin."""
    lean: float
    """The position as a fraction of the limit on its side, -1 to 1."""
    limit: float
    """The larger of both limits, in coin."""
    size: float
    """The size of the first level, in coin."""

    @property
    def mid(self) -> float:
        """The mid; it may be off the tick grid."""
        return (self.bid + self.ask) / 2


def coins(qty: float, *, face: float, price: float, is_inverse: bool) -> float:
    """Return a quantity in coin: of inverse contracts `qty * face / price`, of a pair `qty`."""
    return qty * face / price if is_inverse else qty


def lean_of(position: float, *, lowest: float, highest: float) -> float:
    """Return a position as a fraction of the limit on its side, within -1 to 1.

    All three in one unit; `lowest` is 0 or below. Any position on a side with limit 0 is full.
    """
    limit = highest if position > 0 else -lowest
    if abs(position) >= limit:
        return math.copysign(1.0, position) if position else 0.0
    return position / limit


def on_ticks(quotes: Quotes, *, bid: float, ask: float, tick: float) -> Quotes:
    """Return quotes on the tick grid, each away from the market, off the other side and each other.

    No buy is above `ask - tick` and no sell below `bid + tick`: the venue has no post-only.
    """
    first_buy = min(math.floor(_ticks(quotes.buy, tick)), math.ceil(_ticks(ask, tick)) - 1)
    first_sell = max(math.ceil(_ticks(quotes.sell, tick)), math.floor(_ticks(bid, tick)) + 1)
    if first_buy >= first_sell:
        middle = math.floor((first_buy + first_sell) / 2)
        first_buy, first_sell = min(first_buy, middle - 1), max(first_sell, middle + 1)
    return Quotes(buy=first_buy * tick, sell=first_sell * tick)


def _ticks(price: float, tick: float) -> float:
    """Return a price in ticks; one on the grid is a whole number."""
    return round(price / tick, 6)


# --- skew -----------------------------------------------------------------------------------------


def skewed(quotes: Quotes, *, lean: float, strength: float) -> Quotes:
    """Return quotes shifted against the position: by `-strength * lean` half-spreads.

    At a full position and strength 1 the side that adds stands two half-spreads from the fair
    value, and the side that reduces at the fair value.
    """
    return quotes.moved(-strength * lean * quotes.half)


def skewed_size(qty: float, *, sign: int, lean: float, strength: float, lot: float) -> float:
    """Return the size of an order: on the side that adds `qty * (1 - strength * |lean|)`.

    `sign` is 1 for a buy and -1 for a sell. It is never below one lot. The side that reduces the
    position keeps its size.
    """
    is_adding = sign * lean > 0
    return max(qty * (1 - strength * abs(lean)), lot) if is_adding else qty


# --- volatility -----------------------------------------------------------------------------------


def volatility_half_spread(
    *,
    sigma: float,
    horizon: float,
    factor: float,
    mid: float,
    tick: float,
    floor: float,
    cap: float,
) -> float:
    """Return a half-spread in price units: `factor` standard deviations of the price in `horizon`.

    `sigma` is relative, per square root of a second; `horizon` in s; `floor` and `cap` bound the
    half-spread, in ticks. The cap wins.
    """
    return min(max(factor * sigma * math.sqrt(horizon) * mid, floor * tick), cap * tick)


# --- Avellaneda and Stoikov -----------------------------------------------------------------------


def reservation_shift(
    position: float, *, risk_aversion: float, sigma: float, horizon: float
) -> float:
    """Return how far the reservation price is from the mid: `-q gamma sigma^2 tau`.

    Avellaneda and Stoikov 2008 (Quantitative Finance 8), eq. 3.17. `position` in coin,
    `risk_aversion` in 1 / coin, `sigma` relative per square root of a second, `horizon` in s: a
    fraction of the mid. With sigma in price units it is in price units.
    """
    return -position * risk_aversion * sigma**2 * horizon


def optimal_spread(
    *, risk_aversion: float, sigma: float, horizon: float, fill_decay: float, size: float
) -> float:
    """Return the distance of both quotes, `gamma D sigma^2 tau + 2/(gamma D) ln(1 + gamma D / k)`.

    Avellaneda and Stoikov 2008, eq. 3.18, for orders of `size` D coin; there D is 1. `fill_decay` k
    is per unit of relative depth. Units otherwise as in `reservation_shift()`.
    """
    gamma = risk_aversion * size
    return gamma * sigma**2 * horizon + 2 * premium(gamma, fill_decay)


def premium(gamma: float, fill_decay: float) -> float:
    """Return `ln(1 + gamma / k) / gamma`, which is 1 / k for gamma 0; gamma is per size."""
    return math.log1p(gamma / fill_decay) / gamma if gamma else 1 / fill_decay


# --- funding --------------------------------------------------------------------------------------


def seconds_to_funding(hours: float, *, time_ms: int) -> float:
    """Return the seconds until funding is paid, at least 0.

    The venue tells whole `hours` until then, 1 during the last one, and pays on a full hour of UTC;
    `time_ms` is the time now. Hours with a fraction are taken as they are.
    """
    if hours != int(hours):
        return max(hours, 0.0) * HOUR
    into_hour = time_ms / 1000 % HOUR
    return max(hours * HOUR - into_hour, 0.0)


def funding_shift(*, rate: float, seconds: float, loop: float, holding: float) -> float:
    """Return by which fraction of the price funding moves the reservation price.

    That is -rate times the probability that a position of now is still held when funding is paid in
    so many `seconds`: 1 within the last `loop`, then `exp(-(seconds - loop) / holding)`, where
    `holding` is how long a position is held on average, in s. A `rate` above zero: longs pay, so
    the bot would rather be short. Holding 0 is no shift.
    """
    if holding <= 0:
        return 0.0
    return -rate * math.exp(-max(seconds - loop, 0.0) / holding)
