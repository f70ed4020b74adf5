"""The parts of a sample: sums over equal stretches of its time, which show how much they differ.

Returns come in calm and wild hours, and market orders in bursts, so that a sample tells less than
as many independent draws would. By how much less shows between parts.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

FIRST_LENGTH = 1.0
MOST = 64
"""With more parts than this, neighbours are put together."""
LEAST = 10
"""With fewer parts than this, they do not tell how much they differ."""


class Parts:
    """Sums of a sample in 32 to 64 parts of the same length; fewer of a short or sparse one.

    It never holds the sample itself.
    """

    def __init__(self) -> None:
        self._length = FIRST_LENGTH
        self._sums: list[Counter[Hashable]] = []

    def at(self, place_in: float) -> Counter[Hashable]:
        """Return the sums of the part at this place of the sample, to be added to.

        Places are seconds, or any other count that rises.
        """
        while place_in >= self._length * MOST:
            self._length *= 2
            pairs = (self._sums[place : place + 2] for place in range(0, len(self._sums), 2))
            self._sums = [added(pair) for pair in pairs]
        place = int(place_in / self._length)
        self._sums += [Counter() for _ in range(place + 1 - len(self._sums))]
        return self._sums[place]

    def all(self) -> Sequence[Counter[Hashable]]:
        """Return the sums of all parts that have any, in order."""
        return [each for each in self._sums if each]


def added(sums: Sequence[Counter[Hashable]]) -> Counter[Hashable]:
    """Return the sums of several parts together."""
    total: Counter[Hashable] = Counter()
    for each in sums:
        total.update(each)
    return total


def variance_between(influences: Sequence[float]) -> float:
    """Return the variance of an estimate of which each part moves it by so much.

    The sandwich estimate for clustered samples: B / (B - 1) times the sum of squares; 0 where there
    are too few parts to tell.
    """
    n = len(influences)
    return sum(each * each for each in influences) * n / (n - 1) if n >= LEAST else 0.0
