"""Fair value from the top of the book: imbalance, weighted mid, micro-price, order-flow imbalance.

The micro-price's numbers may be floats or Fractions: what is exact stays exact.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeGuard, TypeVar

N = TypeVar("N", float, Fraction)
Vector = Sequence[N]
Matrix = Sequence[Sequence[N]]

TOLERANCE = 1e-9
"""Of the drift of floats that is taken for none, as a part of the largest adjustment."""


def imbalance(*, bid_size: float, ask_size: float) -> float:
    """Return the share of the best bid in the quantity at the best prices, 0 to 1."""
    return bid_size / (bid_size + ask_size)


def weighted_mid(*, bid: float, bid_size: float, ask: float, ask_size: float) -> float:
    """Return the mid weighted by the sizes of the other side: near the ask when bids are large."""
    return bid + (ask - bid) * imbalance(bid_size=bid_size, ask_size=ask_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The best prices, and the sizes there in contracts or base currency."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


def order_flow(before: Top, now: Top) -> float:
    """Return the order-flow imbalance of one change of the top of the book.

    Cont, Kukanov and Stoikov 2014 (Journal of Financial Econometrics 12), the e_n of their section
    2.1, in the unit of the sizes. It explains the price move of the same time; it foretells none.
    """
    flow = 0.0
    flow += now.bid_size if now.bid >= before.bid else 0.0
    flow -= before.bid_size if now.bid <= before.bid else 0.0
    flow -= now.ask_size if now.ask <= before.ask else 0.0
    flow += before.ask_size if now.ask >= before.ask else 0.0
    return flow


# --- the adjustment -------------------------------------------------------------------------------


def first_adjustment(q: Matrix[N], r1: Matrix[N], moves: Vector[N]) -> list[N]:
    """Return the expected first move of the mid from each state: G1 = (1 - Q)^-1 R1 K.

    Stoikov 2018 (Quantitative Finance 18), section 3. `q` has the probabilities of a state after
    each state while the mid stays, `r1` those of the `moves` K of the mid, in any unit of price.
    """
    expected = [sum((p * k for p, k in zip(row, moves, strict=True)), 0 * row[0]) for row in r1]
    return [row[0] for row in _solve(_one_less(q), [[each] for each in expected])]


def after_move(q: Matrix[N], r2: Matrix[N]) -> list[list[N]]:
    """Return the probabilities of a state just after the first move: B = (1 - Q)^-1 R2.

    `r2` has the probabilities of a state after each state when the mid moves.
    """
    return _solve(_one_less(q), r2)


def adjustment(q: Matrix[N], r1: Matrix[N], moves: Vector[N], r2: Matrix[N]) -> list[N]:
    """Return micro-price less mid in each state: G* = the sum of all B^i G1, Stoikov 2018, eq. 7.

    A state with zeros only, never seen, has none. The sum is solved for: (1 - B) G* = G1, where
    the stationary state has no adjustment. Raises ValueError where the sum diverges because the mid
    drifts, which counts of both directions together (symmetrised) never let it do, and for states
    that fall apart into groups.
    """
    seen = [i for i, row in enumerate(q) if any(row) or any(r1[i]) or any(r2[i])]
    found = [0 * moves[0]] * len(q)
    if not seen:
        return found
    q, r2 = ([[matrix[i][j] for j in seen] for i in seen] for matrix in (q, r2))
    g1 = first_adjustment(q, [r1[i] for i in seen], moves)
    left = _one_less(after_move(q, r2))
    stationary = _stationary(left)
    drift = sum((p * g for p, g in zip(stationary, g1, strict=True)), 0 * g1[0])
    if abs(drift) > TOLERANCE * max(map(abs, g1)):
        raise ValueError("the mid drifts, so there is no micro-price: count both directions")
    whole = [[a + p for a, p in zip(row, stationary, strict=True)] for row in left]
    for i, row in zip(seen, _solve(whole, [[each] for each in g1]), strict=True):
        found[i] = row[0]
    return found


def _stationary(left: Matrix[N]) -> list[N]:
    """Return the p with p (1 - B) = 0 and the sum 1, for a `left` of 1 - B."""
    turned = [list(column) for column in zip(*left, strict=True)]
    one = 0 * left[0][0] + 1
    turned[-1] = [one] * len(left)  # any equation follows from the others
    target = [[0 * one] for _ in left[:-1]] + [[one]]
    return [row[0] for row in _solve(turned, target)]


def _one_less(matrix: Matrix[N]) -> list[list[N]]:
    """Return 1 - a square matrix."""
    return [[int(i == j) - each for j, each in enumerate(row)] for i, row in enumerate(matrix)]


def _solve(matrix: Matrix[N], right: Matrix[N]) -> list[list[N]]:
    """Return the X of matrix X = right, by elimination. Raises ValueError for a singular matrix."""
    size = len(matrix)
    rows = [list(row) + list(more) for row, more in zip(matrix, right, strict=True)]
    for place in range(size):
        pivot = max(range(place, size), key=lambda i: abs(rows[i][place]))
        if abs(rows[pivot][place]) < 1e-12:
            raise ValueError("some states never lead to others: merge or leave them out")
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [each / rows[place][place] for each in rows[place]]
        for i, row in enumerate(rows):
            if i != place and row[place]:
                rows[i] = [a - row[place] * b for a, b in zip(row, rows[place], strict=True)]
    return [row[size:] for row in rows]


# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Micro-price less mid, by spread and imbalance, as it was estimated."""

    symbol: str
    tick: float
    """The tick of the market it was estimated on, in price units."""
    spreads: tuple[int, ...]
    """In ticks, ascending."""
    adjustment: tuple[tuple[float, ...], ...]
    """In ticks, for each spread one number for each bucket of the imbalance, which are alike."""

    def adjusted(self, mid: float, *, spread: float, imbalance: float) -> float:
        """Return the micro-price; `mid` and `spread` in price units, `imbalance` 0 to 1.

        A spread between two of the table counts as the narrower, a narrower or wider one as the
        nearest.
        """
        ticks = round(spread / self.tick)
        row = max(sum(each <= ticks for each in self.spreads) - 1, 0)
        buckets = self.adjustment[row]
        bucket = min(int(imbalance * len(buckets)), len(buckets) - 1)
        return mid + buckets[bucket] * self.tick


