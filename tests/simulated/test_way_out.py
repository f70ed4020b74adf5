"""However the venue behaves: no tick takes over 6 s, the way out 25 s, and what is left is told."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from market_maker.client_oid import new_oid
from market_maker.errors import OrdersLeft
from market_maker.market_maker import OrderManager
from market_maker.settings import settings
from tests.world.scene import LIMITED, move_market
from tests.world.world import World

TROUBLE: dict[str, Callable[[World], None]] = {
    "mute": lambda world: world.fault("mute"),
    "drop": lambda world: world.fault("cut", match="order_book"),
    "stall": lambda world: world.fault("lost"),
    "stall after it is done": lambda world: world.fault("lost", done=True),
    "swallow": lambda world: world.fault("cancel_pending", value="600000"),
    "swallow lists": lambda world: world.fault("lost", match="pc/order/query"),
    "refuse": lambda world: world.fault("refuse"),
    "403": lambda world: world.fault("status", value="403"),
    "503": lambda world: world.fault("status", value="503"),
    "no way there": lambda world: setattr(world.network, "black_hole", True),
    "no resolver": lambda world: setattr(world.network, "no_resolver", True),
    "slow": lambda world: world.fault("late", value="3900"),
    "trickle": lambda world: world.fault("trickle"),
}
CLEAN = {"mute", "drop", "slow"}


class Attempts:
    """When requests to an endpoint were tried, whether they got through or not."""

    def __init__(self, world: World, part: str) -> None:
        self.at: list[float] = []
        world.network.senders.append(
            lambda asked: self.at.append(world.timeline.monotonic()) if part in asked.path else None
        )

    def longest_gap(self, since: float) -> float:
        late = [at for at in self.at if at >= since]
        return max((later - earlier for earlier, later in pairwise(late)), default=0.0)


@pytest.mark.parametrize(
    ("what", "pairs"), [*((what, 3) for what in TROUBLE), ("stall", 30), ("swallow", 30)]
)
def test_the_way_out_ends_in_time_whatever_the_venue_does(what: str, pairs: int) -> None:
    world = World(**(LIMITED | {"ORDER_PAIRS": pairs, "CHECK_POSITION_LIMITS": False}))
    with world.installed():
        bot = world.start()
        world.run(12)
        assert len(world.orders()) == 2 * pairs
        TROUBLE[what](world)
        world.run(1)
        begun, listed = world.timeline.monotonic(), ()
        bot.control.stop("test")
        try:
            bot.exit()
        except OrdersLeft as left:
            listed = left.orders
        assert world.timeline.monotonic() - begun <= 25
        assert bot.loop.left_clean is (what in CLEAN)
        assert len(listed) == (0 if what in CLEAN else 2 * pairs)
        assert len(world.orders()) <= len(listed)


@pytest.mark.parametrize(("pairs", "seconds"), [(45, 25), (145, 35)])
def test_many_orders_have_a_second_more_for_each_twenty_above_ninety(
    pairs: int, seconds: float
) -> None:
    many = {"ORDER_PAIRS": pairs, "CHECK_POSITION_LIMITS": False, "MAX_OPEN_ORDERS": 300}
    world = World(**(LIMITED | many))
    with world.installed():
        bot = world.start()
        world.run(40)
        assert len(world.orders()) == 2 * pairs
        world.fault("refuse")
        begun = world.timeline.monotonic()
        bot.control.stop("test")
        with pytest.raises(OrdersLeft):
            bot.exit()
        assert seconds - 2 <= world.timeline.monotonic() - begun <= seconds


@pytest.mark.parametrize("what", sorted({*TROUBLE} - {"slow"}))
def test_no_tick_takes_longer_than_6_s_whatever_the_venue_does(what: str) -> None:
    world = World(**LIMITED)
    with world.installed():
        bot = world.start()
        world.run(12)
        tick, took = bot.tick, [0.0]

        def timed() -> None:
            begun = world.timeline.monotonic()
            tick()
            took.append(world.timeline.monotonic() - begun)

        bot.tick = timed  # type: ignore[method-assign]
        move_market(world)
        TROUBLE[what](world)
        if what in ("refuse", "no resolver"):
            world.network.drop_all()
        cancels = Attempts(world, "order/cancel")
        begun = world.timeline.monotonic()
        world.run(60)
        assert max(took) <= 6.1
        if world.orders():
            assert cancels.at[0] - begun <= 16
            assert cancels.longest_gap(begun + 13) <= 10, "while quotes must go"


def test_a_loop_that_ends_late_still_has_time_to_cancel() -> None:
    world = World(**LIMITED)
    with world.installed():
        bot = world.start()
        world.run(5)
        bot.control.stop("test")
        world.timeline.sleep(60)  # as in a strategy that hangs
        world.fault("status", value="503", for_ms=5_000)
        bot.exit()
        assert bot.loop.left_clean
        assert world.orders() == []


class Idle(OrderManager):
    """A strategy that wants nothing."""

    def place_orders(self) -> None:
        self.converge_orders([], [])


def start_with_an_unknown_order(world: World) -> tuple[OrderManager, int]:
    """Start a bot of whose order the feed shows nothing; return it and the order's id."""
    bot = world.start(Idle)
    world.run(2)
    world.fault("mute", match="order", for_ms=60_000)
    oid = new_oid(settings.ORDERID_PREFIX, bot.exchange.client.run, 999)
    order_id = world.foreign_order("buy", "8000", 1, client_oid=oid)
    assert bot.exchange.orders.live() == ()
    return bot, order_id


@pytest.mark.parametrize("how", ["exit", "halt"])
def test_an_order_of_ours_that_nobody_knows_of_is_found_by_the_last_list(how: str) -> None:
    world = World()
    with world.installed():
        bot, _ = start_with_an_unknown_order(world)
        if how == "exit":
            bot.exit()
            assert bot.loop.left_clean
        else:
            bot.halt("kill switch")
            bot.tick()
        assert world.orders() == []


def test_an_order_that_only_the_list_shows_is_among_those_left() -> None:
    world = World()
    with world.installed():
        bot, order_id = start_with_an_unknown_order(world)
        world.fault("status", match="pc/order/cancel", value="503", for_ms=120_000)
        with pytest.raises(OrdersLeft) as left:
            bot.exit()
        assert [text.rpartition(" ")[2] for text in left.value.orders] == [str(order_id)]
