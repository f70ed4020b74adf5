"""The default strategy: a ladder of buy and sell levels around the market.

Numbers are floats, as in the BitMEX sample; `converge_orders()` makes them exact decimals on the
tick grid. Index -1 is the first buy level, 1 the first sell level, 2 the next sell level.
"""

from dataclasses import dataclass
from functools import lru_cache

from market_maker.decimals import exact, to_grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The start price of the ladder on each side, not yet on the tick grid."""

    buy: float
    sell: float


def start_prices(
    *,
    bid: float,
    ask: float,
    tick: float,
    highest_buy: float | None = None,
    lowest_sell: float | None = None,
    min_spread: float,
) -> Start:
    """Return the start prices: one tick inside the market, or stepped back to keep `min_spread`.

    `bid` and `ask` are the best prices without own orders. Where the own best order is at one of
    them, it does not step inside. No start is at or through the other side, or through the other
    start. Orders at their start prices do not change these, whichever of them rest: else a ladder
    that rests in part would be laid anew at each tick.
    """
    buy, sell = bid + tick, ask - tick
    if buy > sell - tick / 2:  # not one tick apart, whatever the floats lose
        buy, sell = bid, ask
    if buy * (1 + min_spread) > sell:
        buy *= 1 - min_spread / 2
        sell *= 1 + min_spread / 2
    if highest_buy == bid:
        buy = min(buy, bid)
    if lowest_sell == ask:
        sell = max(sell, ask)
    return Start(buy=buy, sell=sell)


def level_price(
    start: float, index: int, *, interval: float, maintain_spreads: bool, tick: float
) -> float:
    """Return the price of a level, on the tick grid: `start * (1 + interval) ** ±k`.

    `start` is the start price of its side. With `maintain_spreads` the first level is there, else
    one interval further out.
    """
    steps = abs(index) - 1 if maintain_spreads else abs(index)
    price = start * (1 + interval) ** (steps if index > 0 else -steps)
    return float(to_grid(price, _exact(tick)))


_exact = lru_cache(exact)


def level_qty(index: int, *, start_size: float, step_size: float) -> float:
    """Return the size of a level: `start_size`, plus `step_size` for each further level."""
    size = _exact(start_size) + (abs(index) - 1) * _exact(step_size)
    return type(start_size + step_size)(size)
