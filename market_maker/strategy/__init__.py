"""Pure: from wanted orders to a plan. The entry point is `decide()`."""

from market_maker.strategy.convergence import served
from market_maker.strategy.decision import Decided, Decision, decide, decide_more
from market_maker.strategy.ladder import Start, level_price, level_qty, start_prices
from market_maker.strategy.risk import Limits, Room, cost, held_at_most, inside_out

__all__ = [
    "Decided",
    "Decision",
    "Limits",
    "Room",
    "Start",
    "cost",
    "decide",
    "decide_more",
    "held_at_most",
    "inside_out",
    "level_price",
    "level_qty",
    "served",
    "start_prices",
]
