"""The rows of all REST replies and WebSocket tables, as GTE writes them."""

from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from market_maker.paper.api.encoding import Row, cut, ratio, text
from market_maker.paper.exchange.account import (
    LIQUIDATION,
    MAINTENANCE,
    MAX_LEVERAGE,
    MILLIONTH,
    ZERO,
    Account,
    LegKey,
    Marks,
    Mode,
    Setting,
    Wallet,
)
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.events import Executed
from market_maker.paper.exchange.history import Candle, Trade
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.listing import Listing

HOUR = 3_600_000
FUNDING_HOURS = 8
WORDS = {Side.BUY: "buy", Side.SELL: "sell"}


def order_row(order: Order) -> Row:
    """Return the row of `pc/order/query`."""
    return {
        "status": text(order.status),
        "fee": text(cut(order.fee)),
        "price": text(order.price),
        "qty": text(order.qty),
        "leverage": text(order.leverage),
        "ctime": text(order.ctime),
        "order_id": text(order.order_id),
        "client_oid": order.client_oid,
        "avg_price": text(order.average_price.quantize(MILLIONTH)),
        "filled_qty": text(order.filled),
        "close_flag": "1" if order.close else "0",
        "side": text(order.side.value),
        "asset": order.instrument.key.area,
        "symbol": order.instrument.key.symbol,
        "order_margin": text(order.held),
        "order_type": "1",
    }


def spot_order_row(order: Order) -> Row:
    """Return the row of `bb/order/query`, where the side is a `bid_flag`."""
    row = order_row(order)
    for name in ("leverage", "client_oid", "close_flag", "order_margin"):
        del row[name]
    row["bid_flag"] = row["side"]
    row["trade_ratio"] = ratio(order.filled, order.qty)
    return row


def pushed_order_row(order: Order) -> Row:
    """Return the row of the `order` table: the row of REST with the names of the WebSocket."""
    row = order_row(order)
    del row["asset"]
    return place(order.instrument.key) | row


def place(key: Key) -> Row:
    """Return the three fields that begin every row of the WebSocket."""
    return {"instrument_type": key.kind, "settle_currency": key.area, "symbol": key.symbol}


def execution_row(report: Executed) -> Row:
    """Return the row of the `execution` table."""
    order = report.order
    return {
        **place(order.instrument.key),
        "exec_id": text(report.exec_id),
        "exec_type": text(report.exec_type.value),
        "ctime": text(report.time),
        "order_id": text(order.order_id),
        "order_price": text(order.price),
        "order_qty": text(order.qty),
        "order_status": text(order.status),
        "order_type": "1",
        "side": text(order.side.value),
        "close_flag": "1" if order.close else "0",
        "cum_qty": text(order.filled),
        "last_qty": text(report.last),
        "leaves_qty": "0" if order.status.final else text(order.left),
        "maker_flag": "1" if report.maker else "0",
        "trade_match_id": str(UUID(int=report.trade.trade_id)) if report.trade else "",
    }


def position_row(account: Account, key: LegKey, listing: Listing, marks: Marks) -> Row:
    """Return the row of the `position` table for one side."""
    leg, each = account.leg(key), listing.mark_worth
    setting = account.setting(key.contract)
    face = listing.instrument.face
    value, profit, margin = leg.qty * each, leg.profit(each), leg.margin
    entry = (leg.qty * face / leg.cost).quantize(MILLIONTH) if leg.qty else ZERO
    if setting.mode is Mode.CROSS:
        margin += account.cross_spare(key.area, marks) - leg.spare(each)
    liquidation = leg.price_at(face=face, ratio=LIQUIDATION, margin=margin)
    return {
        **place(listing.instrument.key),
        "side": "1" if key.long else "0",
        "qty": text(leg.qty),
        "avail_qty": text(leg.qty - leg.bound),
        "entry_price": text(entry),
        "leverage": text(setting.leverage(key.long)),
        "margin_mode": text(setting.mode.value),
        "auto_increase_flag": "1" if leg.top_up else "0",
        "liquidation_price": text(liquidation.quantize(Decimal("0.1"), ROUND_DOWN)),
        "maint_margin_ratio": text(MAINTENANCE),
        "pnl": text(cut(profit)),
        "realised_pnl": text(cut(leg.realised)),
        "pos_margin": text(cut(leg.margin)),
        "pos_margin_ratio": ratio(leg.margin + profit, value),
        "pos_pnl_ratio": ratio(profit, leg.margin),
    }


