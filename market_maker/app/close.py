"""`marketmaker cancel --close`: close the account's position in the symbol, long and short.

Each round sees the position anew, on a new connection, sends one closing order for one leg, gives
it a while, and cancels what is left of it. A closing order cannot open the other leg, and two at
once could trade with each other.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal

from market_maker.account import Account
from market_maker.clock import SYSTEM
from market_maker.decimals import exact, plain, to_grid
from market_maker.errors import (
    AlreadyRunning,
    OrdersLeft,
    OutcomeUnknown,
    RequestError,
    SettingsError,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.models import Instrument, OrderRequest, Position, Side
from market_maker.orders import sweep
from market_maker.settings import settings

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 60.0
"""After so long no new order is sent."""
ORDER_SECONDS = 10.0
"""How long an order may rest before it is cancelled, and another one sent at a new price."""
FEED_SECONDS = 10.0
LOOK_EVERY = 0.2
DEPTH = 50
"""So many levels of the book are read for the price of an order."""


def run(account: Account, *, confirm: Callable[[], bool]) -> None:
    """Close the position, and prove that it is closed and that no own order is left.

    `confirm()` is asked once the orders are known. Nothing is bought or sold beyond PRICE_COLLAR
    from the mid at the beginning. Raises SettingsError on spot, AlreadyRunning while a bot trades
    the symbol, and OrdersLeft for a position, or an order, that is left.
    """
    if not account.is_contract:
        raise SettingsError("--close is for contracts: on spot there is no position to close")
    files = RunFiles(account)
    _refuse_beside_a_bot(files)
    files.lock.take()
    try:
        _Close(account, files).run(confirm)
    finally:
        files.lock.release()


def asked() -> bool:
    """Ask on the terminal. Raises SettingsError where there is none."""
    if not sys.stdin.isatty():
        raise SettingsError("there is no terminal to ask on: --yes closes without asking")
    return input("Close? [y/N] ").strip().lower() in ("y", "yes")


def _refuse_beside_a_bot(files: RunFiles) -> None:
    for prefix, holder in files.bots_of_the_symbol():
        if not holder.is_guard:
            raise AlreadyRunning(
                f"process {holder.pid or 'not named'} trades this symbol (ORDERID_PREFIX {prefix}):"
                " stop it first, --close closes the position of the whole account"
            )


class _Close:
    """The rounds of one close."""

    def __init__(self, account: Account, files: RunFiles) -> None:
        self._account = account
        self._files = files
        self._worst: dict[Side, Decimal] = {}
        """The lowest price for a sell and the highest for a buy."""
        self._turn = 0

    def run(self, confirm: Callable[[], bool]) -> None:
        """Go on until the position is closed or the time is over. Raises OrdersLeft."""
        position = self._round(None)
        if _is_open(position) and not confirm():
            logger.info("Nothing was sent.")
            return
        deadline = SYSTEM.monotonic() + CLOSE_SECONDS
        try:
            while _is_open(position):
                if SYSTEM.monotonic() >= deadline:
                    raise OrdersLeft(f"the position is not closed: {_in_words(position)} left")
                self._round(deadline)
                position = self._round(None)
        except (VenueUnreachable, RequestError) as error:
            raise OrdersLeft(f"the position may not be closed: {error}") from None
        logger.info("No position is left in %s.", self._account.symbol)

    def _round(self, deadline: float | None) -> Position:
        """Look at the position; with a deadline, send an order and prove that none is left."""
        gte = GTE(self._account, shared=self._files.shared())
        try:
            assert gte.ws
            gte.ws.start()
            position = _shown(gte)
            instrument = gte.ws.get_instrument()
            assert instrument  # its table is among the needed ones
            orders = list(self._orders(gte, position, instrument))
            if deadline is None:
                for order in orders:
                    worst = plain(self._worst[order.side])
                    logger.info("To close: %s, at %s at worst.", order, worst)
                return position
            if orders:
                self._send(gte, orders[self._turn % len(orders)], deadline)
                self._turn += 1
            return position
        finally:
            gte.exit()

    def _orders(
        self, gte: GTE, position: Position, instrument: Instrument
    ) -> Iterator[OrderRequest]:
        """Yield a closing order for each leg, at the price for which the book has the quantity."""
        for side, leg in ((Side.SELL, position.long), (Side.BUY, position.short)):
            qty = min(leg.qty, leg.available, exact(settings.MAX_ORDER_QTY))
            if leg.qty and not qty:
                logger.warning("%s are bound by other closing orders.", plain(leg.qty))
            if qty and (price := self._price(gte, side, qty, instrument)):
                oid = gte.new_client_oid()
                yield OrderRequest(side=side, price=price, qty=qty, close=True, client_oid=oid)

    def _price(self, gte: GTE, side: Side, qty: Decimal, instrument: Instrument) -> Decimal | None:
        assert gte.ws
        book = gte.ws.market_depth(DEPTH)
        mid = gte.ws.get_ticker().mid
        if mid is None:
            logger.warning("The order book is empty on a side: no order.")
            return None
        collar = exact(settings.PRICE_COLLAR)
        self._worst.setdefault(side, to_grid(mid * (1 + side.sign * collar), instrument.tick))
        price, found = mid, Decimal(0)
        for level, size in book["bids" if side is Side.SELL else "asks"]:
            price, found = Decimal(level), found + Decimal(size)
            if found >= qty:
                break
        worst = self._worst[side]
        return worst if side.better(price, worst) else price

    def _send(self, gte: GTE, order: OrderRequest, deadline: float) -> None:
        """Send an order, wait until its leg is closed, and prove that it does not rest."""
        assert gte.ws
        until = min(deadline, SYSTEM.monotonic() + ORDER_SECONDS)
        self._files.note_run(gte.run)
        gte.on_create = self._files.note_create
        may_be_late = False
        try:
            gte.create_order(order)
            logger.info("Sent: %s.", order)
            while SYSTEM.monotonic() < until and _closable(gte.ws.position(), order.side):
                SYSTEM.sleep(LOOK_EVERY)
        except RequestError as error:
            may_be_late = isinstance(error, OutcomeUnknown)
            logger.warning("%s", error)
        finally:
            sweep.prove_none_left(
                gte,
                SYSTEM,
                sweep.LEAVE_SECONDS,
                notes=self._files.notes(),
                may_be_late=may_be_late,
            )
            self._files.note_proven_clean()


def _shown(gte: GTE) -> Position:
    """Return the position that a new connection shows. Raises VenueUnreachable without one."""
    assert gte.ws
    try:
        gte.ws.wait_for_tables(gte.ws.needed, FEED_SECONDS)
    except VenueUnreachable:
        is_flat = gte.ws.missing() == ["position"] and all(
            margin.position_margin == 0 for margin in gte.account_query()
        )
        if not is_flat:  # a venue may show no table that is empty
            raise
    return gte.ws.position()


def _is_open(position: Position) -> bool:
    return any(_closable(position, side) for side in Side)


def _closable(position: Position, side: Side) -> Decimal:
    """Return the quantity that orders of a side can close."""
    return position.long.qty if side is Side.SELL else position.short.qty


def _in_words(position: Position) -> str:
    return f"long {plain(position.long.qty)}, short {plain(position.short.qty)}"
