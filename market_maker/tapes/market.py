"""Which market a tape is about: its name, GTE's spelling of it, and its figures.

They come from the header of the tape, from options, or from a table of known markets, never from
the prices.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.tapes.records import TapeError, UnknownMarket

Figures = tuple[Decimal, Decimal, Decimal]
CONTRACT, SPOT = "pc", "bb"
AREA = re.compile(r"[A-Z0-9]{2,10}", re.ASCII)
SYMBOLS = {
    CONTRACT: re.compile(r"[A-Z0-9]{2,12}_[A-Z0-9]{2,12}", re.ASCII),
    SPOT: re.compile(r"[A-Z0-9]{2,12}/[A-Z0-9]{2,12}", re.ASCII),
}
SMALLEST = Decimal("1E-12")
NAMING = "--symbol AREA/SYMBOL (such as BTC/BTC_USD or USDT/BTC/USDT), --tick, --lot, --face"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says about a tape; empty or None where nothing is said.

    `symbol` is a place in GTE's spelling (AREA/SYMBOL), the source's own name of one of its markets
    (XBTUSD), or both (XBTUSD=BTC/BTC_USD).
    """

    symbol: str = ""
    tick: Decimal | None = None
    lot: Decimal | None = None
    face: Decimal | None = None

    @property
    def name(self) -> str:
        """The source's name of the market, or empty text."""
        name, equals, _ = self.symbol.rpartition("=")
        return name if equals else "" if "/" in self.symbol else self.symbol

    @property
    def place(self) -> str:
        """The market as KIND/AREA/SYMBOL, or empty text."""
        place = self.symbol.rpartition("=")[2]
        if "/" not in place or place.startswith((f"{CONTRACT}/", f"{SPOT}/")):
            return place if "/" in place else ""
        return f"{SPOT if place.count('/') > 1 else CONTRACT}/{place}"


NOTHING = Options()
"""Nothing is said about the tape."""


@dataclass(frozen=True, slots=True)
class Market:
    """One market of a tape."""

    name: str
    """As the source has it."""
    kind: str
    """`pc`, an inverse contract, or `bb`, spot."""
    area: str
    """The settlement currency, of spot the quote currency."""
    symbol: str
    """BASE_QUOTE of a contract, BASE/QUOTE of spot."""
    tick: Decimal
    lot: Decimal
    face: Decimal
    """What a contract is worth, in the quote currency; 1 of spot."""
    known_from: str
    """Where the figures are from, in words."""
    is_level_1: bool = False
    """Whether a tape of ours has the best prices only, as what it was made of."""

    @property
    def place(self) -> str:
        """The market as KIND/AREA/SYMBOL."""
        return f"{self.kind}/{self.area}/{self.symbol}"

    @property
    def grid(self) -> Figures:
        """Tick, lot and face."""
        return self.tick, self.lot, self.face

    @property
    def as_settings(self) -> dict[str, str]:
        """The settings of a bot that trades it."""
        return {
            "INSTRUMENTTYPE": self.kind,
            "SETTLECURRENCY": self.area,
            "SYMBOL": self.symbol,
        }

    def __str__(self) -> str:
        return (
            f"{self.place}, tick {plain(self.tick)}, lot {plain(self.lot)}, face {plain(self.face)}"
            f" ({self.known_from})"
        )


