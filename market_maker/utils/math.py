"""Rounding under the name of the BitMEX sample."""

from decimal import Decimal

from market_maker.decimals import to_grid


def toNearest(num: float, tickSize: float) -> float:  # noqa: N802, N803  # the family's names
    """Return the multiple of `tickSize` nearest to `num`; ties go to the even multiple.

    >>> toNearest(8493.75, 0.5), toNearest(99.26, 0.1)
    (8494.0, 99.3)
    """
    return float(to_grid(num, Decimal(str(tickSize))))
