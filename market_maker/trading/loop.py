"""The loop: when to look, when quoting is allowed, when orders must go, and the way out."""

import logging
from collections.abc import Callable

from market_maker import __version__, clock
from market_maker.app.upkeep import Upkeep
from market_maker.errors import Fatal, InvalidOrder, OrdersLeft, RequestError
from market_maker.guard.guard import HANG_SECONDS
from market_maker.models import plain
from market_maker.safety.trading_state import Health, TradingState
from market_maker.settings import FILE, settings
from market_maker.settings.reload import Reloader
from market_maker.trading.exchange_interface import EarlierRuns, ExchangeInterface

logger = logging.getLogger(__name__)

EXIT_SECONDS = 20.0
"""Seconds without progress after which leaving gives up and lists the orders."""
START_EXIT_SECONDS = 3.0
"""The same for leaving during the start, when only an earlier run can have left orders."""
QUOTE_TTL = 15.0
"""Seconds after which no quote rests unconfirmed; never less than three LOOP_INTERVALs."""
SLEPT_SECONDS = 5.0
"""A wait that takes so much longer than asked for means that everything known is old."""
SLOW_SECONDS = 5.0
PULL_SECONDS = 1.0
"""Seconds that a pull insists within one tick."""
PULL_AGAIN = 4.0
"""Seconds to the next pull after one that has not got through."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the watched files."""
SETTLE_SECONDS = 1.0
"""Seconds to the next tick while the fate of an order is open, or while quoting is not allowed."""


