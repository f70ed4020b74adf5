"""A sample strategy: one order on each side, leaning against the position.

Run it with `python marketmaker --paper --strategy market_maker.custom_strategy:CustomOrderManager`,
and copy it to begin your own.
"""

from market_maker.market_maker import OrderManager
from market_maker.settings import settings

HALF_SPREAD = 0.002
"""Distance of each quote from its centre, as a fraction."""
LEAN = 0.001
"""How far the centre moves when the position reaches FULL, as a fraction."""
FULL = 1_000
"""Contracts."""


class CustomOrderManager(OrderManager):
    """Quotes one buy and one sell around mid, lower when long and higher when short."""

    def place_orders(self) -> None:
        """Quote both sides. Prices need no rounding: they go to the nearest tick."""
        lean = max(-1.0, min(1.0, self.exchange.get_delta() / FULL)) * LEAN
        centre = self.start_position_mid * (1 - lean)
        qty = settings.ORDER_START_SIZE
        self.converge_orders(
            [{"price": centre * (1 - HALF_SPREAD), "orderQty": qty, "side": "Buy"}],
            [{"price": centre * (1 + HALF_SPREAD), "orderQty": qty, "side": "Sell"}],
        )
