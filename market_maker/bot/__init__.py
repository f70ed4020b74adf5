"""A bot from its start to its end, around the trading.

`market_maker.py` makes one with `runtime`: `SCRIPT`, or what the command line, a back-test or a
test puts in its place.

making     a bot of a strategy's class        runtime        what a run is given
run        its session, however started       audience       who is told of it
notifications   what a person is told
"""

from market_maker.bot.making import begin, check_attribute, made
from market_maker.bot.run import Run
from market_maker.bot.runtime import SCRIPT, Runtime, sender_to

__all__ = ["SCRIPT", "Run", "Runtime", "begin", "check_attribute", "made", "sender_to"]