class Loop:
    """Ticks until told to stop, and leaves no order behind. `OrderManager` says what to quote.

    Making one connects to the venue.
    """

    earlier = EarlierRuns()
    """What is known of the runs before this one; the command line sets it."""

    def __init__(self) -> None:
        if not settings.loaded:
            settings.load(FILE)
        self.exchange = ExchangeInterface(settings.DRY_RUN)
        self.exchange.executor.beat = self._beat
        self.on_restart: Callable[[], None] | None = None
        """Starts this program anew; the command line sets it. Without it new code waits."""
        self.on_beat: Callable[[], str] | None = None
        """Is told that the loop lives, once a second or more; returns what is wrong with the guard.

        `Safeguards` sets it.
        """
        self.guard_trouble = ""
        """Why nobody would cancel our orders if this process died; nothing while somebody would."""
        self.on_halt: Callable[[str], None] | None = None
        """Is told the reason of a halt, once; `Safeguards` sets it."""
        self.halted_reason = ""
        """Why nothing is quoted any more until a person has looked; empty while all is well."""
        self.left_clean = False
        """Set when the way out has proven that none of our orders is left."""
        self.health = Health(TradingState.PAUSED, "starting")
        self.stop_reason = ""
        """Why the loop is to end, once `stop()` has been called."""
        self._halt_told = self._halt_pulled = False
        self._unconfirmed_since: float | None = None
        self._asked_at: float | None = None
        """When the strategy was asked for its orders; None while it is not at work."""
        self._pull_due = 0.0
        self._is_restarting = self._wants_restart = self._was_open = False
        self._beaten = clock.monotonic()
        self._look_due = clock.monotonic() + LOOK_EVERY
        self._wall_ahead = _wall_ahead()
        self._upkeep = Upkeep()
        self._reloader = Reloader()
        logger.info("GTE market maker %s, build %s.", __version__, self._upkeep.build)
        logger.info("Using symbol %s.", settings.SYMBOL)
        logger.info(
            "Order Manager initializing, connecting to GTE at %s. %s",
            settings.API_URL_BASE,
            "Dry run: no order is sent." if settings.DRY_RUN else "Live run: orders are sent.",
        )
        try:
            self.exchange.start(self.earlier)
            self.reset()
        except BaseException as error:
            if self.exchange.own.live() or isinstance(error, KeyboardInterrupt):
                self.exit(START_EXIT_SECONDS)
            self.exchange.close()
            raise

    # --- what to quote: OrderManager ------------------------------------------------------------

    def reset(self) -> None:
        """Read the instrument and where the position stands, once connected."""
        raise NotImplementedError

    def sanity_check(self) -> None:
        """Bring our orders up to date, and set `health`."""
        raise NotImplementedError

    def place_orders(self) -> None:
        """Say which orders are wanted, and converge to them."""
        raise NotImplementedError

    def print_status(self) -> None:
        """Log the account and the position."""
        raise NotImplementedError

    # --- asked from outside ---------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Ask the loop to end after the current tick. May be called from a signal handler."""
        self.stop_reason = reason
        self._leave()

    def halt(self, reason: str) -> None:
        """Place no order any more, pull all at the next tick, and stay so until a person restarts.

        May be called from a signal handler.
        """
        if not self.halted_reason:
            self.halted_reason = reason
            self.exchange.brake.halted = True
            self.exchange.wake.put("halt")

    def hurry(self) -> None:
        """Leave with one round of cancels and one more look. May be called from a signal handler.

        What is not proven gone then is listed.
        """
        self.exchange.brake.hurry = True

    def restart(self) -> None:
        """Leave the loop with the orders in the book and let `on_restart` take over.

        A stop, whenever it is asked for, wins.
        """
        self._is_restarting = True
        self._leave()

    def exit(self, seconds: float | None = None) -> None:
        """Cancel all our orders, prove that none is left, and close the connections.

        Raises OrdersLeft when that is not proven after EXIT_SECONDS, or so many, without progress.
        """
        try:
            if self.exchange.dry_run:
                logger.info("Shutting down. A dry run has nothing to cancel.")
                self.left_clean = True
                return
            logger.info("Shutting down. All open orders will be cancelled.")
            self.exchange.cancel_all_orders(EXIT_SECONDS if seconds is None else seconds)
            self.left_clean = True
            logger.info("No order of ours is left: the venue's own list says so.")
            own = self.exchange.own
            logger.info(
                "This run: %d fills, bought %s, sold %s contracts.",
                *(own.fill_count, plain(own.bought), plain(own.sold)),
            )
        finally:
            self.exchange.close()

    def _leave(self) -> None:
        self.exchange.brake.stopping = True
        self.exchange.wake.put("leave")

    # --- the loop -------------------------------------------------------------------------------

    def run_loop(self, loops: int | None = None) -> None:
        """Tick until `stop()`, or so many times; then leave no order behind.

        Raises OrdersLeft when own orders may rest at the venue, Fatal when the venue refused us.
        """
        try:
            while not self.exchange.brake.stopping:
                self.tick()
                if loops is not None:
                    loops -= 1
                    if loops <= 0:
                        self.stop("the asked number of loops is done")
                self._wait()
            logger.info("Stopping: %s.", self.stop_reason or "restart")
        except KeyboardInterrupt:
            logger.info("Stopping: interrupted.")
        finally:
            restart = self.on_restart if self._is_restarting and not self.stop_reason else None
            if restart:
                self.exchange.close()
            else:
                self.exit()
        if restart:
            restart()

    def tick(self) -> None:
        """Make one pass: refresh, report, place orders; or pull them when quoting stopped long ago.

        A failed request costs this tick only; when the venue does not accept us any more, the bot
        halts.
        """
        begun = clock.monotonic()
        self._beat()
        try:
            self.sanity_check()
            if self._may_quote():
                self.print_status()
            if self._may_quote() and self._place_orders():
                self._unconfirmed_since = None
            else:
                self._pull_what_must_not_rest(begun)
        except Fatal as error:
            logger.error("%s", error)
            self.exchange.alarms.note_fatal(error, clock.monotonic())
            self._pull_what_must_not_rest(begun)
        except RequestError as error:
            logger.warning("This tick is skipped: %s", error)
            self._pull_what_must_not_rest(begun)

    def check_file_change(self) -> bool:
        """Take changed settings over, and restart for changed code, once files have stood still.

        Returns whether settings have changed.
        """
        changed, code = self._reloader.look()
        if "DRY_RUN" in changed:
            try:
                self.exchange.go_dry()
            except OrdersLeft as error:
                logger.error("%s", error)
                self.halt("DRY_RUN was set to True, and orders may be left")
        if code:
            names = ", ".join(code)
            if self.on_restart:
                logger.info("Changed: %s.", names)
                self._wants_restart = True
            else:
                logger.warning("Changed: %s. Restart to run the new code.", names)
        return bool(changed)

    # --- inside ---------------------------------------------------------------------------------

    def _may_quote(self) -> bool:
        return self.health.state in (TradingState.ACTIVE, TradingState.REDUCING)

    def _judged(self, found: Health) -> Health:
        """Return the state with our own halt in it; a halt stays until a person has looked."""
        if found.state is TradingState.HALTED and not self.halted_reason:
            self.halt(found.reason)
        if self.halted_reason and not self._halt_told:
            self._halt_told = True
            logger.critical("HALTED until a person has looked: %s.", self.halted_reason)
            if self.on_halt:
                self.on_halt(self.halted_reason)
        if self.halted_reason:
            return Health(TradingState.HALTED, self.halted_reason)
        if self.guard_trouble and found.state.severity < TradingState.PAUSED.severity:
            return Health(TradingState.PAUSED, f"nobody guards us: {self.guard_trouble}")
        return found

    def _place_orders(self) -> bool:
        """Let the strategy place its orders; return whether it did. Its errors end nothing."""
        begun = self._asked_at = clock.monotonic()
        try:
            self.place_orders()
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
            self.exchange.alarms.calm("strategy")
            return True
        finally:
            self._asked_at = None
            took = clock.monotonic() - begun - self.exchange.executor.take_busy_seconds()
            if took > SLOW_SECONDS:
                logger.error("The strategy took %.0f s to say which orders are wanted.", took)
        self.exchange.alarms.note("strategy", clock.monotonic())
        return False

    def _quote_ttl(self) -> float:
        return max(QUOTE_TTL, 3 * settings.LOOP_INTERVAL)

    def _pull_what_must_not_rest(self, begun: float) -> None:
        """Cancel all our orders in a halt, and when they have stood unconfirmed for too long.

        `begun` is when this tick began, which has not confirmed them.
        """
        now = clock.monotonic()
        if self._unconfirmed_since is None:
            self._unconfirmed_since = begun - self.exchange.unconfirmed_for()
        ttl = 0.8 * self._quote_ttl()  # they must be gone by then
        if self.halted_reason:
            self._halt_pulled |= self._pull(
                f"halted, {self.halted_reason}", surely=not self._halt_pulled
            )
        elif now - self._unconfirmed_since >= ttl:
            self._pull(f"they have stood unconfirmed for {now - self._unconfirmed_since:.0f} s")

    def _pull(self, why: str, *, surely: bool = False) -> bool:
        """Cancel all our orders that are known; return whether none is left.

        `surely` asks the venue whether there are more. After one that has not got through, the next
        one waits a little.
        """
        if not (surely or self.exchange.own.live()):
            return True
        if clock.monotonic() < self._pull_due:
            return False
        logger.warning("Cancelling all our orders: %s.", why)
        try:
            self.exchange.cancel_all_orders(seconds=min(settings.TIMEOUT, PULL_SECONDS))
        except OrdersLeft as error:
            self._pull_due = clock.monotonic() + PULL_AGAIN
            left = "".join(f"\n  {order}" for order in error.orders)
            logger.error("%s%s", error, left)
            return False
        return True

    def _wait(self) -> None:
        """Wait for the next tick: LOOP_INTERVAL, or less when something has happened."""
        self._was_open = self.exchange.is_open()
        interval = settings.LOOP_INTERVAL
        unsettled = self.exchange.is_unsettled() or self.exchange.is_doubtful()
        if unsettled or not self._may_quote():
            interval = min(interval, SETTLE_SECONDS)
        due = clock.monotonic() + interval
        while not self.exchange.brake.stopping and (now := clock.monotonic()) < due:
            until = max(now, min(due, self._look_due))  # a look is overdue after a long tick
            reasons = clock.wait(self.exchange.wake, until - now)
            self._beat()
            before, self._wall_ahead = self._wall_ahead, _wall_ahead()
            if self._has_slept(until, self._wall_ahead - before):
                return
            if reasons and self._is_worth_a_tick():
                return
            if clock.monotonic() >= self._look_due:
                self._look_due = clock.monotonic() + LOOK_EVERY
                self._upkeep.look(can_restart=bool(self.on_restart))
                self._restart_if_due()
                if self.check_file_change() or self.exchange.has_gone_silent(self._may_quote()):
                    return
                if self.exchange.is_open() != self._was_open:  # its thread may have died
                    return

    def _has_slept(self, until: float, stepped: float) -> bool:
        """Say whether the process stood still, or the machine: then nothing known is still true.

        `until` is when the wait was to end, `stepped` what the wall clock says more than the steady
        one, which stands still while the machine is suspended.
        """
        slept = max(clock.monotonic() - until, stepped)
        if max(slept, -stepped) <= SLEPT_SECONDS:
            return False
        if slept > SLEPT_SECONDS:
            logger.warning("This machine or process stood still for %.0f s: looking anew.", slept)
        else:
            logger.warning("This machine's clock was set back by %.0f s.", -stepped)
        self.exchange.look_anew("the process stood still, or its clock was set")
        return True

    def _is_worth_a_tick(self) -> bool:
        """Say whether the news that has come should not wait for LOOP_INTERVAL."""
        moved = self.exchange.take_news() and settings.WAKE_ON_FILL
        told = self.halted_reason and not self._halt_told
        return bool(moved or told or self.exchange.is_open() != self._was_open)

    def _beat(self) -> None:
        now = clock.monotonic()
        if self.on_beat and now - self._beaten > HANG_SECONDS:
            self.exchange.own.all_pulled()  # by the guard, which took us for hung
        self._beaten = now
        trouble = self.on_beat() if self.on_beat else ""
        if trouble and trouble != self.guard_trouble:
            logger.error("No guard: %s.", trouble)
        self.guard_trouble = trouble

    def _restart_if_due(self) -> None:
        """Start anew for new code, or when the process is too large and all is well.

        Not while the fate of an order is open: the new process would not know of it.
        """
        is_too_large = self._upkeep.is_too_large and self.health.state is TradingState.ACTIVE
        if not self.on_restart or self.exchange.is_unsettled():
            return
        if self._wants_restart or (is_too_large and not self.halted_reason):
            reason = "new code" if self._wants_restart else "its memory"
            logger.info("Restarting for %s; the orders stay in the book.", reason)
            self.restart()


def _wall_ahead() -> float:
    """Return by how many seconds the wall clock is ahead of the steady one."""
    return clock.now_ms() / 1000 - clock.monotonic()
