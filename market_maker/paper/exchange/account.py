"""An account: coins in three wallets, and the long and short leg of each contract position.

Contracts are inverse: one contract is worth `face / price` of the settlement currency. That worth
is rounded once per price; everything else is linear in the quantity. Money is in coins of the
settlement currency, quantities are whole contracts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from enum import Enum, IntEnum
from typing import NamedTuple

ZERO = Decimal(0)
ATOM = Decimal("1e-18")  # all money is a multiple of it; 28 digits leave room for 10^9 coins
MILLIONTH = Decimal("0.000001")

TAKER_FEE = Decimal("0.00075")  # half of the 0.0015 in the captured order margins
MAKER_FEE = Decimal("0.00025")  # undocumented; charged, not paid, so as not to flatter a strategy
MAINTENANCE = Decimal("0.005")
LIQUIDATION = (
    MAINTENANCE + TAKER_FEE
)  # margin ratio at which a leg is liquidated (design: The wire)
MAX_LEVERAGE = Decimal(100)


class Wallet(IntEnum):
    """The three accounts of a user, with the numbers `account/transfer` uses."""

    FUNDING = 1
    CONTRACT = 2
    SPOT = 3


class Mode(Enum):
    """Margin modes, with the numbers of the wire."""

    CROSS = 1
    ISOLATED = 2


class Contract(NamedTuple):
    """The ledger's name of a contract: settlement area and symbol."""

    area: str
    symbol: str


class LegKey(NamedTuple):
    """One side of one contract."""

    area: str
    symbol: str
    long: bool

    @property
    def contract(self) -> Contract:
        """Return the contract without the side."""
        return Contract(self.area, self.symbol)


Marks = Mapping[Contract, Decimal]
"""The worth of one contract at its mark price, by contract."""


def money(amount: Decimal) -> Decimal:
    """Return an amount rounded to `ATOM`, the smallest unit of the ledger."""
    return amount.quantize(ATOM)


def worth(*, face: Decimal, price: Decimal) -> Decimal:
    """Return the worth of one contract at a price, in coins of its settlement currency."""
    return money(face / price)


def order_margin(
    *, qty: Decimal | int, face: Decimal, price: Decimal, leverage: Decimal
) -> Decimal:
    """Return the margin that an opening order holds, in coins.

    The formula (design: The wire) fits every captured row.
    """
    value = qty * face / price
    return (value / leverage + value * 2 * TAKER_FEE).quantize(MILLIONTH, ROUND_FLOOR)


@dataclass(slots=True)
class Balance:
    """Coins of one asset in one wallet; `held` is reserved by orders or by a withdrawal."""

    total: Decimal = ZERO
    held: Decimal = ZERO


@dataclass(slots=True)
class Leg:
    """One side of a hedge-mode position; close orders reserve `bound` contracts of its `qty`."""

    long: bool
    qty: int = 0
    bound: int = 0
    cost: Decimal = ZERO  # its worth when it was opened
    margin: Decimal = ZERO
    realised: Decimal = ZERO  # profit of closed parts, fees and funding
    top_up: bool = False
    liquidated: bool = False

    def profit(self, each: Decimal) -> Decimal:
        """Return the unrealised profit when one contract is worth `each` coins."""
        return self.cost - self.qty * each if self.long else self.qty * each - self.cost

    def add(self, *, qty: int, value: Decimal, leverage: Decimal) -> None:
        """Open `qty` contracts that are worth `value` coins together."""
        self.qty += qty
        self.cost += value
        self.margin += money(value / leverage)
        self.liquidated = False

    def remove(self, *, qty: int, value: Decimal) -> Decimal:
        """Close `qty` contracts for `value` coins, release their margin, and return the profit."""
        cost, margin = self.cost, self.margin
        if qty < self.qty:
            cost = money(cost * qty / self.qty)
            margin = money(margin * qty / self.qty)
        self.qty -= qty
        self.cost -= cost
        self.margin -= margin
        return cost - value if self.long else value - cost

    def spare(self, each: Decimal) -> Decimal:
        """Return margin plus profit less the liquidation margin, in coins; negative: liquidate."""
        return self.margin + self.profit(each) - money(self.qty * each * LIQUIDATION)

    def bankrupt(self, each: Decimal, margin: Decimal | None = None) -> bool:
        """Return whether the loss exceeds the margin when one contract is worth `each` coins."""
        return (self.margin if margin is None else margin) + self.profit(each) < 0

    def price_at(self, *, face: Decimal, ratio: Decimal, margin: Decimal | None = None) -> Decimal:
        """Return the price at which margin plus profit is `ratio` of the value, 0 if there is none.

        Ratio 0 gives the bankruptcy price, `LIQUIDATION` the liquidation price.
        """
        margin = self.margin if margin is None else margin
        value = self.cost + margin if self.long else self.cost - margin
        if not self.qty or value <= 0:
            return ZERO
        return self.qty * face * (1 + ratio if self.long else 1 - ratio) / value


