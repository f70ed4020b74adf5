"""Which settings are in force in the bot, and which were until a moment ago."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from market_maker.paper.server.venue import PAPER_KEY, PAPER_SECRET
from market_maker.settings import settings
from tests.chaos.shape import DRAWS

GRACE_MS = 10_000
"""How long after a change the bot may still act by what was in force before it."""


@dataclasses.dataclass
class Change:
    """A value that a setting had, and until when."""

    value: Any
    until: int


class InForce:
    """Keeps what the bot's settings are and were lately. Times are true ms."""

    def __init__(self, given: Mapping[str, Any], now: Callable[[], int]) -> None:
        self._now = now
        self._values = dict(given)
        self._old: dict[str, list[Change]] = {}

    def look(self) -> None:
        """See what the bot has taken over."""
        for name in (*DRAWS, "DRY_RUN"):
            value = getattr(settings, name)
            if self._values.get(name, value) != value:
                self._old.setdefault(name, []).append(Change(self._values[name], self._now()))
            self._values[name] = value

    def __getitem__(self, name: str) -> Any:
        """Return the value in force."""
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        """Return whether a setting may be changed while the bot runs."""
        return name in DRAWS

    def lately(self, name: str) -> list[Any]:
        """Return the value in force, and those that were until a moment ago."""
        old = self._old.get(name, [])
        return [self[name], *(each.value for each in old if self._now() - each.until < GRACE_MS)]

    def most(self, name: str) -> Any:
        """Return the largest of them."""
        return max(self.lately(name))

    def changed_at(self, name: str) -> int:
        """Return when it last changed; long ago, where it never has."""
        return max((each.until for each in self._old.get(name, [])), default=-(10**9))


def written(path: Path, values: Mapping[str, Any]) -> None:
    """Write a settings file for the bot, as an editor does: whole, then put in place."""
    fixed = {"API_URL_BASE": "http://127.0.0.1:1", "WS_URL": "ws://127.0.0.1:1"}
    keys = {"API_KEY": PAPER_KEY, "API_SECRET": PAPER_SECRET, "WATCHED_FILES": []}
    lines = [f"{name} = {value!r}\n" for name, value in (fixed | keys | dict(values)).items()]
    new = path.with_suffix(".new")
    new.write_text("".join(lines))
    new.chmod(0o600)
    new.replace(path)
