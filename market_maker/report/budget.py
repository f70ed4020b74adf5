"""The requests of a run by kind, against the venue's limits."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from market_maker.journal import Row


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of one kind: how many, how many failed, and in how many ms they were answered.

    `busiest` is the largest number within `seconds`, in which the venue allows `calls`.
    """

    path: str
    count: int
    failed: int
    mean_ms: int
    busiest: int
    calls: int
    seconds: float


def requests_of(rows: Iterable[Row]) -> list[Requests]:
    """Return the requests by kind, the most frequent first."""
    by_path: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_path[row["path"]].append(row)
    found = [_of_one(path, rows) for path, rows in by_path.items()]
    return sorted(found, key=lambda each: -each.count)


def _of_one(path: str, rows: list[Row]) -> Requests:
    calls, seconds = rows[-1]["calls"], rows[-1]["seconds"]
    window: deque[int] = deque()
    busiest = 0
    for left_ms in sorted(row["time_ms"] - row["took_ms"] for row in rows):
        window.append(left_ms)
        while window[0] <= left_ms - 1000 * seconds:
            window.popleft()
        busiest = max(busiest, len(window))
    failed = sum(row["outcome"] != "done" for row in rows)
    mean_ms = round(sum(row["took_ms"] for row in rows) / len(rows))
    return Requests(path, len(rows), failed, mean_ms, busiest, calls, seconds)
