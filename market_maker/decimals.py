"""Exact numbers: written as the venue does, put on the grid of ticks, down to the lot."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Write a number the way the venue does: no exponent, no trailing zeros.

    >>> plain(Decimal("8582.0")), plain(Decimal("1E+2")), plain(Decimal("-0.50"))
    ('8582', '100', '-0.5')
    """
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_grid(price: float | Decimal, tick: Decimal) -> Decimal:
    """Return the multiple of `tick` nearest to `price`; ties go to the even multiple.

    This is the family's `toNearest`, which rounds the quotient of floats.

    >>> to_grid(8493.75, Decimal("0.5"))
    Decimal('8494.0')
    """
    return Decimal(round(float(price) / float(tick))) * tick


def to_lot(qty: float | Decimal, lot: Decimal) -> Decimal:
    """Return the largest multiple of `lot` that is not above `qty`, a float taken as it is written.

    >>> to_lot(0.3, Decimal("0.1")), to_lot(99.9, Decimal(1))
    (Decimal('0.3'), Decimal('99'))
    """
    return Decimal(str(qty)) // lot * lot
