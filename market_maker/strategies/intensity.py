"""The intensity of fills, A exp(-k depth): its two parameters by maximum likelihood.

Market orders come to each side of the book at random, and reach the depth d with the intensity
A exp(-k d) (Avellaneda and Stoikov 2008, Gueant, Lehalle and Fernandez-Tapia 2013). Depths are
distances from the mid as a part of it, so k is per unit of relative depth, and A is 1/s of a side.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from market_maker.strategies.estimate import NoEstimate
from market_maker.strategies.parts import variance_between

Reach = tuple[float, float]
STEEPEST = 100.0
"""From a k times the nearest depth above this, A would be a number without a meaning."""
FARTHEST = 1e9
"""A k is searched up to this many times what the largest depth goes with."""


@dataclass(slots=True)
class Sample:
    """What was watched in a part of the time, of both sides of the book together.

    An order can be seen to reach quotes only, so how deep it went is known to lie between the
    deepest quote that it reached and the next one that it did not.
    """

    exposure: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))
    """By the depth of the nearest quote, how long it stood there, in s of a side."""
    reached: Counter[Reach] = field(default_factory=Counter)
    """How many market orders reached this depth and not the next one, inf where there was none."""

    def add(self, other: "Sample") -> None:
        """Add what was watched in another part."""
        for depth, seconds in other.exposure.items():
            self.exposure[depth] += seconds
        self.reached.update(other.reached)

    @property
    def n(self) -> int:
        """Return how many market orders reached a quote."""
        return self.reached.total()

    def slope(self, k: float) -> float:
        """Return the sum over the orders of d log likelihood / d k, at a given intensity."""
        return sum(n * (_over(k, high - low) - low) for (low, high), n in self.reached.items())

    def curvature(self, k: float) -> float:
        """Return the sum over the orders of - d2 log likelihood / d k2, likewise."""
        return sum(n * _bend(k, high - low) for (low, high), n in self.reached.items())

    def exposed(self, k: float, nearest: float = 0.0) -> tuple[float, float, float]:
        """Return the sums of e, e d and e d^2 with e = seconds exp(-k (d - nearest))."""
        sums = [0.0, 0.0, 0.0]
        for depth, seconds in self.exposure.items():
            weight = seconds * math.exp(-k * (depth - nearest))
            for power in range(3):
                sums[power] += weight * depth**power
        return sums[0], sums[1], sums[2]


@dataclass(frozen=True, slots=True)
class Intensity:
    """The intensity A exp(-k depth) of one side, with standard errors."""

    a: float
    """1/s."""
    a_error: float
    k: float
    """Per unit of relative depth."""
    k_error: float
    n: int
    """Market orders that reached a quote, of both sides."""
    seconds: float
    """For how long a quote could be reached, the sides added up."""

    def at(self, depth: float) -> float:
        """Return the intensity at a relative depth, 1/s."""
        return self.a * math.exp(-self.k * depth)


def fit(samples: Sequence[Sample]) -> Intensity:
    """Return the intensity that makes the samples most likely; each is of one part of the time.

    With n orders, each between l and h, and quotes that were nearest at d for E(d) seconds, the
    likelihood is that of n log A - A sum E exp(-k d) + sum log(exp(-k l) - exp(-k h)). It is
    concave in (log A, k), and A = n / sum E exp(-k d). Errors are the larger of what its second
    derivatives say, which holds for orders that come independently, and of what the samples differ
    by, which holds for bursts of orders, too. Raises NoEstimate.
    """
    whole = Sample()
    for sample in samples:
        whole.add(sample)
    n, seconds = whole.n, sum(whole.exposure.values())
    if n < 2 or not seconds:
        raise NoEstimate(f"{n} market orders in {seconds / 2:,.0f} s do not tell")
    k = _root(whole)
    if k * min(whole.exposure) > STEEPEST:
        raise NoEstimate("hardly any market order went deeper than the nearest quotes")
    weight, first, second = whole.exposed(k)
    a, mean = n / weight, first / weight
    information = whole.curvature(k) + n * (second / weight - mean**2)
    if not information > 0:
        raise NoEstimate("all quotes stood equally deep: from one depth, k cannot be told")
    spread = 1 / information
    of_a, of_k = [], []
    for sample in samples:
        weight, first, _ = sample.exposed(k)
        by_a, by_k = sample.n - a * weight, sample.slope(k) + a * first
        of_k.append(spread * (by_k + mean * by_a))
        of_a.append(by_a / n + mean * of_k[-1])
    k_error = math.sqrt(max(spread, variance_between(of_k)))
    a_error = a * math.sqrt(max(1 / n + mean**2 * spread, variance_between(of_a)))
    return Intensity(a=a, a_error=a_error, k=k, k_error=k_error, n=n, seconds=seconds)


def _root(whole: Sample) -> float:
    """Return the k at which the likelihood is highest, by bisection. Raises NoEstimate."""
    n, nearest = whole.n, min(whole.exposure)
    deepest = max(*whole.exposure, *(low for low, _ in whole.reached))
    nearby = min((high - low for low, high in whole.reached if high < math.inf), default=deepest)
    scale = max(deepest, nearby)

    def slope(k: float) -> float:
        weight, first, _ = whole.exposed(k, nearest)
        return whole.slope(k) + n * first / weight

    low, high = 1e-9 / scale, 1 / scale
    if slope(low) <= 0:
        raise NoEstimate("deeper quotes were reached no less often: k is not above 0")
    while slope(high) > -1e-12 * n * scale:
        high *= 2
        if high > FARTHEST / scale:
            raise NoEstimate("no market order went deeper than the nearest quotes: k has no bound")
    while high - low > 1e-15 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low + high) / 2


def _over(k: float, width: float) -> float:
    """Return width / (exp(k width) - 1): by how much deeper an order went, on average."""
    return width / math.expm1(k * width) if k * width < 700 else 0.0


def _bend(k: float, width: float) -> float:
    """Return width^2 exp(k width) / (exp(k width) - 1)^2."""
    return (width / 2 / math.sinh(k * width / 2)) ** 2 if k * width < 700 else 0.0
