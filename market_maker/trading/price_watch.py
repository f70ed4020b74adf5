"""Watches the prices of the instrument: what the feed tells no more is read over REST."""

import logging
from dataclasses import replace

from market_maker.clock import Clock
from market_maker.errors import RequestError
from market_maker.gte import GTE
from market_maker.models import PRICE_OLD, Instrument
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

READ_EVERY = 5.0
"""Seconds between two reads over REST, while the feed does not tell a price."""


class PriceWatch:
    """Completes the instrument of the feed, which tells a price only when it changes.

    A price that neither the feed nor REST has told for PRICE_OLD seconds is unknown. It decides
    nothing else, and sends only reads.
    """

    def __init__(self, gte: GTE, feed: GTEWebsocket, clock: Clock) -> None:
        self._gte = gte
        self._feed = feed
        self._clock = clock
        self._read: Instrument | None = None
        self._read_at = self._read_due = 0.0

    def poll(self) -> None:
        """Read the instrument over REST when due, where the feed has not told a price of late.

        So early that it is there before the price is too old, whatever else a tick reads.
        """
        now, instrument = self._clock.monotonic(), self._feed.get_instrument(ahead=READ_EVERY)
        if instrument is None or not _lacks_price(instrument) or now < self._read_due:
            return
        self._read_due = now + READ_EVERY
        try:
            self._read, self._read_at = self._gte.instrument_query(), now
        except RequestError as error:
            logger.info("Could not read the prices over REST: %s", error)

    def completed(self, instrument: Instrument) -> Instrument:
        """Return an instrument of the feed with the prices that REST alone tells."""
        read = self._read
        if read is None or self._clock.monotonic() - self._read_at > PRICE_OLD:
            return instrument
        return replace(
            instrument,
            last_price=instrument.last_price or read.last_price,
            mark_price=instrument.mark_price or read.mark_price,
            index_price=instrument.index_price or read.index_price,
        )


def _lacks_price(instrument: Instrument) -> bool:
    """Return whether a price is unknown that such an instrument has: a pair has the last only."""
    references = (instrument.mark_price, instrument.index_price) if instrument.is_contract else ()
    return None in (instrument.last_price, *references)