KNOWN: dict[tuple[str, str], tuple[str, Figures]] = {
    (venue, name): (place, (Decimal(tick), Decimal(lot), Decimal(face)))
    for venue, name, place, tick, lot, face in (
        ("gte", "pc/BTC/BTC_USD", "pc/BTC/BTC_USD", "0.5", "1", "1"),
        ("gte", "pc/ETH/BTC_USD", "pc/ETH/BTC_USD", "0.5", "1", "1"),
        ("gte", "pc/BTC/ETH_USD", "pc/BTC/ETH_USD", "0.05", "1", "1"),
        ("gte", "pc/ETH/ETH_USD", "pc/ETH/ETH_USD", "0.05", "1", "1"),
        ("gte", "bb/USDT/BTC/USDT", "bb/USDT/BTC/USDT", "0.01", "0.0001", "1"),
        ("gte", "bb/USDT/ETH/USDT", "bb/USDT/ETH/USDT", "0.01", "0.001", "1"),
        ("binance", "BTCUSD_PERP", "pc/BTC/BTC_USD", "0.1", "1", "100"),
        ("binance", "ETHUSD_PERP", "pc/ETH/ETH_USD", "0.01", "1", "10"),
        ("binance", "BTCUSDT", "bb/USDT/BTC/USDT", "0.01", "0.00001", "1"),
        ("binance", "ETHUSDT", "bb/USDT/ETH/USDT", "0.01", "0.0001", "1"),
        ("bybit", "BTCUSD", "pc/BTC/BTC_USD", "0.5", "1", "1"),
        ("bybit", "ETHUSD", "pc/ETH/ETH_USD", "0.05", "1", "1"),
        # BitMEX's ETHUSD is not here: it is worth a fixed amount of bitcoin, not inverse
        ("bitmex", "XBTUSD", "pc/BTC/BTC_USD", "0.5", "1", "1"),
    )
}
"""By venue and name: where GTE trades the same, and tick, lot and face."""


def name_of(venue: str, place: str) -> str:
    """Return what a venue calls the market of a place, as far as it is known; else empty text."""
    names = (name for (at, name), row in KNOWN.items() if at == venue and row[0] == place)
    return next(names, "")


def market_of(venue: str, name: str, options: Options) -> Market:
    """Return the market that a source calls `name`; `venue` is empty where any known one fits.

    Raises TapeError, naming the options, for one that neither they nor the table describe.
    """
    shown = f"{name} of {venue}" if venue and name else name or "a market without a name"
    known_place, figures = _known(venue, name, options.place)
    place = options.place or known_place
    tick, lot, face = (
        own if own is not None else known
        for own, known in zip(
            (options.tick, options.lot, options.face), figures or (None,) * 3, strict=True
        )
    )
    is_spot = place.startswith(SPOT)
    lot = Decimal(1) if lot is None and not is_spot else lot
    face = Decimal(1) if face is None and is_spot else face
    if not place or tick is None or lot is None or face is None:
        raise UnknownMarket(f"{shown} is not a known market: say what it is with {NAMING}", name)
    kind, area, symbol = place.split("/", 2)
    said = [f"--{each}" for each in ("symbol", "tick", "lot", "face") if getattr(options, each)]
    known_from = f"from {', '.join(said)}" if said else ""
    if figures and None in (options.tick, options.lot, options.face):
        known_from += f"{' and ' if said else 'from '}the table of known markets"
    return checked(Market(name, kind, area, symbol, tick, lot, face, known_from))


def checked(market: Market) -> Market:
    """Return a market whose figures are possible; raise TapeError for any other."""
    for name in ("tick", "lot", "face"):
        value: Decimal = getattr(market, name)
        if not value.is_finite() or not SMALLEST <= value < 10**9:
            raise TapeError(f"{name}: {value} is no number from {SMALLEST} to 1E+9")
    if market.kind not in (CONTRACT, SPOT):
        raise TapeError(f"kind: {market.kind!r} is neither {CONTRACT} nor {SPOT}")
    pattern = SYMBOLS[market.kind]
    if not AREA.fullmatch(market.area) or not pattern.fullmatch(market.symbol):
        raise TapeError(f"{market.area}/{market.symbol} is no market of GTE: {NAMING}")
    if market.kind == CONTRACT and market.lot % 1:
        raise TapeError(f"lot: contracts are whole, and {plain(market.lot)} is not")
    return market


def _known(venue: str, name: str, place: str) -> tuple[str, Figures | None]:
    """Return what the table has: of this name, or else of this place at GTE."""
    found = KNOWN.get((venue, name)) or KNOWN.get((venue, name.upper()))
    if not found and not venue:
        found = next((row for (_, known), row in KNOWN.items() if known == name), None)
    return found or KNOWN.get(("gte", place)) or ("", None)
