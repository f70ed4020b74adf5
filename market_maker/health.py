"""From facts about the feed to a trading state, and the reason in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from market_maker.models import Ticker

SILENT_AFTER = 10.0
"""Seconds without any frame, pong included, after which the feed counts as dead."""


class TradingState(Enum):
    """ACTIVE quotes; PAUSED creates nothing, and pulls the quotes when it lasts."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the feed at one moment; `silent_for` in seconds."""

    connected: bool
    missing: Sequence[str] = ()
    silent_for: float = 0.0
    ticker: Ticker | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The trading state and why it is not ACTIVE."""

    state: TradingState
    reason: str = ""


def assess(facts: Facts) -> Health:
    """Return the trading state that the facts allow."""
    reason = _trouble(facts)
    return Health(TradingState.PAUSED if reason else TradingState.ACTIVE, reason)


def _trouble(facts: Facts) -> str:
    if not facts.connected:
        return "the feed is not connected" + (f" ({facts.last_error})" if facts.last_error else "")
    if facts.silent_for > SILENT_AFTER:
        return f"the feed has been silent for {facts.silent_for:.0f} s"
    if facts.missing:
        return "no data yet for " + ", ".join(facts.missing)
    ticker = facts.ticker
    if ticker is None or ticker.bid is None or ticker.ask is None:
        return "the order book is empty on one side or both"
    if ticker.bid >= ticker.ask:
        return f"the order book is crossed: bid {ticker.bid}, ask {ticker.ask}"
    return ""
