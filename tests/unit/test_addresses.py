"""The last good address of the venue, while its name cannot be looked up; and what is said then."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import websocket
from conftest import account, wait_until
from raw_server import RawServer, self_signed, server_context, signed_by

from market_maker.bot import Runtime
from market_maker.errors import NotSent, RequestError, Temporary
from market_maker.gte import GTE
from market_maker.guard.shared import SharedFile
from market_maker.market_maker import OrderManager
from market_maker.paper.server.in_process import PaperExchange
from market_maker.private_files import PrivateFiles
from market_maker.wire import tls
from market_maker.wire.tls import Connections
from market_maker.ws.ws_thread import GTEWebsocket

BODY = b'{"code":0,"data":{"rows":[]},"error":null,"time":1577836805012}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(BODY), BODY)
NAME = "venue.example"
OURS: dict[str, Any] = {
    **{"symbol": "BTC_USD", "settle_currency": "BTC"},
    **{"api_key": "key", "api_secret": "secret", "base_url": "http://127.0.0.1:9"},
}
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


class Resolver:
    """Looks up every name as loopback, until it is told how to fail."""

    def __init__(self) -> None:
        self.how = ""
        self.asked = 0
        self.ends = threading.Event()

    def __call__(self, _host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        if self.how == "hangs":
            self.ends.wait(10)
        if self.how:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(0, 0, 0, "", (address, port)) for address in ("127.0.0.3", "127.0.0.1")]


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.ends.set()


def answer(connection: socket.socket) -> None:
    connection.sendall(REPLY)


@contextmanager
def client(url: str, **given: Any) -> Iterator[GTE]:
    made = GTE(account(**(OURS | {"base_url": url})), **given)
    try:
        yield made
    finally:
        made.exit()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Trust an authority of our own; return what makes a server's context for a name."""
    ca = self_signed(tmp_path, "authority")
    monkeypatch.setattr(tls, "CA_FILE", str(ca.certificate))
    return lambda name: server_context(signed_by(ca, tmp_path, name))


@needs_openssl
@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_the_last_good_address_is_used_while_the_name_cannot_be_looked_up(
    how: str, resolver: Resolver, trusted: Callable[[str], Any]
) -> None:
    connections = Connections(look_up=resolver)
    with (
        RawServer(answer, trusted(NAME)) as server,
        client(f"https://{NAME}:{server.port}", connections=connections) as gte,
    ):
        gte.query_orders()
        resolver.how = how
        begun = time.monotonic()
        gte.query_orders()
        assert time.monotonic() - begun < 2
        ours = account(**OURS, ws_url=f"wss://{NAME}:{server.port}")
        with suppress(websocket.WebSocketException):  # it is no feed
            GTEWebsocket(ours, connections=connections).connect()
        assert b"Upgrade: websocket" in server.received, "the feed finds it too"


@needs_openssl
def test_an_address_proves_nothing_the_certificate_must_name_the_host(
    resolver: Resolver, trusted: Callable[[str], Any]
) -> None:
    connections = Connections(look_up=resolver)
    with (
        RawServer(answer, trusted("elsewhere.example")) as other,
        client(f"https://{NAME}:{other.port}", connections=connections) as gte,
    ):
        with pytest.raises(NotSent, match=r"not valid for 'venue\.example'"):
            gte.query_orders()
        resolver.how = "fails"
        with pytest.raises(NotSent, match="unresolved"):  # what has proven nothing is not kept
            gte.query_orders()
        assert other.received == b""


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_host_that_was_never_found_is_said_to_be_unresolved_and_soon(
    how: str, resolver: Resolver
) -> None:
    resolver.how = how
    with client(f"http://{NAME}:9", connections=Connections(look_up=resolver)) as gte:
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(NotSent, match="host name unresolved"):
                gte.query_orders()
        assert time.monotonic() - begun < 4
    if how == "hangs":
        assert resolver.asked == 1, "look-ups do not pile up"


def test_another_process_goes_where_this_one_has_found_the_venue(
    resolver: Resolver, tmp_path: Path
) -> None:
    def shared() -> SharedFile:
        return SharedFile(PrivateFiles(tmp_path / "state", "who"))

    with RawServer(answer) as server, ExitStack() as stack:
        url = f"http://{NAME}:{server.port}"
        bot = Connections(shared(), look_up=resolver)
        stack.enter_context(client(url, connections=bot)).query_orders()
        resolver.how = "fails"
        guard = Connections(shared(), look_up=resolver)
        stack.enter_context(client(url, connections=guard)).query_orders()
        other = Connections(shared(), look_up=resolver)
        with pytest.raises(NotSent, match="unresolved"):
            stack.enter_context(
                client(f"http://other.example:{server.port}", connections=other)
            ).query_orders()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def stay_silent(connection: socket.socket) -> None:
    connection.recv(1)


def leave(connection: socket.socket) -> None:
    connection.close()


@pytest.mark.parametrize(
    ("serve", "words"),
    [(reset, "connection reset"), (leave, "connection reset"), (stay_silent, "timed out")],
)
def test_what_happened_to_a_request_is_said_in_common_words(
    serve: Callable[[socket.socket], None], words: str
) -> None:
    with RawServer(serve) as server:
        url = f"http://127.0.0.1:{server.port}"
        made = GTE(account(**(OURS | {"base_url": url, "timeout": 0.3})))
        with pytest.raises(Temporary, match=f"{words} at {url}"):
            made.query_orders()
        made.exit()


def test_a_connection_that_is_refused_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with client(f"http://127.0.0.1:{port}") as gte, pytest.raises(RequestError, match="refused"):
        gte.query_orders()
    feed = GTEWebsocket(account(**OURS, ws_url=f"ws://127.0.0.1:{port}"))
    with pytest.raises(ConnectionRefusedError) as raised:
        feed.connect()
    feed.lose(raised.value)
    assert feed.last_error == "connection refused"


@pytest.mark.slow
@pytest.mark.parametrize("venue_is_up", [True, False])
def test_no_tick_takes_longer_than_6_s_without_a_resolver_and_quoting_goes_on_after_it(
    configure: Callable[..., None], venue: PaperExchange, resolver: Resolver, venue_is_up: bool
) -> None:
    address = f"localhost:{venue.rest_url.rpartition(':')[2]}"
    configure(API_URL_BASE=f"http://{address}", WS_URL=f"ws://{address}", ORDER_PAIRS=2)

    class Bot(OrderManager):
        runtime = Runtime(client=partial(GTE, connections=Connections(look_up=resolver)))

    bot = Bot()

    def longest(seconds: float) -> float:
        """Return how long the longest tick took, of those in so many seconds."""
        until, took = time.monotonic() + seconds, [0.0]
        while time.monotonic() < until:
            begun = time.monotonic()
            bot.tick()
            took.append(time.monotonic() - begun)
            time.sleep(0.1)
        return max(took)

    try:
        wait_until(lambda: longest(0.1) < 6 and len(venue.open_orders()) == 4, 60)
        resolver.how = "hangs"
        venue.drop()
        if not venue_is_up:
            venue.stop()
        assert longest(12.0) < 6.0
        resolver.how = ""
        resolver.ends.set()
        if not venue_is_up:
            venue.start()
        wait_until(lambda: longest(0.5) < 6 and len(venue.open_orders()) == 4, 60)
    finally:
        bot.exchange.cancel_all_orders()
        bot.exchange.close()
