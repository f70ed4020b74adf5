"""How a run has quoted: on which sides, how near to the mid, in which trading state."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from market_maker.journal import Row

WITHIN = (5, 10, 25, 50, 100, 200)
"""Distances from the mid, in basis points."""
MID_MS = 2_000
"""For so long a mid counts that none follows."""
BASIS_POINTS = 10_000.0


@dataclass(slots=True)
class Quoted:
    """A time in ms, and the own best bid and ask that rested in it; None for none."""

    begun_ms: int
    ended_ms: int
    bid: float | None
    ask: float | None


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long a run was in a trading state, and the parts of that time, from 0 to 1, with quotes.

    `within` has the parts in which both sides were quoted within so many basis points of the mid.
    """

    ms: int
    bid: Decimal
    ask: Decimal
    both: Decimal
    within: dict[int, Decimal]


@dataclass(frozen=True, slots=True)
class InState:
    """How long a run was in a trading state, in ms, and for which reasons, the longest first."""

    state: str
    ms: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A time in ms in a trading state for one reason."""

    begun_ms: int
    ended_ms: int
    state: str
    reason: str


def quoted(steps: Iterable[Row], begun_ms: int, end_ms: int) -> list[Quoted]:
    """Return the own best prices over time: of orders that are open, and not being cancelled."""
    bids: dict[str, float] = {}
    asks: dict[str, float] = {}
    found = [Quoted(begun_ms, begun_ms, None, None)]
    for step in [*steps, None]:
        latest = found[-1]
        latest.ended_ms = max(latest.ended_ms, min(step["time_ms"], end_ms) if step else end_ms)
        bid, ask = latest.bid, latest.ask
        if step:
            is_buy = step["side"] == "Buy"
            side = bids if is_buy else asks
            if step["step"] == "open":
                side[step["client_oid"]] = float(step["price"])
            else:
                side.pop(step["client_oid"], None)
            if is_buy:
                bid = max(bids.values(), default=None)
            else:
                ask = min(asks.values(), default=None)
        if (bid, ask) != (latest.bid, latest.ask):
            found.append(Quoted(latest.ended_ms, latest.ended_ms, bid, ask))
    return [each for each in found if each.ended_ms > each.begun_ms]


def spans_of(ticks: Iterable[Row], begun_ms: int, end_ms: int) -> list[Span]:
    """Return the trading states over time. A tick's lasts until the next.

    Before the first tick, which may be before `begun_ms`, the bot was starting.
    """
    found, at = [], begun_ms
    state, reason = "PAUSED", "starting"
    for tick in ticks:
        now, after = (tick["state"], tick["reason"]), max(tick["time_ms"], begun_ms)
        if now != (state, reason):
            found.append(Span(at, max(after, at), state, reason))
            (state, reason), at = now, max(after, at)
    found.append(Span(at, max(end_ms, at), state, reason))
    return [span for span in found if span.ended_ms > span.begun_ms]


def states_of(spans: Iterable[Span]) -> list[InState]:
    """Return the time in each trading state, the longest first."""
    spent = Counter[tuple[str, str]]()
    for span in spans:
        spent[span.state, span.reason] += span.ended_ms - span.begun_ms
    found = []
    for name in dict.fromkeys(state for state, _ in spent):
        why = [(reason, ms) for (of, reason), ms in spent.most_common() if of == name]
        named = tuple((reason, ms) for reason, ms in why if reason)
        found.append(InState(name, sum(ms for _, ms in why), named))
    return sorted(found, key=lambda each: -each.ms)


def uptimes_of(
    times: Sequence[Quoted], spans: Sequence[Span], mids: Sequence[tuple[int, float]]
) -> dict[str, Uptime]:
    """Return the uptime in each trading state, and under "" that of the whole run."""
    events: list[tuple[int, int, Any]] = [(span.begun_ms, 0, span.state) for span in spans]
    events += [(each.begun_ms, 1, (each.bid, each.ask)) for each in times]
    for place, (time_ms, seen) in enumerate(mids):
        events.append((time_ms, 2, seen))
        if place + 1 == len(mids) or mids[place + 1][0] > time_ms + MID_MS:
            events.append((time_ms + MID_MS, 2, None))
    events.sort(key=lambda event: event[0])
    end_ms = spans[-1].ended_ms if spans else 0
    spent: dict[str, Counter[Any]] = {"": Counter()}
    state, quotes = "", (None, None)
    mid: float | None = None
    for place, (time_ms, kind, value) in enumerate(events):
        if kind == 0:
            state = value
        elif kind == 1:
            quotes = value
        else:
            mid = value
        until = events[place + 1][0] if place + 1 < len(events) else end_ms
        ms = min(until, end_ms) - time_ms
        if ms > 0 and state:
            _count(spent.setdefault(state, Counter()), ms, *quotes, mid)
    for counts in [*spent.values()]:
        spent[""].update(counts)
    return {name: _uptime(counts) for name, counts in spent.items()}


def _count(
    counts: Counter[Any], ms: int, bid: float | None, ask: float | None, mid: float | None
) -> None:
    counts["ms"] += ms
    if bid is not None:
        counts["bid"] += ms
    if ask is not None:
        counts["ask"] += ms
    if bid is None or ask is None:
        return
    counts["both"] += ms
    if mid:
        far = max(mid - bid, ask - mid) / mid * BASIS_POINTS
        for points in reversed(WITHIN):
            if far > points:
                break
            counts[points] += ms


def _uptime(counts: Counter[Any]) -> Uptime:
    whole = max(counts["ms"], 1)
    bid, ask, both = (Decimal(counts[name]) / whole for name in ("bid", "ask", "both"))
    within = {points: Decimal(counts[points]) / whole for points in WITHIN}
    return Uptime(counts["ms"], bid, ask, both, within)
