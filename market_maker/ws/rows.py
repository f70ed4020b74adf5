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
