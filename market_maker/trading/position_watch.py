"""The position watched: where it is not what our own fills make of it, a new connection tells."""

import logging

from market_maker.models import OrderState, Snapshot
from market_maker.money import PositionLedger
from market_maker.orders.orders import Orders
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

NEW_IMAGE_EVERY = 30.0
"""Seconds between two new connections because the position does not match our own fills."""


class PositionWatch:
    """Compares the shown position with our own fills once a tick. It sends nothing but reads.

    A lasting difference is looked into: the feed connects anew, and if its first image shows the
    difference, too, after all our orders were looked up twice and with none of unknown outcome, it
    is the work of another, and the base is set anew.
    """

    def __init__(self, feed: GTEWebsocket, orders: Orders, ledger: PositionLedger) -> None:
        self._feed = feed
        self._orders = orders
        self._reconciler = orders.reconciler
        self._ledger = ledger
        self._new_image_due = 0.0
        self._asked_epoch: int | None = None
        """The connection that was given up to see the position anew; None while that is not due."""
        self._image_epoch = 0
        """The connection whose image of the position is looked at instead."""
        self._proposed_at = -1.0
        """When our orders were last looked up before the base was proposed; below 0, it was not."""

    def check(self, snapshot: Snapshot, now: float) -> list[str]:
        """Look once; return the events that the trading state has rules for."""
        shown = snapshot.position
        events: list[str] = []
        self._ledger.see(shown, now)
        if self._asked_epoch is not None and self._feed.epoch > self._asked_epoch:
            events = self._set_base_anew(snapshot)
        elif self._ledger.needs_new_image(now, self._reconciler.reconciled_at):
            if now >= self._new_image_due:
                self._new_image_due = now + NEW_IMAGE_EVERY
                self._asked_epoch = self._feed.epoch
                reason = "the position does not match own fills"
                logger.warning("Reconnecting to verify: %s.", reason)
                self._feed.reconnect(reason)
        if self._ledger.has_vanished(shown):
            logger.warning("Position no longer updated; reconnecting to verify.")
            self._feed.reconnect("position no longer updated")
        return events

    def _set_base_anew(self, snapshot: Snapshot) -> list[str]:
        """Take a difference that the new connection shows, too, for the work of another."""
        if not self._ledger.has_mismatch():
            self._asked_epoch = None
            return []
        if self._image_epoch != self._feed.epoch:
            self._ledger.withdraw_proposal()
            self._image_epoch, self._proposed_at = self._feed.epoch, -1.0
        states = {order.state for order in self._orders.live()}
        looked_at = self._reconciler.reconciled_at
        is_known = self._reconciler.is_reconciled()
        if not is_known or states & {OrderState.SENT, OrderState.UNKNOWN}:
            return []
        self._reconciler.request_reconcile()
        if looked_at == self._proposed_at:
            return []
        self._proposed_at = looked_at
        jumps = self._ledger.propose_base(snapshot.position, snapshot.instrument.mark_price)
        if jumps is None:
            return []
        self._asked_epoch = None
        for jump in jumps:
            logger.error("The position changed without a fill of ours: %s.", jump)
        logger.warning("Position base set anew; own fills count from here.")
        return ["liquidation" if jump.liquidated else "jump" for jump in jumps]
