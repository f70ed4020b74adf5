"""What a notification says."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

LONGEST = 1000
"""Characters of a text: a reason may quote the venue at length."""


class Kind(Enum):
    """What a notification is about, as a webhook is told it."""

    HALTED = "halted"
    LOSS = "loss limit"
    """A halt, too."""
    ORDERS_LEFT = "orders may be left"
    DIED = "bot died"
    """Or is hung: told by the guard."""
    PAUSED = "paused"
    RESUMED = "quotes again"
    SUMMARY = "daily summary"
    TEST = "test"

    @property
    def always_passes(self) -> bool:
        """Whether flood control never holds it back."""
        return self in (Kind.HALTED, Kind.LOSS, Kind.ORDERS_LEFT)

    @property
    def is_urgent(self) -> bool:
        """Whether a person should look at once."""
        return self.always_passes or self is Kind.DIED

    @property
    def is_quiet(self) -> bool:
        """Whether it may come without a sound."""
        return self in (Kind.RESUMED, Kind.SUMMARY, Kind.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Which bot a notification is about."""

    symbol: str
    prefix: str
    """Of its client_oids: the short name of the bot."""
    run: str
    """LIVE, PAPER or DRY RUN."""

    def __str__(self) -> str:
        return f"{self.symbol} {self.prefix} ({self.run})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification. Its text holds no secret: who makes it has redacted it."""

    kind: Kind
    about: About
    text: str
    """What has happened, and the way out."""
    time_ms: int
    """When it happened, in ms UTC."""
    others: int = 0
    """How many of its kind were held back since the last one that was sent."""

    @property
    def title(self) -> str:
        """The heading: what it is about, and which bot."""
        return f"{self.kind.value.capitalize()}: {self.about}"

    @property
    def body(self) -> str:
        """The text, cut to LONGEST, its time, and the count of those that were held back."""
        text = self.text if len(self.text) <= LONGEST else f"{self.text[:LONGEST]} ..."
        time = f"{datetime.fromtimestamp(self.time_ms / 1000, UTC):%F %T} UTC"
        more = f", {self.others} more like it since the last one" if self.others else ""
        return f"{text} ({time}{more})"
