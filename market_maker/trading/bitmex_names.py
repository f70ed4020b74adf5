"""Values under the names of the BitMEX sample market maker: plain numbers in mappings.

Prices and quantities are in the venue's units, amounts of money in 1e-8 of the currency where the
family has them so. A key for which the venue shows no value raises a KeyError that says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from market_maker.decimals import to_grid
from market_maker.errors import Temporary
from market_maker.models import (
    ZERO,
    Instrument,
    Margin,
    OpenOrder,
    Position,
    Side,
    Ticker,
)
from market_maker.money import value
from market_maker.trading.row import Lack, Row, number_of, stamp

COIN = 10**8
"""How many of the smallest units make one coin."""


WITH_LEVERAGE = ("leverage", "initMargin")
NOT_OF_PAIRS: dict[str, Lack] = dict.fromkeys(
    (
        *("markPrice", "fairPrice", "indicativeSettlePrice", "fairBasis"),
        *("fundingRate", "indicativeFundingRate", "openInterest", "unrealisedPnl"),
        *("fundingTimestamp", *WITH_LEVERAGE),
    ),
    "GTE has none for a pair",
)
NOT_YET: dict[str, Lack] = {
    **dict.fromkeys(
        WITH_LEVERAGE, "not known: GTE has not told the leverage yet; a dry run never reads it"
    ),
    "fundingTimestamp": "GTE tells the hours until then: funding_rate_time",
}
NO_PRICE = "not known: GTE has told neither mark nor last price of an open position"


def instrument_of(
    instrument: Instrument,
    row: Mapping[str, Any],
    ticker: Ticker,
    leverage: Decimal | None = None,
    day: Callable[[], tuple[Decimal, Decimal]] | None = None,
) -> Row:
    """Return the venue's row with the family's keys added.

    Prices are None while unknown; midPrice is None while a side of the book is empty. fairPrice is
    the mark, indicativeSettlePrice the index, fairBasis their difference. multiplier is in 1e-8 of
    the settlement currency: above zero to multiply a price (pair), below zero to divide by it
    (inverse contract); over underlyingToSettleMultiplier it is the face value. initMargin is a
    fraction, there once the leverage is known. highPrice and lowPrice are of 24 hours: of a
    contract `day()` reads them, once one is asked for.
    """
    mark, index = instrument.mark_price, instrument.index_price
    unit = float((-1 if instrument.is_contract else 1) * COIN)
    named = {
        "symbol": instrument.symbol,
        "state": "Open",
        "tickSize": float(instrument.tick),
        "tickLog": instrument.price_decimals,
        "lotSize": float(instrument.lot),
        "bidPrice": _float(ticker.bid),
        "askPrice": _float(ticker.ask),
        "midPrice": _float(ticker.mid),
        "lastPrice": _float(instrument.last_price),
        "markPrice": _float(mark),
        "fairPrice": _float(mark),
        "indicativeSettlePrice": _float(index),
        "fairBasis": _float(mark - index) if mark and index else None,
        "volume24h": _number_of(row, "volume_24h"),
        "openInterest": _number_of(row, "volume_pos_hold"),
        "fundingRate": _number_of(row, "funding_rate"),
        "indicativeFundingRate": _number_of(row, "indicative_funding_rate"),
        "settlCurrency": instrument.settle_currency,
        "isInverse": instrument.is_contract,
        "isQuanto": False,
        "multiplier": unit * float(instrument.face_value),
        "underlyingToSettleMultiplier": unit,
        "quoteToSettleMultiplier": None,
    }
    if not instrument.is_contract:
        pair = {key: each for key, each in named.items() if key not in NOT_OF_PAIRS}
        high, low = _number_of(row, "high_price"), _number_of(row, "low_price")
        return Row({**row, **pair}, highPrice=high, lowPrice=low, lacks=NOT_OF_PAIRS)
    if leverage:
        named["initMargin"] = float(1 / leverage)
    last = [instrument.last_price] if instrument.last_price else []
    lacks = {**NOT_YET}
    if day:
        lacks["highPrice"] = lambda: float(max(day()[1], *last))
        lacks["lowPrice"] = lambda: float(min(day()[0], *last))
    return Row({**row, **named}, lacks=lacks)


def ticker_of(ticker: Ticker, tick: Decimal) -> Row | None:
    """Return best bid and ask as buy and sell, their mid on the tick grid, and the last price.

    None when a side of the book is empty.
    """
    if ticker.bid is None or ticker.ask is None:
        return None
    return Row(
        last=_float(ticker.last),
        buy=float(ticker.bid),
        sell=float(ticker.ask),
        mid=float(to_grid((ticker.bid + ticker.ask) / 2, tick)),
    )


def position_of(
    position: Position,
    instrument: Instrument,
    orders: Iterable[OpenOrder],
    leverage: Decimal | None = None,
) -> Row:
    """Return currentQty (long - short), both legs, and prices of the larger leg.

    openOrderBuyQty and openOrderSellQty are what own open orders may still fill. unrealisedPnl is
    of both legs, in 1e-8 of the settlement currency, as in `margin_of()`; leverage is there once it
    is known. A pair has neither of them, and no markPrice.
    """
    larger = position.long if position.net >= 0 else position.short
    opened = dict.fromkeys(Side, ZERO)
    for order in orders:
        opened[order.side] += order.remaining
    of_contract: dict[str, Any] = {}
    if instrument.is_contract:
        of_contract["markPrice"] = _float(instrument.mark_price)
        if (profit := unrealised(instrument, position)) is not None:
            of_contract["unrealisedPnl"] = int(profit * COIN)
        of_contract |= {"leverage": float(leverage)} if leverage else {}
    return Row(
        of_contract,
        lacks={**NOT_YET, "unrealisedPnl": NO_PRICE} if instrument.is_contract else NOT_OF_PAIRS,
        symbol=instrument.symbol,
        isOpen=bool(position.long.qty or position.short.qty),
        currentQty=number_of(position.net),
        longQty=number_of(position.long.qty),
        shortQty=number_of(position.short.qty),
        longEntryPrice=float(position.long.entry_price),
        shortEntryPrice=float(position.short.entry_price),
        avgEntryPrice=float(larger.entry_price),
        avgCostPrice=float(larger.entry_price),
        liquidationPrice=_float(larger.liquidation_price),
        openOrderBuyQty=number_of(opened[Side.BUY]),
        openOrderSellQty=number_of(opened[Side.SELL]),
    )


def portfolio_of(instrument: Instrument, position: Position) -> dict[str, Row]:
    """Return, by symbol, what `delta_of()` adds up; multiplier is the face value.

    A contract is Inverse: multiplier * currentQty / price is its delta, in the settlement currency.
    A pair is Linear: multiplier * currentQty, in the base currency.
    """
    kind = "Inverse" if instrument.is_contract else "Linear"
    found = Row(
        currentQty=float(position.net),
        futureType=kind,
        multiplier=float(instrument.face_value),
        markPrice=_float(instrument.valuation_price),
        spot=_float(instrument.index_price or instrument.valuation_price),
    )
    return {instrument.symbol: found}


def delta_of(instrument: Instrument, position: Position) -> Row:
    """Return the delta of the position as the sample has it, long above zero.

    Of a contract, in the settlement currency: spot values it at the index price, mark_price at the
    mark, else the last price; basis is the latter less the former. Of a pair, the quantity in the
    base currency, at any price. Raises Temporary while a position has no price to be valued at.
    """
    mark = instrument.valuation_price
    spot = instrument.index_price or mark
    if not instrument.is_contract or not position.net:
        at_spot = at_mark = float(position.net * instrument.face_value)
    elif spot is None or mark is None:
        raise Temporary(f"no price of {instrument.symbol} is known that its position is worth")
    else:
        at_spot, at_mark = (float(value(instrument, position.net, at)) for at in (spot, mark))
    return Row(spot=at_spot, mark_price=at_mark, basis=at_mark - at_spot)


def unrealised(instrument: Instrument, position: Position) -> Decimal | None:
    """Return the profit of the open legs by the venue's entry prices, in the settlement currency.

    It is at the mark, else the last price; None while neither is known and a leg is open.
    """
    price, profit = instrument.valuation_price, ZERO
    for leg, sign in ((position.long, 1), (position.short, -1)):
        if leg.qty and leg.entry_price and instrument.is_contract:
            if price is None:
                return None
            paid, worth = (value(instrument, leg.qty, each) for each in (leg.entry_price, price))
            profit += sign * (paid - worth)  # inverse: the value falls as the price rises
    return profit


def margin_of(margin: Margin, unrealised: Decimal | None = ZERO) -> Row:
    """Return the account in its currency, and under the family's names in 1e-8 of it.

    walletBalance is without, marginBalance with the `unrealised` profit of open positions; while
    that is not known, None, there is neither marginBalance nor unrealisedPnl.
    """
    of_positions = {}
    if unrealised is not None:
        of_positions["unrealisedPnl"] = int(unrealised * COIN)
        of_positions["marginBalance"] = int((margin.total + unrealised) * COIN)
    return Row(
        of_positions,
        lacks={} if of_positions else dict.fromkeys(("unrealisedPnl", "marginBalance"), NO_PRICE),
        currency=margin.currency,
        total=float(margin.total),
        available=float(margin.available),
        order_margin=float(margin.order_margin),
        pos_margin=float(margin.position_margin or ZERO),
        walletBalance=int(margin.total * COIN),
        availableMargin=int(margin.available * COIN),
        availableFunds=int(margin.available * COIN),
    )


def depth_of(levels: Mapping[str, Iterable[Sequence[str]]], symbol: str) -> list[Row]:
    """Return a book as rows of the family's orderBookL2: the highest price first."""
    rows = [
        Row(symbol=symbol, side=side, price=float(price), size=number_of(Decimal(size)), id=price)
        for side, name in (("Sell", "asks"), ("Buy", "bids"))
        for price, size in levels[name]
    ]
    return sorted(rows, key=lambda row: -row["price"])


