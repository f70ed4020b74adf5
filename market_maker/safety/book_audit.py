"""The audit of the order book: compares the best levels of the feed with those of REST.

The feed has no sequence numbers, so nothing else reveals a lost update. A level counts only if the
feed did not change it while the REST query was in flight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.models import Side

LEVELS = 15
PATIENCE = 3
"""Audits in a row that must find the same level wrong before the book counts as drifted."""

Level = tuple[Side, Decimal]
Levels = Mapping[Level, Decimal]


@dataclass(frozen=True, slots=True)
class Audit:
    """Result of the latest audits: the levels that all of them found wrong, and their number."""

    wrong: frozenset[Level] = frozenset()
    times: int = 0

    @property
    def is_drift(self) -> bool:
        """Whether the feed's book has drifted from the venue's and must be rebuilt."""
        return self.times >= PATIENCE


def compare(before: Levels, rest: Levels, after: Levels) -> frozenset[Level]:
    """Return the levels whose size differs between feed and REST.

    The arguments are sizes by level, the best levels of each side: the feed before the query, REST,
    the feed after it. A level deeper than any of the three shows does not count.
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
    """Return the audit state after one more comparison, which found `wrong` levels."""
    if not wrong:
        return Audit()
    again = wrong & audit.wrong
    return Audit(again, audit.times + 1) if again else Audit(wrong, 1)


def levels_of(depth: Mapping[str, Sequence[Sequence[str | Decimal]]]) -> dict[Level, Decimal]:
    """Return the best LEVELS of `{"bids": [[price, size], ...], "asks": ...}` as sizes by level."""
    return {
        (side, Decimal(price)): Decimal(size)
        for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
        for price, size in (row[:2] for row in depth[name][:LEVELS])
    }


def _worst(side: Side, prices: Sequence[Decimal]) -> Decimal | None:
    """Return the deepest price that is shown; None for an empty side."""
    if not prices:
        return None
    return min(prices) if side is Side.BUY else max(prices)
