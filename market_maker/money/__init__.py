"""Pure: valuation, position and profit."""

from market_maker.money.money import Money
from market_maker.money.position import Jump, PositionLedger
from market_maker.money.valuation import value

__all__ = ["Jump", "Money", "PositionLedger", "value"]
