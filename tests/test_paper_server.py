"""The paper exchange over real sockets: REST, WebSocket, and the handle that tests hold."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from market_maker import clock
from market_maker.paper.venue import PaperExchange

Row = dict[str, Any]


class Client:
    """A plain client of GTE, written from the documents."""

    def __init__(self, venue: PaperExchange) -> None:
        self.venue = venue
        self.http = requests.Session()
        self.http.trust_env = False

    def sign(self, message: str) -> str:
        return hmac.new(self.venue.secret.encode(), message.encode(), hashlib.sha256).hexdigest()

    def headers(self, params: dict[str, str], expires: int) -> dict[str, str]:
        text = "{" + ",".join(f'"{k}":"{v}"' for k, v in sorted(params.items())) + "}"
        return {
            "api-key": self.venue.key,
            "api-expires": str(expires),
            "api-signature": self.sign(f"{self.venue.key}{expires}{text}"),
        }

    def call(self, method: str, path: str, **given: object) -> Row:
        params = {name: str(value) for name, value in given.items()}
        headers = self.headers(params, clock.now_ms() + 5000)
        url = f"{self.venue.rest_url}/v1/api/{path}"
        reply = self.http.request(method, url, params=params, headers=headers, timeout=5)
        assert reply.status_code == 200
        content: Row = reply.json()
        return content

    def create(self, side: int, price: str, qty: int, close_flag: int = 0, **more: object) -> Row:
        return self.call(
            "POST",
            "pc/order/create",
            asset="BTC",
            symbol="BTC_USD",
            side=side,
            price=price,
            qty=qty,
            close_flag=close_flag,
            order_type=1,
            **more,
        )

    def orders(self, **params: object) -> list[Row]:
        rows: list[Row] = self.call("GET", "pc/order/query", asset="BTC", **params)["data"]["rows"]
        return rows


class Socket:
    """A WebSocket client that waits for frames instead of sleeping."""

    def __init__(self, client: Client, path: str = "/ws") -> None:
        url = client.venue.rest_url.replace("http", "ws") + path
        self.ws = websocket.create_connection(url, timeout=5)
        self.client = client

    def ask(self, op: str, **args: str) -> str:
        self.ws.send(json.dumps({"op": op, "args": args}))
        return str(self.until(lambda frame: "status" in frame)["status"])

    def auth(self) -> str:
        expires = str(clock.now_ms() + 5000)
        signature = self.client.sign(f"GET/ws{expires}")
        return self.ask(
            "auth_key_expires",
            api_key=self.client.venue.key,
            expires=expires,
            signature=signature,
        )

    def sub(self, table: str, symbol: str = "BTC_USD") -> str:
        more = {"symbol": symbol} if symbol else {}
        return self.ask("sub", instrument_type="pc", table=table, settle_currency="BTC", **more)

    def until(self, wanted: Any) -> Row:
        while True:
            frame: Row = json.loads(self.ws.recv())
            if wanted(frame):
                return frame

    def frame(self, table: str, action: str | None = None) -> Row:
        return self.until(
            lambda frame: frame.get("table") == table and action in (None, frame.get("action"))
        )


@pytest.fixture
def venue() -> Iterator[PaperExchange]:
    with PaperExchange(crowd=False, book=True) as running:
        yield running


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


def test_a_private_table_needs_authentication(client: Client) -> None:
    socket = Socket(client, "/realtime")
    assert socket.sub("order", "") == "-10202"
    assert socket.auth() == "0"
    assert socket.sub("order", "") == "0"
    assert socket.sub("order", "") == "-10201"


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


def test_a_frozen_venue_holds_its_answers_until_it_thaws(
    venue: PaperExchange, client: Client
) -> None:
    venue.freeze()
    with pytest.raises(requests.Timeout):
        client.http.get(f"{venue.rest_url}/v1/api/pc/asset/query", timeout=0.2)
    venue.thaw()
    assert client.orders() == []


def test_a_host_that_others_can_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="loopback"):
        PaperExchange(host="0.0.0.0")
