"""The guard's process: it loads what cancelling needs, and nothing of the bot."""

import logging
import os
import signal
import sys
import threading
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any

from market_maker.app import logs
from market_maker.guard import watch
from market_maker.guard.signals import HALT_SIGNAL, STOP_SIGNALS

logger = logging.getLogger(__name__)

LAST_LINES_SECONDS = 1.0
WATCHDOG_SIGNAL = signal.SIGABRT
"""What systemd sends to all processes of a service when its bot hangs."""


def main() -> None:
    """Guard the bot that has started us. Neither a signal nor a log that is stuck stops it."""
    for number in (*STOP_SIGNALS, HALT_SIGNAL, WATCHDOG_SIGNAL):
        signal.signal(number, signal.SIG_IGN)
    logs.set_up()
    listener = _log_through_a_queue()
    try:
        watch.stand_by(sys.stdin.buffer, logs.mark_account)
    except BaseException:
        logger.exception("guard: internal error.")
    writing = threading.Thread(target=listener.stop, daemon=True)  # it ends with the last line
    writing.start()
    writing.join(LAST_LINES_SECONDS)
    os._exit(0)


def _log_through_a_queue() -> QueueListener:
    """Let another thread write the log; return what stops it."""
    lines: SimpleQueue[Any] = SimpleQueue()
    root = logging.getLogger()
    listener = QueueListener(lines, *root.handlers)
    listener.start()
    root.handlers = [QueueHandler(lines)]
    return listener
