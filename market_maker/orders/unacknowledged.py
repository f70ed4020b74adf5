"""Orders that the venue has not acknowledged: which rows may be theirs, and when none can come."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from market_maker.client_oid import is_ours
from market_maker.models import OpenOrder, Side


@dataclass(slots=True)
class _Sent:
    """What is known of one order that the venue has not acknowledged yet."""

    id_floor: str
    """The highest order id when it was sent: its own id is higher (design: The wire)."""
    given_up_at: float | None = None
    """When its answer was given up, in steady seconds: no byte of it left later."""
    is_alike: bool = False
    """Whether a row without our client_oid may be this order: then it does not count as absent."""


class Unacknowledged:
    """Sent orders, by client_oid, until the venue acknowledges them or they end."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._sent: dict[str, _Sent] = {}
        self.highest_id = ""
        """The highest order_id that was recorded."""
        self._rows_lack_oid: bool | None = None
        """Whether rows of own orders lack client_oid, as captured contract rows do.

        None while no such row has arrived.
        """

    def record_id(self, order_id: str) -> None:
        """Record an order id, own or foreign, to know the highest id so far."""
        self.highest_id = max(self.highest_id, order_id, key=id_number)

    def add(self, client_oid: str) -> None:
        """Record an order before its first byte leaves."""
        self._sent[client_oid] = _Sent(self.highest_id)

    def give_up(self, client_oid: str, now: float) -> None:
        """Record that no byte of an order leaves after `now`, and that no answer will come."""
        self._sent[client_oid].given_up_at = now

    def drop(self, client_oid: str) -> None:
        """Forget an order that the venue has acknowledged, or that has ended."""
        self._sent.pop(client_oid, None)

    def id_floor(self) -> str:
        """Return an id below that of every order of unknown outcome."""
        floors = (sent.id_floor for sent in self._sent.values() if sent.given_up_at is not None)
        return min(floors, key=id_number, default="")

    def may_arrive(self, client_oid: str, may_be_late: Callable[[float], bool]) -> bool:
        """Return whether an order of unknown outcome may still show up.

        `may_be_late(t)` returns whether an order whose last byte left by `t` may still arrive.
        """
        sent = self._sent.get(client_oid)
        if not sent or sent.given_up_at is None:
            return False
        return sent.is_alike or may_be_late(sent.given_up_at)

    def claim(
        self, rows: Iterable[OpenOrder], unknown: Iterable[OpenOrder], oid_of: Mapping[str, str]
    ) -> dict[str, str]:
        """Match rows without client_oid to orders of unknown outcome.

        A row matches if its id is above every id known when the order was sent, and side, price,
        quantity and leg are equal. Where rows of own orders are known to lack client_oid, it counts
        as the order; where that is not known, as long as such rows do not outnumber such orders, as
        in `notes.claimed()`. Otherwise a match proves nothing, but the order does not count as
        absent. `oid_of` has the client_oids of the order ids that are known; returned are those
        that the rows add to it.
        """
        rows = list(rows)
        for row in rows:
            if row.order_id in oid_of:
                self._rows_lack_oid = not is_ours(row.client_oid, self._prefix)
        strange = [row for row in rows if not is_ours(row.client_oid, self._prefix)]
        claimed: dict[str, str] = {}
        unknown = list(unknown) if self._rows_lack_oid is not False else []
        waiting = Counter(map(_shape, unknown))
        for order in unknown:
            sent, shape = self._sent[order.client_oid], _shape(order)
            alike = [
                row
                for row in strange
                if row.order_id not in oid_of
                and row.order_id not in claimed
                and id_number(row.order_id) > id_number(sent.id_floor)
                and _shape(row) == shape
            ]
            nameless = [row for row in alike if not row.client_oid]
            if nameless and (self._rows_lack_oid or len(nameless) <= waiting[shape]):
                claimed[nameless[0].order_id] = order.client_oid
            waiting[shape] -= 1
            sent.is_alike = bool(alike)
        return claimed


def id_number(order_id: str) -> int:
    """Return an order_id as a number: the larger, the younger."""
    return int(order_id or 0)


def _shape(order: OpenOrder) -> tuple[Side, Decimal, Decimal, bool]:
    return order.side, order.price, order.qty, order.close
