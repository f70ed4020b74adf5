"""What the tests of faults share: the world of a bot at work, and what to see of it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import market_maker
from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER
from market_maker.safety.trading_state import TradingState
from tests.world.oracle import assert_sound, assert_well
from tests.world.world import World

CREATE, QUERY = "pc/order/create", "pc/order/query"
CANCEL, BATCH = "pc/order/cancel", "pc/order/cancel_batch"
LIMITED = {"CHECK_POSITION_LIMITS": True, "MIN_POSITION": -1000, "MAX_POSITION": 1000}
"""A ladder of 819 contracts a side fits once into these limits, but not twice."""
FINE = {"RELIST_INTERVAL": 0.0001}
"""A small move of the market makes every order of a side move."""

every_venue = pytest.mark.parametrize(
    "quirks",
    [Quirks(), Quirks(forget_client_oid=True)],
    ids=["plain", "rows without client_oid"],
)
"""The documented venue, and the same with rows of contracts that show no client_oid."""


class Requests:
    """Every request that gets as far as the venue, with its time and what was asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: list[tuple[float, RawRequest]] = []
        world.network.watchers.append(self._see)

    def _see(self, asked: RawRequest) -> None:
        self.seen.append((self.world.timeline.monotonic(), asked))

    def of(self, *names: str) -> list[float]:
        """Return the times of the requests to these endpoints."""
        return [at for at, asked in self.seen if asked.path.endswith(names)]


def state(world: World) -> TradingState:
    """Return the bot's trading state."""
    assert world.bot
    return world.bot.health.state


def record_of(level: int, text: str, *values: object) -> logging.LogRecord:
    """Return a line as our own code logs it."""
    logger = logging.getLogger("market_maker.gte")
    return logger.makeRecord(logger.name, level, market_maker.__file__, 1, text, values, None)


def said(log: pytest.LogCaptureFixture, text: str, level: int = logging.DEBUG) -> int:
    """Return how many lines of this level or above hold a text."""
    return sum(text in r.getMessage() for r in log.records if r.levelno >= level)


def move_market(world: World) -> None:
    """Let the others quote 2 % higher, so that every order has to be placed anew."""
    for price, qty in (("8497.5", 0), ("8660", 1000), ("8670", 1000)):
        world.put("sell", price, qty)
    for price in ("8650", "8640"):
        world.put("buy", price, 1000)


def move_bids(world: World, to: str = "8495") -> None:
    """Let others bid more, so that our buys are to move: one alone, or more in a batch."""
    world.put("buy", to, 1000)


@contextmanager
def quoting(**options: Any) -> Iterator[World]:
    """Give a world in which a bot has quoted for a while, beside orders of others."""
    world = World(**(LIMITED | options))
    with world.installed():
        foreign = [world.foreign_order("buy", "8000", 7), world.foreign_order("sell", "9000", 7)]
        world.start()
        world.run(5)
        assert_well(world)
        yield world
        assert_sound(world)
        assert all(world.exchange.blotter.find(OWNER, each).resting for each in foreign)


def free_a_slot(world: World) -> Order:
    """Let the venue end the innermost buy, so that the bot makes a new one; return the old."""
    best = max((o for o in world.orders() if o.side is Side.BUY), key=lambda o: o.price)
    world.venue_cancels(best)
    return best


def watch(world: World, path: str) -> list[RawRequest]:
    """Collect the requests to an endpoint from now on."""
    seen: list[RawRequest] = []
    world.network.watchers.append(
        lambda asked: seen.append(asked) if asked.path.endswith(path) else None
    )
    return seen


def oids(requests_seen: list[RawRequest]) -> list[str]:
    return [dict(asked.query)["client_oid"] for asked in requests_seen]


def when(world: World, condition: Callable[[], Any]) -> list[float]:
    """Note in a list the moment at which something becomes true."""
    at: list[float] = []

    def look() -> None:
        if not at and condition():
            at.append(world.timeline.monotonic())

    world.timeline.every(0.05, look)
    return at


def unknown(world: World) -> int:
    return len(world.bot.exchange.orders.tracker.unknown())