def top_of(
    levels: Mapping[str, Iterable[Sequence[str]]], own: Mapping[tuple[Side, Decimal], Decimal]
) -> Row | None:
    """Return buy, buySize, sell and sellSize: best prices and sizes without `own` quantities.

    Sizes are in contracts or base currency. None when a side has no order of others.
    """
    found = Row()
    for side, names, key in ((Side.BUY, "bids", "buy"), (Side.SELL, "asks", "sell")):
        for text, size in levels[names]:
            price = Decimal(text)
            left = Decimal(size) - own.get((side, price), ZERO)
            if left > 0:
                found |= {key: float(price), f"{key}Size": number_of(left)}
                break
    return found if len(found) == 4 else None


def trades_of(rows: Iterable[Mapping[str, str]], symbol: str) -> list[Row]:
    """Return public trades as the family's rows, in the order given; timestamp is text in UTC.

    The side is the taker's; size is in contracts or base currency.
    """
    return [
        Row(
            symbol=symbol,
            side=row["side"].capitalize(),
            price=float(row["price"]),
            size=number_of(Decimal(row["qty"])),
            timestamp=stamp(int(row["time"])),
        )
        for row in rows
    ]


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _number_of(row: Mapping[str, Any], name: str) -> float | None:
    try:
        return float(row[name])
    except (KeyError, TypeError, ValueError):
        return None
