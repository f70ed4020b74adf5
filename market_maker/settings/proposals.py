"""Cautious values for a first ladder, from what is known of the market."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from market_maker.decimals import to_lot
from market_maker.settings.schema import SettingsBase

PAIRS = 5
WORTH = Decimal(50)
"""What the first level is worth, in the quote currency."""
LOSS = Decimal("0.05")
"""MAX_LOSS as a part of the largest position."""
UNKNOWN_LOSS = {"pc": 0.001, "bb": 5}
"""What is proposed for it while no price is known, by type of instrument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a market: its grid, about its price, and how much it moves."""

    price: Decimal
    tick: Decimal
    lot: Decimal
    face: Decimal
    """Of a contract, in the quote currency."""
    minute: float
    """The standard deviation of a minute, as a fraction."""


def proposed(name: str, given: Mapping[str, Any], known: Known | None) -> float:
    """Return a cautious value for a setting, after those that are `given` already.

    `known` None means that the market cannot be seen.
    """
    is_contract = given["INSTRUMENTTYPE"] == "pc"
    if name == "ORDER_PAIRS":
        return PAIRS
    if name == "ORDER_START_SIZE":
        return _size(known, is_contract=is_contract)
    if name == "MIN_SPREAD":
        return _spread(known)
    most = Decimal(str(given["ORDER_START_SIZE"])) * given["ORDER_PAIRS"]
    if name == "MAX_POSITION":
        return _plain(most)
    if known is None:
        return UNKNOWN_LOSS[given["INSTRUMENTTYPE"]]
    most = Decimal(str(given["MAX_POSITION"]))
    worth = most * known.face / known.price if is_contract else most * known.price
    return _plain(_one_digit(worth * LOSS, ROUND_UP))


def completed(given: Mapping[str, Any], known: Known | None) -> dict[str, Any]:
    """Return the answers with the settings that follow from them.

    Levels are half a MIN_SPREAD apart, all of one size, and stay within a half of that.
    """
    least = 2 * known.tick / known.price if known else Decimal(0)
    interval = max(Decimal(str(given["MIN_SPREAD"])) / 2, least, Decimal("0.00001"))
    pairs, most = given["ORDER_PAIRS"], SettingsBase.MAX_OPEN_ORDERS
    return {
        **given,
        "ORDER_STEP_SIZE": 0,
        "INTERVAL": _plain(_one_digit(interval, ROUND_UP)),
        "RELIST_INTERVAL": _plain(_one_digit(interval, ROUND_UP) / 2),
        "CHECK_POSITION_LIMITS": True,
        "MIN_POSITION": -given["MAX_POSITION"],
        "MAX_OPEN_ORDERS": max(2 * pairs, most),
        "DRY_RUN": True,
    }


def _size(known: Known | None, *, is_contract: bool) -> float:
    if known is None:
        return 50 if is_contract else 0.005
    qty = WORTH / (known.face if is_contract else known.price)
    return _plain(max(to_lot(_one_digit(qty, ROUND_DOWN), known.lot), known.lot))


def _spread(known: Known | None) -> float:
    """Return four times the fee of a taker, and no less than four ticks or moves of a minute."""
    fee = 4 * Decimal(str(SettingsBase.TAKER_FEE))
    if known is None:
        return _plain(fee)
    moves = Decimal(str(4 * known.minute))
    found = max(fee, 4 * known.tick / known.price, moves)
    return _plain(min(_one_digit(found, ROUND_UP), Decimal("0.1")))


def _one_digit(number: Decimal, rounding: str) -> Decimal:
    """Return a number above zero with one significant digit."""
    return number.quantize(Decimal(1).scaleb(number.adjusted()), rounding)


def _plain(number: Decimal) -> float:
    """Return a number as settings.py has it: whole ones without a point."""
    return int(number) if number == int(number) else float(number)
