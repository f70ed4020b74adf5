"""Values under the names of the BitMEX sample market maker: plain numbers in mappings.

Prices and quantities are in the venue's units, amounts of money in 1e-8 of the currency where the
family has them so. A key for which the venue shows no value raises a KeyError that says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from market_maker.decimals import to_grid
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

COIN = 10**8
"""How many of the smallest units make one coin."""


class Row(dict[str, Any]):
    """A mapping of the family; a key that it lacks is told with those that it has."""

    def __missing__(self, key: str) -> Any:
        raise KeyError(f"{key}: GTE shows no such value; there are {', '.join(sorted(self))}")


def instrument_of(
    instrument: Instrument,
    row: Mapping[str, Any],
    ticker: Ticker,
    leverage: Decimal | None = None,
) -> Row:
    """Return the venue's row with the family's keys added.

    Prices are None while unknown; midPrice is None while a side of the book is empty. fairPrice is
    the mark, indicativeSettlePrice the index, fairBasis their difference. multiplier is in 1e-8 of
    the settlement currency: above zero to multiply a price (pair), below zero to divide by it
    (inverse contract). initMargin is a fraction, there once the leverage is known.
    """
    mark, index = instrument.mark_price, instrument.index_price
    multiplier = float((-1 if instrument.is_contract else 1) * instrument.face_value * COIN)
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
        "highPrice": _number_of(row, "high_price"),
        "lowPrice": _number_of(row, "low_price"),
        "volume24h": _number_of(row, "volume_24h"),
        "openInterest": _number_of(row, "volume_pos_hold"),
        "fundingRate": _number_of(row, "funding_rate"),
        "indicativeFundingRate": _number_of(row, "indicative_funding_rate"),
        "settlCurrency": instrument.settle_currency,
        "isInverse": instrument.is_contract,
        "isQuanto": False,
        "multiplier": multiplier,
        "underlyingToSettleMultiplier": multiplier,
        "quoteToSettleMultiplier": None,
    }
    margin = {"initMargin": float(1 / leverage)} if leverage else {}
    return Row({**row, **named, **margin})


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


def position_of(position: Position, instrument: Instrument, orders: Iterable[OpenOrder]) -> Row:
    """Return currentQty (long - short), both legs, and prices of the larger leg.

    openOrderBuyQty and openOrderSellQty are what own open orders may still fill.
    """
    larger = position.long if position.net >= 0 else position.short
    opened = dict.fromkeys(Side, ZERO)
    for order in orders:
        opened[order.side] += order.remaining
    return Row(
        symbol=instrument.symbol,
        isOpen=bool(position.long.qty or position.short.qty),
        currentQty=_number(position.net),
        longQty=_number(position.long.qty),
        shortQty=_number(position.short.qty),
        longEntryPrice=float(position.long.entry_price),
        shortEntryPrice=float(position.short.entry_price),
        avgEntryPrice=float(larger.entry_price),
        avgCostPrice=float(larger.entry_price),
        liquidationPrice=_float(larger.liquidation_price),
        markPrice=_float(instrument.mark_price),
        openOrderBuyQty=_number(opened[Side.BUY]),
        openOrderSellQty=_number(opened[Side.SELL]),
    )


def portfolio_of(instrument: Instrument, position: Position) -> dict[str, Row]:
    """Return, by symbol, what `delta_of()` adds up; multiplier is the face value."""
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
    """Return the value of the position in the settlement currency, long above zero.

    spot values it at the index price, mark_price at the mark; basis is the latter less the former.
    """
    mark = instrument.valuation_price
    spot = instrument.index_price or mark
    at_spot, at_mark = (
        float(value(instrument, position.net, price)) if price else 0.0 for price in (spot, mark)
    )
    return Row(spot=at_spot, mark_price=at_mark, basis=at_mark - at_spot)


def unrealised(instrument: Instrument, position: Position) -> Decimal:
    """Return the profit of the open legs at the mark price, in the settlement currency."""
    mark, profit = instrument.valuation_price, ZERO
    for leg, sign in ((position.long, 1), (position.short, -1)):
        if mark and leg.qty and leg.entry_price and instrument.is_contract:
            paid, worth = (value(instrument, leg.qty, price) for price in (leg.entry_price, mark))
            profit += sign * (paid - worth)  # inverse: the value falls as the price rises
    return profit


def margin_of(margin: Margin, unrealised: Decimal = ZERO) -> Row:
    """Return the account in its currency, and under the family's names in 1e-8 of it.

    walletBalance is without, marginBalance with the `unrealised` profit of open positions.
    """
    return Row(
        currency=margin.currency,
        total=float(margin.total),
        available=float(margin.available),
        order_margin=float(margin.order_margin),
        pos_margin=float(margin.position_margin or ZERO),
        walletBalance=int(margin.total * COIN),
        unrealisedPnl=int(unrealised * COIN),
        marginBalance=int((margin.total + unrealised) * COIN),
        availableMargin=int(margin.available * COIN),
        availableFunds=int(margin.available * COIN),
    )


def orders_of(orders: Iterable[OpenOrder], symbol: str) -> list[Row]:
    """Return orders with orderID, clOrdID, side, price, orderQty, cumQty and leavesQty."""
    return [
        Row(
            orderID=order.order_id,
            clOrdID=order.client_oid,
            symbol=symbol,
            side=order.side.value,
            price=float(order.price),
            orderQty=_number(order.qty),
            cumQty=_number(order.filled),
            leavesQty=_number(order.remaining),
            avgPx=float(order.avg_price) or None,
            ordType="Limit",
            ordStatus=order.state.value,
        )
        for order in orders
    ]


def depth_of(levels: Mapping[str, Iterable[Sequence[str]]], symbol: str) -> list[Row]:
    """Return a book as rows of the family's orderBookL2: the highest price first."""
    rows = [
        Row(symbol=symbol, side=side, price=float(price), size=_number(Decimal(size)), id=price)
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
                found |= {key: float(price), f"{key}Size": _number(left)}
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
            size=_number(Decimal(row["qty"])),
            timestamp=_stamp(int(row["time"])),
        )
        for row in rows
    ]


def _stamp(time_ms: int) -> str:
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _number(value: Decimal) -> float:
    """Return a quantity: whole numbers as int, others as float."""
    return int(value) if value == value.to_integral_value() else float(value)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _number_of(row: Mapping[str, Any], name: str) -> float | None:
    try:
        return float(row[name])
    except (KeyError, TypeError, ValueError):
        return None
