"""REST calls of one account: the path and the parameters of an endpoint in, checked data out."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from market_maker.account import Account
from market_maker.errors import BadData, RequestError, Temporary
from market_maker.models import Margin, OpenOrder, OrderRequest
from market_maker.wire import protocol
from market_maker.wire.endpoints import Endpoint
from market_maker.wire.fields import Row
from market_maker.wire.protocol import Params
from market_maker.wire.transport import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one create or cancel of a bulk call: done when `error` is None."""

    client_oid: str
    order_id: str = ""
    error: RequestError | None = None


class Rest:
    """Fills in what every call of an account shares. It decides nothing and tries nothing again."""

    def __init__(self, account: Account, transport: Transport) -> None:
        self._account = account
        self._transport = transport
        self.area = {"asset": account.settle_currency}
        self.symbol = self.area | {"symbol": account.symbol}

    def send(
        self,
        endpoint: Endpoint,
        params: Params,
        what: str = "",
        still_wanted: Callable[[], bool] = lambda: True,
        leaving: Callable[[], None] = lambda: None,
    ) -> Any:
        """Return the `data` of the answer; see `Transport.send()` for the rest."""
        path = self._path(endpoint)
        return self._transport.send(
            endpoint,
            params,
            path=path,
            what=what or path,
            still_wanted=still_wanted,
            leaving=leaving,
        )

    def data(self, endpoint: Endpoint, params: Params) -> dict[str, Any]:
        """Return the data of an answer that must have some; Temporary for one that has none."""
        data = self.send(endpoint, params)
        if not isinstance(data, dict):
            raise Temporary(f"{self._path(endpoint)}: the answer holds no data")
        return data

    def rows(self, endpoint: Endpoint, params: Params) -> list[dict[str, Any]]:
        """Return the rows of an answer; Temporary for one that has none."""
        rows = self.data(endpoint, params).get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Temporary(f"{self._path(endpoint)}: the answer holds no rows")
        return rows

    def margins(self, endpoint: Endpoint, asset: str | None) -> list[Margin]:
        """Return the accounts that an answer shows, of an asset or else of our own area."""
        params = {"asset": asset} if asset else self.area
        return parsed(protocol.parse_margin, self.rows(endpoint, params))

    def _path(self, endpoint: Endpoint) -> str:
        return endpoint.path.format(type=self._account.instrument_type)


def parsed(parse: Callable[[Row], T], rows: Iterable[Row]) -> list[T]:
    """Return what rows mean; Temporary when one of them cannot be read."""
    try:
        return [parse(row) for row in rows]
    except BadData as error:
        raise Temporary(f"the answer cannot be read: {error}") from None


def outcome_of(order: OrderRequest | OpenOrder, future: "Future[str]") -> Outcome:
    """Return what became of the call for an order, once it is known."""
    order_id = order.order_id if isinstance(order, OpenOrder) else ""
    try:
        return Outcome(order.client_oid, future.result() or order_id)
    except RequestError as error:
        return Outcome(order.client_oid, order_id, error)
