"""A log that does not repeat itself: of warnings that are alike, one in ten seconds and a count."""

import copy
import logging
import re
from math import inf
from typing import TextIO

from market_maker.clock import SYSTEM

EVERY = 10.0
"""Seconds in which one of the lines that are alike is enough."""
VARYING = re.compile(r"\w*\d[\w.]*")
"""What may differ between lines that are alike: numbers, prices and ids."""
BOT = "market_maker."
AS_IT_IS = ("market_maker.app.cli", "market_maker.paper", "market_maker.custom_strategy")
"""Loggers whose every line is shown: each was asked for, or is a user's own."""


class Quiet(logging.StreamHandler[TextIO]):
    """Shows every line but the bot's own warnings and errors that were shown just now.

    Those it counts, and the count is shown with the next one, or soon after the last. It never
    holds back a critical line, nor one of INFO and below.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._held: dict[str, tuple[float, int, logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or count it."""
        now = SYSTEM.monotonic()
        self._tell(before=now - 2 * EVERY)
        if not _may_be_held_back(record):
            super().emit(record)
            return
        key = VARYING.sub("#", record.getMessage())
        at, more, _ = self._held.get(key, (-inf, 0, record))
        if now < at + EVERY:
            self._held[key] = (at, more + 1, record)
            return
        self._held[key] = (now, 0, record)
        super().emit(_with(record, f"%s (and {more} more like it before)") if more else record)

    def close(self) -> None:
        """Show what was held back and has not been said again."""
        self._tell(before=inf)
        super().close()

    def _tell(self, before: float) -> None:
        """Show how many were held back of what was last shown before a time."""
        over = [key for key, (at, _, _) in self._held.items() if at <= before]
        for _, more, record in [self._held.pop(key) for key in over]:
            if more:
                super().emit(_with(record, f"{more} more lines like this one: %s"))


def _may_be_held_back(record: logging.LogRecord) -> bool:
    is_loud = logging.WARNING <= record.levelno < logging.CRITICAL
    return is_loud and record.name.startswith(BOT) and not record.name.startswith(AS_IT_IS)


def _with(record: logging.LogRecord, words: str) -> logging.LogRecord:
    """Return a copy of a record with words around what it says."""
    changed = copy.copy(record)
    changed.msg, changed.args = words, (record.getMessage(),)
    return changed
