"""The venue as a value: instruments, books, orders and accounts, one method per request.

It knows nothing of HTTP or sockets, and time is an argument. A method either raises `ApiError` and
has changed nothing, or has done all it promises when it returns. What it changed is told once, in
order, by `news.drain()`.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from decimal import Decimal

from market_maker.paper.exchange import engine
from market_maker.paper.exchange.account import (
    MAKER_FEE,
    TAKER_FEE,
    ZERO,
    Contract,
    LegKey,
    Marks,
    Mode,
    Setting,
    Wallet,
    worth,
)
from market_maker.paper.exchange.background import BACKGROUND
from market_maker.paper.exchange.blotter import Blotter, Order, Status
from market_maker.paper.exchange.clearing import Clearing, ContractClearing, SpotClearing, leg_key
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.events import (
    Action,
    ExecType,
    Executed,
    Filled,
    Liquidated,
    OrderChanged,
    Traded,
)
from market_maker.paper.exchange.history import Trade
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Instrument, Key
from market_maker.paper.exchange.ledger import INSURANCE, Ledger, Party
from market_maker.paper.exchange.listing import Listing
from market_maker.paper.exchange.moves import Depth, Index, Move, Take
from market_maker.paper.exchange.outbox import Outbox
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks

BACKGROUND_DEPOSIT = Decimal(1_000_000)
ID_EPOCH = 1_546_272_000_000  # of ids, seen in the capture: 2019-01-01 in Beijing
ID_BASE = 32_768  # in the low 22 bits of the documented ids
FUNDING_PERIOD = 8 * 3_600_000
MAX_BATCH = 50
MAX_OID = 40


class Exchange:
    """The paper venue. `BACKGROUND` are all its other participants taken together."""

    def __init__(self, instruments: Iterable[Instrument], quirks: Quirks = DEFAULTS) -> None:
        self.quirks = quirks
        self.ledger = Ledger()
        self.blotter = Blotter()
        self.listings = {instrument.key: Listing(instrument) for instrument in instruments}
        self._clearing: dict[str, Clearing] = {
            CONTRACT: ContractClearing(self.ledger, self.marks),
            SPOT: SpotClearing(self.ledger),
        }
        self._last_id = 0
        self._funded: int | None = None  # number of the last funding period
        self._pending: list[tuple[int, Order]] = []  # cancels, and when they are due
        self.outbox = Outbox()
        self._open_background_accounts()

    def _open_background_accounts(self) -> None:
        self.ledger.open_account(BACKGROUND, Mode.CROSS)
        for key, listing in self.listings.items():
            if key.kind == CONTRACT:
                self.ledger.deposit(BACKGROUND, Wallet.CONTRACT, key.area, BACKGROUND_DEPOSIT)
                self.ledger.deposit(INSURANCE, Wallet.CONTRACT, key.area, BACKGROUND_DEPOSIT)
            else:
                for asset in (key.area, listing.instrument.base):
                    self.ledger.deposit(BACKGROUND, Wallet.SPOT, asset, BACKGROUND_DEPOSIT)

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
        if listing.suspended:
            raise ApiError(Code.UNKNOWN_SYMBOL, "symbol")
        if ticks is None or price % listing.tick:
            raise ApiError(Code.PARAM_VALUE, "price")
        if lots is None:
            raise ApiError(Code.PARAM_VALUE, "qty")
        self._check_oid(owner, client_oid)
        resting = engine.Order(0, owner, side, ticks, lots)
        leverage = self._clearing[key.kind].admit(listing, resting, close)

        order = Order(
            order_id=self._next_order_id(now),
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
        order = self._put(order, None)
        self._report(ExecType.NEW, order, now)
        resting.order_id = order.order_id
        self.settle(listing, listing.book.place(resting), now)
        if resting.left == lots:
            self._report(ExecType.RESTING, order, now)
        return order.order_id

    def _check_oid(self, owner: str, client_oid: str | None) -> None:
        if client_oid is None or self.quirks.oid_unique == "none":
            return
        other = self.blotter.by_client_oid(owner, client_oid)
        if other and (self.quirks.oid_unique == "forever" or other.resting):
            raise ApiError(Code.ALREADY_CREATED, "client_oid")

    def cancel(self, owner: str, key: Key, order_id: int, now: int, *, pending_ms: int = 0) -> None:
        """Cancel a live order; it may trade on while the cancel is pending."""
        listing = self.listing(key)
        order = self.blotter.find(owner, order_id)
        if order is None or order.instrument is not listing.instrument:
            raise ApiError(Code(self.quirks.unknown_order), "order_id")
        if order.status is Status.CANCELLED:
            raise ApiError(Code.ALREADY_CANCELLED, "order_id")
        if order.status is Status.FILLED:
            raise ApiError(Code.ALREADY_FILLED, "order_id")
        if pending_ms:
            self._put(replace(order, status=Status.CANCELLING), order)
            self._pending.append((now + pending_ms, order))
        else:
            self._cancel(listing, order, now)

    def cancel_batch(
        self,
        owner: str,
        key: Key,
        order_ids: Collection[int],
        now: int,
        *,
        pending_ms: int = 0,
    ) -> None:
        """Cancel those of at most 50 orders that are live; the others are passed over."""
        self.listing(key)
        if not 0 < len(order_ids) <= MAX_BATCH:
            raise ApiError(Code.PARAM_VALUE, "filter")
        for order_id in order_ids:
            try:
                self.cancel(owner, key, order_id, now, pending_ms=pending_ms)
            except ApiError:
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

    def setting(self, owner: str, contract: Contract) -> Setting:
        """Return margin mode and leverages of a contract."""
        self.listing(Key(CONTRACT, *contract))
        return self.ledger.accounts[owner].setting(contract)

    def change_leverage(
        self, owner: str, contract: Contract, *, mode: Mode, long: bool, leverage: Decimal
    ) -> None:
        """Set margin mode and leverage; none of the owner's orders may rest in the contract."""
        key = Key(CONTRACT, *contract)
        self.listing(key)
        self.ledger.check_leverage(leverage)
        if any(order.instrument.key == key for order in self.blotter.live(owner)):
            raise ApiError(Code.ORDERS_REST)
        self.ledger.change_leverage(
            owner, contract, mode=mode, long=long, leverage=leverage, marks=self.marks()
        )
        for leg in self.ledger.accounts[owner].legs:
            if leg.contract == contract:
                self.outbox.leg(owner, leg)
        self.outbox.margin(owner, contract.area)

    def change_margin(self, owner: str, leg: LegKey, amount: Decimal) -> None:
        """Add margin to an isolated position, or remove it when the amount is negative."""
        face = self.listing(Key(CONTRACT, *leg.contract)).instrument.face
        exits = [
            worth(face=face, price=order.price)
            for order in self.blotter.live(owner)
            if order.instrument.key.kind == CONTRACT and order.close and leg_key(order) == leg
        ]
        self.ledger.change_margin(owner, leg, amount, self.marks(), exits=exits)
        self.outbox.position(owner, leg)

    def set_top_up(self, owner: str, leg: LegKey, on: bool) -> None:
        """Let a position take margin from what is available before it is liquidated, or not."""
        self.listing(Key(CONTRACT, *leg.contract))
        self.ledger.accounts[owner].leg(leg).top_up = on
        self.outbox.leg(owner, leg)

    def transfer(
        self, owner: str, asset: str, *, source: Wallet, target: Wallet, amount: Decimal
    ) -> None:
        """Move coins between two wallets of one owner."""
        for wallet in (source, target):
            if asset not in self.assets(wallet):
                raise ApiError(Code.UNKNOWN_ASSET, "asset")
        self.ledger.transfer(
            owner, asset, source=source, target=target, amount=amount, marks=self.marks()
        )
        if Wallet.CONTRACT in (source, target):
            self.outbox.margin(owner, asset)

    def withdraw(self, owner: str, asset: str, amount: Decimal, now: int) -> int:
        """Ask for a withdrawal, which waits for ever for its confirmation; return its id."""
        if asset not in self.assets(Wallet.FUNDING):
            raise ApiError(Code.UNKNOWN_ASSET, "asset")
        self.ledger.withdraw(owner, asset, amount)
        return self._next_id(now)

    def assets(self, wallet: Wallet) -> list[str]:
        """Return the coins a wallet may hold."""
        contracts = {key.area for key in self.listings if key.kind == CONTRACT}
        spot = {key.area for key in self.listings if key.kind == SPOT}
        spot |= {it.instrument.base for key, it in self.listings.items() if key.kind == SPOT}
        return sorted(contracts if wallet is Wallet.CONTRACT else contracts | spot)

    def marks(self) -> Marks:
        """Return what one of each contract is worth at its mark price."""
        return {
            listing.contract: listing.mark_worth
            for key, listing in self.listings.items()
            if key.kind == CONTRACT
        }

    def listing(self, key: Key) -> Listing:
        """Return what is listed under a key."""
        listing = self.listings.get(key)
        if listing is None:
            known = any(other[:2] == key[:2] for other in self.listings)
            raise ApiError(Code.UNKNOWN_SYMBOL if known else Code.UNKNOWN_ASSET)
        return listing

    # What others do

    def play(self, key: Key, moves: Iterable[Move], now: int) -> None:
        """Let the other participants of an instrument act."""
        listing = self.listings[key]
        for move in moves:
            match move:
                case Depth(side, price, size):
                    self.settle(listing, listing.background.rest(side, price, size), now)
                case Take(side, price, qty):
                    taker = engine.Order(0, BACKGROUND, side, price, qty)
                    self.settle(listing, listing.book.take(taker), now)
                case Index(price):
                    listing.index = price
                    self.outbox.instrument(listing)
                    if key.kind == CONTRACT:
                        self._liquidate(now)

    # What time does

    def tick(self, now: int) -> None:
        """Do what is due: pending cancels, and funding every eight hours."""
        for due, pending in list(self._pending):
            if due <= now:
                self._pending.remove((due, pending))
                order = self.blotter.find(pending.owner, pending.order_id)
                if order and order.resting:
                    self._cancel(self.listings[order.instrument.key], order, now)
        period = now // FUNDING_PERIOD
        if self._funded is None:
            self._funded = period
        if period <= self._funded:  # a clock that was ahead and is right again funds nothing twice
            return
        self._funded = period
        for listing in self.listings.values():
            if listing.instrument.key.kind != CONTRACT:
                continue
            paid = self.ledger.fund(
                listing.contract, each=listing.mark_worth, rate=listing.funding_rate
            )
            for owner, leg in paid:
                self.outbox.position(owner, leg)
        self._liquidate(now)

    def _liquidate(self, now: int) -> None:
        """Move positions that their margin no longer carries to the insurance fund."""
        marks = self.marks()
        for owner, leg in self.ledger.top_up(marks):
            self.outbox.position(owner, leg)
        for owner, legs in self.ledger.doomed(marks):
            crossed = len(legs) > 1 or self.setting(owner, legs[0].contract).mode is Mode.CROSS
            for order in self.blotter.live(owner):
                mine = leg_key(order) in legs
                if mine or (crossed and order.instrument.key[:2] == (CONTRACT, legs[0].area)):
                    self._cancel(self.listings[order.instrument.key], order, now)
            sizes = {leg: self.ledger.accounts[owner].leg(leg).qty for leg in legs}
            self.ledger.take_over(owner, legs, marks)
            for leg, qty in sizes.items():
                self.outbox.position(owner, leg)
                self.outbox.add(Liquidated(owner, leg, qty))
                self._unload(leg, qty, now)

    def _unload(self, leg: LegKey, qty: int, now: int) -> None:
        """Let the insurance fund close what it took over, at the mark or better."""
        listing = self.listings[Key(CONTRACT, *leg.contract)]
        ticks = int(listing.index / listing.instrument.tick)
        side = Side.SELL if leg.long else Side.BUY
        taker = engine.Order(0, INSURANCE, side, ticks, qty)
        self.settle(listing, listing.book.take(taker), now)

    # Changes

    def settle(self, listing: Listing, fills: Iterable[engine.Fill], now: int) -> None:
        """Book fills that a book has made, and see to it that its changes are told."""
        instrument = listing.instrument
        for maker, taker, ticks, lots in fills:
            price = instrument.price(ticks)
            trade = Trade(self._next_id(now), now, taker.side, price, instrument.qty(lots))
            listing.last = price
            listing.history.add(trade)
            self.outbox.add(Traded(instrument.key, trade, maker.owner, taker.owner))
            if maker.owner != BACKGROUND or taker.owner != BACKGROUND:
                self._clear(listing, trade, maker, taker)
            self.outbox.instrument(listing)
        self.outbox.book(listing)

    def _clear(
        self, listing: Listing, trade: Trade, maker: engine.Order, taker: engine.Order
    ) -> None:
        orders, parties = {}, {}
        for matched, rate in ((maker, MAKER_FEE), (taker, TAKER_FEE)):
            order = self.blotter.find(matched.owner, matched.order_id)
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
                self._tell_fill(self._put(after, order), trade)

    def _tell_fill(self, order: Order, trade: Trade) -> None:
        self.outbox.add(Filled(order, trade, trade.side is not order.side))
        both = self.quirks.done_report == "both"
        if order.status is not Status.FILLED or both:
            self._report(ExecType.TRADE, order, trade.time, trade)
        if order.status is Status.FILLED:
            self._report(ExecType.DONE, order, trade.time, trade)
            self.outbox.add(OrderChanged(Action.DELETE, order))

    def _cancel(self, listing: Listing, order: Order, now: int) -> None:
        listing.book.cancel(order.order_id)
        order = self._put(replace(order, status=Status.CANCELLED), order)
        self._report(ExecType.CANCELLED, order, now)
        self.outbox.add(OrderChanged(Action.DELETE, order))
        self.outbox.book(listing)

    def _put(self, order: Order, before: Order | None) -> Order:
        """Keep an order with what it now binds, and tell of it."""
        order = self._clearing[order.instrument.key.kind].bind(order, before)
        self.blotter.put(order)
        self.outbox.add(OrderChanged(Action.UPDATE if before else Action.INSERT, order))
        if order.instrument.key.kind == CONTRACT:
            self.outbox.margin(order.owner, order.instrument.key.area)
            if order.close or order.filled:
                self.outbox.leg(order.owner, leg_key(order))
        return order

    def _report(
        self, exec_type: ExecType, order: Order, now: int, trade: Trade | None = None
    ) -> None:
        last = trade.qty if trade else ZERO
        maker = trade is not None and trade.side is not order.side
        self.outbox.add(Executed(self._next_id(now), exec_type, now, order, last, maker, trade))

    def _next_order_id(self, now: int) -> int:
        """Return the id of a new order; they need not grow (V3)."""
        number = self._next_id(now)
        if self.quirks.ids_grow:
            return number
        return int(f"1{number % 10**17:017d}"[::-1])

    def _next_id(self, now: int) -> int:
        """Return an id that is larger than all before and shows the time, as GTE's do."""
        self._last_id = max(self._last_id + 1, ((now - ID_EPOCH) << 22) + ID_BASE)
        return self._last_id


def _status(order: Order, filled: Decimal) -> Status:
    """Return the status of an order that has traded."""
    if filled == order.qty:
        return Status.FILLED
    return Status.CANCELLING if order.status is Status.CANCELLING else Status.PART_FILLED
