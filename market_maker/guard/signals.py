"""Signals: what a person or the system asks of a run."""

import signal
from collections.abc import Callable

from market_maker.control import Control
from market_maker.guard.runfiles import KILL_SWITCH

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HALT_SIGNAL = signal.SIGUSR1
LEAVE_AT_ONCE = 3
"""This many times Ctrl-C ends the bot at once."""


class Signals:
    """Passes signals on to a run. They set flags; only the third Ctrl-C ends it on the spot."""

    def __init__(self, end_at_once: Callable[[], None] | None = None) -> None:
        self._end_at_once = end_at_once or _die
        self._control: Control | None = None
        self._early = ""
        self._interrupts = 0
        self._is_halted = False

    def install(self) -> None:
        """Handle signals from now on, and those that were blocked before this program began."""
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._stop)
        signal.signal(HALT_SIGNAL, self._halt)

    def pass_to(self, control: Control) -> None:
        """Pass on to a run the signals that have come, and those that come."""
        self._control = control
        if self._is_halted:
            control.halt(KILL_SWITCH)
        if self._early:
            control.stop(self._early)

    @staticmethod
    def block() -> None:
        """Let signals wait from now on; a program that replaces this one gets them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP_SIGNALS, HALT_SIGNAL))

    @staticmethod
    def unblock() -> None:
        """Let signals through that were blocked."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP_SIGNALS, HALT_SIGNAL))

    def _stop(self, number: int, _frame: object) -> None:
        self._interrupts += number == signal.SIGINT
        if self._interrupts >= LEAVE_AT_ONCE:
            self._end_at_once()
        if self._control is None:
            self._early = signal.Signals(number).name  # an import may swallow the exception
            raise KeyboardInterrupt
        if self._interrupts > 1:
            self._control.hurry()
        self._control.stop(signal.Signals(number).name)

    def _halt(self, _number: int, _frame: object) -> None:
        self._is_halted = True
        if self._control:
            self._control.halt(KILL_SWITCH)


def _die() -> None:
    """End this process as Ctrl-C ends one that handles no signals."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
