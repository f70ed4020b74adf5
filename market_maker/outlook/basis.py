"""What an outlook starts from: market and account, read or assumed, and the rules of a run."""

from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.models import ZERO, Instrument, Leg, Margin, OrderRequest, Side, Snapshot
from market_maker.money import Leverage, Rates, Stake, margin_left, value
from market_maker.outlook.requests import Volatility


@dataclass(frozen=True, slots=True)
class Holding:
    """The legs of a contract and the balance that carries them."""

    legs: tuple[Stake, Stake]
    """The long one, and the short one."""
    balance: Decimal

    @property
    def net(self) -> Decimal:
        """Long less short, in contracts."""
        return self.legs[0].qty - self.legs[1].qty

    def equity(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return the balance and the profit of both legs at a price."""
        profits = (leg.profit(value(instrument, leg.qty, price)) for leg in self.legs)
        return self.balance + sum(profits, ZERO)

    def filled(self, order: OrderRequest, worth: Decimal, leverage: Leverage) -> "Holding":
        """Return the holding after a fill of this worth."""
        is_long = (order.side is Side.BUY) is not order.close
        leg, other = self.legs if is_long else self.legs[::-1]
        balance = self.balance
        if order.close:
            left = 1 - order.qty / leg.qty
            after = replace(
                leg, qty=leg.qty - order.qty, cost=leg.cost * left, margin=leg.margin * left
            )
            paid = leg.cost - after.cost
            balance += paid - worth if is_long else worth - paid
        else:
            after = replace(
                leg,
                qty=leg.qty + order.qty,
                cost=leg.cost + worth,
                margin=leg.margin + worth / leverage.of(is_long),
            )
        return Holding((after, other) if is_long else (other, after), balance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What of the settings an outlook needs, and the move that it is asked about."""

    strategy: str
    rates: Rates
    relist: Decimal
    """RELIST_INTERVAL, a fraction."""
    seconds: float
    """LOOP_INTERVAL."""
    max_loss: Decimal | None
    """MAX_LOSS in the settlement currency; None for no limit."""
    move: Decimal
    """How far the price moves in the worst case to look at, as a fraction."""
    doubts: tuple[str, ...] = ()
    """What is doubtful about the settings by themselves, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Market and account of one moment. The snapshot has a margin, and no own orders."""

    snapshot: Snapshot
    leverage: Leverage
    volatility: Volatility
    notes: tuple[str, ...] = ()
    """Where the account is from, what was assumed, and what was left out, in words."""

    @property
    def margin(self) -> Margin:
        """The account."""
        assert self.snapshot.margin
        return self.snapshot.margin

    @property
    def price(self) -> Decimal:
        """The price that values a position now; without one, that of the book."""
        return self.snapshot.instrument.valuation_price or self.snapshot.ticker.near

    def holding(self) -> Holding:
        """Return what the account holds; a leg without a known entry was opened now.

        The margin of a leg follows from its liquidation price where the venue shows one, as it may
        have been raised; else from its leverage.
        """
        position = self.snapshot.position
        legs = self._stake(position.long, is_long=True), self._stake(position.short, is_long=False)
        return Holding(legs, self.margin.total)

    def elsewhere(self) -> Decimal:
        """Return the margin of other positions, which do not share the balance."""
        own = sum((leg.margin for leg in self.holding().legs), ZERO)
        return max((self.margin.position_margin or ZERO) - own, ZERO)

    def _stake(self, leg: Leg, *, is_long: bool) -> Stake:
        if not leg.qty:
            return Stake(is_long=is_long)
        instrument, leverage = self.snapshot.instrument, self.leverage
        cost = value(instrument, leg.qty, leg.entry_price or self.price)
        margin = cost / leverage.of(is_long)
        stake = Stake(is_long=is_long, qty=leg.qty, cost=cost, margin=margin)
        if leverage.is_cross or not leg.liquidation_price or leg.liquidation_price < 0:
            return stake
        return replace(
            stake, margin=max(margin_left(instrument, stake, leg.liquidation_price), ZERO)
        )
