"""Logs the trading state: each change, and from time to time why the bot is not quoting."""

import logging

from market_maker.clock import Clock
from market_maker.safety import Health, TradingState

logger = logging.getLogger(__name__)

HALTED_LINE = (
    "HALTED until a person has looked: %s. Own orders are cancelled, the position stays; stop "
    "it and start it with --clear-halt to go on."
)
REMIND_EVERY = 60.0
"""Seconds between two log lines on why the bot is not quoting."""


class StateLog:
    """Remembers the trading state that it has logged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = Health(TradingState.PAUSED, "starting")
        self._told_at = 0.0

    def log(self, health: Health) -> None:
        """Log a state that has changed, or that has long kept the bot from quoting."""
        before, self._told = self._told, health
        now, state = self._clock.monotonic(), health.state
        if state in (TradingState.PAUSED, TradingState.HALTED):
            if health != before or now >= self._told_at + REMIND_EVERY:
                self._told_at = now
                logger.warning("%s, not quoting: %s.", state.value, health.reason)
        elif health != before and state is TradingState.REDUCING:
            logger.warning("REDUCING, only orders that reduce the position: %s.", health.reason)
        elif state is not before.state:
            logger.info("ACTIVE: quoting.")
