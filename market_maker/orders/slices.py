"""Time slices: how long the requests of one plan or step may leave."""

from collections.abc import Callable

SLICE_SECONDS = 1.0
"""Requests that have not left by then wait for the next step or tick."""
LONG_SLICE = 4.0
"""The same for a process that does nothing but cancel; its heartbeat bears the answers, too."""


class Slice:
    """The time slice in which the requests of one plan or step may leave; `now` in seconds."""

    def __init__(self, now: Callable[[], float], seconds: float = SLICE_SECONDS) -> None:
        self._now = now
        self._ends = now() + seconds
        self.was_used_up = False

    def is_open(self) -> bool:
        """Return whether another request may leave; asked from the sending threads."""
        self.was_used_up = self.was_used_up or self._now() >= self._ends
        return not self.was_used_up
