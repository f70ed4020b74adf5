"""Who is told of a run from outside it: the service manager, and a person by notifications."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from market_maker.bot.runtime import Runtime
from market_maker.clock import Clock
from market_maker.errors import OrdersLeft
from market_maker.guard.service import Service
from market_maker.safety import Health
from market_maker.secrecy import Secret

Bot = Any
"""An `OrderManager`: above this room."""
CLOSE_SECONDS = 3.0
"""Seconds that the end of a run waits for its last notifications at most."""


class Audience:
    """Follows the trading states, the heartbeats and the end of one run. It never waits for long.

    Nothing is loaded or started for notifications without an address.
    """

    def __init__(self, runtime: Runtime, notify_url: Secret) -> None:
        self._clock: Clock = runtime.clock
        self._service = runtime.service() if runtime.service else None
        self._sender = runtime.sender(notify_url) if runtime.sender and notify_url else None

    def connect(self, bot: Bot) -> None:
        """Follow a bot; call it when `loop.on_heartbeat` is set."""
        if self._service:
            _tell_service(bot, self._service)
        if self._sender:
            from market_maker.bot.notifications import Notifications

            told = Notifications(bot.exchange, self._sender, self._clock)
            _follow(bot, told.see, told.beat)

    @contextmanager
    def at_the_end(self, *, is_running: bool) -> Iterator[None]:
        """Tell, when a run ends, of orders that may be left, and of an error that has ended it.

        One that cannot start is not told of: it may be tried again and again. What is to be told
        has a moment to leave.
        """
        try:
            yield
        except Exception as error:
            if self._sender and (is_running or isinstance(error, OrdersLeft)):
                from market_maker.bot.notifications import tell_of_end

                tell_of_end(self._sender, self._clock, error)
            raise
        finally:
            if self._sender:
                self._sender.close(CLOSE_SECONDS)


def _tell_service(bot: Bot, service: Service) -> None:
    """Let the service manager see the run; its end, unless a new program takes over."""
    control = bot.control

    def see(health: Health) -> None:
        service.show(f"{health.state.value}: {health.reason or 'quoting'}")

    def leave() -> None:
        if control.stop_reason or not control.is_restarting:
            service.stop(control.ended_by() or "the run has failed")

    _follow(bot, see, service.beat)
    bot.loop.on_leave = leave


def _follow(bot: Bot, see: Callable[[Health], None], beat: Callable[[], None]) -> None:
    """Let somebody else, too, see each trading state and each heartbeat."""
    states, beats = bot.loop.on_state, bot.loop.on_heartbeat

    def on_state(health: Health) -> None:
        states(health)
        see(health)

    def on_heartbeat() -> str:
        beat()
        return beats() if beats else ""

    bot.loop.on_state, bot.loop.on_heartbeat = on_state, on_heartbeat
