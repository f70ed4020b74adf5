"""Connections to the venue: straight to it, TLS verified, and bounded in time and size.

The environment changes nothing: no proxy, no other CA file, no key log. REST and feed use the same
rules.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import websocket
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from market_maker.clock import SYSTEM
from market_maker.errors import SettingsError
from market_maker.wire.addresses import Addresses, LookUp
from market_maker.wire.shared import Shared

PARALLEL = 20
"""So many requests may be in flight at once: what the venue takes in a second, at any latency."""
HEADERS_LIMIT = 256 * 1024
BODY_LIMIT = 4 * 1024 * 1024
LEAST_SECONDS = 0.5
"""A handshake or an answer may take at least so long, however long connecting has taken."""
READ_AHEAD = 16 * 1024
CA_FILE = DEFAULT_CA_BUNDLE_PATH
"""The CA certificates that `requests` ships; environment variables are ignored."""


class Bounded(socket.socket):
    """A socket that receives until a `deadline`, and no more than an `allowance` of bytes."""

    deadline: float | None = None
    """By `SYSTEM.monotonic()`; past it, receiving raises TimeoutError."""
    allowance: int | None = None
    """How many bytes may still come; more of them raise ConnectionError."""

    _ahead = b""

    def recv(self, buflen: int = READ_AHEAD, flags: int = 0) -> bytes:
        """Receive within the bounds; read ahead, as websocket-client asks three times a frame."""
        if not self._ahead:
            self._ahead = self._in_time(super().recv, READ_AHEAD, flags)
        data, self._ahead = self._ahead[:buflen], self._ahead[buflen:]
        self._count(len(data))
        return data

    def recv_into(self, *args: Any) -> int:
        """Receive within the bounds."""
        size: int = self._in_time(super().recv_into, *args)
        self._count(size)
        return size

    def _in_time(self, receive: Callable[..., Any], *args: Any) -> Any:
        if self.deadline is None:
            return receive(*args)
        left = self.deadline - SYSTEM.monotonic()
        if left <= 0:
            raise TimeoutError("too slow: not received by the deadline")
        usual = self.gettimeout()
        if usual is not None and usual <= left:
            return receive(*args)
        self.settimeout(left)
        try:
            return receive(*args)
        finally:
            self.settimeout(usual)

    def _count(self, size: int) -> None:
        if self.allowance is not None:
            self.allowance -= size
            if self.allowance < 0:
                raise ConnectionError("too long: more bytes than allowed")


class BoundedTLS(Bounded, ssl.SSLSocket):
    """The same with TLS; made by the context."""


class TLSRefused(NewConnectionError):
    """The TLS handshake failed, so no byte of a request can have left."""

    def __init__(self, connection: HTTPConnection, error: OSError) -> None:
        self.words = in_words(error)
        super().__init__(connection, self.words)


def tls_context() -> ssl.SSLContext:
    """Return a TLS context: 1.2 or newer, certificate and host name verified.

    Raises SettingsError when the CA file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = BoundedTLS
    try:
        context.load_verify_locations(cafile=CA_FILE)
    except OSError as error:
        raise SettingsError(f"the CA certificates in {CA_FILE} cannot be read: {error}") from None
    return context


def in_words(error: OSError) -> str:
    """Return why the TLS handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS refused: invalid certificate: {error.verify_message.rstrip('.')}"
    reason = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
    return f"TLS refused: no handshake of version 1.2 or newer: {reason or 'closed'}"


def connect(url: str, seconds: float, addresses: Addresses) -> Bounded:
    """Return a socket connected to the host of a ws:// or wss:// address, with TLS for wss.

    `seconds` bounds each step, and what is received until another deadline is set. Raises
    ConnectionError for a failed handshake, and OSError.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    plain = addresses.connect(host, parts.port or (443 if secure else 80), seconds)
    made = _bounded(plain, seconds)
    if secure:
        try:
            made = tls_context().wrap_socket(made, server_hostname=host)  # type: ignore[assignment]
        except OSError as error:
            made.close()
            raise ConnectionError(in_words(error)) from None
    addresses.keep(host, made, is_feed=True)
    made.deadline = SYSTEM.monotonic() + seconds
    made.allowance = HEADERS_LIMIT
    return made


