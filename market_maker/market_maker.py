"""The market maker: a strategy wants orders, and the open orders converge to them."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, Self

from market_maker import __version__, secrecy, strategy
from market_maker.bot import SCRIPT, Run, Runtime, begin, check_attribute, made
from market_maker.control import Control
from market_maker.errors import OrdersLeft, Temporary
from market_maker.models import Side
from market_maker.safety import Health
from market_maker.settings import settings
from market_maker.settings.reload import Reloader, sources_of
from market_maker.trading import (
    Converger,
    ExchangeInterface,
    LevelSizes,
    Loop,
    PairDoubts,
    Status,
    check_sizes,
    log_start,
)
from market_maker.utils import family
from market_maker.utils.family import *  # noqa: F403

__all__ = ["ExchangeInterface", "OrderManager", "logger", "run", "settings", "watched_files_mtimes"]
__all__ += family.__all__

logger = logging.getLogger(__name__)
watched_files_mtimes = family.mtimes(settings.WATCHED_FILES)


class OrderManager:
    """The control loop with the default strategy, a ladder. Subclass it, override `place_orders()`.

    A strategy ends in `converge_orders()`, which applies the limits; it sends no order by itself.
    The constructor connects to the venue. `run_loop()` runs until stopped, then cancels all own
    orders. Every public method may be overridden.
    """

    SETTINGS: ClassVar[Mapping[str, Any]] = {}
    """The strategy's own settings, by name, each made by `settings.setting()`."""
    READS_MIN_SPREAD: ClassVar = True
    """Whether the ladder begins as MIN_SPREAD says."""
    runtime = SCRIPT
    """The dependencies: those of a script, unless the command line or a test gives others."""
    latest: ClassVar["OrderManager | None"] = None
    """The latest bot of this process."""

    @classmethod
    def made_with(cls, runtime: Runtime) -> Self:
        """Return a bot with these dependencies; its constructor takes no arguments."""
        return made(cls, runtime)

    def __init__(self) -> None:
        begin(self, OrderManager)
        settings.declare(self.SETTINGS)
        self.__reloader = Reloader(self.runtime.clock, sources_of(type(self)))  # Run may wait long
        self.current_run = Run(self.runtime)
        self.current_run.start(self, self._set_up)

    def __setattr__(self, name: str, value: object) -> None:
        check_attribute(OrderManager, vars(self), name, value)
        super().__setattr__(name, value)

    def _set_up(self) -> None:
        self.clock = self.runtime.clock
        self.control = Control(self.clock)
        """Stop, halt and restart requests; may be set from a signal handler."""
        self.start_time = datetime.fromtimestamp(self.clock.now_ms() / 1000)
        self.start_XBt = 0
        """The account at the latest status, in 1e-8 of the settlement currency."""
        self.start_position_buy = self.start_position_sell = self.start_position_mid = 0.0
        self.start_reason = ""
        """Why the ladder begins there, in words; `marketmaker why` shows it."""
        self.__status = Status(self.clock)
        self.__pair_doubts = PairDoubts(has_spread=self.READS_MIN_SPREAD)
        self.__sizes = LevelSizes(self.runtime.chance.randint)
        self.exchange = ExchangeInterface(
            settings.DRY_RUN, control=self.control, dependencies=self.current_run.runtime
        )
        self.exchange.on_filled = self.__sizes.forget
        self.loop = Loop(self, self.exchange, self.control, self.clock)
        self.__converger = Converger(
            self.exchange, self.loop, self.clock, lambda: self.current_run.check_place(self)
        )
        log_start(__version__)
        OrderManager.latest = self
        self.current_run.connect(self)
        self.exchange.start()
        self.loop.heartbeat()
        OrderManager.reset(self)
        if type(self).reset is not OrderManager.reset:
            OrderManager.sanity_check(self)
            self.reset()
        if self._is_ladder():
            check_sizes(self.exchange.snapshot().instrument.lot)
            self.__pair_doubts.warn(self.instrument)

    # --- the run --------------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """The trading state and its reason."""
        return self.loop.health

    def run_loop(self, loops: int | None = None) -> None:
        """Tick until `stop()`, or `loops` times; then cancel all own orders.

        Raises OrdersLeft when own orders may still rest at the venue.
        """
        loops = self.runtime.loops if loops is None else loops
        self.current_run.watch(self, lambda: self.loop.run(loops))

    def tick(self) -> None:
        """Run one tick; see `Loop.tick()`."""
        self.loop.tick()

    def stop(self, reason: str) -> None:
        """Stop the loop after the current tick. May be called from a signal handler."""
        self.control.stop(reason)

    def halt(self, reason: str) -> None:
        """Pull all own orders, and place none until a person restarts; signal-safe."""
        self.control.halt(reason)

    def restart(self) -> None:
        """Cancel all own orders and restart the program. A stop overrides a restart."""
        self.control.restart()

    def exit(self, *_: object) -> None:
        """Cancel all own orders, prove that none is left, and close the connections, once.

        May be a handler of signals or of `atexit`. Raises OrdersLeft when that is not proven.
        """
        if "loop" in vars(self):  # else its constructor has failed
            self.current_run.leave(self)

    def check_file_change(self) -> bool:
        """Apply changed settings, and restart for changed code, once the files have settled.

        A halted bot does not restart. Returns whether settings have changed.
        """
        if not self.runtime.watches_files:
            return False
        changed, code = self.__reloader.look()
        if "DRY_RUN" in changed:
            try:
                self.exchange.go_dry()
            except OrdersLeft as error:
                logger.error("%s", error)
                self.halt("DRY_RUN was set to True, but own orders may be left")
        if changed and self._is_ladder():
            self.__pair_doubts.warn(self.instrument)
        if code and self.runtime.can_restart and not self.control.is_halted:
            logger.info("Changed: %s. Restarting.", ", ".join(code))
            self.restart()
        elif code:
            how = " with --clear-halt" if self.control.is_halted else ""
            logger.warning("Changed: %s. Restart%s to run the new code.", ", ".join(code), how)
        return bool(changed)

    # --- what to quote --------------------------------------------------------------------------

    def reset(self) -> None:
        """Read the instrument and the position. Orders are not touched."""
        self.instrument = self.exchange.get_instrument()
        self._read_position()
        self.starting_qty = self.running_qty
        self.starting_qty_long, self.starting_qty_short = (
            self.running_qty_long,
            self.running_qty_short,
        )

    def sanity_check(self) -> None:
        """Read instrument and ticker where quoting is allowed.

        The loop has determined the trading state before; outside a tick this does it.
        """
        self.current_run.check_loop(self)
        if not self.loop.is_ticking:
            self.loop.assess()
        if not self.loop.may_quote():
            return
        self.instrument = self.exchange.get_instrument()
        self.get_ticker()
        self.__status.log_full(self.__converger.full_sides())

    def get_ticker(self) -> dict[str, float]:
        """Read the ticker, set the start prices of the ladder, and return the ticker.

        Raises Temporary when a side of the book is empty.
        """
        ticker = self.exchange.get_ticker()
        start = strategy.start_prices(
            bid=ticker["buy"],
            ask=ticker["sell"],
            tick=self.instrument["tickSize"],
            highest_buy=self.exchange.get_highest_buy()["price"],
            lowest_sell=self.exchange.get_lowest_sell()["price"],
            min_spread=settings.MIN_SPREAD,
        )
        self.start_position_buy, self.start_position_sell = start.buy, start.sell
        self.start_position_mid = ticker["mid"]
        self.start_reason = (
            "the best prices of others, one tick inside, then moved apart where that is less than "
            f"MIN_SPREAD {settings.MIN_SPREAD}"
        )
        return ticker

    def get_price_offset(self, index: int) -> float:
        """Return the price of a level: -1, -2, ... are buys, 1, 2, ... are sells."""
        return strategy.level_price(
            self.start_position_buy if index < 0 else self.start_position_sell,
            index,
            interval=settings.INTERVAL,
            maintain_spreads=settings.MAINTAIN_SPREADS,
            tick=self.instrument["tickSize"],
        )

    def prepare_order(self, index: int) -> dict[str, Any]:
        """Return the wanted order of a level: price, orderQty (contracts or base units), side."""
        qty = self.__sizes.of_settings(index, lot=self.instrument["lotSize"])
        side = Side.BUY if index < 0 else Side.SELL
        return {"price": self.get_price_offset(index), "orderQty": qty, "side": side.value}

    def place_orders(self) -> None:
        """Determine the wanted orders and converge to them, or return them. Override this."""
        levels = range(1, settings.ORDER_PAIRS + 1)
        buy_orders = [self.prepare_order(-index) for index in levels]
        sell_orders = [self.prepare_order(index) for index in levels]
        possible = [order for order in buy_orders if order["price"] > 0]
        self.__status.log_beyond(beyond := len(buy_orders) - len(possible))
        if beyond:
            self.__converger.explain(f"{beyond} buys have no price above zero")
        buy_orders = [] if self.long_position_limit_exceeded() else possible
        sell_orders = [] if self.short_position_limit_exceeded() else sell_orders
        start = f"{self.start_position_buy:.10g} and {self.start_position_sell:.10g}"
        self.__converger.explain(f"Ladder from {start}: {self.start_reason}")
        self.__converger.explain_sides(is_whole=bool(buy_orders and sell_orders))
        self.converge_orders(buy_orders, sell_orders)

    def converge_orders(
        self, buy_orders: Sequence[Mapping[str, Any]], sell_orders: Sequence[Mapping[str, Any]]
    ) -> None:
        """Turn the open orders into the wanted ones, within the limits, with the fewest requests.

        Orders are mappings with `price`, `orderQty` (or `qty`) and `side`, in numbers of any kind;
        other keys are as in `trading.order_keys`. Prices go to the nearest tick, quantities down to
        the lot; of several at one price the first counts. Raises InvalidOrder, with nothing sent,
        for what makes no order; Temporary when the strategy took longer than a quote may rest.
        """
        self.__converger.converge(buy_orders, sell_orders)

    def explain(self, text: object) -> None:
        """Say why the orders of this tick are as they are; `marketmaker why` shows it."""
        self.__converger.explain(secrecy.fit(" ".join(str(text).split())))

    def print_status(self) -> None:
        """Log market, account and position: when they change, and once a minute."""
        self._read_position()
        start = (self.start_position_buy, self.start_position_sell, self.start_position_mid)
        self.__status.log(self.exchange.snapshot(), self.exchange.moneys(), self.health, start)

    def short_position_limit_exceeded(self) -> bool:
        """Return whether the position limit allows no more sells."""
        return not self.__converger.has_room(Side.SELL)

    def long_position_limit_exceeded(self) -> bool:
        """Return whether the position limit allows no more buys."""
        return not self.__converger.has_room(Side.BUY)

    def check_connection(self) -> bool:
        """Return whether the feed is connected. It reconnects by itself."""
        return self.exchange.is_open()

    # --- inside ---------------------------------------------------------------------------------

    def _is_ladder(self) -> bool:
        return type(self).place_orders is OrderManager.place_orders

    def _read_position(self) -> None:
        """Set what the family reads of the position and of the account."""
        position = self.exchange.get_position()
        self.running_qty = position["currentQty"]
        self.running_qty_long, self.running_qty_short = position["longQty"], position["shortQty"]
        with suppress(Temporary, KeyError):
            self.start_XBt = self.exchange.get_margin()["marginBalance"]


def run() -> None:
    """Run the default strategy until it is stopped."""
    OrderManager().run_loop()
