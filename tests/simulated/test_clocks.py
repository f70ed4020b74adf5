"""Clocks that step, drift and stand still, here and at the venue, in a market that binds limits."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from conftest import part_of

from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.events import Action, Event, OrderChanged
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.market.setup import OWNER
from market_maker.safety.trading_state import TradingState
from tests.world.lively import Lively
from tests.world.oracle import assert_sound
from tests.world.world import World

SLOPE = 4
WAVE = [*range(0, 48, SLOPE), *range(48, -48, -SLOPE), *range(-48, 0, SLOPE)]
"""A mid that is elsewhere every second: an old price shows."""
OLD_MS = 7_000
"""So old may be the price of an order: SLEPT_SECONDS that nobody minds, and a step of the market,
a tick and the way of a request."""
FAR = 0.0025
"""No order of the ladder is further from the mid, as a fraction."""
STEPS = (300, 1_500, 20_000, 3_600_000)
SLEEPS = (5, 60, 3_600)
BACK_SECONDS = 45
"""Within so many seconds after its clocks are right again, the bot quotes: the feed may have been
dropped five times within a minute, which pauses for 30 s."""
GIVEN = {
    "ORDER_PAIRS": 2,
    "ORDER_STEP_SIZE": 50,
    "INTERVAL": 0.0006,
    "MIN_SPREAD": 0.001,
    "RELIST_INTERVAL": 0.0002,
    "MIN_POSITION": -300,
    "MAX_POSITION": 300,
    "MAX_FILLS": 5_000,
    "CHECK_POSITION_LIMITS": True,
}


class Trouble(NamedTuple):
    """What happens to a clock: from when on, and for how long."""

    clock: str
    """`venue` or `wall`; `process` or `machine` for one that stands still with its bot."""
    how: str
    """`step`, `drift` or `still`."""
    size: float
    """ms of a step, ms a second of a drift."""
    at: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.clock} {self.how} {self.size:g} at {self.at:.1f} for {self.seconds:.1f} s"


def begin(world: World, trouble: Trouble) -> None:
    """Plan a trouble; at its end the clock is right again."""
    timeline = world.timeline
    if trouble.clock in ("process", "machine"):
        suspended = trouble.clock == "machine"
        timeline.after(trouble.at, lambda: world.stop_bot(trouble.seconds, suspended=suspended))
        return
    move = _move_venue(world) if trouble.clock == "venue" else timeline.step_wall_clock
    if trouble.how == "step":
        timeline.after(trouble.at, lambda: move(round(trouble.size)))
        timeline.after(trouble.at + trouble.seconds, lambda: move(-round(trouble.size)))
        return
    each = round(trouble.size / 5)
    slices = round(trouble.seconds * 5)
    for number in range(slices):
        timeline.after(trouble.at + number / 5, lambda: move(each))
    timeline.after(trouble.at + trouble.seconds, lambda: move(-each * slices))


def _move_venue(world: World) -> Callable[[int], None]:
    return lambda ms: world.fault("clock_skew", value=str(ms))


class Judge:
    """Looks at each order that the exchange takes: what it is priced on, and whether it is new."""

    def __init__(self, world: World, market: Lively) -> None:
        self._world, self._market = world, market
        self.wrong: list[str] = []
        judge = world.venue.judge
        see = judge.see

        def watch(event: Event, now: int) -> None:
            see(event, now)
            if isinstance(event, OrderChanged) and event.action is Action.INSERT:
                if event.order.owner == OWNER:
                    self._see(event.order)

        judge.see = watch  # type: ignore[method-assign]

    def _see(self, order: Order) -> None:
        now = self._world.timeline.true_ms()
        mids = [mid for at, mid in self._market.seen if now - at <= OLD_MS]
        sign, price = (1 if order.side is Side.BUY else -1), 2 * float(order.price)
        if not any(0 < sign * (mid - price) / mid < FAR for mid in mids):
            self.wrong.append(f"{order} on mids {mids}")
        for other in self._world.orders():
            is_other = other.order_id != order.order_id
            if is_other and (other.side, other.price) == (order.side, order.price):
                self.wrong.append(f"{order} beside {other}")


def live(troubles: Sequence[Trouble]) -> None:
    """Let a bot live through troubles of its clocks, and judge it by the exchange."""
    world = World(still=False, **GIVEN)
    market = Lively(world, CONTRACT, wave=WAVE, takes=2)
    judge = Judge(world, market)
    with world.installed():
        bot = world.start()
        world.run(10)
        assert bot.health.state is TradingState.ACTIVE
        for trouble in troubles:
            begin(world, trouble)
        end = max(trouble.at + trouble.seconds for trouble in troubles)
        begun = world.timeline.true_ms()
        while world.timeline.true_ms() < begun + end * 1000 and judge.wrong == []:
            world.run(1)
        world.run(1)
        wait = world.run_until(
            lambda: (
                bot.control.halt_reason
                or (bot.health.state is TradingState.ACTIVE and world.orders())
            ),
            90,
        )
        assert not bot.control.halt_reason, bot.control.halt_reason
        world.run(20)
        assert not judge.wrong, judge.wrong[:3]
        assert_sound(world, breaches=True)
        assert wait <= BACK_SECONDS, f"quoting after {wait:.0f} s"


def drawn(seed: int) -> list[Trouble]:
    """Return one to three troubles that may overlap, but for two sleeps."""
    chance = random.Random(f"clocks {seed}")
    found = [_drawn(chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    sleeps = [trouble for trouble in found if trouble.clock in ("process", "machine")]
    return [trouble for trouble in found if trouble not in sleeps[1:]]


def _drawn(chance: random.Random) -> Trouble:
    clock = chance.choice(("venue", "venue", "wall", "wall", "process", "machine"))
    at = chance.uniform(0, 12)
    if clock in ("process", "machine"):
        return Trouble(clock, "still", 0, at, chance.choice(SLEEPS[:2]))
    how = chance.choice(("step", "step", "step", "drift", "still"))
    size = {
        "step": chance.choice((1, -1)) * chance.choice(STEPS),
        "drift": chance.choice((10, -10)),
        "still": -1_000,
    }[how]
    return Trouble(clock, how, size, at, chance.uniform(0.5, 40))


SUSPENDED_AMID_A_CREATE, RESYNCED_LATE = 2, 185
"""Seeds that have shown faults: an order that was decided before a suspend and left after it, and
one decided on the tables of a connection that was about to be dropped."""
BLOCKS, BLOCK = 12, 25


@pytest.mark.parametrize("seed", [SUSPENDED_AMID_A_CREATE, RESYNCED_LATE, *range(300, 305)])
def test_whatever_clocks_do_no_limit_breaks_and_no_price_is_old(seed: int) -> None:
    live(drawn(seed))


@contextmanager
def quoting() -> Iterator[tuple[World, OrderManager]]:
    """Have a bot that quotes in a lively market."""
    world = World(still=False, **GIVEN)
    Lively(world, CONTRACT, wave=WAVE, takes=2)
    with world.installed():
        bot = world.start()
        world.run(10)
        yield world, bot


@pytest.mark.parametrize("clock", ["venue", "wall"])
@pytest.mark.parametrize("ms", [300, -300, 1_500, -1_500, 20_000, -20_000])
def test_a_clock_that_stays_wrong_by_less_than_its_limit_is_quoted_with(
    clock: str, ms: int
) -> None:
    with quoting() as (world, bot):
        begin(world, Trouble(clock, "step", ms, 0.7, 10_000))
        world.run(BACK_SECONDS)
        assert bot.health.state is TradingState.ACTIVE, bot.health
        assert world.orders()
        assert_sound(world, breaches=True)


LIST = {"match": "pc/order/query"}
BESIDE: dict[str, Callable[[World], None]] = {
    "a list is lost": lambda world: world.fault("lost", times=1, **LIST),
    "lists are lost for a minute": lambda world: world.fault("lost", for_ms=60_000, **LIST),
    "REST answers 503 for a minute": lambda world: world.fault(
        "status", value="503", for_ms=60_000
    ),
    "the process stands still": lambda world: world.stop_bot(12),
}
"""What may keep REST from telling how the venue's clock has stepped."""