def _bounded(made: socket.socket, seconds: float | None) -> Bounded:
    bounded = Bounded(fileno=made.detach())
    bounded.settimeout(seconds)
    bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bounded


# --- REST ---------------------------------------------------------------------------------------


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, addresses: Addresses, **options: Any) -> None:
        super().__init__(*args, **options)
        self._addresses = addresses
        self._connect_took = 0.0

    def _new_conn(self) -> socket.socket:
        begun, seconds = SYSTEM.monotonic(), float(self.timeout or 0)
        try:
            made = self._addresses.connect(self.host, self.port, seconds)
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        took = SYSTEM.monotonic() - begun
        return _bounded(made, max(seconds - took, LEAST_SECONDS))

    def connect(self) -> None:
        begun = SYSTEM.monotonic()
        super().connect()
        self._connect_took = SYSTEM.monotonic() - begun
        self._addresses.keep(self.host, self.sock)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        assert isinstance(self.sock, Bounded)
        left = float(self.timeout or 0) - self._connect_took  # one time for the whole call
        self.timeout = max(left, LEAST_SECONDS)
        self._connect_took = 0.0
        self.sock.deadline = SYSTEM.monotonic() + self.timeout
        self.sock.allowance = HEADERS_LIMIT + BODY_LIMIT
        return super().getresponse()


class _Secure(_Plain, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise TLSRefused(self, error) from error


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class Adapter(HTTPAdapter):
    """Connects a `requests` session by the rules of this module, whatever its caller asks for."""

    def __init__(self, addresses: Addresses, **options: Any) -> None:
        self._addresses = addresses
        super().__init__(**options)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """Make the pools."""
        context = tls_context()
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_PlainPool, addresses=self._addresses),
            "https": partial(_SecurePool, addresses=self._addresses),
        }

    def cert_verify(self, conn: Any, *_: object, **__: object) -> None:
        """Leave verification to the context, which always verifies."""
        conn.cert_reqs = "CERT_REQUIRED"


# --- what a client is given ---------------------------------------------------------------------


class Runs(Protocol):
    """Something that runs in a thread until it is told to end."""

    def run(self) -> None:
        """Run."""


class Handle(Protocol):
    """The part of a thread that its owner needs."""

    def join(self, timeout: float | None = None) -> None:
        """Wait up to `timeout` seconds for its end."""


class Connections:
    """How a client reaches the venue: over real sockets, in real threads.

    It is a constructor argument of each client; a simulated venue brings its own.
    """

    shared: Shared | None = None
    """What the processes of this machine and account tell each other."""

    def __init__(self, shared: Shared | None = None, look_up: LookUp = socket.getaddrinfo) -> None:
        self.shared = shared
        self._addresses = Addresses(look_up, shared)

    def adapter(self) -> BaseAdapter:
        """Return the adapter of a `requests` session."""
        return Adapter(self._addresses, pool_connections=1, pool_maxsize=PARALLEL, max_retries=0)

    def pool(self) -> Executor:
        """Return a pool that sends requests in parallel."""
        return ThreadPoolExecutor(PARALLEL, thread_name_prefix="GTE")

    def open_feed(self, url: str, seconds: float) -> tuple[websocket.WebSocket, Bounded]:
        """Return an open WebSocket and the socket under it, which bounds it.

        `seconds` bounds each step. Raises ConnectionError for a redirect, which is not followed,
        and what the network raises.
        """
        line = connect(url, seconds, self._addresses)
        made = websocket.create_connection(
            url,
            socket=line,
            redirect_limit=0,
            skip_utf8_validation=True,  # 2 MB/s in Python; the feed decodes strictly, in C
            enable_multithread=True,
        )
        if made.getstatus() != 101:  # websocket-client 1.9.0 takes a redirect for a feed
            raise ConnectionError("a redirect, not followed")
        return made, line

    def run(self, feed: Runs) -> Handle:
        """Start a feed in a thread of its own."""
        thread = threading.Thread(target=feed.run, name=type(feed).__name__, daemon=True)
        thread.start()
        return thread
