"""The log of a process: its format, without secrets, and with a limit on lines that repeat."""

import copy
import logging
import os
import re
import sys
from collections.abc import Callable
from math import inf
from typing import TextIO

from market_maker import secrecy
from market_maker.clock import SYSTEM

FORMAT = "%(asctime)s - %(levelname)s - %(module)s - %(funcName)s: - %(message)s"
INTERVAL = 10.0
"""Seconds in which one of several similar lines is shown."""
VARYING = re.compile(r"\w*\d[\w.]*")
"""What similar lines may differ in: numbers, prices and ids."""
LIMITED = "market_maker."
"""The loggers that are limited."""
NOT_LIMITED = ("market_maker.app.cli", "market_maker.paper", "market_maker.custom_strategy")
"""Loggers below `LIMITED` that are not: their lines were asked for, or are a user's own."""


def set_up() -> None:
    """Send the log of this process to stderr, from INFO up, and keep secrets out of it."""
    handlers = [RateLimitedHandler()]
    logging.basicConfig(format=FORMAT, level=logging.INFO, handlers=handlers, force=True)
    secrecy.install()


def when_unread(act: Callable[[], None]) -> None:
    """Do something when a reader of the log has gone, as that of `2>&1 | head` does."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RateLimitedHandler):
            handler.when_unread = act


class RateLimitedHandler(logging.StreamHandler[TextIO]):
    """Shows similar warnings and errors of the bot once in ten seconds, with a count of the others.

    The count is shown with the next such line, or soon after the last. Critical lines, and those of
    INFO and below, are never held back.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._shown: dict[str, tuple[float, int, logging.LogRecord]] = {}
        """When a line of a kind was last shown, how many were held back since, and the last."""
        self.when_unread: Callable[[], None] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or count it."""
        now = SYSTEM.monotonic()
        self._show_counts(before=now - 2 * INTERVAL)
        if not _is_limited(record):
            super().emit(record)
            return
        kind = VARYING.sub("#", record.getMessage())
        at, more, _ = self._shown.get(kind, (-inf, 0, record))
        if now < at + INTERVAL:
            self._shown[kind] = (at, more + 1, record)
            return
        self._shown[kind] = (now, 0, record)
        super().emit(_with(record, f"%s (and {more} more like it before)") if more else record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Give up a log whose reader has gone; treat any other error as `logging` does."""
        if not isinstance(sys.exception(), BrokenPipeError):
            super().handleError(record)
            return
        self.setStream(open(os.devnull, "w"))  # noqa: SIM115
        self.when_unread()

    def close(self) -> None:
        """Show the counts that are left."""
        self._show_counts(before=inf)
        super().close()

    def _show_counts(self, before: float) -> None:
        """Show and forget the counts of lines that were last shown before a time."""
        over = [kind for kind, (at, _, _) in self._shown.items() if at <= before]
        for _, more, record in [self._shown.pop(kind) for kind in over]:
            if more:
                super().emit(_with(record, f"{more} more lines like this one: %s"))


def _is_limited(record: logging.LogRecord) -> bool:
    is_loud = logging.WARNING <= record.levelno < logging.CRITICAL
    return is_loud and record.name.startswith(LIMITED) and not record.name.startswith(NOT_LIMITED)


def _with(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """Return a copy of a record with a text around its message."""
    changed = copy.copy(record)
    changed.msg, changed.args = text, (record.getMessage(),)
    return changed
