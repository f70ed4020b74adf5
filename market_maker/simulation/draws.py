"""Random plans: settings drawn from ranges and choices; the same seed draws the same ones."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DIGITS = 6
"""So many digits a drawn number has."""
TRIES = 100
"""So many draws for each combination that is wanted, at most: equal ones do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How one setting is drawn: one of some choices, or a number from `low` to `high`."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    is_log: bool = False
    """Whether its logarithm is uniform, rather than the number itself."""

    def draw(self, chance: random.Random) -> Any:
        """Return a value."""
        if self.choices:
            return self.choices[chance.randrange(len(self.choices))]
        if self.is_whole and not self.is_log:
            return chance.randint(int(self.low), int(self.high))
        low, high = (
            (math.log(self.low), math.log(self.high)) if self.is_log else (self.low, self.high)
        )
        value = chance.uniform(low, high)
        value = math.exp(value) if self.is_log else value
        value = round(value) if self.is_whole else float(f"{value:.{DIGITS}g}")
        return min(max(value, self.low), self.high)


def drawn_from(about: Mapping[str, Any], where: str, *, is_whole: bool) -> Drawn:
    """Return how a setting is drawn that a plan describes as {from = a, to = b, log = true}.

    Raises ValueError, beginning with `where`, for another description.
    """
    if extra := sorted(set(about) - {"from", "to", "log"}):
        raise ValueError(f"{where}: {extra[0]} is not known: it has from, to and log")
    low: Any = about.get("from")
    high: Any = about.get("to")
    is_log = about.get("log", False)
    for name, value in (("from", low), ("to", high)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise ValueError(f"{where}: {name} must be a number, not {value!r}")
        if is_whole and not isinstance(value, int):
            raise ValueError(f"{where}: {name} must be a whole number, not {value!r}")
    if not isinstance(is_log, bool):
        raise ValueError(f"{where}: log must be true or false, not {is_log!r}")
    if low >= high:
        raise ValueError(f"{where}: from = {low} is not below to = {high}")
    if is_log and low <= 0:
        raise ValueError(f"{where}: from must be above 0 with log = true, not {low}")
    return Drawn(low=low, high=high, is_whole=is_whole, is_log=is_log)


def drawn(ways: Mapping[str, Drawn], *, trials: int, seed: int) -> list[dict[str, Any]]:
    """Return so many different combinations; fewer where no more were found.

    Each setting has a chance of its own, so that another one beside it changes no draw of it.
    """
    chances = {name: random.Random(f"sweep {seed} {name}") for name in ways}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(trials * TRIES):
        if len(found) == trials:
            break
        one = {name: way.draw(chances[name]) for name, way in ways.items()}
        found.setdefault(repr(one), one)
    return list(found.values())
