"""What a seed draws: the market, the bot's settings and purse, and what nobody tells of the venue.

A seed below `WIDE` draws what the soak has drawn from its beginning: a bot of BTC_USD in net mode
with a small ladder. A seed from there on draws the same first, and then, from random numbers of its
own, all that a user may have instead.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from market_maker.client_oid import new_oid
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Instrument, Key, listed
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import DEPOSITS
from market_maker.paper.market.tape import BTC_USD

WIDE = 10**9
"""The first seed of the wide kind."""
LIMITS = (300, 600, 1_500)
"""Position limits; each binds a ladder of a plain seed sooner or later."""
MARKETS = (
    *(BTC_USD, BTC_USD, BTC_USD),
    *(Key(CONTRACT, "ETH", "BTC_USD"), Key(CONTRACT, "BTC", "ETH_USD")),
    *(Key(CONTRACT, "ETH", "ETH_USD"), Key(CONTRACT, "ETH", "ETH_USD")),
    *(Key(SPOT, "USDT", "BTC/USDT"), Key(SPOT, "USDT", "BTC/USDT"), Key(SPOT, "USDT", "ETH/USDT")),
)
PAIRS = (1, 2, 3, 3, 6, 6, 6, 30, 30, 150)
MARGIN = Decimal("0.1015")
"""What an opening order of contracts binds, as a part of its worth."""
DRAWN = 0.35
"""How often a wide seed draws a setting anew."""
PREFIX = "mm_soak_"
STRANGERS = ("mm_soak", "mm_soak-", "MM_SOAK_", "mm_soak_2_", "other_")
"""Prefixes of other bots on the account, some of which a careless look takes for ours."""


@dataclass
class Shape:
    """One kind of run. Quantities are in contracts or coins, as in the settings."""

    key: Key
    given: dict[str, Any]
    """The settings of the bot."""
    quirks: Quirks
    gap: float
    """Mean seconds from one fault to the next, outside the quiet times."""
    most_pairs: int
    """Pairs of the largest ladder that a reload may ask for."""
    is_wide: bool = False
    is_side_by_side: bool = False
    """Whether requests of a tick leave side by side, as live, and not one after the other."""
    has_machine: bool = False
    """Whether the bot has real run files, with lock, latch and a guard."""
    rest: float = 0.0
    """Seconds that a quiet time goes on once bot and exchange agree, with a market that moves."""
    purse: dict[str, Decimal] = field(default_factory=dict)
    """What the account holds of a coin for trading, where that is less than usual."""

    @cached_property
    def instrument(self) -> Instrument:
        """What is traded."""
        return next(each for each in listed() if each.key == self.key)

    @property
    def wallet(self) -> Wallet:
        """Return the wallet that trading draws on."""
        return Wallet.CONTRACT if self.key.kind == CONTRACT else Wallet.SPOT

    @property
    def coins(self) -> tuple[str, ...]:
        """Return the coins that an order may need."""
        return (self.key.area,) if self.key.kind == CONTRACT else (self.key.area, _base(self.key))

    def size(self, lots: int) -> float:
        """Return a number of lots as a size in the settings."""
        return float(lots * self.instrument.lot)

    def whole(self, size: float) -> float:
        """Return a size as whole lots."""
        lot = self.instrument.lot
        return float(round(Decimal(str(size)) / lot) * lot)

    def worth(self, qty: Decimal, price: Decimal | None = None) -> Decimal:
        """Return what a quantity is worth in the area's coin, at the first price of the market."""
        price = price or self.instrument.start
        return qty * self.instrument.face / price if self.key.kind == CONTRACT else qty * price

    def sizes(self) -> list[Decimal]:
        """Return the largest size of each level, the nearest first."""
        given = self.given
        if given.get("RANDOM_ORDER_SIZE"):
            return [Decimal(str(given["MAX_ORDER_SIZE"]))] * given["ORDER_PAIRS"]
        start, step = (
            Decimal(str(given[name])) for name in ("ORDER_START_SIZE", "ORDER_STEP_SIZE")
        )
        return [start + level * step for level in range(given["ORDER_PAIRS"])]


