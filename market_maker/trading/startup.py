"""The start of a run: connect, resume the trades before a restart, wait for every table."""

import logging
from collections.abc import Mapping
from contextlib import suppress

from market_maker.clock import Clock
from market_maker.errors import SettingsError, Temporary, VenueUnreachable
from market_maker.gte import GTE
from market_maker.money import Money
from market_maker.settings import settings
from market_maker.trading.monitor import EMPTY_AFTER, Monitor
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
"""Seconds to wait at startup for every table of the feed."""


def connect(gte: GTE, feed: GTEWebsocket, monitor: Monitor, clock: Clock) -> None:
    """Check REST, start the feed and wait for every needed table.

    Raises VenueUnreachable when one is missing, AuthError for a rejected key.
    """
    try:
        gte.instrument_query()  # also learns the venue's time for the login
    except Temporary as error:
        raise VenueUnreachable(str(error)) from None
    feed.start()
    deadline = clock.monotonic() + START_SECONDS
    while clock.monotonic() < deadline:
        with suppress(VenueUnreachable):
            return feed.wait_for_tables(feed.needed, EMPTY_AFTER)
        monitor.query_missing_tables()
    feed.wait_for_tables(feed.needed, 0)


def resume(money: Money, trades: Mapping[str, str] | None) -> None:
    """Resume the trades before a restart, if there was one.

    Raises SettingsError if they cannot be read and MAX_LOSS needs them.
    """
    if trades is None:
        return
    try:
        money.trades.resume_from(trades)
    except (ValueError, ArithmeticError):
        if settings.MAX_LOSS:
            raise SettingsError(
                "cannot read the trades before the restart, which MAX_LOSS counts: restart by hand"
            ) from None
        logger.error("Could not read the trades before the restart; profit counts from zero.")
