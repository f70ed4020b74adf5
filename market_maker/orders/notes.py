"""Notes on creates: by them, orders without client_oid are known to a process after their run."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from market_maker.decimals import plain
from market_maker.models import CreateEvent, OpenOrder, OrderRequest, OrderState, Side

CLOCK_TOLERANCE_MS = 60_000
"""How much older than its note an order may be: the venue's clock may have been set."""
STEP_MS = 3_600_000 + CLOCK_TOLERANCE_MS
"""An order that is older by no more than this may be ours yet, if the clock was set by an hour."""
END = "."
"""Ends each note: without it, a torn id would look like another order's."""
ID = re.compile(r"[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes on our creates, for a process that outlives the run that sent them."""

    ids: frozenset[str] = frozenset()
    """The order_ids of accepted creates."""
    open_creates: tuple[OpenOrder, ...] = ()
    """Creates that left and have no noted answer; `ctime` is the venue's time of sending in ms."""
    is_whole: bool = True
    """Whether all that was noted could be read."""


NO_NOTES = Notes()


def claimed(rows: Sequence[OpenOrder], notes: Notes) -> tuple[set[str], tuple[OpenOrder, ...]]:
    """Return the ids of the rows that are ours by the notes, and the rows whose owner is unknown.

    A row with a noted id is ours. So is a row without client_oid that matches a create without a
    noted answer in side, price and quantity and is not older, as long as such rows do not outnumber
    such creates. If they do, or not all notes could be read, their owner is unknown. If they are
    fewer, so is that of matching rows whose time cannot be read, or is older by up to STEP_MS.
    """
    ours = {row.order_id for row in rows if row.order_id in notes.ids}
    if not notes.is_whole:
        return ours, tuple(row for row in rows if not row.client_oid and row.order_id not in ours)
    ambiguous: list[OpenOrder] = []
    creates: dict[object, list[OpenOrder]] = defaultdict(list)
    for create in notes.open_creates:
        creates[create.side, create.price, create.qty].append(create)
    for shape, alike in creates.items():
        first = min(create.ctime for create in alike)
        nameless = [
            row
            for row in rows
            if not row.client_oid
            and row.order_id not in ours
            and (row.side, row.price, row.qty) == shape
        ]
        since = first - CLOCK_TOLERANCE_MS
        fitting = [row for row in nameless if row.ctime >= since]
        doubtful = [r for r in nameless if not r.ctime or first - STEP_MS <= r.ctime < since]
        if len(fitting) > len(alike):
            ambiguous += fitting
            continue
        ours |= {row.order_id for row in fitting}
        if len(fitting) < len(alike):
            ambiguous += doubtful
    return ours, tuple(ambiguous)


def note_of(event: CreateEvent, order: OrderRequest | OpenOrder, detail: str) -> str:
    """Return the line that notes what became of a create (see `GTE.on_create`)."""
    is_new = event is CreateEvent.LEAVING
    shown = (order.side.value, plain(order.price), plain(order.qty)) if is_new else ()
    return " ".join([event.value, order.client_oid, *shown, *detail.split(), END])


def read_notes(lines: Iterable[str]) -> Notes:
    """Return the ids that lines of notes hold, and the creates without one.

    A line that cannot be read, or was torn by a crash or a full disk, is left out.
    """
    ids: set[str] = set()
    open_creates: dict[str, OpenOrder] = {}
    for line in lines:
        match line.split():
            case [CreateEvent.LEAVING.value, client_oid, side, price, qty, time, "."]:
                order = _create(client_oid, side, price, qty, time)
                if order:
                    open_creates[client_oid] = order
            case [CreateEvent.CREATED.value, client_oid, order_id, "."] if ID.fullmatch(order_id):
                ids.add(order_id)
                open_creates.pop(client_oid, None)
            case [CreateEvent.REFUSED.value, client_oid, "."]:
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
