"""Faults on request: each does what its description says, for the time asked for."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
import requests
import websocket
from paper_client import Client, Socket

from market_maker.clock import SYSTEM
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.faults import schedule
from market_maker.paper.faults.reading import FIELDS, FIELDS_HELP, read_faults
from market_maker.paper.faults.schedule import CATALOGUE, RAW, Fault, Faults, Where
from market_maker.paper.market.setup import set_up
from market_maker.paper.market.tape import BTC_USD
from market_maker.paper.server.in_process import PaperExchange
from market_maker.paper.server.server import TICK
from market_maker.paper.server.venue import Venue

CREATE = "pc/order/create"
QUERY = "pc/order/query"


@pytest.fixture
def client(venue: PaperExchange) -> Client:
    made = Client(venue)
    made.http.request = bounded(made.http)  # type: ignore[method-assign]
    return made


def bounded(http: requests.Session) -> Any:
    """Return a request that gives up soon, for answers that never come."""
    request = http.request
    return lambda *args, **named: request(*args, **(named | {"timeout": 0.3}))


@pytest.fixture
def socket(client: Client) -> Iterator[Socket]:
    opened = Socket(client)
    assert opened.auth() == "0"
    assert opened.sub("order", "") == "0"
    opened.frame("order", "partial")
    yield opened
    opened.ws.close()


def test_the_list_names_every_fault() -> None:
    assert [name for name, _ in schedule.listed()] == list(CATALOGUE)
    assert len(CATALOGUE) >= 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "earthquake"},
        {"name": "late"},
        {"name": "late", "value": "soon"},
        {"name": "lost", "chance": 1.5},
        {"name": "lost", "after_ms": -1},
        {"name": "lost", "after_ms": float("nan")},
        {"name": "lost", "times": "x"},
        {"name": "lost", "times": -1},
        {"name": "lost", "for_ms": 0},
        {"name": "lost", "match": ["pc/order/create"]},
        {"name": "lost", "done": "false"},
        {"name": ["lost"]},
        {"name": "status", "value": "99"},
        {"name": "suspend", "times": 1},
        {"name": "suspend", "chance": 0.5},
        {"name": "clock_skew", "value": "5", "match": "BTC_USD"},
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Fault(**wrong)


def test_a_fault_strikes_what_it_matches_in_its_time_and_so_often() -> None:
    schedule = Faults(lambda _: random.Random(1))
    schedule.plan(Fault(name="lost", match=CREATE, after_ms=10, for_ms=20, times=2), 100)
    strike = lambda target, now: schedule.strike(Where.REPLY, target, now)  # noqa: E731
    assert strike(CREATE, 109) is None
    assert strike(QUERY, 110) is None
    assert schedule.strike(Where.FRAME, CREATE, 110) is None
    assert strike(CREATE, 110)
    assert strike(CREATE, 129)
    assert strike(CREATE, 129) is None
    schedule.plan(Fault(name="empty", match=CREATE, for_ms=20), 100)
    assert strike(CREATE, 119)
    assert strike(CREATE, 120) is None


def test_the_same_seed_and_schedule_strike_alike() -> None:
    def run(seed: int) -> list[bool]:
        schedule = Faults(lambda _: random.Random(seed))
        schedule.plan(Fault(name="lost", chance=0.5), 0)
        return [bool(schedule.strike(Where.REPLY, "x", 0)) for _ in range(100)]

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize(
    ("name", "value"), [("reset", ""), ("lost", ""), ("truncated", ""), ("empty", ""), ("html", "")]
)
def test_an_answer_fails_to_come_while_the_request_took_effect_or_not(
    venue: PaperExchange, client: Client, name: str, value: str, done: bool
) -> None:
    venue.fault(name, match=CREATE, done=done, value=value, times=1)
    with pytest.raises(requests.RequestException):
        client.create(1, "8400", 10)
    assert len(venue.open_orders()) == done
    assert client.create(1, "8400", 10)["code"] == 0


def test_an_answer_may_be_late_or_a_status_or_a_code(venue: PaperExchange, client: Client) -> None:
    venue.fault("late", value="20", times=2)
    assert client.create(1, "8400", 10)["code"] == 0
    assert client.orders()
    venue.fault("status", value="503", times=1)
    url = f"{venue.rest_url}/v1/api/pc/asset/query"
    assert requests.get(url, timeout=5).status_code == 503
    venue.fault("code", match=CREATE, value="-10002", times=1)
    venue.fault("code", match=CREATE, value="-10053", times=1, done=True)
    assert [client.create(1, "8400", 10)["code"] for _ in range(3)] == [-10002, -10053, 0]
    assert len(venue.open_orders()) == 3


def test_a_batch_may_cancel_half(venue: PaperExchange, client: Client) -> None:
    ids = [client.create(1, "8400", 10)["data"]["order_id"] for _ in range(4)]
    venue.fault("batch_half")
    text = json.dumps({"order_id": ids}, separators=(",", ":"))
    client.data("POST", "pc/order/cancel_batch", asset="BTC", symbol="BTC_USD", filter=text)
    assert [str(order.order_id) for order in venue.open_orders()] == ids[1::2]


def test_a_cancel_may_stay_pending_and_the_order_trade_on(
    venue: PaperExchange, client: Client, socket: Socket
) -> None:
    order_id = client.create(1, "8495", 10)["data"]["order_id"]
    venue.fault("cancel_pending", value="50", times=1)
    place = {"asset": "BTC", "symbol": "BTC_USD"}
    client.data("POST", "pc/order/cancel", **place, order_id=order_id)
    assert [row["status"] for row in client.orders()] == ["4"]
    venue.take("sell", "8495", 4)
    rows = [socket.frame("order", action)["data"][0] for action in ("insert", "update", "update")]
    assert [(row["status"], row["filled_qty"]) for row in rows[1:]] == [("4", "0"), ("4", "4")]
    last = socket.frame("order", "delete")["data"][0]
    assert (last["status"], last["filled_qty"]) == ("8", "4")


def test_a_query_may_lag_and_its_pages_churn(venue: PaperExchange, client: Client) -> None:
    ids = [client.create(1, "8400", 10)["data"]["order_id"] for _ in range(3)]
    venue.fault("query_lag", value="60000", times=1)
    assert client.orders() == []
    venue.fault("query_churn", times=1)
    assert [row["order_id"] for row in client.orders()] == [ids[0], ids[2], ids[0]]
    assert [row["order_id"] for row in client.orders()] == ids


@pytest.mark.parametrize(
    ("name", "value", "prices"),
    [
        ("mute", "", []),
        ("frame_lost", "", ["8402"]),
        ("frame_twice", "", ["8401", "8401", "8402"]),
        ("frame_swap", "", ["8402", "8401"]),
        ("frame_late", "1500", ["8402", "8401"]),
    ],
)
def test_frames_get_lost_or_out_of_order(
    venue: PaperExchange, client: Client, socket: Socket, name: str, value: str, prices: list[str]
) -> None:
    venue.fault(name, match="order", value=value, times=None if name == "mute" else 1)
    for price in ("8401", "8402"):
        client.create(1, price, 10)
    heard = [socket.frame("order")["data"][0]["price"] for _ in prices]
    venue.clear_faults()
    client.create(1, "8403", 10)
    assert socket.frame("order")["data"][0]["price"] == "8403"
    assert heard == prices


def test_a_frame_may_be_half_or_cut_the_connection(
    venue: PaperExchange, client: Client, socket: Socket
) -> None:
    venue.fault("frame_half", match="order", times=1)
    client.create(1, "8400", 10)
    with pytest.raises(json.JSONDecodeError):
        socket.until(lambda _: False)
    venue.fault("cut", match="order", times=1)
    client.create(1, "8400", 10)
    with pytest.raises((websocket.WebSocketException, ConnectionError)):
        socket.until(lambda _: False)


def test_connections_may_be_cut_and_refused_for_a_while(
    venue: PaperExchange, client: Client, socket: Socket
) -> None:
    client.create(1, "8400", 1)
    venue.fault("refuse", for_ms=200)
    with pytest.raises((websocket.WebSocketException, ConnectionError)):
        socket.until(lambda _: False)
    with pytest.raises(requests.ConnectionError):
        client.orders()
    deadline = SYSTEM.monotonic() + 5
    rows = []
    while not rows and SYSTEM.monotonic() < deadline:
        with suppress(requests.ConnectionError):
            rows = client.orders()
    assert [row["price"] for row in rows] == ["8400"]


def test_the_clock_may_be_wrong(venue: PaperExchange, client: Client) -> None:
    venue.fault("clock_skew", value="60000")
    assert client.call("GET", QUERY, asset="BTC")["code"] == -10052
    venue.clear_faults()
    assert client.orders() == []


def test_the_book_may_be_crossed_or_empty_and_is_whole_again_after(
    venue: PaperExchange, client: Client
) -> None:
    client.create(1, "8489", 10)
    bids, asks = venue.levels("buy"), venue.levels("sell")
    venue.fault("book_cross", match="BTC_USD")
    assert venue.levels("buy")[0][0] > venue.levels("sell")[0][0]
    venue.clear_faults()
    assert (venue.levels("buy"), venue.levels("sell")) == (bids, asks)
    venue.fault("book_empty")
    assert ([int(price) for price, _ in venue.levels("buy")], venue.levels("sell")) == ([8489], [])
    venue.put("sell", "8497.5", 7)
    venue.clear_faults()
    assert venue.levels("buy") == bids
    assert venue.levels("sell")[0][1] == 7
    assert venue.levels("sell")[1:] == asks[1:]


def test_the_book_is_crossed_again_at_every_tick_in_a_living_market() -> None:
    # Between a step of the crowd, which may take the crossing order, and the next tick it is not.
    exchange, markets = set_up(seed=3)
    crossed = Venue(exchange)
    market = next(market for market in markets if market.key == BTC_USD)
    crossed.plan(Fault(name="book_cross", match="BTC_USD", for_ms=60_000), 0)

    def is_crossed() -> bool:
        book = exchange.listing(BTC_USD).book
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        return bid is not None and ask is not None and bid > ask

    looks = []
    for now in range(0, 20_000, round(TICK * 1000)):
        while (step := market.upcoming()) and step.time <= now:
            crossed.play(market.key, step.moves, now)
            market.done()
        crossed.tick(now)
        looks.append(is_crossed())
    assert len(looks) >= 200
    assert all(looks)


def test_limits_count_by_the_true_clock_while_the_venues_is_wrong(
    venue: PaperExchange, client: Client
) -> None:
    venue.fault("clock_skew", value="-60000")
    for _ in range(5):
        client.create(1, "8400", 1)
    venue.clear_faults()
    deadline = SYSTEM.monotonic() + 5
    while client.create(1, "8400", 1)["code"] and SYSTEM.monotonic() < deadline:
        pass
    assert SYSTEM.monotonic() < deadline


def test_faults_that_overlap_end_each_in_its_own_time(venue: PaperExchange, client: Client) -> None:
    venue.fault("suspend", match="BTC_USD", for_ms=30)
    venue.fault("suspend", match="BTC_USD")
    venue.fault("forget_client_oid", for_ms=30)
    venue.fault("forget_client_oid", for_ms=60)
    venue.fault("book_empty", for_ms=30)
    venue.fault("book_empty")
    time.sleep(0.3)  # the short ones are over
    assert client.create(1, "8400", 1)["code"] == -16003
    assert venue.levels("sell") == []
    venue.clear_faults()
    assert client.create(1, "8400", 1, client_oid="mine")["code"] == 0
    assert client.orders()[0]["client_oid"] == "mine"
    assert venue.levels("sell")


def test_a_fault_that_names_nothing_known_is_an_error(venue: PaperExchange) -> None:
    for wrong in ({"name": "lost", "match": "nowhere"}, {"name": "suspend", "match": "DOGE_USD"}):
        with pytest.raises(ValueError, match="there is no"):
            venue.fault(**wrong)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "expected a list of faults, such as "),
        ("cut", "expected a list of faults, such as "),
        ([["cut"]], "fault 1: expected an object such as "),
        ([{"name": "cut"}, {"after_ms": 1}], "fault 2: name: missing"),
        ([{"name": "cut", "afterms": 1}], "no field 'afterms'; the fields are name, match, value"),
        ([{"name": ["cut"]}], "name: there is no fault .* --list-faults"),
        ([{"name": "cut", "match": 1}], 'match: expected a text such as "1", not 1'),
        ([{"name": "code", "value": -10002}], 'value: expected a text such as "-10002"'),
        ([{"name": "code"}], "value: code needs code, not ''"),
        ([{"name": "code", "value": "x"}], "value: code needs code, not 'x'"),
        ([{"name": "status", "value": "99"}], "value: a status is from 200 to 599, not 99"),
        ([{"name": "close", "value": "5000"}], "value: a close code is from 1000 to 4999"),
        ([{"name": "reply_field", "value": "price=x"}], "value: what follows = in .* is not JSON"),
        ([{"name": "cut", "done": 1}], "done: expected true or false, not 1"),
        ([{"name": "cut", "after_ms": "5"}], "after_ms: expected a whole number from 0, not '5'"),
        ([{"name": "cut", "for_ms": 0}], "for_ms: expected a whole number from 1, or null, not 0"),
        ([{"name": "cut", "times": 1.5}], "times: expected a whole number from 1"),
        ([{"name": "cut", "chance": 2}], "chance: expected a number from 0 to 1, not 2"),
        ([{"name": "refuse", "match": "BTC_USD"}], "match: refuse is about the whole venue"),
        ([{"name": "suspend", "times": 1}], "suspend lasts: it has for_ms, but no times"),
    ],
)
def test_a_schedule_that_is_wrong_is_refused_by_fault_and_field(content: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_faults(content)


def test_every_field_of_a_fault_is_described() -> None:
    assert set(FIELDS) == {field.name for field in fields(Fault)}
    assert all(name in FIELDS_HELP for name in FIELDS)
    whole = {"name": "code", "match": "pc/order/create", "value": "-10002", "chance": 0.5}
    assert read_faults([whole | {"after_ms": 5, "for_ms": 9, "times": 2, "done": True}])


def test_a_fault_strikes_only_what_it_is_about(venue: PaperExchange, client: Client) -> None:
    venue.fault("batch_half")
    venue.fault("cancel_pending", value="60000", times=1)
    made = client.create(1, "8400", 1)["data"]["order_id"]
    assert [row["order_id"] for row in client.orders(filter='{"status":["2"]}')] == [made]
    client.call("POST", "pc/order/cancel", asset="BTC", symbol="BTC_USD", order_id=made)
    assert client.orders()[0]["status"] == "4"


def test_each_fault_draws_for_itself() -> None:
    def strikes(others: int) -> list[bool]:
        schedule = Faults(lambda number: random.Random(number))
        schedule.plan(Fault(name="empty", chance=0.5), 0)
        schedule.plan(Fault(name="frame_lost", chance=0.5), 0)
        found = []
        for _ in range(20):
            for _ in range(others):
                schedule.strike(Where.FRAME, "trade", 1)
            found.append(schedule.strike(Where.REPLY, QUERY, 1) is not None)
        return found

    assert strikes(others=0) == strikes(others=3)


def test_frames_are_swapped_two_by_two(
    venue: PaperExchange, client: Client, socket: Socket
) -> None:
    venue.fault("frame_swap", match="order")
    for price in ("8401", "8402", "8403", "8404"):
        client.create(1, price, 10)
    heard = [socket.frame("order")["data"][0]["price"] for _ in range(4)]
    assert heard == ["8402", "8401", "8404", "8403"]


def test_the_rules_of_a_symbol_may_change(venue: PaperExchange, client: Client) -> None:
    socket = Socket(client)
    socket.sub("instrument")
    assert socket.frame("instrument")["data"][0]["tick_size"] == "0.5"
    venue.fault("tick_change", value="2.5", match="BTC_USD")
    assert socket.frame("instrument")["data"][0]["tick_size"] == "2.5"
    assert [client.create(1, price, 1)["code"] for price in ("8400.5", "8400")] == [-10013, 0]
    venue.clear_faults()
    assert socket.frame("instrument")["data"][0]["tick_size"] == "0.5"
    with pytest.raises(ValueError, match="multiple"):
        venue.fault("tick_change", value="0.3", match="BTC_USD")
    venue.fault("suspend", match="BTC_USD")
    assert client.create(1, "8400", 1)["code"] == -16003


def test_the_client_oid_may_be_forgotten(venue: PaperExchange, client: Client) -> None:
    client.create(1, "8400", 1, client_oid="mine")
    venue.fault("forget_client_oid")
    assert client.orders()[0]["client_oid"] is None
    venue.clear_faults()
    assert client.orders()[0]["client_oid"] == "mine"


def test_a_state_fault_ends_by_itself() -> None:
    with PaperExchange(crowd=False, quirks=Quirks(rate_limits=False)) as venue:
        client = Client(venue)
        venue.fault("suspend", for_ms=50)
        assert client.create(1, "8400", 1)["code"] == -16003
        deadline = SYSTEM.monotonic() + 5
        while client.create(1, "8400", 1)["code"] and SYSTEM.monotonic() < deadline:
            pass
        assert venue.open_orders()


def test_faults_can_be_planned_from_outside_with_the_token(
    controlled: tuple[str, str, str],
) -> None:
    url, token, rest = controlled
    mine = {"x-token": token}
    fault = {"name": "status", "value": "503", "match": "pc/asset/query"}
    planned = requests.post(f"{url}/faults", json=fault, headers=mine, timeout=5).json()
    assert [(one["name"], one["match"]) for one in planned] == [("status", "pc/asset/query")]
    assert requests.get(f"{rest}/v1/api/pc/asset/query", timeout=5).status_code == 503
    assert requests.delete(f"{url}/faults", headers=mine, timeout=5).json() == []
    assert requests.get(f"{rest}/v1/api/pc/asset/query", timeout=5).status_code == 200
    assert requests.get(f"{url}/judge", headers=mine, timeout=5).json()["accepted"] == 0
    assert requests.get(f"{url}/journal", headers=mine, timeout=5).json() == []


def test_the_control_endpoint_is_closed_to_all_others(controlled: tuple[str, str, str]) -> None:
    url, token, rest = controlled
    for headers in ({}, {"x-token": "guess"}, {"x-token": token, "Host": "evil.example"}):
        assert requests.get(f"{url}/faults", headers=headers, timeout=5).status_code == 403
    for body in (b"", b"[]", b'{"name":"earthquake"}', b'{"colour":"red"}', b"[" * 50_000):
        reply = requests.post(f"{url}/faults", data=body, headers={"x-token": token}, timeout=5)
        assert reply.status_code == 400
    assert requests.get(f"{rest}/faults", headers={"x-token": token}, timeout=5).status_code == 404


@pytest.mark.parametrize(
    "change", ["price=null", 'price="NaN"', "price=[]", "price=", "price=1e999"]
)
def test_a_field_of_a_frame_can_be_changed(venue: PaperExchange, change: str) -> None:
    heard = distorted(venue, "order_book", "frame_field", change)
    assert heard.count("price") == (change != "price=")
    assert change.partition("=")[2] in heard


@pytest.mark.parametrize("how", RAW)
def test_a_frame_can_be_spoilt(venue: PaperExchange, how: str) -> None:
    heard = distorted(venue, "order_book", "frame_raw", how)
    assert heard != distorted(venue, "order_book", "frame_twice", "")


def distorted(venue: PaperExchange, table: str, name: str, value: str) -> str:
    """Return the first frame about a change of the book, as a fault makes it arrive."""
    client = Socket(Client(venue))
    client.sub(table)
    client.frame(table, "partial")
    venue.fault(name, match=table, value=value, times=1)
    venue.put("buy", "8300", 7)
    heard = client.ws.recv()
    venue.put("buy", "8300", 0)
    client.ws.close()
    return heard if isinstance(heard, str) else heard.decode("latin-1")
