"""Faults of the WebSocket session."""

import base64
import hashlib
import inspect
import logging
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import websocket
from conftest import account, wait_until

from market_maker.errors import VenueUnreachable
from market_maker.paper.exchange.instrument import SPOT, Key
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import still_book
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety.trading_state import SILENT_AFTER, UNSTABLE_AFTER, TradingState
from market_maker.simulation.connections import SimulatedConnections, Socket
from market_maker.wire import tls
from market_maker.ws import session, vitals
from market_maker.ws.back_off import STABLE
from market_maker.ws.ws_thread import GTEWebsocket
from tests.chaos.market import Walk
from tests.world.feed_scene import hit, quoting
from tests.world.oracle import assert_agrees, assert_sound, assert_well
from tests.world.scene import Requests, move_market, said, state, when
from tests.world.world import World

ACTIVE, REDUCING, PAUSED, HALTED = TradingState
PUBLIC = ("instrument", "order_book")
PRIVATE = ("order", "execution", "position", "margin")
IN_FRONT = 30_600
"""Contracts that others sell below our lowest sell order, at 8539.5."""
Log = pytest.LogCaptureFixture


def feed_of(world: World) -> GTEWebsocket:
    assert world.bot
    return world.bot.exchange.feed


def breathe(world: World, seconds: float) -> None:
    """Let the best bid change its size twice a second for so long, from now on."""
    for step in range(int(seconds * 2)):
        world.timeline.after(step / 2, lambda step=step: world.put("buy", "8490", 1000 + step % 2))


def back_to_active(world: World, seconds: float = 8) -> None:
    """Fail when the bot does not quote again in time, or not by what is true at the venue."""
    world.run_until(lambda: state(world) is ACTIVE, seconds)
    world.run(10)
    assert_well(world)


def looks_up_before_it_creates(world: World, requests: Requests) -> bool:
    creates = requests.of("order/create")
    return not creates or requests.of("order/query")[0] < creates[0]


# --- the start ------------------------------------------------------------------------------------


def test_a_feed_that_cannot_be_reached_at_the_start_is_tried_again_and_again(
    empty: World, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The start gives up after 30 s and says so (exit status 4), and a back-off of more than
    # 5 s would be too slow for a feed that is to be back within 8 s.
    tried: list[float] = []

    def refuse(*_: object, **__: object) -> None:
        tried.append(empty.timeline.monotonic())
        raise ConnectionRefusedError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedConnections, "open_feed", refuse)
        with pytest.raises(VenueUnreachable, match="connection refused"):
            empty.start()
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert all(top / 2 <= gap <= top for gap, top in zip(gaps, (0.2, 0.5, 1, 2), strict=False))
    assert all(2.5 <= gap <= 5 for gap in gaps[4:])
    assert 29 <= empty.timeline.monotonic() <= 32
    first = next(r for r in log.records if "Feed lost" in r.getMessage())
    assert "connection refused" in first.getMessage()
    assert said(log, "Feed lost") == 1


def test_a_feed_that_comes_late_is_good_enough(empty: World) -> None:
    empty.fault("no_partial", match="order_book", for_ms=12_000)
    empty.start()
    empty.run(10)
    assert_well(empty)


# --- drops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [*PUBLIC, "order", "position"])
def test_a_drop_after_the_first_image_is_followed_by_a_new_one(
    world: World, log: Log, table: str
) -> None:
    epoch = feed_of(world).epoch
    world.network.drop_all()
    world.run_until(lambda: feed_of(world).epoch > epoch and not feed_of(world).missing())
    requests = Requests(world)
    world.fault("cut", match=table, times=1)
    if table in PUBLIC:
        move_market(world)
    elif table == "order":
        world.take("buy", "8539.5", IN_FRONT + 10)
    world.run_until(lambda: feed_of(world).epoch == epoch + 2, 20)
    assert looks_up_before_it_creates(world, requests)
    back_to_active(world)
    assert said(log, "Feed lost", logging.WARNING)


