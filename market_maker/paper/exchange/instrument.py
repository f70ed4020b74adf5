"""Instruments: what is traded, with its tick, its lot and its worth."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

CONTRACT = "pc"
SPOT = "bb"


class Key(NamedTuple):
    """The key of an instrument: type, area and symbol; a symbol may exist in several areas."""

    kind: str
    area: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument. `tick` is the price step, `lot` the quantity step: 1 for contracts."""

    key: Key
    symbol_id: int
    tick: Decimal
    start: Decimal  # the first price of the paper market
    lot: Decimal = Decimal(1)
    face: Decimal = Decimal(1)
    quote: str = "USD"
    max_lots: int = 10_000_000

    @property
    def base(self) -> str:
        """Return the coin that a spot instrument trades."""
        return self.key.symbol.partition("/")[0]

    @property
    def split_char(self) -> str:
        """Return the character between the two halves of the symbol."""
        return "/" if self.key.kind == SPOT else "_"

    @property
    def price_precision(self) -> int:
        """Return the number of decimals of a price."""
        return decimals(self.tick)

    @property
    def number_precision(self) -> int:
        """Return the number of decimals of a quantity."""
        return decimals(self.lot)

    def ticks(self, price: Decimal) -> int | None:
        """Return a price as whole ticks, None if it is not positive or not on the tick."""
        return _whole(price, self.tick, 100_000_000)

    def lots(self, qty: Decimal) -> int | None:
        """Return a quantity as whole lots, None if it is not positive, off the lot or too large."""
        return _whole(qty, self.lot, self.max_lots + 1)

    def price(self, ticks: int) -> Decimal:
        """Return the price of a number of ticks."""
        return ticks * self.tick

    def qty(self, lots: int) -> Decimal:
        """Return the quantity of a number of lots."""
        return lots * self.lot

    def book_id(self, ticks: int) -> int:
        """Return the id of a price level, given in ticks, in `order_book` (design: The wire)."""
        return 100_000_000 * self.symbol_id - ticks


def decimals(number: Decimal) -> int:
    """Return how many decimals a number needs."""
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _whole(number: Decimal, step: Decimal, end: int) -> int | None:
    if not 0 < number < end * step or number % step:
        return None
    return int(number / step)


def listed() -> list[Instrument]:
    """Return the instruments of the paper exchange."""
    instruments = []
    for area in ("BTC", "ETH"):
        btc, eth = Key(CONTRACT, area, "BTC_USD"), Key(CONTRACT, area, "ETH_USD")
        instruments.append(Instrument(btc, 4, Decimal("0.5"), Decimal("8493.5")))
        instruments.append(Instrument(eth, 5, Decimal("0.05"), Decimal("165")))
    for symbol, number, start, lot in (
        ("BTC", 44, "8493.5", "0.0001"),
        ("ETH", 51, "165", "0.001"),
    ):
        key = Key(SPOT, "USDT", f"{symbol}/USDT")
        instruments.append(
            Instrument(key, number, Decimal("0.01"), Decimal(start), lot=Decimal(lot), quote="USDT")
        )
    return instruments
