"""Position and profit, fed by our fills and the venue's rows in the order in which they arrive."""

from collections.abc import Mapping
from decimal import Decimal

from market_maker.models import Fill, Instrument
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger


class Money:
    """The door of the room: the one place that knows what our fills have done."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self.trades = ProfitLedger()

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book one of our fills, each once."""
        self.position.book(fill)
        self.trades.book(fill, instrument)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return what was earned before fees, open position at `price` included.

        In the settlement currency.
        """
        return self.trades.profit(instrument, price)

    def as_text(self) -> dict[str, str]:
        """Return the trades of this run so far, for the program that takes its place."""
        trades = self.trades
        return {
            "bought": str(trades.bought),
            "sold": str(trades.sold),
            "fills": str(trades.fills),
            "paid": str(trades.paid),
        }

    def resume_from(self, text: Mapping[str, str]) -> None:
        """Count on from the trades of the program before this one.

        Raises ValueError or ArithmeticError, with nothing taken, for text that `as_text()` has not
        written.
        """
        bought, sold, paid = (Decimal(text.get(name, "?")) for name in ("bought", "sold", "paid"))
        fills = int(text.get("fills", "?"))
        if not all(number.is_finite() for number in (bought, sold, paid)):
            raise ValueError("not a finite number")
        trades = self.trades
        trades.bought, trades.sold, trades.paid, trades.fills = bought, sold, paid, fills
