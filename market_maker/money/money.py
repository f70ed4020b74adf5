"""Position and profit, from own fills and the venue's rows in their order of arrival."""

from market_maker.models import Fill, Instrument
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger


class Money:
    """The entry point of this package: position and profit from own fills, each booked once."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self.trades = ProfitLedger()

    def book(self, fill: Fill, instrument: Instrument | None) -> None:
        """Book an own fill, once; without an instrument it counts for the position alone."""
        self.position.book(fill)
        if instrument:
            self.trades.book(fill, instrument)
