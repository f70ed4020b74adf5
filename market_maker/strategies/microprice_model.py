"""Fair value from the top of the book: weighted mid, micro-price, order-flow imbalance."""

import json
from dataclasses import dataclass
from typing import Any, TypeGuard


def imbalance(*, bid_size: float, ask_size: float) -> float:
    """Return the share of the best bid in the quantity at the best prices, 0 to 1."""
    return bid_size / (bid_size + ask_size)


def weighted_mid(*, bid: float, bid_size: float, ask: float, ask_size: float) -> float:
    """Return the mid weighted by the sizes of the other side: near the ask when bids are large."""
    return bid + (ask - bid) * imbalance(bid_size=bid_size, ask_size=ask_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The best prices, and the sizes there in contracts or base currency."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


def order_flow(before: Top, now: Top) -> float:
    """Return the order-flow imbalance of one change of the top of the book.

    Cont, Kukanov and Stoikov 2014 (Journal of Financial Econometrics 12), the e_n of their section
    2.1, in the unit of the sizes. It explains the price move of the same time; it foretells none.
    """
    flow = 0.0
    flow += now.bid_size if now.bid >= before.bid else 0.0
    flow -= before.bid_size if now.bid <= before.bid else 0.0
    flow -= now.ask_size if now.ask <= before.ask else 0.0
    flow += before.ask_size if now.ask >= before.ask else 0.0
    return flow


def bucket_of(*, bid_qty: float, ask_qty: float, buckets: int) -> int:
    """Return the bucket of the imbalance, 0 where asks weigh most; its mirror image is that of the
    quantities exchanged.

    Equal quantities are in the middle, or, if the number of buckets is even, just above it.
    """
    if bid_qty > ask_qty:
        return buckets - 1 - int(ask_qty * buckets // (bid_qty + ask_qty))
    return int(bid_qty * buckets // (bid_qty + ask_qty))


# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """Micro-price less mid, by spread and imbalance, as it was estimated."""

    symbol: str
    tick: float
    """The tick of the market it was estimated on, in price units."""
    spreads: tuple[int, ...]
    """In ticks, ascending."""
    adjustment: tuple[tuple[float, ...], ...]
    """In ticks, for each spread one number for each bucket of the imbalance, which are alike."""

    def adjusted(self, mid: float, *, spread: float, bid_size: float, ask_size: float) -> float:
        """Return the micro-price; `mid` and `spread` in price units, sizes at the best prices.

        A spread between two of the table counts as the narrower, a narrower or wider one as the
        nearest.
        """
        ticks = round(spread / self.tick)
        row = max(sum(each <= ticks for each in self.spreads) - 1, 0)
        buckets = self.adjustment[row]
        bucket = bucket_of(bid_qty=bid_size, ask_qty=ask_size, buckets=len(buckets))
        return mid + buckets[bucket] * self.tick


def text_of(table: Table) -> str:
    """Return a table as JSON; `table_of()` reads it."""
    content = {
        "symbol": table.symbol,
        "tick": table.tick,
        "buckets": len(table.adjustment[0]),
        "spreads": table.spreads,
        "adjustment": table.adjustment,
    }
    return json.dumps(content) + "\n"


def table_of(text: str) -> Table:
    """Return the table that JSON holds: symbol, tick, buckets, spreads, adjustment.

    `{"symbol": "BTC_USD", "tick": 0.5, "buckets": 2, "spreads": [1, 2], "adjustment": [[-0.2, 0.2],
    [-0.3, 0.3]]}`; other keys do not matter. Raises ValueError that says what is wrong.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError("not an object with symbol, tick, buckets, spreads and adjustment")
    symbol, tick = given.get("symbol"), given.get("tick")
    if not isinstance(symbol, str) or not symbol:
        raise ValueError("symbol must be text")
    if not _is_number(tick) or tick <= 0:
        raise ValueError("tick must be a number above zero")
    spreads = _spreads_of(given.get("spreads"))
    rows = _rows_of(given.get("adjustment"), len(spreads), given.get("buckets"))
    return Table(symbol=symbol, tick=float(tick), spreads=spreads, adjustment=rows)


def _spreads_of(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not given or not all(map(_is_whole, given)):
        raise ValueError("spreads must be a list of whole numbers of ticks")
    if given[0] < 1 or given != sorted(set(given)):
        raise ValueError("spreads must ascend from 1 or above")
    return tuple(given)


def _rows_of(given: Any, count: int, buckets: Any) -> tuple[tuple[float, ...], ...]:
    if not _is_whole(buckets) or buckets < 1:
        raise ValueError("buckets must be a whole number above zero")
    if not isinstance(given, list) or len(given) != count:
        raise ValueError(f"adjustment must hold {count} lists, one for each of the spreads")
    if not all(isinstance(row, list) and len(row) == buckets for row in given):
        raise ValueError(f"adjustment must hold {buckets} numbers for each of the spreads")
    if not all(_is_number(each) for row in given for each in row):
        raise ValueError("adjustment must hold numbers of ticks alone")
    return tuple(tuple(map(float, row)) for row in given)


def _is_number(given: Any) -> TypeGuard[float]:
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < 1e15


def _is_whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)
