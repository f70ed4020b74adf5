"""Exact numbers: the venue's notation, rounding to the tick, and down to the lot."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Return a number in the venue's notation: no exponent, no trailing zeros.

    >>> plain(Decimal("8582.0")), plain(Decimal("1E+2")), plain(Decimal("-0.50"))
    ('8582', '100', '-0.5')
    """
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_grid(price: float | Decimal, tick: Decimal) -> Decimal:
    """Return the multiple of `tick` nearest to `price`; ties go to the even multiple.

    Like `toNearest` of the BitMEX sample, it rounds the quotient of floats.

    >>> to_grid(8493.75, Decimal("0.5"))
    Decimal('8494.0')
    """
    return Decimal(round(float(price) / float(tick))) * tick


def to_lot(qty: float | Decimal, lot: Decimal) -> Decimal:
    """Return the largest multiple of `lot` not above `qty`; a float counts as its decimal text.

    >>> to_lot(0.3, Decimal("0.1")), to_lot(99.9, Decimal(1))
    (Decimal('0.3'), Decimal('99'))
    """
    return Decimal(str(qty)) // lot * lot


def exact(value: float | str | Decimal) -> Decimal:
    """Return a number as the decimal that it is written as."""
    return Decimal(str(value))
