"""The log in a file: written by the bot, and appended to by the processes that it starts."""

import os
import sys
from io import TextIOWrapper
from logging import LogRecord
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path

from market_maker.app.logs import RateLimited

FILE_BYTES, OLD_FILES = 10_000_000, 5
"""The file begins anew at this size; so many of the ones before it are kept."""


class LogFile(RateLimited, RotatingFileHandler):
    """A file that only we can read, begun anew when it is long. Raises OSError if it cannot be."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8")
        self._has_failed = False

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding=self.encoding, opener=private)

    def handleError(self, record: LogRecord) -> None:  # noqa: ARG002, N802
        """Say once that the file cannot be written, as on a full disk; the log goes on."""
        if not self._has_failed and sys.stderr:
            self._has_failed = True
            sys.stderr.write(f"{self.baseFilename} cannot be written: {sys.exception()}\n")


class ParentsFile(RateLimited, WatchedFileHandler):
    """The file of the bot that has started us. It alone begins it anew; we follow."""
