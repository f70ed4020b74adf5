"""Pure: from wanted orders to a plan. The entry point is `decide()`."""

from market_maker.strategy.decision import Decision, decide
from market_maker.strategy.ladder import Start, level_price, level_qty, start_prices
from market_maker.strategy.risk import Limits, room_for

__all__ = [
    "Decision",
    "Limits",
    "Start",
    "decide",
    "level_price",
    "level_qty",
    "room_for",
    "start_prices",
]
