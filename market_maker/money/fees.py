"""Fees: what a fill cost, predicted from the rates and checked against what the venue prints."""

from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from market_maker.models import ZERO, Fill, Instrument, Side
from market_maker.money.valuation import value
from market_maker.symbol import base_of

PRINTED = Decimal("0.000001")
"""The step of the amounts that the venue prints, cut towards zero."""
SLACK = Decimal("1e-9")
"""How far the value of a fill may be off, as average prices are printed with six decimals."""
REMEMBER = 10_000
"""Orders whose fees so far are kept."""


class Rates(NamedTuple):
    """Fees as fractions of the value of a fill; below zero the venue pays."""

    maker: Decimal = Decimal("0.00025")
    taker: Decimal = Decimal("0.00075")
    """No document names them: that of takers follows from the margin of captured orders."""


@dataclass(slots=True)
class _OfOrder:
    """The fills of one order so far: what they are charged on, and what they were charged."""

    basis: Decimal = ZERO
    fee: Decimal = ZERO


class FeeLedger:
    """The fees of own fills, each booked once.

    A fee is charged on the value of a fill; for a pair it is paid in the coin that is received, so
    a buy pays in base currency. Order rows print the fees of an order so far, cut to PRINTED. Where
    the rates do not explain the printed digits, these are booked.
    """

    def __init__(self) -> None:
        self.paid = ZERO
        """In the settlement currency of contracts, the quote currency of a pair."""
        self.paid_base = ZERO
        """In the base currency of a pair."""
        self.contradiction = ""
        """The first fee that the rates do not explain, in words; empty while there is none."""
        self.rates = Rates()
        """What is expected."""
        self._orders: OrderedDict[str, _OfOrder] = OrderedDict()

    def book(self, fill: Fill, worth: Decimal, instrument: Instrument) -> tuple[Decimal, str]:
        """Book the fee of a fill of this worth; return it with its currency."""
        is_base = _is_paid_in_base(fill, instrument)
        so_far = self._orders.setdefault(fill.order.client_oid, self._before(fill, instrument))
        basis = fill.qty if is_base else worth
        so_far.basis += basis
        total = self._total(so_far, basis, fill)
        fee, so_far.fee = total - so_far.fee, total
        while len(self._orders) > REMEMBER:
            self._orders.popitem(last=False)
        if is_base:
            self.paid_base += fee
            return fee, base_of(instrument.symbol)
        self.paid += fee
        return fee, instrument.settle_currency

    def worth(self, price: Decimal) -> Decimal:
        """Return all fees in the settlement currency, base currency valued at `price`."""
        return self.paid + self.paid_base * price

    def _before(self, fill: Fill, instrument: Instrument) -> _OfOrder:
        """Return what an order had been charged before its first fill that is booked."""
        order = fill.before
        if not order.filled:
            return _OfOrder()
        worth = value(instrument, order.filled, order.avg_price or order.price)
        basis = order.filled if _is_paid_in_base(fill, instrument) else worth
        return _OfOrder(basis, _charged(order.fee or ZERO, self.rates.maker))

    def _total(self, so_far: _OfOrder, basis: Decimal, fill: Fill) -> Decimal:
        """Return the fees of an order so far, its latest fill of this basis included."""
        maker, taker = self.rates
        first, second = (taker, maker) if fill.order.is_taker else (maker, taker)
        likely = so_far.fee + basis * first
        if fill.order.fee is None:
            return likely
        printed = _charged(fill.order.fee, maker)
        for total in (likely, so_far.fee + basis * second):
            if _is_printed(total, printed):
                return total
        low, high = so_far.basis * min(maker, taker), so_far.basis * max(maker, taker)
        if not low - PRINTED <= printed <= high + SLACK and not self.contradiction:
            rate = printed / so_far.basis
            self.contradiction = (
                f"order {fill.order.order_id} was charged {printed:f} on {so_far.basis:.8f}, "
                f"{rate:.6%}; {first:.3%} was expected"
            )
        return printed


def _charged(printed: Decimal, maker: Decimal) -> Decimal:
    """Return a printed fee, below zero for a rebate; without one its sign tells nothing."""
    return printed if maker < 0 and printed < 0 else abs(printed)


def _is_paid_in_base(fill: Fill, instrument: Instrument) -> bool:
    return not instrument.is_contract and fill.side is Side.BUY


def _is_printed(total: Decimal, printed: Decimal) -> bool:
    """Return whether an amount is printed so: cut towards zero."""
    size, shown = abs(total), abs(printed)
    same_sign = total * printed > 0 or size < PRINTED + SLACK
    return same_sign and shown - SLACK <= size < shown + PRINTED + SLACK
