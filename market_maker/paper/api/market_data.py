"""REST endpoints of public market data: parameters in, `data` of the reply out."""

from market_maker.paper.api.encoding import Row, text
from market_maker.paper.api.levels import book_side
from market_maker.paper.api.request import MAX_ROWS, Request, areas
from market_maker.paper.api.rows import candle_row, instrument_row
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.history import MINUTE

MAX_LEVELS = 50
MAX_CANDLES = 1440
INTERVALS = {
    minutes: minutes for minutes in (1, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 10080, 43200)
}


def assets(request: Request) -> Row:
    """Answer pc/asset/query and bb/asset/query."""
    return {"rows": [{"asset": area} for area in areas(request.exchange, request.kind)]}


def contracts(request: Request) -> Row:
    """Answer pc/contract/query."""
    return {
        "time": text(request.now),
        "rows": [
            {
                "symbol": listing.instrument.key.symbol,
                "price_precision": text(listing.instrument.price_precision),
            }
            for listing in request.listings()
        ],
    }


def symbols(request: Request) -> Row:
    """Answer bb/symbol/query, where the asset is optional."""
    area = request.params.optional("asset", "settle_currency")
    listings = request.listings() if area else request.exchange.listings.values()
    return {
        "time": text(request.now),
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
        ],
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
    """Answer pc/candle/query and bb/candle/query: the latest candles, oldest first."""
    params, listing = request.params, request.listing
    minutes = params.choice(INTERVALS, "interval") if params.optional("interval") else 1
    size = params.bounded("size", MAX_ROWS, MAX_CANDLES)
    start = params.integer_or(0, "start_time")
    end = params.integer_or(request.now, "end_time")
    # a candle that contains the start is returned whole
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
    size = request.params.bounded("size", 15, MAX_LEVELS)
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
    count = params.bounded("count", MAX_ROWS, MAX_ROWS)
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
