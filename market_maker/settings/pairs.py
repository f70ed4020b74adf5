"""Settings of the ladder that are each right, and together not what one would expect."""

import math

from market_maker.settings.schema import SettingsBase

NEARLY = 1 + 1e-9
"""Sums of floats may be above what they are by no more."""


def doubtful_pairs(
    given: SettingsBase,
    *,
    tick: float,
    price: float,
    face: float = 1.0,
    has_spread: bool = True,
) -> list[str]:
    """Return in words which settings of the ladder work against each other.

    `tick` is the price step of the market, `price` about where it is (infinite: not known), and
    `face` the face value of a contract in the quote currency. `has_spread`: MIN_SPREAD is read.
    """
    pairs, step = given.ORDER_PAIRS, given.ORDER_STEP_SIZE
    largest = given.ORDER_START_SIZE + (pairs - 1) * step
    total = pairs * (given.ORDER_START_SIZE + largest) / 2
    if given.RANDOM_ORDER_SIZE:
        largest, total = given.MAX_ORDER_SIZE, pairs * given.MIN_ORDER_SIZE
    room_up = given.MAX_POSITION if given.CHECK_POSITION_LIMITS else total
    room_down = -given.MIN_POSITION if given.CHECK_POSITION_LIMITS else total
    worth = 2 * total * (price if given.INSTRUMENTTYPE == "bb" else face / price)
    cases = [
        (
            given.RELIST_INTERVAL >= given.INTERVAL,
            f"RELIST_INTERVAL {given.RELIST_INTERVAL:g} is not below INTERVAL {given.INTERVAL:g}: "
            "an order may stay where the next level belongs, and a new INTERVAL moves few orders",
        ),
        (
            has_spread and given.RELIST_INTERVAL > given.MIN_SPREAD > 0,
            f"RELIST_INTERVAL {given.RELIST_INTERVAL:g} is above MIN_SPREAD {given.MIN_SPREAD:g}: "
            "orders that stay may be nearer to each other than MIN_SPREAD",
        ),
        (
            given.INTERVAL * price < tick,
            f"INTERVAL {given.INTERVAL:g} is {given.INTERVAL * price:g} at {price:g}, less than "
            f"the tick {tick:g}: of levels with one price only the first is placed",
        ),
        (
            total > room_up * NEARLY,
            f"the buys of the ladder add up to {total:g}, MAX_POSITION is {room_up:g}: the levels "
            "beyond it are not placed",
        ),
        (
            total > room_down * NEARLY,
            f"the sells of the ladder add up to {total:g}, MIN_POSITION is {-room_down:g}: the "
            "levels beyond it are not placed",
        ),
        (
            largest > given.MAX_ORDER_QTY,
            f"the largest level is {largest:g}, MAX_ORDER_QTY is {given.MAX_ORDER_QTY:g}: larger "
            "levels are not placed",
        ),
        (
            0 < given.MAX_OPEN_VALUE < worth < math.inf,
            f"the ladder is worth about {worth:.6g} {given.SETTLECURRENCY}, "
            f"MAX_OPEN_VALUE is {given.MAX_OPEN_VALUE:g}: the levels beyond it are not placed",
        ),
        (
            has_spread and 0 < given.MIN_SPREAD < 2 * given.TAKER_FEE,
            f"MIN_SPREAD {given.MIN_SPREAD:g} is under twice TAKER_FEE {given.TAKER_FEE:g}: "
            "closing a fill at the market may cost more than the spread earns",
        ),
        (
            pairs > given.MAX_FILLS,
            f"ORDER_PAIRS {pairs} is above MAX_FILLS {given.MAX_FILLS}: a move through one side of "
            "the ladder halts the bot",
        ),
        (
            given.POSITION_MODE == "hedge" and given.INSTRUMENTTYPE == "bb",
            'POSITION_MODE "hedge" has no effect on spot, which has no legs',
        ),
    ]
    return [text for is_so, text in cases if is_so]
