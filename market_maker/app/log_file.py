"""The log in a file: written by the bot, and appended to by the processes that it starts."""

import os
import sys
from io import TextIOWrapper
from logging import FileHandler, LogRecord
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path

from market_maker.app.logs import RateLimited

FILE_BYTES, OLD_FILES = 10_000_000, 5
"""The file begins anew at this size; so many of the ones before it are kept."""


class _PrivateFile(RateLimited, FileHandler):
    """A log file that only we can read. When it cannot be written, as on a full disk, it says so
    once on stderr, and everything goes on.
    """

    _has_failed = False

    def emit(self, record: LogRecord) -> None:
        """Write a record; never raises OSError, as the handlers of `logging` may."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        try:
            super().close()
        except OSError:
            self._tell()

    def handleError(self, record: LogRecord) -> None:  # noqa: ARG002, N802
        """Say once what is wrong."""
        self._tell()

    def _tell(self) -> None:
        if not self._has_failed and sys.stderr:
            self._has_failed = True
            sys.stderr.write(f"{self.baseFilename} cannot be written: {sys.exception()}\n")

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)


class LogFile(_PrivateFile, RotatingFileHandler):
    """The file of a bot, begun anew when it is long. Raises OSError if it cannot be opened."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=FILE_BYTES, backupCount=OLD_FILES)


class ParentsFile(_PrivateFile, WatchedFileHandler):
    """The file of the bot that has started us. It alone begins it anew; we follow."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, delay=True)
