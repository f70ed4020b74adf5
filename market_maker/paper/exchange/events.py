"""Events: the changes at the exchange that subscribers see and the judge counts."""

from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from market_maker.paper.exchange.account import LegKey
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Changes
from market_maker.paper.exchange.history import Trade
from market_maker.paper.exchange.instrument import Key


class Action(Enum):
    """What a change does to a row of a table, in the words of the wire."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class ExecType(Enum):
    """The type of an execution report, with the numbers of the wire."""

    NEW = 1
    RESTING = 2
    TRADE = 4
    DONE = 8
    CANCELLED = 16


class OrderChanged(NamedTuple):
    """A user's order appeared, changed, or left the table of live orders."""

    action: Action
    order: Order


class Filled(NamedTuple):
    """A user's order has traded. This is always emitted; quirks may withhold the report."""

    order: Order
    trade: Trade
    maker: bool


class Executed(NamedTuple):
    """An execution report with the order at that time (ms); `last` is the quantity of the fill."""

    exec_id: int
    exec_type: ExecType
    time: int
    order: Order
    last: Decimal
    maker: bool
    trade: Trade | None


class Traded(NamedTuple):
    """A trade of the public tape, and the owners of its two orders."""

    key: Key
    trade: Trade
    maker: str
    taker: str


class LegChanged(NamedTuple):
    """One side of a user's position changed."""

    owner: str
    leg: LegKey


class MarginChanged(NamedTuple):
    """The contract account of a user changed in one settlement area."""

    owner: str
    area: str


class Liquidated(NamedTuple):
    """The insurance fund has taken over a leg of `qty` contracts."""

    owner: str
    leg: LegKey
    qty: int


class BookChanged(NamedTuple):
    """Levels of a book changed."""

    key: Key
    changes: Changes


class InstrumentChanged(NamedTuple):
    """The prices or the volume of an instrument changed."""

    key: Key


Event = (
    OrderChanged
    | Filled
    | Executed
    | Traded
    | LegChanged
    | MarginChanged
    | Liquidated
    | BookChanged
    | InstrumentChanged
)
