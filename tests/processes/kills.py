"""Kills of a bot at any moment while it places its ladder, and what the venue then has left."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bot import Bot, settings_for
from conftest import wait_until

from market_maker.paper.exchange.instrument import Key
from market_maker.paper.server.in_process import PaperExchange
from tests.processes.delay import DelayProxy

GONE_SECONDS = 12.0
"""How long after a death an own order may still rest."""
PROVEN_SECONDS = 25.0
"""How long after a death the guard may take to prove that none is left."""
LADDER = 60
SIXTY: dict[str, object] = {"ORDER_PAIRS": LADDER // 2, "CHECK_POSITION_LIMITS": False}
SPOT: dict[str, object] = {
    **{"SYMBOL": "BTC/USDT", "INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT"},
    **{"ORDER_PAIRS": LADDER // 2, "ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0.005},
}
PAIR = Key("bb", "USDT", "BTC/USDT")
MARKETS = {"contracts": SIXTY, "spot": SPOT}
LATENCIES = (0.0, 0.05, 0.2)
"""Seconds each way."""
BURSTS = (1, 21, 41)
"""The first orders of each burst: 20 creates may leave at once, and the next 20 a second later."""
BURST_SECONDS, STAYS_SECONDS = 0.1, 1.0


class Moment(NamedTuple):
    """When to kill: so many seconds after so many orders are up."""

    up: int
    seconds: float


class Death(NamedTuple):
    """What a kill found up; after how many seconds none was left, and that was proven."""

    up: int
    gone: float
    proven: float
    left: int
    """How many orders were left after GONE_SECONDS, or in the end."""


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


@contextmanager
def venue_of(market: str) -> Iterator[PaperExchange]:
    """Give a venue whose book stands still, deep enough for a ladder."""
    with PaperExchange(crowd=False, book=True) as venue:
        if market == "spot":
            venue.put("buy", "8490", 10**9, key=PAIR)
            venue.put("sell", "8497.5", 10**9, key=PAIR)
        yield venue


def kill_bots(
    directory: Path, *, kills: int, lanes: int, market: str = "contracts", latency: float = 0.0
) -> list[Death]:
    """Kill so many bots, each with a guard, so many at a time; a lane has a venue of its own."""
    jobs = list(enumerate(moments(kills)))

    def lane(number: int) -> list[Death]:
        with venue_of(market) as venue, DelayProxy(port_of(venue), latency) as way:
            return [kill(venue, way, directory, market, *job) for job in jobs[number::lanes]]

    with ThreadPoolExecutor(lanes) as pool:
        return [death for deaths in pool.map(lane, range(lanes)) for death in deaths]


def kill(
    venue: PaperExchange, way: DelayProxy, parent: Path, market: str, number: int, moment: Moment
) -> Death:
    """Kill a bot at a moment of its start."""
    directory = parent / str(number)
    directory.mkdir(parents=True)
    urls = {
        "API_URL_BASE": f"http://127.0.0.1:{way.port}",
        "WS_URL": f"ws://127.0.0.1:{way.port}/ws",
    }
    settings_for(venue, directory, **(MARKETS[market] | urls))
    bot = Bot(directory)
    try:
        wait_until(lambda: len(venue.open_orders()) >= moment.up, 60)
        time.sleep(moment.seconds)  # how long they have been up
        count = len(venue.open_orders())
        begun = time.monotonic()
        bot.process.kill()
        gone, left = when_gone(venue, begun)
        bot.wait_for("guard: clean", 60)
        proven = time.monotonic() - begun
        wait_until(lambda: not bot.guards)
        return Death(count, gone, proven, left or len(venue.open_orders()))
    finally:
        bot.kill()


def port_of(venue: PaperExchange) -> int:
    """Return the port on which a venue listens."""
    return int(venue.rest_url.rpartition(":")[2])


def gone_after(venue: PaperExchange, begun: float) -> float:
    """Wait until no order is open; return how many seconds that took. Fails if one is left."""
    seconds, left = when_gone(venue, begun)
    assert left == 0
    return seconds


def when_gone(venue: PaperExchange, begun: float) -> tuple[float, int]:
    """Wait until no order is open; return how many seconds that took, and how many are left."""
    while left := len(venue.open_orders()):
        if time.monotonic() - begun > GONE_SECONDS:
            break
        time.sleep(0.01)
    return time.monotonic() - begun, left


def assert_clean(deaths: list[Death]) -> None:
    """Nothing was left, and the kills came while few and while all orders were up."""
    assert [death.left for death in deaths] == [0] * len(deaths)
    assert max(death.proven for death in deaths) <= PROVEN_SECONDS
    up = [death.up for death in deaths]
    assert max(up) == LADDER
    assert min(up) < LADDER / 2
