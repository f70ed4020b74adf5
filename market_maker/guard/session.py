"""What stands by a live run: the instance lock, the halt latch, the count of crashes, the guard."""

import faulthandler
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from market_maker.app import cancel
from market_maker.errors import AlreadyRunning, OrdersLeft, SettingsError, VenueUnreachable
from market_maker.guard.child import Child
from market_maker.guard.guard import HANG_SECONDS, Guard
from market_maker.trading.exchange_interface import EarlierRuns

if TYPE_CHECKING:
    from market_maker.market_maker import OrderManager

logger = logging.getLogger(__name__)

START_CANCEL_SECONDS = 3.0
NO_CRASH = (SettingsError, VenueUnreachable, AlreadyRunning)
"""Ends that are no crash, whatever the venue holds."""


class Safeguards:
    """Holds lock, latch and guard for one live run, and lets go of them only as its end allows.

    The guard goes on where the end is not proven clean. Raises AlreadyRunning when another bot
    trades with the same account, symbol and prefix.
    """

    def __init__(
        self,
        *,
        has_guard: bool,
        clear_halt: bool,
        keep: tuple[int, ...] = (),
        inherited: dict[str, Any] | None = None,
    ) -> None:
        before = inherited or {"lock": -1, "guard": None, "halted": "", "trades": None}
        self._guard: Guard | None = None
        self.files = cancel.run_files()
        if inherited:
            self.files.lock.inherit(before["lock"])
        else:
            self.files.lock.take()
        if clear_halt and not inherited:
            self.files.clear_halt()
        self.earlier = EarlierRuns(
            known=self.files.known_runs(),
            replaced=before["trades"],
            may_be_late=bool(self.files.may_be_late()),
            order_ids=self.files.order_ids(),
        )
        self._halted = before["halted"] or ("" if inherited else self.files.note_start())
        if has_guard:
            self._guard = Guard(
                cancel.account(),
                directory=self.files.directory,
                lock=self.files.lock.fd,
                keep=keep,
                inherited=Child(**before["guard"]) if before["guard"] else None,
            )

    def end_start(self, error: BaseException, *, is_restart: bool) -> None:
        """Cancel what an earlier run has left, if a start that failed was to take it over.

        Raises OrdersLeft when that cannot be proven.
        """
        if is_restart or isinstance(error, KeyboardInterrupt):
            logger.warning("The start came to nothing; cancelling what an earlier run has left.")
            self._prove_none_left(START_CANCEL_SECONDS)
        self._let_go(error, is_clean=not isinstance(error, OrdersLeft))

    @contextmanager
    def watch(self, bot: "OrderManager") -> Iterator[None]:
        """Stand by a bot while it runs.

        When its own way out fails, cancel over REST alone. Raises OrdersLeft when that fails too.
        """
        try:
            self._attend(bot)
            yield
        except BaseException as error:
            self._see_out(bot, error)
            raise
        self._see_out(bot, None)

    def outlive_restart(self, bot: "OrderManager") -> dict[str, Any]:
        """Keep lock, guard, halt and trades over a restart in place; return what is inherited."""
        faulthandler.cancel_dump_traceback_later()
        return {
            "lock": self.files.lock.outlive_restart(),
            "guard": self._guard.outlive_restart() if self._guard else None,
            "halted": bot.halted_reason,
            "trades": bot.exchange.own.trades(),
        }

    def _see_out(self, bot: "OrderManager", error: BaseException | None) -> None:
        """Let go after a run, if it is proven that none of its orders is left."""
        if not bot.left_clean and not isinstance(error, OrdersLeft):
            why = error or "it has proven nothing"
            logger.error("The way out has failed: %s. Cancelling all orders.", why)
            self._prove_none_left(cancel.SECONDS)
        if not isinstance(error, OrdersLeft):
            self.files.note_proven_clean()
        self._let_go(error, is_clean=not isinstance(error, OrdersLeft))

    def _attend(self, bot: "OrderManager") -> None:
        self.files.note_run(bot.exchange.gte.run)
        bot.exchange.gte.on_created = self.files.note_order
        bot.on_halt = self._latch
        if self._halted:
            bot.halt(self._halted)

        def beat() -> str:
            with suppress(OSError, ValueError, AttributeError, RuntimeError):  # without a stderr
                faulthandler.dump_traceback_later(HANG_SECONDS, file=sys.stderr)
            if reason := self.files.halted():
                bot.halt(reason)
            self.files.keep_orders(order.order_id for order in bot.exchange.own.live())
            return self._guard.beat() if self._guard else ""

        beat()
        bot.on_beat = beat

    def _prove_none_left(self, seconds: float) -> None:
        try:
            cancel.prove_none_left(self.files, seconds)
            self.files.note_proven_clean()
        except OrdersLeft as left:
            self._let_go(left, is_clean=False)
            raise

    def _let_go(self, error: BaseException | None, *, is_clean: bool) -> None:
        """Let go of everything if nothing of ours is left at the venue; else the guard goes on."""
        faulthandler.cancel_dump_traceback_later()
        if not is_clean:
            if isinstance(error, OrdersLeft):
                self.files.write_orders_left(str(error), error.orders)
            return
        if error is None or isinstance(error, NO_CRASH):
            self.files.note_clean_end()
        if self._guard:
            self._guard.goodbye()
        self.files.lock.release()

    def _latch(self, reason: str) -> None:
        self.files.halt(reason)
