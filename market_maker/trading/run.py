"""One run of a bot: lock, halt latch, guard and signals, however the bot was started."""

import functools
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from market_maker.errors import OrdersLeft, SettingsError
from market_maker.secrecy import Secret
from market_maker.settings import settings
from market_maker.trading.audience import Audience
from market_maker.trading.runtime import Runtime

Bot = Any
"""An `OrderManager`: above this room."""
START_EXIT_SECONDS = 3.0
"""Seconds for the shutdown after a failed start, when only a previous run can have left orders."""


class Run:
    """Begins the session of a live run, and ends it when the bot has ended."""

    def __init__(self, runtime: Runtime) -> None:
        """Take lock and guard. Raises AlreadyRunning when another bot trades with our prefix."""
        self._given = runtime
        if runtime.signals and threading.current_thread() is threading.main_thread():
            runtime.signals.install()
        url = Secret(settings.NOTIFY_URL)
        self._audience = Audience(runtime, url)
        self._session = None
        if runtime.session and not settings.DRY_RUN:
            self._session = runtime.session(settings.account(), notify_url=url)
        self.runtime = runtime.with_session(self._session) if self._session else runtime
        """What the bot is given: with what the session knows of earlier runs."""
        self._is_own_loop = False
        self.has_begun = False
        """Whether the loop has begun."""

    def connect(self, bot: Bot) -> None:
        """Connect session and bot, before anything is sent."""
        if self._session:
            self._session.connect(bot)
        self._audience.connect(bot)

    def start(self, bot: Bot, set_up: Callable[[], None]) -> None:
        """Set a bot up. After a failure let go; raises OrdersLeft where orders may be left."""
        try:
            set_up()
        except BaseException as error:
            with self._audience.at_the_end(is_running=False):
                self._fail(bot, error)
                raise

    def _fail(self, bot: Bot, error: BaseException) -> None:
        loop = getattr(bot, "loop", None)  # it may have come no further
        try:
            if loop and (bot.exchange.orders.live() or isinstance(error, KeyboardInterrupt)):
                loop.leave(START_EXIT_SECONDS)
        except OrdersLeft as left:
            error = left
            raise
        finally:
            if loop:
                bot.exchange.close()
            if self._session:
                self._session.end_start(error)

    def watch(self, bot: Bot, loop: Callable[[], Any]) -> None:
        """Let a loop run in the session, and leave with no order left.

        Inside it, it only runs the loop: so does a strategy's own loop that goes on with ours.
        """
        if self.has_begun:
            self._is_own_loop = False
            loop()
            return
        self.has_begun = True
        if self._given.signals:
            self._given.signals.pass_to(bot.control)
        session = self._session.watch(bot) if self._session else nullcontext()
        with self._audience.at_the_end(is_running=True), session:
            try:
                loop()
            finally:
                if not bot.loop.left_clean and not bot.exchange.is_closed:
                    bot.loop.leave()

    def in_session(self, bot: Bot, own: Callable[[], Any]) -> None:
        """Let a strategy's own `run_loop()` run in the session; it must go on with ours."""

        def loop() -> None:
            self._is_own_loop = True
            own()

        self.watch(bot, loop)

    def check_loop(self, bot: object) -> None:
        """Raise SettingsError in a loop of the strategy's own.

        It would run without heartbeats, and would not see when it must stop or pull.
        """
        if self._is_own_loop:
            name = type(bot).__name__
            raise SettingsError(
                f"{name}.run_loop() replaces the loop that guards the orders: end it with "
                f"super().run_loop(), or override tick(), sanity_check() or place_orders() instead"
            )


def within_session(run_loop: Callable[..., Any]) -> Callable[..., None]:
    """Return a strategy's own `run_loop()`, run in the session of its bot."""

    @functools.wraps(run_loop)
    def wrapped(bot: Bot, *args: Any, **kwargs: Any) -> None:
        bot.current_run.in_session(bot, functools.partial(run_loop, bot, *args, **kwargs))

    return wrapped