def table_of(text: str) -> Table:
    """Return the table that JSON holds: symbol, tick, buckets, spreads, adjustment.

    `{"symbol": "BTC_USD", "tick": 0.5, "buckets": 2, "spreads": [1, 2], "adjustment": [[-0.2, 0.2],
    [-0.3, 0.3]]}`; other keys do not matter. Raises ValueError that says what is wrong.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError("not an object with symbol, tick, buckets, spreads and adjustment")
    symbol, tick = given.get("symbol"), given.get("tick")
    if not isinstance(symbol, str) or not symbol:
        raise ValueError("symbol must be text")
    if not _is_number(tick) or tick <= 0:
        raise ValueError("tick must be a number above zero")
    spreads = _spreads_of(given.get("spreads"))
    rows = _rows_of(given.get("adjustment"), len(spreads), given.get("buckets"))
    return Table(symbol=symbol, tick=float(tick), spreads=spreads, adjustment=rows)


def _spreads_of(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not given or not all(map(_is_whole, given)):
        raise ValueError("spreads must be a list of whole numbers of ticks")
    if given[0] < 1 or given != sorted(set(given)):
        raise ValueError("spreads must ascend from 1 or above")
    return tuple(given)


def _rows_of(given: Any, count: int, buckets: Any) -> tuple[tuple[float, ...], ...]:
    if not _is_whole(buckets) or buckets < 1:
        raise ValueError("buckets must be a whole number above zero")
    if not isinstance(given, list) or len(given) != count:
        raise ValueError(f"adjustment must hold {count} lists, one for each of the spreads")
    if not all(isinstance(row, list) and len(row) == buckets for row in given):
        raise ValueError(f"adjustment must hold {buckets} numbers for each of the spreads")
    if not all(_is_number(each) for row in given for each in row):
        raise ValueError("adjustment must hold numbers of ticks alone")
    return tuple(tuple(map(float, row)) for row in given)


def _is_number(given: Any) -> TypeGuard[float]:
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < 1e15


def _is_whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)
