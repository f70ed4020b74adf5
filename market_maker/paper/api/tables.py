"""The tables of the feed: rows of the exchange as its quirks let them appear."""

from market_maker.paper.api.encoding import Row
from market_maker.paper.api.rows import (
    margin_row,
    position_row,
    pushed_instrument_row,
    pushed_order_row,
)
from market_maker.paper.api.topic import Topic
from market_maker.paper.exchange.account import LegKey
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import CONTRACT, Key


class Tables:
    """Reads rows from the exchange. It never changes anything."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def rows(self, owner: str, topic: Topic) -> list[Row]:
        """Return all rows of a private table: `order`, `position` or `margin`."""
        if topic.table == "margin":
            return [self.margin(owner, topic.area)]
        if topic.table == "position":
            legs = [
                leg
                for leg in self._exchange.ledger.accounts[owner].legs
                if leg.area == topic.area and topic.symbol in ("", leg.symbol)
            ]
            legs.sort(key=lambda leg: (leg.symbol, not leg.long))
            return self.positions(owner, legs)
        return [
            self.order(order)
            for order in self._exchange.blotter.live(owner)
            if order.instrument.key[:2] == (topic.kind, topic.area)
            and topic.symbol in ("", order.instrument.key.symbol)
        ]

    def order(self, order: Order) -> Row:
        """Return the row of an order."""
        row = pushed_order_row(order)
        return row | {"client_oid": None} if self._exchange.quirks.forget_client_oid else row

    def positions(self, owner: str, legs: list[LegKey]) -> list[Row]:
        """Return the rows of these legs, without closed ones if the venue shows none."""
        account, marks = self._exchange.ledger.accounts[owner], self._exchange.marks()
        shows_flat = self._exchange.quirks.flat_position == "zero"
        return [
            position_row(account, leg, self._exchange.listing(Key(CONTRACT, *leg.contract)), marks)
            for leg in legs
            if shows_flat or account.qty(leg)
        ]

    def margin(self, owner: str, area: str) -> Row:
        """Return the row of a contract account."""
        return margin_row(self._exchange.ledger.accounts[owner], area)

    def instrument(self, key: Key, now: int) -> Row:
        """Return the row of an instrument at a time, in ms UTC."""
        listing = self._exchange.listing(key)
        interest = self._exchange.ledger.open_interest(listing.contract)
        row = pushed_instrument_row(listing, interest, now)
        if self._exchange.quirks.withhold_tick_size and key.kind == CONTRACT:
            del row["tick_size"], row["symbol_id"]
        return row
