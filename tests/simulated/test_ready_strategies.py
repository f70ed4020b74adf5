"""Every ready strategy on the paper exchange, on simulated time: contracts, a pair, both legs."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from market_maker.app.strategies import load_strategy
from market_maker.errors import SettingsError
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.safety import TradingState
from market_maker.strategies import READY
from tests.world.lively import Lively
from tests.world.oracle import assert_sound
from tests.world.scene import said, state
from tests.world.world import World

FINE: dict[str, Any] = {
    "ORDER_PAIRS": 2,
    "INTERVAL": 0.0005,
    "MIN_SPREAD": 0.0003,
    "RELIST_INTERVAL": 0.0002,
    "CHECK_POSITION_LIMITS": True,
}
OF_CONTRACTS = FINE | {"MIN_POSITION": -1000, "MAX_POSITION": 1000, "ORDER_STEP_SIZE": 0}
OF_A_PAIR = FINE | {
    **{"MIN_POSITION": -0.5, "MAX_POSITION": 0.5},
    **{"ORDER_START_SIZE": 0.05, "ORDER_STEP_SIZE": 0},
}
ROOM_FOR_LEGS = {"POSITION_MODE": "hedge", "MIN_POSITION": -3000, "MAX_POSITION": 3000}
"""Each wave adds to both legs, and at a limit only one side may be quoted."""
CALM = (0, 0, 1, 1, 2, 2, 1, 1, 0, 0, -1, -1)
PAIR = Key(SPOT, "USDT", "BTC/USDT")
MARKETS: list[tuple[str, dict[str, Any]]] = [
    ("BTC_USD", OF_CONTRACTS),
    ("BTC_USD hedged", OF_CONTRACTS | ROOM_FOR_LEGS),
    ("BTC/USDT", OF_A_PAIR | {"key": PAIR}),
]


@pytest.fixture(params=MARKETS, ids=lambda market: market[0])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A market that moves and that fills quotes, of each kind."""
    _, given = request.param
    world = World(still=False, **given)
    with world.installed():
        yield world


def of_side(world: World, side: Side) -> list[Order]:
    return [order for order in world.orders() if order.side is side]


