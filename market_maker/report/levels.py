"""What became of the orders of a run, by ladder level: 1 is nearest to the market."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from market_maker.journal import Row

ZERO = Decimal(0)


@dataclass(slots=True)
class Level:
    """The ended orders of a level, on both sides, that have rested or were filled.

    `level` is None where it was never known.
    """

    level: int | None
    orders: int = 0
    ordered: Decimal = ZERO
    filled: Decimal = ZERO
    waited_ms: list[int] = field(default_factory=list)
    """From open to the first fill, of each order that was filled."""

    @property
    def fill_ratio(self) -> Decimal:
        """Return the filled part of what was ordered, from 0 to 1."""
        return self.filled / self.ordered if self.ordered else ZERO

    @property
    def wait_seconds(self) -> Decimal | None:
        """Return the mean time from open to the first fill; None without fills."""
        return Decimal(sum(self.waited_ms)) / len(self.waited_ms) / 1000 if self.waited_ms else None


def levels_of(steps: Iterable[Row], fills: Iterable[Row]) -> list[Level]:
    """Return the levels of a run's orders, the nearest to the market first."""
    first_fill: dict[str, int] = {}
    for fill in fills:
        first_fill.setdefault(fill["client_oid"], fill["time_ms"])
    opened: dict[str, int] = {}
    found: dict[int | None, Level] = defaultdict(lambda: Level(None))
    for step in steps:
        oid = step["client_oid"]
        if step["step"] == "open":
            opened.setdefault(oid, step["time_ms"])
        elif step["step"] == "done" and (oid in opened or Decimal(step["filled"])):
            level = found[step["level"]]
            level.level = step["level"]
            level.orders += 1
            level.ordered += Decimal(step["qty"])
            level.filled += Decimal(step["filled"])
            if oid in opened and oid in first_fill:
                level.waited_ms.append(max(first_fill[oid] - opened[oid], 0))
    return sorted(found.values(), key=lambda each: each.level or 1 << 31)
