"""Kills of a bot at any moment while it places its ladder, and what the venue then has left."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from bot import Bot, settings_for
from conftest import wait_until

from market_maker.paper.server.in_process import PaperExchange

GONE_SECONDS = 10.0
"""How long after a death an own order may still rest."""
LADDER = 60
SIXTY: dict[str, object] = {"ORDER_PAIRS": LADDER // 2, "CHECK_POSITION_LIMITS": False}
BURSTS = (1, 21, 41)
"""The first orders of each burst: 20 creates may leave at once, and the next 20 a second later."""
BURST_SECONDS, STAYS_SECONDS = 0.1, 1.0


class Moment(NamedTuple):
    """When to kill: so many seconds after so many orders are up."""

    up: int
    seconds: float


class Death(NamedTuple):
    """How many orders were up at a kill, how soon they were gone, and what was left in the end."""

    up: int
    seconds: float
    left: int


def moments(count: int) -> list[Moment]:
    """Draw so many moments, from the first order of the ladder until it has stood for a while.

    Half of them are while a burst of creates is under way.
    """
    chance = random.Random(15)
    first, last = Moment(BURSTS[0], 0.0), Moment(LADDER, STAYS_SECONDS)
    bursts = [
        Moment(BURSTS[number % len(BURSTS)], chance.uniform(0, BURST_SECONDS))
        for number in range(count // 2 - 1)
    ]
    others = [
        Moment(chance.randint(1, LADDER), chance.uniform(0, STAYS_SECONDS))
        for _ in range(count - 2 - len(bursts))
    ]
    return chance.sample([first, last, *bursts, *others], count)


def kill_bots(directory: Path, *, kills: int, lanes: int) -> list[Death]:
    """Kill so many bots, each with a guard, so many at a time; a lane has a venue of its own."""
    jobs = list(enumerate(moments(kills)))

    def lane(number: int) -> list[Death]:
        with PaperExchange(crowd=False, book=True) as venue:
            return [kill(venue, directory, *job) for job in jobs[number::lanes]]

    with ThreadPoolExecutor(lanes) as pool:
        return [death for deaths in pool.map(lane, range(lanes)) for death in deaths]


def kill(venue: PaperExchange, parent: Path, number: int, moment: Moment) -> Death:
    """Kill a bot at a moment of its start."""
    directory = parent / str(number)
    directory.mkdir()
    settings_for(venue, directory, **SIXTY)
    bot = Bot(directory)
    try:
        wait_until(lambda: len(venue.open_orders()) >= moment.up, 60)
        time.sleep(moment.seconds)  # how long they have been up
        count = len(venue.open_orders())
        bot.process.kill()
        took = gone_after(venue, time.monotonic())
        bot.wait_for("guard: clean", 60)
        wait_until(lambda: not bot.guards)
        return Death(count, took, len(venue.open_orders()))
    finally:
        bot.kill()


def gone_after(venue: PaperExchange, begun: float) -> float:
    """Wait until no order is open; return how many seconds that took."""
    wait_until(lambda: not venue.open_orders(), GONE_SECONDS)
    return time.monotonic() - begun


def assert_clean(deaths: list[Death]) -> None:
    """Nothing was left, and the kills came while few and while all orders were up."""
    assert [death.left for death in deaths] == [0] * len(deaths)
    up = [death.up for death in deaths]
    assert max(up) == LADDER
    assert min(up) < LADDER / 2