def test_nothing_is_created_while_the_feed_is_away(world: World) -> None:
    requests = Requests(world)
    world.network.drop_all()
    move_market(world)
    seen: list[tuple[bool, TradingState]] = []
    world.timeline.after(0.09, lambda: seen.append((feed_of(world).is_connected(), state(world))))
    world.run(1)
    assert seen == [(False, PAUSED)], "at once"
    assert looks_up_before_it_creates(world, requests)
    back_to_active(world)


@pytest.mark.parametrize("code", ["1000", "1001", "1008", "1012", "1013"])
def test_a_close_for_whatever_reason_is_a_drop(world: World, log: Log, code: str) -> None:
    # Of 1008 too: a venue that does not accept the key any more says so at the next login.
    epoch = feed_of(world).epoch
    world.fault("close", match="position", value=code, times=1)
    world.run_until(lambda: feed_of(world).epoch > epoch, 8)
    back_to_active(world)
    assert said(log, f"Feed lost: the venue closed the connection (code {code}") == 1


# --- silence --------------------------------------------------------------------------------------


def test_quotes_are_gone_15_s_after_a_feed_stopped_meaning_anything(world: World, log: Log) -> None:
    for table in (*PUBLIC, *PRIVATE, "trade"):
        world.fault("mute", match=table, for_ms=60_000)
    world.fault("code", match="pc/order/book/query", value="-10002", for_ms=60_000)
    world.run(15)
    assert world.orders() == []
    assert state(world) is PAUSED
    assert said(log, "not confirmed", logging.WARNING)
    world.run(45)
    assert world.orders() == []
    back_to_active(world, 20)


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("interval", [1, 5, 60, 3600])
def test_no_quote_rests_longer_on_a_dead_feed_where_ticks_are_rare(
    interval: float, is_cut: bool
) -> None:
    with quoting(LOOP_INTERVAL=interval) as world:
        world.fault("mute", for_ms=60_000)
        if is_cut:
            world.network.drop_all()
        world.run_until(lambda: not world.orders(), 15)
        assert state(world) is PAUSED


@pytest.mark.parametrize("pairs", [30, 61, 150])
@pytest.mark.parametrize("key", [BTC_USD, Key(SPOT, "USDT", "BTC/USDT")], ids=["contracts", "pair"])
def test_many_quotes_go_as_fast_as_the_venue_cancels(key: Key, pairs: int, log: Log) -> None:
    """It takes 20 cancels a second, of contracts after a batch of 50; a look costs time, too."""
    many = {"ORDER_PAIRS": pairs, "MAX_OPEN_ORDERS": 300, "CHECK_POSITION_LIMITS": False}
    size = {"ORDER_START_SIZE": 0.001} if key.kind == SPOT else {}
    world = World(key=key, still=key == BTC_USD, ORDER_STEP_SIZE=0, **size, **many)
    if key.kind == SPOT:
        world.put("buy", "8490", 10_000)
        world.put("sell", "8497.5", 10_000)
    with world.installed():
        world.start()
        world.run_until(lambda: len(world.orders()) == 2 * pairs, 60)
        world.fault("mute", for_ms=60_000)
        gone, begun = when(world, lambda: not world.orders()), world.timeline.monotonic()
        world.run(40)
    at_once = 90 if key == BTC_USD else 50
    assert gone[0] - begun <= 15.5 + max(0, 2 * pairs - at_once) / 20 * 1.5
    assert not said(log, "may be left", logging.ERROR)


def test_quotes_do_not_stay_behind_a_market_that_a_mute_feed_hides(world: World) -> None:
    for table in (*PUBLIC, "trade"):
        world.fault("mute", match=table, for_ms=60_000)
    move_market(world)
    old = {order.order_id for order in world.orders()}
    world.run(15)
    assert not old & {order.order_id for order in world.orders()}
    world.run(45)
    back_to_active(world, 20)


