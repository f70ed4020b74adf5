"""Requests to a run: stop, halt, restart, hurry. A request is never withdrawn."""

from queue import SimpleQueue

from market_maker.clock import SYSTEM, Clock
from market_maker.secrecy import fit

HALTED = "halted: "
"""How the words begin that say that a run ended in a halt."""


class Control:
    """The stop, halt and restart requests of a run.

    Signal handlers, the kill switch, circuit breakers and user code set them; every wait and every
    sending thread reads them. No request is withdrawn. All methods may be called from a signal
    handler. Reasons are kept without secrets: run files, journal and notifications hold them.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self.stopped_at: float | None = None
        """When the loop was first told to end, in steady seconds; None while it was not."""
        self.wake: SimpleQueue[str] = SimpleQueue()
        """Wakes the waiting loop; the feed puts its updates here, too."""
        self.stop_reason = ""
        """Why the loop must stop; empty while it need not."""
        self.halt_reason = ""
        """Why the bot is halted; empty while it is not."""
        self.is_hurried = False
        """Whether the shutdown must be short: one round of cancels and one more query."""
        self.is_restarting = False
        """Whether the loop ends for a restart of the program. A stop overrides it."""

    @property
    def is_stopping(self) -> bool:
        """Whether the loop must end: waiting creates are no longer sent."""
        return bool(self.stop_reason) or self.is_restarting

    @property
    def is_halted(self) -> bool:
        """Whether the bot is halted: no create is sent."""
        return bool(self.halt_reason)

    def ended_by(self) -> str:
        """Return how the run ends, in words; empty while nobody has asked for it."""
        if self.halt_reason:
            return f"{HALTED}{self.halt_reason}"
        return self.stop_reason or ("restart for new code" if self.is_restarting else "")

    def stop(self, reason: str) -> None:
        """Stop the loop after the current tick."""
        self.stop_reason = fit(reason)
        self.note_stop()
        self.wake.put("stop")

    def restart(self) -> None:
        """Stop the loop and restart the program."""
        self.is_restarting = True
        self.note_stop()
        self.wake.put("restart")

    def note_stop(self) -> float:
        """Record that the way out begins, unless it has; return when it began."""
        if self.stopped_at is None:
            self.stopped_at = self._clock.monotonic()
        return self.stopped_at

    def halt(self, reason: str) -> None:
        """Place no orders until a person restarts the bot. The first reason is kept."""
        if not self.halt_reason:
            self.halt_reason = fit(reason)
            self.wake.put("halt")

    def hurry(self) -> None:
        """Shorten the shutdown to one round of cancels and one query; orders left are listed."""
        self.is_hurried = True
