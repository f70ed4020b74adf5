"""Faults of order entry: what becomes of creates whose answer is lost or odd."""

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import requests
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NameResolutionError, SSLError

from market_maker.market_maker import OrderManager
from market_maker.models import OrderState
from market_maker.orders.notes import read_notes
from market_maker.orders.sweep import LATE_SECONDS
from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety.trading_state import TradingState
from tests.world.oracle import assert_agrees, assert_sound, assert_well
from tests.world.scene import (
    CREATE,
    LIMITED,
    QUERY,
    every_venue,
    free_a_slot,
    oids,
    quoting,
    said,
    state,
    unknown,
    watch,
    when,
)
from tests.world.world import World

ANSWER_LOST = "timed out"


class OneBuy(OrderManager):
    """Wants a single order."""

    def place_orders(self) -> None:
        self.converge_orders([self.prepare_order(-1)], [])


@every_venue
@pytest.mark.parametrize("first", [True, False], ids=["the first of all", "a later one"])
def test_a_create_whose_answer_is_lost_is_adopted_and_not_doubled(
    quirks: Quirks, first: bool, log: pytest.LogCaptureFixture
) -> None:
    world = World(quirks=quirks, **LIMITED)
    with world.installed():
        world.start()
        world.run(0.0 if first else 5.0)
        creates = watch(world, CREATE)
        world.fault("lost", match=CREATE, done=True, times=1)
        if not first:
            free_a_slot(world)
        lost = when(world, lambda: ANSWER_LOST in log.text)
        found = when(world, lambda: lost and not unknown(world))
        world.run(40)
        assert_well(world)
        takes_another = first and quirks.forget_client_oid  # to show that the venue forgets
        assert found[0] - lost[0] <= (4 if takes_another else 1.5)
        assert len(world.orders()) == 6
        assert len(creates) == (6 if first else 1)
    assert said(log, ANSWER_LOST) == said(log, " reached the venue") == 1


@pytest.mark.parametrize("alone", [True, False])
def test_the_first_create_of_all_is_not_taken_for_absent_on_a_venue_that_forgets_its_id(
    alone: bool,
) -> None:
    quirks = Quirks(forget_client_oid=True)
    world = World(quirks=quirks, ORDER_PAIRS=1, **LIMITED)
    with world.installed():
        world.start(OneBuy if alone else OrderManager)
        creates = watch(world, CREATE)
        world.fault("lost", match=CREATE, done=True, times=1)
        world.run(20)
        assert_well(world)  # no other order can be that row: else ours would rest, out of reach
        assert len(creates) == len(world.orders()) == (1 if alone else 2)
        assert_sound(world)
        assert world.bot
        world.bot.exit()
        assert not world.orders()


def test_of_more_rows_than_orders_in_doubt_none_is_taken_for_ours_and_a_person_must_look() -> None:
    world = World(quirks=Quirks(forget_client_oid=True), ORDER_PAIRS=1, **LIMITED)
    with world.installed():
        world.start(OneBuy)
        creates = watch(world, CREATE)

        def twin(asked: RawRequest) -> None:
            (ours,) = world.orders() or (None,)
            if asked.path.endswith(QUERY) and ours and not world.foreign:
                world.foreign_order("buy", str(ours.price), int(ours.qty))

        world.network.watchers.append(twin)
        world.fault("lost", match=CREATE, done=True, times=1)
        world.run(150)
        assert state(world) is TradingState.HALTED
        assert len(creates) == len(world.foreign) == 1


@every_venue
@pytest.mark.parametrize("ended", ["filled", "cancelled"])
def test_an_order_that_has_ended_before_it_is_found_is_booked(quirks: Quirks, ended: str) -> None:
    with quoting(quirks=quirks) as world:
        free_a_slot(world)
        world.fault("lost", match=CREATE, done=True, times=1)
        for table in ("order", "execution"):  # so that only a scan of ended orders can tell
            world.fault("mute", match=table, for_ms=8_000)
        known = {order.order_id for order in world.orders()}

        def end(asked: RawRequest) -> None:
            for order in world.orders():
                if asked.path.endswith(QUERY) and order.order_id not in known and ended:
                    if ended == "filled":
                        world.put("sell", str(order.price), 100_000)
                    else:
                        world.venue_cancels(order)
                    known.add(order.order_id)

        world.network.watchers.append(end)
        lost = when(world, lambda: unknown(world))
        found = when(world, lambda: lost and not unknown(world))
        world.run(10)
        assert found[0] - lost[0] <= 1.5
        ended = ""
        world.put("sell", "8448", 0)
        world.run(60)
        assert_well(world)