def shape_of(
    seed: int, chance: random.Random, pairs: int | None, gap: float, given: Mapping[str, Any]
) -> Shape:
    """Draw the shape of a seed; `pairs` and `given` win over what is drawn."""
    pairs = pairs or chance.choice((2, 3, 6))
    interval = chance.choice((1, 2, 5))
    max_fills = chance.choice((8, 5_000, 5_000))
    limit = random.Random(f"limit {seed}").choice(LIMITS)
    quirks = quirks_of(chance)
    settings: dict[str, Any] = {
        "ORDER_PAIRS": pairs,
        "ORDER_START_SIZE": 100,
        "ORDER_STEP_SIZE": 50,
        "INTERVAL": 0.0006,
        "MIN_SPREAD": 0.001,
        "RELIST_INTERVAL": chance.choice((0.0002, 0.001)),
        "LOOP_INTERVAL": interval,
        "ORDERID_PREFIX": PREFIX,
        "MIN_POSITION": -limit,
        "MAX_POSITION": limit,
        "CHECK_POSITION_LIMITS": True,
        "POST_ONLY": True,
        "PRICE_COLLAR": 0.05,
        "MAX_FILLS": max_fills,
        "API_ERROR_INTERVAL": 5,
    }
    shape = Shape(BTC_USD, settings | dict(given), quirks, gap, pairs)
    if seed >= WIDE:
        _widen(shape, random.Random(f"wide {seed}"))
        shape.given |= dict(given)
    return shape


def quirks_of(chance: random.Random) -> Quirks:
    """Draw what no document tells of the venue."""
    return Quirks(
        expiry_grace_ms=chance.choice((0, 5_000)),
        oid_unique=chance.choice(("none", "open", "forever")),
        position_push=chance.choice(("changed", "full")),
        flat_position=chance.choice(("zero", "zero", "vanish")),
        limited_create_placed=chance.random() < 0.3,
        id_only_deltas=chance.random() < 0.3,
        order_end=chance.choice(("both", "update", "delete")),
        done_report=chance.choice(("both", "alone")),
        margin_frames=chance.random() < 0.8,
        unknown_order=chance.choice((-13004, -11066)),
    )


def _widen(shape: Shape, chance: random.Random) -> None:
    shape.is_wide = True
    shape.key = chance.choice(MARKETS)
    shape.gap *= chance.choice((1.0, 1.0, 3.0, 10.0))
    if chance.random() < 0.2 and shape.key.kind == CONTRACT:
        shape.quirks = replace(shape.quirks, forget_client_oid=True)
    given = shape.given
    given["RANDOM_ORDER_SIZE"] = False
    pairs = given["ORDER_PAIRS"] = shape.most_pairs = chance.choice(PAIRS)
    given["MAX_OPEN_ORDERS"] = max(90, 2 * pairs)
    given |= {
        "ORDER_START_SIZE": shape.size(100),
        "ORDER_STEP_SIZE": shape.size(50 if pairs <= 6 else 1),
        "MIN_ORDER_SIZE": shape.size(50),
        "MAX_ORDER_SIZE": shape.size(200),
        "MAX_ORDER_QTY": shape.size(100_000),
        "MAX_FILLS": 5_000,
        "DRY_RUN": chance.random() < 0.05,
    }
    ladder = float(sum(shape.sizes()))
    limit = ladder * chance.choice((1.2, 3.0, 6.0))
    given |= {"MIN_POSITION": -shape.whole(limit), "MAX_POSITION": shape.whole(limit)}
    for name, draw in DRAWS.items():
        if chance.random() < DRAWN:
            given[name] = draw(shape, chance)
    if chance.random() < 0.3:
        need = shape.worth(sum(shape.sizes(), Decimal(0)))
        need *= MARGIN if shape.key.kind == CONTRACT else 1
        for coin in shape.coins:
            each = need if coin == shape.key.area else need / shape.instrument.start
            usual = Decimal(DEPOSITS[shape.wallet][coin])
            least = each * Decimal(str(chance.choice((0.05, 0.4, 1.5, 4.0, 20.0))))
            shape.purse[coin] = min(least.quantize(Decimal("1e-8")), usual)
    shape.is_side_by_side = chance.random() < 0.7
    shape.has_machine = chance.random() < 0.5
    shape.rest = chance.choice((0.0, 0.0, 200.0))


