"""Position and profit, from own fills and the venue's rows in their order of arrival."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.models import ZERO, Fill, Fund, Instrument, Margin, Position, Side, Snapshot
from market_maker.money.balance import BalanceLedger, Realised, Step
from market_maker.money.fees import FeeLedger
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger
from market_maker.money.valuation import value, value_of_fill

PRICE_DECIMALS = 8
"""Of the price of a fill: it follows from average prices, which the venue prints with six."""
SAME = 2
"""Values that differ by less than this factor are by the same rule, at different moments."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill as it was booked: its price, and its fee in a currency (below zero: received)."""

    price: Decimal
    fee: Decimal
    fee_currency: str


class Money:
    """The entry point of this package: position and profit from own fills, each booked once."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self.trades = ProfitLedger()
        self.fees = FeeLedger()
        self.realised = Realised()
        self.balance = BalanceLedger()
        self.base = BalanceLedger()
        """Of a pair, that of its base currency."""
        self.doubt = ""
        """Why profit and value cannot be trusted; empty while the venue's rows agree with ours."""
        self._earlier_funding = ZERO
        """Funding of this run before its restart."""
        self._before: Instrument | None = None
        """The instrument when the balance was last looked at."""

    @property
    def funding(self) -> Decimal:
        """The funding received in this run; below zero: paid."""
        return self._earlier_funding + self.balance.funding

    def book(self, fill: Fill, instrument: Instrument | None) -> Booked | None:
        """Book an own fill, once; without an instrument it counts for the position alone."""
        self.position.book(fill)
        if not instrument:
            return None
        self.trades.book(fill, instrument)
        worth = value_of_fill(fill, instrument)
        self.realised.book(fill, worth)
        fee, currency = self.fees.book(fill, worth, instrument)
        face = fill.qty * instrument.face_value
        price = face / worth if instrument.is_contract else worth / fill.qty
        return Booked(round(price, PRICE_DECIMALS), fee, currency)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return the profit of this run after fees and funding, the open quantity at `price`."""
        return self.trades.profit(instrument, price) - self.fees.worth(price) + self.funding

    def audit(self, snapshot: Snapshot, now: float, shown_at: float) -> list[Step]:
        """Compare the balance, shown at `shown_at`, with what explains it; see `BalanceLedger`.

        Of a pair those of both currencies.

        Times are in seconds of a steady clock. Returns what was booked, if anything.
        """
        instrument, before = snapshot.instrument, self._before
        self._before = instrument
        if instrument.is_contract and not self.position.has_mismatch():
            self.realised.see(snapshot.position, instrument)
        if snapshot.margin is None:
            return []
        if before and instrument.is_contract and _has_funded(before, instrument):
            rate, net = before.funding_rate or ZERO, self.realised.net
            marks = [each.mark_price for each in (before, instrument) if each.mark_price]
            due = (-value(instrument, net, mark) * rate for mark in marks)
            self.balance.predict(tuple(each for each in due if each), now)
        explained = self.realised.total if instrument.is_contract else -self.trades.paid
        balances: list[tuple[BalanceLedger, Margin | Fund, Decimal, Decimal]]
        balances = [(self.balance, snapshot.margin, explained, self.fees.paid)]
        if not instrument.is_contract and (base := snapshot.funds.get(Side.SELL)):
            balances.append((self.base, base, self.trades.net, self.fees.paid_base))
        found = []
        for ledger, shown, realised, fees in balances:
            step = ledger.see(shown.total, shown_at, realised=realised, fees=fees)
            found += [replace(step, currency=shown.currency)] if step else []
        return found

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

    def as_text(self) -> dict[str, str]:
        """Return trades, fees and funding of this run as text, to resume them after a restart."""
        paid = {"fees": self.fees.paid, "fees_base": self.fees.paid_base, "funding": self.funding}
        return self.trades.as_text() | {name: f"{amount:f}" for name, amount in paid.items()}

    def resume_from(self, text: Mapping[str, str]) -> None:
        """Resume from the text of `as_text()`; one of an earlier version has no fees.

        Raises ValueError or ArithmeticError for any other text; nothing is changed then.
        """
        names = ("fees", "fees_base", "funding")
        paid, base, funding = (Decimal(text.get(name, "0")) for name in names)
        if not all(each.is_finite() for each in (paid, base, funding)):
            raise ValueError("not a finite number")
        self.trades.resume_from(text)
        self.fees.paid, self.fees.paid_base, self._earlier_funding = paid, base, funding


def _has_funded(before: Instrument, now: Instrument) -> bool:
    """Return whether the hours until funding have begun again: it was just due."""
    left, left_before = now.funding_hours, before.funding_hours
    return left is not None and left_before is not None and left > left_before
