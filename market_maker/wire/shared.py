"""What the processes of one account tell each other: bot, guard and `cancel`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Shared(Protocol):
    """Keeps what was spent of the rate limits, and where the venue was last found.

    Times are seconds of the steady clock, which all processes of a machine share.
    """

    @property
    def is_usable(self) -> bool:
        """Whether it knows what other processes have done."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes from recording anything meanwhile."""

    def use(self, endpoint: str, now: float) -> int:
        """Record that a request to an endpoint leaves; return the place of the record."""

    def answered(self, endpoint: str, place: int, now: float) -> None:
        """Record that the request with this place was answered, or given up."""

    def used_by_others(self, endpoint: str, now: float) -> Sequence[float]:
        """Return when other processes have used an endpoint of late, oldest first."""

    def found(self, host: str, address: str) -> None:
        """Record the IP address at which a host has answered."""

    def address(self, host: str) -> str:
        """Return the IP address at which a host last answered; empty if it is not known."""
