"""The control loop: ticks, pulls own orders when they must not rest, and shuts down."""

import logging
from collections.abc import Callable
from contextlib import suppress

from market_maker.clock import SLEPT_SECONDS, Clock
from market_maker.control import Control
from market_maker.errors import Fatal, InvalidOrder, OrdersLeft, RequestError
from market_maker.orders import sweep
from market_maker.safety import Health, TradingState
from market_maker.settings import settings
from market_maker.trading.exchange import Exchange
from market_maker.trading.hooks import Hooks, run_tick
from market_maker.trading.pull import Puller
from market_maker.trading.state_log import HALTED_LINE, StateLog

logger = logging.getLogger(__name__)

QUOTE_TTL = 15.0
"""Seconds that a quote may rest unconfirmed; at least three LOOP_INTERVALs."""
SLOW_SECONDS = 5.0
"""A strategy that takes longer than this is reported."""
FAILING_SECONDS = 60.0
"""A bot whose every tick fails for so long is halted: its strategy is broken."""
CHECK_FILES_EVERY = 1.0
"""Seconds between two checks of the watched files."""
SETTLE_SECONDS = 1.0
"""Seconds to the next tick while an outcome is unknown or quoting is not allowed."""


class Loop:
    """Ticks until stopped, pulls orders that must not rest, and shuts down with none left.

    An `OrderManager` has one. Hooks that a strategy may override are called on `bot`; pulling and
    the proof that no order is left depend on none of them.
    """

    def __init__(self, bot: Hooks, exchange: Exchange, control: Control, clock: Clock) -> None:
        self._bot = bot
        self._exchange = exchange
        self._control = control
        self._clock = clock
        self.on_heartbeat: Callable[[], str] | None = None
        """Called with each heartbeat; returns the guard's trouble. `guard.session` sets it."""
        self.take_returned: Callable[[object], None] = lambda _: None
        """Takes what `place_orders()` returns; `Converger` sets it."""
        self.on_halt: Callable[[str], None] | None = None
        """Called once with the reason of a halt; `guard.session` sets it."""
        self.on_state: Callable[[Health], None] = lambda _: None
        """Called with the trading state of each tick; `Audience` sets both."""
        self.on_leave: Callable[[], None] = lambda: None
        self.may_have_pulled: Callable[[float], bool] = lambda _: False
        """Whether the guard may have pulled after so many seconds without a heartbeat."""
        self.left_clean = False
        """Whether the shutdown has proven that no own order is left."""
        self.leave_by = 0.0
        """By when the way out must end, in steady seconds, however it is tried; 0 before it."""
        self.health = Health(TradingState.PAUSED, "starting")
        self.asked_at: float | None = None
        """When `place_orders()` began, in steady seconds; None outside it."""
        self.is_ticking = False
        """Whether a tick is under way: its trading state is determined already."""
        self.puller = Puller(exchange, control, clock)
        self._state_log = StateLog(clock)
        self._failing_since: float | None = None  # since when each tick has failed
        self._halt_logged = False
        self._was_open = False
        self._heartbeat_at = clock.monotonic()
        self._check_due = clock.monotonic() + CHECK_FILES_EVERY
        self._wall_ahead = clock.ahead()
        exchange.orders.set_heartbeat(self.heartbeat)

    def run(self, loops: int | None = None) -> None:
        """Tick until stopped, or `loops` times; then cancel all own orders.

        Raises OrdersLeft when own orders may still rest at the venue.
        """
        try:
            while not self._control.is_stopping:
                self._tick_safely()
                if loops is not None and (loops := loops - 1) <= 0:
                    self._control.stop("requested number of loops done")
                self.wait()
            logger.info("Stopping: %s.", self._control.stop_reason or "restart for new code")
        except KeyboardInterrupt:
            self._control.stop("interrupted")
            logger.info("Stopping: interrupted.")
        finally:
            self._exit()

    def _exit(self) -> None:
        """Let the bot leave; then leave, unless it is proven that no order is left."""
        try:
            with suppress(SystemExit):  # the sample's own way
                self._bot.exit()
        except OrdersLeft:
            raise
        except Exception:
            logger.exception("exit() failed.")
        if not self.left_clean and not self._exchange.is_closed:
            self.leave()

    def _tick_safely(self) -> None:
        """Run a tick of the bot; what an overridden `tick()` raises costs that tick."""
        begun = self._clock.monotonic()
        try:
            run_tick(self._bot)
        except Exception:
            logger.exception("Strategy failed, tick skipped.")
            self.heartbeat()
            self.puller.pull_if_due(begun, self.quote_ttl())

    def _has_file_changed(self) -> bool:
        """Let the bot look at its files; what an overridden hook raises costs that look."""
        try:
            return self._bot.check_file_change()
        except Exception:
            logger.exception("check_file_change() failed.")
            return False

    def tick(self) -> None:
        """Run one tick: refresh, report, place orders; pull them if they stay unconfirmed too long.

        Whatever goes wrong costs this tick only. A fatal answer of the venue is recorded and may
        halt the bot; so do errors of overridden methods at every tick for FAILING_SECONDS.
        """
        begun = self._clock.monotonic()
        failing, self._failing_since = self._failing_since, None
        self.heartbeat()
        if self.puller.is_left_over:
            self.puller.pull_if_due(begun, self.quote_ttl())
            return
        self._exchange.view.begin_tick()
        self.is_ticking, confirmed = True, False
        try:
            self.assess()
            self._bot.sanity_check()
            self.heartbeat()  # a read may have taken as long as an answer may
            if self.may_quote() or self._exchange.view.is_known:
                self._bot.print_status()
            is_stalled = self._exchange.orders.is_stalled
            confirmed = self.may_quote() and (is_stalled or self._place_orders())
        except Fatal as error:
            logger.error("%s", error)
            self._exchange.monitor.record_fatal(error)
        except RequestError as error:
            logger.warning("Tick skipped: %s", error)
            self._failing_since = failing
        except InvalidOrder as error:
            logger.error("Invalid order from the strategy, tick skipped: %s", error)
            self._record_failure(begun, failing)
        except Exception:
            logger.exception("Strategy failed, tick skipped.")
            self._record_failure(begun, failing)
        finally:
            self.is_ticking = False
            self._exchange.view.end_tick()
        if confirmed:
            self.puller.confirm()
        else:
            self.puller.pull_if_due(begun, self.quote_ttl())
        self._exchange.finish_tick(self.health)

    def assess(self) -> None:
        """Determine the trading state, in each tick before any hook: none can leave it out.

        Raises Temporary while orders on an old tick grid are not cancelled.
        """
        self.apply_health(self._exchange.refresh())
        self._state_log.log(self.health)
        self.on_state(self.health)
        if self.may_quote():
            instrument = self._exchange.snapshot().instrument
            self.puller.check_grid(instrument.tick, instrument.lot)

    def may_quote(self) -> bool:
        """Return whether the trading state allows orders."""
        return self.health.state in (TradingState.ACTIVE, TradingState.REDUCING)

    def apply_health(self, found: Health) -> None:
        """Set the trading state. A halt stays in force until a person restarts the bot."""
        self.health = found
        if found.state is not TradingState.HALTED:
            return
        self._control.halt(found.reason)
        if not self._halt_logged:
            self._halt_logged = True
            logger.critical(HALTED_LINE, self._control.halt_reason)
            if self.on_halt:
                self.on_halt(self._control.halt_reason)

    def quote_ttl(self) -> float:
        """Return the seconds that a quote may rest unconfirmed."""
        return max(QUOTE_TTL, 3 * settings.LOOP_INTERVAL)

    def leave(self, seconds: float | None = None) -> None:
        """Cancel all own orders, prove that none is left, and close the connections.

        Raises OrdersLeft when that takes more than `seconds`, if given, or the way out too long.
        """
        self.on_leave()
        now, live = self._clock.monotonic(), len(self._exchange.orders.live())
        self.leave_by = self.leave_by or sweep.leave_by(self._control.note_stop(), now, live)
        seconds = self.leave_by - now if seconds is None else seconds
        try:
            if self._exchange.dry_run:
                logger.info("Shutting down. A dry run has nothing to cancel.")
                self.left_clean = True
                return
            logger.info("Shutting down. All open orders will be cancelled.")
            Exchange.cancel_all_orders(self._exchange, seconds)  # no strategy's own
            self.left_clean = True
            logger.info("All own orders cancelled (confirmed by order query).")
        finally:
            self._exchange.log_end(proven=self.left_clean)
            self._exchange.close(proven=self.left_clean)

    def wait(self) -> None:
        """Wait for the next tick: LOOP_INTERVAL, or less after an event."""
        exchange, clock, control = self._exchange, self._clock, self._control
        self._was_open = exchange.is_open()
        interval = settings.LOOP_INTERVAL
        is_unsettled = exchange.orders.is_unsettled() or exchange.monitor.has_mismatch()
        if is_unsettled or not self.may_quote():
            interval = min(interval, SETTLE_SECONDS)
        if exchange.orders.take_cut_short() or self.puller.is_left_over:
            interval = 0.0  # the rest of the plan is planned again at once
        due = planned = clock.monotonic() + interval
        while not (control.is_stopping or due <= (now := clock.monotonic()) < self._check_due):
            until = max(now, min(due, self._check_due))  # after a long tick the check is overdue
            reasons = clock.wait(control.wake, until - now)
            self.heartbeat()
            before, self._wall_ahead = self._wall_ahead, clock.ahead()
            if self._has_stood_still(until, self._wall_ahead - before):
                return
            if clock.monotonic() >= self._check_due:
                self._check_due = clock.monotonic() + CHECK_FILES_EVERY
                has_changed = self._has_file_changed() or exchange.is_open() != self._was_open
                if has_changed or exchange.has_gone_stale(self.may_quote()):
                    return
            if reasons and self._is_worth_a_tick():
                return
            if reasons:  # unexplained: somebody has traded, or a row is late
                is_explained = exchange.is_position_explained()
                due = planned if is_explained else min(due, clock.monotonic() + SETTLE_SECONDS)

    def heartbeat(self) -> None:
        """Send a heartbeat to the guard, and learn whether there is one."""
        now = self._clock.monotonic()
        if self.may_have_pulled(now - self._heartbeat_at):
            self._exchange.orders.tracker.all_pulled()
        self._heartbeat_at = now
        trouble = self.on_heartbeat() if self.on_heartbeat else ""
        if trouble and trouble != self._exchange.monitor.guard_trouble:
            logger.error("No guard process: %s; not quoting.", trouble)
        self._exchange.monitor.guard_trouble = trouble

    def _place_orders(self) -> bool:
        """Let the strategy place its orders, and return True."""
        begun = self.asked_at = self._clock.monotonic()
        try:
            if (returned := self._bot.place_orders()) is not None:
                self.take_returned(returned)
            return True
        finally:
            self.asked_at = None
            busy = self._exchange.orders.executor.take_busy_seconds()
            took = self._clock.monotonic() - begun - busy
            if took > SLOW_SECONDS:
                words = "Slow strategy: place_orders() took %.0f s, limit %g s."
                logger.error(words, took, SLOW_SECONDS)

    def _record_failure(self, now: float, failing_since: float | None) -> None:
        """Record a failed tick; `failing_since` is when the first of the failed ones began."""
        self._failing_since = now if failing_since is None else failing_since
        if now - self._failing_since >= FAILING_SECONDS:
            self._exchange.monitor.note("strategy")

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

    def _is_worth_a_tick(self) -> bool:
        """Return whether the updates that arrived call for a tick before LOOP_INTERVAL."""
        moved = self._exchange.orders.take_news() and settings.WAKE_ON_FILL
        is_new_halt = self._control.is_halted and not self._halt_logged
        return bool(moved or is_new_halt or self._exchange.is_open() != self._was_open)
