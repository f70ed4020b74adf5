"""Many orders in one line of the log."""

from collections.abc import Sequence

from market_maker.decimals import plain
from market_maker.models import OpenOrder, OrderRequest, Side

SHOWN = 5
"""So many orders of a side are written out; of more, the nearest to the market and the farthest."""


def in_words(orders: Sequence[OpenOrder | OrderRequest], digits: int) -> str:
    """Return orders as text, each side from the nearest price outwards, with so many decimals.

    Such as "Sell 100 @ 8539.5, 273 @ 8582.0; Buy 100 @ 8448.0".
    """
    sides = []
    for side in (Side.SELL, Side.BUY):
        ours = sorted((o for o in orders if o.side is side), key=lambda o: -side.sign * o.price)
        shown = [f"{plain(order.qty)} @ {order.price:.{digits}f}" for order in ours]
        if len(shown) > SHOWN:
            shown[SHOWN - 1 :] = [f"{len(shown) - SHOWN} more to {shown[-1]}"]
        sides += [f"{side.value} {', '.join(shown)}"] if shown else []
    return "; ".join(sides)
