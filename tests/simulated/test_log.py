"""What a run logs, how often, and what its last lines say."""

import io
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.app import logs
from market_maker.app.log_file import OLD_FILES, LogFile, ParentsFile
from market_maker.app.logs import FORMAT, Line, RateLimitedHandler
from market_maker.models import ZERO, Exposure
from market_maker.paper.market.setup import still_book
from market_maker.settings import settings
from market_maker.trading import status
from tests.world.scene import Requests, record_of, said
from tests.world.world import World

MINUTE = 60.0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(CHECK_POSITION_LIMITS=True)
    monkeypatch.setattr("market_maker.app.logs.SYSTEM", world.timeline)
    with world.installed():
        yield world


@pytest.fixture
def shown() -> Iterator[io.StringIO]:
    """What the command line shows of all lines, as it formats them."""
    stream = io.StringIO()
    handler = RateLimitedHandler(stream)
    handler.setFormatter(Line(FORMAT))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
    logs.mark_lines(lambda: "")


# --- how often ----------------------------------------------------------------------------------


def test_an_unchanged_status_is_logged_once_a_minute(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.start()
    world.run(5 * MINUTE)
    for line in ("Ticker: ", "Current Contract Position: ", "Current BTC Balance: "):
        assert 5 <= said(log, line, logging.INFO) <= 6
    assert said(log, "6 orders open as wanted.", logging.INFO) == 1


def test_a_status_is_logged_at_once_when_the_position_changes(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.start()
    world.run(10)
    log.clear()
    world.take("buy", "8539.5", 31_000)
    world.run(6)
    assert said(log, "Current Contract Position: -100 ", logging.INFO) == 1


def test_fills_in_quick_succession_are_one_status_in_ten_seconds(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.start()
    world.run(10)
    log.clear()
    begun = world.timeline.monotonic()
    for _ in range(60):
        world.take("buy", "8539.5", 31_000)
        world.play(still_book())
        world.run(1)
    assert said(log, "Sold ") > 10
    took = world.timeline.monotonic() - begun
    assert said(log, "Current Contract Position: ", logging.INFO) <= took / 10 + 1


def test_a_ladder_that_moves_is_two_lines_however_many_orders_it_has(
    log: pytest.LogCaptureFixture,
) -> None:
    world = World(ORDER_PAIRS=30, ORDER_STEP_SIZE=0)
    log.set_level(logging.INFO)
    with world.installed():
        world.start()
        world.run(30)
    [first, *_] = [r.getMessage() for r in log.records if "Creating" in r.getMessage()]
    assert first.startswith("Creating 60 orders: Sell 100 @ 8539.5, 100 @ 8582.0")
    assert "25 more to 100 @ " in first
    assert not re.search("^(Sell|Buy)", "\n".join(r.getMessage() for r in log.records), re.M)


def test_debug_shows_each_request_with_its_time_and_each_frame(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    log.set_level(logging.DEBUG)
    requests = Requests(world)
    world.start()
    world.run(10)
    lines = [record.getMessage() for record in log.records]
    timed = [line for line in lines if re.search(r": (GET|POST) /v1/api/\S+, \d+ ms$", line)]
    assert len(timed) == len(requests.seen)
    assert any("POST /v1/api/pc/order/create" in line for line in timed)
    for table in ("order_book", "order", "instrument", "margin", "position"):
        assert any(line.startswith("Frame: ") and f'"{table}"' in line for line in lines), table
    shown = "\n".join(lines)
    for secret in (settings.API_KEY.reveal(), settings.API_SECRET.reveal(), "signature"):  # type: ignore[attr-defined]
        assert secret not in shown


# --- the form of a line -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PAPER", "DRY RUN"])
def test_every_line_of_a_run_that_is_not_live_says_so(
    world: World, shown: io.StringIO, log: pytest.LogCaptureFixture, kind: str
) -> None:
    log.set_level(logging.INFO)
    logs.mark_lines(lambda: kind)
    world.start()
    world.run(10)
    lines = shown.getvalue().splitlines()
    assert len(lines) > 10
    assert all(f": - {kind}: " in line for line in lines)


def test_the_time_of_the_log_never_runs_backwards(world: World) -> None:
    stream = io.StringIO()
    handler = RateLimitedHandler(stream)
    handler.setFormatter(Line("%(created).3f %(message)s"))

    def fail(text: str) -> None:
        record = record_of(logging.ERROR, text)
        record.created = world.timeline.now_ms() / 1000
        handler.handle(record)

    for _ in range(100):
        fail("create failed")
        world.timeline.sleep(0.05)
    world.timeline.sleep(30)
    fail("another trouble")
    times, texts = zip(
        *(line.split(" ", 1) for line in stream.getvalue().splitlines()), strict=True
    )
    assert texts[1:] == ("99 more lines like this one: create failed", "another trouble")
    assert times[0] < times[1] == times[2]


def _fails(error: Exception) -> None:
    raise error


def _fails_elsewhere(error: Exception) -> None:
    raise error


def test_tracebacks_are_alike_only_if_error_and_place_are_the_same(
    world: World, shown: io.StringIO
) -> None:
    for _ in range(3):
        for fails in (_fails, _fails_elsewhere):
            for error in (KeyError("a"), ValueError("a"), KeyError("b")):
                try:
                    fails(error)
                except Exception:
                    record = record_of(logging.ERROR, "Tick failed, skipped.")
                    record.exc_info = sys.exc_info()
                    logging.getLogger().handle(record)
    assert shown.getvalue().count("Traceback") == 6


# --- the log file -------------------------------------------------------------------------------


def test_a_log_file_begins_anew_when_it_is_long_and_others_cannot_read_it(tmp_path: Path) -> None:
    path = tmp_path / "bot.log"
    file = LogFile(path)
    file.maxBytes = 1000
    guards = ParentsFile(path)
    for number in range(300):
        for handler in (file, guards):
            handler.handle(logging.makeLogRecord({"msg": f"{number:050}", "levelno": logging.INFO}))
    for handler in (file, guards):
        handler.close()
    found = sorted(tmp_path.iterdir())
    assert len(found) == OLD_FILES + 1
    assert all(each.stat().st_mode & 0o77 == 0 for each in found)
    assert path.read_text().splitlines()[-2:] == [f"{299:050}"] * 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk to try")
@pytest.mark.parametrize("kind", [LogFile, ParentsFile])
def test_a_full_disk_is_said_once_and_stops_neither_bot_nor_guard(
    kind: type[LogFile], capfd: pytest.CaptureFixture[str]
) -> None:
    handler = kind(Path("/dev/full"))
    for number in range(3):
        about = {"msg": "x", "levelno": logging.ERROR, "name": f"market_maker.x{number}"}
        handler.handle(logging.makeLogRecord(about))
    handler.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("/dev/full cannot be written: ")


# --- the last lines -----------------------------------------------------------------------------


def test_the_last_lines_of_a_run_tell_its_position_and_what_it_is_worth(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = world.start()
    world.run(10)
    world.take("buy", "8539.5", 31_000)
    world.run(10)
    bot.exit()
    assert said(log, "This run: 1 fills, bought 0, sold 100 contracts.") == 1
    assert said(log, "Profit of this run after fees: ") >= 1
    assert said(log, "Position left: -100 contracts, worth -0.01", logging.WARNING) == 1
    assert said(log, "Quoted: a bid 9") == 1


def test_the_last_lines_of_a_run_tell_fees_that_were_paid_with_a_minus(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = world.start(ORDER_PAIRS=1, ORDER_START_SIZE=10_000)
    world.run(10)
    world.take("buy", "8539.5", 45_000)
    world.run(10)
    bot.exit()
    assert said(log, "This run: 1 fills, bought 0, sold 10000 contracts.") == 1
    assert said(log, " BTC (fees -0.000293, funding 0.000000)") >= 1


def test_the_way_to_close_a_position_that_a_live_run_names_places_only_what_reduces_it(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = world.start(ORDER_START_SIZE=40, ORDER_STEP_SIZE=0)
    world.run(10)
    world.take("buy", "8582", 62_000)
    world.run(10)
    assert world.position() == (0, 80)
    live = {"API_KEY": "a-key-of-the-venue", "API_SECRET": "its-secret"}
    live |= {"API_URL_BASE": "https://api.example.org", "WS_URL": "wss://ws.example.org"}
    settings.load(None, overrides=world.settings | live)
    bot.exchange.log_end(proven=False)
    limits = "CHECK_POSITION_LIMITS = True, MIN_POSITION = 0 and MAX_POSITION = 0"
    way = f"run `marketmaker cancel --close`, or run with {limits}"
    assert said(log, way, logging.WARNING) == 1
    bot.exit()
    world.play(still_book())
    world.start(ORDER_START_SIZE=40, ORDER_STEP_SIZE=0, MIN_POSITION=0, MAX_POSITION=0)
    world.run(15)
    assert [(order.side.name, order.qty) for order in world.orders()] == [("BUY", 40)] * 2


def test_the_last_lines_of_a_run_with_both_legs_tell_each(
    log: pytest.LogCaptureFixture,
) -> None:
    world = World(POSITION_MODE="hedge", ORDER_START_SIZE=40, ORDER_STEP_SIZE=0)
    with world.installed():
        bot = world.start()
        world.run(10)
        world.take("buy", "8539.5", 31_000)
        world.take("sell", "8448", 31_000)
        world.run(10)
        bot.exit()
    assert said(log, "Position left: 0 contracts (long 40, short 40), worth 0.000000 BTC") == 1


def test_a_position_of_which_a_range_is_known_is_worth_a_range(world: World) -> None:
    instrument = world.start().exchange.snapshot().instrument
    instrument = replace(instrument, mark_price=Decimal(8000))
    exposure = Exposure.of((Decimal(5), ZERO), (ZERO, Decimal(96)))
    assert status._worth(instrument, exposure) == ", worth -0.012000 to 0.000625 BTC at 8000.0"


def test_no_last_line_of_a_run_is_held_back(world: World, shown: io.StringIO) -> None:
    for _ in range(2):  # a run, and the dry run that it became
        bot = world.start()
        world.run(10)
        world.take("sell", "8448", 31_000)
        world.run(5)
        bot.exit()
    assert shown.getvalue().count("Position left: ") == 2


def test_the_last_lines_of_a_flat_run_say_so(world: World, log: pytest.LogCaptureFixture) -> None:
    bot = world.start()
    world.run(10)
    bot.exit()
    assert said(log, "No position is left.") == 1
    assert said(log, "To close it") == 0


def test_the_last_lines_say_when_the_position_is_not_known(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = world.start()
    world.run(10)
    world.fault("cut", times=10_000)
    world.run(10)
    bot.exit()
    assert said(log, "The position left is not known") + said(log, "No position is left") == 1


def test_a_bot_whose_orders_somebody_else_has_cancelled_says_so(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.start()
    world.run(10)
    for order in world.orders()[:3]:
        world.venue_cancels(order)
    world.run(6)
    assert said(log, "3 orders have ended without a cancel of ours", logging.WARNING) == 1
    world.bot.exit()  # type: ignore[union-attr]
    assert said(log, "without a cancel of ours") == 1
