"""The value of contracts in the settlement currency. A report computes it anew."""

from decimal import Decimal

from market_maker.models import Fill, Instrument

PRICE_DECIMALS = 8
"""Of the price of a fill: it follows from average prices, which the venue prints with six."""
BELIEVABLE = Decimal("0.1")
"""Largest plausible deviation of a fill from the price of its order, as a fraction."""


def value(instrument: Instrument, qty: Decimal, price: Decimal) -> Decimal:
    """Return the value of a quantity at a price, in the settlement currency.

    A contract is inverse: `qty * face_value / price`, in whichever area it settles. No document
    shows another formula (design: The wire). A pair is worth `qty * price` in its quote currency.
    """
    return qty * instrument.face_value / price if instrument.is_contract else qty * price


def price_of(instrument: Instrument, qty: Decimal, worth: Decimal) -> Decimal:
    """Return the price at which a quantity has this worth: the inverse of `value()`."""
    price = qty * instrument.face_value / worth if instrument.is_contract else worth / qty
    return round(price, PRICE_DECIMALS)


def value_of_fill(fill: Fill, instrument: Instrument, near: Decimal | None = None) -> Decimal:
    """Return the value of a fill before fees, in the settlement currency.

    The venue shows no price of a fill (design: The wire). The value follows from the average prices
    of the order before and after it; where these are not plausible, from the price that they must
    be `near`: that of the order, if none is given.
    """
    plain_value = value(instrument, fill.qty, near or fill.order.price)
    averages = [order.avg_price for order in (fill.before, fill.order) if order.filled]
    if not all(averages):
        return plain_value
    after = value(instrument, fill.order.filled, fill.order.avg_price)
    if fill.before.filled:
        after -= value(instrument, fill.before.filled, fill.before.avg_price)
    return after if abs(after / plain_value - 1) < BELIEVABLE else plain_value
