"""Hostile input: ten thousand malformed requests and frames get an answer each, and do no harm."""

import gc
import json
import logging
import os
import random
import re
import socket as sockets
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from conftest import Run, wait_until
from paper_client import Client, Socket, headers, login

from market_maker.paper.api.auth import ApiKey, Auth
from market_maker.paper.api.dispatch import Dispatcher, RawRequest
from market_maker.paper.api.feed import Feed
from market_maker.paper.api.judge import Judge
from market_maker.paper.api.rest import ENDPOINTS
from market_maker.paper.api.session import Session
from market_maker.paper.exchange.account import Contract
from market_maker.paper.exchange.instrument import CONTRACT, Key
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER, set_up, still_book
from market_maker.paper.server.in_process import PaperExchange
from market_maker.paper.server.server import MAX_SOCKETS

KEY, SECRET = "paper-key", "paper-secret"
NOW = 1577836805000
SECONDS_EACH = 0.1
"""Of this thread's own work: what else the machine does is not the exchange's fault."""

SOUND = {
    "asset": "BTC",
    "symbol": "BTC_USD",
    "side": "1",
    "close_flag": "0",
    "order_type": "1",
    "price": "8400",
    "qty": "100",
    "order_id": "1",
    "filter": '{"order_id":["1"],"status":["2"]}',
    "count": "10",
    "size": "10",
    "from": "1",
    "to": "2",
    "volume": "1",
    "address": "mine",
    "mode": "2",
    "leverage": "5",
    "long_flag": "1",
    "increase_flag": "1",
    "margin": "1",
    "open_flag": "1",
}
ODD = "settle_currency bid_flag client_oid id gt_order_id lt_order_id interval start_time".split()
GOOD = "BTC ETH USDT BTC_USD BTC/USDT 0 1 2 8400 8400.5 100 0.5 mm-1".split()
BAD = [
    "",
    " ",
    "-1",
    "-0",
    "1e9",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "٣",
    "²",
    "1" * 20,
    "9" * 400,
    "0." + "0" * 30 + "1",
    "é" * 50,
    "\x00",
    "\ud800",
    "'; drop table orders; --",
    "../../etc/passwd",
    "%s%n",
    '{"status":["2"]}',
    '{"status":[[2]]}',
    '{"order_id":["1","2"]}',
    '{"order_id":' + "[" * 2000,
    "{}",
    "null",
]
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"\xff\xfe\x00",
    b"[" * 60_000,
    b'{"a":' * 5_000,
    b'{"price":NaN}',
    b'{"price":1e400,"qty":' + b"9" * 5000 + b"}",
    b'{"asset":["BTC"],"symbol":{"a":1},"side":true}',
    b"asset=BTC&asset=ETH",
    b"&" * 5000,
]
WORDS = [*GOOD, *BAD, "sub", "unsub", "ping", "auth_key_expires", "order", "trade", "order_book"]


