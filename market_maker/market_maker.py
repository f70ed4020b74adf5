"""The market maker: the loop that keeps our orders where a strategy wants them."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from market_maker import __version__, build, clock, convergence, ladder, resources, risk
from market_maker.errors import Fatal, InvalidOrder, OrdersLeft, RequestError, Temporary
from market_maker.exchange_interface import EarlierRuns, ExchangeInterface
from market_maker.guard import HANG_SECONDS
from market_maker.health import Health, TradingState
from market_maker.models import Instrument, OrderRequest, Plan, Position, Side, plain, to_grid
from market_maker.reloader import Reloader
from market_maker.settings import FILE, settings
from market_maker.sizes import RandomSizes

__all__ = ["ExchangeInterface", "OrderManager"]

logger = logging.getLogger(__name__)

EXIT_SECONDS = 20.0
"""Seconds without progress after which leaving gives up and lists the orders."""
START_EXIT_SECONDS = 3.0
"""The same for leaving during the start, when only an earlier run can have left orders."""
LARGEST = 10**15
"""No price or quantity of a strategy is as large as this."""
QUOTE_TTL = 15.0
"""Seconds after which no quote rests unconfirmed; never less than three LOOP_INTERVALs."""
SLEPT_SECONDS = 5.0
"""A wait that takes so much longer than asked for means that everything known is old."""
SLOW_SECONDS = 5.0
PULL_SECONDS = 1.0
"""Seconds that a pull insists within one tick."""
PULL_AGAIN = 4.0
"""Seconds to the next pull after one that has not got through."""
REMIND_EVERY = 60.0
MINUTE = 60.0
HOUR = 3600.0
MOST_MEMORY = 300
"""MiB beyond which the program is to start anew, once an hour and at a quiet moment."""
CHURN = 60
"""So many creates in a minute for each wanted order, and it calms down."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the watched files."""
SETTLE_SECONDS = 1.0
"""Seconds to the next tick while the fate of an order is open, or while quoting is not allowed."""


