"""Who acts, and when: the exchange as a strategy sees it, and the loop that an OrderManager has.

exchange_interface   a snapshot out, a plan in     runtime          what a run is given
loop                 ticks, pulls, the way out     status           what a tick logs
monitor              gathers the facts             position_watch   position against own fills
bitmex_names         the family's names            random_sizes     sizes drawn once a level
"""

from market_maker.trading.bitmex_names import request_of
from market_maker.trading.create_brake import CreateBrake
from market_maker.trading.exchange_interface import ExchangeInterface
from market_maker.trading.loop import Loop
from market_maker.trading.random_sizes import RandomSizes
from market_maker.trading.runtime import Runtime
from market_maker.trading.status import Dropped, log_plan, log_status

__all__ = [
    "CreateBrake",
    "Dropped",
    "ExchangeInterface",
    "Loop",
    "RandomSizes",
    "Runtime",
    "log_plan",
    "log_status",
    "request_of",
]
