"""The REST calls that GTE documents (design: The wire): method, path and rate."""

from dataclasses import dataclass, replace

from market_maker.account import Account


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call: its path, and how often the venue allows it (`calls` in `seconds`)."""

    method: str
    path: str
    calls: int
    seconds: float = 1.0
    signed: bool = True
    is_cancel: bool = False
    """Whether nothing but the documented rate may hold it back."""


FUND_QUERY = Endpoint("GET", "/v1/api/account/fund/query", 10)
ACCOUNT_QUERY = Endpoint("GET", "/v1/api/account/{type}/query", 10)
TRANSFER = Endpoint("POST", "/v1/api/account/transfer", 1)
ASSET_QUERY = Endpoint("GET", "/v1/api/{type}/asset/query", 5, signed=False)
CONTRACT_QUERY = Endpoint("GET", "/v1/api/{type}/contract/query", 5, signed=False)
SYMBOL_QUERY = Endpoint("GET", "/v1/api/{type}/symbol/query", 5, signed=False)
INSTRUMENT_QUERY = Endpoint("GET", "/v1/api/{type}/instrument/query", 20, signed=False)
CANDLE_QUERY = Endpoint("GET", "/v1/api/{type}/candle/query", 2, signed=False)
BOOK_QUERY = Endpoint("GET", "/v1/api/{type}/order/book/query", 10, signed=False)
TRADE_QUERY = Endpoint("GET", "/v1/api/{type}/trade/query", 10, signed=False)
SETTING_QUERY = Endpoint("GET", "/v1/api/{type}/setting/query", 2)
ORDER_CREATE = Endpoint("POST", "/v1/api/{type}/order/create", 20)
ORDER_CANCEL = Endpoint("POST", "/v1/api/{type}/order/cancel", 20, is_cancel=True)
ORDER_CANCEL_BATCH = Endpoint("POST", "/v1/api/{type}/order/cancel_batch", 1, 10.0, is_cancel=True)
ORDER_QUERY = Endpoint("GET", "/v1/api/{type}/order/query", 10)
LEVERAGE_CHANGE = Endpoint("POST", "/v1/api/{type}/leverage/change", 5)
MARGIN_INCREASE = Endpoint("POST", "/v1/api/{type}/margin/increase", 5)
MARGIN_AUTO = Endpoint("POST", "/v1/api/{type}/margin/auto", 2)


def account_query(account: Account, *, other: bool) -> Endpoint:
    """Return the query of the account that trades this type of instrument, or the `other` type."""
    if not other:
        return ACCOUNT_QUERY
    kind = "bb" if account.is_contract else "pc"
    return replace(ACCOUNT_QUERY, path=ACCOUNT_QUERY.path.format(type=kind))
