"""How far something is that takes longer than a moment: one line on a terminal, else nothing."""

import sys

from market_maker.clock import SYSTEM, Clock

AFTER = 2.0
"""Seconds from which on it is shown."""
EVERY = 0.2
"""Seconds between two changes of the line."""
ERASE = "\r\x1b[K"


class Progress:
    """Shows on stderr, where that is a terminal, which of so many steps is being done.

    `with Progress("Reading run 12", 8) as progress:` and `progress.step()` before each step. The
    line goes when it ends. It never raises, whatever becomes of the terminal.
    """

    def __init__(self, what: str, steps: int, clock: Clock = SYSTEM) -> None:
        self._what, self._steps, self._clock = what, max(steps, 1), clock
        self._done = -1
        self._shown_at: float | None = None
        self._begun = clock.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def step(self) -> None:
        """Note that the next step begins, and show it when it is time."""
        self._done += 1
        now = self._clock.monotonic()
        if now - self._begun < AFTER or now - (self._shown_at or 0.0) < EVERY:
            return
        self._shown_at = now
        self._write(f"{ERASE}{self._what}: {min(self._done / self._steps, 1):.0%}")

    def __exit__(self, *_: object) -> None:
        if self._shown_at is not None:
            self._write(ERASE)

    def _write(self, text: str) -> None:
        try:
            if sys.stderr.isatty():
                sys.stderr.write(text)
                sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # it has gone, or was never there
            return
