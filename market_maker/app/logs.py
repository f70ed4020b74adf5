"""The log of a process: its format, without secrets, and with a limit on lines that repeat."""

import copy
import logging
import os
import re
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, TextIO

from market_maker import secrecy
from market_maker.account import Account
from market_maker.clock import SYSTEM
from market_maker.errors import OURS, SettingsError

FORMAT = "%(asctime)s - %(levelname)s - %(module)s - %(funcName)s: - %(mark)s%(message)s"
OF_PARENT = "GTE_MARKETMAKER_LOG_FILE"
"""Environment variable that names the log file of a bot to the processes that it starts."""
INTERVAL = 10.0
"""Seconds in which one of several similar lines is shown."""
VARYING = re.compile(r"\w*\d[\w.]*")
"""What similar lines may differ in: numbers, prices and ids."""
NOT_LIMITED = (
    *("market_maker.app.cli", "market_maker.paper", "market_maker.custom_strategy"),
    "market_maker.trading.status.ending",
)
"""Our loggers whose lines are all shown: they were asked for, or are a user's own or the last."""


def set_up() -> None:
    """Send the log of this process to stderr, from INFO up, and keep secrets out of it.

    A process of a bot with a log file appends to that file, too.
    """
    handlers: list[logging.Handler] = [RateLimitedHandler()]
    if file := os.environ.get(OF_PARENT):
        from market_maker.app.log_file import ParentsFile

        handlers.append(ParentsFile(Path(file)))
    for handler in handlers:
        handler.setFormatter(Line(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    secrecy.install()


def write_to(file: Path) -> None:
    """Write the log to a file, too. Raises SettingsError when that cannot be opened."""
    from market_maker.app.log_file import LogFile, ParentsFile

    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, ParentsFile)]
    try:
        handler = LogFile(file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--log-file {file} cannot be written: {error}") from None
    handler.setFormatter(Line(FORMAT))
    root.addHandler(handler)
    secrecy.install()
    os.environ[OF_PARENT] = str(file.absolute())


@contextmanager
def quiet() -> Iterator[None]:
    """Log nothing meanwhile: what a bot or client says by itself was not asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def goes_unseen() -> bool:
    """Return whether stdout has been sent to a file, and the log goes elsewhere."""
    files = [stat.S_ISREG(os.fstat(fd).st_mode) for fd in (1, 2)]
    return files == [True, False] and OF_PARENT not in os.environ


def mark_lines(kind: Callable[[], str]) -> None:
    """Let each line begin with the kind of the run, such as PAPER; empty for none."""
    Line.kind = staticmethod(kind)


def mark_account(account: Account) -> None:
    """Let each line begin with PAPER for an account of the paper exchange."""
    mark_lines(lambda: "PAPER" if account.is_paper else "")


def when_unread(act: Callable[[], None]) -> None:
    """Do something when a reader of the log has gone, as that of `2>&1 | head` does.

    Not while there is a log file, which can still be read.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RateLimitedHandler):
            handler.when_unread = lambda: None if OF_PARENT in os.environ else act()


class Line(logging.Formatter):
    """The format of a line, with the kind of the run."""

    kind: Callable[[], str] = staticmethod(lambda: "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        kind = self.kind()
        record.mark = f"{kind}: " if kind else ""
        return super().format(record)


class RateLimited(logging.Handler):
    """Shows similar warnings and errors of the bot once in ten seconds, with a count of the others.

    The count is shown with the next such line, or soon after the last. Critical lines, and those of
    INFO and below, are never held back.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._shown: dict[object, tuple[float, int, logging.LogRecord]] = {}
        """When a line of a kind was last shown, how many were held back since, and the last."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or count it."""
        now = SYSTEM.monotonic()
        self._show_counts(before=now - 2 * INTERVAL)
        if not _is_limited(record):
            super().emit(record)
            return
        kind = _kind(record)
        at, more, _ = self._shown.get(kind, (-inf, 0, record))
        if now < at + INTERVAL:
            self._shown[kind] = (at, more + 1, record)
            return
        self._shown[kind] = (now, 0, record)
        super().emit(_with(record, f"%s (and {more} more like it before)") if more else record)

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


class RateLimitedHandler(RateLimited, logging.StreamHandler[TextIO]):
    """Writes to stderr, or to another stream."""

    when_unread: Callable[[], None] = staticmethod(lambda: None)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Give up a log whose reader has gone; treat any other error as `logging` does."""
        if not isinstance(sys.exception(), BrokenPipeError):
            super().handleError(record)
            return
        self.setStream(open(os.devnull, "w"))  # noqa: SIM115
        self.when_unread()


def _is_limited(record: logging.LogRecord) -> bool:
    is_loud = logging.WARNING <= record.levelno < logging.CRITICAL
    is_ours = record.pathname.startswith(OURS)  # a strategy may log with our logger
    return is_loud and is_ours and not record.name.startswith(NOT_LIMITED)


def _kind(record: logging.LogRecord) -> object:
    """Return what similar lines have in common: their words, their error and where it arose."""
    words = VARYING.sub("#", record.getMessage())
    if not record.exc_info or not record.exc_info[1]:
        return words
    error = record.exc_info[1]
    place = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    return words, type(error), VARYING.sub("#", str(error)), tuple(place)


def _with(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """Return a copy of a record with a text around its message, and the time of now."""
    changed = copy.copy(record)
    changed.msg, changed.args = text, (record.getMessage(),)
    now_ms = SYSTEM.now_ms()
    changed.created, changed.msecs = now_ms / 1000, now_ms % 1000
    return changed
