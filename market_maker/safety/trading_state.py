"""From facts about feed, orders and account to a trading state, and the reason in words."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from math import inf

from market_maker.errors import Fatal, Liquidated
from market_maker.models import POSITION_STALE, Instrument, Ticker

SILENT_AFTER = 10.0
"""Seconds without any frame, pong included, after which the feed counts as dead."""
UNCONFIRMED_AFTER = 12.0
"""Seconds in which a quiet book must have been confirmed by a frame or by REST."""
POSITION_REDUCING, POSITION_PAUSED = 15.0, POSITION_STALE
"""Seconds without the position, which the venue pushes every second or so."""
ORDERS_STALE_REDUCING, ORDERS_STALE_PAUSED = 15.0, 30.0
"""Seconds in which the venue's list of orders was needed and could not be had."""
UNKNOWN_PAUSED, UNKNOWN_HALTED = 30.0, 120.0
"""Seconds that the fate of a create may stay unknown."""
CANCELLING_PAUSED = 30.0
"""Seconds that a cancel may stay unfinished."""
MISMATCH_REDUCING = 2.0
"""Seconds that the position may differ from our fills, which are told apart from it."""
LAG_MS = 2_000
CLOCK_MS = 30_000
APART = Decimal("0.05")
"""How far last, mark, index and mid may be from each other, as a fraction."""
IMPLAUSIBLE = 10
"""A position beyond so many times its limit is not believed."""


class TradingState(Enum):
    """What may be done; cancels always may."""

    ACTIVE = "ACTIVE"
    """Quotes, within the limits."""
    REDUCING = "REDUCING"
    """Only orders that bring the position towards zero."""
    PAUSED = "PAUSED"
    """No new orders; the quotes are pulled when it lasts."""
    HALTED = "HALTED"
    """No new orders and none left, until a person has looked."""

    @property
    def severity(self) -> int:
        return list(TradingState).index(self)


@dataclass(frozen=True, slots=True)
class Health:
    """The trading state and why it is not ACTIVE."""

    state: TradingState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment; ages in seconds."""

    connected: bool
    halt_reason: str = ""
    """Why nothing is quoted any more until a person has looked."""
    guard_trouble: str = ""
    """Why nobody would cancel our orders if this process died."""
    orders_known: bool = True
    """Whether our orders were looked up since the feed was last connected."""
    missing: Sequence[str] = ()
    silent_for: float = 0.0
    unconfirmed_for: float = 0.0
    """Since the book was last changed by a frame, or found right by REST."""
    position_stale_for: float = 0.0
    """Since the last frame of the position table."""
    lag_ms: int = 0
    """How far the venue's time in the latest frame of the book is behind the venue's clock."""
    ticker: Ticker | None = None
    instrument: Instrument | None = None
    last_error: str = ""
    orders_stale_for: float = 0.0
    unknown_for: float = 0.0
    cancelling_for: float = 0.0
    mismatch_for: float = 0.0
    """Since the position is not what our fills make of it."""
    clock_offset_ms: int = 0
    position_limit: Decimal | None = None
    position: Decimal = Decimal(0)
    blocked_for: float | None = None
    """Since the venue answered 403 and nothing else."""
    tripped: Sequence[Health] = field(default_factory=tuple)
    """What else is known to be wrong: see `Breakers`."""


def assess(facts: Facts) -> Health:
    """Return the most severe state that the facts demand; of equals, the first in the table."""
    found = [Health(state, words) for state, rule in RULES if (words := rule(facts))]
    found += facts.tripped
    return max(found, key=lambda each: each.state.severity, default=Health(TradingState.ACTIVE))


def _disconnected(facts: Facts) -> str:
    if facts.connected:
        return ""
    return "the feed is not connected" + (f" ({facts.last_error})" if facts.last_error else "")


def _empty(facts: Facts) -> str:
    ticker = facts.ticker
    if facts.missing or (ticker and ticker.bid is not None and ticker.ask is not None):
        return ""
    return "the order book is empty on one side or both"


def _crossed(facts: Facts) -> str:
    ticker = facts.ticker
    if ticker and ticker.is_crossed:
        return f"the order book is crossed: bid {ticker.bid}, ask {ticker.ask}"
    return ""


def _apart(facts: Facts) -> str:
    """Compare the prices that should be near each other; those that are not known do not count."""
    instrument, ticker = facts.instrument, facts.ticker
    if instrument is None or not instrument.mark_price:
        return ""
    mid = (ticker.bid + ticker.ask) / 2 if ticker and ticker.bid and ticker.ask else None
    others = {"last": instrument.last_price, "index": instrument.index_price, "mid": mid}
    for name, price in others.items():
        if price is not None and abs(price / instrument.mark_price - 1) > APART:
            return f"the {name} price {price} is far from the mark price {instrument.mark_price}"
    return ""


def _implausible(facts: Facts) -> str:
    limit = facts.position_limit
    if limit is None or abs(facts.position) <= limit * IMPLAUSIBLE:
        return ""
    return f"a position of {facts.position} is more than ten times the limit"


def _over(limit: float, name: str, words: str) -> Callable[[Facts], str]:
    def rule(facts: Facts) -> str:
        value = getattr(facts, name)
        return words if value is not None and value > limit else ""

    return rule


REDUCING, PAUSED, HALTED = TradingState.REDUCING, TradingState.PAUSED, TradingState.HALTED
BLIND = "own orders could not be looked up for a while"
DOUBT = "the fate of an order is not known"
POSITION = "the position has not been shown for a while"
RULES: Sequence[tuple[TradingState, Callable[[Facts], str]]] = (
    (HALTED, lambda facts: facts.halt_reason),
    (HALTED, _over(UNKNOWN_HALTED, "unknown_for", DOUBT + " for two minutes")),
    (HALTED, _over(600, "blocked_for", "the venue has been blocking us for ten minutes (403)")),
    (PAUSED, _over(-1, "blocked_for", "the venue is blocking us (403)")),
    (PAUSED, _disconnected),
    (PAUSED, _over(SILENT_AFTER, "silent_for", f"the feed is silent for over {SILENT_AFTER:g} s")),
    (PAUSED, lambda facts: _no_data(facts.missing if facts.connected else ())),
    (PAUSED, _empty),
    (PAUSED, _crossed),
    (PAUSED, _over(LAG_MS, "lag_ms", f"the feed lags by more than {LAG_MS / 1000:g} s")),
    (PAUSED, _over(UNCONFIRMED_AFTER, "unconfirmed_for", "the order book is not confirmed")),
    (PAUSED, _over(POSITION_PAUSED, "position_stale_for", POSITION)),
    (PAUSED, _over(ORDERS_STALE_PAUSED, "orders_stale_for", BLIND)),
    (PAUSED, _over(UNKNOWN_PAUSED, "unknown_for", DOUBT + " for half a minute")),
    (PAUSED, _over(CANCELLING_PAUSED, "cancelling_for", "a cancel does not come to its end")),
    (PAUSED, lambda facts: _clock(facts.clock_offset_ms)),
    (PAUSED, _implausible),
    (PAUSED, lambda facts: "" if facts.orders_known else "own orders are still being looked up"),
    (PAUSED, lambda facts: facts.guard_trouble and f"no guard process: {facts.guard_trouble}"),
    (REDUCING, _over(POSITION_REDUCING, "position_stale_for", POSITION)),
    (REDUCING, _over(ORDERS_STALE_REDUCING, "orders_stale_for", BLIND)),
    (
        REDUCING,
        _over(MISMATCH_REDUCING, "mismatch_for", "the position is not what our fills make of it"),
    ),
    (REDUCING, _apart),
)
"""What each fact demands, the most telling reason of each state first."""


def _no_data(missing: Sequence[str]) -> str:
    return "no data yet for " + ", ".join(missing) if missing else ""


def _clock(offset_ms: int) -> str:
    if abs(offset_ms) <= CLOCK_MS:
        return ""
    return f"this machine's clock is {-offset_ms / 1000:.0f} s off the venue's: set it"


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` events within `seconds` bring a state about, which is held for `hold` seconds."""

    limit: int
    seconds: float
    state: TradingState
    hold: float
    reason: str


