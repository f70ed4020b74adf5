"""What the tests of faults share: the world of a bot at work, and what to see of it."""

import logging

import pytest

from market_maker.paper.api.dispatch import RawRequest
from market_maker.safety.trading_state import TradingState
from tests.world.world import World


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


def said(log: pytest.LogCaptureFixture, text: str, level: int = logging.DEBUG) -> int:
    """Return how many lines of this level or above hold a text."""
    return sum(text in r.getMessage() for r in log.records if r.levelno >= level)


def move_market(world: World) -> None:
    """Let the others quote 2 % higher, so that every order has to be placed anew."""
    for price, qty in (("8497.5", 0), ("8660", 1000), ("8670", 1000)):
        world.put("sell", price, qty)
    for price in ("8650", "8640"):
        world.put("buy", price, 1000)