class OrderManager:
    """The loop and its default strategy, a ladder. Subclass it and override `place_orders()`.

    A strategy ends in `converge_orders()`, which applies the limits; it places nothing by itself.
    Making one connects to the venue; `run_loop()` runs until it is told to stop, and leaves no
    order behind.
    """

    earlier = EarlierRuns()
    """What is known of the runs before this one; the command line sets it."""
    _restart_wanted = _is_too_large = _was_open = False

    def __init__(self) -> None:
        if not settings.loaded:
            settings.load(FILE)
        self.exchange = ExchangeInterface(settings.DRY_RUN)
        self.exchange.beat = self._beat
        self.on_restart: Callable[[], None] | None = None
        """Starts this program anew; the command line sets it. Without it new code waits."""
        self.on_beat: Callable[[], str] | None = None
        """Says that the loop lives, at least once a second; returns what is wrong with the guard.

        The command line sets it.
        """
        self.guard_trouble = ""
        """Why nobody would cancel our orders if this process died; nothing while somebody would."""
        self.on_halt: Callable[[str], None] | None = None
        """Told the reason of a halt, once; the command line sets it."""
        self.halted_reason = ""
        """Why nothing is quoted any more until a person has looked; empty while all is well."""
        self.left_clean = False
        """Set when the way out has proven that none of our orders is left."""
        self.health = Health(TradingState.PAUSED, "starting")
        self.start_position_buy = self.start_position_sell = self.start_position_mid = 0.0
        self.stop_reason = ""
        """Why the loop is to end, once `stop()` has been called."""
        self._halt_told = self._halt_pulled = False
        self._unconfirmed_since: float | None = None
        self._asked_at: float | None = None
        self._no_creates_until = 0.0
        self._rules: tuple[float, float] | None = None
        self._created: deque[float] = deque()
        self._reminded = self._pull_due = 0.0
        self._sizes = RandomSizes()
        self._reasons: set[str] = set()
        self._beaten = clock.monotonic()
        self._look_due = clock.monotonic() + LOOK_EVERY
        self._wall_ahead = _wall_ahead()
        self._build_due = clock.monotonic() + MINUTE
        self._resources_due = clock.monotonic() + HOUR
        self._build: str | None = build.digest()
        self._reloader = Reloader()
        logger.info("GTE market maker %s, build %s.", __version__, self._build)
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

    # --- hooks of the family ----------------------------------------------------------------------

    def reset(self) -> None:
        """Begin counting anew. Orders stay: what an earlier run had left is gone or adopted."""
        self.instrument = self.exchange.get_instrument()
        self.starting_qty = self.running_qty = self.exchange.get_delta()

    def sanity_check(self) -> None:
        """Bring our orders up to date and see whether quoting is allowed; read the ticker if so."""
        before, self.health = self.health, self._judged(self.exchange.refresh())
        if not self._may_quote():
            now = clock.monotonic()
            if self.health != before or now >= self._reminded + REMIND_EVERY:
                self._reminded = now
                logger.warning("%s, not quoting: %s.", self.health.state.value, self.health.reason)
            return
        if self.health != before and self.health.state is TradingState.REDUCING:
            logger.warning("REDUCING, only towards a smaller position: %s.", self.health.reason)
        elif self.health.state is not before.state:
            logger.info("ACTIVE: quoting.")
        self.instrument = self.exchange.get_instrument()
        self._follow_rules()
        self.get_ticker()
        if self.long_position_limit_exceeded():
            logger.info("Long position limit reached, no more buys: %s", settings.MAX_POSITION)
        if self.short_position_limit_exceeded():
            logger.info("Short position limit reached, no more sells: %s", settings.MIN_POSITION)

    def get_ticker(self) -> dict[str, float]:
        """Read the ticker and set the start prices of the ladder from it; return the ticker."""
        ticker = self.exchange.get_ticker()
        start = ladder.start_prices(
            bid=ticker["buy"],
            ask=ticker["sell"],
            tick=self.instrument["tickSize"],
            highest_buy=self.exchange.get_highest_buy()["price"],
            lowest_sell=self.exchange.get_lowest_sell()["price"],
            min_spread=settings.MIN_SPREAD,
        )
        self.start_position_buy, self.start_position_sell = start.buy, start.sell
        self.start_position_mid = ticker["mid"]
        digits = self.instrument["tickLog"]
        tick = Decimal(str(self.instrument["tickSize"]))
        logger.info(
            "%s Ticker: Buy: %.*f, Sell: %.*f",
            *(self.instrument["symbol"], digits, ticker["buy"], digits, ticker["sell"]),
        )
        logger.info(
            "Start Positions: Buy: %.*f, Sell: %.*f, Mid: %.*f",
            *(digits, to_grid(start.buy, tick), digits, to_grid(start.sell, tick)),
            *(digits, ticker["mid"]),
        )
        return ticker

    def get_price_offset(self, index: int) -> float:
        """Return the price of a level: -1, -2, ... are buys and 1, 2, ... are sells."""
        return ladder.level_price(
            ladder.Start(buy=self.start_position_buy, sell=self.start_position_sell),
            index,
            interval=settings.INTERVAL,
            maintain_spreads=settings.MAINTAIN_SPREADS,
            tick=self.instrument["tickSize"],
        )

    def prepare_order(self, index: int) -> dict[str, Any]:
        """Return the wanted order of a level."""
        if settings.RANDOM_ORDER_SIZE:
            qty = self._sizes.of(
                index,
                low=settings.MIN_ORDER_SIZE,
                high=settings.MAX_ORDER_SIZE,
                lot=self.instrument["lotSize"],
            )
        else:
            qty = ladder.level_qty(
                index,
                start_size=settings.ORDER_START_SIZE,
                step_size=settings.ORDER_STEP_SIZE,
            )
        side = Side.BUY if index < 0 else Side.SELL
        return {"price": self.get_price_offset(index), "orderQty": qty, "side": side.value}

    def place_orders(self) -> None:
        """Say which orders are wanted, and converge to them. This is what a strategy overrides."""
        levels = range(1, settings.ORDER_PAIRS + 1)
        buy_orders = [self.prepare_order(-index) for index in levels]
        sell_orders = [self.prepare_order(index) for index in levels]
        self.converge_orders(
            [] if self.long_position_limit_exceeded() else buy_orders,
            [] if self.short_position_limit_exceeded() else sell_orders,
        )

    def converge_orders(
        self, buy_orders: Sequence[Mapping[str, Any]], sell_orders: Sequence[Mapping[str, Any]]
    ) -> None:
        """Make the open orders the wanted ones, within the limits and with the fewest requests.

        Orders are mappings with `price`, `orderQty` (or `qty`) and `side`, numbers in floats;
        prices go to the nearest tick and quantities to the nearest lot; of several at one price the
        first counts. Raises InvalidOrder, with nothing sent, for one that makes no sense.
        """
        self._check_age()
        snapshot = self.exchange.snapshot()
        wanted = [_request(order, Side.BUY, snapshot.instrument) for order in buy_orders]
        wanted += [_request(order, Side.SELL, snapshot.instrument) for order in sell_orders]
        limits = self._limits()
        if len(wanted) > settings.MAX_OPEN_ORDERS:
            raise InvalidOrder(
                f"{len(wanted)} orders are wanted, MAX_OPEN_ORDERS is {settings.MAX_OPEN_ORDERS}"
            )
        trimmed = risk.trim(wanted, snapshot, limits)
        self._log_dropped(trimmed.dropped)
        relist = Decimal(str(settings.RELIST_INTERVAL))
        plan = convergence.converge(
            trimmed.orders, snapshot.orders, relist=relist, tick=snapshot.instrument.tick
        )
        plan = risk.gate(plan, snapshot, limits)
        if clock.monotonic() < self._no_creates_until or self._is_churning(plan, len(wanted)):
            plan = replace(plan, create=(), hold=plan.hold + plan.create)
        plan = replace(plan, create=risk.choose_legs(plan.create, snapshot, limits))
        _log_plan(plan)
        if self.exchange.execute(plan):
            self._no_creates_until = clock.monotonic() + settings.API_ERROR_INTERVAL
            logger.warning("No new orders for %g s.", settings.API_ERROR_INTERVAL)

    def print_status(self) -> None:
        """Log the account and the position."""
        snapshot = self.exchange.snapshot()
        position = snapshot.position
        self.running_qty = self.exchange.get_delta()
        currency = settings.SETTLECURRENCY
        if snapshot.margin:
            logger.info("Current %s Balance: %.6f", currency, snapshot.margin.total)
        logger.info("Current Contract Position: %s", _shown(position))
        if settings.CHECK_POSITION_LIMITS:
            logger.info("Position limits: %s/%s", settings.MIN_POSITION, settings.MAX_POSITION)
        digits = self.instrument["tickLog"]
        for name, leg in (("long", position.long), ("short", position.short)):
            if leg.qty:
                logger.info("Avg Entry Price (%s): %.*f", name, digits, leg.entry_price)
        own = self.exchange.own
        logger.info(
            "Contracts Traded This Run: bought %s, sold %s", plain(own.bought), plain(own.sold)
        )
        if self.health.state is not TradingState.ACTIVE:
            logger.info("Trading state: %s, %s", self.health.state.value, self.health.reason)
        mark = snapshot.instrument.worth
        if mark and own.fill_count:
            profit = self.exchange.monitor.ledger.profit(snapshot.instrument, mark)
            logger.info("Profit of this run before fees: %.6f %s", profit, currency)
        if snapshot.instrument.is_contract:
            delta = self.exchange.calc_delta()["spot"]
            logger.info("Total Contract Delta: %.4f %s", delta, currency)

    def short_position_limit_exceeded(self) -> bool:
        """Say whether the position is so short that nothing more may be sold."""
        room = risk.room_for(Side.SELL, self.exchange.snapshot(), self._limits(), ())
        return room is not None and room <= 0

    def long_position_limit_exceeded(self) -> bool:
        """Say whether the position is so long that nothing more may be bought."""
        room = risk.room_for(Side.BUY, self.exchange.snapshot(), self._limits(), ())
        return room is not None and room <= 0

    def check_connection(self) -> bool:
        """Say whether the feed is connected. It comes back by itself."""
        return self.exchange.is_open()

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
                logger.info("Changed: %s. Restarting; the orders stay in the book.", names)
                self.restart()
            else:
                logger.warning("Changed: %s. Restart to run the new code.", names)
        return bool(changed)

    def restart(self) -> None:
        """Leave the loop with the orders in the book and let `on_restart` take over.

        A stop, whenever it is asked for, wins.
        """
        self._restart_wanted = True
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

    # --- the loop ---------------------------------------------------------------------------------

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
            self.exchange.halted = True
            self.exchange.wake.put("halt")

    def hurry(self) -> None:
        """Leave with one round of cancels and one more look. May be called from a signal handler.

        What is not proven gone then is listed.
        """
        self.exchange.hurry = True

    def _leave(self) -> None:
        self.exchange.stopping = True
        self.exchange.wake.put("leave")

    def tick(self) -> None:
        """Make one pass: refresh, report, place orders; or pull them when quoting stopped long ago.

        A failed request costs this tick only; when the venue does not accept us any more, the bot
        halts.
        """
        begun = clock.monotonic()
        self._beat()
        try:
            self.sanity_check()
            self._sizes.forget(self.exchange.take_fills())
            if self._may_quote():
                self.print_status()
            if self._may_quote() and self._place_orders():
                self._unconfirmed_since = None
            else:
                self._pull_what_must_not_rest(begun)
        except Fatal as error:
            logger.error("%s", error)
            self.exchange.note_fatal(error)
            self._pull_what_must_not_rest(begun)
        except RequestError as error:
            logger.warning("This tick is skipped: %s", error)
            self._pull_what_must_not_rest(begun)

    def run_loop(self, loops: int | None = None) -> None:
        """Tick until `stop()`, or so many times; then leave no order behind.

        Raises OrdersLeft when own orders may rest at the venue, Fatal when the venue refused us.
        """
        try:
            while not self.exchange.stopping:
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
            restart = self.on_restart if self._restart_wanted and not self.stop_reason else None
            if restart:
                self.exchange.close()
            else:
                self.exit()
        if restart:
            restart()

    # --- inside -----------------------------------------------------------------------------------

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

    def _wait(self) -> None:
        """Wait for the next tick: LOOP_INTERVAL, or less when something has happened."""
        self._was_open = self.exchange.is_open()
        interval = settings.LOOP_INTERVAL
        unsettled = self.exchange.is_unsettled() or self.exchange.is_odd()
        if unsettled or not self._may_quote():
            interval = min(interval, SETTLE_SECONDS)
        due = clock.monotonic() + interval
        while not self.exchange.stopping and (now := clock.monotonic()) < due:
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
                self._look_at_build()
                self._look_at_resources()
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

    def _beat(self) -> None:
        now = clock.monotonic()
        if self.on_beat and now - self._beaten > HANG_SECONDS:
            self.exchange.own.all_pulled()  # by the guard, which took us for hung
        self._beaten = now
        trouble = self.on_beat() if self.on_beat else ""
        if trouble and trouble != self.guard_trouble:
            logger.error("No guard: %s.", trouble)
        self.guard_trouble = trouble

    def _is_worth_a_tick(self) -> bool:
        """Say whether the news that has come should not wait for LOOP_INTERVAL."""
        moved = self.exchange.take_news() and settings.WAKE_ON_FILL
        told = self.halted_reason and not self._halt_told
        return bool(moved or told or self.exchange.is_open() != self._was_open)

    def _limits(self) -> risk.Limits:
        return risk.Limits(
            check=settings.CHECK_POSITION_LIMITS,
            min_position=Decimal(str(settings.MIN_POSITION)),
            max_position=Decimal(str(settings.MAX_POSITION)),
            hedge=settings.POSITION_MODE == "hedge",
            collar=Decimal(str(settings.PRICE_COLLAR)),
            max_order_qty=Decimal(str(settings.MAX_ORDER_QTY)),
            max_open_value=Decimal(str(settings.MAX_OPEN_VALUE or "Infinity")),
            max_orders=self.exchange.order_limit(),
            reducing=self.health.state is TradingState.REDUCING,
        )

    def _follow_rules(self) -> None:
        """Pull all orders when the venue has changed tick or lot: they stand on the old grid."""
        rules = (self.instrument["tickSize"], self.instrument["lotSize"])
        before, self._rules = self._rules, rules
        if before and before != rules:
            logger.warning("The venue changed tick and lot: %s -> %s.", before, rules)
            if not self._pull("they stand on the old grid"):
                self._rules = before
                raise Temporary("orders still stand on the old grid")

    def _is_churning(self, plan: Plan, wanted: int) -> bool:
        """Say whether so many orders were created in the last minute that it must calm down."""
        now = clock.monotonic()
        while self._created and now - self._created[0] > MINUTE:
            self._created.popleft()
        if len(self._created) + len(plan.create) > CHURN * max(wanted, 1):
            logger.warning("%d orders created in a minute: no more for now.", len(self._created))
            return True
        self._created.extend([now] * len(plan.create))
        return False

    def _check_age(self) -> None:
        """Raise Temporary when the strategy has thought so long that the market is another one."""
        took = 0.0 if self._asked_at is None else clock.monotonic() - self._asked_at
        if took > self._quote_ttl():
            raise Temporary(f"the strategy took {took:.0f} s: its orders are not placed")

    def _quote_ttl(self) -> float:
        return max(QUOTE_TTL, 3 * settings.LOOP_INTERVAL)

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
            took = clock.monotonic() - begun - self.exchange.take_busy_seconds()
            if took > SLOW_SECONDS:
                logger.error("The strategy took %.0f s to say which orders are wanted.", took)
        self.exchange.alarms.note("strategy", clock.monotonic())
        return False

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
        logger.warning("Canceling all our orders: %s.", why)
        try:
            self.exchange.cancel_all_orders(seconds=min(settings.TIMEOUT, PULL_SECONDS))
        except OrdersLeft as error:
            self._pull_due = clock.monotonic() + PULL_AGAIN
            left = "".join(f"\n  {order}" for order in error.orders)
            logger.error("%s%s", error, left)
            return False
        return True

    def _look_at_resources(self) -> None:
        """Log once an hour what the process uses; one that has grown too large starts anew.

        That waits for a moment in which all is well and no order is on its way.
        """
        now = clock.monotonic()
        if now >= self._resources_due:
            self._resources_due = now + HOUR
            found = resources.used()
            logger.info("In use: %s.", found)
            self._is_too_large = bool(found.memory and found.memory > MOST_MEMORY)
            if self._is_too_large:
                then = "starting anew soon" if self.on_restart else "start it anew some time"
                logger.warning("More than %d MiB of memory in use: %s.", MOST_MEMORY, then)
        is_quiet = self.health.state is TradingState.ACTIVE and not self.exchange.is_unsettled()
        if self._is_too_large and self.on_restart and is_quiet and not self.halted_reason:
            logger.info("Restarting for its memory; the orders stay in the book.")
            self.restart()

    def _look_at_build(self) -> None:
        """Say once when the program's files are not those any more that this process runs."""
        now = clock.monotonic()
        if self._build is None or now < self._build_due:
            return
        self._build_due = now + MINUTE
        if (found := build.digest()) != self._build:
            logger.warning(
                "The program's files have changed (build %s -> %s), this process runs the old "
                "ones: restart it to run the new.",
                *(self._build, found),
            )
            self._build = None

    def _log_dropped(self, dropped: Sequence[tuple[OrderRequest, str]]) -> None:
        """Log which orders are not placed, a line for each reason that is new."""
        reasons = dict.fromkeys(reason for _, reason in dropped)
        for why in reasons:
            if why not in self._reasons:
                orders = [str(order) for order, reason in dropped if reason == why]
                shown = ", ".join(orders[:2]) + (", ..." if len(orders) > 2 else "")
                logger.info("Not placed: %d orders, %s: %s", len(orders), why, shown)
        self._reasons = set(reasons)


