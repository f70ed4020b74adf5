"""The micro-price of a tape: by how much the mid is about to move, by imbalance and spread.

Stoikov 2018 (Quantitative Finance 18): the state is a bucket of the imbalance, bid quantity / (bid
+ ask quantity), with a spread. Transitions are counted at each change of the best levels. With
those that leave the mid (Q), those that move it by K (R1), and the states after a move (R2):

    G1 = (1 - Q)^-1 R1 K,   B = (1 - Q)^-1 R2,   G* = G1 + B G1 + B^2 G1 + ...

Each transition is counted with its mirror image, so that G*(I) = -G*(1 - I).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, NamedTuple

from market_maker.strategies.estimate import NoEstimate
from market_maker.strategies.linear import Matrix, T, solved
from market_maker.strategies.microprice_model import bucket_of
from market_maker.strategies.parts import Parts, added

LEAST = 10
"""Times that each state of a spread must have been left, mirror images among them."""
MOST_SPREADS = 5
"""The most frequent spreads have a row."""
SHARE = 0.01
"""A spread with a smaller part of the transitions has no row."""
TINY = 1e-9
"""What counts as 0 of floats, as part of the largest."""
DOUBLINGS = 40
"""B^(2^40) G1 must be 0, else the sum does not converge."""
GROUPS = 16
"""The standard errors are those of a jackknife over at most so many parts of the sample."""


class State(NamedTuple):
    """A bucket of the imbalance, 0 where the asks weigh most, with a spread in ticks."""

    bucket: int
    spread: int


class Move(NamedTuple):
    """A transition between states, and the half ticks by which it moves the mid."""

    before: State
    after: State
    moved: int


@dataclass(frozen=True, slots=True)
class MicropriceTable:
    """The micro-price less the mid, in ticks: `adjustment[spread][bucket]`."""

    buckets: int
    spreads: tuple[int, ...]
    """In ticks."""
    adjustment: tuple[tuple[float, ...], ...]
    error: tuple[tuple[float, ...], ...] | None
    """The standard errors of the adjustments, in ticks; None where the sample is too short."""
    n: int
    """Transitions that were counted, without mirror images."""
    left_out: int
    """Transitions from or to a spread that has no row."""


class Moves:
    """Counts the transitions between the states of a book."""

    def __init__(self, buckets: int) -> None:
        if buckets < 2:
            raise ValueError(f"an imbalance in {buckets} buckets tells nothing")
        self._buckets = buckets
        self._parts = Parts()
        self.n = 0
        """Transitions so far."""
        self._last: tuple[int, int, int, int] | None = None

    def add(self, *, bid: int, ask: int, bid_qty: int, ask_qty: int) -> None:
        """Take the best levels, in ticks and lots, as they are now."""
        now = bid, ask, bid_qty, ask_qty
        if now == self._last:
            return
        if bid >= ask:
            self._last = None
            return
        if self._last:
            moved = bid + ask - self._last[0] - self._last[1]
            move = Move(self._state(self._last), self._state(now), moved)
            self._parts.at(self.n)[move] += 1
            self.n += 1
        self._last = now

    def lose(self) -> None:
        """Note that something is missing here, or that a side is empty."""
        self._last = None

    def table(self, number: type[T] = float) -> MicropriceTable:  # type: ignore[assignment]
        """Return the table, computed in floats or in fractions. Raises NoEstimate."""
        counts: Any = added(self._parts.all())
        spreads = self._usable(self._mirrored(counts))
        found = self._solved(counts, spreads, number)
        kept = sum(
            n
            for move, n in counts.items()
            if move.before.spread in spreads and move.after.spread in spreads
        )
        return MicropriceTable(
            buckets=self._buckets,
            spreads=tuple(spreads),
            adjustment=self._rows(found),
            error=self._errors(counts, spreads),
            n=kept,
            left_out=self.n - kept,
        )

    def _solved(self, counts: Counter[Move], spreads: list[int], number: type[T]) -> list[T]:
        """Return the adjustment in ticks of each bucket of each of these spreads."""
        states = [State(bucket, spread) for spread in spreads for bucket in range(self._buckets)]
        place = {state: at for at, state in enumerate(states)}
        kept = {
            move: n
            for move, n in self._mirrored(counts).items()
            if move.before in place and move.after in place
        }
        sizes = sorted({move.moved for move in kept if move.moved})
        if not sizes:
            raise NoEstimate("the mid has not moved")
        left: Counter[State] = Counter()
        for move, n in kept.items():
            left[move.before] += n
        zero = number(0)
        q, r2 = ([[zero] * len(states) for _ in states] for _ in range(2))
        r1 = [[zero] * len(sizes) for _ in states]
        for move, n in kept.items():
            before, after = place[move.before], place[move.after]
            part = number(n) / left[move.before]
            (r2 if move.moved else q)[before][after] += part
            if move.moved:
                r1[before][sizes.index(move.moved)] += part
        return adjustment(q, r1, [number(size) / 2 for size in sizes], r2)

    def _errors(
        self, counts: Counter[Move], spreads: list[int]
    ) -> tuple[tuple[float, ...], ...] | None:
        """Return standard errors, from what is found without each part of the sample in turn."""
        parts: Any = self._parts.all()
        size = -(-len(parts) // GROUPS)
        groups = [added(parts[at : at + size]) for at in range(0, len(parts), size)]
        if len(groups) < GROUPS // 2:
            return None
        try:
            found = [self._solved(_without(counts, part), spreads, float) for part in groups]
        except NoEstimate:
            return None
        scale = (len(found) - 1) / len(found)
        means = [sum(each) / len(found) for each in zip(*found, strict=True)]
        return self._rows(
            [
                math.sqrt(scale * sum((value - mean) ** 2 for value in values))
                for mean, values in zip(means, zip(*found, strict=True), strict=True)
            ]
        )

    def _rows(self, found: Sequence[T]) -> tuple[tuple[float, ...], ...]:
        """Return what there is of each state as floats, a row for each spread."""
        return tuple(
            tuple(float(each) for each in found[at : at + self._buckets])
            for at in range(0, len(found), self._buckets)
        )

    def _state(self, book: tuple[int, int, int, int]) -> State:
        bid, ask, bid_qty, ask_qty = book
        bucket = bucket_of(bid_qty=bid_qty, ask_qty=ask_qty, buckets=self._buckets)
        return State(bucket, ask - bid)

    def _mirrored(self, counts: Counter[Move]) -> Counter[Move]:
        """Return counts with those of the mirror images."""
        found = Counter(counts)
        for (before, after, moved), n in counts.items():
            found[Move(self._mirror(before), self._mirror(after), -moved)] += n
        return found

    def _mirror(self, state: State) -> State:
        return State(self._buckets - 1 - state.bucket, state.spread)

    def _usable(self, counts: Counter[Move]) -> list[int]:
        """Return the spreads all of whose states are left often enough, whatever is left out."""
        spreads: list[int] = sorted({move.before.spread for move in counts})
        while True:
            left: Counter[State] = Counter()
            for move, n in counts.items():
                if move.before.spread in spreads and move.after.spread in spreads:
                    left[move.before] += n
            often = Counter(dict.fromkeys(spreads, 0))
            for state, n in left.items():
                often[state.spread] += n
            good = [
                spread
                for spread, n in often.most_common(MOST_SPREADS)
                if n >= SHARE * counts.total()
                and all(left[State(each, spread)] >= LEAST for each in range(self._buckets))
            ]
            if not good:
                raise NoEstimate(
                    f"no spread was seen with all {self._buckets} buckets of the imbalance, {LEAST}"
                    " times each: it takes a longer tape or fewer buckets"
                )
            if len(good) == len(spreads):
                return spreads
            spreads = sorted(good)


def _without(counts: Counter[Move], part: Counter[Any]) -> Counter[Move]:
    left: Counter[Move] = counts - part
    return left


def adjustment(q: Matrix[T], r1: Matrix[T], k: Sequence[T], r2: Matrix[T]) -> list[T]:
    """Return G*, the micro-price less the mid in the unit of `k`, for each state.

    `q[x][y]`: the chance that the next transition from x leads to y and leaves the mid, `r1[x][j]`
    that it moves the mid by `k[j]`, `r2[x][y]` that it moves the mid and leads to y. The sum is
    computed as the solution of (1 - B + 1 pi) G* = G1 with pi B = pi, exactly in fractions. Raises
    NoEstimate where it does not exist.
    """
    places, one = range(len(q)), _one(k)
    first = [sum((p * by for p, by in zip(row, k, strict=True)), one * 0) for row in r1]
    stays = [[one * (x == y) - q[x][y] for y in places] for x in places]
    right = [[first[x]] + list(r2[x]) for x in places]  # noqa: RUF005  # typed
    found = solved(stays, right, otherwise="in a state that never ends the mid never moves")
    g1, b = [row[0] for row in found], [row[1:] for row in found]
    back = [[one * (x == y) - b[y][x] for y in places] for x in places]
    back[-1] = [one for _ in places]
    total = [[one * (x == len(q) - 1)] for x in places]
    found = solved(back, total, otherwise="the states fall into groups that never meet")
    pi = [row[0] for row in found]
    _check_sum(g1, b, pi)
    shifted = [[one * (x == y) - b[x][y] + pi[y] for y in places] for x in places]
    return [row[0] for row in solved(shifted, [[each] for each in g1], otherwise="no sum")]


def _one(numbers: Sequence[T]) -> T:
    return type(numbers[0])(1)


def _check_sum(g1: Sequence[T], b: Matrix[T], pi: Sequence[T]) -> None:
    """Raise NoEstimate unless B^i G1 goes to 0."""
    largest = max(abs(float(each)) for each in g1)
    drift = float(sum(p * g for p, g in zip(pi, g1, strict=True)))
    if abs(drift) > TINY * largest:
        raise NoEstimate(
            f"the mid drifts by {drift:.3g} a move on average: the sum does not converge"
        )
    power = [[float(each) for each in row] for row in b]
    places = range(len(power))
    for _ in range(DOUBLINGS):
        columns = list(zip(*power, strict=True))
        power = [[sum(map(mul, row, column)) for column in columns] for row in power]
        power = [[each / whole for each in row] for row in power if (whole := sum(row))]
    rest = [sum(power[x][y] * float(g1[y]) for y in places) for x in places]
    if max(map(abs, rest)) > 1e-6 * largest:
        raise NoEstimate("the moves of the mid go round in a circle: the sum does not converge")