def old_orders(world: World, count: int, apart: float = 0.2) -> None:
    """Let the owner of the account have had so many orders long ago."""
    for each in range(count):
        number = world.foreign_order("buy", str(7999 - each), 1)
        world.exchange.cancel(OWNER, BTC_USD, number, world.timeline.true_ms())
        world.timeline.sleep(apart)
    world.venue.publish(world.timeline.true_ms())
    del world.foreign[-count:]


def test_orders_that_end_unseen_are_looked_up_without_what_has_happened_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("market_maker.gte.MAX_PAGES", 3)
    world = World(**LIMITED)
    with world.installed():
        world.start()
        world.run(5)
        ended = world.orders()
        for table in ("order", "execution"):
            world.fault("mute", match=table, for_ms=20_000)
        old_orders(world, 400, apart=0)
        for order in ended:
            world.venue_cancels(order)
        queries = watch(world, QUERY)
        tracker = world.bot.exchange.orders.tracker
        world.run_until(
            lambda: (
                not any(o.client_oid in {each.client_oid for each in tracker.live()} for o in ended)
            ),
            12,
        )
        assert len(queries) <= 8
        world.run(100)  # PAUSED for a minute: the venue has ended so many
        assert_agrees(world)
        assert len(world.orders()) == 6


@pytest.mark.parametrize("apart", [0.0, 0.2])
def test_the_search_does_not_go_through_the_whole_history_of_an_old_account(
    monkeypatch: pytest.MonkeyPatch, apart: float
) -> None:
    monkeypatch.setattr("market_maker.gte.MAX_PAGES", 3)
    world = World(**LIMITED)
    with world.installed():
        old_orders(world, 400, apart)
        world.start()
        world.fault("lost", match=CREATE, times=1)  # the first create of all, and not placed
        world.run(1)
        assert unknown(world)
        assert world.run_until(lambda: not unknown(world), 20) <= 16
        world.run(30)
        assert world.bot.health.state is TradingState.ACTIVE
        assert_agrees(world)
        assert world.report.doubled == []


@every_venue
def test_a_create_that_never_arrived_is_absent_by_two_scans_within_16_seconds(
    quirks: Quirks, log: pytest.LogCaptureFixture
) -> None:
    with quoting(quirks=quirks) as world:
        creates = watch(world, CREATE)
        world.fault("lost", match=CREATE, times=1)
        free_a_slot(world)
        sent = when(world, lambda: creates)
        lost = when(world, lambda: unknown(world))
        found = when(world, lambda: lost and not unknown(world))
        world.run(45)
        assert lost[0] - sent[0] > 3
        assert LATE_SECONDS < found[0] - lost[0] <= LATE_SECONDS + 2.1
        assert_well(world)
        assert len(set(oids(creates))) == len(creates) == 2
        assert len(world.orders()) == 6
    assert said(log, ANSWER_LOST) == said(log, " never reached the venue") == 1


def test_a_scan_that_failed_proves_nothing() -> None:
    with quoting() as world:
        creates = watch(world, CREATE)
        world.fault("lost", match=CREATE, times=1)
        world.fault("status", match=QUERY, value="502", for_ms=25_000)
        free_a_slot(world)
        world.run(25)
        assert (unknown(world), len(creates)) == (1, 1)
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 6


@every_venue
def test_a_connection_closed_after_the_request_is_no_proof_that_it_was_not_sent(
    quirks: Quirks, log: pytest.LogCaptureFixture
) -> None:
    with quoting(quirks=quirks) as world:
        creates = watch(world, CREATE)
        world.fault("reset", match=CREATE, done=True, times=1)
        free_a_slot(world)
        world.run(30)
        assert_well(world)
        assert (len(creates), len(world.orders())) == (1, 6)
    assert said(log, "connection broken") == said(log, " reached the venue") == 1


