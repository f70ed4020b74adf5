"""Position and profit, fed by our fills and the venue's rows in the order in which they arrive."""

from decimal import Decimal

from market_maker.models import Fill, Instrument
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger


class Money:
    """The door of the room: the one place that knows what our fills have done."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self._profit = ProfitLedger()

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book one of our fills, each once."""
        self.position.book(fill)
        self._profit.book(fill, instrument)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return what was earned before fees, open position at `price` included.

        In the settlement currency.
        """
        return self._profit.profit(instrument, price)