@dataclass(slots=True)
class Setting:
    """Margin mode and leverages of one contract in one account."""

    mode: Mode
    cross: Decimal = Decimal(10)
    long: Decimal = Decimal(10)
    short: Decimal = Decimal(10)

    def leverage(self, long: bool) -> Decimal:
        """Return the leverage in force for a side."""
        if self.mode is Mode.CROSS:
            return self.cross
        return self.long if long else self.short


@dataclass(slots=True)
class Account:
    """Everything that one owner holds. Amounts are in coins, quantities in contracts."""

    owner: str
    mode: Mode
    balances: dict[tuple[Wallet, str], Balance] = field(default_factory=dict)
    legs: dict[LegKey, Leg] = field(default_factory=dict)
    settings: dict[Contract, Setting] = field(default_factory=dict)

    def balance(self, wallet: Wallet, asset: str) -> Balance:
        """Return the balance of an asset; the first call creates an empty one."""
        return self.balances.setdefault((wallet, asset), Balance())

    def leg(self, key: LegKey) -> Leg:
        """Return one side of a position; the first call creates an empty one."""
        leg = self.legs.get(key)
        if leg is None:
            leg = self.legs[key] = Leg(key.long)
        return leg

    def qty(self, key: LegKey) -> int:
        """Return the contracts held on a side."""
        leg = self.legs.get(key)
        return leg.qty if leg else 0

    def setting(self, contract: Contract) -> Setting:
        """Return the setting of a contract; the first call creates the default one."""
        return self.settings.setdefault(contract, Setting(self.mode))

    def legs_in(self, area: str) -> Iterator[tuple[LegKey, Leg]]:
        """Yield the legs that settle in an area."""
        return ((key, leg) for key, leg in self.legs.items() if key.area == area)

    def crossed_in(self, area: str) -> Iterator[tuple[LegKey, Leg]]:
        """Yield the legs of an area that share its balance as margin."""
        for key, leg in self.legs_in(area):
            if leg.qty and self.setting(key.contract).mode is Mode.CROSS:
                yield key, leg

    def pos_margin(self, area: str) -> Decimal:
        """Return the margin of all positions of a settlement area."""
        return sum((leg.margin for _, leg in self.legs_in(area)), ZERO)

    def available(self, wallet: Wallet, asset: str) -> Decimal:
        """Return the total less held coins and, in the contract wallet, less position margin."""
        balance = self.balance(wallet, asset)
        free = balance.total - balance.held
        return free - self.pos_margin(asset) if wallet is Wallet.CONTRACT else free

    def usable(self, area: str, marks: Marks) -> Decimal:
        """Return the coins that may be used: available less the net loss of crossed legs."""
        profit = sum((leg.profit(marks[key.contract]) for key, leg in self.crossed_in(area)), ZERO)
        return self.available(Wallet.CONTRACT, area) + min(profit, ZERO)

    def cross_spare(self, area: str, marks: Marks) -> Decimal:
        """Return the shared margin of crossed legs less their liquidation margin, in coins.

        Order margin counts as shared: orders are cancelled before positions are liquidated.
        """
        crossed = list(self.crossed_in(area))
        spare = self.balance(Wallet.CONTRACT, area).total - self.pos_margin(area)
        return spare + sum((leg.spare(marks[key.contract]) for key, leg in crossed), ZERO)

    def liquidatable(self, marks: Marks) -> list[list[LegKey]]:
        """Return groups of legs whose margin no longer carries them.

        An isolated leg is a group of its own; all crossed legs of an area are one group.
        """
        found = [
            [key]
            for key, leg in self.legs.items()
            if leg.qty
            and self.setting(key.contract).mode is Mode.ISOLATED
            and leg.spare(marks[key.contract]) < 0
        ]
        for area in sorted({key.area for key in self.legs}):
            crossed = [key for key, _ in self.crossed_in(area)]
            if crossed and self.cross_spare(area, marks) < 0:
                found.append(crossed)
        return found
