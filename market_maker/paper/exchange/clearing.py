"""Clearing: what orders reserve and what trades move, for contracts and for spot."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from market_maker.paper.exchange import engine
from market_maker.paper.exchange.account import (
    TAKER_FEE,
    ZERO,
    LegKey,
    Marks,
    Mode,
    Wallet,
    money,
    order_margin,
    worth,
)
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.history import Trade
from market_maker.paper.exchange.instrument import Instrument
from market_maker.paper.exchange.ledger import Ledger, Party
from market_maker.paper.exchange.listing import Listing


class Clearing(Protocol):
    """One way to clear. The exchange calls `admit`, then `bind` at each change of an order.

    Amounts are in coins, except the quantity of contracts.
    """

    def admit(self, listing: Listing, order: engine.Order, close: bool) -> Decimal:
        """Return the leverage of a new order, or raise ApiError if it is not covered."""

    def bind(self, order: Order, before: Order | None) -> Order:
        """Replace the reservation of `before` by that of `order`; return the order with it."""

    def settle(
        self, listing: Listing, trade: Trade, *, buyer: Party, seller: Party
    ) -> tuple[Decimal, tuple[Decimal, Decimal]]:
        """Book a trade; return its value and the two fees (buyer's, seller's)."""


class ContractClearing:
    """Contracts: an opening order reserves margin, a closing order a part of its leg."""

    def __init__(self, ledger: Ledger, marks: Callable[[], Marks]) -> None:
        self._ledger = ledger
        self._marks = marks

    def admit(self, listing: Listing, order: engine.Order, close: bool) -> Decimal:
        """Return the leverage of a new order, or raise ApiError if it is not covered."""
        setting = self._ledger.accounts[order.owner].setting(listing.contract)
        key = LegKey(*listing.contract, (order.side is Side.BUY) != close)
        leverage = setting.leverage(key.long)
        if close:
            self._check_close(listing, key, order, setting.mode)
        else:
            self._check_open(listing, order, leverage)
        return leverage

    def _check_close(self, listing: Listing, key: LegKey, order: engine.Order, mode: Mode) -> None:
        leg = self._ledger.accounts[order.owner].leg(key)
        if leg.liquidated:
            raise ApiError(Code.LIQUIDATED)
        if order.left > leg.qty - leg.bound:
            raise ApiError(Code.NOT_CLOSABLE, "qty")
        price = listing.instrument.price(order.price)
        if mode is Mode.ISOLATED and leg.bankrupt(worth(face=listing.instrument.face, price=price)):
            raise ApiError(Code.BEYOND_BANKRUPTCY, "price")

    def _check_open(self, listing: Listing, order: engine.Order, leverage: Decimal) -> None:
        """Check the margin; the part that would trade at once needs it at its trade prices."""
        face, price = listing.instrument.face, listing.instrument.price
        needed, left = ZERO, order.left
        for ticks, lots in listing.book.reach(side=order.side, price=order.price, qty=left):
            value = lots * worth(face=face, price=price(ticks))
            needed += money(value / leverage) + money(value * TAKER_FEE)
            left -= lots
        needed += order_margin(qty=left, face=face, price=price(order.price), leverage=leverage)
        area = listing.contract.area
        if needed > self._ledger.accounts[order.owner].usable(area, self._marks()):
            raise ApiError(Code.MARGIN_INSUFFICIENT)

    def bind(self, order: Order, before: Order | None) -> Order:
        """Replace the reservation of `before` by that of `order`; return the order with it."""
        if order.close:
            more = int(order.resting - (before.resting if before else ZERO))
            self._ledger.accounts[order.owner].leg(leg_key(order)).bound += more
            return order
        held = ZERO
        if order.resting:
            held = order_margin(
                qty=order.resting,
                face=order.instrument.face,
                price=order.price,
                leverage=order.leverage,
            )
        more_held = held - (before.held if before else ZERO)
        area = order.instrument.key.area
        self._ledger.hold(order.owner, Wallet.CONTRACT, area, more_held)
        return replace(order, held=held)

    def settle(
        self, listing: Listing, trade: Trade, *, buyer: Party, seller: Party
    ) -> tuple[Decimal, tuple[Decimal, Decimal]]:
        """Book a trade; return its value and the two fees (buyer's, seller's)."""
        each = worth(face=listing.instrument.face, price=trade.price)
        qty = int(trade.qty)
        fees = self._ledger.trade(listing.contract, qty=qty, each=each, buyer=buyer, seller=seller)
        return qty * each, fees


class SpotClearing:
    """Spot: a buy reserves the most it may cost, a sell the coins it sells."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def admit(self, listing: Listing, order: engine.Order, close: bool) -> Decimal:
        """Return 1, or raise ApiError if the owner's coins do not cover the order."""
        instrument = listing.instrument
        price, qty = instrument.price(order.price), instrument.qty(order.left)
        asset, needed = _bound(instrument, order.side, price, qty)
        if close or needed > self._ledger.accounts[order.owner].available(Wallet.SPOT, asset):
            raise ApiError(Code.BALANCE_INSUFFICIENT)
        return Decimal(1)

    def bind(self, order: Order, before: Order | None) -> Order:
        """Replace the reservation of `before` by that of `order`; return the order with it."""
        asset, held = _bound(order.instrument, order.side, order.price, order.resting)
        more = held - (before.held if before else ZERO)
        self._ledger.hold(order.owner, Wallet.SPOT, asset, more)
        return replace(order, held=held)

    def settle(
        self, listing: Listing, trade: Trade, *, buyer: Party, seller: Party
    ) -> tuple[Decimal, tuple[Decimal, Decimal]]:
        """Book a trade; return its value and the two fees (buyer's, seller's)."""
        fees = self._ledger.swap(
            base=listing.instrument.base,
            quote=listing.instrument.key.area,
            qty=trade.qty,
            price=trade.price,
            buyer=buyer,
            seller=seller,
        )
        return trade.qty * trade.price, fees


def leg_key(order: Order) -> LegKey:
    """Return the side of the position that an order changes."""
    key = order.instrument.key
    return LegKey(key.area, key.symbol, (order.side is Side.BUY) != order.close)


def _bound(instrument: Instrument, side: Side, price: Decimal, qty: Decimal) -> tuple[str, Decimal]:
    return (instrument.key.area, price * qty) if side is Side.BUY else (instrument.base, qty)