@pytest.mark.parametrize("cut_at", [2, 5, 9, 11, 14])
def test_a_new_connection_without_data_is_no_good_news_for_the_quotes(
    world: World, cut_at: float
) -> None:
    world.fault("mute", for_ms=40_000)
    world.timeline.after(cut_at, world.network.drop_all)
    world.run_until(lambda: not world.orders(), 15.5)


@pytest.mark.parametrize("cut_at", [4, 4.5, 5, 6, 6.5])
def test_nor_is_one_that_stands_before_a_slow_tick_has_seen_the_old_one_go(
    world: World, cut_at: float
) -> None:
    world.fault("mute", for_ms=40_000)
    world.fault("late", match="pc/order/query", value="3000", for_ms=40_000)
    world.fault("code", match="pc/order/book/query", value="-10002", for_ms=40_000)
    world.timeline.after(cut_at, world.network.drop_all)
    gone, begun = when(world, lambda: not world.orders()), world.timeline.monotonic()
    world.run(30)
    assert gone[0] - begun <= 15.5


def test_a_ping_is_sent_every_five_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[float] = []
    send = Socket.send

    def see(self: Socket, text: str) -> None:
        if '"ping"' in text:
            sent.append(world.timeline.monotonic())
        send(self, text)

    monkeypatch.setattr(Socket, "send", see)
    world.run(30)
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert len(gaps) >= 4
    assert all(gap <= 6 for gap in gaps)


def test_a_half_open_connection_is_dropped_and_made_anew(world: World, log: Log) -> None:
    epoch = feed_of(world).epoch
    world.fault("mute", for_ms=25_000)
    world.run(15)
    assert world.orders() == []
    assert state(world) is PAUSED
    world.run_until(lambda: feed_of(world).epoch > epoch, 10)
    assert said(log, "Feed lost: no frame for", logging.WARNING) == 1
    world.run(10)
    back_to_active(world, 20)


def test_a_dead_network_is_survived(world: World) -> None:
    world.network.black_hole = True
    world.run(40)
    assert state(world) is PAUSED
    world.network.black_hole = False
    world.run_until(lambda: state(world) is ACTIVE, 20)
    world.run(10)
    assert_well(world)


def test_a_dead_connection_is_not_closed_politely() -> None:
    source = inspect.getsource(session)
    assert "_socket.shutdown()" in source
    assert "_socket.close(" not in source


def test_a_position_that_is_not_shown_any_more_brings_care_and_then_a_pause(
    world: World, log: Log
) -> None:
    breathe(world, 90)
    epoch = feed_of(world).epoch
    world.fault("mute", match="position", for_ms=60_000)
    world.run(20)
    assert state(world) is REDUCING
    world.run(14)
    assert state(world) is PAUSED
    assert feed_of(world).epoch == epoch + 1
    world.run(14)
    assert world.orders() == []
    assert said(log, "position", logging.WARNING)
    world.run(14)
    back_to_active(world, 20)


def test_public_tables_that_stall_are_noticed_while_private_ones_go_on(world: World) -> None:
    for table in PUBLIC:
        world.fault("mute", match=table, for_ms=60_000)
    world.fault("reset", match="pc/order/book/query", for_ms=60_000)
    world.run(15)
    assert feed_of(world).silent_for("position") < 3
    assert world.orders() == []
    world.run(46)
    back_to_active(world, 20)


@pytest.mark.parametrize("tables", [("order",), ("execution",), ("order", "execution")])
def test_news_of_orders_that_stay_away_are_asked_for(
    world: World, log: Log, tables: tuple[str, ...]
) -> None:
    for table in tables:
        world.fault("mute", match=table, for_ms=60_000)
    world.take("buy", "8539.5", IN_FRONT + 40)
    world.run(15)
    assert_agrees(world)
    assert said(log, "Sold 40") == 1
    world.run(46)
    back_to_active(world, 20)


