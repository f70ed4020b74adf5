"""The request budget: how long to wait so that no endpoint's limit is ever passed.

A limit of n calls in s seconds is kept over every window of s seconds, wherever it begins. Time is
an argument, in seconds of a clock that never steps. The margin on the window covers the jitter of
the way.
"""

from collections import deque

from market_maker.protocol import Endpoint

MARGIN = 1.05
SLOW_FOR = 60.0


class Throttle:
    """Books calls.

    `book()` returns the moment a call may leave; the caller sends it then, not before.
    """

    def __init__(self) -> None:
        self._booked: dict[str, deque[float]] = {}
        self._slow_until: dict[str, float] = {}

    def book(self, endpoint: Endpoint, now: float) -> float:
        """Book one call and return when it may leave, `now` or later."""
        moment = self._next(endpoint, now)
        booked = self._booked.setdefault(endpoint.path, deque(maxlen=endpoint.calls))
        booked.append(moment)
        return moment

    def free(self, endpoint: Endpoint, now: float) -> bool:
        """Say whether a call could leave at once."""
        return self._next(endpoint, now) <= now

    def slow_down(self, endpoint: Endpoint, now: float) -> None:
        """Wait a whole window, and halve the budget for a minute: the venue said "too frequent"."""
        booked = self._booked.setdefault(endpoint.path, deque(maxlen=endpoint.calls))
        booked.extend([max([now, *booked])] * endpoint.calls)
        self._slow_until[endpoint.path] = now + SLOW_FOR

    def _next(self, endpoint: Endpoint, now: float) -> float:
        booked = self._booked.get(endpoint.path, ())
        slow = now < self._slow_until.get(endpoint.path, now)
        calls = max(1, endpoint.calls // 2) if slow else endpoint.calls
        window = endpoint.seconds * MARGIN * (2 if slow and endpoint.calls == 1 else 1)
        earliest = booked[-calls] + window if len(booked) >= calls else now
        return max(now, earliest)
