"""Liquidation: the insurance fund takes over positions whose margin no longer carries them."""

from collections.abc import Callable, Mapping

from market_maker.paper.exchange import engine
from market_maker.paper.exchange.account import (
    ZERO,
    LegKey,
    Marks,
    Mode,
    Wallet,
    money,
)
from market_maker.paper.exchange.blotter import Blotter
from market_maker.paper.exchange.clearing import leg_key
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.events import Liquidated
from market_maker.paper.exchange.instrument import CONTRACT, Key
from market_maker.paper.exchange.ledger import INSURANCE, Ledger, Party
from market_maker.paper.exchange.listing import Listing
from market_maker.paper.exchange.outbox import Outbox
from market_maker.paper.exchange.settlement import Settlement


class Liquidator:
    """Tops up, takes over and closes positions. It never touches a leg with enough margin."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        blotter: Blotter,
        outbox: Outbox,
        settlement: Settlement,
        listings: Mapping[Key, Listing],
        marks: Callable[[], Marks],
    ) -> None:
        self._ledger = ledger
        self._blotter = blotter
        self._outbox = outbox
        self._settlement = settlement
        self._listings = listings
        self._marks = marks

    def run(self, now: int) -> None:
        """Liquidate every position that is due at the current mark prices; `now` is ms UTC."""
        marks = self._marks()
        self._top_up(marks)
        while due := self._due(marks):  # what one closes, another may have had as well
            owner, legs = due[0]
            self._cancel_orders(owner, legs, now)
            sizes = {leg: self._ledger.accounts[owner].leg(leg).qty for leg in legs}
            self._take_over(owner, legs, marks)
            for leg, qty in sizes.items():
                self._outbox.position(owner, leg)
                self._outbox.add(Liquidated(owner, leg, qty))
                self._close(leg, qty, now)

    def _top_up(self, marks: Marks) -> None:
        """Add available coins to the margin of endangered legs with automatic top-up."""
        for account in self._ledger.accounts.values():
            for key, leg in account.legs.items():
                setting, each = account.setting(key.contract), marks[key.contract]
                if not leg.top_up or setting.mode is Mode.CROSS or leg.spare(each) >= 0:
                    continue
                initial = money(leg.qty * each / setting.leverage(key.long))
                wanted = initial - leg.margin - leg.profit(each)
                more = min(wanted, account.usable(key.area, marks))
                if more > 0:
                    leg.margin += more
                    self._outbox.position(account.owner, key)

    def _due(self, marks: Marks) -> list[tuple[str, list[LegKey]]]:
        return [
            (account.owner, keys)
            for account in self._ledger.accounts.values()
            if account.owner != INSURANCE
            for keys in account.liquidatable(marks)
        ]

    def _cancel_orders(self, owner: str, legs: list[LegKey], now: int) -> None:
        """Cancel the orders on these legs; if they are crossed, all of the settlement area."""
        area = legs[0].area
        setting = self._ledger.accounts[owner].setting(legs[0].contract)
        crossed = len(legs) > 1 or setting.mode is Mode.CROSS
        for order in self._blotter.live(owner):
            mine = leg_key(order) in legs
            if mine or (crossed and order.instrument.key[:2] == (CONTRACT, area)):
                self._settlement.cancel(self._listings[order.instrument.key], order, now)

    def _take_over(self, owner: str, keys: list[LegKey], marks: Marks) -> None:
        """Move legs to the insurance fund at the mark price, with all the margin they have left.

        If less than nothing is left, the fund has paid at the trade. No order may be bound to them.
        """
        account = self._ledger.accounts[owner]
        area = keys[0].area
        rest = sum((account.leg(key).margin for key in keys), ZERO)
        if account.setting(keys[0].contract).mode is Mode.CROSS:
            rest += account.available(Wallet.CONTRACT, area)
        for key in keys:
            leg, each = account.leg(key), marks[key.contract]
            rest += leg.profit(each)
            parties = Party(owner, True, ZERO), Party(INSURANCE, None, ZERO)
            buyer, seller = reversed(parties) if key.long else parties
            self._ledger.trade(key.contract, qty=leg.qty, each=each, buyer=buyer, seller=seller)
            leg.liquidated = True
        rest = max(rest, ZERO)
        account.leg(keys[-1]).realised -= rest
        account.balance(Wallet.CONTRACT, area).total -= rest
        self._ledger.accounts[INSURANCE].balance(Wallet.CONTRACT, area).total += rest

    def _close(self, leg: LegKey, qty: int, now: int) -> None:
        """Let the insurance fund close what it took over, at the mark price or better."""
        listing = self._listings[Key(CONTRACT, *leg.contract)]
        ticks = int(listing.index / listing.instrument.tick)
        side = Side.SELL if leg.long else Side.BUY
        taker = engine.Order(0, INSURANCE, side, ticks, qty)
        self._settlement.settle(listing, listing.book.take(taker), now)
