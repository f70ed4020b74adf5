"""What others do to a book: rest, take, and move the price elsewhere."""

from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.exchange.engine import Side


class Depth(NamedTuple):
    """From now on others rest `size` lots at a price, 0 for none."""

    side: Side
    price: int
    size: int


class Take(NamedTuple):
    """Somebody else takes up to `qty` lots, at this price in ticks or better."""

    side: Side
    price: int
    qty: int


class Index(NamedTuple):
    """The price elsewhere has moved."""

    price: Decimal


Move = Depth | Take | Index
