"""What is asked of a run: to stop, to halt, to hurry. Asked once, it stays asked."""

from queue import SimpleQueue


class Control:
    """The one place that says whether a run is to end, and how.

    Signal handlers, the kill switch, rules and the user's own code set it; every wait and every
    sending thread reads it. It is only ever tightened. Its methods may be called from a signal
    handler.
    """

    def __init__(self) -> None:
        self.wake: SimpleQueue[str] = SimpleQueue()
        """Ends the wait of the loop; also the feed puts its news here."""
        self.stop_reason = ""
        """Why the loop is to end; empty while it is not."""
        self.halt_reason = ""
        """Why no order is placed until a person has looked; empty while one may be."""
        self.is_hurried = False
        """Whether leaving must not take long: one round of cancels, one more look, no more."""
        self.is_restarting = False
        """Whether the loop ends to let a new process take over. A stop wins."""

    @property
    def is_stopping(self) -> bool:
        """Whether the loop is to end: creates that wait for their turn are not sent any more."""
        return bool(self.stop_reason) or self.is_restarting

    @property
    def is_halted(self) -> bool:
        """Whether no create is sent any more."""
        return bool(self.halt_reason)

    def stop(self, reason: str) -> None:
        """Ask the loop to end after the current tick."""
        self.stop_reason = reason
        self.wake.put("stop")

    def restart(self) -> None:
        """Ask the loop to end and let a new process take over."""
        self.is_restarting = True
        self.wake.put("restart")

    def halt(self, reason: str) -> None:
        """Place no order any more until a person restarts; the first reason counts."""
        if not self.halt_reason:
            self.halt_reason = reason
            self.wake.put("halt")

    def hurry(self) -> None:
        """Leave with one round of cancels and one more look. What is not proven gone is listed."""
        self.is_hurried = True
