"""GTE's wire: rows into values, values into parameters, the WebSocket's texts.

A row that does not parse raises `BadData` with the reason. Its fields are read by `fields`; error
codes are in `codes`, calls in `endpoints`.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from market_maker.account import Account
from market_maker.decimals import plain
from market_maker.errors import BadData
from market_maker.models import (
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    OrderRequest,
    OrderState,
    Side,
)
from market_maker.wire.fields import (
    TEXT_CHARS,
    Row,
    millis,
    not_negative,
    number,
    optional,
    positive,
    price_if_any,
    printable,
    text,
    told,
)

Params = dict[str, str]

PING = '{"op":"ping"}'
CLIENT_OID = re.compile(r"[A-Za-z0-9_-]{1,40}")
LEAST_MARGIN = Decimal("0.00001")
"""Below this the venue's six digits are too few to tell the value of a leg."""
DECIMALS = range(13)
PRICES = ("last_price", "mark_price", "index_price")
"""The prices of an instrument. One that cannot be read is dropped alone."""
PAGE_ROWS = 100
BATCH_IDS = 50


# --- rows into values ---------------------------------------------------------------------------


def settle_currency(row: Row) -> str:
    """Return the settlement area: `asset` over REST, `settle_currency` over the WebSocket."""
    return text(row, "settle_currency" if "settle_currency" in row else "asset")


_STATES = {
    "1": OrderState.OPEN,
    "2": OrderState.OPEN,
    "4": OrderState.CANCELLING,
    "8": OrderState.DONE,
    "16": OrderState.OPEN,
    "32": OrderState.DONE,
}
LIVE_STATUSES = ("1", "2", "4", "16")
TRADE_REPORTS = ("4", "8")
"""`exec_type` of a fill, and of the last one of an order."""


def parse_side(row: Row) -> Side:
    """Return the side of a row, or raise BadData: `side` 1/0, or `bid_flag` 1/0 for spot."""
    flag = row.get("side", row.get("bid_flag"))
    if flag not in ("0", "1"):
        raise BadData(f"side is neither 0 nor 1: {printable(flag)}")
    return Side.BUY if flag == "1" else Side.SELL


def _close_flag(row: Row) -> bool:
    """Return whether an order closes a position; spot has no such flag."""
    flag = row.get("close_flag", "0")
    if flag not in ("0", "1"):
        raise BadData(f"close_flag is neither 0 nor 1: {printable(flag)}")
    return bool(flag == "1")


def order_id(row: Row) -> str:
    """Return the id of an order, a number above zero. Raises BadData."""
    found = text(row, "order_id")
    if not re.fullmatch(r"[1-9][0-9]{0,19}", found, re.ASCII):
        raise BadData(f"order_id is not a number above zero: {printable(found)}")
    return found


def parse_order(row: Row) -> OpenOrder:
    """Return the order of a REST or WebSocket row. Raises BadData.

    An unknown status counts as live (design: The wire).
    """
    qty, filled = positive(row, "qty"), not_negative(row, "filled_qty")
    if filled > qty:
        raise BadData(f"filled_qty is more than qty: {filled} > {qty}")
    return OpenOrder(
        side=parse_side(row),
        price=positive(row, "price"),
        qty=qty,
        filled=filled,
        close=_close_flag(row),
        client_oid=_client_oid(row.get("client_oid")),
        order_id=order_id(row),
        state=_STATES.get(text(row, "status"), OrderState.OPEN),
        avg_price=told(row, "avg_price", not_negative) or Decimal(0),
        ctime=millis(row, "ctime"),
        fee=told(row, "fee"),
    )


def _client_oid(value: object) -> str:
    """Return a client_oid as the row shows it; one that cannot be ours, in quotes."""
    if not isinstance(value, str | None):
        raise BadData(f"client_oid is no text: {printable(value, TEXT_CHARS)}")
    if not value or CLIENT_OID.fullmatch(value):
        return value or ""
    return printable(value, TEXT_CHARS)


UNTOLD = "untold"
"""The client_oid of an execution report, which has none: only in a row of an order it can lack."""


def parse_execution(row: Row) -> OpenOrder:
    """Return the order of an execution report, with UNTOLD as its client_oid. Raises BadData.

    Filled is `cum_qty`, because `last_qty` is not reliable (design: The wire). It has no price.
    Whether a fill took liquidity, only the report of a trade tells: that of a cancel has a
    `maker_flag` too, and a quantity that is filled.
    """
    names = {"price": "order_price", "qty": "order_qty", "status": "order_status"}
    order = {name: row.get(source) for name, source in names.items()}
    parsed = parse_order({**row, **order, "filled_qty": row.get("cum_qty"), "client_oid": None})
    is_trade = row.get("exec_type") in TRADE_REPORTS and parsed.filled > 0
    is_taker = is_trade and row.get("maker_flag") == "0"
    return replace(parsed, client_oid=UNTOLD, is_taker=is_taker)


