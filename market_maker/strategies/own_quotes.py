"""What the own quotes of a run show of the intensity of fills: how deep, how long, how often.

A quote stands from when it was sent until it is known to be gone. Depths are from the mid of the
whole book, own orders included, as the journal has it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import merge
from typing import Any

from market_maker.strategies.intensity import Sample
from market_maker.strategies.parts import Parts

Row = Mapping[str, Any]
MID_MS = 2_000
"""For so long a mid counts that none follows."""
SAME_ORDER_MS = 100
"""Fills of one side within so long are those of one market order."""
DIGITS = 7
"""Decimals of the depths by which time is added up: a thousandth of a basis point."""
SIGN = {"Buy": 1, "Sell": -1}


class OwnQuotes:
    """Counts, by depth, the time that the nearest own quote of a side stood, and market orders.

    A market order is known to have gone as deep as the deepest of its fills, and not as deep as the
    next own quote.
    """

    def __init__(self) -> None:
        self._parts = Parts()
        self._now_ms = self._mid_until_ms = self._known_ms = 0
        self._mid: float | None = None
        self._resting: dict[str, dict[str, float]] = {"Buy": {}, "Sell": {}}
        """By side and client_oid, the prices of the quotes that stand."""
        self._order: dict[str, tuple[int, float, float, list[float]]] = {}
        """By side, the market order that fills came from last: when, mid, deepest, the ladder."""
        self.left_out = 0
        """Market orders without a known mid, or that met a quote through the mid."""

    def step(self, row: Row) -> None:
        """Take a row of `orders`, one of an order that has rested at some time."""
        self._pass(row["time_ms"])
        quotes = self._resting[row["side"]]
        if row["step"] == "done":
            quotes.pop(row["client_oid"], None)
        else:
            quotes[row["client_oid"]] = float(row["price"])

    def price(self, row: Row) -> None:
        """Take a row of `prices`."""
        self._pass(row["time_ms"])
        self._mid, self._mid_until_ms = _mid_of(row), row["time_ms"] + MID_MS

    def fill(self, row: Row) -> None:
        """Take a row of `fills`."""
        self._pass(row["time_ms"])
        side, price = row["side"], row["price"]
        quotes = self._resting[side]
        at = quotes.get(row["client_oid"]) if price is None else float(price)
        begun = self._order.get(side)
        if begun is None or row["time_ms"] - begun[0] > SAME_ORDER_MS:
            self._count(side)
            mid = _mid_of(row) or self._mid
            if mid is None or at is None:
                self.left_out += 1
                return
            ladder = sorted(_depth(side, each, mid) for each in {*quotes.values(), at})
            self._order[side] = row["time_ms"], mid, _depth(side, at, mid), ladder
        elif at is not None:
            time_ms, mid, deepest, ladder = begun
            self._order[side] = time_ms, mid, max(deepest, _depth(side, at, mid)), ladder

    def samples(self) -> list[Sample]:
        """Return what was counted, in parts of the time."""
        for side in SIGN:
            self._count(side)
        return [_sample(part) for part in self._parts.all()]

    def _pass(self, time_ms: int) -> None:
        """Add up the time until then."""
        known = min(time_ms, self._mid_until_ms) - self._now_ms
        if self._mid is not None and known > 0:
            part = self._part()
            for side, quotes in self._resting.items():
                if quotes:
                    nearest = min(_depth(side, price, self._mid) for price in quotes.values())
                    if nearest > 0:
                        part[round(nearest, DIGITS)] += known
            self._known_ms += known
        self._now_ms = max(time_ms, self._now_ms)

    def _count(self, side: str) -> None:
        """Count the market order that the last fills of a side came from."""
        if order := self._order.pop(side, None):
            _, _, deepest, ladder = order
            if ladder[0] <= 0:
                self.left_out += 1
                return
            beyond = [depth for depth in ladder if depth > deepest]
            self._part()[deepest, min(beyond, default=math.inf)] += 1

    def _part(self) -> Counter[Any]:
        return self._parts.at(self._known_ms / 1000)


def watched(steps: Iterable[Row], prices: Iterable[Row], fills: Iterable[Row]) -> OwnQuotes:
    """Return what the rows of a run show, each table in the order of time.

    Of steps: time_ms, client_oid, step, side, price; of prices: time_ms, bid, ask; of fills all of
    these but the step. At the same time fills come before prices, and prices before steps.
    """
    found, steps, fills = OwnQuotes(), list(steps), list(fills)
    rested = {row["client_oid"] for row in fills}
    rested |= {row["client_oid"] for row in steps if row["step"] == "open"}
    resting = (row for row in steps if row["client_oid"] in rested)
    tables = ((found.fill, fills), (found.price, prices), (found.step, resting))
    rows = [
        [(row["time_ms"], rank, number, take, row) for number, row in enumerate(table)]
        for rank, (take, table) in enumerate(tables)
    ]
    for *_, take, row in merge(*rows, key=lambda each: each[:3]):
        take(row)
    return found


def _depth(side: str, price: float, mid: float) -> float:
    return SIGN[side] * (1 - price / mid)


def _mid_of(row: Row) -> float | None:
    if row["bid"] is None or row["ask"] is None:
        return None
    return (float(row["bid"]) + float(row["ask"])) / 2


def _sample(part: Counter[Any]) -> Sample:
    sample = Sample()
    for key, n in part.items():
        if isinstance(key, tuple):
            sample.reached[key] += n
        else:
            sample.exposure[key] += n / 1000
    return sample
