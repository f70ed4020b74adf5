"""Simulated time: what is to happen, in order. A bot is given it as its clock."""

import heapq
import math
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from threading import Condition
from typing import TYPE_CHECKING

from market_maker.clock import Clock

if TYPE_CHECKING:
    from market_maker.simulation.tasks import Task

START_MS = 1_577_836_805_000
MICRO = 1_000_000
LONGEST_WAIT = 3600
"""Seconds after which what is waited for cannot come any more."""

Act = Callable[[], None]


class Killed(BaseException):
    """The bot's process is gone: from now on nothing that it does has an effect."""


class Timeline(Clock):
    """A clock that stands still until somebody waits; then what is due happens, in order.

    Time is counted in whole microseconds, and equal times in the order of their planning, so that
    a run can be repeated exactly.
    """

    def __init__(self, start_ms: int = START_MS) -> None:
        self._start_ms = start_ms
        self._now = 0
        self._wall_offset_ms = 0
        self._asleep = 0
        self._order = count()
        self._due: list[tuple[int, int, Act]] = []
        self._frozen_until = 0
        self.killed = False
        """Whether the bot's process is dead; whatever it waits for ends it."""
        self.tasks: set[Task] = set()
        """What the bot does side by side; each waits until it is resumed."""
        self.task: Task | None = None
        """The one that runs now."""

    # --- for the world --------------------------------------------------------------------------

    def true_ms(self) -> int:
        """Return the true time in ms, whatever the bot's machine takes for it."""
        return self._start_ms + self._now // 1000

    def after(self, seconds: float, act: Act) -> None:
        """Let something happen so many seconds from now."""
        heapq.heappush(self._due, (self._now + round(seconds * MICRO), next(self._order), act))

    def at(self, micro: int, act: Act) -> None:
        """Let something happen so many microseconds after the beginning; now, if that is over."""
        heapq.heappush(self._due, (max(micro, self._now), next(self._order), act))

    def every(self, seconds: float, act: Act) -> None:
        """Let something happen again and again."""

        def again() -> None:
            self.after(seconds, again)
            act()

        self.after(seconds, again)

    def kill(self) -> None:
        """Let the bot's process be dead."""
        self.killed = True
        for task in self.tasks:
            task.die()

    def pass_by(self, seconds: float) -> None:
        """Let time pass while no bot runs."""
        dead, self.killed = self.killed, False
        self.sleep(seconds)
        self.killed = dead

    def freeze(self, seconds: float) -> None:
        """Let the bot's process stand still for so long: nothing that it waits for comes through.

        What others do goes on; it happens at the bot's next breath.
        """
        self._frozen_until = max(self._frozen_until, self._now + round(seconds * MICRO))

    def thaw(self) -> None:
        """Let the bot's process go on now."""
        self._frozen_until = min(self._frozen_until, self._now)

    def has_frozen_since(self, true_ms: int) -> bool:
        """Return whether the bot's process stood still at that time or later."""
        return self._start_ms + self._frozen_until // 1000 > true_ms

    def thawed_at(self) -> float:
        """Return until when the bot's process has stood or will stand still, in steady seconds."""
        return (self._frozen_until - self._asleep) / MICRO

    def is_frozen(self) -> bool:
        """Return whether the bot's process stands still."""
        return self._frozen_until > self._now

    def at_thaw(self, act: Act) -> None:
        """Let something happen once the bot's process goes on."""
        self.at(self._frozen_until, act)

    def travel(self, seconds: float) -> None:
        """Let a message of the bot travel: on its way it does not need the bot any more."""
        if self.task:
            self.task.sleep_until(self._now + math.ceil(seconds * MICRO), is_sent=True)
        else:
            self.sleep(seconds)

    def wait_until(self, is_done: Callable[[], bool]) -> None:
        """Let time pass until something is done. Raises RuntimeError when it never is."""
        end = self._now + LONGEST_WAIT * MICRO
        while not is_done():
            if self._now >= end:
                raise RuntimeError(f"not done within {LONGEST_WAIT} s")
            self._advance(1.0, is_done)

    def step_wall_clock(self, ms: int) -> None:
        """Set the bot's wall clock forward or back."""
        self._wall_offset_ms += ms

    def stand_still(self, seconds: float, *, suspended: bool = False) -> None:
        """Let time pass for the world alone; suspended, the bot's steady clock stands still too."""
        begun = self._now
        self.sleep(seconds)
        if suspended:
            self._asleep += self._now - begun

    # --- what a clock has ------------------------------------------------------------------------

    def now_ms(self) -> int:
        return self.true_ms() + self._wall_offset_ms

    def monotonic(self) -> float:
        return (self._now - self._asleep) / MICRO

    def sleep(self, seconds: float) -> None:
        self._advance(seconds, lambda: False)

    def wait_on(self, changed: Condition, seconds: float) -> None:
        changed.release()  # nobody else runs, but what is due may take the lock
        try:
            self.sleep(seconds)
        finally:
            changed.acquire()

    def wait(self, wake: "SimpleQueue[str]", seconds: float) -> list[str]:
        self._advance(seconds, wake.qsize)
        reasons = []
        while True:
            try:
                reasons.append(wake.get_nowait())
            except Empty:
                return reasons

    def _advance(self, seconds: float, enough: Callable[[], object]) -> None:
        end = self._now + max(math.ceil(seconds * MICRO), 0)
        if self.task:
            self.task.sleep_until(end)
            return
        while self._frozen_until > self._now or not enough():
            until = max(end, self._frozen_until)
            if self.killed:
                raise Killed
            if not self._due or self._due[0][0] > until:
                self._now = max(until, self._now)
                return
            due, _, act = heapq.heappop(self._due)
            self._now = max(due, self._now)
            act()
