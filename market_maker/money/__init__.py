"""Pure: valuation, position, profit, fees and the balance audited."""

from market_maker.money.balance import Step
from market_maker.money.fees import Rates
from market_maker.money.money import Booked, Money
from market_maker.money.position import Jump, PositionLedger
from market_maker.money.valuation import value
from market_maker.money.virtual import VirtualLedger

__all__ = ["Booked", "Jump", "Money", "PositionLedger", "Rates", "Step", "VirtualLedger", "value"]
