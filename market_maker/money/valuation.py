"""What contracts are worth, in the settlement currency. The only place that says so."""

from decimal import Decimal

from market_maker.models import Fill, Instrument

BELIEVABLE = Decimal("0.1")
"""A fill is not believed to be further from its order's price, as a fraction."""


def is_inverse(instrument: Instrument) -> bool:
    """Return whether profit is paid in the currency that the contract prices (BTC_USD in BTC)."""
    return instrument.is_contract and instrument.symbol.startswith(instrument.settle_currency)


def value(instrument: Instrument, qty: Decimal, price: Decimal) -> Decimal:
    """Return what so many contracts, or so much base currency, are worth at a price.

    An inverse contract is worth `qty * face_value / price` (gte-api §7.1), any other contract
    `qty * face_value * price`; a pair `qty * price`, in its quote currency.
    """
    if is_inverse(instrument):
        return qty * instrument.face_value / price
    return qty * instrument.face_value * price if instrument.is_contract else qty * price


def value_of_fill(fill: Fill, instrument: Instrument) -> Decimal:
    """Return what was paid or received for a fill, before fees.

    The venue tells no price of a fill (gte-api §6.5): it is what the order's averages before and
    after make of it, and what the order's own price makes of it where they cannot be believed.
    """
    plain_value = value(instrument, fill.qty, fill.order.price)
    averages = [order.avg_price for order in (fill.before, fill.order) if order.filled]
    if not all(averages):
        return plain_value
    after = value(instrument, fill.order.filled, fill.order.avg_price)
    if fill.before.filled:
        after -= value(instrument, fill.before.filled, fill.before.avg_price)
    return after if abs(after / plain_value - 1) < BELIEVABLE else plain_value
