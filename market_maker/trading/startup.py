"""The start of a run: connect, resume the trades before a restart, wait for every table."""

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from market_maker.clock import Clock
from market_maker.decimals import exact, to_lot
from market_maker.errors import (
    BadParameter,
    MetadataFault,
    RequestError,
    SettingsError,
    Temporary,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.money import Money
from market_maker.settings import doubtful_pairs, settings
from market_maker.trading import bitmex_names
from market_maker.trading.monitor import EMPTY_AFTER, Monitor
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
"""Seconds to wait at startup for every table of the feed."""


def connect(gte: GTE, feed: GTEWebsocket, monitor: Monitor, clock: Clock) -> None:
    """Check REST, start the feed and wait for every needed table.

    Raises VenueUnreachable when one is missing, AuthError for a rejected key, SettingsError for an
    area or symbol that the venue does not have.
    """
    reach(gte, feed)
    deadline = clock.monotonic() + START_SECONDS
    while clock.monotonic() < deadline:
        with suppress(VenueUnreachable):
            return feed.wait_for_tables(feed.needed, EMPTY_AFTER)
        monitor.query_missing_tables()
    feed.wait_for_tables(feed.needed, 0)


def reach(gte: GTE, feed: GTEWebsocket) -> None:
    """Check REST, and start the feed.

    Raises VenueUnreachable, AuthError for a rejected key, SettingsError for an area or symbol that
    the venue does not have.
    """
    try:
        gte.instrument_query()  # also learns the venue's time for the login
    except (BadParameter, MetadataFault) as error:
        raise SettingsError(unknown_to(gte) or str(error)) from None
    except Temporary as error:
        raise VenueUnreachable(str(error)) from None
    feed.start()


def check_sizes(lot: Decimal) -> None:
    """Raise SettingsError for sizes that no level of the ladder can have, with this lot."""
    for text in wrong_sizes(lot):
        raise SettingsError(text)


def wrong_sizes(lot: Decimal) -> list[str]:
    """Return which sizes no level of the ladder can have, with this lot."""
    low, high, start = settings.MIN_ORDER_SIZE, settings.MAX_ORDER_SIZE, settings.ORDER_START_SIZE
    if settings.RANDOM_ORDER_SIZE and to_lot(high, lot) < exact(low):
        return [
            f"no multiple of the lot {lot} is from MIN_ORDER_SIZE {low} to MAX_ORDER_SIZE {high}"
        ]
    if not settings.RANDOM_ORDER_SIZE and not to_lot(start, lot):
        return [f"ORDER_START_SIZE {start} is less than the lot {lot}"]
    return []


class PairDoubts:
    """Warns of settings of the ladder that work against each other, once until they are mended."""

    def __init__(self, *, has_spread: bool) -> None:
        self._has_spread = has_spread
        self._said: list[str] = []

    def warn(self, instrument: Mapping[str, Any]) -> None:
        """Log what is new; without a settings file nobody has chosen anything."""
        if settings.path is None:
            return
        price = instrument.get("markPrice") or instrument["lastPrice"] or math.inf
        face = abs(instrument["multiplier"]) / bitmex_names.COIN
        tick = instrument["tickSize"]
        found = doubtful_pairs(
            settings, tick=tick, price=price, face=face, has_spread=self._has_spread
        )
        found += wrong_sizes(Decimal(str(instrument["lotSize"])))  # after a reload
        for text in found:
            if text not in self._said:
                logger.warning("Settings: %s.", text)
        self._said = found


def unknown_to(gte: GTE) -> str:
    """Return which setting names what the venue does not have, and what it has; empty if none."""
    account, area = gte.account, gte.account.settle_currency
    try:
        areas = gte.asset_query()
        if area not in areas:
            return f"SETTLECURRENCY: GTE has no area {area}; it has {_listed(areas)}"
        rows = gte.contract_query() if account.is_contract else gte.symbol_query()
    except RequestError:
        return ""
    symbols = [str(row.get("symbol")) for row in rows]
    if account.symbol in symbols:
        return ""
    return f"SYMBOL: GTE has no {account.symbol} in {area}; it has {_listed(symbols)}"


def _listed(names: Sequence[str]) -> str:
    return ascii(", ".join(sorted(names)))[1:-1][:300] or "none"


def resume(money: Money, trades: Mapping[str, str] | None) -> None:
    """Resume the trades before a restart, if there was one.

    Raises SettingsError if they cannot be read and MAX_LOSS needs them.
    """
    if trades is None:
        return
    try:
        money.resume_from(trades)
    except (ValueError, ArithmeticError):
        if settings.MAX_LOSS:
            raise SettingsError(
                "cannot read the trades before the restart, which MAX_LOSS counts: restart by hand"
            ) from None
        logger.error("Could not read the trades before the restart; profit counts from zero.")
