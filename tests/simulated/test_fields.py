"""Every field of every answer and frame, spoilt: nothing ends, nothing is decided on it."""

import itertools
import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import pytest
from conftest import part_of

from market_maker.errors import MarketMakerError
from market_maker.paper.api.dispatch import RawRequest, endpoint_name
from market_maker.paper.exchange.instrument import CONTRACT, SPOT
from market_maker.safety.trading_state import TradingState
from market_maker.trading.position_watch import NEW_IMAGE_EVERY
from tests.simulated.spoilt import Path, paths, spoil, ways
from tests.world.lively import Lively
from tests.world.oracle import assert_sound
from tests.world.world import World

BACK_SECONDS = 75
"""Within so many seconds after the last spoilt message the bot quotes again, or is halted: the
longest breaker holds for a minute."""
JUMPED_SECONDS = NEW_IMAGE_EVERY + 70
"""The same where an image of the position was empty, which says flat and is believed: the next
image, which says otherwise, is read so much later, and only then does the minute begin."""
SECONDS = {"pc/setting/query": 61}
"""How long the messages of a kind are spoilt, where they come so seldom."""
BETWEEN = "order book empty on one side or both"
"""What a tick sees between two frames of a market whose levels all move at once."""
DECIDES_NOTHING = {
    *("funding_rate", "funding_rate_time", "indicative_funding_rate", "change_rate_24h"),
    *("indicative_funding_rate_time", "volume_24h", "volume_pos_hold", "high_price", "low_price"),
    *("split_char", "quote_currency", "symbol_id", "mark_price", "index_price", "last_price"),
    *("entry_price", "avg_price", "liquidation_price", "pnl", "pos_margin", "pos_margin_ratio"),
    *("maint_margin_ratio", "order_margin", "fee", "leverage", "order_type", "ctime", "cost"),
    *("traceId", "input", "msg", "trade_match_id", "last_qty", "leaves_qty", "key", "keys"),
}
"""Fields that stop no quoting; a price does not for PRICE_OLD seconds. A message that names one
twice is refused whole."""
LADDER = {"ORDER_PAIRS": 2, "INTERVAL": 0.001, "MIN_SPREAD": 0.001, "RELIST_INTERVAL": 0.0003}
MARKETS: dict[str, dict[str, Any]] = {
    CONTRACT: LADDER | {"ORDER_STEP_SIZE": 50, "MIN_POSITION": -400, "MAX_POSITION": 400},
    SPOT: LADDER
    | {"INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT", "SYMBOL": "BTC/USDT"}
    | {"ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0.005}
    | {"MIN_POSITION": -0.04, "MAX_POSITION": 0.04},
}


class Case(NamedTuple):
    """A field of a kind of message, and what becomes of it."""

    market: str
    message: str
    """The name of an endpoint, or the table of a frame."""
    path: Path
    way: str

    def __str__(self) -> str:
        return f"{self.market} {self.message} {'.'.join(self.path)}: {self.way}"


class Watch(logging.Handler):
    """Looks at every create, and at every line of the log for a traceback."""

    def __init__(self, world: World, lively: Lively) -> None:
        super().__init__()
        self._lively = lively
        self.wrong: list[str] = []
        world.network.watchers.append(self._see)

    def _see(self, asked: RawRequest) -> None:
        if not asked.path.endswith("order/create"):
            return
        params = dict(asked.query)
        price, qty = Decimal(params["price"]), Decimal(params["qty"])
        if abs(price / self._lively.price() - 1) > Decimal("0.02"):
            self.wrong.append(f"a create at {price}")
        if qty not in map(Decimal, ("100", "150", "0.01", "0.015")):
            self.wrong.append(f"a create of {qty}")

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.wrong.append(f"a traceback: {record.exc_info[1]!r}")


@contextmanager
def lively(market: str) -> Iterator[tuple[World, Watch]]:
    """Have a world with a moving market, its bot not started."""
    world = World(still=False, **MARKETS[market])
    watch = Watch(world, Lively(world, market))
    logger = logging.getLogger("market_maker")
    logger.addHandler(watch)
    try:
        with world.installed():
            yield world, watch
    finally:
        logger.removeHandler(watch)


def intercept(world: World, change: Callable[[str, str], str]) -> None:
    """Let every message go through `change(name, text)`."""
    latest = [""]
    world.network.watchers.append(
        lambda asked: latest.__setitem__(0, endpoint_name(asked.path))  # one request at a time
    )
    world.network.rewrite = lambda body: change(latest[0], body.decode()).encode()
    world.network.rewrite_frame = lambda frame: change(_name(frame), frame)


def _name(frame: str) -> str:
    parsed = json.loads(frame)
    return "frame " + str(parsed.get("table") or "status" * ("status" in parsed) or "pong")


@cache
def cases() -> list[Case]:
    """Return every field of every message that a short life brings about, in every way."""
    found: dict[tuple[str, str, Path], bool] = {}
    for market in MARKETS:

        def note(name: str, text: str, market: str = market) -> str:
            for path, is_list in paths(json.loads(text)):
                key = market, name, path
                found[key] = found.get(key, False) or is_list
            return text

        with lively(market) as (world, _):
            intercept(world, note)
            world.start()
            world.run(12)
            world.network.drop_all()
            world.run(3)
            world.bot.loop.leave()
    return [
        Case(*key, way) for key, is_list in sorted(found.items()) for way in ways(key[2], is_list)
    ]


class Spoiler:
    """Spoils one field of every message of a kind, while it is told of one."""

    def __init__(self, world: World) -> None:
        self.case: Case | None = None
        intercept(world, self._change)

    def _change(self, name: str, text: str) -> str:
        case = self.case
        return spoil(text, case.path, case.way) if case and name == case.message else text


SAYS_ANOTHER_POSITION = (
    ("frame position", ("data",), "a list"),
    ("frame position", ("data", "*", "side"), "text '0'"),
)
"""What a venue may well say, that a leg is flat or short: twice on new connections, it counts."""


def is_well(world: World) -> bool:
    assert world.bot
    return world.bot.health.state is TradingState.ACTIVE and bool(world.orders())


def check(world: World, watch: Watch, case: Case) -> None:
    assert world.bot
    assert watch.wrong == [], case
    assert_sound(world, breaches=True)
    assert world.bot.control.halt_reason or is_well(world), (case, world.bot.health)


def run_until_well(world: World, case: Case) -> None:
    """Run until the bot quotes or is halted, at most so long as it may take."""
    assert world.bot
    most = JUMPED_SECONDS if case[1:] in SAYS_ANOTHER_POSITION else BACK_SECONDS
    begun = world.timeline.monotonic()
    while not is_well(world) and not world.bot.control.halt_reason:
        if world.timeline.monotonic() - begun > most:
            return
        world.run(1)


def stops_nothing(case: Case) -> bool:
    return case.path[-1] in DECIDES_NOTHING and case.way != "name twice"


def spoil_while_quoting(world: World, watch: Watch, spoiler: Spoiler, case: Case) -> None:
    """Spoil a field for a while, and see that the bot quotes again, or why it is halted."""
    bot = world.bot
    assert bot
    reasons = set()
    spoiler.case = case
    end = world.timeline.monotonic() + SECONDS.get(
        case.message, 4 if "frame" in case.message else 11
    )
    while world.timeline.monotonic() < end:
        world.run(1)
        reasons.add(bot.health.reason)
    spoiler.case = None
    if stops_nothing(case):
        assert reasons <= {"", BETWEEN}, case
    run_until_well(world, case)
    check(world, watch, case)


def live_through(cases: Sequence[Case]) -> None:
    """Let a bot of one market live through one case after the other; a halted one starts anew."""
    left = list(cases)
    while left:
        with lively(left[0].market) as (world, watch):
            spoiler = Spoiler(world)
            bot = world.start()
            world.run(4)
            while left and not bot.control.halt_reason:
                spoil_while_quoting(world, watch, spoiler, left.pop(0))


def start_with(case: Case) -> None:
    """Start a bot while a field is spoilt: it says in words what it cannot read, or lives on."""
    with lively(case.market) as (world, watch):
        spoiler = Spoiler(world)
        spoiler.case = case
        refusal = ""
        try:
            world.start()
        except MarketMakerError as error:
            refusal = str(error)
        if refusal:
            assert watch.wrong == [], case
            return
        world.run(10)
        spoiler.case = None
        run_until_well(world, case)
        check(world, watch, case)


BLOCKS = 24


def drawn(number: int) -> Case:
    """Return one of a few cases, each of them another."""
    return random.Random("fields").sample(cases(), 36)[number]


@pytest.mark.parametrize("number", range(36))
def test_a_spoilt_field_decides_nothing_and_ends_nothing(number: int) -> None:
    live_through([drawn(number)])


@pytest.mark.parametrize("number", range(18))
def test_nor_does_one_that_is_spoilt_at_the_start(number: int) -> None:
    start_with(drawn(number))


@pytest.mark.slow
@pytest.mark.parametrize("block", part_of(BLOCKS))
def test_nor_does_any_other_field_in_any_way(block: int) -> None:
    """Two thirds of all cases while the bot quotes, the third at its start.

    Each field meets each third of the ways, and each way each third of the fields.
    """
    quoting, starting = [], []
    for number, case in list(enumerate(cases()))[block::BLOCKS]:
        is_read = case.message.startswith("frame") or case.message.endswith("query")
        (starting if number // BLOCKS % 3 == 0 and is_read else quoting).append(case)
    for case in starting:
        start_with(case)
    for market, harmless in itertools.product(MARKETS, (True, False)):  # an effect may come late
        mine = [case for case in quoting if case.market == market]
        live_through([case for case in mine if stops_nothing(case) is harmless])
