"""What really happened, by the exchange's own events: births, fills and money, in true time."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from market_maker.client_oid import run_of
from market_maker.paper.exchange.account import (
    MAKER_FEE,
    TAKER_FEE,
    ZERO,
    Contract,
    LegKey,
    Wallet,
)
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.events import Action, Event, Filled, Liquidated, OrderChanged
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.exchange.ledger import INSURANCE
from market_maker.paper.market.setup import OWNER
from tests.chaos.shape import PREFIX, Shape
from tests.world.world import World

UNKNOWN_MS = 2_000
"""How long a change by others may be unknown to the bot: a frame is on its way."""


class Legs(NamedTuple):
    """Contracts long and short; for a pair the coins bought and sold."""

    long: Decimal = ZERO
    short: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Return long - short."""
        return self.long - self.short

    def plus(self, other: "Legs") -> "Legs":
        """Return the sum."""
        return Legs(self.long + other.long, self.short + other.short)

    def less(self, other: "Legs") -> "Legs":
        """Return the difference."""
        return Legs(self.long - other.long, self.short - other.short)


@dataclass
class Trades:
    """What was traded, valued by the price of each trade, in the coin of the area."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    fills: int = 0
    paid: Decimal = ZERO
    """Worth bought less worth sold, before fees."""
    turnover: Decimal = ZERO
    fees: Decimal = ZERO
    slack: Decimal = ZERO
    """By how much the prices of takers' fills differ from those of their orders."""
    at: deque[tuple[int, bool]] = field(default_factory=lambda: deque(maxlen=6_000))
    """When the latest fills were, in true ms, and whether each made or took."""

    @property
    def net(self) -> Decimal:
        """Return the quantity bought less that sold."""
        return self.bought - self.sold


class Truth:
    """Sees every event of the exchange. It never asks the bot."""

    def __init__(self, world: World, shape: Shape, is_own: Callable[[Order], bool]) -> None:
        self._world = world
        self._shape = shape
        self._is_own = is_own
        self.born: dict[int, int] = {}
        """When each order of the bot came into being, in true ms."""
        self.runs: defaultdict[str, Trades] = defaultdict(Trades)
        self.own, self.all = Trades(), Trades()
        self.others = Legs()
        """What changed the position and was not the bot."""
        self._others_at: deque[tuple[int, Legs]] = deque(maxlen=1_000)
        self.others_changed_at = -(10**9)
        self._fees = dict.fromkeys(shape.coins, ZERO)
        self._begun = {coin: self._owned(coin) for coin in shape.coins}
        self._insurance = self._insured()

    def see(self, event: Event) -> None:
        """Take in an event of the exchange."""
        now = self._world.timeline.true_ms()
        match event:
            case OrderChanged(Action.INSERT, order) if order.owner == OWNER:
                self.born[order.order_id] = now
            case Filled(order, trade, maker) if order.owner == OWNER:
                self._fill(order, trade.price, trade.qty, maker, now)
            case Liquidated(owner, leg, qty) if owner == OWNER:
                gone = Legs(Decimal(qty), ZERO) if leg.long else Legs(ZERO, Decimal(qty))
                self._by_others(Legs().less(gone), now)

    def legs(self, run: str) -> Legs:
        """Return the position; of a pair what a run has bought and sold."""
        if self._shape.key.kind == CONTRACT:
            long, short = self._world.position()
            return Legs(Decimal(long), Decimal(short))
        trades = self.runs[run]
        return Legs(max(trades.net, ZERO), max(-trades.net, ZERO))

    def views(self, run: str) -> list[Legs]:
        """Return the position as the bot may see it, which may not know the latest of others."""
        legs = self.legs(run)
        if self._shape.key.kind != CONTRACT:
            return [legs]
        now = self._world.timeline.true_ms()
        found, unknown = [legs], Legs()
        for at, change in reversed(self._others_at):
            if now - at > UNKNOWN_MS:
                break
            unknown = unknown.plus(change)
            found.append(legs.less(unknown))
        return found

    def profit_after_fees(self, run: str) -> Decimal:
        """Return the same after fees, those in coins of a pair valued at the price of the fill."""
        return self.profit(run) - self.runs[run].fees

    def profit(self, run: str) -> Decimal:
        """Return the profit of a run before fees at the index price, in the area's coin."""
        return self._profit(self.runs[run])

    def imbalance(self) -> Decimal | None:
        """Return by how much the fills do not explain what the account of this exchange has become.

        In the area's coin, fees included; None after a liquidation, which takes margin away.
        """
        if self._insured() != self._insurance:
            return None
        grown = {coin: self._owned(coin) - self._begun[coin] for coin in self._begun}
        grown = {coin: amount + self._fees[coin] for coin, amount in grown.items()}
        area = self._shape.key.area
        if self._shape.key.kind == CONTRACT:
            return grown[area] - self._profit(self.all)
        base = next(coin for coin in grown if coin != area)
        return abs(grown[area] + self.all.paid) + abs(grown[base] - self.all.net)

    # --- inside ---------------------------------------------------------------------------------

    def _fill(self, order: Order, price: Decimal, qty: Decimal, maker: bool, now: int) -> None:
        sums = [self.all]
        if self._is_own(order):
            sums.append(self.own)
            sums.append(self.runs[run_of(order.client_oid or "", PREFIX)])
        else:
            is_long = (order.side is Side.BUY) is not order.close
            change = -qty if order.close else qty
            self._by_others(Legs(change, ZERO) if is_long else Legs(ZERO, change), now)
        worth, sign = self._shape.worth(qty, price), 1 if order.side is Side.BUY else -1
        fee = MAKER_FEE if maker else TAKER_FEE
        for trades in sums:
            trades.fills += 1
            trades.paid += sign * worth
            trades.turnover += worth
            trades.fees += worth * fee
            trades.slack += abs(worth - self._shape.worth(qty, order.price))
            trades.at.append((now, maker))
            if order.side is Side.BUY:
                trades.bought += qty
            else:
                trades.sold += qty
        if self._shape.key.kind != CONTRACT and order.side is Side.BUY:
            self._fees[order.instrument.base] += qty * fee
        else:
            self._fees[self._shape.key.area] += worth * fee

    def _by_others(self, change: Legs, now: int) -> None:
        self.others = self.others.plus(change)
        self._others_at.append((now, change))
        self.others_changed_at = now

    def _profit(self, trades: Trades) -> Decimal:
        """Return what was paid less today's worth: an inverse contract earns as its worth falls."""
        index = self._world.exchange.listings[self._shape.key].index
        earned = self._shape.worth(trades.net, index) - trades.paid
        return -earned if self._shape.key.kind == CONTRACT else earned

    def _owned(self, coin: str) -> Decimal:
        """Return what the account owns of a coin in all its wallets, open positions included."""
        account, marks = self._world.exchange.ledger.accounts[OWNER], self._world.exchange.marks()
        held = [balance for (_, asset), balance in account.balances.items() if asset == coin]
        owned = sum((balance.total for balance in held), ZERO)
        if self._shape.key.kind == CONTRACT:
            contract = Contract(self._shape.key.area, self._shape.key.symbol)
            legs = [account.legs.get(LegKey(*contract, side)) for side in (True, False)]
            owned += sum((leg.profit(marks[contract]) for leg in legs if leg), ZERO)
        return owned

    def _insured(self) -> Decimal:
        account = self._world.exchange.ledger.accounts[INSURANCE]
        return account.balance(Wallet.CONTRACT, self._shape.key.area).total
