"""Errors under the names of the BitMEX sample. What a strategy raises of them costs one tick."""

from market_maker.errors import AuthError as AuthenticationError
from market_maker.errors import MarketClosedError, MarketEmptyError

__all__ = ["AuthenticationError", "MarketClosedError", "MarketEmptyError"]
