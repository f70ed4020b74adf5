"""A client that only reads, with a complete feed: for commands that look and trade nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from market_maker.account import Account
from market_maker.errors import VenueUnreachable
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.trading import reach

FEED_SECONDS = 10.0
EMPTY_SECONDS = 2.0
"""After so long a table of the account that is not shown is asked for over REST."""


@contextmanager
def connected(account: Account) -> Iterator[GTE]:
    """Have a client that only reads, its feed complete.

    Raises SettingsError for a symbol that the venue does not have, VenueUnreachable, RequestError.
    """
    shared = RunFiles(account).shared() if account.api_key else None  # a bot may run
    gte = GTE(account, read_only=True, shared=shared)
    try:
        _connect(gte)
        yield gte
    finally:
        gte.exit()
        if shared:
            shared.close()


def _connect(gte: GTE) -> None:
    feed = gte.ws
    assert feed
    reach(gte, feed)
    with suppress(VenueUnreachable):
        return feed.wait_for_tables(feed.needed, EMPTY_SECONDS)
    missing, epoch = feed.missing(), feed.epoch
    if "position" in missing and all(each.position_margin == 0 for each in gte.account_query()):
        feed.take_as_empty("position", epoch)
    if "order" in missing and not gte.query_orders():
        feed.take_as_empty("order", epoch)
    feed.wait_for_tables(feed.needed, FEED_SECONDS)
