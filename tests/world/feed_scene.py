"""What the tests of market data and of the account share: a bot that quotes its whole ladder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from market_maker.paper.exchange.engine import Side as BookSide
from market_maker.paper.market.setup import still_book
from market_maker.settings import settings
from tests.world.scene import CREATE
from tests.world.world import World


@contextmanager
def quoting(**changed: Any) -> Iterator[World]:
    """Have a world whose bot quotes its ladder."""
    world = World(**{"CHECK_POSITION_LIMITS": True} | changed)
    with world.installed():
        world.start()
        world.run_until(lambda: len(world.orders()) == 2 * settings.ORDER_PAIRS)
        yield world


def reason(world: World) -> str:
    assert world.bot
    return world.bot.health.reason


def creates(world: World) -> int:
    return world.report.requests[CREATE]


def epoch(world: World) -> int:
    assert world.bot
    return world.bot.exchange.feed.epoch


def hit(world: World, qty: int = 100) -> None:
    """Let somebody sell through the others' bids to our best one, whose others come back then."""
    best = max(order.price for order in world.orders() if order.side is BookSide.BUY)
    before = sum(size for price, size in world.bids() if price > best)
    world.take("sell", str(best), before + qty)
    world.play(still_book())
