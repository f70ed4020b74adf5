"""A live run with its instance lock, halt latch and guard."""

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from market_maker.account import Account
from market_maker.clock import SYSTEM, Clock
from market_maker.control import Control
from market_maker.errors import AlreadyRunning, OrdersLeft, SettingsError, VenueUnreachable
from market_maker.gte import GTE
from market_maker.guard.guard import NOWHERE, Guard
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.watch import HANG_SECONDS
from market_maker.orders import sweep
from market_maker.secrecy import Secret

logger = logging.getLogger(__name__)

START_CANCEL_SECONDS = 3.0
ROUND_SECONDS = 1.0
"""Seconds between two looks whether the loop hangs."""
GUARD_AHEAD = 1.0
"""Seconds by which the guard's count may be ahead of ours: not every heartbeat is sent to it."""
NO_CRASH = (SettingsError, VenueUnreachable, AlreadyRunning)
"""Errors that end a run and are not a crash, whatever the venue holds."""


class Watched(Protocol):
    """The part of a bot that a session needs (see `market_maker.OrderManager`)."""

    loop: Any
    control: Control
    exchange: Any


class Session:
    """Holds lock, latch and guard for one live run.

    It lets go of them at the end; where the end is not proven clean, the guard goes on. Raises
    AlreadyRunning when another bot trades with the same account, symbol and prefix.
    """

    def __init__(
        self,
        account: Account,
        *,
        has_guard: bool = True,
        clear_halt: bool = False,
        keep: tuple[int, ...] = (),
        directory: Path | None = None,
        clock: Clock = SYSTEM,
        client: Callable[..., GTE] = GTE,
        notify_url: Secret = NOWHERE,
    ) -> None:
        """`client` makes what cancels where the bot itself does not."""
        self._account = account
        self._clock, self._client = clock, client
        self._guard: Guard | None = None
        self._beat_at = clock.monotonic()
        self._has_ended = threading.Event()
        self._is_let_go = False
        """Whether lock and guard are another's, or nobody's."""
        self.files = RunFiles(account, directory=directory, clock=clock)
        self.files.lock.take()
        if clear_halt:
            self.files.clear_halt()
        self.known_runs = self.files.known_runs()
        self.may_be_late = bool(self.files.may_be_late())
        self.notes = self.files.notes()
        self._halted = self.files.note_start()
        self._is_latched = False
        if has_guard:
            self._guard = Guard(
                account,
                directory=self.files.directory,
                lock=self.files.lock.fd,
                keep=keep,
                notify_url=notify_url,
            )

    def connect(self, bot: Watched) -> None:
        """Connect a bot: its notes, its heartbeats and its halt. Call it before it sends orders."""
        loop, control, exchange = bot.loop, bot.control, bot.exchange
        self.files.note_run(exchange.client.run)
        exchange.client.on_create = self.files.note_create
        exchange.on_trade = self.files.write_money
        loop.on_halt = self._latch
        if self._guard:
            loop.may_have_pulled = lambda seconds: seconds > HANG_SECONDS - GUARD_AHEAD
        if self._halted:
            control.halt(self._halted)

        def beat() -> str:
            if self._is_let_go:
                return ""
            self._beat_at = self._clock.monotonic()
            if reason := self.files.halted():
                control.halt(reason)
            self.files.keep_notes(exchange.orders.live())
            if exchange.orders.tracker.is_nameless:
                self.files.note_nameless()
            if self._guard and (trouble := self._guard.beat()):
                return f"no guard process: {trouble}"
            trouble = self.files.check_notes()
            return f"orders cannot be noted: {trouble}" if trouble else ""

        if reason := self.files.halted():  # the first beat, after the start, arms the guard
            control.halt(reason)
        loop.on_heartbeat = beat

    def end_start(self, error: BaseException) -> None:
        """Let go after a start that failed; if interrupted, cancel orders of the previous run.

        Raises OrdersLeft when it cannot be proven that none is left.
        """
        if isinstance(error, KeyboardInterrupt):
            logger.warning("Startup interrupted; cancelling orders of the previous run.")
            is_open = self.may_be_late or self.files.has_sent
            self._prove_none_left(START_CANCEL_SECONDS, may_be_late=is_open)
        elif isinstance(error, VenueUnreachable) and self.may_be_late:
            logger.error("Orders of the previous run may be left: run cancel once it answers.")
        self._let_go(None if isinstance(error, KeyboardInterrupt) else error)

    @contextmanager
    def watch(self, bot: Watched) -> Iterator[None]:
        """Watch a bot while it runs.

        When its own shutdown fails, cancel over REST alone. Raises OrdersLeft when that fails too.
        """
        try:
            loop_thread = threading.get_ident()
            threading.Thread(target=self._show_hangs, args=(loop_thread,), daemon=True).start()
            yield
        except BaseException as error:
            self._has_ended.set()
            self._finish(bot, error)
            raise
        self._has_ended.set()
        self._finish(bot, None)

    def _finish(self, bot: Watched, error: BaseException | None) -> None:
        """Let go after a run, if it is proven that none of its orders is left."""
        if bot.control.is_halted and not self._is_latched:  # it came after the last tick
            self._latch(bot.control.halt_reason)
        if not bot.loop.left_clean and not isinstance(error, OrdersLeft):
            why = error or "it has proven nothing"
            logger.error("Shutdown failed: %s. Cancelling all orders over REST.", why)
            now = self._clock.monotonic()
            seconds = (bot.loop.leave_by or now + sweep.LEAVE_SECONDS) - now
            self._prove_none_left(seconds, may_be_late=True)
        if not isinstance(error, OrdersLeft):
            self.files.note_proven_clean()
        self._let_go(error)

    def _show_hangs(self, loop_thread: int) -> None:
        """Print where the loop hangs, without source lines: they may hold secrets.

        Not faulthandler's timer: it reads frames without the interpreter's lock, and crashes.
        Rounds are counted, not seconds: a process that is stopped (Ctrl-Z) makes none.
        """
        rounds, beat_at = 0, self._beat_at
        while not self._has_ended.wait(ROUND_SECONDS):
            is_alive = self._beat_at != beat_at
            rounds, beat_at = 0 if is_alive else rounds + 1, self._beat_at
            if rounds != round(HANG_SECONDS / ROUND_SECONDS):
                continue
            frame = sys._current_frames().get(loop_thread)
            stack = [
                f'  File "{each.f_code.co_filename}", line {line} in {each.f_code.co_name}\n'
                for each, line in traceback.walk_stack(frame)
            ]
            if sys.stderr:
                sys.stderr.write("The loop hangs (most recent call first):\n" + "".join(stack))

    def _prove_none_left(self, seconds: float, *, may_be_late: bool) -> None:
        client = self._client(self._account, clock=self._clock, shared=self.files.shared())
        try:
            sweep.prove_none_left(
                client,
                self._clock,
                seconds,
                notes=self.files.notes(),
                may_be_late=may_be_late,
                heartbeat=self._beat,
            )
            self.files.note_proven_clean()
        except OrdersLeft as left:
            self._let_go(left)
            raise
        finally:
            client.exit()

    def _let_go(self, error: BaseException | None) -> None:
        """Let go of everything, unless orders may be left: then list them; the guard goes on."""
        if isinstance(error, OrdersLeft):
            self.files.write_orders_left(str(error), error.orders)
            return
        if error is None or isinstance(error, NO_CRASH):
            self.files.note_clean_end()
        self._is_let_go = True
        if self._guard:
            self._guard.goodbye()
        self.files.lock.release()

    def _beat(self) -> None:
        if self._guard:
            self._guard.beat()

    def _latch(self, reason: str) -> None:
        self._is_latched = True
        self.files.halt(reason)
