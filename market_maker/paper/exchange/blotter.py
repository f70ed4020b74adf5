"""The blotter: every order of the users, live or recently finished, by id."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import SPOT, Instrument

ZERO = Decimal(0)
KEPT_FINISHED = 10_000


class Status(IntEnum):
    """The status of an order, with the numbers of the wire."""

    PENDING = 1
    LIVE = 2
    CANCELLING = 4
    CANCELLED = 8
    PART_FILLED = 16
    FILLED = 32

    @property
    def final(self) -> bool:
        """Return whether the order can no longer change."""
        return self in (Status.CANCELLED, Status.FILLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A user's order at one moment; each change makes a new value with the same id.

    Prices are in the quote currency, `qty` and `filled` in contracts or coins, `ctime` in ms UTC.
    """

    order_id: int
    client_oid: str | None
    owner: str
    instrument: Instrument
    side: Side
    close: bool
    price: Decimal
    qty: Decimal
    leverage: Decimal
    ctime: int
    status: Status = Status.LIVE
    filled: Decimal = ZERO
    value: Decimal = ZERO  # of the filled part: its worth when it traded; in spot its price
    fee: Decimal = ZERO
    held: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        """Return the quantity that has not been filled."""
        return self.qty - self.filled

    @property
    def resting(self) -> Decimal:
        """Return the quantity that can still be filled: 0 for a finished order."""
        return ZERO if self.status.final else self.left

    @property
    def average_price(self) -> Decimal:
        """Return the average price of the fills, 0 while nothing is filled."""
        if not self.filled:
            return ZERO
        if self.instrument.key.kind == SPOT:
            return self.value / self.filled
        return self.filled * self.instrument.face / self.value


class Blotter:
    """Orders by id. It keeps the latest finished ones only, so its memory is bounded."""

    def __init__(self) -> None:
        self._live: dict[str, dict[int, Order]] = {}
        self._done: dict[int, Order] = {}
        self._oids: dict[tuple[str, str], int] = {}

    def put(self, order: Order) -> None:
        """Store an order, new or changed."""
        live = self._live.setdefault(order.owner, {})
        if order.client_oid is not None:
            self._oids[order.owner, order.client_oid] = order.order_id
        if not order.status.final:
            live[order.order_id] = order
            return
        live.pop(order.order_id, None)
        self._done[order.order_id] = order
        if len(self._done) > KEPT_FINISHED:
            oldest = self._done.pop(next(iter(self._done)))
            if oldest.client_oid is not None:
                self._oids.pop((oldest.owner, oldest.client_oid), None)

    def find(self, owner: str, order_id: int) -> Order | None:
        """Return an order of this owner, None if the id is unknown or another owner's."""
        order = self._live.get(owner, {}).get(order_id) or self._done.get(order_id)
        return order if order and order.owner == owner else None

    def by_client_oid(self, owner: str, client_oid: str) -> Order | None:
        """Return the owner's order with this client_oid, None if there is none."""
        order_id = self._oids.get((owner, client_oid))
        return None if order_id is None else self.find(owner, order_id)

    def live(self, owner: str) -> list[Order]:
        """Return the live orders of an owner, in order of arrival."""
        return list(self._live.get(owner, {}).values())

    def all(self, owner: str, statuses: Collection[Status]) -> list[Order]:
        """Return the orders of an owner with one of these statuses, by ascending id."""
        orders = self.live(owner)
        if any(status.final for status in statuses):
            orders += [order for order in self._done.values() if order.owner == owner]
        found = [order for order in orders if order.status in statuses]
        return sorted(found, key=lambda order: order.order_id)

    def page(
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
        """Return at most `count` orders of an area, or of one symbol in it.

        The page begins with the oldest order, or after the id `above`, both ascending, or before
        the id `below`, descending.
        """
        found = [
            order
            for order in self.all(owner, statuses)
            if order.instrument.key[:2] == (kind, area)
            and symbol in (None, order.instrument.key.symbol)
        ]
        if above is not None:
            return [order for order in found if order.order_id > above][:count]
        if below is not None:
            return [order for order in reversed(found) if order.order_id < below][:count]
        return found[:count]
