"""Gueant, Lehalle and Fernandez-Tapia 2013: the optimal depths with a limit on the position.

"Dealing with the inventory risk" (arXiv 1105.3115), for orders of any size as in Gueant 2016 (arXiv
1605.01862). A position counts in orders: q of them. Depths are distances from the mid: fractions of
it where volatility and fill decay are relative, price units where they are in price units.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from market_maker.strategies.models import premium

MOST_STATES = 2000
"""Positions on each side of 0 for which the matrix is solved in any case: some 10 ms a tick. With
more, and an error above LARGEST_ERROR, too: 10^6 take a quarter of a second."""
LARGEST_ERROR = 0.001
"""Error up to which the closed form stands in for a larger matrix, in half-spreads."""
NEGLIGIBLE = 40.0
"""The value function beyond the states solved for is below exp(-NEGLIGIBLE) of that within."""
EXTRA_STATES = 20
"""States that are solved for beyond those that count by the formula for small ones."""
STEP = 30.0
"""How far a step of `before_end()` goes, in units of the largest element of the matrix."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What the model is told."""

    sigma: float
    """Volatility, relative (or in price units), per square root of a second."""
    fill_rate: float
    """A: fills of an order at the mid, 1 / s. At a depth d there are A exp(-k d)."""
    fill_decay: float
    """k: per unit of relative depth (or per price unit)."""
    risk_aversion: float
    """1 / coin."""
    size: float = 1.0
    """The size of an order, in coin."""

    @cached_property
    def gamma(self) -> float:
        """The risk aversion to one order."""
        return self.risk_aversion * self.size

    @cached_property
    def alpha(self) -> float:
        """The matrix has alpha q^2 on its diagonal; 1 / s."""
        return self.fill_decay * self.gamma * self.sigma**2 / 2

    @cached_property
    def eta(self) -> float:
        """The matrix has -eta beside its diagonal; 1 / s. A (1 + gamma/k)^-(1 + k/gamma)."""
        return self.fill_rate * math.exp(-self._exponent)

    @cached_property
    def half_spread(self) -> float:
        """The depth of a quote without any risk of the position: ln(1 + gamma/k) / gamma."""
        return premium(self.gamma, self.fill_decay)

    @cached_property
    def bend(self) -> float:
        """sqrt(alpha / eta): by how much k times the depth grows with each order held."""
        return math.sqrt(self.alpha / self.eta)

    @property
    def _exponent(self) -> float:
        """(1 + k/gamma) ln(1 + gamma/k), which is 1 for gamma 0."""
        return self.half_spread * (self.gamma + self.fill_decay)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedForm:
    """The closed form, linear in the position: eq. 4.6 and 4.7 of Gueant 2016."""

    half_spread: float
    """The depth of both quotes without a position."""
    skew: float
    """By how much the bid's depth grows with each coin held."""
    size: float

    def bid(self, q: float) -> float:
        """Return the depth of the bid with a position of q orders."""
        return self.half_spread + self.skew * self.size * q

    def ask(self, q: float) -> float:
        """Return the depth of the ask."""
        return self.bid(-q)


def closed_form(p: Parameters) -> ClosedForm:
    """Return the closed form: half-spread c1 + D sigma c2 / 2, skew sigma c2 per coin."""
    a_size = p.bend / p.fill_decay  # D sigma c2
    return ClosedForm(half_spread=p.half_spread + a_size / 2, skew=a_size / p.size, size=p.size)


def closed_form_error(p: Parameters, q: float, *, states: int) -> float:
    """Return a bound on the error of the closed form at a position of q orders of at most `states`.

    Far out the exact depth grows as 2 asinh(x / 2) / k with x = bend |q|, the closed form as x / k:
    they differ by less than x^3 / (24 k). Near 0 they differ by (3 / 32) bend^2 (2 |q| + 1) / k to
    first order, and never by a third more. The closed form knows no limit: one near enough to
    count adds 1 / k, divided by the distance from it in orders.
    """
    if abs(q) + 1 >= states:
        return math.inf
    is_limit_near = _reach(p, abs(q)) > states
    of_limit = 1 / (states - abs(q) - 1) if is_limit_near else 0.0
    far = (p.bend * (abs(q) + 1)) ** 3 / 24
    near = p.bend**2 * (2 * abs(q) + 1) / 8
    return (far + near + of_limit) / p.fill_decay


