"""GTE's REST endpoints as functions of the exchange: parameters in, `data` out. No HTTP here."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from market_maker.paper.blotter import Status
from market_maker.paper.engine import Side
from market_maker.paper.exchange import MAX_OID, Exchange
from market_maker.paper.instrument import CONTRACT, Key
from market_maker.paper.refusal import Code, Refused
from market_maker.paper.wire import (
    Parameters,
    Row,
    book_side,
    instrument_row,
    margin_amounts,
    order_row,
    text,
)

SECOND = 1_000
MAX_ROWS = 100
MAX_LEVELS = 50
SIDES = {1: Side.BUY, 0: Side.SELL}
FLAGS = {1: True, 0: False}
STATUSES = {status.value: status for status in Status}


class Request(NamedTuple):
    """What an endpoint needs; `owner` is empty on public ones."""

    exchange: Exchange
    owner: str
    params: Parameters
    now: int


class Endpoint(NamedTuple):
    """What is done at a path, for whom, and how often it may be asked for within a window."""

    act: Callable[[Request], Row]
    private: bool
    limit: int
    window: int = SECOND


def contract_account(request: Request) -> Row:
    """Answer account/pc/query."""
    account = request.exchange.ledger.accounts[request.owner]
    asset = request.params.optional("asset", "settle_currency")
    areas = _areas(request.exchange)
    if asset is not None and asset not in areas:
        raise Refused(Code.UNKNOWN_ASSET, "asset")
    rows = [
        {"asset": area, **margin_amounts(account, area)} for area in areas if asset in (None, area)
    ]
    return {"rows": rows}


def assets(request: Request) -> Row:
    """Answer pc/asset/query."""
    return {"rows": [{"asset": area} for area in _areas(request.exchange)]}


def contracts(request: Request) -> Row:
    """Answer pc/contract/query."""
    rows = [
        {
            "symbol": instrument.key.symbol,
            "price_precision": text(instrument.price_precision),
        }
        for instrument in (
            request.exchange.listing(key).instrument for key in _keys(request, CONTRACT)
        )
    ]
    return {"rows": rows}


def instruments(request: Request) -> Row:
    """Answer pc/instrument/query."""
    rows = []
    for key in _keys(request, CONTRACT):
        interest = request.exchange.ledger.open_interest(key.area, key.symbol)
        rows.append(instrument_row(request.exchange.listing(key), interest, request.now))
    return {"time": text(request.now), "rows": rows}


def book(request: Request) -> Row:
    """Answer pc/order/book/query."""
    key = request.params.key(CONTRACT)
    listing = request.exchange.listing(key)
    size = request.params.integer_or(15, "size")
    if not 0 < size <= MAX_LEVELS:
        raise Refused(Code.PARAMETER_VALUE, "size")
    return {
        "time": text(request.now),
        "bids": book_side(listing, Side.BUY, size),
        "asks": book_side(listing, Side.SELL, size),
        "asset": key.area,
        "symbol": key.symbol,
    }


def trades(request: Request) -> Row:
    """Answer pc/trade/query: the latest trades, those above an id, or those below one."""
    key = request.params.key(CONTRACT)
    past = list(request.exchange.listing(key).history.trades)
    above = request.params.integer_or(None, "gt_trade_id")
    below = request.params.integer_or(None, "lt_trade_id")
    count = _count(request.params)
    if above is not None:
        past = [trade for trade in past if trade.trade_id > above][:count]
    elif below is not None:
        past = [trade for trade in past if trade.trade_id < below]
    rows = [
        {
            "trade_id": text(trade.trade_id),
            "price": text(trade.price),
            "qty": text(trade.qty),
            "asset": key.area,
            "symbol": key.symbol,
            "trade_time": text(trade.time),
        }
        for trade in past[-count:]
    ]
    return {"time": text(request.now), "rows": rows}


def create(request: Request) -> Row:
    """Answer pc/order/create; the order has been matched by then."""
    params = request.params
    key = params.key(CONTRACT)
    side = params.choice(SIDES, "side")
    close = params.choice(FLAGS, "close_flag")
    if params.integer("order_type") != 1:
        raise Refused(Code.PARAMETER_VALUE, "order_type")
    oid = params.optional("client_oid")
    if oid is not None and not (len(oid) <= MAX_OID and oid.isascii() and oid.isprintable()):
        raise Refused(Code.PARAMETER_VALUE, "client_oid")
    order_id = request.exchange.create(
        request.owner,
        key,
        side=side,
        close=close,
        price=params.number("price"),
        qty=params.number("qty"),
        client_oid=oid,
        now=request.now,
    )
    return {"time": text(request.now), "order_id": text(order_id)}


def cancel(request: Request) -> Row:
    """Answer pc/order/cancel; the id may go under its name of before or after 2020-05-07."""
    key = request.params.key(CONTRACT)
    order_id = request.params.integer("order_id", "id")
    request.exchange.cancel(request.owner, key, order_id, request.now)
    return {"time": text(request.now), "order_id": text(order_id)}


def cancel_batch(request: Request) -> Row:
    """Answer pc/order/cancel_batch, which tells nothing of the single orders."""
    key = request.params.key(CONTRACT)
    ids = request.params.filter("order_id")
    if ids is None:
        raise Refused(Code.PARAMETER_MISSING, "filter")
    order_ids = [int(value) for value in ids]
    request.exchange.cancel_batch(request.owner, key, order_ids, request.now)
    return {"time": text(request.now)}


def orders(request: Request) -> Row:
    """Answer pc/order/query."""
    params = request.params
    asset = params.text("asset", "settle_currency")
    if asset not in _areas(request.exchange):
        raise Refused(Code.UNKNOWN_ASSET, "asset")
    wanted = params.filter("status")
    statuses = set(STATUSES.values())
    if wanted is not None:
        statuses = {_status(value) for value in wanted}
    found = request.exchange.orders(
        request.owner,
        kind=CONTRACT,
        area=asset,
        symbol=params.optional("symbol"),
        statuses=statuses,
        above=params.integer_or(None, "gt_order_id"),
        below=params.integer_or(None, "lt_order_id"),
        count=_count(params),
    )
    return {"time": text(request.now), "rows": [order_row(order) for order in found]}


def _areas(exchange: Exchange, kind: str = CONTRACT) -> list[str]:
    return sorted({key.area for key in exchange.listings if key.kind == kind})


def _keys(request: Request, kind: str) -> list[Key]:
    area = request.params.text("asset", "settle_currency")
    symbol = request.params.optional("symbol")
    if symbol is not None:
        return [request.exchange.listing(Key(kind, area, symbol)).instrument.key]
    keys = [key for key in request.exchange.listings if key[:2] == (kind, area)]
    if not keys:
        raise Refused(Code.UNKNOWN_ASSET, "asset")
    return keys


def _count(params: Parameters) -> int:
    count = params.integer_or(MAX_ROWS, "count")
    if not 0 < count <= MAX_ROWS:
        raise Refused(Code.PARAMETER_VALUE, "count")
    return count


def _status(value: str) -> Status:
    if int(value) not in STATUSES:
        raise Refused(Code.PARAMETER_VALUE, "filter")
    return STATUSES[int(value)]


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "account/pc/query"): Endpoint(contract_account, True, 10),
    ("GET", "pc/asset/query"): Endpoint(assets, False, 5),
    ("GET", "pc/contract/query"): Endpoint(contracts, False, 5),
    ("GET", "pc/instrument/query"): Endpoint(instruments, False, 20),
    ("GET", "pc/order/book/query"): Endpoint(book, False, 10),
    ("GET", "pc/trade/query"): Endpoint(trades, False, 10),
    ("POST", "pc/order/create"): Endpoint(create, True, 20),
    ("POST", "pc/order/cancel"): Endpoint(cancel, True, 20),
    ("POST", "pc/order/cancel_batch"): Endpoint(cancel_batch, True, 1, 10 * SECOND),
    ("GET", "pc/order/query"): Endpoint(orders, True, 10),
}
ALIASES = {"asset/query": "pc/asset/query"}
