"""What the user's other wallets hold, to tell a transfer from a change that nothing explains."""

import logging
import math
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.errors import Fatal, MetadataFault, RequestError
from market_maker.gte import GTE
from market_maker.models import Margin
from market_maker.symbol import base_of, quote_of

logger = logging.getLogger(__name__)

FIRST_AFTER = 15.0
"""Seconds after the start until the first look: the first quotes do not wait for it."""
LOOK_EVERY = 120.0
"""Seconds between two looks while no balance changes for no reason."""
WALLET_LAG_SECONDS = 20.0
"""So long before a step is seen the wallets may have moved: where balances are read by REST."""
SEEN_SECONDS = 2.0
"""So long a step must be seen: most are gone with the next row."""
AGAIN_SECONDS = 5.0
"""Seconds until a look for a step that failed is tried again; twice as many after each."""
AGAIN_AT_REST_SECONDS = 60.0
"""The same while no step is seen."""


@dataclass(slots=True)
class _Look:
    """One look at all wallets: when it began, and what they hold of each currency together."""

    begun: float
    left: list[tuple[Callable[[str], list[Margin]], str]]
    """What is still to be read: a wallet and a currency."""
    is_settled: bool = False
    """Whether what had moved by then is booked."""
    totals: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


class Wallets:
    """Reads the funding account, and the account of the other type of instrument. It moves nothing.

    A look is one read at a tick. It decides nothing about quoting: whatever goes wrong is logged.
    """

    def __init__(self, gte: GTE, clock: Clock) -> None:
        self._gte = gte
        self._clock = clock
        pair = quote_of(gte.symbol), base_of(gte.symbol)
        self._currencies = pair if pair[0] else (gte.account.settle_currency,)
        self._looks: deque[_Look] = deque(maxlen=4)
        """Those that are complete, oldest first."""
        self._look: _Look | None = None
        self._due = clock.monotonic() + FIRST_AFTER
        self._again_at = -math.inf
        """When a look for a step may be tried again, after one has failed."""
        self._pause = AGAIN_SECONDS

    def read(self, step_since: float | None) -> None:
        """Read one wallet if a look is due: also when a step is seen, since then in seconds."""
        now = self._clock.monotonic()
        if not self._look:
            is_wanted = step_since is not None and now >= step_since + SEEN_SECONDS
            is_wanted = is_wanted and now >= self._again_at and not self._after(step_since or now)
            if now < self._due and not is_wanted:
                return
            self._due = now + LOOK_EVERY
            wallets = self._gte.fund_query, self._trading_account
            self._look = _Look(now, [(read, each) for read in wallets for each in self._currencies])
        read, currency = self._look.left.pop()
        try:
            rows = read(currency)
        except RequestError as error:
            now, is_final = self._clock.monotonic(), isinstance(error, Fatal)  # it may not read
            self._look, self._again_at = None, math.inf if is_final else now + self._pause
            self._due = math.inf if is_final else now + AGAIN_AT_REST_SECONDS
            self._pause = min(2 * self._pause, LOOK_EVERY)
            logger.info("Could not read the other wallets, so as to tell transfers: %s", error)
            return
        for row in rows:
            self._look.totals[row.currency] += row.total
        if not self._look.left:
            self._looks.append(self._look)
            self._pause = AGAIN_SECONDS
            self._look = None

    def moved(self, step_since: float | None) -> Mapping[str, Decimal] | None:
        """Return by how much all have changed since before a step, by currency.

        None while that is not known; empty where no look was made before the step.
        """
        if step_since is None:
            return {}
        after = self._after(step_since)
        if not after:
            return None
        known = step_since - WALLET_LAG_SECONDS
        before = [look for look in self._looks if look.is_settled or look.begun < known]
        if not before:
            return {}
        names = after.totals | before[-1].totals
        return {name: after.totals[name] - before[-1].totals[name] for name in names}

    def settle(self) -> None:
        """Note that what has moved up to the latest look is booked: later steps count from it."""
        if self._looks:
            self._looks[-1].is_settled = True

    def _after(self, step_since: float) -> _Look | None:
        """Return the first complete look that began after a step was seen."""
        return next((look for look in self._looks if look.begun >= step_since), None)

    def _trading_account(self, currency: str) -> list[Margin]:
        try:
            return self._gte.account_query(currency, other=True)
        except MetadataFault:  # no contract settles in it
            return []
