"""The request budget: when a call may leave, so that no limit of the venue is ever passed.

The venue counts arrivals, and a call arrives somewhere between its start and its answer. So a call
takes a place in the window from its start until a whole window after its answer: then no window
holds more than the limit, however long the way; a call that is given up counts as answered then,
for want of better knowledge. Time is an argument, in seconds of a clock that never steps.
"""

from collections import Counter, deque

SLACK = 0.005
"""Windows are counted so many seconds longer, for a venue that counts in ms."""
SLOW_FOR = 60.0
"""Seconds of half the budget after the venue has said "too frequent"."""
LONGEST_PAUSE = 30.0
"""Seconds that an endpoint rests at most; 1, 2, 4, ... while the venue keeps saying so."""


class Throttle:
    """Keeps the budgets of all endpoints, by name. Each `start()` needs its `finish()`."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._finished: dict[str, deque[float]] = {}
        self._slow_until: dict[str, float] = {}
        self._paused_until: dict[str, float] = {}
        self._strikes: Counter[str] = Counter()

    def wait(self, name: str, *, calls: int, seconds: float, now: float) -> float:
        """Return how long to wait before a call may start, under a limit of `calls` in `seconds`.

        0 means at once. While all places are taken by calls under way it is a guess: ask again.
        """
        if pause := self.pause(name, now):
            return pause
        if now < self._slow_until.get(name, now):
            calls, seconds = (calls // 2, seconds) if calls > 1 else (1, seconds * 2)
        places = calls - self._under_way[name]
        if places <= 0:
            return seconds
        finished = self._finished.get(name, ())
        if len(finished) < places:
            return 0.0
        return max(0.0, finished[-places] + seconds + SLACK - now)

    def pause(self, name: str, now: float) -> float:
        """Return how long an endpoint still rests because the venue was asked too much."""
        return max(0.0, self._paused_until.get(name, now) - now)

    def start(self, name: str) -> None:
        """Note that a call leaves."""
        self._under_way[name] += 1

    def finish(self, name: str, *, calls: int, now: float) -> None:
        """Note that a call has been answered, or given up."""
        self._under_way[name] -= 1
        self._finished.setdefault(name, deque(maxlen=calls)).append(now)

    def slow_down(self, name: str, *, calls: int, now: float, asked_for: float = 0.0) -> None:
        """Rest for a while, and use half the budget for longer: the venue was asked too much.

        `asked_for` is what the venue itself wants, in seconds; it counts if it is not absurd. While
        the endpoint rests, a refusal is that of a call which was under way when the rest began: it
        makes the rest no longer.
        """
        rests_until = self._paused_until.get(name, now)
        if now >= self._slow_until.get(name, now):
            self._strikes[name] = 0
        pause = 0.0
        if now >= rests_until:
            pause = min(2.0 ** self._strikes[name], LONGEST_PAUSE)
            self._strikes[name] += 1
        if 0 < asked_for <= 2 * SLOW_FOR:
            pause = max(pause, asked_for)
        self._paused_until[name] = rests_until = max(rests_until, now + pause)
        self._slow_until[name] = rests_until + SLOW_FOR
        self._finished[name] = deque([now] * calls, maxlen=calls)
