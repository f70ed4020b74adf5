"""Linear equations, in floats or exactly in fractions."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

from market_maker.strategies.estimate import NoEstimate

T = TypeVar("T", float, Fraction)
Matrix = Sequence[Sequence[T]]
TINY = 1e-9
"""A pivot of floats below this counts as 0."""


def solved(matrix: Matrix[T], right: Matrix[T], *, otherwise: str) -> list[list[T]]:
    """Return the x with matrix x = right, by elimination.

    Raises NoEstimate, for the reason `otherwise`, where not exactly one x exists.
    """
    n = len(matrix)
    rows = [list(matrix[at]) + list(right[at]) for at in range(n)]
    for at in range(n):
        best = max(range(at, n), key=lambda row: abs(rows[row][at]))
        rows[at], rows[best] = rows[best], rows[at]
        pivot = rows[at][at]
        if not pivot or (isinstance(pivot, float) and abs(pivot) < TINY):
            raise NoEstimate(otherwise)
        rows[at] = [each / pivot for each in rows[at]]
        for row in range(n):
            factor = rows[row][at]
            if row != at and factor:
                rows[row] = [of - factor * by for of, by in zip(rows[row], rows[at], strict=True)]
    return [row[n:] for row in rows]
