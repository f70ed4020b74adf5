"""The synthetic crowd: the same for the same seed, deep, lively, and through resting orders."""

import ast
import itertools
import math
import random
import re
import statistics
from decimal import Decimal

import pytest

from market_maker.app import docs
from market_maker.app.arguments import parse
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.moves import Depth, Index, Take
from market_maker.paper.market.crowd import Crowd, Step
from market_maker.paper.market.setup import OWNER, set_up
from market_maker.paper.market.tape import BTC_USD
from tests.world.world import World

MINUTE = 600  # steps


def crowd(seed: int = 1, **options: float) -> Crowd:
    return Crowd(
        random.Random(seed),
        start=Decimal("8493.5"),
        tick=Decimal("0.5"),
        grid=5,
        size=600,
        **options,
    )


def life(seed: int, steps: int, **options: float) -> list[Step]:
    return list(itertools.islice(crowd(seed, **options).steps(), steps))


def prices(steps: list[Step]) -> list[float]:
    return [float(move.price) for step in steps for move in step.moves if isinstance(move, Index)]


def test_the_same_seed_is_the_same_market_and_another_another() -> None:
    assert life(1, 2000) == life(1, 2000)
    assert life(1, 100) != life(2, 100)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_fair_value_swings_and_comes_back(seed: int) -> None:
    path = prices(life(seed, 20 * MINUTE, volatility=15))
    windows = [path[start : start + 2 * MINUTE] for start in range(0, len(path), 2 * MINUTE)]
    swings = sorted((max(window) - min(window)) / 8493.5 for window in windows)
    assert swings[len(swings) // 2] > 0.01
    assert 0.9 < min(path) / 8493.5 < max(path) / 8493.5 < 1.1


def test_volatility_1_moves_as_a_real_perpetual_does() -> None:
    """In August 2024 one moved by 0.033 to 0.036 % (root mean square) in 10 s."""
    moves = [
        math.log(after / before)
        for seed in range(3)
        for before, after in itertools.pairwise(prices(life(seed, 10 * MINUTE))[::100])
    ]
    assert 0.0003 < statistics.fmean(move**2 for move in moves) ** 0.5 < 0.0004


@pytest.mark.slow
def test_the_example_settings_trade_on_the_default_market_and_are_not_halted() -> None:
    """Three minutes of the tight ladder, the liveliest settings that the page shows."""
    page = (docs.ROOT / "en/settings.md").read_text("utf-8")
    recipe = re.search(r"^### A tight ladder$.*?^```python\n(.*?)```", page, re.M | re.S)
    assert recipe
    given = {
        name: ast.literal_eval(value)
        for name, value in (line.split(" = ") for line in recipe[1].splitlines())
    }
    assert given["LOOP_INTERVAL"] == 1
    volatility = parse(["--paper"]).volatility
    world = World(still=False, **given)
    steps = set_up(volatility=volatility).markets[0]
    assert steps.key == BTC_USD

    def play() -> None:
        if step := steps.upcoming():
            world.play(step.moves)
            steps.done()

    play()
    world.timeline.every(0.1, play)
    with world.installed():
        bot = world.start()
        world.run(3 * 60)
    assert not bot.control.is_halted
    assert world.venue.judge.report.fills


def test_volatility_and_speed_can_be_changed() -> None:
    calm, wild = (prices(life(1, 2 * MINUTE, volatility=v)) for v in (1.5, 45))
    assert max(calm) - min(calm) < (max(wild) - min(wild)) / 5
    slow, fast = (life(1, 2 * MINUTE, speed=s) for s in (0.2, 4))
    assert sum(len(step.moves) for step in slow) < sum(len(step.moves) for step in fast)


@pytest.mark.parametrize("speed", [0.01, 0.5, 1, 2, 9, 10, 33, 100])
@pytest.mark.parametrize("volatility", [0.01, 1, 100])
def test_a_step_is_bounded_work_at_every_speed_and_volatility(
    speed: float, volatility: float
) -> None:
    steps = life(1, 100, speed=speed, volatility=volatility)
    assert max(len(step.moves) for step in steps) < 200 + 10 * speed


def test_ten_times_the_speed_is_ten_times_the_takes() -> None:
    slow, fast = (
        sum(isinstance(move, Take) for step in life(1, MINUTE, speed=s) for move in step.moves)
        for s in (10, 100)
    )
    assert 5 < fast / slow < 20


@pytest.mark.parametrize("seed", range(3))
def test_the_book_is_deep_on_both_sides_and_never_crossed(seed: int) -> None:
    exchange, markets = set_up(seed=seed)
    market = next(market for market in markets if market.key == BTC_USD)
    book = exchange.listings[BTC_USD].book
    for number in range(10 * MINUTE):
        step = market.upcoming()
        assert step
        exchange.play(BTC_USD, step.moves, step.time)
        market.done()
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is not None
        assert ask is not None
        assert bid < ask
        if number % 100 == 0:
            assert all(len(list(book.prices(side))) >= 25 for side in Side)


@pytest.mark.parametrize("seed", range(5))
def test_the_inner_levels_of_a_ladder_are_traded_within_two_minutes(seed: int) -> None:
    exchange, markets = set_up(seed=seed, volatility=15)
    market = next(market for market in markets if market.key == BTC_USD)
    for level in range(1, 11):
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            ticks = round(8493.5 * (1 + sign * 0.005 * level) * 2)
            price = exchange.listings[BTC_USD].instrument.price(ticks)
            exchange.create(
                OWNER,
                BTC_USD,
                side=side,
                close=False,
                price=price,
                qty=Decimal(100 + 173 * (level - 1)),
                client_oid=None,
                now=0,
            )
    for _ in range(2 * MINUTE):
        step = market.upcoming()
        assert step
        exchange.play(BTC_USD, step.moves, step.time)
        market.done()
    assert len(exchange.blotter.live(OWNER)) < 20
    assert exchange.ledger.imbalance("BTC", exchange.marks()) == 0


def test_a_level_is_emptied_before_its_price_is_quoted_on_the_other_side() -> None:
    resting: dict[tuple[Side, int], int] = {}
    for step in life(4, 5 * MINUTE):
        for move in step.moves:
            if isinstance(move, Depth):
                resting[move.side, move.price] = move.size
        bids = [price for (side, price), size in resting.items() if size and side is Side.BUY]
        asks = [price for (side, price), size in resting.items() if size and side is Side.SELL]
        assert max(bids) < min(asks)
