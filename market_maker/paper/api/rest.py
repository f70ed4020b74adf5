"""GTE's REST endpoints as functions of the exchange: parameters in, `data` out. No HTTP here."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from market_maker.paper.api.parameters import Parameters
from market_maker.paper.api.rows import (
    Row,
    balance_row,
    book_side,
    candle_row,
    instrument_row,
    margin_amounts,
    order_row,
    setting_row,
    spot_order_row,
    text,
)
from market_maker.paper.exchange.account import Contract, LegKey, Mode, Wallet
from market_maker.paper.exchange.blotter import Order, Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.exchange import MAX_OID, Exchange
from market_maker.paper.exchange.history import MINUTE
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.listing import Listing

SECOND = 1_000
MAX_ROWS = 100
MAX_LEVELS = 50
MAX_CANDLES = 1440
MAX_TEXT = 128
INTERVALS = {
    minutes: minutes for minutes in (1, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 10080, 43200)
}
SIDES = {1: Side.BUY, 0: Side.SELL}
FLAGS = {1: True, 0: False}
SIGNS = {1: 1, 0: -1, 2: -1}  # 2 meant "remove" until 2019-12-12
MODES = {mode.value: mode for mode in Mode}
WALLETS = {wallet.value: wallet for wallet in Wallet}
STATUSES = {status.value: status for status in Status}


class Request(NamedTuple):
    """What an endpoint needs; `owner` is empty on public ones, `kind` on those for both kinds."""

    exchange: Exchange
    kind: str
    owner: str
    params: Parameters
    now: int
    pending_ms: int = 0  # how long cancels stay pending

    @property
    def listing(self) -> Listing:
        """Return the listing that the parameters name."""
        return self.exchange.listing(self.params.key(self.kind))

    @property
    def contract(self) -> Contract:
        """Return the contract that the parameters name."""
        return self.listing.contract

    def area(self) -> str:
        """Return the settlement or trading area that the parameters name."""
        area = self.params.text("asset", "settle_currency")
        if area not in areas(self.exchange, self.kind):
            raise ApiError(Code.UNKNOWN_ASSET, "asset")
        return area

    def listings(self) -> list[Listing]:
        """Return all listings of the named area, or the one whose symbol is named too."""
        area, symbol = self.area(), self.params.optional("symbol")
        if symbol is not None:
            return [self.exchange.listing(Key(self.kind, area, symbol))]
        listings = self.exchange.listings.items()
        return [listing for key, listing in listings if key[:2] == (self.kind, area)]


class Endpoint(NamedTuple):
    """What is done at a path, for whom, and how often it may be asked for within a window."""

    act: Callable[[Request], Row]
    private: bool
    limit: int
    window: int = SECOND


# Accounts


def funding_account(request: Request) -> Row:
    """Answer account/fund/query."""
    return _balances(request, Wallet.FUNDING)


def spot_account(request: Request) -> Row:
    """Answer account/bb/query."""
    return _balances(request, Wallet.SPOT)


def _balances(request: Request, wallet: Wallet) -> Row:
    account = request.exchange.ledger.accounts[request.owner]
    return {"rows": [balance_row(account, wallet, asset) for asset in _assets(request, wallet)]}


def contract_account(request: Request) -> Row:
    """Answer account/pc/query."""
    account = request.exchange.ledger.accounts[request.owner]
    assets = _assets(request, Wallet.CONTRACT)
    return {"rows": [{"asset": asset, **margin_amounts(account, asset)} for asset in assets]}


def _assets(request: Request, wallet: Wallet) -> list[str]:
    known = request.exchange.assets(wallet)
    asset = request.params.optional("asset", "settle_currency")
    if asset is None:
        return known
    if asset not in known:
        raise ApiError(Code.UNKNOWN_ASSET, "asset")
    return [asset]


def transfer(request: Request) -> Row:
    """Answer account/transfer."""
    params = request.params
    request.exchange.transfer(
        request.owner,
        params.text("asset"),
        source=params.choice(WALLETS, "from"),
        target=params.choice(WALLETS, "to"),
        amount=params.number("volume"),
    )
    return {"time": None}


def withdraw(request: Request) -> Row:
    """Answer account/withdraw, of this venue only: a request that is never confirmed."""
    params = request.params
    address = params.text("address")
    if len(address) > MAX_TEXT:
        raise ApiError(Code.PARAM_VALUE, "address")
    number = request.exchange.withdraw(
        request.owner, params.text("asset"), params.number("volume"), request.now
    )
    return {
        "time": text(request.now),
        "withdraw_id": text(number),
        "status": "waiting for confirmation",
    }


# Public data


def assets(request: Request) -> Row:
    """Answer pc/asset/query and bb/asset/query."""
    return {"rows": [{"asset": area} for area in areas(request.exchange, request.kind)]}


def contracts(request: Request) -> Row:
    """Answer pc/contract/query."""
    return {
        "rows": [
            {
                "symbol": listing.instrument.key.symbol,
                "price_precision": text(listing.instrument.price_precision),
            }
            for listing in request.listings()
        ]
    }


def symbols(request: Request) -> Row:
    """Answer bb/symbol/query, where the asset is optional."""
    area = request.params.optional("asset", "settle_currency")
    listings = request.listings() if area else request.exchange.listings.values()
    return {
        "rows": [
            {
                "asset": listing.instrument.key.area,
                "symbol": listing.instrument.key.symbol,
                "min_trade_number": text(listing.instrument.lot),
                "price_precision": text(listing.instrument.price_precision),
                "number_precision": text(listing.instrument.number_precision),
            }
            for listing in listings
            if listing.instrument.key.kind == request.kind
        ]
    }


def instruments(request: Request) -> Row:
    """Answer pc/instrument/query and bb/instrument/query."""
    interest = request.exchange.ledger.open_interest
    rows = [
        instrument_row(listing, interest(listing.contract), request.now)
        for listing in request.listings()
    ]
    return {"time": text(request.now), "rows": rows}


def candles(request: Request) -> Row:
    """Answer pc/candle/query and bb/candle/query: the latest that fit, oldest first."""
    params, listing = request.params, request.listing
    minutes = params.choice(INTERVALS, "interval") if params.optional("interval") else 1
    size = _bounded(params, "size", MAX_ROWS, MAX_CANDLES)
    start = params.integer_or(0, "start_time")
    end = params.integer_or(request.now, "end_time")
    # A candle that has begun before the start is shown whole.
    start = start // (minutes * MINUTE) * minutes * MINUTE
    found = listing.history.candles(minutes=minutes, start=start, end=end)
    key = listing.instrument.key
    return {
        "time": text(request.now),
        "interval": text(minutes),
        "asset": key.area,
        "symbol": key.symbol,
        "rows": [candle_row(candle) for candle in found[-size:]],
    }


def book(request: Request) -> Row:
    """Answer pc/order/book/query and bb/order/book/query."""
    listing = request.listing
    size = _bounded(request.params, "size", 15, MAX_LEVELS)
    return {
        "time": text(request.now),
        "bids": book_side(listing, Side.BUY, size),
        "asks": book_side(listing, Side.SELL, size),
        "asset": listing.instrument.key.area,
        "symbol": listing.instrument.key.symbol,
    }


def trades(request: Request) -> Row:
    """Answer pc/trade/query: the latest trades, those above an id, or those below one."""
    params, listing = request.params, request.listing
    past = list(listing.history.trades)
    above = params.integer_or(None, "gt_trade_id")
    below = params.integer_or(None, "lt_trade_id")
    count = _bounded(params, "count", MAX_ROWS, MAX_ROWS)
    if above is not None:
        past = [trade for trade in past if trade.trade_id > above][:count]
    elif below is not None:
        past = [trade for trade in past if trade.trade_id < below]
    rows = [
        {
            "trade_id": text(trade.trade_id),
            "price": text(trade.price),
            "qty": text(trade.qty),
            "asset": listing.instrument.key.area,
            "symbol": listing.instrument.key.symbol,
            "trade_time": text(trade.time),
        }
        for trade in past[-count:]
    ]
    return {"time": text(request.now), "rows": rows}


# Orders


def create(request: Request) -> Row:
    """Answer pc/order/create and bb/order/create; the order has been matched by then."""
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

    The id may go under its name of before or after 2020-05-07.
    """
    names = request.exchange.quirks.cancel_names
    key, order_id = request.params.key(request.kind), request.params.integer(*names)
    pending = request.pending_ms
    request.exchange.cancel(request.owner, key, order_id, request.now, pending_ms=pending)
    reply = {"time": text(request.now)}
    return reply | {"order_id": text(order_id)} if request.kind == CONTRACT else reply


