"""Compares the account with what own fills explain of it, and records what they do not."""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from market_maker.clock import Clock
from market_maker.decimals import plain
from market_maker.gte import GTE
from market_maker.models import Fill, Instrument, Snapshot
from market_maker.money import Booked, Money, Step, StepKind
from market_maker.orders.orders import Orders
from market_maker.trading.account_watch import AccountWatch
from market_maker.trading.records import Records
from market_maker.trading.wallets import Wallets
from market_maker.ws.ws_thread import TRADED_IN, GTEWebsocket

logger = logging.getLogger(__name__)

BY_HAND = "by hand"
SETTLE_SECONDS = 3.0
"""So long the way out waits at most for a balance that shows the last fills."""


class Audit:
    """Audits balance and position of a live run once a tick."""

    def __init__(
        self,
        gte: GTE,
        feed: GTEWebsocket,
        orders: Orders,
        money: Money,
        account: AccountWatch,
        records: Records,
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._orders = orders
        self._money = money
        self._account = account
        self._records = records
        self._clock = clock
        self._wallets = Wallets(gte, clock)
        self._elsewhere: set[str] = set()
        """Other symbols in which the account has traded."""
        self._shown_difference = ""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a comparison has changed the money of the run."""

    def read(self) -> None:
        """Read what tells a transfer, if that is due: at most one call. Never raises."""
        self._wallets.read(self._money.step_since)

    def book_others(self, instrument: Instrument, before_own: Fill | None = None) -> list[Fill]:
        """Book what orders that are not of the run have filled, or what came `before_own` fill.

        What has filled before the position of the beginning was known is in that position.
        """
        fills = self._orders.take_fills_of_others(before_own)
        for fill in fills if self._money.has_begun else ():
            booked = self._money.book_by_hand(fill, instrument)
            _log_by_hand(fill, booked)
            self._records.fill(fill, booked, BY_HAND)
        return fills

    def settle(self, read: Callable[[], Snapshot | None]) -> None:
        """Wait until the balance shows the last fills, when none can follow; `read` looks once."""
        until = self._clock.monotonic() + SETTLE_SECONDS
        while not self._orders.is_dry and self._feed.is_connected():
            self._account.poll(())
            if snapshot := read():
                if snapshot.instrument.is_contract:
                    mark = snapshot.instrument.mark_price
                    self._money.position.see(snapshot.position, self._clock.monotonic(), mark)
                self.look(snapshot)
            if not self._money.is_behind or self._clock.monotonic() >= until:
                return
            self._clock.sleep(0.1)

    def look(self, snapshot: Snapshot) -> None:
        """Compare once."""
        money, instrument = self._money, snapshot.instrument
        by_hand = self.book_others(instrument)
        moved = self._wallets.moved(money.step_since)
        now = self._clock.monotonic()
        found = money.audit(snapshot, now, self._account.shown_at(), moved)
        self._elsewhere |= {
            words.removeprefix(TRADED_IN) for words in self._feed.counted((TRADED_IN,))
        }
        steps = [_detailed(step, self._elsewhere) for step in found.steps]
        for change, kind in found.unseen:
            self._records.unseen(change, kind, instrument)
        self._records.balance(money, steps)
        for step in steps:
            _log_step(step)
            if step.kind is StepKind.TRANSFERRED:
                self._wallets.settle()
        if steps or found.unseen or by_hand:
            self.on_change()
        if money.pnl_difference and money.pnl_difference != self._shown_difference:
            logger.warning("Unrealised profit is not as the venue's: %s.", money.pnl_difference)
        self._shown_difference = money.pnl_difference


def _detailed(step: Step, elsewhere: Collection[str]) -> Step:
    if step.kind is not StepKind.UNEXPLAINED or not elsewhere:
        return step
    return replace(step, detail=f"{', '.join(sorted(elsewhere))} traded in this account, too")


def _log_by_hand(fill: Fill, booked: Booked) -> None:
    logger.info(
        "By hand, or by another bot: %s %s @ %s (order %s).",
        *("bought" if fill.side.sign > 0 else "sold", plain(fill.qty), plain(booked.price)),
        fill.order.order_id,
    )


def _log_step(step: Step) -> None:
    """Log a change of a balance that is no fill and no fee."""
    detail = f" ({step.detail})" if step.detail else ""
    if step.kind is StepKind.UNEXPLAINED:
        words = "The balance has changed by %+.6f %s that nothing explains%s."
        logger.warning(words, step.amount, step.currency, detail)
    else:
        words = f"{step.kind.value.capitalize()}: %+.8f %s%s."
        logger.info(words, step.amount, step.currency, detail)
