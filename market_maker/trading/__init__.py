"""The control loop, and the exchange as a strategy sees it.

exchange_interface   snapshot out, plan in         converger        wanted orders into requests
view                 the snapshot of a tick        create_brake     no creates for a while
startup              connect, then a clean start   pull             cancel all while running
loop                 ticks, waits, shutdown        status           what a tick logs
monitor              facts on feed and orders      bitmex_names     names of the BitMEX sample
account_watch        margin and its settings       random_sizes     one random size for each level
position_watch       position against own fills    book_watch       order book against REST
runtime              dependencies of a run
"""

from market_maker.trading.converger import Converger
from market_maker.trading.exchange_interface import ExchangeInterface
from market_maker.trading.loop import Loop
from market_maker.trading.random_sizes import RandomSizes
from market_maker.trading.runtime import Runtime
from market_maker.trading.startup import PairDoubts, check_sizes
from market_maker.trading.status import Status

__all__ = [
    "Converger",
    "ExchangeInterface",
    "Loop",
    "PairDoubts",
    "RandomSizes",
    "Runtime",
    "Status",
    "check_sizes",
]
