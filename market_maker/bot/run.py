"""One run of a bot: lock, halt latch, guard and signals, however the bot was started."""

import functools
import inspect
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from market_maker.bot.audience import Audience
from market_maker.bot.runtime import Runtime
from market_maker.errors import InvalidOrder, OrdersLeft, SettingsError
from market_maker.secrecy import Secret
from market_maker.settings import settings

Bot = Any
"""An `OrderManager`: above this room."""
START_EXIT_SECONDS = 3.0
"""Seconds for the shutdown after a failed start, when only a previous run can have left orders."""


class OwnLoop(BaseException):
    """A strategy's own loop may not go on, whatever exceptions it catches."""


class Run:
    """Begins what a run has around it, such as the session of a live one, and ends it."""

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
        self._thread = threading.get_ident()
        self._has_failed = False
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

    def give_up(self, bot: Bot, error: BaseException) -> None:
        """Let go after a constructor that failed once the bot was set up, as after any other."""
        if not self._has_failed and not self.has_begun:
            with self._audience.at_the_end(is_running=False):
                self._fail(bot, error)

    def _fail(self, bot: Bot, error: BaseException) -> None:
        self._has_failed = True
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
            self._pass_signals(bot)
            loop()
            return
        self.has_begun, self._thread = True, threading.get_ident()
        self._pass_signals(bot)
        session = self._session.watch(bot) if self._session else nullcontext()
        with self._audience.at_the_end(is_running=True), session:
            try:
                loop()
            finally:
                if not bot.loop.left_clean and not bot.exchange.is_closed:
                    bot.loop.leave()

    def leave(self, bot: Bot) -> None:
        """Leave, once, and end the loop; in a script without one, the session."""
        if bot.exchange.is_closed:
            return
        if not bot.control.is_stopping:
            bot.control.stop("exit() was called")
        if self.has_begun:
            bot.loop.leave()
        else:
            self.watch(bot, lambda: None)

    def _pass_signals(self, bot: Bot) -> None:
        """Let our loop obey signals. Before it, in a loop that does not, they interrupt."""
        if self._given.signals and not self._is_own_loop:
            self._given.signals.pass_to(bot.control)

    def in_session(self, bot: Bot, own: Callable[[], Any]) -> None:
        """Let a strategy's own `run_loop()` run in the session; it must go on with ours.

        Raises SettingsError where it does not.
        """
        self._is_own_loop = not self.has_begun
        try:
            self.watch(bot, own)
        except OwnLoop as error:
            raise SettingsError(str(error)) from None

    def check_loop(self, bot: object) -> None:
        """Raise OwnLoop in a loop of the strategy's own.

        It would run without heartbeats, and would not see when it must stop or pull.
        """
        if self._is_own_loop:
            name = type(bot).__name__
            raise OwnLoop(
                f"{name}.run_loop() replaces the loop that guards the orders: end it with "
                f"super().run_loop(), or override tick(), sanity_check() or place_orders() instead"
            )

    def check_place(self, bot: object) -> None:
        """Raise InvalidOrder in a thread of the strategy's own, and as `check_loop()` does.

        Two threads that place at once would double orders.
        """
        self.check_loop(bot)
        if self._thread != threading.get_ident():
            raise InvalidOrder(
                "only the bot's own thread places orders: let yours keep what it finds, and place "
                "it in place_orders()"
            )


def wrap_own_loop(kind: type, ours: Callable[..., Any]) -> None:
    """Let `run_loop()` of a class run in the session of its bot, wherever it has it from."""
    found = kind.run_loop  # type: ignore[attr-defined]
    if inspect.iscoroutinefunction(found):
        raise TypeError(f"{kind.__name__}.run_loop() is async, and nobody awaits it: use def")
    if found is not ours and not hasattr(found, "is_wrapped"):
        kind.run_loop = _within_session(found)  # type: ignore[attr-defined]


def _within_session(run_loop: Callable[..., Any]) -> Callable[..., None]:
    """Return a strategy's own `run_loop()`, run in the session of its bot."""

    @functools.wraps(run_loop)
    def wrapped(bot: Bot, *args: Any, **kwargs: Any) -> None:
        bot.current_run.in_session(bot, functools.partial(run_loop, bot, *args, **kwargs))

    wrapped.is_wrapped = True  # type: ignore[attr-defined]
    return wrapped
