"""The audit of the order book: REST is asked whether the feed's best levels are still true.

The feed has no sequence numbers, so a lost update shows in nothing else. A level counts only when
the feed did not change it while the question was on its way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.models import Side

LEVELS = 15
PATIENCE = 3
"""So many audits in a row must find the same level wrong."""

Level = tuple[Side, Decimal]
Levels = Mapping[Level, Decimal]


@dataclass(frozen=True, slots=True)
class Audit:
    """What the latest audits have found: the levels that all of them found wrong, and how many."""

    wrong: frozenset[Level] = frozenset()
    times: int = 0

    @property
    def is_drift(self) -> bool:
        """Whether the feed's book is not to be believed any more."""
        return self.times >= PATIENCE


def compare(before: Levels, rest: Levels, after: Levels) -> frozenset[Level]:
    """Return the levels that the feed shows otherwise than REST.

    Sizes by level, the best ones of each side; a level that REST is not deep enough to show, or the
    feed, does not count.
    """
    wrong = set()
    for side in Side:
        prices = {
            name: [p for s, p in levels if s is side]
            for name, levels in (("before", before), ("rest", rest), ("after", after))
        }
        worst = [_worst(side, each) for each in prices.values()]
        known = [price for price in worst if price is not None]
        for price in set().union(*prices.values()):
            level = (side, price)
            shown = before.get(level)
            deep_enough = len(known) == 3 and not any(side.better(w, price) for w in known)
            if deep_enough and shown == after.get(level) and shown != rest.get(level):
                wrong.add(level)
        if bool(prices["rest"]) != bool(prices["before"] or prices["after"]):
            wrong.add((side, Decimal(0)))
    return frozenset(wrong)


def follow(audit: Audit, wrong: frozenset[Level]) -> Audit:
    """Return the audit after one more look."""
    if not wrong:
        return Audit()
    again = wrong & audit.wrong
    return Audit(again, audit.times + 1) if again else Audit(wrong, 1)


def levels_of(depth: Mapping[str, Sequence[Sequence[str]]]) -> dict[Level, Decimal]:
    """Return `{"bids": [[price, size], ...], "asks": ...}` as sizes by level, the best ones."""
    return {
        (side, Decimal(price)): Decimal(size)
        for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
        for price, size in (row[:2] for row in depth[name][:LEVELS])
    }


def _worst(side: Side, prices: Sequence[Decimal]) -> Decimal | None:
    """Return the price furthest out that is surely shown whole; None for an empty side."""
    if not prices:
        return None
    return min(prices) if side is Side.BUY else max(prices)
