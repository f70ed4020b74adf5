"""A sample strategy: one order on each side, skewed by the inventory.

Run it with `python marketmaker --paper --strategy market_maker.custom_strategy:CustomOrderManager`,
and copy it to write your own.
"""

from market_maker.market_maker import OrderManager
from market_maker.settings import settings

HALF_SPREAD = 0.002
"""Distance of each quote from the centre price, as a fraction."""
SKEW = 0.001
"""Shift of the centre price at an inventory of FULL contracts, as a fraction."""
FULL = 1_000
"""Inventory in contracts at which the skew is largest."""


class CustomOrderManager(OrderManager):
    """Quotes one buy and one sell around mid, lower when long and higher when short."""

    def place_orders(self) -> None:
        """Quote both sides. Prices need no rounding: they go to the nearest tick."""
        skew = max(-1.0, min(1.0, self.exchange.get_delta() / FULL)) * SKEW
        centre = self.start_position_mid * (1 - skew)
        qty = settings.ORDER_START_SIZE
        self.converge_orders(
            [{"price": centre * (1 - HALF_SPREAD), "orderQty": qty, "side": "Buy"}],
            [{"price": centre * (1 + HALF_SPREAD), "orderQty": qty, "side": "Sell"}],
        )