def _base(key: Key) -> str:
    return key.symbol.partition("/")[0]


Draw = Callable[[Shape, random.Random], Any]


def _one_of(*values: Any) -> Draw:
    return lambda _, chance: chance.choice(values)


def _lots(*lots: int) -> Draw:
    return lambda shape, chance: shape.size(chance.choice(lots))


def _limit(sign: int) -> Draw:
    def draw(shape: Shape, chance: random.Random) -> float:
        part = chance.choice((0.0, 0.4, 0.8, 1.0, 1.5, 3.0, 3.0, 6.0))
        return sign * shape.whole(float(sum(shape.sizes())) * part)

    return draw


def _part_of_ladder(*parts: float) -> Draw:
    """Draw a part of what the whole ladder of both sides is worth; 0 is no limit."""

    def draw(shape: Shape, chance: random.Random) -> float:
        return float(shape.worth(2 * sum(shape.sizes(), Decimal(0)))) * chance.choice(parts)

    return draw


def _pairs(shape: Shape, chance: random.Random) -> int:
    most = min(shape.most_pairs, shape.given["MAX_OPEN_ORDERS"] // 2)
    return chance.randint(max(1, most // 2), most)


def _mode(shape: Shape, chance: random.Random) -> str:
    return chance.choice(("net", "hedge")) if shape.key.kind == CONTRACT else "net"


def _room_for_orders(shape: Shape, chance: random.Random) -> int:
    least = 2 * shape.given["ORDER_PAIRS"]
    return chance.choice((max(least, 1), least + 5, 2_000))


DRAWS: Mapping[str, Draw] = {
    "ORDER_PAIRS": _pairs,
    "ORDER_START_SIZE": _lots(50, 100, 170),
    "ORDER_STEP_SIZE": _lots(0, 1, 20),
    "INTERVAL": _one_of(0.0003, 0.0006, 0.002),
    "MIN_SPREAD": _one_of(0.0, 0.0005, 0.001, 0.003),
    "MAINTAIN_SPREADS": _one_of(True, False),
    "RELIST_INTERVAL": _one_of(0.0002, 0.001, 0.003),
    "RANDOM_ORDER_SIZE": _one_of(True, False),
    "MIN_ORDER_SIZE": _lots(10, 50),
    "MAX_ORDER_SIZE": _lots(100, 200),
    "CHECK_POSITION_LIMITS": _one_of(True, True, True, False),
    "MIN_POSITION": _limit(-1),
    "MAX_POSITION": _limit(1),
    "POSITION_MODE": _mode,
    "PRICE_COLLAR": _one_of(0.01, 0.05, 0.2),
    "MAX_ORDER_QTY": _lots(120, 160, 100_000),
    "MAX_OPEN_ORDERS": _room_for_orders,
    "MAX_OPEN_VALUE": _part_of_ladder(0.0, 0.3, 0.7, 1.0),
    "MAX_LOSS": _part_of_ladder(0.0, 0.0, 0.0005, 0.002, 0.01),
    "MAX_FILLS": _one_of(8, 100, 100, 5_000),
    "POST_ONLY": _one_of(True, False),
    "DRY_BTC": _one_of(1, 50),
    "LOOP_INTERVAL": _one_of(0.5, 1, 2, 5),
    "WAKE_ON_FILL": _one_of(True, False),
    "API_REST_INTERVAL": _one_of(0, 1),
    "API_ERROR_INTERVAL": _one_of(0, 5, 10),
    "MAKER_FEE": _one_of(0.00025),  # as the venue charges, so that money adds up exactly
    "TAKER_FEE": _one_of(0.00075),
}
"""How a seed, and a reload amid its run, draws a setting. What is in it stays valid together."""


def strangers_oid(chance: random.Random) -> str | None:
    """Draw the client_oid of an order that is not the bot's: another bot's, or typed by hand."""
    run, number = f"{chance.randrange(36**3):06d}", chance.randrange(10**6)
    made = new_oid(chance.choice(STRANGERS), run[:6], number)
    return chance.choice((None, made, f"{PREFIX}by_hand_{number}"))
