"""REST endpoints of orders: parameters in, `data` of the reply out."""

from market_maker.paper.api.encoding import Row, text
from market_maker.paper.api.request import FLAGS, MAX_ROWS, Request
from market_maker.paper.api.rows import order_row, spot_order_row
from market_maker.paper.exchange.blotter import Order, Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.exchange import MAX_OID
from market_maker.paper.exchange.instrument import CONTRACT, Key

SIDES = {1: Side.BUY, 0: Side.SELL}
STATUSES = {status.value: status for status in Status}


def create(request: Request) -> Row:
    """Answer pc/order/create and bb/order/create, after the order has been matched."""
    params = request.params
    key = params.key(request.kind)
    names = ("side",) if request.kind == CONTRACT else ("side", "bid_flag")
    side = params.choice(SIDES, *names)
    close = params.choice(FLAGS, "close_flag") if request.kind == CONTRACT else False
    if params.integer("order_type") != 1:
        raise ApiError(Code.PARAM_VALUE, "order_type")
    oid = params.optional("client_oid")
    if oid is not None and not (len(oid) <= MAX_OID and oid.isascii() and oid.isprintable()):
        raise ApiError(Code.PARAM_VALUE, "client_oid")
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
    """Answer pc/order/cancel and bb/order/cancel.

    The id may also have its parameter name of before 2020-05-07.
    """
    key, order_id = request.params.key(request.kind), request.params.integer("order_id", "id")
    pending = request.pending_ms
    request.exchange.cancel(request.owner, key, order_id, request.now, pending_ms=pending)
    reply = {"time": text(request.now)}
    return reply | {"order_id": text(order_id)} if request.kind == CONTRACT else reply


def cancel_batch(request: Request) -> Row:
    """Answer pc/order/cancel_batch, which reports nothing about single orders."""
    key, ids = request.params.key(request.kind), request.params.filter("order_id")
    if ids is None:
        raise ApiError(Code.PARAM_EMPTY, "filter")
    order_ids, pending = [int(value) for value in ids], request.pending_ms
    request.exchange.cancel_batch(request.owner, key, order_ids, request.now, pending_ms=pending)
    return {"time": text(request.now)}


def orders(request: Request) -> Row:
    """Answer pc/order/query and bb/order/query."""
    params = request.params
    wanted = params.filter("status")
    area, symbol = request.area(), params.optional("symbol")
    statuses = set(Status) if wanted is None else {_status(value) for value in wanted}
    above = params.integer_or(None, "gt_order_id")
    below = params.integer_or(None, "lt_order_id")
    count = params.bounded("count", MAX_ROWS, MAX_ROWS)
    if symbol is not None:
        request.exchange.listing(Key(request.kind, area, symbol))
    found = request.exchange.blotter.page(
        request.owner,
        kind=request.kind,
        area=area,
        symbol=symbol,
        statuses=statuses,
        above=above,
        below=below,
        count=count,
    )
    return {"time": text(request.now), "rows": [_order_row(request, order) for order in found]}


def _order_row(request: Request, order: Order) -> Row:
    quirks = request.exchange.quirks
    if request.kind == CONTRACT:
        return order_row(order) | ({"client_oid": None} if quirks.forget_client_oid else {})
    row = spot_order_row(order)
    if not quirks.bb_side_too:
        del row["side"]
    return row


def _status(value: str) -> Status:
    if int(value) not in STATUSES:
        raise ApiError(Code.PARAM_VALUE, "filter")
    return STATUSES[int(value)]
