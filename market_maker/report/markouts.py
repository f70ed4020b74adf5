"""Markouts: by how much the mid has moved in favour of a fill some seconds after it.

In basis points of the fill's price: d (1 - p / mid) for inverse contracts, d (mid / p - 1) for a
pair; d is +1 for a buy and -1 for a sell. Below zero: the price went against us.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.journal import Row

HORIZONS = (1, 5, 30, 60, 300)
"""Seconds after the fill."""
REALISED = 5
"""The one of them at which a half-spread counts as realised."""
MID_OLD_MS = 1_000
"""A mid that is older than this is not known."""
BASIS_POINT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Markout:
    """The markouts of one side, and level if given, at one horizon, in basis points."""

    side: str
    level: int | None
    seconds: int
    n: int
    mean: Decimal | None
    error: Decimal | None
    """The standard error of the mean; None for fewer than two fills."""
    left_out: int
    """Fills whose horizon passes the end, or a time without a known mid."""


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """Means over fills, in basis points: effective = realised + impact.

    Effective is what fills were better than the mid just before them, realised what of it was left
    REALISED seconds later, impact what the mid had moved against them.
    """

    n: int
    effective: Decimal
    realised: Decimal

    @property
    def impact(self) -> Decimal:
        """Return by how much the mid has moved against the fills."""
        return self.effective - self.realised


def times_of(fills: Iterable[Row], end_ms: int) -> set[int]:
    """Return all times, up to the end, at which `markouts()` needs the mid."""
    times = (fill["time_ms"] + 1000 * seconds for fill in fills for seconds in HORIZONS)
    return {time_ms for time_ms in times if time_ms <= end_ms}


def markouts(fills: Sequence[Row], mids: Mapping[int, Decimal], *, inverse: bool) -> list[Markout]:
    """Return the markouts by side and horizon, of all levels (None) and of each level.

    `mids` are those that are known by time in ms.
    """
    levels = sorted({fill["level"] for fill in fills if fill["level"] is not None})
    found = []
    for level in (None, *levels):
        for side in ("Buy", "Sell"):
            own = [
                fill
                for fill in fills
                if fill["side"] == side and fill["price"] and level in (None, fill["level"])
            ]
            for seconds in HORIZONS:
                moves = [
                    move_of(fill, mid, inverse=inverse)
                    for fill in own
                    if (mid := mids.get(fill["time_ms"] + 1000 * seconds))
                ]
                left_out = len(own) - len(moves)
                found.append(Markout(side, level, seconds, len(moves), *_mean(moves), left_out))
    return found


def half_spread_of(
    fills: Iterable[Row], mids: Mapping[int, Decimal], *, inverse: bool
) -> HalfSpread | None:
    """Return the half-spread of the fills with a known mid before and after; None without any."""
    effective, realised = [], []
    for fill in fills:
        before = mid_of(fill["bid"], fill["ask"])
        after = mids.get(fill["time_ms"] + 1000 * REALISED)
        if fill["price"] and before and after:
            effective.append(move_of(fill, before, inverse=inverse))
            realised.append(move_of(fill, after, inverse=inverse))
    if not effective:
        return None
    n = len(effective)
    return HalfSpread(n, sum(effective, Decimal(0)) / n, sum(realised, Decimal(0)) / n)


def move_of(fill: Row, mid: Decimal, *, inverse: bool) -> Decimal:
    """Return by how much a mid is in favour of a fill, in basis points of its price."""
    sign, price = sign_of(fill), fill["price"]
    move = 1 - price / mid if inverse else mid / price - 1
    return Decimal(sign * move / BASIS_POINT)


def mid_of(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    """Return the middle between the best bid and ask; None while one is missing."""
    return None if bid is None or ask is None else (bid + ask) / 2


def sign_of(fill: Row) -> int:
    """Return +1 for a buy, -1 for a sell."""
    return 1 if fill["side"] == "Buy" else -1


def _mean(values: Sequence[Decimal]) -> tuple[Decimal | None, Decimal | None]:
    if not values:
        return None, None
    mean = sum(values, Decimal(0)) / len(values)
    if len(values) == 1:
        return mean, None
    variance = sum(((each - mean) ** 2 for each in values), Decimal(0)) / (len(values) - 1)
    return mean, (variance / len(values)).sqrt()
