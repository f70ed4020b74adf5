"""Compares position and own fills, and reconnects to verify a lasting mismatch."""

import logging

from market_maker.models import OrderState, Snapshot
from market_maker.money import PositionLedger
from market_maker.orders.orders import Orders
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

NEW_IMAGE_EVERY = 30.0
"""Least seconds between two reconnections for a position mismatch."""


class PositionWatch:
    """Compares the shown position with own fills once a tick. It sends only reads.

    A lasting mismatch reconnects the feed. If the snapshot of the new connection shows the same
    mismatch, after two reconciliations and with no order of unknown outcome, the position was
    changed from outside, and the base is reset.
    """

    def __init__(self, feed: GTEWebsocket, orders: Orders, ledger: PositionLedger) -> None:
        self._feed = feed
        self._orders = orders
        self._reconciler = orders.reconciler
        self._ledger = ledger
        self._new_image_due = 0.0
        self._asked_epoch: int | None = None
        """The connection that was dropped to verify a mismatch; None while none is verified."""
        self._image_epoch = 0
        """The connection whose snapshot of the position verifies it."""
        self._proposed_at = -1.0
        """The reconciliation on which the base was proposed, in steady seconds; below 0: none."""

    def check(self, snapshot: Snapshot, now: float) -> list[str]:
        """Compare once; return the events for the circuit breakers."""
        shown = snapshot.position
        events: list[str] = []
        self._ledger.see(shown, now, snapshot.instrument.mark_price)
        if self._asked_epoch is not None and self._feed.epoch > self._asked_epoch:
            events = self._verify_mismatch(snapshot)
        elif self._ledger.needs_new_image(now, self._reconciler.reconciled_at):
            if now >= self._new_image_due:
                self._new_image_due = now + NEW_IMAGE_EVERY
                self._asked_epoch = self._feed.epoch
                logger.warning(
                    "Position has not matched own fills for %.0f s; reconnecting to verify.",
                    self._ledger.mismatch_for(now),
                )
                self._feed.reconnect("position does not match own fills")
        if self._ledger.has_vanished(shown):
            logger.warning("Position no longer updated; reconnecting to verify.")
            self._feed.reconnect("position no longer updated")
        return events

    def _verify_mismatch(self, snapshot: Snapshot) -> list[str]:
        """Reset the base if the new connection confirms the mismatch; return the events."""
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
        jumps = self._ledger.propose_base(snapshot.position)
        if jumps is None:
            return []
        self._asked_epoch = None
        for jump in jumps:
            logger.error("Position changed without an own fill: %s.", jump)
        logger.warning("Position base reset; own fills count from here.")
        return ["liquidation" if jump.liquidated else "jump" for jump in jumps]
