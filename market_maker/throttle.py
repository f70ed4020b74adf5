"""The request budget: when a call may leave, so that no endpoint's limit is ever passed.

A limit of n calls in s seconds is kept over every window of s seconds, wherever it begins. Time is
an argument, in seconds of a clock that never steps.
"""

from collections import deque

MARGIN = 1.05
"""Windows are counted so much longer, for requests that overtake each other on their way."""
SLOW_FOR = 60.0
"""Seconds of half the budget after the venue has said "too frequent"."""


class Throttle:
    """Books calls by the name of their endpoint; whoever books a call sends it then, not before."""

    def __init__(self) -> None:
        self._booked: dict[str, deque[float]] = {}
        self._slow_until: dict[str, float] = {}

    def book(self, name: str, *, calls: int, seconds: float, now: float) -> float:
        """Book one call under a limit of `calls` in `seconds`; return when it may leave."""
        moment = self.next(name, calls=calls, seconds=seconds, now=now)
        self._booked.setdefault(name, deque(maxlen=calls)).append(moment)
        return moment

    def next(self, name: str, *, calls: int, seconds: float, now: float) -> float:
        """Return when the next call could leave: `now` or later."""
        booked = self._booked.get(name, ())
        if now < self._slow_until.get(name, now):
            calls, seconds = (calls // 2, seconds) if calls > 1 else (1, seconds * 2)
        if len(booked) < calls:
            return now
        return max(now, booked[-calls] + seconds * MARGIN)

    def slow_down(self, name: str, *, now: float) -> None:
        """Wait a whole window and use half the budget for a while: the venue was asked too much."""
        self._slow_until[name] = now + SLOW_FOR
        booked = self._booked.get(name)
        if booked and booked.maxlen:
            booked.extend([max(now, booked[-1])] * booked.maxlen)
