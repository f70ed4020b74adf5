"""`marketmaker cancel --close`: close the account's position in the symbol, long and short.

Each round sees the position anew, on a new connection, sends one closing order for one leg, gives
it a while, and cancels what is left of it. A closing order cannot open the other leg, and two at
once could trade with each other.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from market_maker.account import Account
from market_maker.clock import SYSTEM
from market_maker.control import Control
from market_maker.decimals import exact, plain, to_grid
from market_maker.errors import (
    AlreadyRunning,
    Fatal,
    OutcomeUnknown,
    PositionLeft,
    RequestError,
    SettingsError,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.signals import Signals
from market_maker.models import OrderRequest, OrderState, Position, Side
from market_maker.orders import sweep
from market_maker.settings import settings

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 60.0
"""After so long no new order is sent."""
ORDER_SECONDS = 10.0
"""How long an order may rest before it is cancelled, and another one sent at a new price."""
PAUSE_SECONDS = 2.0
"""Between two rounds."""
FEED_SECONDS = 10.0
LOOK_EVERY = 0.2
DEPTH = 50
"""So many levels of the book are read for the price of an order."""


def run(account: Account, *, confirm: Callable[[], bool]) -> None:
    """Close the position, and prove that it is closed and that no own order is left.

    `confirm()` is asked once the orders have been shown. No more than that is closed, and nothing
    beyond PRICE_COLLAR from the mid at that time. Raises SettingsError on spot, AlreadyRunning
    while a bot trades the symbol, VenueUnreachable or RequestError where it cannot be seen,
    PositionLeft for a position that is left, or may be, and OrdersLeft for an order.
    """
    refuse(account, asks=False)
    files = RunFiles(account)
    files.lock.take()
    try:
        _Close(account, files).run(confirm)
    finally:
        files.lock.release()


def refuse(account: Account, *, asks: bool) -> None:
    """Refuse what `run()` would refuse, before anything is done. Raises as it does.

    And SettingsError where there is no terminal to ask on.
    """
    if not account.is_contract:
        raise SettingsError("--close is for contracts: on spot there is no position to close")
    if asks and not (sys.stdin and sys.stdin.isatty()):
        raise SettingsError("there is no terminal to ask on: --yes closes without asking")
    _refuse_beside_a_bot(RunFiles(account))


def ask() -> bool:
    """Ask on the terminal."""
    try:
        return input("Close? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, OSError):  # Ctrl-D, or the terminal has gone
        return False


def _refuse_beside_a_bot(files: RunFiles, *, but_us: bool = False) -> None:
    for prefix, holder in files.bots_of_the_symbol():
        if but_us and holder.pid == os.getpid():
            continue
        raise AlreadyRunning(
            f"process {holder.pid or 'not named'} trades this symbol (ORDERID_PREFIX {prefix}):"
            " stop it first, --close closes the position of the whole account"
        )


class _Close:
    """The rounds of one close."""

    def __init__(self, account: Account, files: RunFiles) -> None:
        self._account = account
        self._files = files
        self._control = Control()
        self._worst: dict[Side, Decimal] = {}
        """The lowest price for a sell and the highest for a buy."""
        self._left: dict[Side, Decimal] = {}
        """The quantity that may still be closed by orders of a side: what was shown."""
        self._turn = 0

    def run(self, confirm: Callable[[], bool]) -> None:
        """Go on until the position is closed, the time is over, or a signal comes."""
        signals = Signals()
        signals.install()
        if not self._show():
            return
        if not confirm():
            raise PositionLeft("no closing order was sent; the position is as it was")
        signals.pass_to(self._control)
        deadline = SYSTEM.monotonic() + CLOSE_SECONDS
        is_open = True
        while is_open:
            try:
                is_open = self._round(deadline)
            except (VenueUnreachable, RequestError) as error:
                logger.warning("%s", error)
                is_over = isinstance(error, Fatal) or self._has_ended()
                if is_over or SYSTEM.monotonic() >= deadline:
                    raise PositionLeft(f"the position may not be closed: {error}") from None
            if is_open and not self._has_ended():
                SYSTEM.wait(self._control.wake, PAUSE_SECONDS)
        logger.info("No position is left in %s.", self._account.symbol)

    def _show(self) -> bool:
        """Show the orders as they would be now; return whether there is a position."""
        with self._connected() as gte:
            assert gte.ws
            position, mid, instrument = _seen(gte), gte.ws.get_ticker().mid, gte.ws.get_instrument()
            self._left = {side: _held(position, side) for side in Side}
            if not any(self._left.values()):
                logger.info("No position is left in %s.", self._account.symbol)
                return False
            if mid is None or instrument is None:
                raise VenueUnreachable(
                    "the order book is empty on a side: there is no mid to go by"
                )
            collar = exact(settings.PRICE_COLLAR)
            for side in Side:
                self._worst[side] = to_grid(mid * (1 + side.sign * collar), instrument.tick)
            for order in self._orders(gte, position):
                logger.info("To close: %s, at %s at worst.", order, plain(self._worst[order.side]))
            return True

    def _round(self, deadline: float) -> bool:
        """Send one order, and prove that none is left; return whether there is still a position.

        Raises PositionLeft once the time is over.
        """
        with self._connected() as gte:
            position = _seen(gte)
            if not any(_held(position, side) for side in Side):
                return False
            if SYSTEM.monotonic() >= deadline or self._has_ended():
                words = f"long {plain(position.long.qty)}, short {plain(position.short.qty)} left"
                raise PositionLeft(f"the position is not closed: {words}")
            _refuse_beside_a_bot(self._files, but_us=True)
            if orders := list(self._orders(gte, position)):
                self._turn += 1
                self._send(gte, orders[self._turn % len(orders)], deadline)
            return True

    def _orders(self, gte: GTE, position: Position) -> Iterator[OrderRequest]:
        """Yield a closing order for each leg, at the price for which the book has the quantity."""
        for side, leg in ((Side.SELL, position.long), (Side.BUY, position.short)):
            most = min(leg.available, self._left[side], exact(settings.MAX_ORDER_QTY))
            if leg.qty and not leg.available:
                logger.warning("%s are bound by other closing orders.", plain(leg.qty))
            elif leg.qty and not most:
                logger.warning("%s have come since the question was asked.", plain(leg.qty))
            qty = min(leg.qty, most)
            price = self._price(gte, side, qty) if qty else None
            if price and not self._is_in_the_way(gte, side, price):
                oid = gte.new_client_oid()
                yield OrderRequest(side=side, price=price, qty=qty, close=True, client_oid=oid)

    def _is_in_the_way(self, gte: GTE, side: Side, price: Decimal) -> bool:
        """Return whether an order of this account, of whatever prefix, would trade with ours."""
        assert gte.ws
        others = [order for order in gte.ws.open_orders() if order.side is not side]
        crossed = [order for order in others if not order.side.better(price, order.price)]
        for order in crossed:
            logger.warning("%s of this account is in the way: cancel it first.", order)
        return bool(crossed)

    def _price(self, gte: GTE, side: Side, qty: Decimal) -> Decimal | None:
        """Return the price down to which the book has a quantity; None for an empty side."""
        assert gte.ws
        levels = gte.ws.market_depth(DEPTH)["bids" if side is Side.SELL else "asks"]
        found, price = Decimal(0), None
        for level, size in levels:
            price, found = Decimal(level), found + Decimal(size)
            if found >= qty:
                break
        if price is None:
            logger.warning("The order book is empty on a side: no order.")
            return None
        worst = self._worst[side]
        return worst if side.better(price, worst) else price

    def _send(self, gte: GTE, order: OrderRequest, deadline: float) -> None:
        """Send an order, give it a while, and prove that it does not rest."""
        until = min(deadline, SYSTEM.monotonic() + ORDER_SECONDS)
        self._files.note_run(gte.run)
        gte.on_create = self._files.note_create
        may_be_late = True
        try:
            order_id = gte.create_order(order, lambda: not self._has_ended())
            may_be_late = False
            logger.info("Sent: %s.", order)
            self._left[order.side] -= self._filled(gte, order_id, until)
        except RequestError as error:
            may_be_late = isinstance(error, OutcomeUnknown)
            logger.warning("%s", error)
            if isinstance(error, Fatal):
                raise
        finally:
            sweep.prove_none_left(
                gte,
                SYSTEM,
                sweep.LEAVE_SECONDS,
                notes=self._files.notes(),
                may_be_late=may_be_late,
            )
            self._files.note_proven_clean()

    def _filled(self, gte: GTE, order_id: str, until: float) -> Decimal:
        """Wait until an order has ended; return its filled quantity as far as the feed tells."""
        assert gte.ws
        filled = Decimal(0)
        while SYSTEM.monotonic() < until and not self._has_ended():
            for row, _ in gte.ws.drain_news():
                if row.order_id == order_id:
                    filled = max(filled, row.filled)
                    if row.state is OrderState.DONE:
                        return filled
            SYSTEM.sleep(LOOK_EVERY)
        return filled

    def _has_ended(self) -> bool:
        """Return whether a signal has asked for the end, or for a halt."""
        return self._control.is_stopping or self._control.is_halted

    @contextmanager
    def _connected(self) -> Iterator[GTE]:
        """Have a client on a new connection: only its first image shows what has vanished."""
        shared = self._files.shared()
        gte = GTE(self._account, shared=shared)
        try:
            assert gte.ws
            gte.instrument_query()  # any answer tells the venue's time, which the login needs
            gte.ws.start()
            yield gte
        finally:
            gte.exit()
            shared.close()


def _seen(gte: GTE) -> Position:
    """Return the position, once the feed shows it. Raises VenueUnreachable or RequestError."""
    assert gte.ws
    try:
        gte.ws.wait_for_tables(gte.ws.needed, FEED_SECONDS)
    except VenueUnreachable:
        if gte.ws.missing() != ["position"]:
            raise
        margins = gte.account_query()  # a venue may show no table that is empty
        if not margins or any(margin.position_margin != 0 for margin in margins):
            raise
    return gte.ws.position()


def _held(position: Position, side: Side) -> Decimal:
    """Return the quantity of the leg that orders of a side close."""
    return position.long.qty if side is Side.SELL else position.short.qty
