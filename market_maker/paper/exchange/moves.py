"""Moves: what the other participants do: rest, take, and move the index price."""

from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.exchange.engine import Side


class Depth(NamedTuple):
    """The background orders at a price, in ticks, are `size` lots from now on; 0 removes them."""

    side: Side
    price: int
    size: int


class Depths(NamedTuple):
    """The background orders at several prices are of these sizes from now on."""

    levels: list[tuple[Side, int, int]]
    is_whole: bool = False
    """Whether background orders rest at no other price."""


class Take(NamedTuple):
    """Another participant takes up to `qty` lots at this price, in ticks, or better."""

    side: Side
    price: int
    qty: int


class Index(NamedTuple):
    """The index price has changed; it is the mark price too."""

    price: Decimal


Move = Depth | Depths | Take | Index
