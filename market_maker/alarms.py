"""Things that may happen now and then, but not too often: what follows when they do."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from market_maker.errors import Fatal, Liquidated
from market_maker.health import Health, TradingState

ACTIVE, REDUCING, PAUSED, HALTED = TradingState


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` events within `seconds` bring a state about, which is held for `hold` seconds."""

    limit: int
    seconds: float
    state: TradingState
    hold: float
    reason: str


RULES: Mapping[str, Rule] = {
    "loss": Rule(1, inf, HALTED, inf, "the run has lost more than MAX_LOSS"),
    "drop": Rule(5, 60, PAUSED, 30, "the feed comes and goes"),
    "thread": Rule(3, 600, HALTED, inf, "the feed's thread keeps dying"),
    "auth": Rule(2, 60, HALTED, inf, "the venue does not accept our key or signature any more"),
    "liquidation": Rule(1, inf, HALTED, inf, "the position is being or was liquidated"),
    "ghost": Rule(1, inf, HALTED, inf, "an order appeared that was proven absent or refused"),
    "twin": Rule(1, inf, HALTED, inf, "another bot uses our ORDERID_PREFIX on this account"),
    "parameter": Rule(3, inf, HALTED, inf, "the venue cannot read our orders"),
    "metadata": Rule(3, inf, HALTED, inf, "the venue says that the symbol is not in order"),
    "strategy": Rule(5, inf, HALTED, inf, "the strategy keeps failing"),
    "taker": Rule(5, 60, PAUSED, 60, "orders keep taking liquidity instead of resting"),
    "ended": Rule(3, 60, PAUSED, 60, "the venue keeps ending our orders"),
    "bad row": Rule(3, 60, PAUSED, 10, "rows of our orders or positions cannot be believed"),
    "funds": Rule(3, 60, REDUCING, 60, "the margin does not suffice"),
    "margin": Rule(1, inf, REDUCING, 60, "the available margin has fallen by four fifths"),
    "jump": Rule(1, inf, REDUCING, 60, "the position changed without a fill of ours"),
    "price": Rule(1, inf, PAUSED, 3, "the price has jumped by more than a fifth"),
    "crash": Rule(1, inf, HALTED, inf, "the price has jumped by more than half"),
}


class Alarms:
    """Counts events by kind, and says what follows. Times are seconds of a steady clock."""

    def __init__(self, fills_in_a_minute: int) -> None:
        storm = Rule(
            fills_in_a_minute + 1, 60, HALTED, inf, "more fills in a minute than MAX_FILLS"
        )
        self._rules = {**RULES, "fill": storm}
        self._seen: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}

    def note(self, kind: str, now: float) -> None:
        """Note one event."""
        rule = self._rules[kind]
        seen = self._seen.setdefault(kind, deque(maxlen=rule.limit))
        seen.append(now)
        if len(seen) == rule.limit and now - seen[0] <= rule.seconds:
            self._until[kind] = now + rule.hold

    def note_fatal(self, error: Fatal, now: float) -> None:
        """Note an answer after which trading may have to stop."""
        self.note("liquidation" if isinstance(error, Liquidated) else "auth", now)

    def calm(self, kind: str) -> None:
        """Begin counting anew: a success came in between."""
        self._seen.pop(kind, None)

    def troubles(self, now: float) -> list[Health]:
        """Return the states that are in force now, each with its reason."""
        rules = [self._rules[kind] for kind, until in self._until.items() if now < until]
        return [Health(rule.state, rule.reason) for rule in rules]
