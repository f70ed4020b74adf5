"""The trading state and its reason, assessed from facts on feed, orders and account."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from market_maker.models import POSITION_STALE, Instrument, Ticker

SILENT_AFTER = 10.0
"""Seconds without any frame, pong included, after which the feed is stale."""
UNSTABLE_AFTER = 5
"""Connections of the feed lost in a row, after which the next one must prove stable."""
UNCONFIRMED_AFTER = 12.0
"""Seconds within which a frame or a REST audit must confirm the order book."""
POSITION_REDUCING, POSITION_PAUSED = 15.0, POSITION_STALE
"""Seconds without a position update, which the venue pushes about every second."""
ORDERS_STALE_REDUCING, ORDERS_STALE_PAUSED = 15.0, 30.0
"""Seconds of failed reads of the own orders over REST."""
UNKNOWN_PAUSED, UNKNOWN_HALTED = 30.0, 120.0
"""Seconds that the outcome of a create may stay unknown."""
CANCELLING_PAUSED = 30.0
"""Seconds that a cancel may stay unconfirmed."""
MISMATCH_REDUCING = 2.0
"""Seconds that the position may differ from own fills: both arrive in separate tables."""
LAG_MS = 2_000
CLOCK_MS = 30_000
BLOCKED_HALTED = 600.0
"""Seconds of 403 answers after which a person must look."""
APART = Decimal("0.05")
"""Largest deviation of last, index and mid from the mark price, as a fraction."""
IMPLAUSIBLE = 10
"""A position beyond this multiple of its limit that own fills do not explain is invalid data."""


class TradingState(Enum):
    """What the bot may do. Cancels are always allowed."""

    ACTIVE = "ACTIVE"
    """Quotes within the limits."""
    REDUCING = "REDUCING"
    """Places only orders that reduce the position."""
    PAUSED = "PAUSED"
    """Places no orders; pulls the quotes if the state lasts."""
    HALTED = "HALTED"
    """Places no orders and pulls the quotes, until a person has looked."""

    @property
    def severity(self) -> int:
        return list(TradingState).index(self)


@dataclass(frozen=True, slots=True)
class Health:
    """The trading state, and the reason if it is not ACTIVE."""

    state: TradingState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment. Ages and durations (`*_for`) are in seconds."""

    connected: bool
    halt_reason: str = ""
    """Why the bot is halted; empty while it is not."""
    unprotected: str = ""
    """Why no other process would cancel own orders if this one died; empty if one would."""
    orders_known: bool = True
    """Whether own orders were reconciled since the feed last connected."""
    lost_in_a_row: int = 0
    """Number of connections of the feed that were lost one after another."""
    missing: Sequence[str] = ()
    silent_for: float = 0.0
    unconfirmed_for: float = 0.0
    """Since a frame changed the order book or a REST audit confirmed it."""
    position_stale_for: float = 0.0
    """Since the last frame of the position table; 0 where there is none (spot)."""
    lag_ms: int = 0
    """Lag of the latest book frame behind the venue's clock, in ms."""
    ticker: Ticker | None = None
    instrument: Instrument | None = None
    last_error: str = ""
    orders_stale_for: float = 0.0
    """Since reads of the own orders began to fail."""
    unknown_for: float = 0.0
    """Age of the oldest create of unknown outcome."""
    cancelling_for: float = 0.0
    """Age of the oldest unconfirmed cancel."""
    mismatch_for: float = 0.0
    """Since the position began to differ from own fills."""
    clock_offset_ms: int = 0
    position_limit: Decimal | None = None
    position: Decimal = Decimal(0)
    blocked_for: float | None = None
    """Since the venue began to answer 403 to everything; None while it does not."""
    tripped: Sequence[Health] = field(default_factory=tuple)
    """States demanded by circuit breakers that have tripped, and by other checks."""


def assess(facts: Facts) -> Health:
    """Return the most severe state that the facts demand; of equal ones, the first in RULES."""
    found = [Health(state, words) for state, rule in RULES if (words := rule(facts))]
    found += facts.tripped
    return max(found, key=lambda each: each.state.severity, default=Health(TradingState.ACTIVE))


def _disconnected(facts: Facts) -> str:
    if facts.connected:
        return ""
    return "feed not connected" + (f" ({facts.last_error})" if facts.last_error else "")


def _unstable(facts: Facts) -> str:
    if facts.lost_in_a_row < UNSTABLE_AFTER:
        return ""
    return f"feed lost {facts.lost_in_a_row} times in a row and not stable yet"


def _empty(facts: Facts) -> str:
    if facts.missing or (facts.ticker and facts.ticker.mid is not None):
        return ""
    return "order book empty on one side or both"


