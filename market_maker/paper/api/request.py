"""A request of a REST endpoint: the exchange, the owner and the parameters."""

from typing import NamedTuple

from market_maker.paper.api.parameters import Parameters
from market_maker.paper.exchange.account import Contract
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.exchange.listing import Listing

MAX_ROWS = 100
FLAGS = {1: True, 0: False}


class Request(NamedTuple):
    """What an endpoint needs. `owner` is "" for public endpoints, `kind` for those of accounts."""

    exchange: Exchange
    kind: str
    owner: str
    params: Parameters
    now: int  # ms UTC
    pending_ms: int = 0  # for how long cancels stay pending

    @property
    def listing(self) -> Listing:
        """Return the listing that the parameters name, or raise ApiError."""
        return self.exchange.listing(self.params.key(self.kind))

    @property
    def contract(self) -> Contract:
        """Return the contract that the parameters name, or raise ApiError."""
        return self.listing.contract

    def area(self) -> str:
        """Return the settlement or trading area that the parameters name, or raise ApiError."""
        area = self.params.text("asset", "settle_currency")
        if area not in areas(self.exchange, self.kind):
            raise ApiError(Code.UNKNOWN_ASSET, "asset")
        return area

    def listings(self) -> list[Listing]:
        """Return the listings of the named area, or the one of the named symbol."""
        area, symbol = self.area(), self.params.optional("symbol")
        if symbol is not None:
            return [self.exchange.listing(Key(self.kind, area, symbol))]
        listings = self.exchange.listings.items()
        return [listing for key, listing in listings if key[:2] == (self.kind, area)]


def areas(exchange: Exchange, kind: str) -> list[str]:
    """Return the settlement areas of contracts, or the trading areas of spot, sorted."""
    return sorted({key.area for key in exchange.listings if key.kind == kind})
