"""The loop: when to tick, when orders must go, and the way out."""

import logging
from collections.abc import Callable
from typing import Protocol

from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.decimals import plain
from market_maker.errors import Fatal, InvalidOrder, RequestError
from market_maker.safety import Health, TradingState
from market_maker.settings import settings
from market_maker.trading.exchange_interface import ExchangeInterface
from market_maker.trading.pull import Puller

logger = logging.getLogger(__name__)

EXIT_SECONDS = 20.0
"""Seconds without progress after which leaving gives up and lists the orders."""
QUOTE_TTL = 15.0
"""Seconds after which no quote rests unconfirmed; never less than three LOOP_INTERVALs."""
SLEPT_SECONDS = 5.0
"""A wait that takes so much longer than asked for means that everything known is old."""
SLOW_SECONDS = 5.0
CHECK_FILES_EVERY = 1.0
"""Seconds between two looks at the watched files."""
SETTLE_SECONDS = 1.0
"""Seconds to the next tick while an outcome is unknown, or while quoting is not allowed."""


class Hooks(Protocol):
    """What the loop calls on an `OrderManager`; a strategy may override each of them."""

    def tick(self) -> None:
        """Make one pass; ends in `Loop.tick()`."""

    def sanity_check(self) -> None:
        """Bring our orders up to date, and see whether quoting is allowed."""

    def print_status(self) -> None:
        """Log the account and the position."""

    def place_orders(self) -> None:
        """Say which orders are wanted, and converge to them."""

    def check_file_change(self) -> bool:
        """Look at the watched files; return whether settings have changed."""

    def exit(self) -> None:
        """Leave no order behind."""


