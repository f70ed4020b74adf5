"""Volatility: the further the price moves in a while, the further apart the quotes stand.

    python marketmaker --paper --strategy volatility

The half-spread is SPREAD_FACTOR standard deviations of the price over SPREAD_HORIZON seconds, by
the volatility of late, within SPREAD_FLOOR and SPREAD_CAP ticks. MIN_SPREAD has no effect. The
quotes lean against the position as those of `skew` do; with SKEW_PRICE = 0 they stand around the
mid.
"""

from market_maker.settings import setting, settings
from market_maker.strategies import models
from market_maker.strategies.models import Quotes, State
from market_maker.strategies.quoting import VOLATILITY
from market_maker.strategies.skew import Skew


class Volatility(Skew):
    """Quotes at a distance in proportion to the volatility, never beyond floor and cap."""

    READS_MIN_SPREAD = False
    SETTINGS = {
        **Skew.SETTINGS,
        **VOLATILITY,
        "SPREAD_FACTOR": setting(
            1.0, "Half-spread in standard deviations of the price.", low=0.01, high=100
        ),
        "SPREAD_HORIZON": setting(
            10.0, "Seconds over which the price moves by these.", low=0.1, high=86_400
        ),
        "SPREAD_FLOOR": setting(2.0, "Smallest half-spread, in ticks.", low=0, high=1e6),
        "SPREAD_CAP": setting(
            1000.0, "Largest half-spread, in ticks; it wins over the floor.", low=1, high=1e6
        ),
    }

    def fair_quotes(self, state: State) -> Quotes:
        """Return the quotes without a position."""
        half = models.volatility_half_spread(
            sigma=self.volatility(state.mid),
            horizon=settings.SPREAD_HORIZON,
            factor=settings.SPREAD_FACTOR,
            mid=state.mid,
            tick=state.tick,
            floor=settings.SPREAD_FLOOR,
            cap=settings.SPREAD_CAP,
        )
        return Quotes.around(state.mid, half=half)
