"""The venue as a value: instruments, books, orders and accounts, one method per request.

It knows nothing of HTTP or sockets, and time is an argument. A method either raises `Refused` and
has changed nothing, or has done all it promises when it returns. What it changed is told once, in
order, by `drain()`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

from market_maker.paper import engine
from market_maker.paper.account import (
    MAKER_FEE,
    TAKER_FEE,
    ZERO,
    Contract,
    Ledger,
    LegKey,
    Mode,
    Party,
    Wallet,
    money,
    order_margin,
    worth,
)
from market_maker.paper.blotter import Blotter, Order, Status
from market_maker.paper.engine import Side
from market_maker.paper.history import History, Trade
from market_maker.paper.instrument import Instrument, Key
from market_maker.paper.market import Depth, Index, Move, Take
from market_maker.paper.refusal import Code, Refused

OTHERS = "others"
OTHERS_DEPOSIT = Decimal(1_000_000)
ID_EPOCH = 1_546_272_000_000  # of order ids, seen in the capture: 2019-01-01 in Beijing
MAX_BATCH = 50
MAX_OID = 40


class Action(Enum):
    """What a change does to a row, in the words of the wire."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class ExecType(Enum):
    """Why an execution report is sent, with the numbers of the wire."""

    NEW = 1
    RESTING = 2
    TRADE = 4
    DONE = 8
    CANCELLED = 16


class OrderChanged(NamedTuple):
    """A user's order appeared, changed, or left the table of live orders."""

    action: Action
    order: Order


class Executed(NamedTuple):
    """An execution report on an order as it was then; `last` is the quantity of this fill."""

    exec_id: int
    exec_type: ExecType
    time: int
    order: Order
    last: Decimal
    maker: bool
    trade: Trade | None


class Traded(NamedTuple):
    """A trade of the public tape, and the owners on its two sides."""

    key: Key
    trade: Trade
    maker: str
    taker: str


class LegChanged(NamedTuple):
    """One side of a user's position changed."""

    owner: str
    leg: LegKey


class MarginChanged(NamedTuple):
    """The contract account of a user changed in one area."""

    owner: str
    area: str


class BookChanged(NamedTuple):
    """Levels of a book changed: (action, side, price in ticks, final size in lots)."""

    key: Key
    levels: list[tuple[Action, Side, int, int]]


class InstrumentChanged(NamedTuple):
    """The prices or the volume of an instrument changed."""

    key: Key


Event = (
    OrderChanged | Executed | Traded | LegChanged | MarginChanged | BookChanged | InstrumentChanged
)


@dataclass(slots=True, eq=False)
class Listing:
    """An instrument and all that happens in it."""

    instrument: Instrument
    book: engine.Book = field(default_factory=engine.Book)
    history: History = field(default_factory=History)
    told: dict[tuple[Side, int], int] = field(default_factory=dict)  # level sizes last drained
    last: Decimal = ZERO
    index: Decimal = ZERO
    funding_rate: Decimal = Decimal("0.0001")

    @property
    def contract(self) -> Contract:
        """Return the name under which the ledger knows it."""
        return Contract(self.instrument.key.area, self.instrument.key.symbol)

    @property
    def mark(self) -> Decimal:
        """Return the price at which positions are valued: the index."""
        return self.index

    @property
    def mark_worth(self) -> Decimal:
        """Return what one contract is worth at the mark."""
        return worth(face=self.instrument.face, price=self.mark)


