"""Pulling: cancels all own orders that must not rest, while the bot goes on."""

import logging
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.errors import OrdersLeft, Temporary
from market_maker.trading.exchange import Exchange

logger = logging.getLogger(__name__)

PULL_SECONDS = 1.0
"""Seconds that a pull may take within one tick."""
PULL_AGAIN = 3.0
"""Seconds from a failed pull to the next: with the wait for a tick, cancels leave every 4 s."""
LISTED = 20
"""So many orders that a failed pull leaves are listed."""
SLOW_TICK = 2.0
"""A tick that has taken longer leaves a pull to the next one."""


class Puller:
    """Cancels all own orders on a halt, and when they rest unconfirmed for too long."""

    def __init__(self, exchange: Exchange, control: Control, clock: Clock) -> None:
        self._exchange = exchange
        self._control = control
        self._clock = clock
        self._unconfirmed_since: float | None = None
        self._halt_pulled = False
        self._due = 0.0
        self._live: int | None = None
        """How many orders were live when the latest pull began, if it has failed."""
        self._is_getting_on = False
        self._grid: tuple[Decimal, Decimal] | None = None
        """Tick and lot size of the instrument at the latest look."""
        self._is_off_grid = False
        """Whether orders priced on an older grid are not cancelled yet."""
        self.is_left_over = False
        """Whether the last tick had no time to pull what must not rest: then the next begins so."""

    def confirm(self) -> None:
        """Record that a tick has confirmed the resting orders."""
        self._unconfirmed_since = self._live = None

    def pull_if_due(self, begun: float, ttl: float) -> None:
        """Pull the orders that must not rest, after a tick that did not confirm them.

        The tick began at `begun` (steady seconds); after a slow one the next tick pulls, so that
        none takes long. `ttl` is how long a quote may rest unconfirmed, in seconds.
        """
        now = self._clock.monotonic()
        if self._unconfirmed_since is None:
            self._unconfirmed_since = begun - self._exchange.unconfirmed_for()
        self.is_left_over = now - begun > SLOW_TICK and not self.is_left_over  # but once
        if self.is_left_over:
            return
        if self._control.is_halted:
            why = f"halted, {self._control.halt_reason}"
            self._halt_pulled |= self.pull(why, surely=not self._halt_pulled)
        elif now - self._unconfirmed_since >= 0.8 * ttl:  # all cancelled by the ttl
            self.pull(f"unconfirmed for {now - self._unconfirmed_since:.0f} s, limit {ttl:g} s")

    def pull(self, why: str, *, surely: bool = False) -> bool:
        """Cancel all known own orders; return whether none is left.

        With `surely` it queries the venue even if no order is known. The venue takes so many
        cancels a second, so a pull of many orders goes on in the next ticks; but where they do not
        become fewer, it waits PULL_AGAIN seconds.
        """
        live = len(self._exchange.orders.live())
        if not (surely or live):
            self._live = None
            return True
        begun = self._clock.monotonic()
        if begun < self._due:
            return False
        logger.warning("Cancelling all own orders: %s.", why)
        try:
            Exchange.cancel_all_orders(self._exchange, PULL_SECONDS)  # no strategy's own
        except OrdersLeft as error:
            before, self._live = self._live, live
            if before is None or live < before:
                self._is_getting_on = True
                logger.info("%d own orders are left to cancel.", len(error.orders))
                return False
            self._due = begun + PULL_AGAIN
            listed = [*error.orders[:LISTED]]
            if (more := len(error.orders) - LISTED) > 0:
                listed.append(f"and {more} more")
            left = "".join(f"\n  {order}" for order in listed)
            logger.error("%s%s", error, left)
            return False
        self._live = None
        return True

    def take_getting_on(self) -> bool:
        """Return, but once, whether a pull is under way: then the next tick follows at once."""
        is_getting_on, self._is_getting_on = self._is_getting_on, False
        return is_getting_on

    def check_grid(self, tick: Decimal, lot: Decimal) -> None:
        """Cancel all own orders when the venue has changed tick or lot size.

        Raises Temporary while they are not cancelled.
        """
        before, self._grid = self._grid, (tick, lot)
        if before and before != self._grid:
            logger.warning(
                "Venue changed tick and lot size: %s, %s -> %s, %s.", *before, *self._grid
            )
            self._is_off_grid = True
        if self._is_off_grid and not self.pull("priced on the old tick grid"):
            raise Temporary("own orders on the old tick grid are not cancelled yet")
        self._is_off_grid = False
