"""What a row of the feed is about."""

import re

from market_maker.errors import BadData
from market_maker.wire import fields
from market_maker.wire.fields import Row

NAME = re.compile(r"[A-Z][A-Z0-9]{1,11}([_/][A-Z0-9]{2,12})?", re.ASCII)
"""What a symbol or an area looks like."""


def is_other(row: Row, field: str, own: str) -> bool:
    """Return whether a row is about another symbol or area. Raises BadData if that is unreadable.

    A row that nobody can place is no proof that there is none of ours: we may hold what it shows.
    """
    name = row.get(field, own)
    if name != own and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise BadData(f"{field} is no name: {fields.printable(name)}")
    return bool(name != own)


def are_two(known: Row, row: Row) -> bool:
    """Return whether two rows of one order_id name different orders of ours."""
    names = (known.get("client_oid"), row.get("client_oid"))
    return all(name and isinstance(name, str) for name in names) and names[0] != names[1]


def trade(row: Row) -> dict[str, str]:
    """Return a public trade; time in ms UTC, the side is the taker's. Raises BadData."""
    side = fields.text(row, "side").lower()
    if side not in ("buy", "sell"):
        raise BadData(f"side is neither buy nor sell: {fields.printable(side)}")
    return {
        "time": str(fields.millis(row, "trade_time")),
        "side": side,
        "price": str(fields.positive(row, "price")),
        "qty": str(fields.positive(row, "qty")),
    }
