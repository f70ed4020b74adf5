"""The request budget: when a call may leave so that no rate limit of the venue is exceeded.

The venue counts arrivals, and a call arrives somewhere between its start and its answer. So a call
takes a place in the window from its start until a whole window after its answer: then no window
holds more than the limit, whatever the latency. A call that is given up may still arrive: it counts
as answered a window later. Time is an argument, in seconds of a steady clock.
"""

from collections import Counter, deque
from collections.abc import Sequence

SLACK = 0.005
"""Windows are counted so many seconds longer, for a venue that counts in ms."""
SLOW_FOR = 60.0
"""Seconds of half the budget after the venue has said "too frequent"."""
LONGEST_PAUSE = 30.0
"""The longest pause of an endpoint in seconds: 1, 2, 4, ... while the venue keeps saying so."""


class Throttle:
    """The budgets of all endpoints, by name; never waits. Each `start()` needs a `finish()`."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._finished: dict[str, deque[float]] = {}
        self._slow_until: dict[str, float] = {}
        self._paused_until: dict[str, float] = {}
        self._strikes: Counter[str] = Counter()

    def wait(
        self,
        name: str,
        *,
        calls: int,
        seconds: float,
        now: float,
        by_others: Sequence[float] = (),
    ) -> float:
        """Return the seconds before a call may start, under a limit of `calls` in `seconds`.

        `by_others` are the times of calls that other processes have made. 0 means at once. While
        calls in flight take all places it is a guess: ask again.
        """
        if pause := self.pause(name, now):
            return pause
        if now < self._slow_until.get(name, now):
            calls, seconds = (calls // 2, seconds) if calls > 1 else (1, seconds * 2)
        places = calls - self._in_flight[name]
        if places <= 0:
            return seconds
        finished: Sequence[float] = sorted([*self._finished.get(name, ()), *by_others])
        if len(finished) < places:
            return 0.0
        return max(0.0, finished[-places] + seconds + SLACK - now)

    def pause(self, name: str, now: float) -> float:
        """Return the seconds for which an endpoint is still rate-limited."""
        return max(0.0, self._paused_until.get(name, now) - now)

    def start(self, name: str) -> None:
        """Record that a call leaves."""
        self._in_flight[name] += 1

    def finish(self, name: str, *, calls: int, at: float) -> None:
        """Record that a call was answered, or counts as answered, at `at`."""
        self._in_flight[name] -= 1
        finished: Sequence[float] = sorted([*self._finished.get(name, ()), at])
        self._finished[name] = deque(finished, maxlen=calls)

    def slow_down(
        self,
        name: str,
        *,
        calls: int,
        now: float,
        asked_for: float = 0.0,
        longest: float = LONGEST_PAUSE,
    ) -> None:
        """Pause an endpoint after "too frequent", then use half its budget for SLOW_FOR seconds.

        `asked_for` is the pause that the venue asks for, in seconds; up to two minutes it counts.
        No pause is longer than `longest`, but for one that is asked for.
        During a pause a further refusal is that of a call in flight, and does not extend it.
        """
        paused_until = self._paused_until.get(name, now)
        if now >= self._slow_until.get(name, now):
            self._strikes[name] = 0
        pause = 0.0
        if now >= paused_until:
            pause = min(2.0 ** self._strikes[name], longest)
            self._strikes[name] += 1
        if 0 < asked_for <= 2 * SLOW_FOR:
            pause = max(pause, asked_for)
        self._paused_until[name] = paused_until = max(paused_until, now + pause)
        self._slow_until[name] = paused_until + SLOW_FOR
        self._finished[name] = deque([now] * calls, maxlen=calls)
