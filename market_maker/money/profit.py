"""The profit of a run from its own fills, before fees."""

from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Side
from market_maker.money.valuation import is_inverse, value, value_of_fill


class ProfitLedger:
    """Adds up the payments of own fills, each booked once."""

    def __init__(self) -> None:
        self.bought = ZERO
        self.sold = ZERO
        """Quantity in contracts or base currency."""
        self.fills = 0
        self.paid = ZERO
        """Value bought less value sold, in the settlement currency."""

    @property
    def net(self) -> Decimal:
        """Quantity bought less quantity sold."""
        return self.bought - self.sold

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book an own fill, once."""
        self.fills += 1
        if fill.side is Side.BUY:
            self.bought += fill.qty
        else:
            self.sold += fill.qty
        self.paid += fill.side.sign * value_of_fill(fill, instrument)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return the profit in the settlement currency, with the open quantity valued at `price`.

        The value of an inverse contract falls as the price rises, so its sign is reversed.
        """
        worth = value(instrument, abs(self.net), price)
        earned = (worth if self.net > 0 else -worth) - self.paid
        return -earned if is_inverse(instrument) else earned
