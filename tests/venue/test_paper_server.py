"""The paper exchange over real sockets: what only a socket can show."""

import json
import logging
import socket as sockets
import threading
from collections.abc import Iterator

import pytest
import requests
import websocket
from paper_client import Client, Socket

from market_maker.clock import SYSTEM
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.server.in_process import PaperExchange
from market_maker.paper.server.service import serve

TOPIC = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}


@pytest.fixture
def client(venue: PaperExchange) -> Client:
    return Client(venue)


@pytest.fixture
def socket(client: Client) -> Iterator[Socket]:
    opened = Socket(client)
    assert opened.auth() == "0"
    yield opened
    opened.ws.close()


def test_a_resting_order_is_filled_by_a_taker_and_told_of_on_every_table(
    venue: PaperExchange, client: Client, socket: Socket
) -> None:
    for table in ("order", "execution", "position", "margin"):
        assert socket.sub(table, "") == "0"
    order_id = client.create(0, "8497.0", 100, client_oid="mm-1")["data"]["order_id"]
    assert socket.frame("order", "insert")["data"][0]["order_id"] == order_id
    venue.take("buy", "8497.0", 40)
    row = socket.frame("order", "update")["data"][0]
    assert (row["status"], row["filled_qty"], row["avg_price"]) == ("16", "40", "8497")
    report = socket.frame("execution")["data"][0]
    assert (report["exec_type"], report["last_qty"], report["maker_flag"]) == ("4", "40", "1")
    assert report["exec_id"] != order_id
    leg = socket.frame("position", "update")["data"][0]
    assert (leg["side"], leg["qty"], leg["entry_price"]) == ("0", "40", "8497")
    assert client.orders()[0]["client_oid"] == "mm-1"
    assert venue.position() == (0, 40)
    assert [(fill.qty, fill.maker) for fill in venue.judge().fills] == [(40, True)]


@pytest.mark.parametrize("path", ["/", "/ws", "/realtime", "//ws"])
def test_the_websocket_is_at_every_documented_path(client: Client, path: str) -> None:
    opened = Socket(client, path)
    opened.ws.send('{"op":"ping"}')
    assert opened.until(lambda _: True) == {"op": "pong"}


def test_a_private_table_needs_authentication(client: Client) -> None:
    opened = Socket(client)
    assert opened.sub("order", "") == "-10202"
    assert opened.auth() == "0"
    assert opened.sub("order", "") == "0"
    assert opened.sub("order", "") == "-10201"


def test_position_and_margin_are_pushed_without_a_change() -> None:
    quirks = Quirks(push_period_s=0.01)
    with PaperExchange(crowd=False, quirks=quirks) as venue:
        opened = Socket(Client(venue))
        opened.auth()
        opened.sub("position", "")
        opened.sub("margin", "")
        for table in ("position", "margin", "position", "margin"):
            opened.frame(table)


def test_a_client_that_says_nothing_is_cut_off() -> None:
    with PaperExchange(crowd=False, quirks=Quirks(silence_s=0.05)) as venue:
        opened = Socket(Client(venue))
        assert opened.ws.recv() == ""
        assert not opened.ws.connected


def test_a_dropped_socket_is_gone_and_the_port_still_open(
    venue: PaperExchange, client: Client, socket: Socket
) -> None:
    venue.drop()
    with pytest.raises((websocket.WebSocketException, ConnectionError)):
        socket.ws.recv()
    assert Socket(client).auth() == "0"


def test_a_stopped_venue_comes_back_on_its_port_with_its_orders(
    venue: PaperExchange, client: Client
) -> None:
    client.create(1, "8400", 10)
    url = venue.rest_url
    venue.stop()
    with pytest.raises(requests.ConnectionError):
        client.orders()
    venue.start()
    assert venue.rest_url == url
    assert [row["price"] for row in client.orders()] == ["8400"]


