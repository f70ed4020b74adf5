"""Settlement: books fills and changes of orders, and puts the events about them into the outbox."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from market_maker.paper.exchange import engine
from market_maker.paper.exchange.account import MAKER_FEE, TAKER_FEE, ZERO
from market_maker.paper.exchange.blotter import Blotter, Order, Status
from market_maker.paper.exchange.clearing import Clearing, leg_key
from market_maker.paper.exchange.engine import BACKGROUND, Side
from market_maker.paper.exchange.events import (
    Action,
    ExecType,
    Executed,
    Filled,
    OrderChanged,
    Traded,
)
from market_maker.paper.exchange.history import Trade
from market_maker.paper.exchange.ids import Ids
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.exchange.ledger import Party
from market_maker.paper.exchange.listing import Listing
from market_maker.paper.exchange.outbox import Outbox
from market_maker.paper.exchange.quirks import Quirks


class Settlement:
    """The only writer of the blotter. It never decides whether an order may be placed."""

    def __init__(
        self,
        *,
        blotter: Blotter,
        clearing: Mapping[str, Clearing],
        outbox: Outbox,
        ids: Ids,
        quirks: Callable[[], Quirks],
    ) -> None:
        self._blotter = blotter
        self._clearing = clearing
        self._outbox = outbox
        self._ids = ids
        self._quirks = quirks
        self.fees = MAKER_FEE, TAKER_FEE
        """Rates of makers and takers."""

    def put(self, order: Order, before: Order | None) -> Order:
        """Store an order in place of `before`; return it with what it now reserves."""
        order = self._clearing[order.instrument.key.kind].bind(order, before)
        self._blotter.put(order)
        self._outbox.add(OrderChanged(Action.UPDATE if before else Action.INSERT, order))
        if order.instrument.key.kind == CONTRACT:
            self._outbox.margin(order.owner, order.instrument.key.area)
            if order.close or order.filled:
                self._outbox.leg(order.owner, leg_key(order))
        return order

    def cancel(self, listing: Listing, order: Order, now: int) -> None:
        """Cancel a resting order."""
        listing.book.cancel(order.order_id)
        order = self.put(replace(order, status=Status.CANCELLED), order)
        self.report(ExecType.CANCELLED, order, now)
        self._outbox.add(OrderChanged(Action.DELETE, order))
        self._outbox.book(listing)

    def settle(self, listing: Listing, fills: Iterable[engine.Fill], now: int) -> None:
        """Book the fills of a book, and record that the book may have changed."""
        instrument = listing.instrument
        for maker, taker, ticks, lots in fills:
            price = instrument.price(ticks)
            trade = Trade(self._ids.next(now), now, taker.side, price, instrument.qty(lots))
            listing.last = price
            listing.history.add(trade)
            self._outbox.add(Traded(instrument.key, trade, maker.owner, taker.owner))
            if maker.owner != BACKGROUND or taker.owner != BACKGROUND:
                self._clear(listing, trade, maker, taker)
            self._outbox.instrument(listing)
        self._outbox.book(listing)

    def report(
        self, exec_type: ExecType, order: Order, now: int, trade: Trade | None = None
    ) -> None:
        """Put an execution report into the outbox, with the trade if it is about one."""
        last = trade.qty if trade else ZERO
        maker = trade is not None and trade.side is not order.side
        self._outbox.add(Executed(self._ids.next(now), exec_type, now, order, last, maker, trade))

    def _clear(
        self, listing: Listing, trade: Trade, maker: engine.Order, taker: engine.Order
    ) -> None:
        orders, parties = {}, {}
        for matched, rate in zip((maker, taker), self.fees, strict=True):
            order = self._blotter.find(matched.owner, matched.order_id)
            orders[matched.side] = order
            parties[matched.side] = Party(matched.owner, order.close if order else None, rate)
        value, fees = self._clearing[listing.instrument.key.kind].settle(
            listing, trade, buyer=parties[Side.BUY], seller=parties[Side.SELL]
        )
        for side, fee in zip((Side.BUY, Side.SELL), fees, strict=True):
            order = orders[side]
            if order:
                filled = order.filled + trade.qty
                after = replace(
                    order,
                    filled=filled,
                    value=order.value + value,
                    fee=order.fee + fee,
                    status=_status(order, filled),
                )
                self._report_fill(self.put(after, order), trade)

    def _report_fill(self, order: Order, trade: Trade) -> None:
        self._outbox.add(Filled(order, trade, trade.side is not order.side))
        both = self._quirks().done_report == "both"
        if order.status is not Status.FILLED or both:
            self.report(ExecType.TRADE, order, trade.time, trade)
        if order.status is Status.FILLED:
            self.report(ExecType.DONE, order, trade.time, trade)
            self._outbox.add(OrderChanged(Action.DELETE, order))


def _status(order: Order, filled: Decimal) -> Status:
    """Return the status of an order that has been filled up to a quantity."""
    if filled == order.qty:
        return Status.FILLED
    return Status.CANCELLING if order.status is Status.CANCELLING else Status.PART_FILLED
