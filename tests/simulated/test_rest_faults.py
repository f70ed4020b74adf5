"""Faults of REST, its limits, keys and clocks."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import account, wait_until

from market_maker.clock import SYSTEM
from market_maker.errors import NotSent, OrdersLeft, OutcomeUnknown, VenueUnreachable
from market_maker.gte import GTE
from market_maker.guard.shared import SharedFile
from market_maker.market_maker import OrderManager
from market_maker.models import OrderRequest, Side
from market_maker.orders.slices import Slice
from market_maker.paper.api.auth import ApiKey
from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.market.setup import OWNER
from market_maker.private_files import PrivateFiles
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from market_maker.simulation.connections import SimulatedConnections
from market_maker.wire import codes, endpoints
from market_maker.wire.tls import Connections
from market_maker.wire.transport import Transport
from market_maker.wire.venue_clock import VenueClock
from tests.world.oracle import assert_sound, assert_well
from tests.world.scene import Requests, move_market, said, state
from tests.world.world import World

CREATE, CANCEL, QUERY = "pc/order/create", "pc/order/cancel", "pc/order/query"
ACTIVE, REDUCING, PAUSED, HALTED = TradingState
Log = pytest.LogCaptureFixture


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def recover(world: World, seconds: float = 30) -> None:
    world.run(seconds)
    assert_well(world)


def assert_pages_are_cut_short(log: Log) -> None:
    assert "\x1b" not in log.text
    assert all(len(r.getMessage()) < 300 for r in log.records if "html" in r.getMessage())


@pytest.mark.parametrize("fault", [("code", "-10053"), ("status", "429")])
def test_a_venue_that_says_too_frequent_is_asked_less(
    world: World, log: Log, fault: tuple[str, str]
) -> None:
    requests = Requests(world)
    world.fault(fault[0], value=fault[1], match=CREATE, for_ms=20_000)
    move_market(world)
    world.run(20)
    refused = requests.of(CREATE)
    assert len(refused) <= 5  # 1, 2, 4, 8 s between them, and never two at once
    assert all(gap >= pause for gap, pause in zip(gaps(refused), (1, 2, 4, 8), strict=False))
    assert requests.of(CANCEL, "cancel_batch"), "creates in trouble hold no cancel up"
    assert said(log, "too frequent", logging.WARNING)
    begun = world.timeline.monotonic()
    world.run(60)
    after = [at for at in requests.of(CREATE) if at > begun]
    assert after
    assert all(sum(at <= x < at + 1 for x in after) <= 10 for at in after), "half the budget"
    assert_well(world, breaches=world.report.breaches)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        (None, 0, 13),
        ("-5", 0, 13),
        ("86400", 0, 13),
        ("1e9", 0, 13),
        ("", 0, 13),
        ("nan", 0, 13),
        ("Wed, 21 Oct 2037 07:28:00 GMT", 0, 13),
        ("12", 12, 25),
    ],
)
def test_only_a_sensible_retry_after_is_heeded(
    world: World, header: str | None, least: float, most: float
) -> None:
    requests = Requests(world)
    world.network.headers = {} if header is None else {"Retry-After": header}
    world.fault("status", value="429", match=QUERY, times=1)
    world.run_until(lambda: len(requests.of(QUERY)) >= 2)
    assert least <= gaps(requests.of(QUERY))[0] <= most
    recover(world)


def test_requests_that_fail_keep_no_place_in_the_budget(world: World) -> None:
    assert world.bot
    gte, end = world.bot.exchange.client, world.timeline.monotonic() + 20
    world.network.cut_off = True
    world.network.drop_all()
    for number in range(50):
        with pytest.raises(NotSent, match="no connection"):
            gte.cancel(f"{number}", lambda: world.timeline.monotonic() < end)
    assert world.timeline.monotonic() < end - 10


@pytest.mark.parametrize("header", ["12", "110"])
def test_no_retry_after_keeps_a_cancel_waiting(world: World, header: str) -> None:
    requests = Requests(world)
    world.network.headers = {"Retry-After": header}
    for endpoint in (CANCEL, "pc/order/cancel_batch"):
        world.fault("status", value="429", match=endpoint, times=1)
    assert world.bot
    world.bot.halt("kill switch")
    world.run(6)
    assert world.orders() == []
    assert len(requests.of(CANCEL)) >= 2


def test_a_venue_that_blocks_us_is_asked_once_a_minute_and_to_cancel(
    world: World, log: Log
) -> None:
    requests = Requests(world)
    world.fault("status", value="403", for_ms=130_000)
    world.run_until(lambda: state(world) is PAUSED, 15)
    assert "403" in world.bot.health.reason  # type: ignore[union-attr]
    begun = world.timeline.monotonic()
    world.run(115)
    asked = [(at, asked) for at, asked in requests.seen if at > begun]
    reads = [one for _, one in asked if one.method == "GET"]
    assert len(reads) <= 2
    cancels = [at for at, one in asked if "order/cancel" in one.path]
    assert len(cancels) + len(reads) == len(asked), "nothing else"
    assert cancels[0] < begun + 12
    assert max(gaps(cancels)) <= 4.5, "cancels are tried while quotes rest"
    assert_pages_are_cut_short(log)
    world.run_until(lambda: not world.orders(), 25)
    world.run(70)  # until the next look; no sooner, on purpose
    assert_well(world)


@pytest.mark.parametrize("ends", [CREATE, QUERY, CANCEL, "pc/order/cancel_batch"])
def test_a_block_belongs_to_the_endpoint_that_said_it(world: World, ends: str) -> None:
    requests = Requests(world)
    world.fault("status", value="403", match=ends, for_ms=100_000)
    move_market(world)
    world.run(95)
    tried = requests.of(ends)
    if ends in (CREATE, QUERY):
        assert len(tried) <= 3, "once a minute"
    others = {"pc/order/book/query", CANCEL, QUERY, "cancel_batch"} - {ends}
    for other in others - {CANCEL, "cancel_batch"}:
        assert len(requests.of(other)) >= 5, f"{other} goes on"
    if ends == CREATE:
        assert world.orders() == [], "what rests is cancelled"
    world.run(70)
    recover(world)


def client_of(world: World, shared: SharedFile | None = None) -> GTE:
    """Return a client of its own beside the bot's, with the bot's key."""
    connections = SimulatedConnections(world.network)
    connections.shared = shared
    return GTE(settings.account(), clock=world.timeline, connections=connections)


def test_the_try_that_may_end_a_block_is_not_spent_on_a_request_that_does_not_leave(
    world: World,
) -> None:
    client = client_of(world)
    order = OrderRequest(side=Side.BUY, price=Decimal(8000), qty=Decimal(1))
    world.fault("status", value="403", match=CREATE, times=1)
    with pytest.raises(OutcomeUnknown, match="403"):
        client.create_order(order)
    world.timeline.sleep(61)
    with pytest.raises(NotSent, match="no longer wanted"):
        client.create_order(order, lambda: False)
    assert client.create_order(order)


def test_orders_are_cancelled_one_by_one_where_another_process_takes_the_batch_just_then(
    world: World, tmp_path: Path
) -> None:
    ours, theirs = (SharedFile(PrivateFiles(tmp_path / "state", "who")) for _ in range(2))
    client = client_of(world, ours)
    submit = client._pool.submit

    def submit_late(do: Callable[..., Any], *given: Any) -> Any:
        theirs.use(endpoints.ORDER_CANCEL_BATCH.path, world.timeline.monotonic())
        return submit(do, *given)

    client._pool.submit = submit_late  # type: ignore[method-assign]
    begun, part = world.timeline.monotonic(), Slice(world.timeline.monotonic)
    client.cancel_bulk_orders(client.query_orders(), part.is_open)
    assert world.timeline.monotonic() - begun < 2
    client._pool.submit = submit  # type: ignore[method-assign]
    client.cancel_bulk_orders(client.query_orders(), part.is_open)
    assert world.orders() == []


@pytest.mark.parametrize("before", [0, 3, 9, 15])
def test_a_single_403_does_not_keep_a_way_out_from_its_proof(world: World, before: float) -> None:
    requests = Requests(world)
    world.fault("status", value="403", match=QUERY, times=1)
    world.run_until(lambda: requests.of(QUERY), 15)
    world.run(before)
    assert world.bot
    world.bot.exit()
    assert world.bot.loop.left_clean


def test_creates_that_a_firewall_answers_leave_nothing_behind(world: World) -> None:
    world.fault("status", value="403", match=CREATE)
    move_market(world)
    world.run_until(lambda: not world.orders(), 16)
    assert world.bot
    world.bot.exit()
    assert world.bot.loop.left_clean


@pytest.mark.slow
def test_a_venue_that_blocks_us_for_ten_minutes_halts(world: World) -> None:
    world.fault("status", value="403", for_ms=660_000)
    world.run(630)
    assert state(world) is HALTED
    world.run(100)
    assert world.orders() == [], "they are pulled as soon as that is possible"
    assert state(world) is HALTED, "until a person has looked"
    assert_sound(world)


@pytest.mark.parametrize("status", ["500", "502", "504"])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("endpoint", [CREATE, CANCEL, "pc/order/cancel_batch", QUERY])
def test_an_answer_of_5xx_costs_no_more_than_a_moment(
    world: World, log: Log, status: str, done: bool, endpoint: str
) -> None:
    # Nothing is tried again inside the transport; the tick is the retry loop.
    world.fault("status", value=status, match=endpoint, done=done, times=3)
    move_market(world)
    recover(world, 40)
    if endpoint != CANCEL:  # a batch serves the six cancels
        assert f"HTTP {status}" in log.text


@pytest.mark.slow
def test_after_half_an_hour_of_503_orders_are_looked_up_before_any_create(
    world: World, log: Log
) -> None:
    requests = Requests(world)
    world.fault("status", value="503", for_ms=1_800_000)
    world.run(60)
    assert state(world) is PAUSED
    assert said(log, "PAUSED", logging.WARNING) == 1
    begun = world.timeline.monotonic()
    world.run(1735)
    assert [at for at in requests.of(CREATE) if at > begun] == []
    reads = [request for _, request in requests.seen if request.method == "GET"]
    assert len(reads) < 2 * 1800, "it does not hammer"
    cancels = len(requests.seen) - len(reads)
    assert cancels < 5 * 1800, "six orders, which must be tried at least every four seconds"
    move_market(world)
    requests.seen.clear()
    recover(world, 40)
    assert requests.of(QUERY)[0] < requests.of(CREATE)[0]


def test_it_goes_on_cancelling_while_the_list_of_orders_is_not_to_be_had(
    world: World,
) -> None:
    world.fault("status", value="503", match=QUERY, for_ms=600_000)
    world.run(90)
    assert state(world) is PAUSED
    assert world.orders() == []
    world.run(520)
    recover(world)


@pytest.mark.parametrize("fault", ["html", "empty", "truncated"])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("endpoint", [CREATE, "pc/order/cancel_batch", QUERY])
def test_a_page_in_place_of_an_answer_is_no_answer(
    world: World, log: Log, fault: str, done: bool, endpoint: str
) -> None:
    world.fault(fault, match=endpoint, done=done, times=3)
    move_market(world)
    recover(world, 40)
    assert "HTTP 200" in log.text
    assert_pages_are_cut_short(log)
    assert "Traceback" not in log.text


@pytest.mark.parametrize("endpoint", [CREATE, "pc/order/cancel_batch", QUERY])
def test_an_answer_without_content_is_no_answer(world: World, log: Log, endpoint: str) -> None:
    world.fault("status", value="204", match=endpoint, done=True, times=3)
    world.network.rewrite = lambda body: b"" if body.startswith(b"<html>") else body
    move_market(world)
    recover(world, 40)
    assert "HTTP 204" in log.text
    assert "Traceback" not in log.text


def test_a_name_that_is_not_known_means_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    transport = transport_to("http://gte.invalid")
    with pytest.raises(NotSent, match="no connection"):
        create(transport)


def test_a_network_that_comes_and_goes_makes_no_busy_loop(world: World) -> None:
    begun, tried = world.timeline.monotonic(), world.network.attempts
    for _ in range(20):
        world.network.cut_off = True
        world.network.drop_all()
        world.run(3)
        world.network.cut_off = False
        world.run(3)
    passed = world.timeline.monotonic() - begun
    assert world.network.attempts - tried < 5 * passed
    assert_sound(world)
    recover(world, 45 + 30 + 5)  # the longest back-off, and until the feed is stable


@pytest.mark.parametrize("how", ["black hole", "reset", "refused"])
def test_a_venue_that_cannot_be_reached_never_blocks_the_loop(
    empty: World, log: Log, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world = empty
    world.start(ORDER_PAIRS=1)  # the world's pool does one call after the other
    world.run(5)
    took: list[float] = []
    tick = OrderManager.tick

    def timed(bot: OrderManager) -> None:
        begun = world.timeline.monotonic()
        tick(bot)
        took.append(world.timeline.monotonic() - begun)

    monkeypatch.setattr(OrderManager, "tick", timed)
    if how == "reset":
        world.fault("reset", for_ms=60_000)
    elif how == "refused":
        world.fault("refuse", for_ms=60_000)
    else:
        world.network.black_hole = True
    move_market(world)
    world.run(45)
    assert state(world) is PAUSED
    world.run(16)
    world.network.black_hole = False
    longest = max(took)
    took.clear()
    recover(world, 30)
    assert longest <= 8  # two creates, a question for the orders and one for the book


def test_a_create_that_has_waited_is_looked_at_again(world: World, log: Log) -> None:
    world.network.latency = (1.5, 1.5)
    move_market(world)
    requests = Requests(world)

    fell: list[int] = []

    def fall_back() -> None:
        fell.append(world.timeline.true_ms())
        for price in ("8650", "8640"):
            world.put("buy", price, 0)
        world.put("sell", "8497.5", 1000)

    def watch(_: RawRequest) -> None:
        if len(requests.of(CREATE)) == 1:  # the buys are still to come
            world.timeline.after(0.1, fall_back)

    world.network.watchers.append(watch)
    world.run(30)
    assert "left for the next tick" in log.text
    known = fell[0] + 3_100  # so long do the news and an order take together
    assert not [fill for fill in world.report.fills if not fill.maker and fill.time > known]
    world.network.latency = (0.005, 0.03)
    recover(world, 60)


def test_a_slow_way_that_loses_a_fifth_does_no_harm(world: World) -> None:
    world.network.latency = (1.0, 2.0)
    world.fault("lost", chance=0.1, for_ms=120_000)
    world.fault("lost", done=True, chance=0.1, for_ms=120_000)
    for _ in range(3):
        move_market(world)
        world.run(20)
        world.put("sell", "8497.5", 1000)
        world.run(20)
    world.network.latency = (0.005, 0.03)
    recover(world, 60)


def beats(world: World) -> list[float]:
    """Record from now on when the loop sends the guard a heartbeat."""
    assert world.bot
    seen = [world.timeline.monotonic()]

    def beat() -> str:
        seen.append(world.timeline.monotonic())
        return ""

    world.bot.loop.on_heartbeat = beat
    return seen


LONGEST_BLOCK = 6.0
"""Seconds that the loop may go without a heartbeat; the guard takes 10 s for a hang."""
SLOW: dict[str, tuple[str, dict[str, Any]]] = {
    "slow creates": ("late", {"value": "2000", "match": CREATE, "done": True}),
    "slow creates that act late": ("late", {"value": "2000", "match": CREATE}),
    "slow cancels": ("late", {"value": "2000", "match": CANCEL, "done": True}),
    "everything slow": ("late", {"value": "1400", "done": True}),
    "creates without an answer": ("lost", {"match": CREATE}),
    "no answer at all": ("lost", {}),
    "answers in drops": ("trickle", {}),
}


@pytest.mark.parametrize("slow", SLOW)
def test_a_slow_venue_is_no_hang_whatever_timeout_says(slow: str, log: Log) -> None:
    """Between slices of a plan there are ticks, pulls and stops (found 1.3)."""
    name, options = SLOW[slow]
    world = World(ORDER_PAIRS=30, TIMEOUT=30)
    with world.installed():
        bot = world.start()
        seen = beats(world)
        world.run(5)
        world.fault(name, for_ms=120_000, **options)
        for _ in range(4):
            move_market(world)
            world.run(15)
        bot.stop("SIGTERM")
        begun = world.timeline.monotonic()
        with suppress(OrdersLeft):
            bot.run_loop()
        assert max(gaps(seen)) <= LONGEST_BLOCK
        assert world.timeline.monotonic() - begun <= 75
        bot.exchange.close()


def test_a_ladder_stands_though_every_create_takes_two_seconds() -> None:
    world = World(ORDER_PAIRS=30)
    with world.installed():
        bot = world.start()
        seen = beats(world)
        world.fault("late", value="2000", match=CREATE, done=True, for_ms=600_000)
        world.run_until(lambda: len(world.orders()) == 60, 240)
        assert max(gaps(seen)) <= LONGEST_BLOCK
        assert not world.report.cancelled
        bot.stop("SIGTERM")
        bot.run_loop()
        assert world.orders() == []


def test_a_create_is_noted_before_it_leaves(world: World) -> None:
    """So that no moment of death leaves an order that nobody knows (found 1.2)."""
    creates = []

    def watch(asked: RawRequest) -> None:
        if asked.path.endswith("order/create"):
            params = dict(asked.query) | (json.loads(asked.body) if asked.body else {})
            creates.append(params["client_oid"])
            assert any(f"leaving {params['client_oid']} " in line for line in world.notes)

    world.network.watchers.append(watch)
    move_market(world)
    world.run(20)
    assert len(creates) >= 3


class Closing:
    """A venue of few words: closes each connection after one answer, or without one."""

    def __init__(self, answers: bool) -> None:
        self.requests: list[bytes] = []
        self.closed = 0
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self.requests.append(connection.recv(65_536))
                    body = json.dumps({"code": 0, "data": {}, "time": 1577836805000}).encode()
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                    if self._answers:
                        connection.sendall(head + body)
                self.closed += 1

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def closing() -> Iterator[Callable[[bool], Closing]]:
    made: list[Closing] = []

    def make(answers: bool) -> Closing:
        made.append(Closing(answers))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def transport_to(url: str) -> Transport:
    ours = {"symbol": "BTC_USD", "settle_currency": "BTC", "api_key": "k", "api_secret": "s"}
    return Transport(
        account(base_url=url, timeout=2.0, **ours),
        read_only=False,
        clock=SYSTEM,
        venue_clock=VenueClock(SYSTEM),
        connections=Connections(),
    )


def create(transport: Transport) -> None:
    transport.send(endpoints.ORDER_CREATE, {"qty": "1"}, path="/v1/api/pc/order/create", what="it")


def test_a_connection_closed_while_idle_is_replaced(
    closing: Callable[[bool], Closing],
) -> None:
    venue = closing(True)
    transport = transport_to(venue.url)
    for number in (1, 2, 3):
        create(transport)
        wait_until(lambda: venue.closed == number)  # noqa: B023  # then it has been idle
    assert len(venue.requests) == 3
    transport.close()


def test_a_write_on_a_connection_that_closes_is_in_doubt_and_not_sent_again(
    closing: Callable[[bool], Closing],
) -> None:
    venue = closing(False)
    transport = transport_to(venue.url)
    with pytest.raises(OutcomeUnknown):
        create(transport)
    transport.close()
    venue.stop()
    assert len(venue.requests) == 1


@pytest.mark.parametrize("seconds", [-5, -1, 1, 5])
def test_a_clock_that_is_a_little_off_does_not_matter(empty: World, log: Log, seconds: int) -> None:
    empty.timeline.step_wall_clock(seconds * 1000)
    requests = Requests(empty)
    empty.start()
    empty.run(30)
    assert_well(empty)
    assert not empty.report.refusals
    assert_expiries_are_short(empty, requests)
    assert said(log, "clock is", logging.WARNING) == (1 if abs(seconds) > 2 else 0)


@pytest.mark.parametrize("seconds", [-3600, -60, 60, 3600])
def test_a_clock_that_is_far_off_pauses_until_it_is_set(
    empty: World, log: Log, seconds: int
) -> None:
    empty.timeline.step_wall_clock(seconds * 1000)
    requests = Requests(empty)
    empty.start()
    empty.run(10)
    assert state(empty) is PAUSED
    assert empty.orders() == []
    assert said(log, "clock is", logging.WARNING)
    assert_expiries_are_short(empty, requests)
    empty.timeline.step_wall_clock(-seconds * 1000)
    recover(empty)
    assert not empty.report.refusals


@pytest.mark.parametrize("seconds", [-3600, -60, 60, 3600])
def test_a_clock_that_is_set_while_the_bot_runs_moves_no_timer(world: World, seconds: int) -> None:
    requests = Requests(world)
    world.timeline.step_wall_clock(seconds * 1000)
    world.run(60)
    assert state(world) is PAUSED
    assert "clock" in world.bot.health.reason  # type: ignore[union-attr]
    assert world.orders() == [], "they are pulled after a while"
    assert_expiries_are_short(world, requests)
    assert len(requests.seen) < 300
    world.timeline.step_wall_clock(-seconds * 1000)
    recover(world)
    assert not world.report.refusals


@pytest.mark.parametrize("ms", ["20000", "-20000"])
def test_a_venue_that_sets_its_clock_is_followed_at_once(world: World, ms: str) -> None:
    world.fault("clock_skew", value=ms)
    move_market(world)
    recover(world)
    assert set(world.report.refusals) <= {codes.EXPIRED}
    assert world.report.refusals.total() <= 1, "one answer tells the new time"


def assert_expiries_are_short(world: World, requests: Requests) -> None:
    """Fail when a request was signed for longer than the 5 s of every request, and the way."""
    for at, asked in requests.seen:
        if "api-expires" in asked.headers:
            ahead = int(asked.headers["api-expires"]) / 1000 - (at + 1_577_836_805)
            assert 0 < ahead <= 5.1


def test_one_refused_signature_is_followed_by_a_fresh_one(world: World, log: Log) -> None:
    world.fault("code", value="-10051", match=QUERY, times=1)
    recover(world)
    assert said(log, "the signature is wrong", logging.ERROR) == 1


def test_a_second_refused_signature_halts(world: World, log: Log) -> None:
    requests = Requests(world)
    world.fault("code", value="-10051", match=QUERY, for_ms=60_000)
    world.run(60)
    assert state(world) is HALTED
    assert world.orders() == [], "what can be pulled is pulled"
    assert len(requests.seen) < 200, "no storm"
    assert "secret" not in log.text.replace("check the secret", "")
    for _, asked in requests.seen:
        assert asked.headers.get("api-signature", "-" * 64) not in log.text
    assert_sound(world)


@pytest.mark.parametrize("fault", [("code", "-10054"), ("code", "-10055"), ("status", "401")])
def test_a_key_that_is_revoked_halts_and_says_which_orders_may_remain(
    world: World, log: Log, fault: tuple[str, str]
) -> None:
    requests = Requests(world)
    assert world.bot
    world.fault(fault[0], value=fault[1])
    world.run(60)
    assert state(world) is HALTED
    assert said(log, "HALTED", logging.CRITICAL) == 1
    assert len(requests.seen) < 300, "no storm"
    assert len(world.orders()) == 6, "this venue takes no cancel any more"
    with pytest.raises(OrdersLeft) as raised:
        world.bot.exit()  # exit status 3
    told = "".join(raised.value.orders)
    assert all(str(order.order_id) in told for order in world.orders())
    assert all(str(order.order_id) in log.text for order in world.orders())
    assert_sound(world)


@pytest.mark.parametrize("fault", [("code", "-10055"), ("status", "401")])
def test_a_key_that_may_not_trade_any_more_is_told_by_the_first_create(
    world: World, fault: tuple[str, str]
) -> None:
    world.fault(fault[0], value=fault[1], match=CREATE)
    move_market(world)
    world.run(60)
    assert state(world) is HALTED
    assert world.orders() == []
    assert_sound(world)


def test_a_key_without_the_right_to_trade_says_so_at_the_first_create(
    empty: World, log: Log
) -> None:
    # GTE shows nobody the rights of a key, so the first create decides.
    reading = ApiKey("paper-read-key", "paper-read-secret", OWNER, may_trade=False)
    empty.venue.auth._keys[reading.key] = reading
    empty.start(API_KEY=reading.key, API_SECRET=reading.secret)
    empty.run(30)
    assert empty.orders() == []
    assert said(log, "the API key lacks the permission", logging.WARNING)
    assert state(empty) is HALTED
    assert empty.report.requests["pc/order/create"] <= 12
    assert_sound(empty)


@pytest.mark.parametrize(
    "time",
    ["null", '"soon"', "0", "-1", "1577836805", "9" * 30, "1e400", "true", "[]", "1.5"],
)
def test_a_time_that_makes_no_sense_is_not_believed(world: World, time: str) -> None:
    def garble(body: bytes) -> bytes:
        head, mark, _ = body.rpartition(b'"time":')
        return head + mark + time.encode() + b"}" if mark else body

    world.network.rewrite = garble
    requests = Requests(world)
    move_market(world)
    recover(world)
    assert_expiries_are_short(world, requests)


def test_a_time_that_jumps_back_and_forth_is_outvoted(world: World) -> None:
    answers = iter(range(10_000))

    def garble(body: bytes) -> bytes:
        head, mark, rest = body.rpartition(b'"time":')
        shift = (0, 0, 500_000, 0, -500_000)[next(answers) % 5]
        return head + mark + str(int(rest.strip(b"}")) + shift).encode() + b"}" if mark else body

    world.network.rewrite = garble
    requests = Requests(world)
    move_market(world)
    recover(world, 60)
    assert_expiries_are_short(world, requests)


def test_a_venue_that_is_not_there_at_the_start_is_said_at_once(empty: World) -> None:
    empty.network.cut_off = True
    with pytest.raises(VenueUnreachable):
        empty.start()
    assert empty.timeline.monotonic() < 6
