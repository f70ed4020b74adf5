"""Gueant, Lehalle and Fernandez-Tapia 2013: optimal depths with a limit on the position.

    python marketmaker --paper --strategy glft

Fills come at the rate A exp(-k * depth). The depths are those far before the end of trading: a
perpetual has none. They come from the ground state v of the paper's matrix, with q orders of D coin
held, and one order more than the larger of both position limits as the paper's Q:

    bid depth  ln(v(q) / v(q + 1)) / k + ln(1 + g / k) / g, of the mid; g = gamma * D
    ask depth  the bid depth of -q
"""

from market_maker.settings import setting, settings
from market_maker.strategies import glft_model
from market_maker.strategies.models import Quotes, State
from market_maker.strategies.quoting import FILL_DECAY, RISK_AVERSION, VOLATILITY, Quoting


class Glft(Quoting):
    """Quotes at the optimal depths. It takes the limit on the position for the bot's own one."""

    READS_MIN_SPREAD = False
    SETTINGS = {
        **Quoting.SETTINGS,
        **VOLATILITY,
        "RISK_AVERSION": RISK_AVERSION,
        "FILL_DECAY": FILL_DECAY,
        "FILL_RATE": setting(0.1, "Fills a second of an order at the mid, A.", low=1e-9, high=1e6),
    }

    def quotes(self, state: State) -> Quotes:
        """Return the quotes, each at its depth from the mid."""
        told = glft_model.Parameters(
            sigma=self.volatility(state.mid),
            fill_rate=settings.FILL_RATE,
            fill_decay=settings.FILL_DECAY,
            risk_aversion=settings.RISK_AVERSION,
            size=state.size,
        )
        bid, ask = glft_model.depths(told, position=state.position, limit=state.limit)
        return Quotes(buy=state.mid * (1 - bid), sell=state.mid * (1 + ask))