class Exchange:
    """The paper venue. `OTHERS` are all its other participants taken together."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.ledger = Ledger()
        self.blotter = Blotter()
        self.listings = {
            instrument.key: Listing(instrument, last=instrument.start, index=instrument.start)
            for instrument in instruments
        }
        self._last_id = 0
        self._events: list[Event] = []
        self._legs: dict[LegChanged, None] = {}
        self._margins: dict[MarginChanged, None] = {}
        self._books: dict[Key, Listing] = {}
        self._instruments: dict[Key, None] = {}
        self.ledger.open_account(OTHERS, Mode.CROSS)
        for area in sorted({key.area for key in self.listings}):
            self.ledger.deposit(OTHERS, Wallet.CONTRACT, area, OTHERS_DEPOSIT)

    # What users ask for

    def create(
        self,
        owner: str,
        key: Key,
        *,
        side: Side,
        close: bool,
        price: Decimal,
        qty: Decimal,
        client_oid: str | None,
        now: int,
    ) -> int:
        """Place a limit order, match it, and return its id."""
        listing = self.listing(key)
        instrument = listing.instrument
        ticks, lots = instrument.ticks(price), instrument.lots(qty)
        if ticks is None:
            raise Refused(Code.PARAMETER_VALUE, "price")
        if lots is None:
            raise Refused(Code.PARAMETER_VALUE, "qty")
        if client_oid is not None and self.blotter.by_client_oid(owner, client_oid):
            raise Refused(Code.ALREADY_CREATED, "client_oid")
        account = self.ledger.accounts[owner]
        leg_key = LegKey(*listing.contract, (side is Side.BUY) != close)
        leverage = account.setting(listing.contract).leverage(leg_key.long)
        resting = engine.Order(0, owner, side, ticks, lots)
        if close:
            self._check_close(listing, leg_key, resting)
        else:
            self._check_open(listing, leverage, resting)

        order = Order(
            order_id=self._next_id(now),
            client_oid=client_oid,
            owner=owner,
            instrument=instrument,
            side=side,
            close=close,
            price=price,
            qty=qty,
            leverage=leverage,
            ctime=now,
        )
        if close:
            account.leg(leg_key).bound += lots
            self._legs[LegChanged(owner, leg_key)] = None
        order = self._put(order, Action.INSERT)
        self._report(ExecType.NEW, order, now)
        resting.order_id = order.order_id
        self._settle(listing, listing.book.place(resting), now)
        if resting.left == lots:
            self._report(ExecType.RESTING, order, now)
        return order.order_id

    def cancel(self, owner: str, key: Key, order_id: int, now: int) -> None:
        """Cancel a live order."""
        listing = self.listing(key)
        order = self.blotter.find(owner, order_id)
        if order is None or order.instrument is not listing.instrument:
            raise Refused(Code.ALREADY_FINISHED, "order_id")
        if order.status is Status.CANCELLED:
            raise Refused(Code.ALREADY_CANCELLED, "order_id")
        if order.status is Status.FILLED:
            raise Refused(Code.ALREADY_FILLED, "order_id")
        self._cancel(listing, order, now)

    def cancel_batch(self, owner: str, key: Key, order_ids: Collection[int], now: int) -> None:
        """Cancel those of at most 50 orders that are live; the others are passed over."""
        self.listing(key)
        if not 0 < len(order_ids) <= MAX_BATCH:
            raise Refused(Code.PARAMETER_VALUE, "filter")
        for order_id in order_ids:
            try:
                self.cancel(owner, key, order_id, now)
            except Refused:
                continue

    def orders(
        self,
        owner: str,
        *,
        kind: str,
        area: str,
        symbol: str | None,
        statuses: Collection[Status],
        above: int | None,
        below: int | None,
        count: int,
    ) -> list[Order]:
        """Return a page of orders: the oldest, those just above an id, or those just below one."""
        if symbol is not None:
            self.listing(Key(kind, area, symbol))
        found = [
            order
            for order in self.blotter.all(owner, statuses)
            if order.instrument.key[:2] == (kind, area)
            and symbol in (None, order.instrument.key.symbol)
        ]
        if above is not None:
            return [order for order in found if order.order_id > above][:count]
        if below is not None:
            return [order for order in reversed(found) if order.order_id < below][:count]
        return found[:count]

    def listing(self, key: Key) -> Listing:
        """Return what is listed under a key."""
        listing = self.listings.get(key)
        if listing is None:
            known = any(other[:2] == key[:2] for other in self.listings)
            raise Refused(Code.UNKNOWN_SYMBOL if known else Code.UNKNOWN_ASSET)
        return listing

    # What others do

    def play(self, key: Key, moves: Iterable[Move], now: int) -> None:
        """Let the other participants of an instrument act."""
        listing = self.listings[key]
        for move in moves:
            match move:
                case Depth(side, price, size):
                    self._rest(listing, side, price, size, now)
                case Take(side, price, qty):
                    taker = engine.Order(0, OTHERS, side, price, qty)
                    self._settle(listing, listing.book.take(taker), now)
                case Index(price):
                    listing.index = price
                    self._instruments[key] = None

    def _rest(self, listing: Listing, side: Side, price: int, size: int, now: int) -> None:
        book = listing.book
        queue = book.queue(side, price)
        theirs = [order for order in queue if order.owner == OTHERS]
        more = size - sum(order.left for order in theirs)
        if more > 0:
            self._retreat(listing, side.other, price)
            if queue and queue[-1].owner == OTHERS:
                book.resize(queue[-1].order_id, queue[-1].left + more)
            else:
                order = engine.Order(self._next_id(now), OTHERS, side, price, more)
                self._settle(listing, book.place(order), now)
        while more < 0:
            last = theirs.pop()
            if last.left <= -more:
                more += last.left
                book.cancel(last.order_id)
            else:
                book.resize(last.order_id, last.left + more)
                more = 0
        self._books[listing.instrument.key] = listing

    def _retreat(self, listing: Listing, side: Side, limit: int) -> None:
        """Others do not trade with themselves by resting: the newer price is the right one."""
        book = listing.book
        sign = 1 if side is Side.BUY else -1
        crossed = takewhile(lambda price: price * sign >= limit * sign, book.prices(side))
        for price in list(crossed):
            for order in book.queue(side, price):
                if order.owner == OTHERS:
                    book.cancel(order.order_id)

    # What has changed

    def drain(self) -> list[Event]:
        """Return, once, what has changed, in order; positions and books as they are by now."""
        events, self._events = self._events, []
        for key, listing in self._books.items():
            levels = self._changed_levels(listing)
            if levels:
                events.append(BookChanged(key, levels))
        events += [InstrumentChanged(key) for key in self._instruments]
        events += self._legs
        events += self._margins
        self._books.clear()
        self._instruments.clear()
        self._legs.clear()
        self._margins.clear()
        return events

    def _changed_levels(self, listing: Listing) -> list[tuple[Action, Side, int, int]]:
        levels = []
        for side, price in listing.book.drain():
            size = listing.book.size(side, price)
            before = listing.told.get((side, price), 0)
            if size == before:
                continue
            if not size:
                action = Action.DELETE
                del listing.told[side, price]
            else:
                action = Action.UPDATE if before else Action.INSERT
                listing.told[side, price] = size
            levels.append((action, side, price, size))
        return levels

    # Checks

    def _check_close(self, listing: Listing, leg_key: LegKey, order: engine.Order) -> None:
        account = self.ledger.accounts[order.owner]
        leg = account.leg(leg_key)
        if order.left > leg.qty - leg.bound:
            raise Refused(Code.NOT_CLOSABLE, "qty")
        if account.setting(listing.contract).mode is Mode.ISOLATED:
            price = listing.instrument.price(order.price)
            bankrupt = leg.price_at(face=listing.instrument.face, ratio=ZERO)
            if bankrupt and (price < bankrupt if leg.long else price > bankrupt):
                raise Refused(Code.BEYOND_BANKRUPTCY, "price")

    def _check_open(self, listing: Listing, leverage: Decimal, order: engine.Order) -> None:
        """The part that would trade at once needs margin at the prices it would trade at."""
        face, price = listing.instrument.face, listing.instrument.price
        needed, left = ZERO, order.left
        for ticks, lots in listing.book.reach(side=order.side, price=order.price, qty=left):
            value = lots * worth(face=face, price=price(ticks))
            needed += money(value / leverage) + money(value * TAKER_FEE)
            left -= lots
        needed += order_margin(qty=left, face=face, price=price(order.price), leverage=leverage)
        self.ledger.check_margin(order.owner, listing.instrument.key.area, needed)

    # Changes

    def _settle(self, listing: Listing, fills: Iterable[engine.Fill], now: int) -> None:
        instrument = listing.instrument
        for maker, taker, ticks, lots in fills:
            price = instrument.price(ticks)
            trade = Trade(self._next_id(now), now, taker.side, price, instrument.qty(lots))
            listing.last = price
            listing.history.add(trade)
            self._events.append(Traded(instrument.key, trade, maker.owner, taker.owner))
            if maker.owner != OTHERS or taker.owner != OTHERS:
                self._book(listing, maker, taker, trade, lots)
            self._instruments[instrument.key] = None
        self._books[instrument.key] = listing

    def _book(
        self, listing: Listing, maker: engine.Order, taker: engine.Order, trade: Trade, lots: int
    ) -> None:
        each = worth(face=listing.instrument.face, price=trade.price)
        parties = {}
        for resting, rate in ((maker, MAKER_FEE), (taker, TAKER_FEE)):
            order = self.blotter.find(resting.owner, resting.order_id)
            parties[resting.side] = Party(resting.owner, order.close if order else None, rate)
        fees = self.ledger.trade(
            listing.contract,
            qty=lots,
            each=each,
            buyer=parties[Side.BUY],
            seller=parties[Side.SELL],
        )
        for resting in (maker, taker):
            fee = fees[0] if resting.side is Side.BUY else fees[1]
            order = self.blotter.find(resting.owner, resting.order_id)
            if order:
                self._fill(order, trade, lots * each, fee, resting is maker)

    def _fill(self, order: Order, trade: Trade, value: Decimal, fee: Decimal, maker: bool) -> None:
        filled = order.filled + trade.qty
        key = order.instrument.key
        leg_key = LegKey(key.area, key.symbol, (order.side is Side.BUY) != order.close)
        if order.close:
            self.ledger.accounts[order.owner].leg(leg_key).bound -= int(trade.qty)
        self._legs[LegChanged(order.owner, leg_key)] = None
        order = self._put(
            replace(
                order,
                filled=filled,
                value=order.value + value,
                fee=order.fee + fee,
                status=Status.FILLED if filled == order.qty else Status.PART_FILLED,
            ),
            Action.UPDATE,
        )
        self._report(ExecType.TRADE, order, trade.time, trade, maker)
        if order.status is Status.FILLED:
            self._report(ExecType.DONE, order, trade.time, trade, maker)
            self._events.append(OrderChanged(Action.DELETE, order))

    def _cancel(self, listing: Listing, order: Order, now: int) -> None:
        listing.book.cancel(order.order_id)
        if order.close:
            leg_key = LegKey(*listing.contract, order.side is Side.SELL)
            self.ledger.accounts[order.owner].leg(leg_key).bound -= int(order.left)
            self._legs[LegChanged(order.owner, leg_key)] = None
        order = self._put(replace(order, status=Status.CANCELLED), Action.UPDATE)
        self._report(ExecType.CANCELLED, order, now)
        self._events.append(OrderChanged(Action.DELETE, order))
        self._books[listing.instrument.key] = listing

    def _put(self, order: Order, action: Action) -> Order:
        """Keep an order with the margin it now holds, and tell of it."""
        held = ZERO
        if not order.close and not order.status.final:
            held = order_margin(
                qty=int(order.left),
                face=order.instrument.face,
                price=order.price,
                leverage=order.leverage,
            )
        area = order.instrument.key.area
        self.ledger.hold(order.owner, Wallet.CONTRACT, area, held - order.held)
        order = replace(order, held=held)
        self.blotter.put(order)
        self._margins[MarginChanged(order.owner, area)] = None
        self._events.append(OrderChanged(action, order))
        return order

    def _report(
        self,
        exec_type: ExecType,
        order: Order,
        now: int,
        trade: Trade | None = None,
        maker: bool = False,
    ) -> None:
        last = trade.qty if trade else ZERO
        self._events.append(Executed(self._next_id(now), exec_type, now, order, last, maker, trade))

    def _next_id(self, now: int) -> int:
        """Return an id that is larger than all before and shows the time, as GTE's do."""
        self._last_id = max(self._last_id + 1, (now - ID_EPOCH) << 22)
        return self._last_id
