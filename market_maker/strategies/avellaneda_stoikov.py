"""Avellaneda and Stoikov 2008: quotes around a price that the position has shifted.

    python marketmaker --paper --strategy avellaneda_stoikov

The paper trades until a time T, and its quotes depend on the time left, T - t. A perpetual has no
T: the horizon here rolls, the time left is always HORIZON seconds. In relative price, with q in
coin and orders of D coin (eq. 3.17 and 3.18; there D is 1):

    reservation price  mid * (1 - q * gamma * sigma^2 * HORIZON)
    spread             mid * (g * sigma^2 * HORIZON + 2 / g * ln(1 + g / k)), g = gamma * D
"""

from market_maker.settings import setting, settings
from market_maker.strategies import models
from market_maker.strategies.models import Quotes, State
from market_maker.strategies.quoting import FILL_DECAY, RISK_AVERSION, VOLATILITY, Quoting


class AvellanedaStoikov(Quoting):
    """Quotes around the reservation price. The model knows no limit on the position."""

    READS_MIN_SPREAD = False
    SETTINGS = {
        **Quoting.SETTINGS,
        **VOLATILITY,
        "RISK_AVERSION": RISK_AVERSION,
        "FILL_DECAY": FILL_DECAY,
        "HORIZON": setting(
            600.0, "Seconds for which a position is feared, tau.", low=0.1, high=1e7
        ),
    }

    def quotes(self, state: State) -> Quotes:
        """Return the quotes around the reservation price, half of the spread on each side."""
        sigma = self.volatility(state.mid)
        shift = models.reservation_shift(
            state.position,
            risk_aversion=settings.RISK_AVERSION,
            sigma=sigma,
            horizon=settings.HORIZON,
        )
        spread = models.optimal_spread(
            risk_aversion=settings.RISK_AVERSION,
            sigma=sigma,
            horizon=settings.HORIZON,
            fill_decay=settings.FILL_DECAY,
            size=state.size,
        )
        return Quotes.around(state.mid * (1 + shift), half=state.mid * spread / 2)
