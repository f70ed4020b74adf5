"""The guard's side of the pipe: what it hears of its bot, and when it may stop cancelling."""

import io
import os
import threading

import pytest
from test_sweep import Venue, order

from market_maker.gte import GTE
from market_maker.guard.guard import BEAT, GOODBYE
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.watch import Watch
from market_maker.models import CreateEvent
from market_maker.orders.sweep import LATE_SECONDS
from market_maker.paper.server.in_process import PaperExchange


@pytest.mark.parametrize("heard", [GOODBYE, BEAT + GOODBYE, BEAT * 3 + GOODBYE])
def test_a_goodbye_is_heard_in_one_breath_with_heartbeats(
    venue: PaperExchange, gte: GTE, log: pytest.LogCaptureFixture, heard: bytes
) -> None:
    gte.buy(10, 8000)
    theirs, ours = os.pipe()
    os.write(ours, heard)
    os.close(ours)
    watch = Watch(gte, RunFiles(gte.account), os.fdopen(theirs, "rb"))
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert len(venue.open_orders()) == 1
    assert "guard:" not in log.text


def test_a_pull_goes_on_until_no_order_of_the_dead_bot_can_arrive() -> None:
    venue = Venue(order(1))
    venue.timeline.after(9, lambda: venue.orders.append(order(2)))
    files = RunFiles(venue.account)
    Watch(venue, files, io.BytesIO(), venue.timeline).pull("the bot has died", lambda: False)
    assert venue.orders == []
    assert venue.timeline.monotonic() >= LATE_SECONDS


@pytest.mark.parametrize("has_died", [True, False])
def test_only_the_orders_of_a_dead_bot_are_proven_gone_for_the_next_start(has_died: bool) -> None:
    """A hung bot may go on, and an order that it then sends may be late when it dies."""
    venue = Venue(order(1))
    files = RunFiles(venue.account)
    files.note_run("thisrun")
    files.note_create(CreateEvent.LEAVING, order(1), "1")
    watch = Watch(venue, files, io.BytesIO(), venue.timeline)
    if has_died:
        watch.clean_up()
    else:
        watch.pull("the bot is hung", lambda: False)
    assert venue.orders == []
    assert files.may_be_late() is not has_died
    assert bool(files.notes().open_creates) is not has_died