def _request(order: object, side: Side, instrument: Instrument) -> OrderRequest:
    """Return a strategy's order as an exact one on the grid, or raise InvalidOrder."""
    if not isinstance(order, Mapping):
        raise InvalidOrder(f"{order!r} is not a mapping with price, orderQty and side")
    if str(order.get("side", side.value)).lower() != side.value.lower():
        raise InvalidOrder(f"{dict(order)} is among the {side.value} orders")
    price = _number(order, "price")
    qty = _number(order, "orderQty" if "orderQty" in order else "qty")
    return OrderRequest(
        side=side, price=to_grid(price, instrument.tick), qty=to_grid(qty, instrument.lot)
    )


def _number(order: Mapping[str, Any], name: str) -> float | Decimal:
    value: object = order.get(name)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if 0 < value < LARGEST:
            return value
    raise InvalidOrder(f"{dict(order)}: {name} must be a number above zero")


def _wall_ahead() -> float:
    """Return by how many seconds the wall clock is ahead of the steady one."""
    return clock.now_ms() / 1000 - clock.monotonic()


def _log_plan(plan: Plan) -> None:
    if not plan.cancel and not plan.create:
        waiting = f", {len(plan.hold)} waiting" if plan.hold else ""
        logger.info("%d orders open as wanted%s.", len(plan.keep), waiting)


def _shown(position: Position) -> str:
    long, short = plain(position.long.qty), plain(position.short.qty)
    return f"{plain(position.net)} (long {long}, short {short})"
