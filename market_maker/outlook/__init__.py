"""Pure: what a decision would mean if it were carried out. The entry point is `outlook_of()`.

outlook   the ladder, what it binds and costs, and what is doubtful about it
basis     what it starts from: market, account, rules
ends      where price and position may end
requests  how often orders move
text      an outlook as text            values      as JSON
                                        comparison  two of them beside each other
"""

from market_maker.outlook.basis import Basis, Rules
from market_maker.outlook.comparison import compared
from market_maker.outlook.ends import End
from market_maker.outlook.outlook import Outlook, outlook_of
from market_maker.outlook.requests import Volatility, realised, usual
from market_maker.outlook.text import in_text
from market_maker.outlook.values import in_json

__all__ = [
    "Basis",
    "End",
    "Outlook",
    "Rules",
    "Volatility",
    "compared",
    "in_json",
    "in_text",
    "outlook_of",
    "realised",
    "usual",
]