def setting_row(key: Key, setting: Setting) -> Row:
    """Return the data of `pc/setting/query`."""
    most = text(MAX_LEVERAGE)
    return {
        "margin_mode": text(setting.mode.value),
        "cross_leverage": text(setting.cross),
        "cross_max_leverage": most,
        "bid_leverage": text(setting.long),
        "bid_max_leverage": most,
        "ask_leverage": text(setting.short),
        "ask_max_leverage": most,
        "asset": key.area,
        "symbol": key.symbol,
    }


def balance_row(account: Account, wallet: Wallet, asset: str) -> Row:
    """Return the row of `account/fund/query` and of `account/bb/query`."""
    balance = account.balance(wallet, asset)
    total, held = cut(balance.total), cut(balance.held)
    return {
        "asset": asset,
        "total": text(total),
        "available": text(total - held),
        "lock": text(held),
    }


def margin_amounts(account: Account, area: str) -> Row:
    """Return the amounts of a contract account; the total is exactly the sum of the rest."""
    balance = account.balance(Wallet.CONTRACT, area)
    total, held = cut(balance.total), cut(balance.held)
    positions = cut(account.pos_margin(area))
    return {
        "total": text(total),
        "available": text(total - held - positions),
        "order_margin": text(held),
        "pos_margin": text(positions),
    }


def margin_row(account: Account, area: str) -> Row:
    """Return the row of the `margin` table."""
    place = {"instrument_type": CONTRACT, "settle_currency": area}
    return place | margin_amounts(account, area)


def trade_row(key: Key, trade: Trade) -> Row:
    """Return the row of the `trade` table."""
    return {
        **place(key),
        "trade_time": text(trade.time),
        "side": WORDS[trade.side],
        "price": text(trade.price),
        "qty": text(trade.qty),
    }


def candle_row(candle: Candle) -> list[str]:
    """Return a candle as REST writes it."""
    numbers = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [text(candle.time), *(text(number) for number in numbers)]


def statistics(listing: Listing, open_interest: int, now: int) -> Row:
    """Return the fields of an instrument that REST and the WebSocket have in common."""
    instrument = listing.instrument
    day = listing.history.day(now)
    change = listing.last / day.open - 1 if day else ZERO
    row = {
        "last_price": text(listing.last),
        "change_rate_24h": text(change.quantize(Decimal("0.0001"), ROUND_DOWN)),
        "volume_24h": text(day.volume if day else ZERO),
        "price_precision": text(instrument.price_precision),
    }
    if instrument.key.kind == SPOT:
        return row | {
            "high_price": text(day.high if day else listing.last),
            "low_price": text(day.low if day else listing.last),
            "number_precision": text(instrument.number_precision),
        }
    due = FUNDING_HOURS - now // HOUR % FUNDING_HOURS
    return row | {
        "index_price": text(listing.index),
        "mark_price": text(listing.index),
        "volume_pos_hold": text(open_interest),
        "quote_currency": instrument.quote,
        "funding_rate": text(listing.funding_rate),
        "funding_rate_time": text(due),
        "indicative_funding_rate": text(listing.funding_rate),
        "indicative_funding_rate_time": text(due + FUNDING_HOURS),
    }


def instrument_row(listing: Listing, open_interest: int, now: int) -> Row:
    """Return the row of `pc/instrument/query` and of `bb/instrument/query`."""
    instrument = listing.instrument
    spot = instrument.key.kind == SPOT
    return {
        "asset": instrument.key.area,
        "symbol": instrument.key.symbol,
        **({"split_char": "/"} if spot else {"face_value": text(instrument.face)}),
        **statistics(listing, open_interest, now),
    }


def pushed_instrument_row(listing: Listing, open_interest: int, now: int) -> Row:
    """Return the row of the `instrument` table."""
    instrument = listing.instrument
    spot = instrument.key.kind == SPOT
    size = (
        {"min_trade_number": text(instrument.lot)} if spot else {"lot_size": text(instrument.face)}
    )
    return {
        **place(instrument.key),
        "split_char": instrument.split_char,
        **size,
        **statistics(listing, open_interest, now),
        "tick_size": text(listing.tick),
        "symbol_id": text(instrument.symbol_id),
    }
