"""Notes of our creates: by them orders without client_oid are known after a crash."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from market_maker.decimals import plain
from market_maker.models import OpenOrder, OrderRequest, OrderState, Side
from market_maker.orders.sweep import Notes

LEAVING, CREATED, REFUSED = "leaving", "created", "refused"
ID = re.compile(r"[0-9]{1,20}", re.ASCII)


def note_of(what: str, order: OrderRequest | OpenOrder, detail: str) -> str:
    """Return the line that notes what became of a create (see `GTE.on_create`)."""
    if what != LEAVING:
        return f"{what} {order.client_oid} {detail}".rstrip()
    shown = order.side.value, plain(order.price), plain(order.qty)
    return " ".join([what, order.client_oid, *shown, detail])


def read_notes(lines: Iterable[str]) -> Notes:
    """Return the ids that lines of notes hold, and the creates without one.

    A line that cannot be read, such as the last one before a crash, is left out.
    """
    ids: set[str] = set()
    open_creates: dict[str, OpenOrder] = {}
    for line in lines:
        match line.split():
            case ["leaving", client_oid, side, price, qty, time]:
                order = _create(client_oid, side, price, qty, time)
                if order:
                    open_creates[client_oid] = order
            case ["created", client_oid, order_id] if ID.fullmatch(order_id):
                ids.add(order_id)
                open_creates.pop(client_oid, None)
            case ["refused", client_oid]:
                open_creates.pop(client_oid, None)
    return Notes(frozenset(ids), tuple(open_creates.values()))


def _create(client_oid: str, side: str, price: str, qty: str, time: str) -> OpenOrder | None:
    try:
        return OpenOrder(
            side=Side(side),
            price=Decimal(price),
            qty=Decimal(qty),
            client_oid=client_oid,
            ctime=int(time),
            state=OrderState.UNKNOWN,
        )
    except (ValueError, InvalidOperation):
        return None