class Loop:
    """Ticks until told to stop, pulls what must not rest, and leaves no order behind.

    An `OrderManager` has one. What a strategy overrides is called on `bot`; pulling and the proof
    that no order is left depend on none of it.
    """

    def __init__(
        self, bot: Hooks, exchange: ExchangeInterface, control: Control, clock: Clock
    ) -> None:
        self._bot = bot
        self._exchange = exchange
        self._control = control
        self._clock = clock
        self.on_heartbeat: Callable[[], str] | None = None
        """Is told that the loop lives, once a second or more; returns what is wrong with the guard.

        `guard.session` sets it.
        """
        self.on_halt: Callable[[str], None] | None = None
        """Is told the reason of a halt, once; `guard.session` sets it."""
        self.may_have_pulled: Callable[[float], bool] = lambda _: False
        """Whether the guard may have pulled our orders after so many seconds of silence."""
        self.left_clean = False
        """Set when the way out has proven that none of our orders is left."""
        self.health = Health(TradingState.PAUSED, "starting")
        self.asked_at: float | None = None
        """When the strategy was asked for its orders; None while it is not at work."""
        self.puller = Puller(exchange, control, clock)
        self._halt_logged = False
        self._was_open = False
        self._heartbeat_at = clock.monotonic()
        self._check_due = clock.monotonic() + CHECK_FILES_EVERY
        self._wall_ahead = self._wall_clock_ahead()
        exchange.orders.set_heartbeat(self.heartbeat)

    # --- the loop -------------------------------------------------------------------------------

    def run(self, loops: int | None = None) -> None:
        """Tick until told to stop, or so many times; then leave no order behind.

        Raises OrdersLeft when own orders may rest at the venue, Fatal when the venue refused us.
        """
        try:
            while not self._control.is_stopping:
                self._bot.tick()
                if loops is not None:
                    loops -= 1
                    if loops <= 0:
                        self._control.stop("the asked number of loops is done")
                self.wait()
            logger.info("Stopping: %s.", self._control.stop_reason or "restart for new code")
        except KeyboardInterrupt:
            self._control.stop("interrupted")
            logger.info("Stopping: interrupted.")
        finally:
            self._bot.exit()
            if not self.left_clean and not self._exchange.is_closed:
                self.leave()

    def tick(self) -> None:
        """Make one pass: refresh, report, place orders; or pull them when quoting stopped long ago.

        A failed request costs this tick only; when the venue does not accept us any more, the bot
        halts.
        """
        begun = self._clock.monotonic()
        self.heartbeat()
        self._exchange.begin_tick()
        try:
            self._bot.sanity_check()
            if self.may_quote():
                self._bot.print_status()
            if self.may_quote() and self._place_orders():
                self.puller.confirm()
            else:
                self.puller.pull_if_due(begun, self.quote_ttl())
        except Fatal as error:
            logger.error("%s", error)
            self._exchange.monitor.record_fatal(error)
            self.puller.pull_if_due(begun, self.quote_ttl())
        except RequestError as error:
            logger.warning("This tick is skipped: %s", error)
            self.puller.pull_if_due(begun, self.quote_ttl())
        finally:
            self._exchange.end_tick()

    def may_quote(self) -> bool:
        """Return whether the trading state allows orders."""
        return self.health.state in (TradingState.ACTIVE, TradingState.REDUCING)

    def apply_health(self, found: Health) -> None:
        """Go on with the state that was found. A halt stays until a person has looked."""
        self.health = found
        if found.state is not TradingState.HALTED:
            return
        self._control.halt(found.reason)
        if not self._halt_logged:
            self._halt_logged = True
            logger.critical("HALTED until a person has looked: %s.", self._control.halt_reason)
            if self.on_halt:
                self.on_halt(self._control.halt_reason)

    def quote_ttl(self) -> float:
        """Return the seconds after which no quote may rest unconfirmed."""
        return max(QUOTE_TTL, 3 * settings.LOOP_INTERVAL)

    def leave(self, seconds: float = EXIT_SECONDS) -> None:
        """Cancel all our orders, prove that none is left, and close the connections.

        Raises OrdersLeft when that is not proven after so many seconds without progress.
        """
        try:
            if self._exchange.dry_run:
                logger.info("Shutting down. A dry run has nothing to cancel.")
                self.left_clean = True
                return
            logger.info("Shutting down. All open orders will be cancelled.")
            self._exchange.cancel_all_orders(seconds)
            self.left_clean = True
            logger.info("All own orders cancelled (confirmed by order query).")
            trades = self._exchange.money.trades
            logger.info(
                "This run: %d fills, bought %s, sold %s contracts.",
                *(trades.fills, plain(trades.bought), plain(trades.sold)),
            )
        finally:
            self._exchange.close()

    def wait(self) -> None:
        """Wait for the next tick: LOOP_INTERVAL, or less when something has happened."""
        exchange, clock = self._exchange, self._clock
        self._was_open = exchange.is_open()
        interval = settings.LOOP_INTERVAL
        if (
            exchange.orders.is_unsettled()
            or exchange.monitor.has_mismatch()
            or not self.may_quote()
        ):
            interval = min(interval, SETTLE_SECONDS)
        if exchange.orders.take_cut_short():
            interval = 0.0  # what was left of the plan is planned anew at once
        due = clock.monotonic() + interval
        while not self._control.is_stopping and (now := clock.monotonic()) < due:
            until = max(now, min(due, self._check_due))  # a look is overdue after a long tick
            reasons = clock.wait(self._control.wake, until - now)
            self.heartbeat()
            before, self._wall_ahead = self._wall_ahead, self._wall_clock_ahead()
            if self._has_stood_still(until, self._wall_ahead - before):
                return
            if reasons and self._is_worth_a_tick():
                return
            if clock.monotonic() >= self._check_due:
                self._check_due = clock.monotonic() + CHECK_FILES_EVERY
                if self._bot.check_file_change() or exchange.has_gone_stale(self.may_quote()):
                    return
                if exchange.is_open() != self._was_open:
                    return

    def heartbeat(self) -> None:
        """Tell the guard that we live, and hear whether there is one."""
        now = self._clock.monotonic()
        if self.may_have_pulled(now - self._heartbeat_at):
            self._exchange.orders.tracker.all_pulled()
        self._heartbeat_at = now
        trouble = self.on_heartbeat() if self.on_heartbeat else ""
        if trouble and trouble != self._exchange.monitor.guard_trouble:
            logger.error("No guard process: %s.", trouble)
        self._exchange.monitor.guard_trouble = trouble

    # --- inside ---------------------------------------------------------------------------------

    def _place_orders(self) -> bool:
        """Let the strategy place its orders; return whether it did. Its errors end nothing."""
        begun = self.asked_at = self._clock.monotonic()
        try:
            self._bot.place_orders()
        except Fatal:
            raise
        except RequestError as error:
            logger.warning("This tick is skipped: %s", error)
            return False
        except InvalidOrder as error:
            logger.error("The strategy asked for an order that makes no sense: %s", error)
        except Exception:
            logger.exception("The strategy failed; this tick is skipped.")
        else:
            self._exchange.monitor.calm("strategy")
            return True
        finally:
            self.asked_at = None
            busy = self._exchange.orders.executor.take_busy_seconds()
            took = self._clock.monotonic() - begun - busy
            if took > SLOW_SECONDS:
                logger.error("The strategy took %.0f s to say which orders are wanted.", took)
        self._exchange.monitor.note("strategy")
        return False

    def _has_stood_still(self, until: float, stepped: float) -> bool:
        """Return whether the process stood still, or the machine: nothing known is still true then.

        `until` is when the wait was to end, `stepped` what the wall clock says more than the steady
        one, which stands still while the machine is suspended.
        """
        slept = max(self._clock.monotonic() - until, stepped)
        if max(slept, -stepped) <= SLEPT_SECONDS:
            return False
        if slept > SLEPT_SECONDS:
            logger.warning("This machine or process stood still for %.0f s: resyncing.", slept)
        else:
            logger.warning("This machine's clock was set back by %.0f s.", -stepped)
        self._exchange.resync("the process stood still, or its clock was set")
        return True

    def _is_worth_a_tick(self) -> bool:
        """Return whether the news that has come should not wait for LOOP_INTERVAL."""
        moved = self._exchange.orders.take_news() and settings.WAKE_ON_FILL
        is_new_halt = self._control.is_halted and not self._halt_logged
        return bool(moved or is_new_halt or self._exchange.is_open() != self._was_open)

    def _wall_clock_ahead(self) -> float:
        """Return by how many seconds the wall clock is ahead of the steady one."""
        return self._clock.now_ms() / 1000 - self._clock.monotonic()
