"""The ledger: who owns what, exactly.

Contracts are inverse: one is worth `face / price` of the settlement currency. That worth is rounded
once, per contract and price, and all else is linear in the quantity; so what one account wins is to
the last digit what others lose, and for every asset at every moment

    sum over accounts of (balances + unrealised profit) + fees = deposits
    total = available + order margin + position margin            (each contract account)
    sum of longs = sum of shorts                                  (each contract)

The insurance fund is an account like any other. Nothing here reads a clock or makes an id.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from enum import Enum, IntEnum
from typing import NamedTuple

from market_maker.paper.refusal import Code, Refused

ZERO = Decimal(0)
ATOM = Decimal("1e-18")  # all money is a multiple of it; 28 digits leave room for 10^9 coins
MILLIONTH = Decimal("0.000001")

MAINTENANCE = Decimal("0.005")
TAKER_FEE = Decimal("0.00075")  # half of the 0.0015 in the captured order margins
MAKER_FEE = Decimal("0.00025")  # undocumented; charged, not paid, so as not to flatter a strategy


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
    """A contract as the ledger knows it: its settlement area and its symbol."""

    area: str
    symbol: str


class LegKey(NamedTuple):
    """One side of one contract."""

    area: str
    symbol: str
    long: bool


def money(amount: Decimal) -> Decimal:
    """Round an amount to the smallest unit the ledger keeps."""
    return amount.quantize(ATOM)


def worth(*, face: Decimal, price: Decimal) -> Decimal:
    """Return what one contract is worth at a price, in its settlement currency."""
    return money(face / price)


def order_margin(*, qty: int, face: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """Return the margin an opening order holds (gte-api 7.1; true of every captured row)."""
    value = qty * face / price
    return (value / leverage + value * 2 * TAKER_FEE).quantize(MILLIONTH, ROUND_FLOOR)


@dataclass(slots=True)
class Balance:
    """Coins in one wallet; `held` is bound by resting orders."""

    total: Decimal = ZERO
    held: Decimal = ZERO


@dataclass(slots=True)
class Leg:
    """One side of a hedge-mode position. `bound` of its `qty` is promised to close orders."""

    long: bool
    qty: int = 0
    bound: int = 0
    cost: Decimal = ZERO  # what it was worth when it was opened
    margin: Decimal = ZERO
    realised: Decimal = ZERO  # profit of closed parts, fees and funding
    top_up: bool = False

    def profit(self, value: Decimal) -> Decimal:
        """Return the profit of the whole leg if it were closed for `value`."""
        return self.cost - value if self.long else value - self.cost

    def add(self, *, qty: int, value: Decimal, leverage: Decimal) -> None:
        """Open more of it."""
        self.qty += qty
        self.cost += value
        self.margin += money(value / leverage)

    def remove(self, *, qty: int, value: Decimal) -> Decimal:
        """Close a part of it for `value`, let its share of the margin go, return the profit."""
        cost, margin = self.cost, self.margin
        if qty < self.qty:
            cost = money(cost * qty / self.qty)
            margin = money(margin * qty / self.qty)
        self.qty -= qty
        self.cost -= cost
        self.margin -= margin
        return cost - value if self.long else value - cost

    def price_at(self, *, face: Decimal, ratio: Decimal) -> Decimal:
        """Return the price at which margin and profit are this ratio of the value, 0 for none.

        Ratio 0 is the bankruptcy price; maintenance and one fee give the liquidation price.
        """
        value = self.cost + self.margin if self.long else self.cost - self.margin
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
    """All that one owner has."""

    owner: str
    mode: Mode
    balances: dict[tuple[Wallet, str], Balance] = field(default_factory=dict)
    legs: dict[LegKey, Leg] = field(default_factory=dict)
    settings: dict[Contract, Setting] = field(default_factory=dict)

    def balance(self, wallet: Wallet, asset: str) -> Balance:
        """Return a balance, a new empty one at the first call."""
        return self.balances.setdefault((wallet, asset), Balance())

    def leg(self, key: LegKey) -> Leg:
        """Return a side of a position, a new empty one at the first call."""
        leg = self.legs.get(key)
        if leg is None:
            leg = self.legs[key] = Leg(key.long)
        return leg

    def setting(self, contract: Contract) -> Setting:
        """Return the setting of a contract, the default one at the first call."""
        return self.settings.setdefault(contract, Setting(self.mode))

    def legs_in(self, area: str) -> Iterator[tuple[LegKey, Leg]]:
        """Yield the legs that settle in an area."""
        return ((key, leg) for key, leg in self.legs.items() if key.area == area)

    def pos_margin(self, area: str) -> Decimal:
        """Return the margin of all positions of a settlement area."""
        return sum((leg.margin for _, leg in self.legs_in(area)), ZERO)

    def available(self, wallet: Wallet, asset: str) -> Decimal:
        """Return what may be moved, or used as margin of new orders."""
        balance = self.balance(wallet, asset)
        free = balance.total - balance.held
        return free - self.pos_margin(asset) if wallet is Wallet.CONTRACT else free


class Party(NamedTuple):
    """One side of a trade. `close` None nets: it closes what it can and opens the rest."""

    owner: str
    close: bool | None
    fee: Decimal


class Ledger:
    """All accounts. It checks before it changes, and never moves money out of the system."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.deposits: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}

    def open_account(self, owner: str, mode: Mode = Mode.ISOLATED) -> Account:
        """Add an empty account."""
        account = self.accounts[owner] = Account(owner, mode)
        return account

    def deposit(self, owner: str, wallet: Wallet, asset: str, amount: Decimal) -> None:
        """Bring coins into the system."""
        self.accounts[owner].balance(wallet, asset).total += amount
        self.deposits[asset] = self.deposits.get(asset, ZERO) + amount

    def hold(self, owner: str, wallet: Wallet, asset: str, amount: Decimal) -> None:
        """Bind more for resting orders, or less when the amount is negative."""
        self.accounts[owner].balance(wallet, asset).held += amount

    def trade(
        self, contract: Contract, *, qty: int, each: Decimal, buyer: Party, seller: Party
    ) -> tuple[Decimal, Decimal]:
        """Book a trade of contracts worth `each`, and return the two fees (buyer's, seller's)."""
        return (
            self._book(contract, buyer, buys=True, qty=qty, each=each),
            self._book(contract, seller, buys=False, qty=qty, each=each),
        )

    def _book(
        self, contract: Contract, party: Party, *, buys: bool, qty: int, each: Decimal
    ) -> Decimal:
        account = self.accounts[party.owner]
        closed = LegKey(*contract, not buys)
        to_close = qty if party.close else 0
        if party.close is None:
            to_close = min(qty, account.leg(closed).qty)
        fee = money(qty * each * party.fee)
        total = -fee
        if to_close:
            leg = account.leg(closed)
            profit = leg.remove(qty=to_close, value=to_close * each)
            leg.realised += profit
            total += profit
        if qty > to_close:
            leg = account.leg(LegKey(*contract, buys))
            leverage = account.setting(contract).leverage(buys)
            leg.add(qty=qty - to_close, value=(qty - to_close) * each, leverage=leverage)
        leg.realised -= fee
        account.balance(Wallet.CONTRACT, contract.area).total += total
        self.fees[contract.area] = self.fees.get(contract.area, ZERO) + fee
        return fee

    def check_margin(self, owner: str, area: str, needed: Decimal) -> None:
        """Refuse when an account cannot bind so much more margin."""
        if needed > self.accounts[owner].available(Wallet.CONTRACT, area):
            raise Refused(Code.MARGIN_INSUFFICIENT)

    def imbalance(self, asset: str, marks: Mapping[Contract, Decimal]) -> Decimal:
        """Return how far the first invariant is broken for an asset: 0, always."""
        total = self.fees.get(asset, ZERO) - self.deposits.get(asset, ZERO)
        for account in self.accounts.values():
            total += sum((account.balance(w, asset).total for w in Wallet), ZERO)
            for key, leg in account.legs_in(asset):
                total += leg.profit(leg.qty * marks[Contract(key.area, key.symbol)])
        return total

    def open_interest(self, area: str, symbol: str) -> int:
        """Return the contracts that exist: the sum of the longs, which is that of the shorts."""
        key = LegKey(area, symbol, True)
        return sum(account.leg(key).qty for account in self.accounts.values())
