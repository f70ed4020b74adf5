"""Pure: the trading state and its rules, circuit breakers, and the audit of the order book."""

from market_maker.safety.book_audit import LEVELS, Audit, compare, follow, levels_of
from market_maker.safety.breakers import LOSS_LIMIT, Breakers
from market_maker.safety.trading_state import SILENT_AFTER, Facts, Health, TradingState, assess

__all__ = [
    "LEVELS",
    "LOSS_LIMIT",
    "SILENT_AFTER",
    "Audit",
    "Breakers",
    "Facts",
    "Health",
    "TradingState",
    "assess",
    "compare",
    "follow",
    "levels_of",
]
