"""Mark, index and last price: one that is not told of late is unknown, and decides nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from market_maker.models import PRICE_OLD
from market_maker.safety.trading_state import TradingState
from tests.world.feed_scene import epoch, quoting
from tests.world.oracle import assert_well
from tests.world.scene import said, state
from tests.world.world import World

PRICES = ("last_price", "mark_price", "index_price")


def spoil(world: World, *names: str) -> None:
    """Let no frame and no answer tell a price of these names."""

    def without(text: str) -> str:
        return re.sub(rf'"({"|".join(names)})": ?"[^"]*"', r'"\1":""', text)

    world.network.rewrite_frame = without
    world.network.rewrite = lambda body: without(body.decode()).encode()


def mend(world: World) -> None:
    world.network.rewrite_frame = world.network.rewrite = lambda text: text


@contextmanager
def moving() -> Iterator[World]:
    """Have a bot that quotes while the mark and index price move each second."""
    with quoting() as world:
        prices = iter(range(100_000))
        world.timeline.every(1.0, lambda: world.index(str(8490 + next(prices) % 10)))
        yield world


def marks(world: World) -> list[Any]:
    assert world.bot
    instrument = world.bot.exchange.snapshot().instrument
    return [getattr(instrument, name) for name in PRICES]


@pytest.mark.parametrize("value", ['""', '"1E-7"', "null", "[]", ""])
@pytest.mark.parametrize(
    "name", ["funding_rate", "funding_rate_time", "price_precision", "symbol_id", "split_char"]
)
def test_a_field_that_decides_nothing_does_not_hold_the_prices_back(name: str, value: str) -> None:
    with quoting() as world:
        world.fault("frame_field", match="instrument", value=f"{name}={value}")
        world.index("8501")
        world.run(2)
        assert marks(world)[1:] == [8501, 8501]
        assert epoch(world) == 1
        assert_well(world)


@pytest.mark.parametrize("name", PRICES)
def test_a_price_that_the_feed_does_not_tell_is_read_over_rest(name: str) -> None:
    with moving() as world:
        world.fault("frame_field", match="instrument", value=f'{name}=""')
        world.run(PRICE_OLD + 10)
        world.index("8503")
        world.run(6)
        assert None not in marks(world)
        if name != "last_price":
            assert abs(marks(world)[PRICES.index(name)] - 8495) <= 10
        assert_well(world)


def test_a_price_that_the_feed_tells_goes_before_one_that_rest_told_a_moment_ago() -> None:
    with moving() as world:
        lasts = int(PRICE_OLD) + 8
        world.fault("frame_field", match="instrument", value='mark_price=""', for_ms=lasts * 1000)
        world.run(lasts)
        assert marks(world)[1] is not None, "as REST tells it"
        for _ in range(5):
            world.run(1.5)
            _, mark, index = marks(world)
            assert mark == index


def test_a_price_that_rest_has_told_long_ago_is_unknown_again() -> None:
    with moving() as world:
        world.fault("frame_field", match="instrument", value='mark_price=""')
        world.run(PRICE_OLD + 10)
        assert None not in marks(world)
        world.fault("status", match="pc/instrument/query", value="503")
        world.run(PRICE_OLD - 10)
        assert None not in marks(world)
        world.run(20)
        assert marks(world)[1] is None


def test_prices_that_stay_unknown_pause_a_contract_and_say_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with moving() as world:
        spoil(world, *PRICES)
        world.run(PRICE_OLD - 5)
        assert state(world) is TradingState.ACTIVE
        world.run(10)
        assert marks(world) == [None] * 3
        assert state(world) is TradingState.PAUSED
        assert said(caplog, "mark and index price unknown: PRICE_COLLAR cannot be kept")
        world.run(15)
        assert world.orders() == []
        mend(world)
        world.run(15)
        assert_well(world)


def test_without_one_of_them_the_other_is_the_collar() -> None:
    with moving() as world:
        spoil(world, "mark_price")
        world.run(PRICE_OLD + 10)
        assert marks(world)[1] is None
        assert marks(world)[2] is not None
        assert_well(world)


def test_a_market_that_stands_still_has_prices_all_the_same() -> None:
    with quoting() as world:
        before = marks(world)
        world.run(10 * PRICE_OLD)
        assert marks(world) == before
        assert_well(world)
