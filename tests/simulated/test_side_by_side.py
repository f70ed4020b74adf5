"""Requests that leave side by side on simulated time, as those of a live bot do."""

import os
import signal
from collections.abc import Iterator

import pytest

from market_maker.paper.api.dispatch import RawRequest
from market_maker.simulation.tasks import Task, interrupted_between_tasks
from market_maker.simulation.timeline import Killed, Timeline
from market_maker.wire.tls import PARALLEL
from tests.chaos.shape import WIDE
from tests.chaos.soak import Soak
from tests.world.scene import CREATE
from tests.world.world import World

AWAY = 0.05
"""Seconds each way."""


@pytest.fixture
def world() -> Iterator[World]:
    world = World(ORDER_PAIRS=30, ORDER_STEP_SIZE=0, CHECK_POSITION_LIMITS=False)
    world.network.latency = (AWAY, AWAY)
    world.network.is_side_by_side = True
    with world.installed():
        yield world


def test_as_many_creates_travel_at_once_as_there_are_connections(world: World) -> None:
    arrived: list[float] = []

    def see(asked: RawRequest) -> None:
        if asked.path.endswith(CREATE):
            arrived.append(world.timeline.monotonic())

    world.network.watchers.append(see)
    world.start()
    world.run_until(lambda: len(world.orders()) == 60)
    first = arrived[0]
    assert sum(at == first for at in arrived) == PARALLEL
    assert arrived[-1] - first < 60 * AWAY, "one after the other they would take twice that"
    assert len(arrived) == 60


def test_what_has_left_arrives_though_its_process_is_killed_and_nothing_else_leaves(
    world: World,
) -> None:
    left: list[str] = []

    def leave(asked: RawRequest) -> None:
        if asked.path.endswith(CREATE):
            left.append(asked.path)
            if len(left) == 1:
                world.timeline.after(AWAY / 2, world.kill)

    world.network.senders.append(leave)
    world.start()
    with pytest.raises(Killed):
        world.run(20)
    world.bury()
    assert world.orders() == []
    world.timeline.pass_by(30)
    assert len(world.orders()) == len(left) == PARALLEL
    assert not world.timeline.tasks


def test_ctrl_c_waits_until_a_task_waits() -> None:
    timeline, done = Timeline(), list[str]()

    def act() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("sent")
        timeline.travel(1)
        done.append("arrived")

    before = signal.getsignal(signal.SIGINT)
    Task(timeline, act)
    with pytest.raises(KeyboardInterrupt), interrupted_between_tasks(timeline):
        timeline.sleep(5)
    assert done == ["sent"]
    assert timeline.task is None
    timeline.sleep(5)
    assert done == ["sent", "arrived"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_the_same_wide_seed_gives_the_same_run() -> None:
    seed = next(s for s in range(WIDE, WIDE + 50) if Soak(s).shape.is_side_by_side)
    first, second = (Soak(seed).run(600) for _ in range(2))
    assert first == second