class Exact:
    """The depths from the value function v of the matrix M, for positions of -Q to Q orders.

    M has alpha q^2 on its diagonal and -eta beside it. Only ratios of v are kept, and only those of
    one side: v is symmetric, and on the other side they could not be told exactly.
    """

    def __init__(
        self, p: Parameters, falls: Sequence[float], eigenvalue: float | None = None
    ) -> None:
        self._p = p
        self._falls = falls
        """v(q + 1) / v(q) for q = 0 ... Q - 1."""
        self.eigenvalue = eigenvalue
        """The lowest of M, 1 / s; None before the end of a horizon."""

    def bid(self, q: float) -> float:
        """Return the depth of the bid, ln(v(q) / v(q+1)) / k + ln(1 + gamma/k) / gamma.

        `q` is the position in orders; between whole ones it is interpolated. At Q there is no bid:
        the depth is infinite. Raises ValueError beyond -Q to Q.
        """
        below = math.floor(q)
        share = q - below
        if not share:
            return self._bid(below)
        return (1 - share) * self._bid(below) + share * self._bid(below + 1)

    def ask(self, q: float) -> float:
        """Return the depth of the ask, which is that of the bid of the opposite position."""
        return self.bid(-q)

    def _bid(self, q: int) -> float:
        states = len(self._falls)
        if abs(q) > states:
            raise ValueError(f"a position of {q} orders is beyond the limit of {states}")
        if q == states:
            return math.inf
        log_fall = -math.log(self._falls[q]) if q >= 0 else math.log(self._falls[-q - 1])
        return log_fall / self._p.fill_decay + self._p.half_spread


def asymptote(p: Parameters, states: int) -> Exact:
    """Return the depths far before the end, with a limit of `states` orders on each side.

    v is the eigenvector of the lowest eigenvalue of M. That is found by bisection: up to it all
    pivots of M - lambda are positive, from the outermost row to the middle one (Sturm). The same
    pivots are the ratios of v, and stable in this direction.
    """
    low, high = -2 * p.eta, 0.0  # by Gershgorin, and by the unit vector at 0
    near = math.ceil(min(states, _reach(p, 0)))  # rows farther out do not change it
    while low < (middle := (low + high) / 2) < high:
        if _is_below(p, near, middle):
            low = middle
        else:
            high = middle
    falls = [p.eta / pivot for pivot in _pivots(p, states, low)]
    return Exact(p, falls[::-1], low)


def _is_below(p: Parameters, states: int, eigenvalue: float) -> bool:
    """Return whether M has no eigenvalue below this one."""
    pivot = math.inf
    for pivot in _pivots(p, states, eigenvalue):
        if pivot <= 0:
            return False
    return -eigenvalue - 2 * p.eta**2 / pivot >= 0


def _pivots(p: Parameters, states: int, eigenvalue: float) -> Iterator[float]:
    """Yield the pivots of the rows Q ... 1 of M - eigenvalue; of the last one not above zero on,
    they mean nothing."""
    pivot = math.inf
    for q in range(states, 0, -1):
        pivot = p.alpha * q * q - eigenvalue - p.eta**2 / pivot
        yield pivot


def before_end(p: Parameters, states: int, seconds: float) -> Exact:
    """Return the depths at so many `seconds` before the end: v = exp(-M seconds) 1.

    The exponential is a series of positive terms, of c - M with c the largest element, in steps.
    """
    largest = p.alpha * states * states
    steps = max(1, math.ceil((largest + 2 * p.eta) * seconds / STEP))
    value = [1.0] * (states + 1)
    for _ in range(steps):
        term, total, order = value, list(value), 0
        while max(t / v for t, v in zip(term, total, strict=True)) > 1e-17:
            order += 1
            scale = seconds / steps / order
            term = [scale * each for each in _risen(p, term, largest)]
            total = [a + b for a, b in zip(total, term, strict=True)]
        value = [each / total[0] for each in total]
    return Exact(p, [value[q + 1] / value[q] for q in range(states)])


def _risen(p: Parameters, value: Sequence[float], largest: float) -> list[float]:
    """Return (largest - M) times a symmetric vector, given for q = 0 ... Q."""
    padded = [value[1] if len(value) > 1 else 0.0, *value, 0.0]
    return [
        (largest - p.alpha * q * q) * value[q] + p.eta * (padded[q] + padded[q + 2])
        for q in range(len(value))
    ]


def depths(p: Parameters, *, position: float, limit: float) -> tuple[float, float]:
    """Return the depths of bid and ask for a position and a limit on it, both in coin.

    They are exact, by the matrix, without states so far out that they count for nothing. Where more
    than MOST_STATES count, the closed form stands in if its error is at most LARGEST_ERROR. A
    position at the limit still has both depths: who quotes must keep to the limit.
    """
    q, most = (round(each / p.size, 9) for each in (position, limit))  # whole ones stay whole
    states = max(math.ceil(most), math.ceil(abs(q))) + 1
    needed = math.ceil(min(states, _reach(p, abs(q))))
    error = closed_form_error(p, q, states=states) / p.half_spread
    if needed > MOST_STATES and error <= LARGEST_ERROR:
        form = closed_form(p)
        return form.bid(q), form.ask(q)
    exact = asymptote(p, needed)
    return exact.bid(q), exact.ask(q)


def _reach(p: Parameters, q: float) -> float:
    """Return how many states decide on the depths at a position of q orders, 0 or above.

    v falls to state n as exp(-bend (n^2 - q^2) / 2) while bend * n is small, and by more than a
    factor of 5 with each state where it is not: for those are the EXTRA_STATES.
    """
    return math.sqrt((q + 1) ** 2 + 2 * NEGLIGIBLE / p.bend) + EXTRA_STATES if p.bend else math.inf
