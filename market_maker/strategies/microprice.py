"""Micro-price: the ladder around where the mid is expected to go, by the sizes at the best prices.

    python marketmaker --paper --strategy microprice

Stoikov 2018: the fair value is the mid plus an adjustment that depends on the imbalance of the best
sizes and on the spread, estimated from tapes into a table (`microprice_model.table_of()` tells its
format). Without a table the fair value is the mid weighted by the sizes of the other side, which
needs no estimate and moves too far for wide spreads. Quotes lean against the position as those of
`skew` do.
"""

from pathlib import Path

from market_maker.errors import SettingsError
from market_maker.settings import setting, settings
from market_maker.strategies import microprice_model as model
from market_maker.strategies.models import Quotes, State
from market_maker.strategies.skew import Skew


class Microprice(Skew):
    """Moves the ladder from the mid to the micro-price. It never changes the width of it."""

    SETTINGS = {
        **Skew.SETTINGS,
        "MICROPRICE_TABLE": setting(
            "", "The file with the table; empty: the weighted mid.", needs_restart=True
        ),
    }
    table: model.Table | None = None
    """None: the weighted mid stands in."""

    def reset(self) -> None:
        """Read the table, besides what the ladder reads."""
        self._read_table()
        super().reset()

    def fair_quotes(self, state: State) -> Quotes:
        """Return the ladder's first prices, around the micro-price in place of their centre."""
        top = self.exchange.get_top_of_book()
        sizes = {"bid_size": top["buySize"], "ask_size": top["sellSize"]}
        if self.table:
            mid, spread = (top["buy"] + top["sell"]) / 2, top["sell"] - top["buy"]
            fair = self.table.adjusted(mid, spread=spread, **sizes)
        else:
            fair = model.weighted_mid(bid=top["buy"], ask=top["sell"], **sizes)
        return state.ladder.moved(fair - state.ladder.centre)

    def _read_table(self) -> None:
        file = settings.MICROPRICE_TABLE
        if not file:
            return
        try:
            self.table = model.table_of(Path(file).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"MICROPRICE_TABLE {file}: {error}") from None
        if self.table.symbol != settings.SYMBOL:
            raise SettingsError(
                f"MICROPRICE_TABLE {file} is of {self.table.symbol}, not of {settings.SYMBOL}"
            )
        tick = self.exchange.get_instrument()["tickSize"]
        if self.table.tick != tick:
            raise SettingsError(
                f"MICROPRICE_TABLE {file} is of a tick of {self.table.tick:g}, the market's is "
                f"{tick:g}: estimate it anew"
            )
