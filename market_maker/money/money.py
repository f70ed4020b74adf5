"""Position and profit, from own fills and the venue's rows in their order of arrival."""

from collections.abc import Mapping
from decimal import Decimal

from market_maker.models import Fill, Instrument
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger


class Money:
    """The entry point of this package: position and profit from own fills, each booked once."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self.trades = ProfitLedger()

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book an own fill, once."""
        self.position.book(fill)
        self.trades.book(fill, instrument)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return the profit before fees, open position at `price` included.

        In the settlement currency.
        """
        return self.trades.profit(instrument, price)

    def as_text(self) -> dict[str, str]:
        """Return the trades of this run as text, to resume them after a restart."""
        trades = self.trades
        return {
            "bought": str(trades.bought),
            "sold": str(trades.sold),
            "fills": str(trades.fills),
            "paid": str(trades.paid),
        }

    def resume_from(self, text: Mapping[str, str]) -> None:
        """Resume the trades from the text of `as_text()`.

        Raises ValueError or ArithmeticError for any other text; nothing is changed then.
        """
        bought, sold, paid = (Decimal(text.get(name, "?")) for name in ("bought", "sold", "paid"))
        fills = int(text.get("fills", "?"))
        if not all(number.is_finite() for number in (bought, sold, paid)):
            raise ValueError("not a finite number")
        trades = self.trades
        trades.bought, trades.sold, trades.paid, trades.fills = bought, sold, paid, fills
