"""The control loop, and the exchange as a strategy sees it.

exchange             snapshot out, plan in         converger        wanted orders into requests
exchange_interface   what a strategy calls         order_keys       one wanted order, exact
bitmex               a strategy's venue client     bitmex_names     values under its names
order_rows           own orders under its names    row              a mapping of such values
amends               what an amend leaves          day_range        prices of 24 hours
view                 the snapshot of a tick        create_brake     no creates for a while
startup              connect, then a clean start   pull             cancel all while running
loop                 ticks, waits, shutdown        status           what a tick logs
monitor              facts on feed and orders      level_sizes     the size of each level
account_watch        margin and its settings       book_watch       order book against REST
position_watch       position against own fills    state_log        the trading state in the log
dependencies         what trading is given         hooks            what the loop calls on a bot
records              what goes into the journal    quote_time       how long own orders rested
wait                 until the next tick           reads            which reads of a tick go first
audit                balance against fills         wallets          the other wallets, for transfers
price_watch          prices that REST alone tells
"""

from market_maker.trading.converger import Converger
from market_maker.trading.dependencies import Dependencies
from market_maker.trading.exchange import Exchange
from market_maker.trading.exchange_interface import ExchangeInterface
from market_maker.trading.hooks import NUMERIC_HOOKS
from market_maker.trading.level_sizes import LevelSizes
from market_maker.trading.loop import Loop
from market_maker.trading.quote_time import Quoted
from market_maker.trading.records import MakesJournal
from market_maker.trading.startup import PairDoubts, check_sizes, reach
from market_maker.trading.status import Status, log_start

__all__ = [
    "NUMERIC_HOOKS",
    "Converger",
    "Dependencies",
    "Exchange",
    "ExchangeInterface",
    "LevelSizes",
    "Loop",
    "MakesJournal",
    "PairDoubts",
    "Quoted",
    "Status",
    "check_sizes",
    "log_start",
    "reach",
]
