"""The control loop, and the exchange as a strategy sees it.

exchange_interface   snapshot out, plan in         runtime          dependencies of a run
loop                 ticks, pulls, shutdown        status           what a tick logs
monitor              gathers facts on the state    position_watch   position against own fills
bitmex_names         names of the BitMEX sample    random_sizes     one random size for each level
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
