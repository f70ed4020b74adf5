"""Own orders under the names of the BitMEX sample."""

from collections.abc import Iterable

from market_maker.models import OpenOrder, OrderState, Side
from market_maker.trading.row import Row, number_of, stamp


def status_of(order: OpenOrder) -> str:
    """Return the family's ordStatus of an order: New, PartiallyFilled, Filled or Canceled.

    One that is being cancelled, or whose create is not answered, is New or PartiallyFilled until
    the venue shows its end: it may still fill, and a strategy that counts its orders must count it.
    """
    if not order.remaining:
        return "Filled"
    if order.state is OrderState.DONE:
        return "Canceled"
    return "PartiallyFilled" if order.filled else "New"


def orders_of(orders: Iterable[OpenOrder], symbol: str) -> list[Row]:
    """Return orders under the family's keys; see `status_of()` for ordStatus.

    orderQty, cumQty and leavesQty are in contracts or base currency. avgPx is None before the first
    fill. execInst is what the order asked for by itself, not POST_ONLY. timestamp is when the venue
    has created it, as text in UTC; None while it has not told. Such a row may be given back to
    create, amend and cancel.
    """
    return [_row(order, symbol) for order in orders]


def no_order(side: Side) -> Row:
    """Return what the family has where no order of a side is open: a price beyond all others."""
    words = f"no {side.value.lower()} order of this bot is open"
    return Row(price=-side.sign * 2**32, lacks={"": words})


def _row(order: OpenOrder, symbol: str) -> Row:
    created = stamp(order.ctime) if order.ctime else None
    words = {"ParticipateDoNotInitiate": order.post_only, "ReduceOnly": order.reduce_only}
    return Row(
        orderID=order.order_id,
        clOrdID=order.client_oid,
        symbol=symbol,
        side=order.side.value,
        price=float(order.price),
        orderQty=number_of(order.qty),
        cumQty=number_of(order.filled),
        leavesQty=number_of(order.remaining),
        avgPx=float(order.avg_price) or None,
        ordType="Limit",
        ordStatus=status_of(order),
        timeInForce="GoodTillCancel",
        execInst=",".join(word for word, is_set in words.items() if is_set),
        workingIndicator=bool(order.remaining) and order.state is not OrderState.DONE,
        ordRejReason="",
        stopPx=None,
        displayQty=None,
        triggered="",
        text="",
        transactTime=created,
        timestamp=created,
    )
