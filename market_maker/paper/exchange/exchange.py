"""The exchange without I/O: instruments, books, orders and accounts, one method per request.

Time is an argument, in ms UTC. A method that raises ApiError has changed nothing. What a method
changes is published once, in order, by `outbox.drain()`.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from decimal import Decimal

from market_maker.paper.exchange import engine
from market_maker.paper.exchange.account import (
    Contract,
    LegKey,
    Marks,
    Mode,
    Setting,
    Wallet,
    worth,
)
from market_maker.paper.exchange.blotter import Blotter, Order, Status
from market_maker.paper.exchange.clearing import Clearing, ContractClearing, SpotClearing, leg_key
from market_maker.paper.exchange.engine import BACKGROUND, Side
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.events import ExecType
from market_maker.paper.exchange.funding import Funding
from market_maker.paper.exchange.ids import Ids
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Instrument, Key
from market_maker.paper.exchange.ledger import INSURANCE, Ledger
from market_maker.paper.exchange.liquidation import Liquidator
from market_maker.paper.exchange.listing import Listing
from market_maker.paper.exchange.moves import Index, Move
from market_maker.paper.exchange.outbox import Outbox
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.exchange.settlement import Settlement

BACKGROUND_DEPOSIT = Decimal(1_000_000)
MAX_BATCH = 50
MAX_OID = 40  # characters


class Exchange:
    """All books and accounts of the venue. It never reads a clock and does no I/O."""

    def __init__(self, instruments: Iterable[Instrument], quirks: Quirks = DEFAULTS) -> None:
        self.quirks = quirks
        self.ledger = Ledger()
        self.blotter = Blotter()
        self.listings = {instrument.key: Listing(instrument) for instrument in instruments}
        self._clearing: dict[str, Clearing] = {
            CONTRACT: ContractClearing(self.ledger, self.marks),
            SPOT: SpotClearing(self.ledger),
        }
        self.outbox = Outbox()
        self._ids = Ids()
        self.settlement = Settlement(
            blotter=self.blotter,
            clearing=self._clearing,
            outbox=self.outbox,
            ids=self._ids,
            quirks=lambda: self.quirks,
        )
        self._liquidator = Liquidator(
            ledger=self.ledger,
            blotter=self.blotter,
            outbox=self.outbox,
            settlement=self.settlement,
            listings=self.listings,
            marks=self.marks,
        )
        self._funding = Funding(ledger=self.ledger, outbox=self.outbox, listings=self.listings)
        self._pending: list[tuple[int, Order]] = []  # (due time in ms, cancel)
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

    # Requests of users

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
        """Place a limit order, match it, and return its id.

        `price` is in the quote currency, `qty` in contracts or, in spot, in coins. Raise ApiError
        for a wrong price, quantity or client_oid, or if the owner cannot cover the order.
        """
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
            order_id=self._ids.next_order(now, grow=self.quirks.ids_grow),
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
        order = self.settlement.put(order, None)
        self.settlement.report(ExecType.NEW, order, now)
        resting.order_id = order.order_id
        self.settlement.settle(listing, listing.book.place(resting), now)
        if resting.left:
            listing.background.queue_up(resting)
        if resting.left == lots:
            self.settlement.report(ExecType.RESTING, order, now)
        return order.order_id

    def _check_oid(self, owner: str, client_oid: str | None) -> None:
        if client_oid is None or self.quirks.oid_unique == "none":
            return
        other = self.blotter.by_client_oid(owner, client_oid)
        if other and (self.quirks.oid_unique == "forever" or other.resting):
            raise ApiError(Code.ALREADY_CREATED, "client_oid")

    def cancel(self, owner: str, key: Key, order_id: int, now: int, *, pending_ms: int = 0) -> None:
        """Cancel a live order after `pending_ms`, until when it may still be filled.

        Raise ApiError if the order is unknown or finished.
        """
        listing = self.listing(key)
        order = self.blotter.find(owner, order_id)
        if order is None or order.instrument is not listing.instrument:
            raise ApiError(Code(self.quirks.unknown_order), "order_id")
        if order.status is Status.CANCELLED:
            raise ApiError(Code.ALREADY_CANCELLED, "order_id")
        if order.status is Status.FILLED:
            raise ApiError(Code.ALREADY_FILLED, "order_id")
        if pending_ms:
            self.settlement.put(replace(order, status=Status.CANCELLING), order)
            self._pending.append((now + pending_ms, order))
        else:
            self.settlement.cancel(listing, order, now)

    def cancel_batch(
        self,
        owner: str,
        key: Key,
        order_ids: Collection[int],
        now: int,
        *,
        pending_ms: int = 0,
    ) -> None:
        """Cancel the live ones of at most 50 orders; ignore the rest."""
        self.listing(key)
        if not 0 < len(order_ids) <= MAX_BATCH:
            raise ApiError(Code.PARAM_VALUE, "filter")
        for order_id in order_ids:
            try:
                self.cancel(owner, key, order_id, now, pending_ms=pending_ms)
            except ApiError:
                continue

    def setting(self, owner: str, contract: Contract) -> Setting:
        """Return margin mode and leverages of a contract."""
        self.listing(Key(CONTRACT, *contract))
        return self.ledger.accounts[owner].setting(contract)

    def change_leverage(
        self, owner: str, contract: Contract, *, mode: Mode, long: bool, leverage: Decimal
    ) -> None:
        """Set margin mode and leverage of a contract; `long` selects the side in isolated mode.

        Raise ApiError while an order of the owner rests in it, or if the margin is insufficient.
        """
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
        """Add coins to the margin of an isolated leg, or remove some if the amount is negative."""
        face = self.listing(Key(CONTRACT, *leg.contract)).instrument.face
        exits = [
            worth(face=face, price=order.price)
            for order in self.blotter.live(owner)
            if order.instrument.key.kind == CONTRACT and order.close and leg_key(order) == leg
        ]
        self.ledger.change_margin(owner, leg, amount, self.marks(), exits=exits)
        self.outbox.position(owner, leg)

    def set_top_up(self, owner: str, leg: LegKey, on: bool) -> None:
        """Switch the automatic top-up of a leg, before a liquidation, on or off."""
        self.listing(Key(CONTRACT, *leg.contract))
        self.ledger.accounts[owner].leg(leg).top_up = on
        self.outbox.leg(owner, leg)

    def transfer(
        self, owner: str, asset: str, *, source: Wallet, target: Wallet, amount: Decimal
    ) -> None:
        """Move coins between two wallets of one owner; raise ApiError if they are not available."""
        for wallet in (source, target):
            if asset not in self.assets(wallet):
                raise ApiError(Code.UNKNOWN_ASSET, "asset")
        self.ledger.transfer(
            owner, asset, source=source, target=target, amount=amount, marks=self.marks()
        )
        if Wallet.CONTRACT in (source, target):
            self.outbox.margin(owner, asset)

    def withdraw(self, owner: str, asset: str, amount: Decimal, now: int) -> int:
        """Request a withdrawal of coins, which is never confirmed, and return its id."""
        if asset not in self.assets(Wallet.FUNDING):
            raise ApiError(Code.UNKNOWN_ASSET, "asset")
        self.ledger.withdraw(owner, asset, amount)
        return self._ids.next(now)

    def assets(self, wallet: Wallet) -> list[str]:
        """Return the coins that a wallet may hold, sorted."""
        contracts = {key.area for key in self.listings if key.kind == CONTRACT}
        spot = {key.area for key in self.listings if key.kind == SPOT}
        spot |= {it.instrument.base for key, it in self.listings.items() if key.kind == SPOT}
        return sorted(contracts if wallet is Wallet.CONTRACT else contracts | spot)

    def marks(self) -> Marks:
        """Return the worth of one of each contract at its mark price, in coins."""
        return {
            listing.contract: listing.mark_worth
            for key, listing in self.listings.items()
            if key.kind == CONTRACT
        }

    def listing(self, key: Key) -> Listing:
        """Return the listing of a key; raise ApiError if there is none."""
        listing = self.listings.get(key)
        if listing is None:
            known = any(other[:2] == key[:2] for other in self.listings)
            raise ApiError(Code.UNKNOWN_SYMBOL if known else Code.UNKNOWN_ASSET)
        return listing

    # Moves of the other participants

    def play(self, key: Key, moves: Iterable[Move], now: int) -> None:
        """Apply moves of the other participants of an instrument."""
        listing = self.listings[key]
        for move in moves:
            if isinstance(move, Index):
                listing.index = move.price
                self.outbox.instrument(listing)
                if key.kind == CONTRACT:
                    self._liquidator.run(now)
            elif fills := listing.background.play(move):
                self.settlement.settle(listing, fills, now)
        self.outbox.book(listing)

    # Due times

    def tick(self, now: int) -> None:
        """Do what is due: pending cancels, and funding every eight hours."""
        for due, pending in list(self._pending):
            if due <= now:
                self._pending.remove((due, pending))
                order = self.blotter.find(pending.owner, pending.order_id)
                if order and order.resting:
                    self.settlement.cancel(self.listings[order.instrument.key], order, now)
        if self._funding.run(now):
            self._liquidator.run(now)