class Attacker:
    """Makes up requests and frames, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def request(self) -> RawRequest:
        chance = self.chance
        method, name = chance.choice(list(ENDPOINTS))
        params = dict(SOUND)
        for changed in chance.sample([*SOUND, *ODD], chance.randint(0, 6)):
            params[changed] = chance.choice(GOOD if chance.random() < 0.5 else BAD)
        signed = {}
        if chance.random() < 0.9:
            clean = {k: v.encode("utf-8", "replace").decode() for k, v in params.items()}
            signed = headers(KEY, SECRET, clean, NOW)
        if chance.random() < 0.1:
            signed[chance.choice(["api-key", "api-expires", "api-signature"])] = chance.choice(BAD)
        if chance.random() < 0.1:
            signed["Content-Type"] = "application/x-www-form-urlencoded"
        if chance.random() < 0.05:
            method, name = chance.choice(["PUT", "GET", "\x00"]), chance.choice(BAD)
        body = chance.choice(BODIES) if chance.random() < 0.2 else b""
        return RawRequest(method, f"v1/api/{name}", signed, list(params.items()), body)

    def frame(self) -> str:
        chance = self.chance
        if chance.random() < 0.2:
            return chance.choice(BODIES).decode("utf-8", "replace")
        frame: Any = {"op": self.value(), "args": self.value()}
        if chance.random() < 0.7:
            names = ["instrument_type", "table", "settle_currency", "asset", "symbol", "api_key"]
            frame["args"] = {name: self.value() for name in chance.sample(names, 3)}
        text = json.dumps(frame)
        return text[: chance.randint(0, len(text))] if chance.random() < 0.2 else text

    def value(self) -> Any:
        chance = self.chance
        if chance.random() < 0.7:
            return chance.choice(WORDS)
        return chance.choice([None, True, 0, -1, 1e300, [], {}, [[]], {"op": "sub"}])


def test_ten_thousand_malformed_requests_and_frames_get_an_answer_each(
    request: pytest.FixtureRequest,
) -> None:
    exchange, _ = set_up(crowd=False, quirks=Quirks(rate_limits=False))
    exchange.play(Key(CONTRACT, "BTC", "BTC_USD"), still_book(), NOW)
    auth = Auth([ApiKey(KEY, SECRET, OWNER)], 5000)
    dispatcher, feed = Dispatcher(exchange, auth, Judge(OWNER, exchange)), Feed(exchange, auth)
    frames: list[str] = []
    session = Session(lambda frame, _: frames.append(frame))
    feed.sessions[session] = None
    feed.receive(session, json.dumps(login(KEY, SECRET, NOW)), NOW)
    attacker = Attacker(1)
    codes, slowest = set(), 0.0
    gc.disable()  # a collection of the whole test process is not the exchange's time
    request.addfinalizer(gc.enable)
    for _ in range(5000):
        asked, message = attacker.request(), attacker.frame()
        began = time.thread_time()
        status, reply = dispatcher.answer(asked, NOW)
        codes.add((status, reply["code"]))
        json.dumps(reply)
        feed.publish(exchange.outbox.drain(), NOW)
        frames.clear()
        feed.receive(session, message, NOW)
        assert frames
        slowest = max(slowest, time.thread_time() - began)
    assert {code for _, code in codes} <= {0, *range(-16003, -10000)}
    assert len(codes) > 12
    assert slowest < SECONDS_EACH
    for asset in ("BTC", "ETH", "USDT"):
        assert exchange.ledger.imbalance(asset, exchange.marks()) == 0
    assert set(exchange.marks()) == {
        Contract(a, s) for a in ("BTC", "ETH") for s in ("BTC_USD", "ETH_USD")
    }


RAW = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /v1/api/pc/asset/query HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%zz%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    b"GET /v1/api/pc/order/query?asset=%ff%fe&filter=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /v1/api/pc/order/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/api/pc/order/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    + b"x" * 200_000,
    b"POST /v1/api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    b"POST /v1/api/pc/order/create HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 4\r\n\r\nabcd",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 1000,
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_raw_bytes_bring_no_500_and_no_harm(
    venue: PaperExchange, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "market_maker")
    port = int(venue.rest_url.rpartition(":")[2])
    answer = b""
    with sockets.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(sockets.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
    assert b" 500 " not in answer
    assert b"Traceback" not in answer
    assert not caplog.records
    assert Client(venue).orders() == []


def test_frames_that_are_no_text_or_too_large_end_a_socket_but_not_the_venue(
    venue: PaperExchange,
) -> None:
    client = Client(venue)
    opened = Socket(client)
    opened.ws.send_binary(b"\xff\xfe{}")
    assert opened.until(lambda _: True)["status"] == "-10012"
    opened.ws.send("x" * 1_000_000)
    with suppress(websocket.WebSocketException, ConnectionError):
        assert opened.ws.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    assert Socket(client).auth() == "0"


def test_five_hundred_hostile_clients_cost_others_less_than_a_second_and_little_memory(
    run: Run,
) -> None:
    """Some subscribe and never read, some never end their request; all hold their connections."""
    exchange = run("paper", "--port", "0", "--latency", "0")
    exchange.wait_for("Ctrl-C ends it")
    port = int(re.findall(r"http://127.0.0.1:(\d+)", exchange.text)[0])
    book = f"http://127.0.0.1:{port}/v1/api/pc/order/book/query?asset=BTC&symbol=BTC_USD&size=50"
    before = megabytes(exchange.process.pid)
    honest, slowest = requests.Session(), 0.0
    with ExitStack() as held:
        for number in range(500):
            client = held.enter_context(sockets.create_connection(("127.0.0.1", port)))
            with suppress(ConnectionError):
                client.sendall(HOLDING[number % len(HOLDING)])
            if number % 10 == 0:
                began = time.monotonic()
                assert honest.get(book, timeout=5).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
        wait_until(lambda: len(os.listdir(f"/proc/{exchange.process.pid}/fd")) < 300)
        grown = megabytes(exchange.process.pid) - before
    assert slowest < 1
    assert grown < 50  # MB


def test_clients_that_do_not_read_are_cut_off_before_they_hold_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("market_maker.paper.server.server.MAX_UNSENT_OF_ALL", 100_000)
    with PaperExchange(crowd=False, book=True) as venue:
        reading = Socket(Client(venue))
        assert reading.sub("instrument") == "0"
        greedy = [sockets.create_connection(("127.0.0.1", venue._port)) for _ in range(3)]
        for client in greedy:
            client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            client.sendall(HANDSHAKE + 20_000 * masked('{"op":"ping","args":"' + "x" * 60 + '"}'))
        wait_until(lambda: len(venue._server._connections) == 1)
        assert reading.auth() == "0"
        for client in greedy:
            client.close()


def test_the_bot_that_has_logged_in_keeps_its_feed_when_strangers_fill_it(
    venue: PaperExchange,
) -> None:
    bot = Socket(Client(venue))
    assert bot.auth() == "0"
    strangers = [Socket(Client(venue)) for _ in range(MAX_SOCKETS + 5)]
    # the server may not have seen yet that the last stranger takes the place of another
    wait_until(lambda: len(venue._server._connections) == MAX_SOCKETS)
    assert bot.sub("order") == "0"
    for stranger in strangers:
        stranger.ws.close()


def megabytes(pid: int) -> int:
    """Return the memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) // 1024


def masked(message: str) -> bytes:
    """Return a WebSocket frame of a client, of at most 125 characters; its mask is 0."""
    return bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message.encode()


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PLACE = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
SUBSCRIPTIONS = [
    json.dumps({"op": "sub", "args": PLACE | {"table": table}}, separators=(",", ":"))
    for table in ("order_book", "trade", "instrument")
]
HOLDING = [
    HANDSHAKE + b"".join(map(masked, SUBSCRIPTIONS)),
    b"GET /v1/api/pc/asset/query HTT",
    b"POST /v1/api/pc/order/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nx",
]


def test_a_body_too_large_is_refused(venue: PaperExchange) -> None:
    url = f"{venue.rest_url}/v1/api/pc/order/create"
    reply = requests.post(url, data=b"x" * 100_000, timeout=5)
    assert (reply.status_code, reply.json()["code"]) == (413, -10013)
