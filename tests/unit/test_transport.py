"""What a venue, or somebody in its place, cannot do to us: REST and feed against raw sockets."""

import base64
import gzip
import hashlib
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import account, wait_until
from raw_server import Pair, RawServer, Serve, self_signed, server_context, signed_by

from market_maker import auth
from market_maker.errors import NotSent, OutcomeUnknown, SettingsError, Temporary
from market_maker.gte import GTE
from market_maker.models import OrderRequest, Side
from market_maker.wire import tls
from market_maker.ws.ws_thread import GTEWebsocket

TIMEOUT = 0.6
KEY, SECRET = "key-of-the-account", "secret-of-the-account"
OURS: dict[str, Any] = {
    **{"symbol": "BTC_USD", "settle_currency": "BTC"},
    **{"api_key": KEY, "api_secret": SECRET},
}
ORDER = OrderRequest(side=Side.BUY, price=Decimal(8000), qty=Decimal(1), client_oid="mm_1")
ANSWER = b'{"code":0,"data":{"rows":[],"order_id":"17"},"error":null,"time":1577836805012}'
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


def reply(body: bytes = ANSWER, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + body


def answering(data: bytes) -> Serve:
    return lambda connection: connection.sendall(data)


Start = Callable[..., RawServer]
Client = Callable[..., GTE]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start raw servers, and end them."""
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(RawServer(*given))


@pytest.fixture
def client() -> Iterator[Client]:
    """Make REST clients with a key, and end them."""
    made = []

    def make(url: str, **changed: Any) -> GTE:
        given = {"base_url": url, "timeout": TIMEOUT}
        made.append(GTE(account(**(OURS | given | changed))))
        return made[-1]

    yield make
    for each in made:
        each.exit()


@pytest.fixture
def feed() -> Iterator[Callable[[str], GTEWebsocket]]:
    """Start feeds with a key, and end them."""
    made = []

    def make(url: str) -> GTEWebsocket:
        made.append(GTEWebsocket(account(**OURS, base_url="http://127.0.0.1:9", ws_url=url)))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.exit()


Feed = Callable[[str], GTEWebsocket]

# --- bounded in time and size -------------------------------------------------------------------


def trickle(data: bytes, ahead: bytes = b"") -> Serve:
    """Send some bytes at once and the rest so slowly that no single wait is long."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(ahead)
        for byte in data * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return serve


def without_end(data: bytes, ahead: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.sendall(ahead)
        for _ in range(1000):
            connection.sendall(data * (100_000 // len(data)))

    return serve


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, Serve] = {
    "status line": trickle(OK),
    "headers": trickle(b"x-more: of the same\r\n", OK),
    "continue": trickle(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": trickle(ANSWER, OK + b"Content-Length: 5000\r\n\r\n"),
    "chunks": trickle(b"1\r\n{\r\n", CHUNKED),
    "nothing": trickle(b"", b""),
}
LARGE: dict[str, Serve] = {
    "headers": without_end(b"x-more: of the same\r\n", OK),
    "one header": without_end(b"x", OK + b"x-more: "),
    "continue": without_end(b"HTTP/1.1 100 Continue\r\n\r\n", b""),
    "body": without_end(b" ", OK + b"Content-Length: 500000000\r\n\r\n"),
    "chunks": without_end(b"1\r\n{\r\n", CHUNKED),
    "packed": answering(reply(gzip.compress(bytes(50_000_000)), headers="Content-Encoding: gzip")),
}


@pytest.mark.parametrize("how", SLOW)
def test_an_answer_that_comes_slowly_is_given_up_in_time(
    how: str, start: Start, client: Client
) -> None:
    server = start(SLOW[how])
    gte = client(f"http://127.0.0.1:{server.port}")
    begun = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        gte.create_order(ORDER)
    with pytest.raises(Temporary):
        gte.query_orders()
    assert time.monotonic() - begun < 2 * (TIMEOUT + 0.5)
    assert server.received.count(b"POST") == 1


@pytest.mark.sampled
@pytest.mark.parametrize("how", LARGE)
def test_an_answer_without_end_is_not_taken_whole(how: str, start: Start, client: Client) -> None:
    server = start(LARGE[how])
    gte = client(f"http://127.0.0.1:{server.port}", timeout=1.5)
    with pytest.raises(OutcomeUnknown):
        gte.create_order(ORDER)
    with pytest.raises(Temporary):
        gte.query_orders()


@needs_openssl
def test_holds_with_tls_too(
    start: Start, client: Client, ca: Pair, tmp_path: Path, trusted: None
) -> None:
    server = start(SLOW["headers"], server_context(signed_by(ca, tmp_path, "localhost")))
    begun = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        client(f"https://localhost:{server.port}").create_order(ORDER)
    assert time.monotonic() - begun < TIMEOUT + 1.0


def test_an_answer_in_time_and_of_4_mib_is_taken(start: Start, client: Client) -> None:
    body = ANSWER[:-1] + b" " * (tls.BODY_LIMIT - len(ANSWER)) + b"}"
    assert len(body) == tls.BODY_LIMIT
    server = start(answering(reply(body)))
    gte = client(f"http://127.0.0.1:{server.port}", timeout=5.0)
    assert gte.create_order(ORDER) == "17"


# --- straight to the venue ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_the_key_nowhere(status: int, start: Start, client: Client) -> None:
    elsewhere = start(answering(reply()))
    to = f"http://127.0.0.1:{elsewhere.port}/v1/api/pc/order/create"
    server = start(answering(reply(b"", f"{status} Moved", f"Location: {to}\r\n")))
    gte = client(f"http://127.0.0.1:{server.port}")
    with pytest.raises(OutcomeUnknown, match="redirect"):
        gte.create_order(ORDER)
    with pytest.raises(Temporary, match="redirect"):
        gte.query_orders()
    assert KEY.encode() in server.received
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_feed_that_is_redirected_stays_away(status: int, start: Start, feed: Feed) -> None:
    elsewhere = start(answering(reply()))
    to = f"ws://127.0.0.1:{elsewhere.port}/ws"
    server = start(answering(reply(b"", f"{status} Moved", f"Location: {to}\r\n")))
    made = feed(f"ws://127.0.0.1:{server.port}/ws")
    wait_until(lambda: server.connections >= 2)
    assert "edirect" in made.last_error
    assert elsewhere.connections == 0


def test_only_the_host_of_the_settings_is_ever_asked(start: Start, client: Client) -> None:
    elsewhere = start(answering(reply()))
    gte = client("http://127.0.0.1:9")
    transport = gte._transport
    with pytest.raises(Exception, match="No connection adapters"):
        transport._session.get(f"http://127.0.0.1:{elsewhere.port}/", timeout=1)
    assert elsewhere.connections == 0
    adapter = transport._session.get_adapter("http://127.0.0.1:9/v1")
    assert adapter.max_retries.total == 0  # type: ignore[attr-defined]
    assert transport._session.trust_env is False


def test_proxies_and_netrc_of_the_environment_are_ignored(
    start: Start, client: Client, feed: Feed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = start(answering(reply()))
    server = start(answering(reply()))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for written in (name, name.upper()):
            monkeypatch.setenv(written, f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password of-the-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert client(f"http://127.0.0.1:{server.port}").query_orders() == []
    feed(f"ws://127.0.0.1:{server.port}/ws")
    wait_until(lambda: server.connections >= 2)
    assert proxy.connections == 0
    assert b"authorization" not in server.received.lower()


@needs_openssl
def test_ca_files_of_the_environment_are_ignored(
    start: Start,
    client: Client,
    feed: Feed,
    ca: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "WEBSOCKET_CLIENT_CA_BUNDLE")
    for name in names:
        monkeypatch.setenv(name, str(ca.certificate))
    server = start(answering(reply()), server_context(signed_by(ca, tmp_path, "localhost")))
    with pytest.raises(NotSent, match="certificate"):
        client(f"https://localhost:{server.port}").query_orders()
    made = feed(f"wss://localhost:{server.port}/ws")
    wait_until(lambda: "certificate" in made.last_error)
    assert server.received == b""


@needs_openssl
def test_no_keys_of_connections_are_written_to_a_file(
    start: Start,
    client: Client,
    feed: Feed,
    ca: Pair,
    tmp_path: Path,
    trusted: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    server = start(answering(reply()), server_context(signed_by(ca, tmp_path, "localhost")))
    assert client(f"https://localhost:{server.port}").query_orders() == []
    feed(f"wss://localhost:{server.port}/ws")
    wait_until(lambda: b"websocket" in server.received)
    assert not log.exists()


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """An authority of our own."""
    return self_signed(tmp_path_factory.mktemp("ca"), "authority")


@pytest.fixture
def trusted(ca: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust that authority and no other."""
    monkeypatch.setattr(tls, "CA_FILE", str(ca.certificate))


def bad_context(how: str, ca: Pair, directory: Path) -> ssl.SSLContext:
    if how == "self-signed":
        return server_context(self_signed(directory, "localhost"))
    if how == "expired":
        return server_context(signed_by(ca, directory, "localhost", days=-1))
    if how == "wrong host":
        return server_context(signed_by(ca, directory, "elsewhere.invalid"))
    newest = ssl.TLSVersion.TLSv1 if how == "TLS 1.0" else ssl.TLSVersion.TLSv1_1
    return server_context(signed_by(ca, directory, "localhost"), newest)


BAD = {
    "self-signed": "self-signed certificate",
    "expired": "certificate has expired",
    "wrong host": "not valid for 'localhost'",
    "TLS 1.0": "version 1.2 or newer",
    "TLS 1.1": "version 1.2 or newer",
}


@needs_openssl
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", BAD)
def test_a_venue_that_cannot_prove_itself_gets_no_byte_over_rest(
    how: str, start: Start, client: Client, ca: Pair, tmp_path: Path, trusted: None
) -> None:
    server = start(answering(reply()), bad_context(how, ca, tmp_path))
    gte = client(f"https://localhost:{server.port}")
    for ask in (lambda: gte.create_order(ORDER), gte.query_orders):
        with pytest.raises(NotSent) as raised:
            ask()
        assert "TLS refused" in str(raised.value)
        assert BAD[how] in str(raised.value)
    wait_until(lambda: server.connections == 2)
    assert server.received == b""


@needs_openssl
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", BAD)
def test_a_venue_that_cannot_prove_itself_gets_no_byte_over_the_feed(
    how: str, start: Start, feed: Feed, ca: Pair, tmp_path: Path, trusted: None
) -> None:
    server = start(answering(reply()), bad_context(how, ca, tmp_path))
    made = feed(f"wss://localhost:{server.port}/ws")
    wait_until(lambda: server.connections >= 2)
    assert "TLS refused" in made.last_error
    assert BAD[how] in made.last_error
    assert server.received == b""


@needs_openssl
def test_a_good_certificate_is_taken_by_both(
    start: Start, client: Client, feed: Feed, ca: Pair, tmp_path: Path, trusted: None
) -> None:
    server = start(answering(reply()), server_context(signed_by(ca, tmp_path, "localhost")))
    assert client(f"https://localhost:{server.port}").create_order(ORDER) == "17"
    feed(f"wss://localhost:{server.port}/ws")
    wait_until(lambda: b"Upgrade: websocket" in server.received)


def test_without_ca_certificates_nothing_starts(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tls, "CA_FILE", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match="CA certificates"):
        client("https://localhost:9")


def test_a_handshake_that_is_broken_off_proves_that_nothing_was_sent(
    client: Client,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it accepts, and never speaks
        gte = client(f"https://localhost:{listener.getsockname()[1]}")
        with pytest.raises(NotSent, match="TLS refused"):
            gte.create_order(ORDER)


@needs_openssl
def test_tls_that_breaks_after_the_request_proves_nothing(
    start: Start, client: Client, ca: Pair, tmp_path: Path, trusted: None
) -> None:
    def serve(connection: socket.socket) -> None:
        with socket.socket(fileno=connection.detach()) as plain:
            plain.sendall(b"\x16\x03\x03 no record of TLS" * 10)

    server = start(serve, server_context(signed_by(ca, tmp_path, "localhost")))
    with pytest.raises(OutcomeUnknown):
        client(f"https://localhost:{server.port}").create_order(ORDER)
    assert b"POST" in server.received


def test_the_rules_of_tls_are_one_for_rest_and_feed(client: Client) -> None:
    pools = client("https://localhost:9")._transport._session.get_adapter("https://localhost:9/")
    for context in (
        tls.tls_context(),
        pools.poolmanager.connection_pool_kw["ssl_context"],  # type: ignore[attr-defined]
    ):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname is True
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert not context.keylog_filename


def test_a_signature_is_good_for_5_seconds() -> None:
    assert auth.EXPIRES_AFTER_MS <= 5_000


# --- the feed -----------------------------------------------------------------------------------


def websocket_server(then: Serve) -> Serve:
    """Shake hands, whatever key was asked with, and go on."""

    def serve(connection: socket.socket) -> None:
        head = server_heads.pop()
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = base64.b64encode(
            hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        )
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        then(connection)

    return serve


server_heads: list[bytes] = []


class HeadServer(RawServer):
    """Keeps the head of each request for the handshake."""

    def read_head(self, connection: socket.socket) -> bytes:
        head = super().read_head(connection)
        server_heads.append(head)
        return head


def flood(first: bytes, again: bytes) -> Serve:
    """Send a frame that says it is long, and go on until the other side has had enough."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(64):
            connection.sendall(again + bytes(1024 * 1024))
            sent.append(1024 * 1024)

    return serve


sent: list[int] = []
MIB_64 = (64 * 1024 * 1024).to_bytes(8, "big")
MIB_1 = (1024 * 1024).to_bytes(8, "big")


@pytest.mark.parametrize(
    "then",
    [flood(b"\x82\x7f" + MIB_64, b""), flood(b"\x02\x00", b"\x00\x7f" + MIB_1)],
    ids=["one frame", "many fragments"],
)
def test_a_message_above_4_mib_ends_the_connection_before_it_is_whole(
    then: Serve, feed: Feed
) -> None:
    sent.clear()
    with HeadServer(websocket_server(then)) as server:
        made = feed(f"ws://127.0.0.1:{server.port}/ws")
        wait_until(lambda: "too long" in made.last_error)
        wait_until(lambda: server.connections >= 2)
        made.exit()
    assert sum(sent) < server.connections * 24 * 1024 * 1024  # what the kernel buffers, too


def test_many_messages_of_less_than_4_mib_are_taken(feed: Feed) -> None:
    size = 3 * 1024 * 1024

    def serve(connection: socket.socket) -> None:
        for _ in range(3):
            connection.sendall(b"\x81\x7f" + size.to_bytes(8, "big") + b" " * size)
        time.sleep(2)

    with HeadServer(websocket_server(serve)) as server:
        made = feed(f"ws://127.0.0.1:{server.port}/ws")
        wait_until(lambda: made._tables.counts["bad frame"] == 3)
        assert made.epoch == 1
        made.exit()


def test_a_feed_that_trickles_is_left(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_maker.ws.vitals.DEAD_AFTER", 1.2)
    with HeadServer(websocket_server(trickle(b" ", b"\x81\x7e\xff\xff"))) as server:
        made = feed(f"ws://127.0.0.1:{server.port}/ws")
        wait_until(lambda: server.connections >= 2)
        made.exit()


@pytest.mark.parametrize("how", ["status line", "headers"])
def test_a_feed_whose_handshake_trickles_is_left(
    how: str, feed: Feed, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.ws.session.CONNECT_TIMEOUT", 0.5)
    server = start(SLOW[how])
    feed(f"ws://127.0.0.1:{server.port}/ws")
    wait_until(lambda: server.connections >= 2)


def test_a_feed_whose_handshake_has_no_end_is_left(
    feed: Feed, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.ws.session.CONNECT_TIMEOUT", 60.0)  # its size has to end it
    server = start(LARGE["headers"])
    made = feed(f"ws://127.0.0.1:{server.port}/ws")
    wait_until(lambda: "too long" in made.last_error, 60)


# --- the venue's words --------------------------------------------------------------------------

EVIL = b"\x1b]0;owned\x07\x1b[31mred\r\n2026-01-01 00:00:00,000 - INFO - all is well"


def plain_and_short(text: str) -> bool:
    return text.isprintable() and text.isascii() and len(text) <= 600


def test_words_of_the_venue_are_escaped_in_errors_of_rest(start: Start, client: Client) -> None:
    told = b'{"code":-10013,"error":{"data":{"paramName":"\\u001b[31m\\nx' + b"y" * 5000 + b'"}}}'
    bodies = [EVIL * 100, told, b'{"code":0,"data":{"order_id":"' + EVIL[:4] + b'"}}']
    for body in bodies:
        server = start(answering(reply(body)))
        gte = client(f"http://127.0.0.1:{server.port}")
        with pytest.raises(Exception, match="create") as raised:
            gte.create_order(ORDER)
        assert plain_and_short(str(raised.value))


def test_words_of_the_venue_are_escaped_in_errors_of_the_feed(start: Start, feed: Feed) -> None:
    server = start(answering(reply(EVIL * 100, "403 " + "\x1b[31mno" * 500)))
    made = feed(f"ws://127.0.0.1:{server.port}/ws")
    wait_until(lambda: made.last_error)
    assert plain_and_short(made.last_error)
