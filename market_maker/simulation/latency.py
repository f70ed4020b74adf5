"""Latency: how long requests and their answers travel in a back-test."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from market_maker.errors import SettingsError
from market_maker.journal import Run

LEAST = 200
"""So many recorded round trips are needed at least: in all, and of an endpoint that draws from its
own; the others draw from all."""
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds each way: always the same, or drawn from recorded round trips."""

    seconds: float = 0.01
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By path, the round trips in seconds, endless where no answer came; "" has all of them."""

    @property
    def words(self) -> str:
        """What a report says of it."""
        if not self.measured:
            return f"{self.seconds * 1000:g} ms each way"
        own = ", ".join(path for path in self.measured if path)
        words = f"drawn from {len(self.measured[''])} measured round trips, half each way"
        return f"{words} ({own} from their own)" if own else words

    def journeys(self, seed: int) -> Callable[[str], Iterator[float]]:
        """Return what tells, for a request to a path, how long it and its answer travel."""
        chance = random.Random(f"latency {seed}")

        def journey(path: str) -> Iterator[float]:
            if not self.measured:
                yield self.seconds
                yield self.seconds
                return
            found = self.measured.get(path.removeprefix("v1/api/")) or self.measured[""]
            whole = chance.choice(found)
            answered = [each for each in self.measured[""] if not math.isinf(each)]
            yield (min(answered) if math.isinf(whole) else whole) / 2
            yield whole / 2

        return journey


def measured(runs: Sequence[Run]) -> Latency:
    """Return the latency of the requests that these runs have recorded.

    Raises SettingsError where fewer than LEAST were answered.
    """
    found: dict[str, list[float]] = {"": []}
    for run in runs:
        for row in run.raw("requests", "path", "took_ms", "outcome"):
            if row["outcome"] == "not sent":
                continue
            took = math.inf if row["outcome"] == NO_ANSWER else row["took_ms"] / 1000
            path = row["path"].partition("/api/")[2]
            found[""].append(took)
            found.setdefault(path, []).append(took)
    answered = sum(not math.isinf(each) for each in found[""])
    if answered < LEAST:
        raise SettingsError(
            f"--latency measured needs at least {LEAST} requests that live or dry runs have "
            f"recorded here; there are {answered}"
        )
    return Latency(measured={path: each for path, each in found.items() if len(each) >= LEAST})
