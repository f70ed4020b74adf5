"""Containers: where all processes end with the first one, which then waits for the guard."""

import ctypes
import logging
import os
import signal
from contextlib import suppress

from market_maker.guard.signals import HALT_SIGNAL, STOP_SIGNALS

logger = logging.getLogger(__name__)

OUTERMOST = 4026531836
"""The number that Linux gives to the PID namespace in which a machine starts."""
WAITS = "MARKETMAKER_WAITS"
"""Environment variable with the number of the process that waits for us."""
OF_SYSTEMD = "SYSTEMD_EXEC_PID"
"""Environment variable with the number of the process that systemd, 248 or newer, has started."""
PR_SET_CHILD_SUBREAPER = 36
WARNING = (
    "This is a container: its guard outlives the bot, but not the container. If that is killed, "
    "orders rest until the next start, or `marketmaker cancel` elsewhere."
)


def is_inside() -> bool:
    """Return whether all processes here end with the first one, as in a container."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino != OUTERMOST
    except OSError:  # no Linux
        return False


def wait_in_front() -> int | None:
    """As what a container lives by, go on in a child, and wait for it and for its guard.

    Returns None in the process that is to go on, and the exit status in the one that has waited.
    Must be called before any thread is started.
    """
    is_service = os.environ.get(OF_SYSTEMD) == str(os.getpid())  # which waits for the guard itself
    ends_it = 1 in (os.getpid(), os.getppid()) and is_inside() and not is_service
    if not ends_it or os.environ.get(WAITS) == str(os.getppid()):
        return None
    signals = {*STOP_SIGNALS, HALT_SIGNAL}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    front = os.getpid()
    bot = os.fork()
    if bot == 0:
        os.setpgid(0, 0)  # Ctrl-C comes from the parent alone, once
        os.environ[WAITS] = str(front)
    else:
        _pass_on_signals(bot)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    return _wait_for_all(bot) if bot else None


def _pass_on_signals(bot: int) -> None:
    def pass_on(number: int, _frame: object) -> None:
        with suppress(ProcessLookupError):  # then the guard is at work, and ends by itself
            os.kill(bot, number)

    for number in (*STOP_SIGNALS, HALT_SIGNAL):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, pass_on)


def _wait_for_all(bot: int) -> int:
    """Wait until no child is left, orphans of the bot included; return the bot's exit status."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = 1
    while True:
        try:
            pid, found = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if pid == bot:
            ended = os.waitstatus_to_exitcode(found)
            status = ended if ended >= 0 else 128 - ended
            if ended < 0:
                logger.error("The bot, process %d, was ended by signal %d.", bot, -ended)
