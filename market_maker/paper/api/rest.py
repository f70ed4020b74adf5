"""The table of GTE's REST endpoints: path, function, access and rate limit."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from market_maker.paper.api import accounts, market_data, orders, positions
from market_maker.paper.api.encoding import Row
from market_maker.paper.api.request import Request
from market_maker.paper.exchange.instrument import CONTRACT, SPOT

SECOND = 1_000  # ms


class Endpoint(NamedTuple):
    """A function of the API. `private` needs a key; `limit` requests are allowed in `window` ms."""

    act: Callable[[Request], Row]
    private: bool
    limit: int
    window: int = SECOND


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "account/fund/query"): Endpoint(accounts.funding_account, True, 10),
    ("GET", "account/pc/query"): Endpoint(accounts.contract_account, True, 10),
    ("GET", "account/bb/query"): Endpoint(accounts.spot_account, True, 10),
    ("POST", "account/transfer"): Endpoint(accounts.transfer, True, 1),
    ("POST", "account/withdraw"): Endpoint(accounts.withdraw, True, 1),
    ("GET", "pc/asset/query"): Endpoint(market_data.assets, False, 5),
    ("GET", "pc/contract/query"): Endpoint(market_data.contracts, False, 5),
    ("GET", "pc/instrument/query"): Endpoint(market_data.instruments, False, 20),
    ("GET", "pc/candle/query"): Endpoint(market_data.candles, False, 2),
    ("GET", "pc/order/book/query"): Endpoint(market_data.book, False, 10),
    ("GET", "pc/trade/query"): Endpoint(market_data.trades, False, 10),
    ("GET", "pc/setting/query"): Endpoint(positions.setting, True, 2),
    ("POST", "pc/setting/query"): Endpoint(positions.setting, True, 2),  # its verb until 2019-12-12
    ("POST", "pc/order/create"): Endpoint(orders.create, True, 20),
    ("POST", "pc/order/cancel"): Endpoint(orders.cancel, True, 20),
    ("POST", "pc/order/cancel_batch"): Endpoint(orders.cancel_batch, True, 1, 10 * SECOND),
    ("GET", "pc/order/query"): Endpoint(orders.orders, True, 10),
    ("POST", "pc/leverage/change"): Endpoint(positions.leverage, True, 5),
    ("POST", "pc/margin/increase"): Endpoint(positions.margin, True, 5),
    ("POST", "pc/margin/auto"): Endpoint(positions.top_up, True, 2),
    ("GET", "bb/asset/query"): Endpoint(market_data.assets, False, 5),
    ("GET", "bb/symbol/query"): Endpoint(market_data.symbols, False, 5),
    ("GET", "bb/candle/query"): Endpoint(market_data.candles, False, 2),
    ("GET", "bb/instrument/query"): Endpoint(market_data.instruments, False, 20),
    ("GET", "bb/order/book/query"): Endpoint(market_data.book, False, 10),
    ("POST", "bb/order/create"): Endpoint(orders.create, True, 20),
    ("POST", "bb/order/cancel"): Endpoint(orders.cancel, True, 20),
    ("GET", "bb/order/query"): Endpoint(orders.orders, True, 10),
}
ALIASES = {"asset/query": "pc/asset/query"}  # its path until 2020-03-06


def kind_of(name: str) -> str:
    """Return the instrument type with which an endpoint's name begins, "" if it has none."""
    first = name.partition("/")[0]
    return first if first in (CONTRACT, SPOT) else ""