def test_a_market_goes_on_at_once_when_a_stopped_venue_starts_again() -> None:
    with PaperExchange() as venue:
        opened = Socket(Client(venue))
        opened.sub("order_book")
        for _ in range(3):
            opened.frame("order_book", "insert")
        venue.stop()
        venue.start()
        opened = Socket(Client(venue))
        opened.sub("order_book")
        for _ in range(3):
            opened.frame("order_book", "insert")


def test_a_frozen_venue_holds_its_answers_until_it_thaws(
    venue: PaperExchange, client: Client
) -> None:
    venue.freeze()
    with pytest.raises(requests.Timeout):
        client.http.get(f"{venue.rest_url}/v1/api/pc/asset/query", timeout=0.2)
    venue.thaw()
    assert client.orders() == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com", "192.168.0.1", ""])
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        PaperExchange(host=host)
    with pytest.raises(ValueError, match="loopback"):
        serve(host=host, ready=lambda *_: None, stop=threading.Event())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"Host": "localhost:1"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": ""}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1:1@evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost:1:1"}, 403),
        ({"Host": "[::1].evil.example"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Host": "localhost:1", "Origin": "https://localhost:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
    ids=str,
)
def test_a_page_from_elsewhere_reaches_neither_rest_nor_the_feed_nor_the_control(
    venue: PaperExchange, controlled: tuple[str, str, str], sent: dict[str, str], status: int
) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    control, token, _ = controlled
    for url, more, welcome in (
        (f"{venue.rest_url}/v1/api/pc/asset/query", {}, 200),
        (f"{venue.rest_url}/ws", upgrade, 101),
        (f"{control}/faults", {"x-token": token}, 200),
    ):
        with requests.get(url, headers=sent | more, timeout=5, stream=True) as reply:
            assert reply.status_code == (welcome if status == 200 else 403)


def test_an_answer_takes_the_latency_and_a_frame_half_of_it() -> None:
    with PaperExchange(crowd=False, book=True, latency_ms=300) as venue:
        client = Client(venue)
        sent = SYSTEM.now_ms()
        acted = int(client.create(1, "8400", 10)["data"]["time"])
        assert acted - sent >= 150
        assert SYSTEM.now_ms() - acted >= 150
        opened = Socket(client)
        began = SYSTEM.monotonic()
        for table in ("order_book", "trade", "instrument"):
            opened.ws.send(json.dumps({"op": "sub", "args": TOPIC | {"table": table}}))
        told = [json.loads(opened.ws.recv()) for _ in range(5)]
        assert 0.3 <= SYSTEM.monotonic() - began < 0.55  # they are on their way together
        assert [frame.get("table") for frame in told] == [
            None,
            "order_book",
            None,
            None,
            "instrument",
        ]
        began = SYSTEM.monotonic()
        venue.put("buy", "8400", 7)
        assert opened.frame("order_book", "update")["data"][0]["size"] == "17"
        assert SYSTEM.monotonic() - began >= 0.15


def test_serve_runs_until_it_is_stopped_from_another_thread() -> None:
    urls: list[tuple[str, str]] = []
    listening, stop = threading.Event(), threading.Event()

    def ready(rest: str, ws: str) -> None:
        urls.append((rest, ws))
        listening.set()

    thread = threading.Thread(target=lambda: serve(ready=ready, stop=stop), daemon=True)
    thread.start()
    assert listening.wait(10)
    assert requests.get(f"{urls[0][0]}/v1/api/pc/asset/query", timeout=5).json()["code"] == 0
    assert urls[0][1] == urls[0][0].replace("http", "ws") + "/ws"
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_port_that_is_taken_is_an_error_and_nothing_stays_behind() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        before = threading.active_count()
        with pytest.raises(OSError, match="in use"):
            PaperExchange(port=taken.getsockname()[1]).start()
        assert threading.active_count() == before


def test_nothing_secret_is_logged(
    venue: PaperExchange, client: Client, socket: Socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "market_maker")
    client.create(1, "8400", 10)
    socket.sub("order", "")
    assert venue.key not in caplog.text
    assert venue.secret not in caplog.text