@pytest.mark.parametrize("name", READY)
def test_a_ready_strategy_quotes_both_sides_and_trades(
    name: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    Lively(world, CONTRACT if world.key.kind == CONTRACT else SPOT, wave=CALM)
    world.start(load_strategy(name))
    both = 0
    for _ in range(40):
        world.run(1)
        bids, asks = of_side(world, Side.BUY), of_side(world, Side.SELL)
        both += bool(bids and asks)
        if bids and asks:
            assert max(o.price for o in bids) < min(o.price for o in asks)
    assert both > 20
    assert state(world) is TradingState.ACTIVE
    assert len(world.report.fills) > 3
    assert not said(caplog, "would cross")
    assert_sound(world)


# --- one still market: bids from 8490 down, asks from 8497.5 up, 1000 at each --------------------

STILL = OF_CONTRACTS | {"ORDER_PAIRS": 1, "MIN_SPREAD": 0.01, "RELIST_INTERVAL": 0.0001}
FIXED = {"VOLATILITY_RETURNS": 0}
"""VOLATILITY holds, whatever the market does."""


@pytest.fixture
def still() -> Iterator[World]:
    world = World(**STILL)
    with world.installed():
        yield world


def hold(world: World, contracts: int) -> None:
    """Let the account hold a position; the book is as before."""
    world.foreign_order("buy" if contracts > 0 else "sell", "8494", abs(contracts))
    world.take("sell" if contracts > 0 else "buy", "8494", abs(contracts))


@pytest.mark.parametrize(
    ("name", "held", "changed", "ladder"),
    [
        ("skew", 0, {}, ["SELL 100 @ 8539.5", "BUY 100 @ 8448"]),
        # half of the limit: half a half-spread of 45.72 lower, and buys a quarter smaller
        ("skew", 500, {}, ["SELL 100 @ 8517", "BUY 75 @ 8425"]),
        ("skew", -500, {}, ["SELL 75 @ 8562.5", "BUY 100 @ 8470.5"]),
        # at the limit: sells at the fair value of 8493.77, no buys
        ("skew", 900, {"MAX_POSITION": 900}, ["SELL 100 @ 8494"]),
        ("skew", 500, {"SKEW_PRICE": 0, "SKEW_SIZE": 1}, ["SELL 100 @ 8539.5", "BUY 50 @ 8448"]),
        # 10 dollars of floor, 20 of cap; 0.001 * sqrt(10) of 8493.75 are 26.86
        (
            "volatility",
            0,
            {"VOLATILITY": 0.0, "SPREAD_FLOOR": 20} | FIXED,
            ["SELL 100 @ 8504", "BUY 100 @ 8483.5"],
        ),
        (
            "volatility",
            0,
            {"VOLATILITY": 0.1, "SPREAD_CAP": 40} | FIXED,
            ["SELL 100 @ 8514", "BUY 100 @ 8473.5"],
        ),
        (
            "volatility",
            0,
            {"VOLATILITY": 0.001} | FIXED,
            ["SELL 100 @ 8521", "BUY 100 @ 8466.5"],
        ),
        # a half-spread of 0.91; with 500 contracts, 0.0589 coin, a shift of -0.60
        ("avellaneda_stoikov", 0, FIXED, ["SELL 100 @ 8495", "BUY 100 @ 8492.5"]),
        ("avellaneda_stoikov", 500, FIXED, ["SELL 100 @ 8494.5", "BUY 100 @ 8492"]),
        # a half-spread of 0.87; with 500 contracts a shift of -0.24
        ("glft", 0, FIXED, ["SELL 100 @ 8495", "BUY 100 @ 8492.5"]),
        ("glft", 500, FIXED, ["SELL 100 @ 8494.5", "BUY 100 @ 8492.5"]),
        ("glft", -500, FIXED, ["SELL 100 @ 8495", "BUY 100 @ 8493"]),
        # funding of 0.01 % in 8 hours, of positions held for days: a shift of -0.83
        ("glft", 0, {"FUNDING_HOLDING": 1e6} | FIXED, ["SELL 100 @ 8494", "BUY 100 @ 8492"]),
        ("microprice", 0, {}, ["SELL 100 @ 8539.5", "BUY 100 @ 8448"]),
    ],
)
def test_where_a_ready_strategy_quotes(
    name: str, held: int, changed: dict[str, Any], ladder: list[str], still: World
) -> None:
    if held:
        hold(still, held)
    still.start(load_strategy(name), **changed)
    still.run(5)
    assert still.ladder() == ladder


def test_the_micro_price_minds_the_sizes_of_others_alone(still: World) -> None:
    """Bids of 3000 and asks of 1000: the weighted mid is three quarters of the way to the ask."""
    still.put("buy", "8490", 3000)
    still.start(load_strategy("microprice"), MIN_SPREAD=0.0)
    still.run(5)
    assert still.ladder() == ["SELL 100 @ 8499", "BUY 100 @ 8492"]
    still.run(10)
    assert still.ladder() == ["SELL 100 @ 8499", "BUY 100 @ 8492"], "own orders do not count"


def test_the_micro_price_is_read_from_a_table(still: World, tmp_path: Path) -> None:
    table = {"symbol": "BTC_USD", "tick": 0.5, "buckets": 4, "spreads": [1, 15]}
    rows = {"adjustment": [[0, 0, 0, 0], [-40, -20, 20, 40]]}
    (tmp_path / "table.json").write_text(json.dumps(table | rows))
    still.start(load_strategy("microprice"), MICROPRICE_TABLE=str(tmp_path / "table.json"))
    still.run(5)
    assert still.ladder() == ["SELL 100 @ 8549.5", "BUY 100 @ 8458"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "table.json: not JSON"),
        ('{"symbol": "ETH_USD"}', "table.json: tick must be"),
        (
            '{"symbol": "ETH_USD", "tick": 1, "buckets": 1, "spreads": [1], "adjustment": [[0]]}',
            "table.json is of ETH_USD, not of BTC_USD",
        ),
        (
            '{"symbol": "BTC_USD", "tick": 1, "buckets": 1, "spreads": [1], "adjustment": [[0]]}',
            "table.json is of a tick of 1, the market's is 0.5",
        ),
        (None, "table.json: .*No such file"),
    ],
)
def test_a_table_that_cannot_be_read_ends_the_start(
    text: str | None, words: str, still: World, tmp_path: Path
) -> None:
    file = tmp_path / "table.json"
    if text:
        file.write_text(text)
    with pytest.raises(SettingsError, match=f"MICROPRICE_TABLE .*{words}"):
        still.start(load_strategy("microprice"), MICROPRICE_TABLE=str(file))
    assert still.orders() == []


def test_orders_that_would_stay_while_quotes_move_are_warned_of_once(
    still: World, caplog: pytest.LogCaptureFixture
) -> None:
    still.start(load_strategy("glft"), RELIST_INTERVAL=0.01)
    still.run(20)
    assert said(caplog, "RELIST_INTERVAL 0.01 is above the half-spread 0.0001") == 1


def test_the_volatility_is_measured_once_enough_has_been_seen(
    still: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A bid of 8495 comes or goes every 4 s: log returns of 0.000294, 0.000147 in 1 s."""
    caplog.set_level("INFO")
    turns = itertools.count(1)
    still.timeline.every(4.0, lambda: still.put("buy", "8495", 1000 * (next(turns) % 2)))
    more = {"VOLATILITY_STEP": 4.0, "VOLATILITY_RETURNS": 10, "RELIST_INTERVAL": 0.01}
    still.start(load_strategy("volatility"), **more)
    still.run(15)
    assert not said(caplog, "Volatility measured")
    still.run(40)
    assert said(caplog, "Volatility measured: 0.00014") == 1


@pytest.mark.parametrize(("step", "returns"), [(1.0, 1), (0.05, 3), (10.0, 1)])
def test_the_volatility_is_measured_however_short_its_window(
    step: float, returns: int, still: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    still.start(
        load_strategy("glft"), LOOP_INTERVAL=5, VOLATILITY_STEP=step, VOLATILITY_RETURNS=returns
    )
    still.run(60)
    assert said(caplog, "Volatility measured") >= 1
