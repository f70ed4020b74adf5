"""The control loop: ticks, pulls own orders when they must not rest, and shuts down."""

import logging
from collections.abc import Callable
from contextlib import suppress

from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.errors import Fatal, InvalidOrder, OrdersLeft, RequestError
from market_maker.orders import sweep
from market_maker.safety import Health, TradingState
from market_maker.settings import settings
from market_maker.trading.exchange import Exchange
from market_maker.trading.hooks import Hooks, run_tick
from market_maker.trading.pull import Puller
from market_maker.trading.state_log import HALTED_LINE, StateLog
from market_maker.trading.wait import Wait

logger = logging.getLogger(__name__)

QUOTE_TTL = 15.0
"""Seconds that a quote may rest unconfirmed; at least three LOOP_INTERVALs."""
SLOW_STRATEGY = 5.0
"""A strategy that takes longer than this is reported."""
FAILING_SECONDS = 60.0
"""A bot whose every tick fails for so long is halted: its strategy is broken."""


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
        """Called with the trading state of each tick; `Audience` sets it."""
        self.on_leave: Callable[[], None] = lambda: None
        """Called when the way out begins; `Audience` sets it."""
        self.may_have_pulled: Callable[[float], bool] = lambda _: False
        """Whether the guard may have pulled after so many seconds without a heartbeat."""
        self.left_clean = False
        """Whether the shutdown has proven that no own order is left."""
        self.leave_by = 0.0
        """By when the way out must end, in steady seconds, however it is tried; 0 before it."""
        self.health = Health(TradingState.PAUSED, "starting")
        self.asked_at: float | None = None
        """When `place_orders()` began, in steady seconds; None outside it."""
        self.asks = 0
        """How often the strategy was asked for its orders."""
        self.is_ticking = False
        """Whether a tick is under way: its trading state is determined already."""
        self.puller = Puller(exchange, control, clock)
        self._state_log = StateLog(clock)
        self._wait = Wait(bot, exchange, control, clock)
        self._has_ticked = False  # whether the bot's tick() has run ours
        self._failing_since: float | None = None  # since when each tick has failed
        self._halt_logged = False
        self._heartbeat_at = clock.monotonic()
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
        except (KeyboardInterrupt, SystemExit) as error:
            by_hand = isinstance(error, KeyboardInterrupt)
            self._control.stop("interrupted" if by_hand else "the strategy called sys.exit()")
            logger.info("Stopping: %s.", self._control.stop_reason)
            if not by_hand:
                raise
        finally:
            self._exit()

    def _exit(self) -> None:
        """Let the bot leave; then leave, unless it is proven that no order is left."""
        try:
            with suppress(SystemExit):  # the sample's own way
                if not self._exchange.is_closed:  # else a strategy has called it
                    self._bot.exit()
        except OrdersLeft:
            raise
        except Exception:
            logger.exception("exit() failed.")
        if not self.left_clean and not self._exchange.is_closed:
            self.leave()

    def _tick_safely(self) -> None:
        """Run a tick of the bot; what an overridden `tick()` leaves out is done all the same."""
        begun, failing = self._clock.monotonic(), self._failing_since
        self._has_ticked = False
        try:
            run_tick(self._bot)
        except Exception:
            logger.exception("Strategy failed, tick skipped.")
            if not self._has_ticked:
                self._tick(asks=False)
            self._record_failure(begun, failing)
        else:
            if not self._has_ticked:
                self._tick(asks=True)

    def tick(self) -> None:
        """Run one tick: refresh, report, place orders; pull them if they stay unconfirmed too long.

        Whatever goes wrong costs this tick only. A fatal answer of the venue is recorded and may
        halt the bot; so do errors of overridden methods at every tick for FAILING_SECONDS.
        """
        self._tick(asks=True)

    def _tick(self, *, asks: bool) -> None:
        """Run a tick; `asks`: let the strategy place orders."""
        begun, self._has_ticked = self._clock.monotonic(), True
        self.heartbeat()
        if self.puller.is_left_over:
            self.puller.pull_if_due(begun, self.quote_ttl())
            return
        self._exchange.view.begin_tick()
        self.is_ticking, confirmed, is_left = True, False, False
        try:
            self.assess()
            self._bot.sanity_check()
            self.heartbeat()  # a read may have taken as long as an answer may
            if self.may_quote() or self._exchange.view.is_known:
                self._bot.print_status()
            may_place = asks and self.may_quote()
            is_left = may_place and self._exchange.reads.is_stalled  # the next follows at once
            confirmed = may_place and not is_left and self._place_orders()
            self._failing_since = self._failing_since if is_left else None
        except Fatal as error:
            logger.error("%s", error)
            self._exchange.monitor.record_fatal(error)
        except RequestError as error:
            logger.warning("Tick skipped: %s", error)
        except InvalidOrder as error:
            logger.error("Invalid order from the strategy, tick skipped: %s", error)
            self._record_failure(begun, self._failing_since)
        except Exception:
            logger.exception("Strategy failed, tick skipped.")
            self._record_failure(begun, self._failing_since)
        finally:
            self.is_ticking = False
            self._exchange.view.end_tick()
        if confirmed:
            self.puller.confirm()
        elif not is_left:
            self.puller.pull_if_due(begun, self.quote_ttl())
        self._exchange.finish_tick(self.health)

    def assess(self) -> None:
        """Determine the trading state, in each tick before other hooks: none can leave it out.

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
        """Return the seconds that a quote may rest unconfirmed.

        Longer where ticks are rare; but those of a state that allows no order come each second.
        """
        return max(QUOTE_TTL, 3 * settings.LOOP_INTERVAL if self.may_quote() else 0.0)

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
        """Wait for the next tick; see `Wait.until_due()`."""
        is_getting_on = self.puller.take_getting_on()
        self._wait.until_due(
            may_quote=self.may_quote(),
            at_once=self.puller.is_left_over or is_getting_on or self._exchange.reads.has_left,
            is_halted=self._halt_logged,
        )

    def heartbeat(self) -> None:
        """Send a heartbeat to the guard, and learn whether there is one."""
        now = self._clock.monotonic()
        if self.may_have_pulled(now - self._heartbeat_at):
            self._exchange.orders.tracker.all_pulled()
        self._heartbeat_at = now
        trouble = self.on_heartbeat() if self.on_heartbeat else ""
        if trouble and trouble != self._exchange.monitor.unprotected:
            logger.error("Nobody could cancel if this process died: %s; not quoting.", trouble)
        self._exchange.monitor.unprotected = trouble

    def _place_orders(self) -> bool:
        """Let the strategy place its orders, and return True."""
        begun = self.asked_at = self._clock.monotonic()
        self.asks += 1
        try:
            if (returned := self._bot.place_orders()) is not None:
                self.take_returned(returned)
            return True
        finally:
            self.asked_at = None
            busy = self._exchange.orders.executor.take_busy_seconds()
            took = self._clock.monotonic() - begun - busy
            if took > SLOW_STRATEGY:
                words = "Slow strategy: place_orders() took %.0f s, limit %g s."
                logger.error(words, took, SLOW_STRATEGY)

    def _record_failure(self, now: float, failing_since: float | None) -> None:
        """Record a failed tick; `failing_since` is when the first of the failed ones began."""
        self._failing_since = now if failing_since is None else failing_since
        if now - self._failing_since >= FAILING_SECONDS:
            self._exchange.monitor.note("strategy")
