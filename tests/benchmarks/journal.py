"""What a journal costs: the loop that hands rows over, and the writer."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from market_maker.paper.exchange.instrument import CONTRACT
from tests.benchmarks.table import Figure
from tests.world.lively import Lively
from tests.world.world import World

HANDED = ("tick", "decision", "balance", "unseen", "fill")
"""What the loop's thread calls in a tick."""
TICKS = 500
SECONDS = 120


class Watch:
    """Adds up the time that its thread spends in some calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call, watched."""

        def watched(*values: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return act(*values, **named)
            finally:
                self.seconds += time.perf_counter() - begun

        return watched


def hands_over() -> Iterator[Figure]:
    """Tick with 30 pairs that stand as wanted, and let the writer do nothing meanwhile."""
    with tempfile.TemporaryDirectory() as place:
        world = World(ORDER_PAIRS=30, MAX_OPEN_ORDERS=90)
        world.journals = Path(place)
        with world.installed():
            bot = world.start()
            world.run(20)
            records, handed, whole = bot.exchange.records, Watch(), Watch()
            journal = records._journal
            assert journal
            journal._has_thread = True  # the queue is emptied between the ticks
            for name in HANDED:
                setattr(records, name, handed.around(getattr(records, name)))
            tick, took = whole.around(bot.tick), []
            for _ in range(TICKS):
                handed.seconds = whole.seconds = 0.0
                tick()
                took.append((handed.seconds, whole.seconds))
                journal.write()
            over, of = (median(each) for each in zip(*took, strict=True))
    yield Figure(
        what="handing a steady tick of 30 pairs over to the journal, part of the tick",
        value=100 * over / of,
        unit="%",
        most=3,
        note=f"{1e6 * over:.0f} of {1e6 * of:.0f} us",
    )


def writes() -> Iterator[Figure]:
    """Write all rows of a market that moves each second, with fills, at LOOP_INTERVAL 1."""
    with tempfile.TemporaryDirectory() as place:
        world = World(still=False, ORDER_PAIRS=30, MAX_OPEN_ORDERS=90, LOOP_INTERVAL=1)
        world.journals = Path(place)
        with world.installed():
            Lively(world, CONTRACT)
            bot = world.start()
            world.run(5)
            journal, writer = bot.exchange.records._journal, Watch()
            assert journal
            journal.write = writer.around(journal.write)  # type: ignore[method-assign]
            world.run(SECONDS)
    yield Figure(
        what="the journal's writer at LOOP_INTERVAL 1, part of a core",
        value=100 * writer.seconds / SECONDS,
        unit="%",
        most=10,
        note=f"{1e3 * writer.seconds / SECONDS:.1f} ms a second",
    )
