"""Frames that were cut or changed on the way: refused or taken, and never the end of anything."""

import gc
import json
import random
import time
from collections.abc import Iterator

import pytest

from market_maker.errors import BadData
from market_maker.wire import fields
from market_maker.ws.tables import Tables
from tests.world.world import World

SECONDS_EACH = 0.05
"""Of this thread's own work."""
BYTES = b'\x00\x1f"\\,:[]{}-.0179eEnNaI \x7f\x80\xc3\xff'


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """Let what other tests have left be searched before or after: a frame is timed here."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def frames() -> list[str]:
    """One frame of each table and action that a short life on the paper exchange brings about."""
    found: dict[tuple[str, str], str] = {}
    world = World(CHECK_POSITION_LIMITS=True)
    with world.installed():
        world.start()
        feed = world.venue.feed
        (session,) = feed.sessions
        send = session.send

        def keep(frame: str, table: str) -> None:
            found.setdefault((table, str(json.loads(frame).get("action"))), frame)
            send(frame, table)

        session.send = keep
        world.run(5)
        world.take("sell", "8440", 60_000)
        world.put("buy", "8400", 7)
        world.put("buy", "8400", 0)
        world.run(5)
    kept = [frame for frame in found.values() if len(frame) < 3_000]
    assert len({table for table, _ in found}) >= 6
    return kept


def taken(data: bytes) -> None:
    """Take a frame as the feed's thread does."""
    began = time.thread_time()
    tables = Tables("pc", "BTC", "BTC_USD")
    for table in ("instrument", "order_book", "order", "position", "margin"):
        tables.heard[table] = 1.0
    try:
        frame = fields.parse_json(data.decode())
    except (BadData, UnicodeDecodeError):
        frame = None
    if isinstance(frame, dict) and "table" in frame:
        tables.apply(frame, 1, 1.0)
        tables.ticker({})
        tables.position()
        tables.drain_news()
    assert time.thread_time() - began < SECONDS_EACH


def test_a_frame_cut_at_any_byte_is_harmless(frames: list[str]) -> None:
    for frame in frames:
        data = frame.encode()
        for length in range(len(data)):
            taken(data[:length])


def test_a_frame_with_any_byte_changed_is_harmless(frames: list[str]) -> None:
    chance = random.Random(1)
    for frame in frames:
        data = frame.encode()
        for at in range(len(data)):
            for byte in chance.sample(BYTES, 4):
                taken(data[:at] + bytes([byte]) + data[at + 1 :])
