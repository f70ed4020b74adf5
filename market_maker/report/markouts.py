"""Markouts: by how much the mid has moved in favour of a fill some seconds after it.

In basis points of the fill's price: d (1 - p / mid) for inverse contracts, d (mid / p - 1) for a
pair; d is +1 for a buy and -1 for a sell. Below zero: the price went against us.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.journal import Row

HORIZONS = (1, 5, 30, 60, 300)
"""Seconds after the fill."""
MID_OLD_MS = 1_000
"""A mid that is older than this is not known."""
BASIS_POINT = Decimal("0.0001")


class Mids:
    """The mids of a run by time."""

    def __init__(self, times: Sequence[int], mids: Sequence[Decimal]) -> None:
        """`times` are in ms, ascending."""
        self._times, self._mids = times, mids

    def at(self, time_ms: int) -> Decimal | None:
        """Return the last mid before a time, None when there is none younger than MID_OLD_MS."""
        place = bisect_right(self._times, time_ms) - 1
        if place < 0 or time_ms - self._times[place] > MID_OLD_MS:
            return None
        return self._mids[place]


@dataclass(frozen=True, slots=True)
class Markout:
    """The markouts of one side at one horizon, in basis points."""

    side: str
    seconds: int
    n: int
    mean: Decimal | None
    error: Decimal | None
    """The standard error of the mean; None for fewer than two fills."""
    left_out: int
    """Fills whose horizon passes the end, or a time without a known mid."""


def markouts(fills: Sequence[Row], mids: Mids, end_ms: int, *, inverse: bool) -> list[Markout]:
    """Return the markouts of all fills by side and horizon, up to the end of the run."""
    found = []
    for side in ("Buy", "Sell"):
        own = [fill for fill in fills if fill["side"] == side and fill["price"]]
        for seconds in HORIZONS:
            moves = [
                move_of(fill, mid, inverse=inverse)
                for fill in own
                if (at := fill["time_ms"] + 1000 * seconds) <= end_ms and (mid := mids.at(at))
            ]
            found.append(Markout(side, seconds, len(moves), *_mean(moves), len(own) - len(moves)))
    return found


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
