"""Margin: what orders bind, and the price at which a position would be liquidated.

No document of the venue names these rules. That of orders fits every captured row; that of
liquidation fits captured positions (design: The wire). The paper exchange goes by the same ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from market_maker.models import ZERO, Instrument, OrderRequest, Side
from market_maker.money.valuation import value
from market_maker.symbol import base_of

FEES = Decimal("0.0015")
"""What an opening order binds for its fees, as a fraction of its value."""
LIQUIDATION = Decimal("0.00575")
"""Margin and profit at which a leg is liquidated, as a fraction of its value: 0.5 % and a fee."""
PRINTED = Decimal("0.000001")
"""The step of the margin of an order, which is cut down to it."""


@dataclass(frozen=True, slots=True)
class Leverage:
    """The leverage of each leg, and whether they share the balance (cross) as margin."""

    long: Decimal
    short: Decimal
    is_cross: bool = False

    def of(self, is_long: bool) -> Decimal:
        """Return the leverage of a leg."""
        return self.long if is_long else self.short


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """A leg of a position: contracts, their worth when they were opened, and their margin.

    Amounts are in the settlement currency.
    """

    is_long: bool
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO

    def profit(self, worth: Decimal) -> Decimal:
        """Return the profit of the leg when its contracts are worth so much."""
        return self.cost - worth if self.is_long else worth - self.cost


def order_margin(instrument: Instrument, order: OrderRequest, leverage: Leverage) -> Decimal:
    """Return what an order binds: of contracts in the settlement currency, nothing if it closes.

    An opening order binds `value / leverage + value * 0.0015`, cut down to 1e-6. On spot a buy
    binds its cost in the quote currency, a sell what it sells in the base currency.
    """
    if not instrument.is_contract:
        return order.qty * order.price if order.side is Side.BUY else order.qty
    if order.close:
        return ZERO
    worth = value(instrument, order.qty, order.price)
    needed = worth / leverage.of(order.side is Side.BUY) + worth * FEES
    return needed.quantize(PRINTED, ROUND_FLOOR)


def bound(
    instrument: Instrument, orders: Iterable[OrderRequest], leverage: Leverage
) -> Mapping[str, Decimal]:
    """Return what orders bind together, by currency: on spot of both, else of the settlement's."""
    found, base = {instrument.settle_currency: ZERO}, base_of(instrument.symbol)
    found |= {} if instrument.is_contract else {base: ZERO}
    for order in orders:
        is_base = not instrument.is_contract and order.side is Side.SELL
        found[base if is_base else instrument.settle_currency] += order_margin(
            instrument, order, leverage
        )
    return found


def liquidation_price(
    instrument: Instrument, legs: Iterable[Stake], shared: Decimal | None = None
) -> Decimal | None:
    """Return where legs are liquidated: each by its own margin, or all by a `shared` balance.

    That is where margin and profit have fallen to LIQUIDATION of the value. Of several legs with
    margins of their own it is that of the largest. None if there is no such price.
    """
    held = [leg for leg in legs if leg.qty]
    if not held:
        return None
    if shared is None:
        largest = max(held, key=lambda leg: leg.qty)
        return _liquidated_at(instrument, [largest], largest.margin)
    return _liquidated_at(instrument, held, shared)


def margin_left(instrument: Instrument, leg: Stake, liquidation: Decimal) -> Decimal:
    """Return the margin of a leg that is liquidated at a price."""
    worth = value(instrument, leg.qty, liquidation)
    return worth * LIQUIDATION - leg.profit(worth)


def _liquidated_at(
    instrument: Instrument, legs: Iterable[Stake], margin: Decimal
) -> Decimal | None:
    """Return the price at which `margin` and profit have fallen to LIQUIDATION of the value.

    With w the worth of one contract, margin + sum of +-(cost - qty w) - LIQUIDATION qty w = 0 is
    linear in w.
    """
    rest, slope = margin, ZERO
    for leg in legs:
        sign = 1 if leg.is_long else -1
        rest += sign * leg.cost
        slope += leg.qty * (sign + LIQUIDATION)
    if not slope or rest / slope <= 0:
        return None
    return instrument.face_value * slope / rest
