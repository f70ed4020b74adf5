"""Skew: the ladder, leaning against the position in price and size.

    python marketmaker --paper --strategy skew

Both sides move by `-SKEW_PRICE * position / limit` half-spreads, so that the side that reduces the
position fills sooner; the orders of the side that adds to it become smaller. The limit is
MAX_POSITION of a long and MIN_POSITION of a short position, also where CHECK_POSITION_LIMITS is
False. At a full position and SKEW_PRICE 1 the side that adds stands two half-spreads from the
fair value, and the side that reduces at the fair value, or one tick off the market.
"""

from typing import Any

from market_maker.settings import setting, settings
from market_maker.strategies import models
from market_maker.strategies.models import Quotes, State
from market_maker.strategies.quoting import Quoting


class Skew(Quoting):
    """Leans against the position. It never makes an order larger than the ladder has it."""

    SETTINGS = {
        **Quoting.SETTINGS,
        "SKEW_PRICE": setting(
            1.0, "Shift of both sides at a full position, in half-spreads.", low=0, high=10
        ),
        "SKEW_SIZE": setting(
            0.5,
            "By which fraction the orders of the side that adds are smaller at a full position.",
            low=0,
            high=1,
        ),
    }
    lean = 0.0
    """The position as a fraction of the limit, in tenths: sizes change seldom, and with them few
    orders have to be placed anew."""

    def fair_quotes(self, state: State) -> Quotes:
        """Return the quotes without a position: where the ladder begins."""
        return state.ladder

    def quotes(self, state: State) -> Quotes:
        """Return the quotes for the position."""
        self.lean = round(state.lean, 1)
        fair = self.fair_quotes(state)
        return models.skewed(fair, lean=state.lean, strength=settings.SKEW_PRICE)

    def prepare_order(self, index: int) -> dict[str, Any]:
        """Return the order of a level, smaller on the side that adds."""
        order = super().prepare_order(index)
        order["orderQty"] = models.skewed_size(
            order["orderQty"],
            sign=-1 if index > 0 else 1,
            lean=self.lean,
            strength=settings.SKEW_SIZE,
            lot=self.instrument["lotSize"],
        )
        return order