def fail_creates(world: World, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Exception]):
    """Let each create fail on this machine; return a list of when."""
    at: list[float] = []
    send = requests.Session.send

    def failing(session: Any, request: Any, **options: Any) -> Any:
        if CREATE in str(request.url):
            at.append(world.timeline.monotonic())
            raise make()
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", failing)
    return at


POOL = HTTPConnectionPool("127.0.0.1", 1)


def no_name() -> Exception:
    cause = NameResolutionError("td.gte.io", POOL, OSError("name"))  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(POOL, "/", cause))


@pytest.mark.parametrize(
    "make",
    [no_name, lambda: requests.ConnectTimeout("no answer")],
    ids=["no name", "no connection in time"],
)
def test_a_create_that_found_no_connection_was_not_sent(
    make: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        with monkeypatch.context() as patched:
            at = fail_creates(world, patched, make)
            free_a_slot(world)
            world.run(20)
            assert not unknown(world)
            assert all(b - a >= 1 for a, b in pairwise(at))
            assert len(at) > 1
        world.run(30)
        assert_well(world)
        assert len(world.orders()) == 6
    assert 1 <= said(log, "were not sent") <= len(at)  # alike lines come every ten seconds


def test_a_failure_of_tls_leaves_a_create_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    # A failed handshake is "not sent", but the same error comes when TLS breaks after the request:
    # each write that may have left is in doubt.
    with quoting() as world:
        with monkeypatch.context() as patched:
            at = fail_creates(
                world,
                patched,
                lambda: requests.exceptions.SSLError(MaxRetryError(POOL, "/", SSLError("eof"))),
            )
            free_a_slot(world)
            world.run_until(lambda: at, 5)
            assert unknown(world)
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 6


@pytest.mark.parametrize(("index", "side"), [("6400", "1"), ("10600", "0")])
def test_a_create_does_not_leave_at_a_price_that_the_mark_has_left_behind_since_the_decision(
    index: str, side: str
) -> None:
    # A buy far above the mark would sweep a thin book, as would a sell far below it.
    world = World(**LIMITED)
    creates = watch(world, CREATE)
    world.network.watchers.append(lambda _: world.index(index) if creates else None)
    with world.installed():
        world.start()
        world.run_until(lambda: creates, 5)
        world.run(1)
        assert side not in [dict(asked.query)["side"] for asked in creates[1:]]


@pytest.mark.parametrize("late_ms", [0, 1000, 3500])
def test_a_late_answer_in_time_is_an_answer(late_ms: int) -> None:
    with quoting() as world:
        world.fault("late", match=CREATE, done=True, times=1, value=str(late_ms))
        free_a_slot(world)
        world.run(30)
        assert_well(world)
        assert len(world.orders()) == 6


@pytest.mark.parametrize("late_ms", [3500, 5000, 8000, 9900, 12_000, 20_000])
def test_a_create_that_arrives_late_is_adopted_or_refused_by_the_venue(late_ms: int) -> None:
    with quoting() as world:
        world.fault("late", match=CREATE, times=1, value=str(late_ms))
        free_a_slot(world)
        world.run(60)
        assert_well(world)
        assert len(world.orders()) == 6


def test_a_ghost_is_cancelled_and_halts_the_bot(log: pytest.LogCaptureFixture) -> None:
    with quoting(quirks=Quirks(expiry_grace_ms=60_000)) as world:
        creates = watch(world, CREATE)
        free_a_slot(world)
        world.fault("late", match=CREATE, times=1, value="20000")
        world.run_until(lambda: creates, 5)
        world.run(19)
        oid = oids(creates)[0]
        world.run_until(lambda: world.exchange.blotter.by_client_oid(OWNER, oid), 5)
        assert world.run_until(lambda: state(world) is TradingState.HALTED, 5) <= 2
        assert world.run_until(lambda: not world.orders(), 5) <= 2
        world.report.doubled.clear()  # its slot had been used anew: that is what the halt is for
        before = len(creates)
        world.run(60)
        assert (len(creates), world.orders()) == (before, [])
    assert said(log, "Late order: it had been treated as rejected") == 1


@every_venue
@pytest.mark.parametrize("done", [True, False], ids=["placed", "not placed"])
def test_created_already_on_the_first_send_leaves_it_in_doubt(quirks: Quirks, done: bool) -> None:
    with quoting(quirks=quirks) as world:
        creates = watch(world, CREATE)
        world.fault("code", match=CREATE, done=done, times=1, value="-13001")
        free_a_slot(world)
        world.run_until(lambda: creates, 5)
        assert unknown(world) or done
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 6
        assert len(set(oids(creates))) == len(creates) == (1 if done else 2)


def test_no_oid_is_sent_twice_whatever_happens_also_not_by_the_next_run() -> None:
    world = World(**LIMITED)
    with world.installed():
        creates = watch(world, CREATE)
        for _ in range(3):
            for done in (True, False):
                world.fault("lost", match=CREATE, done=done, chance=0.2, for_ms=20_000)
            world.start()
            world.run(60)
            world.bot.exit()
        assert len(set(oids(creates))) == len(creates) > 18
        assert_sound(world)


@pytest.mark.parametrize(
    "field", ["order_id=", "order_id=null", "order_id=5", 'order_id="None"', 'order_id=""']
)
def test_an_answer_without_a_fit_order_id_leaves_the_order_in_doubt_until_its_row_shows(
    field: str, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        asked = watch(world, "")
        creates = watch(world, CREATE)
        world.fault("reply_field", match=CREATE, value=field, times=1)
        free_a_slot(world)
        world.run(30)
        assert_well(world)
        assert (len(creates), len(world.orders())) == (1, 6)
        assert not any(b"None" in each.body for each in asked)
    assert said(log, "the answer cannot be read") == 1


@pytest.mark.parametrize("fault", ["truncated", "html", "empty", "huge", "trickle"])
@pytest.mark.parametrize("endpoint", [CREATE, QUERY])
def test_an_answer_that_cannot_be_read_is_doubt_for_a_create_and_a_new_try_for_a_question(
    fault: str, endpoint: str, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        creates = watch(world, CREATE)
        world.fault(fault, match=endpoint, done=True, times=1)
        free_a_slot(world)
        world.run(45)
        assert_well(world)
        assert (len(creates), len(world.orders())) == (1, 6)
    assert "Traceback" not in log.text
    assert said(log, " reached the venue") == (endpoint == CREATE)


def answer_with(world: World, path: str, code: int, *, done: bool) -> None:
    """Let the next request to an endpoint be answered with a code of which no document tells."""
    answer = world.venue.answer
    left = [1]

    def odd(asked: RawRequest, *rest: Any) -> tuple[int, str]:
        if not asked.path.endswith(path) or not left:
            return answer(asked, *rest)
        left.pop()
        status, body = answer(asked, *rest) if done else (200, "{}")
        return status, json.dumps(json.loads(body) | {"code": code, "data": None})

    world.venue.answer = odd  # type: ignore[method-assign]


IN_DOUBT = [-10002, -10053, -13001, -16001, -16002, -16003]
REFUSED = [-10013, -10052, -11003, -13005, -13101, -13203]


@pytest.mark.parametrize("done", [True, False], ids=["placed", "not placed"])
@pytest.mark.parametrize("code", [*IN_DOUBT, -99999])
def test_a_code_that_is_no_clear_refusal_leaves_a_create_in_doubt(
    code: int, done: bool, log: pytest.LogCaptureFixture
) -> None:
    world = World(**LIMITED)
    with world.installed():
        world.start()
        world.run(5)
        creates = watch(world, CREATE)
        answer_with(world, CREATE, code, done=done)
        free_a_slot(world)
        world.run(75)
        assert_well(world)
        assert (len(creates), len(world.orders())) == (1 if done else 2, 6)
    assert str(code) in log.text


@pytest.mark.parametrize("code", REFUSED)
def test_a_clear_refusal_frees_the_slot_at_once(code: int, log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        creates = watch(world, CREATE)
        world.fault("code", match=CREATE, times=1, value=str(code))
        free_a_slot(world)
        world.run_until(lambda: creates, 5)
        assert not unknown(world)
        assert len(world.bot.exchange.orders.tracker.live()) == 5
        world.run(75)
        assert_well(world)
        assert len(world.orders()) == 6
        assert len(set(oids(creates))) == len(creates) == 2
    assert str(code) in log.text


@pytest.mark.parametrize("placed", [True, False])
def test_too_frequent_proves_nothing_about_a_create(placed: bool) -> None:
    world = World(quirks=Quirks(limited_create_placed=placed), **LIMITED)
    with world.installed():
        world.start()
        world.run(5)
        creates = watch(world, CREATE)
        count = world.venue.auth.count
        left = [1]

        def full(who: str, name: str, *, limit: int, **rest: Any) -> None:
            count(who, name, limit=0 if name == CREATE and left and left.pop() else limit, **rest)

        world.venue.auth.count = full  # type: ignore[method-assign,assignment]
        free_a_slot(world)
        world.run(60)
        assert_well(world, breaches={CREATE: 1})
        assert (len(creates), len(world.orders())) == (1 if placed else 2, 6)


def test_orders_that_the_venue_keeps_ending_are_not_made_again_at_once(
    log: pytest.LogCaptureFixture,
) -> None:
    # A slot is no part of an order here: after three in a minute the whole bot pauses for one.
    with quoting() as world:
        creates = watch(world, CREATE)
        begun = world.timeline.monotonic()

        def reject() -> None:
            if world.timeline.monotonic() - begun < 100:
                for order in world.orders():
                    if order.price == Decimal(8448):
                        world.venue_cancels(order)

        world.timeline.every(0.25, reject)
        world.run(60)
        assert 2 <= len(creates) <= 4
        assert state(world) is TradingState.PAUSED
        world.run(200)
        assert_well(world)
        assert len(world.orders()) == 6
    assert said(log, "PAUSED, not quoting: venue ended 3 own orders within 60 s") <= 6


TABLES = pytest.mark.parametrize("muted", ["order", "execution", ""])


@every_venue
@TABLES
def test_a_fill_that_is_told_before_the_create_is_answered_is_booked_once(
    quirks: Quirks, muted: str
) -> None:
    with quoting(quirks=quirks, POSITION_MODE="hedge") as world:
        if muted:
            world.fault("mute", match=muted, for_ms=10_000)
        world.fault("late", match=CREATE, done=True, value="2000", times=1)
        old = free_a_slot(world)
        bought = world.bot.exchange.money.trades.bought

        def fill() -> None:
            for order in world.orders():
                if order.price == old.price and order.order_id != old.order_id:
                    if not order.filled:
                        world.put("sell", str(order.price), 16_300)
                        world.put("sell", str(order.price), 0)

        world.timeline.every(0.25, fill)
        world.run(40)
        assert world.report.bought > 0
        assert_well(world)
        assert world.bot.exchange.money.trades.bought - bought == world.report.bought


@every_venue
def test_a_row_that_overtakes_the_answer_to_its_create_is_the_same_order(
    quirks: Quirks,
) -> None:
    with quoting(quirks=quirks) as world:
        creates = watch(world, CREATE)
        world.fault("late", match=CREATE, done=True, value="3000", times=1)
        free_a_slot(world)
        world.run(40)
        assert_well(world)
        assert (len(creates), len(world.orders())) == (1, 6)


NAMES = ["client_oid=null", "client_oid=", 'client_oid="mm_"', 'client_oid="zz"', 'client_oid=""']


@pytest.mark.parametrize("name", NAMES)
def test_orders_whose_id_is_known_are_kept_whatever_their_rows_call_them(
    name: str, log: pytest.LogCaptureFixture
) -> None:
    with quoting(MIN_SPREAD=0.0) as world:
        before, creates = {order.order_id for order in world.orders()}, watch(world, CREATE)
        for kind, target in (("reply_field", QUERY), ("frame_field", "order")):
            world.fault(kind, match=target, value=name, for_ms=30_000)
        world.fault("mute", match="execution", for_ms=30_000)
        best = max(order.price for order in world.orders() if order.side is Side.BUY)
        world.take("sell", str(best), 40)
        world.run(15)
        assert world.bot.exchange.money.trades.bought == 40
        world.foreign_order("buy", str(best), 100)  # as ours, but made by hand
        world.report.doubled.clear()
        world.network.drop_all()  # so that all rows are shown anew
        world.run(30)
        assert {order.order_id for order in world.orders()} == before
        assert creates == []
        world.run(30)
        assert_well(world)
    assert said(log, "of another run") == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_order_in_doubt_is_not_doubled_when_its_row_has_lost_its_name(name: str) -> None:
    with quoting() as world:
        creates = watch(world, CREATE)
        for kind, target in (("reply_field", QUERY), ("frame_field", "order")):
            world.fault(kind, match=target, value=name, for_ms=20_000)
        world.fault("lost", match=CREATE, done=True, times=1)
        free_a_slot(world)
        world.run(60)
        assert_well(world)
        assert (len(creates), len(world.orders())) == (1, 6)


def test_orders_without_an_id_are_others_and_said_so_once(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        world.run(30)
        assert_well(world)
        assert all(o.state is OrderState.OPEN for o in world.bot.exchange.orders.tracker.live())
    assert said(log, "orders are not ours; left alone") == 1


OVERTAKEN: dict[str, Callable[[OrderManager], object]] = {
    "halt": lambda bot: bot.halt("kill switch"),
    "stop": lambda bot: bot.stop("told to"),
    "restart": lambda bot: bot.restart(),
    "reconnect": lambda bot: (bot.exchange.feed.reconnect("test"), bot.clock.sleep(4)),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("what", OVERTAKEN)
def test_no_create_leaves_once_its_decision_has_been_overtaken(empty: World, what: str) -> None:
    class Slow(OrderManager):
        def place_orders(self) -> None:
            OVERTAKEN[what](self)
            super().place_orders()

    bot = empty.start(Slow)
    bot.tick()
    assert bool(empty.report.requests[CREATE]) is (what == "nothing")
    assert bot.exchange.feed.epoch == (2 if what == "reconnect" else 1)


def test_creates_of_a_plan_that_breaks_off_are_in_doubt_and_found(world: World) -> None:
    bot = world.bot
    assert bot
    free_a_slot(world)
    noting, told = bot.exchange.client.on_create, []

    def broken(*create: Any) -> None:
        told.append(create)
        raise RuntimeError("a note that cannot be made")

    bot.exchange.client.on_create = broken
    world.run_until(lambda: told)
    assert OrderState.SENT not in {order.state for order in bot.exchange.orders.live()}
    bot.exchange.client.on_create = noting
    world.run(60)
    assert_well(world)


@pytest.mark.parametrize("refused", [1, 2])
def test_after_a_refused_create_no_other_leaves_for_api_error_interval(refused: int) -> None:
    world = World(ORDER_PAIRS=1, API_ERROR_INTERVAL=9)
    with world.installed():
        world.fault("code", value="-10013", match=CREATE, times=refused)
        world.start()
        world.run(8)
        assert world.report.requests[CREATE] == 2
        assert len(world.orders()) == 2 - refused
        world.run(8)
        assert world.report.requests[CREATE] == 2 + refused
        assert_well(world)


def test_once_an_answer_is_lost_no_further_create_of_its_plan_leaves(empty: World) -> None:
    empty.fault("reset", match=CREATE, done=True, times=1)
    bot = empty.start()
    bot.tick()
    assert empty.report.requests[CREATE] == 1
    assert len(read_notes(empty.notes).open_creates) == 1, "for whoever comes after a crash"
    empty.run(30)
    assert read_notes(empty.notes).open_creates == ()
    assert_well(empty)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_venue_counts_as_nameless_only_where_its_rows_of_orders_are(forgets: bool) -> None:
    # An execution report has no client_oid anywhere; nor does it say that orders have none.
    with quoting(quirks=Quirks(forget_client_oid=forgets)) as world:
        world.take("buy", "8539.5", 30_640)
        world.run(15)
        assert world.bot
        assert world.bot.exchange.money.trades.fills > 0
        assert world.bot.exchange.orders.tracker.is_nameless is forgets