@pytest.mark.parametrize("ms", [11_000, 20_000, -20_000, 3_600_000])
@pytest.mark.parametrize("beside", BESIDE)
def test_a_login_that_expires_as_the_venues_clock_has_stepped_is_no_refused_key(
    ms: int, beside: str
) -> None:
    with quoting() as (world, bot):
        begin(world, Trouble("venue", "step", ms, 0.1, 10_000))
        world.timeline.after(0.2, world.network.drop_all)
        world.timeline.after(0.2, lambda: BESIDE[beside](world))
        world.run(70)
        assert not bot.control.halt_reason, bot.control.halt_reason
        if abs(ms) > 30_000:  # this machine's clock is off by too much to quote
            assert bot.health.reason.startswith("this machine's clock is")
        else:
            world.run_until(lambda: bot.health.state is TradingState.ACTIVE, BACK_SECONDS)
        assert_sound(world, breaches=True)


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["process", "machine"])
@pytest.mark.parametrize("seconds", SLEEPS)
@pytest.mark.parametrize("at", [0.3, 1.05, 1.9, 2.6])
def test_a_bot_that_slept_for_long_quotes_again_on_new_prices(
    clock: str, seconds: float, at: float
) -> None:
    live([Trouble(clock, "still", 0, at, seconds)])


@pytest.mark.slow
@pytest.mark.parametrize("block", part_of(BLOCKS))
def test_so_it_is_with_many_more_troubles(block: int) -> None:
    for seed in range(1_000 + block * BLOCK, 1_000 + (block + 1) * BLOCK):
        live(drawn(seed))