EVENTS: Mapping[str, Rule] = {
    "loss": Rule(1, inf, HALTED, inf, "the run has lost more than MAX_LOSS"),
    "drop": Rule(5, 60, PAUSED, 30, "the feed comes and goes"),
    "thread": Rule(3, 600, HALTED, inf, "the feed's thread keeps dying"),
    "auth": Rule(2, 60, HALTED, inf, "the venue does not accept our key or signature any more"),
    "liquidation": Rule(1, inf, HALTED, inf, "the position is being or was liquidated"),
    "late order": Rule(1, inf, HALTED, inf, "an order appeared that was proven absent or refused"),
    "other bot": Rule(1, inf, HALTED, inf, "another bot uses our ORDERID_PREFIX on this account"),
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


class Breakers:
    """Circuit breakers: counts events by kind, and says which states follow.

    Times are seconds of a steady clock.
    """

    def __init__(self, fills_in_a_minute: int) -> None:
        storm = Rule(
            fills_in_a_minute + 1, 60, HALTED, inf, "more fills in a minute than MAX_FILLS"
        )
        self._rules = {**EVENTS, "fill": storm}
        self._seen: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}

    def note(self, kind: str, now: float) -> None:
        """Note one event."""
        rule = self._rules[kind]
        seen = self._seen.setdefault(kind, deque(maxlen=rule.limit))
        seen.append(now)
        if len(seen) == rule.limit and now - seen[0] <= rule.seconds:
            self._until[kind] = now + rule.hold

    def record_fatal(self, error: Fatal, now: float) -> None:
        """Note an answer after which trading may have to stop."""
        self.note("liquidation" if isinstance(error, Liquidated) else "auth", now)

    def calm(self, kind: str) -> None:
        """Begin counting anew: a success came in between."""
        self._seen.pop(kind, None)

    def tripped(self, now: float) -> list[Health]:
        """Return the states that are in force now, each with its reason."""
        rules = [self._rules[kind] for kind, until in self._until.items() if now < until]
        return [Health(rule.state, rule.reason) for rule in rules]
