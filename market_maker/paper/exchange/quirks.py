"""Quirks: what no document tells of GTE, as named choices with a stated default (design: The wire).

A bot has to work with every value of every quirk.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The undocumented behaviour of the venue.

    A cancel takes both names of the order id, so that is none of them.
    """

    expiry_grace_ms: int = 5_000
    """For how long after `api-expires` a request is still accepted, in ms."""
    oid_unique: Literal["none", "open", "forever"] = "forever"
    """When a second order with the same client_oid is an error: never, while the first is
    live, or as long as the venue remembers the first."""
    ids_grow: bool = True
    """A later order has the larger id."""
    empty_partial: bool = True
    """The first image of an empty table is sent."""
    position_push: Literal["changed", "full"] = "changed"
    """A change pushes the side that changed, or both sides of the contract."""
    flat_position: Literal["zero", "vanish"] = "zero"
    """A closed side is a row with qty 0, or has no row."""
    limited_create_placed: bool = False
    """A create answered with -10053 has been placed all the same."""

    forget_client_oid: bool = False
    """Rows show client_oid as null, as in the capture."""
    withhold_tick_size: bool = False
    """The instrument table lacks tick_size and symbol_id, as in its documented sample."""
    id_only_deltas: bool = False
    """Updates and deletes of the order book carry the id of a level, not its price and side."""
    order_end: Literal["both", "update", "delete"] = "both"
    """How a finished order leaves the order table."""
    done_report: Literal["both", "alone"] = "both"
    """A complete fill is reported as a trade (4) and then as done (8), or as done alone."""
    trade_action: Literal["", "insert"] = ""
    """The action of trade frames; the documented sample has none."""
    margin_frames: bool = True
    """The margin table is sent; the old sample bot notes that it was not."""
    bb_side_too: bool = True
    """Spot order rows carry `side` beside the documented `bid_flag`."""
    unknown_order: Literal[-13004, -11066] = -13004
    """The error code of a cancel of an unknown order."""
    rate_limits: bool = True
    """The documented rate limits are enforced."""
    silence_s: float = 120
    """Seconds without a message after which a client is disconnected."""
    push_period_s: float = 1
    """Seconds between two pushes of positions and margins without a change."""


DEFAULTS = Quirks()