def cancel_batch(request: Request) -> Row:
    """Answer pc/order/cancel_batch, which tells nothing of the single orders."""
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
    found = request.exchange.orders(
        request.owner,
        kind=request.kind,
        area=request.area(),
        symbol=params.optional("symbol"),
        statuses=set(Status) if wanted is None else {_status(value) for value in wanted},
        above=params.integer_or(None, "gt_order_id"),
        below=params.integer_or(None, "lt_order_id"),
        count=_bounded(params, "count", MAX_ROWS, MAX_ROWS),
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


# Positions


def setting(request: Request) -> Row:
    """Answer pc/setting/query."""
    key = request.params.key(request.kind)
    found = request.exchange.setting(request.owner, Contract(key.area, key.symbol))
    return {**setting_row(key, found), "time": text(request.now)}


def leverage(request: Request) -> Row:
    """Answer pc/leverage/change, which sets the margin mode too."""
    params, contract = request.params, request.contract
    mode = params.choice(MODES, "mode")
    long = params.choice(FLAGS, "long_flag") if mode is Mode.ISOLATED else False
    wanted = params.number("leverage")
    request.exchange.change_leverage(request.owner, contract, mode=mode, long=long, leverage=wanted)
    row = {
        "asset": contract.area,
        "symbol": contract.symbol,
        "mode": text(mode.value),
        "leverage": text(wanted),
    }
    return {"time": text(request.now), "rows": [row]}


def margin(request: Request) -> Row:
    """Answer pc/margin/increase, which decreases too."""
    sign = request.params.choice(SIGNS, "increase_flag")
    amount = request.params.number("margin")
    if amount <= 0:
        raise ApiError(Code.AMOUNT_NOT_POSITIVE, "margin")
    request.exchange.change_margin(request.owner, _leg(request), sign * amount)
    return {"time": text(request.now)}


def top_up(request: Request) -> Row:
    """Answer pc/margin/auto."""
    on = request.params.choice(FLAGS, "open_flag")
    request.exchange.set_top_up(request.owner, _leg(request), on)
    return {"time": text(request.now)}


def _leg(request: Request) -> LegKey:
    return LegKey(*request.contract, request.params.choice(FLAGS, "long_flag"))


def areas(exchange: Exchange, kind: str) -> list[str]:
    """Return the settlement areas of contracts, or the trading areas of spot."""
    return sorted({key.area for key in exchange.listings if key.kind == kind})


def _bounded(params: Parameters, name: str, default: int, most: int) -> int:
    value = params.integer_or(default, name)
    if not 0 < value <= most:
        raise ApiError(Code.PARAM_VALUE, name)
    return value


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "account/fund/query"): Endpoint(funding_account, True, 10),
    ("GET", "account/pc/query"): Endpoint(contract_account, True, 10),
    ("GET", "account/bb/query"): Endpoint(spot_account, True, 10),
    ("POST", "account/transfer"): Endpoint(transfer, True, 1),
    ("POST", "account/withdraw"): Endpoint(withdraw, True, 1),
    ("GET", "pc/asset/query"): Endpoint(assets, False, 5),
    ("GET", "pc/contract/query"): Endpoint(contracts, False, 5),
    ("GET", "pc/instrument/query"): Endpoint(instruments, False, 20),
    ("GET", "pc/candle/query"): Endpoint(candles, False, 2),
    ("GET", "pc/order/book/query"): Endpoint(book, False, 10),
    ("GET", "pc/trade/query"): Endpoint(trades, False, 10),
    ("GET", "pc/setting/query"): Endpoint(setting, True, 2),
    ("POST", "pc/setting/query"): Endpoint(setting, True, 2),  # its verb until 2019-12-12
    ("POST", "pc/order/create"): Endpoint(create, True, 20),
    ("POST", "pc/order/cancel"): Endpoint(cancel, True, 20),
    ("POST", "pc/order/cancel_batch"): Endpoint(cancel_batch, True, 1, 10 * SECOND),
    ("GET", "pc/order/query"): Endpoint(orders, True, 10),
    ("POST", "pc/leverage/change"): Endpoint(leverage, True, 5),
    ("POST", "pc/margin/increase"): Endpoint(margin, True, 5),
    ("POST", "pc/margin/auto"): Endpoint(top_up, True, 2),
    ("GET", "bb/asset/query"): Endpoint(assets, False, 5),
    ("GET", "bb/symbol/query"): Endpoint(symbols, False, 5),
    ("GET", "bb/candle/query"): Endpoint(candles, False, 2),
    ("GET", "bb/instrument/query"): Endpoint(instruments, False, 20),
    ("GET", "bb/order/book/query"): Endpoint(book, False, 10),
    ("POST", "bb/order/create"): Endpoint(create, True, 20),
    ("POST", "bb/order/cancel"): Endpoint(cancel, True, 20),
    ("GET", "bb/order/query"): Endpoint(orders, True, 10),
}
ALIASES = {"asset/query": "pc/asset/query"}  # its path until 2020-03-06


def kind_of(name: str) -> str:
    """Return the instrument type that an endpoint's path begins with, if it does."""
    first = name.partition("/")[0]
    return first if first in (CONTRACT, SPOT) else ""
