"""What a run has earned with its own fills, before fees."""

from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Side
from market_maker.money.valuation import is_inverse, value, value_of_fill


class ProfitLedger:
    """Adds up what was paid for and received by our fills, each booked once."""

    def __init__(self) -> None:
        self.bought = ZERO
        self.sold = ZERO
        """In contracts or base currency."""
        self.fills = 0
        self.paid = ZERO
        """Paid less received, in the settlement currency."""

    @property
    def net(self) -> Decimal:
        """Bought less sold."""
        return self.bought - self.sold

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book one of our fills."""
        self.fills += 1
        if fill.side is Side.BUY:
            self.bought += fill.qty
        else:
            self.sold += fill.qty
        self.paid += fill.side.sign * value_of_fill(fill, instrument)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return what was earned, what is open valued at `price`, in the settlement currency.

        An inverse contract is worth less of it the higher the price.
        """
        worth = value(instrument, abs(self.net), price)
        earned = (worth if self.net > 0 else -worth) - self.paid
        return -earned if is_inverse(instrument) else earned
