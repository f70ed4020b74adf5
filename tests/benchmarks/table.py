"""A table of measurements: what, how much, against what, and what was wanted."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement; `value` is in `unit`, and a target is the most (or least) that is wanted."""

    what: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def target(self) -> str:
        if self.most is not None:
            return f"<= {self.most:g}"
        return f">= {self.least:g}" if self.least is not None else ""

    @property
    def is_met(self) -> bool:
        """Whether the target is met; without one, that is so."""
        low_enough = self.most is None or self.value <= self.most
        return low_enough and (self.least is None or self.value >= self.least)

    def plain(self) -> dict[str, object]:
        """Return it fit for JSON."""
        return asdict(self) | {"is_met": self.is_met}


HEAD = "| Quantity | Here | Target | |\n|---|---|---|---|"


def shown(figure: Figure) -> str:
    """Return a figure as a line of a table of Markdown, which begins with `HEAD`."""
    mark = "" if figure.is_met else "**missed** "
    value = f"{figure.value:,.3g}" if abs(figure.value) < 1000 else f"{figure.value:,.0f}"
    cells = figure.what, f"{value} {figure.unit}".strip(), figure.target, mark + figure.note
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def seconds_of(act: Callable[[], object], times: int = 1, rounds: int = 5) -> float:
    """Return how many seconds an act takes: the median over rounds of so many times each."""
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(times):
            act()
        took.append((time.perf_counter() - begun) / times)
    return statistics.median(took)


def percentile(values: Iterable[float], part: float) -> float:
    """Return the value below which this part of the values is, 0.99 for the 99th of a hundred."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until a condition is true; return whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
