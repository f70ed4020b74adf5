"""What a bot does side by side on simulated time: each task runs alone, until it waits."""

import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Semaphore, Thread, current_thread, main_thread
from typing import Any

from market_maker.simulation.timeline import Killed, Timeline
from market_maker.wire.tls import PARALLEL


@contextmanager
def interrupted_between_tasks(timeline: Timeline) -> Iterator[None]:
    """Let Ctrl-C interrupt where time passes: not amid a task, nor where its error would be lost.

    A second one interrupts at once, but for a task. None is forgotten when the end comes first.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or current_thread() is not main_thread():
        yield  # Ctrl-C does not come here
        return

    asked: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        asked.append(number)
        if timeline.task or len(asked) == 1:
            timeline.after(0, lambda: signal.default_int_handler(number, None))
        else:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
        if asked:
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


class Task:
    """A thread that runs when the timeline says so; nothing else runs meanwhile."""

    def __init__(self, timeline: Timeline, act: Callable[[], None]) -> None:
        self._timeline = timeline
        self._act = act
        self._may_run, self._waits = Semaphore(0), Semaphore(0)
        self._is_dead = False
        timeline.tasks.add(self)
        Thread(target=self._run, daemon=True).start()
        timeline.after(0, self._resume)

    def sleep_until(self, micro: int, *, is_sent: bool = False) -> None:
        """Wait until so many microseconds after the beginning.

        Raises Killed in a process that has died meanwhile, unless what it does `is_sent` already.
        """
        self._timeline.at(micro, self._resume)
        self._waits.release()
        self._may_run.acquire()
        if self._is_dead and not is_sent:
            raise Killed

    def die(self) -> None:
        """Let its process be dead: of what it has sent, nothing is taken back."""
        self._is_dead = True

    def _resume(self) -> None:
        """Let it go on until it waits again or has ended; not while its process stands still."""
        timeline = self._timeline
        if timeline.is_frozen() and not self._is_dead:
            timeline.at_thaw(self._resume)
            return
        timeline.task = self
        self._may_run.release()
        self._waits.acquire()
        timeline.task = None

    def _run(self) -> None:
        self._may_run.acquire()
        try:
            self._act()
        finally:
            self._timeline.tasks.discard(self)
            self._waits.release()


class Promise(Future[Any]):
    """The result of a task: whoever waits for it lets time pass."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def result(self, timeout: float | None = None) -> Any:
        """Return what the task has come to, or raise what it has raised."""
        self._timeline.wait_until(self.done)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the task has raised; None where it has ended well."""
        self._timeline.wait_until(self.done)
        return super().exception(timeout)


class TaskPool:
    """In the place of the thread pool: so many tasks at a time, the others in their order."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = 0

    def submit(self, act: Callable[..., Any], *arguments: Any) -> Promise:
        """Begin a task as soon as there is room for it."""
        promise = Promise(self._timeline)

        def run() -> None:
            try:
                promise.set_result(act(*arguments))
            except Killed as error:
                self._waiting.clear()
                promise.set_exception(error)
            except BaseException as error:
                promise.set_exception(error)
            finally:
                self._running -= 1
                self._begin()

        self._waiting.append(run)
        self._begin()
        return promise

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Wait for the tasks that there are."""
        self._timeline.wait_until(lambda: not self._running)

    def _begin(self) -> None:
        while self._waiting and self._running < PARALLEL:
            self._running += 1
            Task(self._timeline, self._waiting.popleft())