# --- flapping, logins, first images, lag ----------------------------------------------------------


def test_a_feed_that_comes_and_goes_is_not_followed(world: World, log: Log) -> None:
    requests = Requests(world)
    begun = world.timeline.monotonic()
    for cut in range(300):
        world.timeline.after(2 * cut, world.network.drop_all)
    world.run(15)
    before = len(requests.of("order/create"))
    assert said(log, "feed lost 5 times in a row and not stable yet", logging.WARNING)
    world.run(585)
    assert len(requests.of("order/create")) == before, "no churn"
    assert world.orders() == []
    assert len(requests.seen) < 4 * (world.timeline.monotonic() - begun)
    world.run_until(lambda: feed_of(world).is_connected(), 45)
    world.run(29)
    assert state(world) is PAUSED, "until it has been stable for 30 s"
    world.run(10)
    assert_well(world)


@pytest.mark.parametrize("lived", [0, 0.05, 2, 12, 25])
@pytest.mark.parametrize("seed", range(3))
def test_a_feed_that_accepts_and_drops_is_tried_twenty_times_in_ten_minutes(
    lived: float, seed: int, log: Log
) -> None:
    with quoting(seed=seed) as world:
        feed, connect = feed_of(world), GTEWebsocket.connect

        def connect_and_drop(feed: GTEWebsocket) -> None:
            connect(feed)
            world.timeline.after(lived, world.network.drop_all)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GTEWebsocket, "connect", connect_and_drop)
            before = feed.epoch
            world.network.drop_all()
            log.clear()
            world.run(600)
            assert 3 < feed.epoch - before <= 20
            assert said(log, "Connected to the feed") <= 2
            assert said(log, "Feed lost") >= feed.epoch - before - 1
        world.run(90)
        assert_well(world)


