"""The circuit breakers: events that each are harmless, and too many of them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from market_maker.errors import Fatal, Liquidated
from market_maker.safety.trading_state import Health, TradingState

REDUCING, PAUSED, HALTED = TradingState.REDUCING, TradingState.PAUSED, TradingState.HALTED


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` events within `seconds` trip the breaker: `state` holds for `hold` seconds."""

    limit: int
    seconds: float
    state: TradingState
    hold: float
    words: str
    """The reason, with `{limit}` and `{seconds}` for the two figures."""

    @property
    def reason(self) -> str:
        return self.words.format(limit=self.limit, seconds=f"{self.seconds:g} s")


def _fills(most: int) -> Rule:
    return Rule(most + 1, 60, HALTED, inf, f"more than MAX_FILLS ({most}) fills within {{seconds}}")


LOSS_LIMIT = "loss of this run exceeds MAX_LOSS"
"""How the reason of a halt at the loss limit begins."""
EVENTS: Mapping[str, Rule] = {
    "loss": Rule(1, inf, HALTED, inf, LOSS_LIMIT),
    "auth": Rule(2, 60, HALTED, inf, "venue rejected our key {limit} times within {seconds}"),
    "liquidation": Rule(1, inf, HALTED, inf, "position is being or was liquidated"),
    "late order": Rule(1, inf, HALTED, inf, "late order: it had been treated as rejected"),
    "other bot": Rule(1, inf, HALTED, inf, "another bot uses our ORDERID_PREFIX on this account"),
    "parameter": Rule(3, inf, HALTED, inf, "venue rejected the parameters of {limit} creates"),
    "metadata": Rule(3, inf, HALTED, inf, "venue reported faulty symbol data {limit} times"),
    "strategy": Rule(1, inf, HALTED, inf, "strategy failed at every tick for over a minute"),
    "taker": Rule(5, 60, PAUSED, 60, "{limit} own orders took liquidity within {seconds}"),
    "ended": Rule(3, 60, PAUSED, 60, "venue ended {limit} own orders within {seconds}"),
    "bad row": Rule(3, 60, PAUSED, 10, "{limit} invalid order or position rows within {seconds}"),
    "funds": Rule(3, 60, REDUCING, 60, "insufficient margin {limit} times within {seconds}"),
    "margin": Rule(1, inf, REDUCING, 60, "free margin fell by over 80% within a minute"),
    "jump": Rule(1, inf, REDUCING, 60, "position changed without an own fill"),
    "price": Rule(1, inf, PAUSED, 3, "price jumped by over 20%"),
    "crash": Rule(1, inf, HALTED, inf, "price jumped by over 50%"),
    "fill": _fills(100),
}
"""The rule of each circuit breaker, by the kind of event that it counts."""


class Breakers:
    """Circuit breakers: counts events by kind and returns the states that they demand.

    It decides nothing else. Times are seconds of a steady clock.
    """

    def __init__(self) -> None:
        self._rules = dict(EVENTS)
        self._seen: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}
        self._figures: dict[str, str] = {}
        """By kind, the figures with which it tripped."""

    def allow_fills(self, most: int) -> None:
        """Allow so many fills within a minute from now on."""
        self._rules["fill"] = _fills(most)

    def note(self, kind: str, now: float, figures: str = "") -> None:
        """Record one event; `figures` are told if it trips the breaker."""
        rule = self._rules[kind]
        seen = self._seen.setdefault(kind, deque())
        while len(seen) >= rule.limit:
            seen.popleft()
        seen.append(now)
        if len(seen) == rule.limit and now - seen[0] <= rule.seconds:
            if now >= self._until.get(kind, now):  # else the reason would change with each event
                self._figures[kind] = figures
            self._until[kind] = now + rule.hold

    def record_fatal(self, error: Fatal, now: float) -> None:
        """Record a fatal answer of the venue."""
        self.note("liquidation" if isinstance(error, Liquidated) else "auth", now)

    def calm(self, kind: str) -> None:
        """Reset the count of a kind after a success. A state already in force stays."""
        self._seen.pop(kind, None)

    def tripped(self, now: float) -> list[Health]:
        """Return the states in force now, each with its reason."""
        found = []
        for kind, until in self._until.items():
            rule, figures = self._rules[kind], self._figures[kind]
            if now < until:
                found.append(Health(rule.state, rule.reason + (f": {figures}" if figures else "")))
        return found
