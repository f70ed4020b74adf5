"""What becomes of the orders of a run that was killed, however late some of them arrive."""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.errors import MarketMakerError
from market_maker.paper.exchange.instrument import SPOT, Key
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.tape import BTC_USD
from market_maker.simulation.timeline import Killed
from tests.world.machine import Machine
from tests.world.world import World

PAIR = Key(SPOT, "USDT", "BTC/USDT")
LATE_MS = 4_500
"""A create may arrive so late: then its signature expires."""


def killed(
    directory: Path, *, key: Key = BTC_USD, forgets: bool = False, after: float = 0.4
) -> tuple[World, Machine]:
    """Return a world whose bot was killed while it laid a ladder, some of it still on its way."""
    sizes = {"ORDER_PAIRS": 10} | (
        {"ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0} if key is PAIR else {}
    )
    world = World(key=key, quirks=Quirks(forget_client_oid=forgets), still=False, **sizes)
    world.put("buy", "8490", 10_000)
    world.put("sell", "8497.5", 10_000)
    world.network.is_side_by_side = True
    world.foreign_order("buy", "8100", 1)
    machine = Machine(world, directory)
    create = "pc/order/create" if key is BTC_USD else "bb/order/create"
    world.fault("late", match=create, value=str(LATE_MS), done=False, times=30)
    world.start(runtime=machine.runtime())
    world.timeline.after(after, world.kill)
    with suppress(Killed):
        world.run(30)
    world.bury()
    machine.bury()
    return world, machine


def rest_at_last(world: World) -> list[Decimal]:
    """Return the prices of all orders of the account once none can arrive any more."""
    world.timeline.sleep(30)
    return [order.price for order in world.exchange.blotter.live("paper")]


@pytest.mark.parametrize("after", [0.05, 0.4, 1.5, 4.0])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("key", [BTC_USD, PAIR], ids=["contracts", "a pair"])
def test_the_guard_proves_that_none_is_left_but_those_of_others(
    key: Key, forgets: bool, after: float, tmp_path: Path
) -> None:
    world, machine = killed(tmp_path, key=key, forgets=forgets, after=after)
    with world.installed():
        begun = world.timeline.monotonic()
        assert machine.guard()
        assert world.timeline.monotonic() - begun < 25
        assert rest_at_last(world) == [8100]


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_person_proves_it_as_well_with_the_run_files_or_without(
    is_elsewhere: bool, tmp_path: Path
) -> None:
    world, machine = killed(tmp_path / "here")
    with world.installed():
        person = Machine(world, tmp_path / "elsewhere") if is_elsewhere else machine
        person.cancel()
        assert rest_at_last(world) == [8100]


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("key", [BTC_USD, PAIR], ids=["contracts", "a pair"])
def test_the_next_start_takes_them_away_before_it_quotes(
    key: Key, forgets: bool, tmp_path: Path
) -> None:
    world, machine = killed(tmp_path, key=key, forgets=forgets)
    with world.installed():
        before = set(world.exchange.blotter.live("paper"))
        world.venue.clear_faults(world.timeline.true_ms())
        bot = world.start(runtime=machine.runtime())
        assert {order.price for order in before & set(world.exchange.blotter.live("paper"))} == {
            Decimal(8100)
        }
        world.run(30)
        assert len(world.exchange.blotter.live("paper")) == 21
        bot.stop("done")
        bot.run_loop()
        machine.bury()
        assert rest_at_last(world) == [8100]


def test_a_start_that_is_stopped_while_it_waits_leaves_nothing(tmp_path: Path) -> None:
    world, machine = killed(tmp_path)
    with world.installed():
        world.timeline.after(2, interrupt)
        with pytest.raises(KeyboardInterrupt):
            world.start(runtime=machine.runtime())
        machine.bury()
        assert rest_at_last(world) == [8100]


def test_while_the_venue_is_away_nothing_is_proven_and_the_guard_tries_until_it_is_back(
    tmp_path: Path,
) -> None:
    world, machine = killed(tmp_path)
    with world.installed():
        world.fault("refuse", for_ms=90_000)
        with pytest.raises(MarketMakerError):
            machine.cancel()
        assert machine.guard()
        assert rest_at_last(world) == [8100]


def interrupt() -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt
