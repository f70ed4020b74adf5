"""A log that does not repeat itself: of warnings that are alike, one in ten seconds and a count."""

import logging
import re
import threading
from math import inf

from market_maker import clock

logger = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds in which one of the lines that are alike is enough."""
VARYING = re.compile(r"\w*\d[\w.]*")
"""What may differ between lines that are alike: numbers, prices and ids."""
AS_IT_IS = ("market_maker.cli", "market_maker.paper", __name__)


class Quiet(logging.Filter):
    """Holds warnings and errors back that were said just now; what it holds back it counts.

    It never holds a critical line back, nor one of INFO and below.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int, str]] = {}

    @classmethod
    def installed(cls) -> "Quiet":
        """Return one in the loggers of this package and no others, in place of an earlier one."""
        made = cls()
        made._install()
        return made

    def _install(self) -> None:
        for name, found in list(logging.root.manager.loggerDict.items()):
            if not name.startswith("market_maker.") or name.startswith(AS_IT_IS):
                continue
            if isinstance(found, logging.Logger):
                for earlier in [each for each in found.filters if isinstance(each, Quiet)]:
                    found.removeFilter(earlier)
                found.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is to be logged; one that stands for others says for how many."""
        if not logging.WARNING <= record.levelno < logging.CRITICAL:
            return True
        now, text = clock.monotonic(), record.getMessage()
        key = VARYING.sub("#", text)
        with self._lock:
            at, more, _ = self._said.get(key, (-inf, 0, ""))
            if now < at + EVERY:
                self._said[key] = (at, more + 1, text)
                return False
            self._said[key] = (now, 0, text)
        if more:
            record.msg, record.args = f"{text} (and {more} more like it before)", ()
        return True

    def tell(self) -> None:
        """Log how many lines were held back of what has not been said again since."""
        now = clock.monotonic()
        with self._lock:
            over = [key for key, (at, _, _) in self._said.items() if now >= at + 2 * EVERY]
            held = [self._said.pop(key) for key in over]
        for _, more, text in held:
            if more:
                logger.warning("%d more lines like this one: %s", more, text)