def test_a_login_that_the_venue_has_not_taken_is_repeated(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins: list[str] = []
    send = Socket.send

    def lose_the_first(self: Socket, text: str) -> None:
        if "auth_key_expires" in text:
            logins.append(text)
        if len(logins) != 1 or text not in logins:
            send(self, text)

    monkeypatch.setattr(Socket, "send", lose_the_first)
    empty.start()
    assert len(logins) == 2
    assert logins[0] != logins[1], "with a fresh expiry"
    empty.run(10)
    assert_well(empty)


@pytest.mark.parametrize("code", ["-10202", "-10051", "-10054"])
def test_a_login_that_is_refused_for_good_halts(world: World, log: Log, code: str) -> None:
    world.fault("frame_field", match="status", value=f'status="{code}"', for_ms=60_000)
    world.network.drop_all()
    world.run(30)
    assert state(world) is HALTED
    assert world.orders() == []
    assert said(log, "HALTED", logging.CRITICAL) == 1
    assert not re.search("[0-9a-f]{64}", log.text)
    assert "paper-secret" not in log.text
    assert_sound(world)


def test_subscriptions_that_are_never_acknowledged_may_still_work(world: World) -> None:
    world.fault("mute", match="status", for_ms=60_000)
    world.network.drop_all()
    back_to_active(world)


@pytest.mark.parametrize("code", ["-10201", "-10002", "-10053"])
def test_an_acknowledgement_that_says_no_ends_nothing(world: World, log: Log, code: str) -> None:
    world.fault("frame_field", match="status", value=f'status="{code}"', times=1)
    world.network.drop_all()
    back_to_active(world)
    assert said(log, f"code {code}", logging.ERROR) == (code != "-10201")


def test_a_pong_that_is_missing_while_data_flow_is_no_reason_to_leave(world: World) -> None:
    epoch = feed_of(world).epoch
    world.fault("mute", match="pong", for_ms=120_000)
    world.run(120)
    assert feed_of(world).epoch == epoch
    assert_well(world)


@pytest.mark.parametrize("table", [*PUBLIC, "order", "position"])
def test_a_first_image_that_does_not_come_is_asked_for_anew(
    world: World, log: Log, table: str
) -> None:
    world.take("buy", "8539.5", IN_FRONT + 40)  # else an empty position would not be missed
    world.run(10)
    # After 15 s and not 10, or the drops of its own making would pass for flapping.
    world.fault("no_partial", match=table, for_ms=45_000)
    world.network.drop_all()
    world.run(9)
    assert state(world) is PAUSED
    assert table in world.bot.health.reason  # type: ignore[union-attr]
    epoch = feed_of(world).epoch
    world.run(8)
    assert world.orders() == []
    world.run(30)
    assert epoch + 2 <= feed_of(world).epoch <= epoch + 4
    assert said(log, f"no {table} in 15 s", logging.WARNING)
    back_to_active(world, 20)


def test_a_connection_becomes_stable_though_the_venue_sends_no_first_image_of_an_empty_table(
    log: Log,
) -> None:
    world = World(quirks=Quirks(empty_partial=False, flat_position="vanish"))
    with world.installed():
        world.start()
        world.run(6)
        for _ in range(UNSTABLE_AFTER):
            world.network.drop_all()
            world.run(0.05)
            world.run(feed_of(world).back_off.pause)
        assert "not stable yet" in world.bot.health.reason  # type: ignore[union-attr]
        world.run_until(lambda: world.orders() == [], 20)
        world.network.drop_all()
        world.run(55 + STABLE)
        back_to_active(world, 20)


def test_a_venue_that_sends_no_first_image_of_an_empty_table_is_traded_on(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("connection refused")

    world = World(quirks=Quirks(empty_partial=False, flat_position="vanish"))
    with world.installed():
        world.start()
        world.run(6)
        assert_well(world)
        world.network.drop_all()
        back_to_active(world)
        with monkeypatch.context() as patch:
            patch.setattr(SimulatedConnections, "open_feed", refuse)
            world.network.drop_all()
            world.run(25)
        assert world.orders() == [], "pulled, so that both tables are empty now"
        back_to_active(world, 10)


@pytest.mark.parametrize("table", [*PUBLIC, "order", "position"])
def test_a_first_image_that_never_comes_ends_the_start(empty: World, table: str) -> None:
    empty.foreign_order("buy", "8000", 1)
    empty.foreign_order("buy", "8497.5", 10)  # which is a position: neither table is empty
    empty.fault("no_partial", match=table)
    with pytest.raises(VenueUnreachable, match=table):
        empty.start()
    assert empty.timeline.monotonic() < 35


@pytest.mark.parametrize("told", ['"0.2"', "null", '""', '"x"'])
def test_a_position_is_not_empty_because_its_margin_is_not_told(empty: World, told: str) -> None:
    empty.foreign_order("buy", "8497.5", 10)
    empty.fault("no_partial", match="position")
    empty.fault("reply_field", match="account/pc/query", value=f"pos_margin={told}")
    with pytest.raises(VenueUnreachable, match="position"):
        empty.start()


def test_a_feed_that_lags_allows_no_quote(world: World, log: Log) -> None:
    breathe(world, 120)
    requests = Requests(world)
    epoch = feed_of(world).epoch
    world.network.lag = 5
    world.run(8)
    assert state(world) is PAUSED
    assert said(log, "lags", logging.WARNING) == 1
    requests.seen.clear()
    world.run(20)
    assert requests.of("order/create") == []
    assert world.orders() == []
    assert feed_of(world).epoch == epoch
    world.network.lag = 0
    back_to_active(world, 12)


def test_a_feed_that_lags_by_far_is_made_anew(world: World, log: Log) -> None:
    breathe(world, 120)
    epoch = feed_of(world).epoch
    world.network.lag = 12
    world.run(40)
    assert feed_of(world).epoch > epoch
    assert world.orders() == []
    assert said(log, "feed lags by", logging.WARNING)
    world.network.lag = 0
    back_to_active(world, 30)


def test_one_late_frame_of_a_quiet_book_is_forgotten(world: World) -> None:
    world.network.lag = 4
    world.put("buy", "8490", 999)
    world.run(6)
    world.network.lag = 0
    back_to_active(world, 12)


# --- frames, threads, the library -----------------------------------------------------------------


@pytest.mark.parametrize("table", [*PUBLIC, "order", "position"])
@pytest.mark.parametrize("how", ["binary", "bad_utf8", "not_json"])
def test_a_frame_that_cannot_be_read_is_dropped_and_counted(
    world: World, table: str, how: str
) -> None:
    counted: list[int] = []
    world.fault("frame_raw", match=table, value=how, times=1)
    move_market(world)
    world.timeline.after(1.1, lambda: counted.append(feed_of(world)._tables.counts["bad frame"]))
    world.run(45)
    assert counted == [1]
    assert_well(world)


def test_many_frames_that_cannot_be_read_end_the_connection(world: World, log: Log) -> None:
    # After 5 in a minute: what they said is lost.
    epoch = feed_of(world).epoch
    world.fault("frame_raw", match="position", value="binary", times=5)
    world.run_until(lambda: feed_of(world).epoch > epoch, 15)
    assert said(log, "Feed lost: 5 bad frames", logging.WARNING) == 1
    back_to_active(world)


def test_a_feed_of_which_nothing_can_be_read_is_as_good_as_mute(world: World) -> None:
    def spoil_one_and_mute_the_rest() -> None:
        world.fault("frame_raw", value="not_json", times=1)
        world.fault("mute", for_ms=6_000)

    epoch = feed_of(world).epoch
    for seconds in (0, 6, 12):
        world.timeline.after(seconds, spoil_one_and_mute_the_rest)
    world.run_until(lambda: not world.orders(), 15.5)
    assert feed_of(world)._tables.counts["bad frame"] >= 2
    assert feed_of(world).epoch == epoch


@pytest.mark.parametrize("interval", [2, 30])
def test_when_the_thread_dies_no_quote_outlives_its_time(empty: World, interval: int) -> None:
    # Nothing that a frame can do ends it, so that it is not started again; but it is noticed.
    empty.start(LOOP_INTERVAL=interval)
    empty.run(31)
    assert len(empty.orders()) == 6
    requests = Requests(empty)
    empty.network.stopped = True  # the feed makes no step any more, while the loop goes on
    took = empty.run_until(lambda: state(empty) is PAUSED, 15)
    assert took <= SILENT_AFTER + 2, "long before the next tick"
    empty.run(max(15, 3 * interval) - took)
    assert empty.orders() == []
    assert requests.of("order/create") == []
    assert_sound(empty)


def test_the_library_has_all_that_is_used_of_it() -> None:
    wanted = inspect.signature(websocket.create_connection).parameters
    options = inspect.getsource(websocket.WebSocket) + inspect.getsource(websocket._http)
    for name in ("timeout", "enable_multithread", "skip_utf8_validation", "sslopt"):
        assert name in wanted or name in options, name
    for name in ("http_no_proxy", "redirect_limit"):
        assert name in options, name
    assert "control_frame" in inspect.signature(websocket.WebSocket.recv_data).parameters
    for name in ("send", "settimeout", "shutdown", "abort"):
        assert callable(getattr(websocket.WebSocket, name))
    assert issubclass(websocket.WebSocketTimeoutException, Exception)
    codes = websocket.ABNF
    assert (codes.OPCODE_CLOSE, codes.OPCODE_PING, codes.OPCODE_PONG) == (8, 9, 10)


def test_no_callback_of_the_library_is_used() -> None:
    # So none can be called with another signature, and none can swallow an error.
    source = inspect.getsource(session) + inspect.getsource(tls)
    assert "WebSocketApp" not in source
    assert "on_message" not in source
    declared = (Path(__file__).parents[2] / "setup.py").read_text("utf-8")
    floor = re.search(r"websocket-client>=(\d+)\.(\d+)", declared)
    assert floor
    assert (int(floor[1]), int(floor[2])) >= (1, 8)


def test_every_drop_of_many_is_noticed(world: World) -> None:
    for _ in range(4):  # the fifth within a minute would pause it
        epoch = feed_of(world).epoch
        world.network.drop_all()
        world.run_until(lambda epoch=epoch: feed_of(world).epoch == epoch + 1, 8)
        back_to_active(world)


def test_rows_that_were_refused_count_on_over_a_new_connection(world: World) -> None:
    world.fault("frame_field", match="order", value='order_id="0"', times=1)
    hit(world)
    world.run(3)
    assert feed_of(world).bad_private_rows() == 1
    world.network.drop_all()
    back_to_active(world)
    assert feed_of(world).epoch == 2
    assert feed_of(world).bad_private_rows() == 1


def test_a_late_frame_of_the_connection_before_is_not_heard(world: World) -> None:
    old = world.network.sockets[0]
    world.network.drop_all()
    world.run(3)
    before = feed_of(world).market_depth(), feed_of(world).position()
    for frame in (
        '{"table":"order_book","action":"partial","data":[],"time":"1577836900000"}',
        '{"table":"position","action":"partial","data":[],"time":"1577836900000"}',
    ):
        old._arrive(frame)
    assert (feed_of(world).market_depth(), feed_of(world).position()) == before
    back_to_active(world)


# --- with real sockets --------------------------------------------------------------------------

FRAME = (
    b'{"table":"order_book","action":"partial","time":"1577836900000","data":[{"instrument_type":'
    b'"pc","settle_currency":"BTC","symbol":"BTC_USD","side":"buy","price":"8490","size":"7"}]}'
)


class Rude:
    """A feed that shakes hands, says what it is told to say, and goes, politely or not."""

    def __init__(self, frames: list[bytes], *, reset: bool = False, stays: float = 0.0) -> None:
        self.connections = 0
        self._frames, self._reset, self._stays = frames, reset, stays
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self._ended.is_set():
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        asked = connection.recv(65_536)
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", asked)
        assert key
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        self.connections += 1
        for frame in self._frames:
            connection.sendall(frame)
        while self._stays and not self._ended.wait(self._stays):
            connection.sendall(self._frames[-1])
        if self._reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def stop(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def framed(payload: bytes, opcode: int = 1, *, rsv: int = 0) -> bytes:
    """Return a final frame as a server sends it."""
    head = bytes([0x80 | rsv | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload


Talk = Callable[..., tuple[Rude, GTEWebsocket]]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Let a feed listen to a rude venue."""
    made: list[tuple[Rude, GTEWebsocket]] = []

    def start(frames: list[bytes], **options: float) -> tuple[Rude, GTEWebsocket]:
        venue = Rude(frames, **options)  # type: ignore[arg-type]
        names = {"settle_currency": "BTC", "symbol": "BTC_USD"}
        feed = GTEWebsocket(account(base_url="http://127.0.0.1:9", ws_url=venue.url, **names))
        feed.start()
        made.append((venue, feed))
        return made[-1]

    yield start
    for venue, feed in made:
        feed.exit()
        venue.stop()


@pytest.mark.parametrize("reset", [False, True])
def test_half_a_frame_is_not_applied_and_the_connection_is_made_anew(
    talk: Talk, reset: bool
) -> None:
    venue, feed = talk([framed(FRAME)[:-1]], reset=reset)
    wait_until(lambda: venue.connections >= 2)
    assert feed.market_depth()["bids"] == []
    assert feed.last_error


def test_a_whole_frame_is_applied(talk: Talk) -> None:
    _, feed = talk([framed(FRAME)], stays=0.2)
    wait_until(lambda: feed.market_depth()["bids"] == [["8490", "7"]])


@pytest.mark.parametrize("frame", [framed(b"x" * 9, rsv=0x40), framed(b"x" * 200, 9), b"\xff" * 90])
def test_a_frame_that_breaks_the_protocol_ends_only_the_connection(
    talk: Talk, frame: bytes
) -> None:
    venue, feed = talk([frame])
    wait_until(lambda: venue.connections >= 2)
    assert feed._thread
    assert feed._thread.is_alive()


def test_pings_of_the_venue_do_not_keep_a_mute_feed_alive(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "DEAD_AFTER", 1.5)
    venue, feed = talk([framed(b"", 9)], stays=0.05)
    wait_until(lambda: venue.connections >= 2)
    assert "no frame for" in feed.last_error


# --- the soak -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [30, 100])
def test_a_hundred_cuts_in_ten_minutes_do_no_harm(cuts: int) -> None:
    soak(1, cuts)


def soak(seed: int, cuts: int) -> None:
    """Cut the feed so often in ten minutes, while others move the market and trade with us."""
    chance = random.Random(f"cuts {seed}")
    world = World(seed=seed)
    with world.installed():
        world.start()
        world.foreign_order("buy", "8000", 1)
        for _ in range(cuts):
            world.timeline.after(chance.uniform(0, 600), world.network.drop_all)
        for _ in range(60):  # others take what rests before our orders, some of ours, and go
            side, price = chance.choice([("buy", "8560"), ("sell", "8430")])
            qty, at = chance.randrange(25_000, 35_000), chance.uniform(0, 600)
            world.timeline.after(
                at, lambda side=side, price=price, qty=qty: world.take(side, price, qty)
            )
            world.timeline.after(at + 5, lambda: world.play(still_book()))
        world.run(600)
        assert_sound(world)
        world.run(45 + 30 + 5)  # the longest back-off, and until the feed is stable
        assert_well(world)
        assert world.bot
        world.bot.exit()
        assert world.orders() == []
        assert_sound(world)


@pytest.mark.slow
def test_a_hundred_cuts_as_soon_as_the_feed_is_back_double_and_orphan_nothing() -> None:
    tight = {"ORDER_PAIRS": 5, "INTERVAL": 0.0006, "MIN_SPREAD": 0.001, "RELIST_INTERVAL": 0.0003}
    limits = {"CHECK_POSITION_LIMITS": True, "MIN_POSITION": -2000, "MAX_POSITION": 2000}
    world = World(still=False, LOOP_INTERVAL=0.3, **tight, **limits)
    Walk(world, random.Random("cuts"))
    with world.installed():
        world.timeline.pass_by(5)
        bot = world.start()
        world.run_until(world.orders)
        for _ in range(100):
            epoch = feed_of(world).epoch
            world.network.drop_all()
            world.run_until(lambda epoch=epoch: feed_of(world).epoch > epoch)
        world.run_until(lambda: len(world.report.fills) >= 8 and world.orders(), 600)
        bot.exit()
        assert world.orders() == []
        assert_sound(world)
        assert (bot.exchange.money.trades.bought, bot.exchange.money.trades.sold) == (
            world.report.bought,
            world.report.sold,
        )


def test_a_table_is_taken_as_empty_only_on_the_connection_that_was_asked_about() -> None:
    with quoting() as world:
        assert world.bot
        feed = world.bot.exchange.feed
        world.fault("no_partial", match="order", for_ms=20_000)
        feed.reconnect("test")
        world.run(3)
        assert (feed.epoch, feed.missing()) == (2, ["order"])
        feed.take_as_empty("order", 1)
        assert feed.missing() == ["order"]
        feed.take_as_empty("order", 2)
        assert feed.missing() == []
