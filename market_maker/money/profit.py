"""The profit of a run from its own fills, before fees."""

from collections.abc import Mapping
from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Side
from market_maker.money.valuation import value, value_of_fill


class ProfitLedger:
    """Adds up the payments of own fills, each booked once."""

    def __init__(self) -> None:
        self.bought = self.sold = ZERO
        """Quantities in contracts or base currency."""
        self.fills = 0
        self.paid = ZERO
        """Value bought less value sold, in the settlement currency."""
        self.seized = ZERO
        """Own contracts that no own fill has closed: by hand, liquidated; below zero long ones."""

    @property
    def net(self) -> Decimal:
        """Quantity bought less quantity sold, less what has gone without an own fill."""
        return self.bought - self.sold + self.seized

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book an own fill, once."""
        self.fills += 1
        if fill.side is Side.BUY:
            self.bought += fill.qty
        else:
            self.sold += fill.qty
        self.paid += fill.side.sign * value_of_fill(fill, instrument)

    def seize(self, qty: Decimal, worth: Decimal) -> None:
        """Take own contracts out (below zero: long ones), at this worth above zero."""
        self.seized += qty
        self.paid += worth if qty > 0 else -worth

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return the profit before fees in the settlement currency.

        The open quantity is valued at `price`. The value of a contract, which is inverse, falls as
        the price rises, so its sign is reversed.
        """
        worth = value(instrument, abs(self.net), price)
        earned = (worth if self.net > 0 else -worth) - self.paid
        return -earned if instrument.is_contract else earned

    def as_text(self) -> dict[str, str]:
        """Return what was traded as text, to resume it after a restart."""
        names = ("bought", "sold", "fills", "paid", "seized")
        return {name: str(getattr(self, name)) for name in names}

    def resume_from(self, text: Mapping[str, str]) -> None:
        """Resume what was traded from the text of `as_text()`.

        Raises ValueError or ArithmeticError for any other text; nothing is changed then.
        """
        bought, sold, paid = (Decimal(text.get(name, "?")) for name in ("bought", "sold", "paid"))
        seized = Decimal(text.get("seized", "0"))  # an earlier version has none
        fills = int(text.get("fills", "?"))
        if not all(number.is_finite() for number in (bought, sold, paid, seized)):
            raise ValueError("not a finite number")
        self.bought, self.sold, self.paid, self.seized = bought, sold, paid, seized
        self.fills = fills