def parse_instrument(row: Row, instrument_type: str) -> Instrument:
    """Return the instrument of a REST or WebSocket row; its prices only where they can be read.

    Without `tick_size` (REST never has it) the tick is the smallest step that `price_precision`
    can show. Raises BadData when neither is there.
    """
    tick = price_if_any(row, "tick_size")
    if tick is None:
        tick = _step(row, "price_precision")
    if tick is None:
        raise BadData("tick_size and price_precision are missing")
    spot_lot = _step(row, "number_precision") if instrument_type == "bb" else None
    face_name = "lot_size" if "lot_size" in row else "face_value"
    return Instrument(
        instrument_type=instrument_type,
        settle_currency=settle_currency(row),
        symbol=text(row, "symbol"),
        tick=tick,
        lot=spot_lot or Decimal(1),
        face_value=price_if_any(row, face_name) or Decimal(1),
        last_price=told(row, "last_price", positive),
        mark_price=told(row, "mark_price", positive),
        index_price=told(row, "index_price", positive),
        funding_rate=told(row, "funding_rate"),
        funding_hours=told(row, "funding_rate_time", not_negative),
    )


def _step(row: Row, name: str) -> Decimal | None:
    decimals = optional(row, name)
    if decimals is None:
        return None
    if decimals not in DECIMALS:
        raise BadData(f"{name} is no number of decimals: {decimals}")
    return Decimal(1).scaleb(-int(decimals))


def parse_leg(row: Row) -> Leg:
    """Return one leg from its row of the position table. Raises BadData."""
    return Leg(
        qty=not_negative(row, "qty"),
        available=not_negative(row, "avail_qty"),
        entry_price=told(row, "entry_price", not_negative) or Decimal(0),
        liquidation_price=told(row, "liquidation_price"),
        pnl=told(row, "pnl"),
        value=_leg_value(row),
    )


def _leg_value(row: Row) -> Decimal | None:
    """Return what the venue counts a leg as: pos_margin_ratio = (pos_margin + pnl) / value."""
    try:
        margin, pnl, ratio = (number(row, f) for f in ("pos_margin", "pnl", "pos_margin_ratio"))
    except BadData:  # they decide nothing
        return None
    return (margin + pnl) / ratio if ratio > 0 and margin > LEAST_MARGIN else None


def parse_levels(book: Row) -> dict[str, list[list[Decimal]]]:
    """Return an order book over REST: `{"bids": [[price, size], ...], "asks": ...}`."""
    sides: dict[str, list[list[Decimal]]] = {}
    for name in ("bids", "asks"):
        rows = [] if book.get(name) is None else book[name]
        if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) > 1 for r in rows):
            raise BadData(f"{name} are no levels: {printable(rows)}")
        shown = [{"price": row[0], "size": row[1]} for row in rows]
        sides[name] = [[positive(row, "price"), not_negative(row, "size")] for row in shown]
    return sides


def parse_margin(row: Row) -> Margin:
    """Return the account of a `margin` row, or of `account/pc/query` or `bb`. Raises BadData."""
    return Margin(
        currency=settle_currency(row),
        total=number(row, "total"),
        available=number(row, "available"),
        order_margin=told(row, "order_margin") or Decimal(0),
        position_margin=told(row, "pos_margin"),
    )


# --- values into parameters ---------------------------------------------------------------------


def order_params(request: OrderRequest, account: Account) -> Params:
    """Return the parameters of `order/create`: a limit order, which is all this venue knows."""
    params = {
        "asset": account.settle_currency,
        "symbol": account.symbol,
        "side": "1" if request.side is Side.BUY else "0",
        "price": plain(request.price),
        "qty": plain(request.qty),
        "order_type": "1",
        "client_oid": request.client_oid,
    }
    if account.is_contract:
        params["close_flag"] = "1" if request.close else "0"
    return params


def flag(value: bool) -> str:
    """Return a boolean as the venue spells it."""
    return "1" if value else "0"


def filter_params(name: str, values: Iterable[str]) -> Params:
    """Return the parameter `filter`: JSON without a space, as the signature needs it."""
    return {"filter": json.dumps({name: list(values)}, separators=(",", ":"))}


# --- the WebSocket ------------------------------------------------------------------------------

PUBLIC_TABLES = ("instrument", "trade", "order_book")
PRIVATE_TABLES = ("order", "execution", "position", "margin")

ROW_KEYS: dict[str, Callable[[Row], tuple[Any, ...]]] = {
    "instrument": lambda row: (settle_currency(row), text(row, "symbol")),
    "order": lambda row: (text(row, "order_id"),),
    "execution": lambda row: (text(row, "exec_id"),),
    "position": lambda row: (settle_currency(row), text(row, "symbol"), parse_side(row)),
    "margin": lambda row: (settle_currency(row),),
}
"""The key of a row (design: The wire).

The side belongs to a position's key: both legs are held at once.
"""


IdRule = tuple[Decimal, Decimal]
"""1e8 * symbol_id and tick_size of an instrument: id = 1e8 * symbol_id - price / tick_size."""


def id_rule(instrument: Row) -> IdRule | None:
    """Return what ids of the book are made of (design: The wire); None where the row lacks it."""
    symbol, tick = told(instrument, "symbol_id"), told(instrument, "tick_size", positive)
    return None if symbol is None or tick is None else (10**8 * symbol, tick)


def id_fits(row: Row, rule: IdRule) -> bool:
    """Return whether the id of a level of the book fits its price. Raises BadData."""
    highest, tick = rule
    return (highest - number(row, "id")) * tick == number(row, "price")


def subscription(instrument_type: str, table: str, area: str, symbol: str) -> str:
    """Return the text that subscribes a table; private ones cover the whole area."""
    args = {"instrument_type": instrument_type, "table": table, "settle_currency": area}
    if table in PUBLIC_TABLES:
        args["symbol"] = symbol
    return json.dumps({"op": "sub", "args": args}, separators=(",", ":"))