def _crossed(facts: Facts) -> str:
    ticker = facts.ticker
    if ticker and ticker.is_crossed:
        return f"order book crossed: bid {ticker.bid}, ask {ticker.ask}"
    return ""


def _apart(facts: Facts) -> str:
    """Compare last, index and mid with the mark price; unknown prices do not count."""
    instrument, ticker = facts.instrument, facts.ticker
    if instrument is None or not instrument.mark_price:
        return ""
    mid = ticker.mid if ticker else None
    others = {"last": instrument.last_price, "index": instrument.index_price, "mid": mid}
    for name, price in others.items():
        if price is not None and abs(price / instrument.mark_price - 1) > APART:
            return (
                f"{name} price {price} deviates by more than {APART:.0%} from the mark price "
                f"{instrument.mark_price}"
            )
    return ""


def _no_reference(facts: Facts) -> str:
    known = facts.instrument
    if known is None or not known.is_contract or known.mark_price or known.index_price:
        return ""
    return "mark and index price unknown: PRICE_COLLAR cannot be kept"


def _implausible(facts: Facts) -> str:
    limit = facts.position_limit
    if limit is None or not facts.mismatch_for or abs(facts.position) <= limit * IMPLAUSIBLE:
        return ""
    return f"position {facts.position} exceeds {IMPLAUSIBLE} times the limit of {limit}"


def _over(limit: float, name: str, words: str) -> Callable[[Facts], str]:
    """Return a rule: `words` with its `{limit}`, when the named fact is above the limit."""
    reason = words.format(limit=f"{limit:g} s")

    def rule(facts: Facts) -> str:
        value = getattr(facts, name)
        return reason if value is not None and value > limit else ""

    return rule


REDUCING, PAUSED, HALTED = TradingState.REDUCING, TradingState.PAUSED, TradingState.HALTED
ORDERS_STALE = "no successful read of own orders for over {limit}"
UNKNOWN = "order of unknown outcome for over {limit}"
POSITION = "no position update for over {limit}"
MISMATCH = "position does not match own fills for over {limit}"
RULES: Sequence[tuple[TradingState, Callable[[Facts], str]]] = (
    (HALTED, lambda facts: facts.halt_reason),
    (HALTED, _over(UNKNOWN_HALTED, "unknown_for", UNKNOWN)),
    (HALTED, _over(BLOCKED_HALTED, "blocked_for", "blocked by the venue (403) for over {limit}")),
    (PAUSED, _over(-1, "blocked_for", "blocked by the venue (403)")),
    (PAUSED, _disconnected),
    (PAUSED, _unstable),
    (PAUSED, lambda facts: _no_data(facts.missing if facts.connected else ())),
    (PAUSED, _over(SILENT_AFTER, "silent_for", "feed silent for over {limit}")),
    (PAUSED, _empty),
    (PAUSED, _crossed),
    (PAUSED, _over(LAG_MS, "lag_ms", f"feed lags by over {LAG_MS / 1000:g} s")),
    (
        PAUSED,
        _over(UNCONFIRMED_AFTER, "unconfirmed_for", "order book not confirmed for over {limit}"),
    ),
    (PAUSED, _over(POSITION_PAUSED, "position_stale_for", POSITION)),
    (PAUSED, _over(ORDERS_STALE_PAUSED, "orders_stale_for", ORDERS_STALE)),
    (PAUSED, _over(UNKNOWN_PAUSED, "unknown_for", UNKNOWN)),
    (PAUSED, _over(CANCELLING_PAUSED, "cancelling_for", "cancel not confirmed for over {limit}")),
    (PAUSED, lambda facts: _clock(facts.clock_offset_ms)),
    (PAUSED, _implausible),
    (PAUSED, _no_reference),
    (PAUSED, lambda facts: "" if facts.orders_known else "own orders not reconciled yet"),
    (PAUSED, lambda facts: facts.unprotected),
    (REDUCING, _over(POSITION_REDUCING, "position_stale_for", POSITION)),
    (REDUCING, _over(ORDERS_STALE_REDUCING, "orders_stale_for", ORDERS_STALE)),
    (REDUCING, _over(MISMATCH_REDUCING, "mismatch_for", MISMATCH)),
    (REDUCING, _apart),
)
"""The state that each fact demands; within a state, the most specific reason first."""


def _no_data(missing: Sequence[str]) -> str:
    return "no data yet for " + ", ".join(missing) if missing else ""


def _clock(offset_ms: int) -> str:
    if abs(offset_ms) <= CLOCK_MS:
        return ""
    return (
        f"this machine's clock is {-offset_ms / 1000:.0f} s off the venue's "
        f"(limit {CLOCK_MS / 1000:.0f} s): set it"
    )
