"""Position and profit, from own fills and the venue's rows in their order of arrival."""

from market_maker.models import Fill, Instrument, Position
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger
from market_maker.money.valuation import value

SAME = 2
"""Values that differ by less than this factor are by the same rule, at different moments."""


class Money:
    """The entry point of this package: position and profit from own fills, each booked once."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self.trades = ProfitLedger()
        self.doubt = ""
        """Why profit and value cannot be trusted; empty while the venue's rows agree with ours."""

    def book(self, fill: Fill, instrument: Instrument | None) -> None:
        """Book an own fill, once; without an instrument it counts for the position alone."""
        self.position.book(fill)
        if instrument:
            self.trades.book(fill, instrument)

    def compare(self, instrument: Instrument, shown: Position) -> None:
        """Compare our valuation with the venue's, where its rows tell it: see `doubt`."""
        mark = instrument.mark_price
        for leg in (shown.long, shown.short):
            if not (mark and leg.qty and leg.value):
                continue
            ours = value(instrument, leg.qty, mark)
            if not leg.value / SAME < ours < leg.value * SAME:
                self.doubt = (
                    f"the venue values {leg.qty:f} contracts at {leg.value:.8f} "
                    f"{instrument.settle_currency}, we at {ours:.8f}"
                )
                return
        self.doubt = ""
