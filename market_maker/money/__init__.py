"""Pure: valuation, position, profit, fees, margin and the balance audited."""

from market_maker.money.balance import Step, StepKind
from market_maker.money.fees import Rates
from market_maker.money.margin import (
    Leverage,
    Stake,
    bound,
    liquidation_price,
    margin_left,
    order_margin,
)
from market_maker.money.money import Booked, Money
from market_maker.money.position import Jump, PositionLedger
from market_maker.money.realised import Unseen
from market_maker.money.valuation import price_of, value
from market_maker.money.virtual import VirtualLedger

__all__ = [
    "Booked",
    "Jump",
    "Leverage",
    "Money",
    "PositionLedger",
    "Rates",
    "Stake",
    "Step",
    "StepKind",
    "Unseen",
    "VirtualLedger",
    "bound",
    "liquidation_price",
    "margin_left",
    "order_margin",
    "price_of",
    "value",
]
