"""The wait for the next tick, which an event ends early; files are looked at meanwhile."""

import logging

from market_maker.clock import SLEPT_SECONDS, Clock
from market_maker.control import Control
from market_maker.safety import SILENT_AFTER
from market_maker.settings import settings
from market_maker.trading.exchange import Exchange
from market_maker.trading.hooks import Hooks

logger = logging.getLogger(__name__)

CHECK_FILES_EVERY = 1.0
"""Seconds between two checks of the watched files."""
SETTLE_SECONDS = 1.0
"""Seconds to the next tick while an outcome is unknown or quoting is not allowed."""


class Wait:
    """Waits for the next tick. Lets the bot look at its files, which may change its settings.

    Notices that the process or the machine stood still, and resyncs the feed then.
    """

    def __init__(self, bot: Hooks, exchange: Exchange, control: Control, clock: Clock) -> None:
        self._bot = bot
        self._exchange = exchange
        self._control = control
        self._clock = clock
        self._was_open = False
        self._check_due = clock.monotonic() + CHECK_FILES_EVERY
        self._wall_ahead = clock.ahead()

    def until_due(self, *, may_quote: bool, at_once: bool, is_halted: bool) -> None:
        """Wait LOOP_INTERVAL, or less after an event or while something is not settled.

        `at_once` is that a tick has left something undone, `is_halted` that a halt is told.
        """
        exchange, clock, control = self._exchange, self._clock, self._control
        self._was_open = exchange.is_open()
        interval = settings.LOOP_INTERVAL
        is_unsettled = exchange.orders.is_unsettled() or exchange.monitor.has_mismatch()
        if is_unsettled or not may_quote:
            interval = min(interval, SETTLE_SECONDS)
        if exchange.orders.take_cut_short() or at_once:
            interval = 0.0  # the rest of the plan is planned again at once
        due = planned = clock.monotonic() + interval
        while not (control.is_stopping or due <= (now := clock.monotonic()) < self._check_due):
            until = max(now, min(due, self._check_due))  # after a long tick the check is overdue
            reasons = clock.wait(control.wake, until - now)
            exchange.orders.executor.heartbeat()
            before, self._wall_ahead = self._wall_ahead, clock.ahead()
            if self._has_stood_still(until, self._wall_ahead - before):
                return
            if clock.monotonic() >= self._check_due:
                self._check_due = clock.monotonic() + CHECK_FILES_EVERY
                has_changed = self._look_at_files() or exchange.is_open() != self._was_open
                is_gone = not exchange.is_open() or exchange.feed.silent_for() > SILENT_AFTER
                if has_changed or (may_quote and is_gone):
                    return
            if reasons and self._is_worth_a_tick(is_halted=is_halted):
                return
            if reasons:  # unexplained: somebody has traded, or a row is late
                is_explained = exchange.is_position_explained()
                due = planned if is_explained else min(due, clock.monotonic() + SETTLE_SECONDS)

    def _look_at_files(self) -> bool:
        """Let the bot look at its files; what an overridden hook raises costs that look."""
        try:
            return self._bot.check_file_change()
        except Exception:
            logger.exception("check_file_change() failed.")
            return False

    def _has_stood_still(self, until: float, stepped: float) -> bool:
        """Return whether process or machine stood still, or the clock was set; resync if so.

        `until` is when the wait should have ended. `stepped` is by how many seconds the wall clock
        advanced more than the steady clock, which stops while the machine is suspended.
        """
        slept = max(self._clock.monotonic() - until, stepped)
        if max(slept, -stepped) <= SLEPT_SECONDS:
            return False
        if slept > SLEPT_SECONDS:
            logger.warning("Process or machine stood still for %.0f s: resyncing.", slept)
        else:
            logger.warning("This machine's clock was set back by %.0f s: resyncing.", -stepped)
        self._exchange.resync("process stood still or clock was set")
        return True

    def _is_worth_a_tick(self, *, is_halted: bool) -> bool:
        """Return whether the updates that arrived call for a tick before LOOP_INTERVAL."""
        moved = self._exchange.orders.take_news() and settings.WAKE_ON_FILL
        is_new_halt = self._control.is_halted and not is_halted
        return bool(moved or is_new_halt or self._exchange.is_open() != self._was_open)
