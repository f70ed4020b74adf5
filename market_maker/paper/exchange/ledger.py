"""The ledger: all accounts. It checks before it changes; one account's profit is another's loss.

For every asset at every moment, to the last digit:

    sum over accounts of (balances + unrealised profit) + fees = deposits
    total = available + order margin + position margin            (each contract account)
    sum of longs = sum of shorts                                  (each contract)
    total >= position margin                                      (unless legs are crossed)

The insurance fund is an account like any other. It pays losses beyond the margin of a leg.
"""

from collections.abc import Iterable
from copy import deepcopy
from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.exchange.account import (
    MAX_LEVERAGE,
    ZERO,
    Account,
    Contract,
    Leg,
    LegKey,
    Marks,
    Mode,
    Wallet,
    money,
)
from market_maker.paper.exchange.errors import ApiError, Code

INSURANCE = "insurance"
SMALLEST_TRANSFER = Decimal("0.00000001")


class Party(NamedTuple):
    """One side of a trade. `close` None closes what it can and opens the rest; `fee` is a rate."""

    owner: str
    close: bool | None
    fee: Decimal


class Ledger:
    """The accounts by owner. Money enters only by `deposit` and never leaves.

    Amounts are in coins of the asset, quantities of contracts are whole. A method that raises
    ApiError has changed nothing.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.deposits: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}
        self.open_account(INSURANCE, Mode.CROSS)

    def open_account(self, owner: str, mode: Mode = Mode.ISOLATED) -> Account:
        """Add an empty account and return it."""
        account = self.accounts[owner] = Account(owner, mode)
        return account

    def deposit(self, owner: str, wallet: Wallet, asset: str, amount: Decimal) -> None:
        """Add coins to a wallet from outside the system."""
        self.accounts[owner].balance(wallet, asset).total += amount
        self.deposits[asset] = self.deposits.get(asset, ZERO) + amount

    def hold(self, owner: str, wallet: Wallet, asset: str, amount: Decimal) -> None:
        """Reserve more of a balance, or release some if the amount is negative."""
        self.accounts[owner].balance(wallet, asset).held += amount

    # Trades

    def trade(
        self, contract: Contract, *, qty: int, each: Decimal, buyer: Party, seller: Party
    ) -> tuple[Decimal, Decimal]:
        """Book a trade of contracts worth `each` coins; return the two fees (buyer's, seller's)."""
        return (
            self._book(contract, buyer, buys=True, qty=qty, each=each),
            self._book(contract, seller, buys=False, qty=qty, each=each),
        )

    def _book(
        self, contract: Contract, party: Party, *, buys: bool, qty: int, each: Decimal
    ) -> Decimal:
        account = self.accounts[party.owner]
        fee = money(qty * each * party.fee)
        total = -fee
        closed = account.legs.get(LegKey(*contract, not buys))
        to_close = qty if party.close else 0
        if party.close is None and closed:
            to_close = min(qty, closed.qty)
        if to_close:
            leg = account.leg(LegKey(*contract, not buys))
            margin = leg.margin
            profit = leg.remove(qty=to_close, value=to_close * each)
            if account.setting(contract).mode is Mode.ISOLATED:
                beyond = leg.margin - margin - profit
                profit += self._insure(contract.area, beyond)
            leg.realised += profit
            total += profit
        if qty > to_close:
            leg = account.leg(LegKey(*contract, buys))
            leverage = account.setting(contract).leverage(buys)
            leg.add(qty=qty - to_close, value=(qty - to_close) * each, leverage=leverage)
        leg.realised -= fee
        account.balance(Wallet.CONTRACT, contract.area).total += total
        self._cover(account, contract.area, leg)
        self._charge(contract.area, fee)
        return fee

    def _cover(self, account: Account, area: str, leg: Leg) -> None:
        """Pay a negative balance from the margin of the leg, then from the insurance fund.

        Crossed legs may owe while they are open: liquidation checks their shared margin.
        """
        balance = account.balance(Wallet.CONTRACT, area)
        short = account.pos_margin(area) - balance.total
        if short > 0 and not any(account.crossed_in(area)):
            taken = min(short, leg.margin)
            leg.margin -= taken
            paid = self._insure(area, short - taken)
            balance.total += paid
            leg.realised += paid

    def _insure(self, area: str, loss: Decimal) -> Decimal:
        """Charge a loss, if positive, to the insurance fund, and return what it pays."""
        paid = max(loss, ZERO)
        self.accounts[INSURANCE].balance(Wallet.CONTRACT, area).total -= paid
        return paid

    def swap(
        self, *, base: str, quote: str, qty: Decimal, price: Decimal, buyer: Party, seller: Party
    ) -> tuple[Decimal, Decimal]:
        """Book a spot trade; return the two fees, each in the coin that its side receives."""
        value = qty * price
        fees = money(qty * buyer.fee), money(value * seller.fee)
        buys, sells = (self.accounts[party.owner] for party in (buyer, seller))
        buys.balance(Wallet.SPOT, quote).total -= value
        buys.balance(Wallet.SPOT, base).total += qty - fees[0]
        sells.balance(Wallet.SPOT, base).total -= qty
        sells.balance(Wallet.SPOT, quote).total += value - fees[1]
        self._charge(base, fees[0])
        self._charge(quote, fees[1])
        return fees

    def _charge(self, asset: str, fee: Decimal) -> None:
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def fund(self, contract: Contract, *, each: Decimal, rate: Decimal) -> list[tuple[str, LegKey]]:
        """Book funding: longs pay shorts `rate` of their value, or shorts longs if it is negative.

        Return the (owner, leg) pairs that paid or received.
        """
        payment = money(each * rate)
        paid = []
        for account in self.accounts.values():
            for key, leg in account.legs_in(contract.area):
                if leg.qty and key.symbol == contract.symbol:
                    amount = -leg.qty * payment if leg.long else leg.qty * payment
                    leg.realised += amount
                    account.balance(Wallet.CONTRACT, contract.area).total += amount
                    self._cover(account, contract.area, leg)
                    paid.append((account.owner, key))
        return paid

    # Changes by a user

    def transfer(
        self,
        owner: str,
        asset: str,
        *,
        source: Wallet,
        target: Wallet,
        amount: Decimal,
        marks: Marks,
    ) -> None:
        """Move coins between two wallets of an account, or raise ApiError."""
        if source is target:
            raise ApiError(Code.SAME_ACCOUNT, "to")
        self._check_amount(amount, "volume")
        account = self.accounts[owner]
        free = account.available(source, asset)
        if source is Wallet.CONTRACT:
            free = account.usable(asset, marks)
        if amount > free:
            raise ApiError(Code.BALANCE_INSUFFICIENT, "volume")
        account.balance(source, asset).total -= amount
        account.balance(target, asset).total += amount

    def withdraw(self, owner: str, asset: str, amount: Decimal) -> None:
        """Reserve coins of the funding wallet for a withdrawal, or raise ApiError."""
        self._check_amount(amount, "volume")
        if amount > self.accounts[owner].available(Wallet.FUNDING, asset):
            raise ApiError(Code.BALANCE_INSUFFICIENT, "volume")
        self.hold(owner, Wallet.FUNDING, asset, amount)

    def check_leverage(self, leverage: Decimal) -> None:
        """Raise ApiError for a leverage that no contract can have."""
        if leverage > MAX_LEVERAGE:
            raise ApiError(Code.LEVERAGE_TOO_HIGH, "leverage")
        if leverage < 1 or leverage % Decimal("0.01"):
            raise ApiError(Code.PARAM_VALUE, "leverage")

    def change_leverage(
        self,
        owner: str,
        contract: Contract,
        *,
        mode: Mode,
        long: bool,
        leverage: Decimal,
        marks: Marks,
    ) -> None:
        """Set mode and leverage; `long` selects the side in isolated mode.

        No order may rest in the contract. Raise ApiError if the margin is insufficient.
        """
        self.check_leverage(leverage)
        trial = deepcopy(self.accounts[owner])
        setting = trial.setting(contract)
        switched = setting.mode is not mode
        if not switched and setting.leverage(long) == leverage:
            return  # margin that the user added stays
        setting.mode = mode
        if mode is Mode.CROSS:
            setting.cross = leverage
        elif long:
            setting.long = leverage
        else:
            setting.short = leverage
        for key, leg in trial.legs_in(contract.area):
            if key.contract == contract and (switched or mode is Mode.CROSS or key.long is long):
                leg.margin = money(leg.cost / setting.leverage(key.long))
        if trial.usable(contract.area, marks) < 0 or trial.liquidatable(marks):
            raise ApiError(Code.MARGIN_INSUFFICIENT, "leverage")
        self.accounts[owner] = trial

    def change_margin(
        self, owner: str, key: LegKey, amount: Decimal, marks: Marks, *, exits: Iterable[Decimal]
    ) -> None:
        """Add margin to an isolated leg, or remove some if the amount is negative.

        The remaining margin must carry the leg to each of its `exits`: the worth of one contract at
        the price of a resting close order.
        """
        self._check_amount(abs(amount), "margin")
        account = self.accounts[owner]
        leg, setting = account.leg(key), account.setting(key.contract)
        if not leg.qty or setting.mode is Mode.CROSS:
            raise ApiError(Code.PARAM_VALUE, "long_flag")
        if amount > account.usable(key.area, marks):
            raise ApiError(Code.MARGIN_INSUFFICIENT, "margin")
        if amount < 0:
            each = marks[key.contract]
            initial = money(leg.qty * each / setting.leverage(key.long))
            spare = leg.margin + min(leg.profit(each), ZERO) - initial
            stays = leg.margin + amount
            if -amount > spare or any(leg.bankrupt(exit_each, stays) for exit_each in exits):
                raise ApiError(Code.MARGIN_NOT_REMOVABLE, "margin")
        leg.margin += amount

    def _check_amount(self, amount: Decimal, subject: str) -> None:
        if amount <= 0:
            raise ApiError(Code.AMOUNT_NOT_POSITIVE, subject)
        if amount % SMALLEST_TRANSFER:
            raise ApiError(Code.PARAM_VALUE, subject)

    # Queries

    def open_interest(self, contract: Contract) -> int:
        """Return the open contracts: the sum of the longs, which equals that of the shorts."""
        key = LegKey(*contract, True)
        return sum(account.qty(key) for account in self.accounts.values())

    def imbalance(self, asset: str, marks: Marks) -> Decimal:
        """Return by how much the first invariant is broken for an asset: always 0."""
        total = self.fees.get(asset, ZERO) - self.deposits.get(asset, ZERO)
        for account in self.accounts.values():
            total += sum((account.balance(wallet, asset).total for wallet in Wallet), ZERO)
            for key, leg in account.legs_in(asset):
                total += leg.profit(marks[key.contract])
        return total
