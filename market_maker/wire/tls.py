"""Connections to the venue: straight to it, TLS verified, and bounded in time and size.

Nothing of the environment has a say: no proxy, no other CA file, no log of keys. REST and feed use
the same rules.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from market_maker import clock
from market_maker.errors import SettingsError

HEADERS_LIMIT = 256 * 1024
BODY_LIMIT = 4 * 1024 * 1024
READ_AHEAD = 16 * 1024
CA_FILE = DEFAULT_CA_BUNDLE_PATH
"""The certificates that `requests` brings; no variable of the environment names others."""


class Bounded(socket.socket):
    """A socket that receives until a `deadline`, and no more than an `allowance` of bytes."""

    deadline: float | None = None
    """By `clock.monotonic()`; past it, receiving raises TimeoutError."""
    allowance: int | None = None
    """How many bytes may still come; more of them raise ConnectionError."""

    _ahead = b""

    def recv(self, buflen: int = READ_AHEAD, flags: int = 0) -> bytes:
        """Receive as ever, within the bounds.

        It reads ahead, because websocket-client asks three times for each frame.
        """
        if not self._ahead:
            self._ahead = self._in_time(super().recv, READ_AHEAD, flags)
        data, self._ahead = self._ahead[:buflen], self._ahead[buflen:]
        self._count(len(data))
        return data

    def recv_into(self, *args: Any) -> int:
        """Receive as ever, within the bounds."""
        size: int = self._in_time(super().recv_into, *args)
        self._count(size)
        return size

    def _in_time(self, receive: Callable[..., Any], *args: Any) -> Any:
        if self.deadline is None:
            return receive(*args)
        left = self.deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError("it comes too slowly")
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
                raise ConnectionError("it is too long")


class BoundedTLS(Bounded, ssl.SSLSocket):
    """The same with TLS; made by the context."""


class TLSRefused(NewConnectionError):
    """TLS did not come about, so that no byte of a request can have left."""

    def __init__(self, connection: HTTPConnection, error: OSError) -> None:
        self.words = in_words(error)
        super().__init__(connection, self.words)


def tls_context() -> ssl.SSLContext:
    """Return the rules for TLS: 1.2 or newer, certificate and host name checked.

    Raises SettingsError when the file of CA certificates cannot be read.
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
    """Say why TLS did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS refused, the certificate is not good: {error.verify_message.rstrip('.')}"
    reason = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
    return f"TLS refused, no handshake of version 1.2 or newer: {reason or 'broken off'}"


def connect(url: str, seconds: float) -> Bounded:
    """Return a socket to the host of a ws:// or wss:// address, with TLS for the latter.

    `seconds` bounds each step, and what it receives until somebody sets another deadline.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    plain = socket.create_connection((host, parts.port or (443 if secure else 80)), seconds)
    made = _bounded(plain, seconds)
    if secure:
        try:
            made = tls_context().wrap_socket(made, server_hostname=host)  # type: ignore[assignment]
        except OSError as error:
            made.close()
            raise ConnectionError(in_words(error)) from None
    made.deadline = clock.monotonic() + seconds
    made.allowance = HEADERS_LIMIT
    return made


def _bounded(made: socket.socket, seconds: float | None) -> Bounded:
    bounded = Bounded(fileno=made.detach())
    bounded.settimeout(seconds)
    bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bounded


# --- REST ---------------------------------------------------------------------------------------


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        return _bounded(made, made.gettimeout())

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        assert isinstance(self.sock, Bounded)
        self.sock.deadline = clock.monotonic() + float(self.timeout or 0)
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
    """Connects a `requests` session by our rules, whatever a caller asks of it."""

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """Make the pools."""
        context = tls_context()
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def cert_verify(self, conn: Any, *_: object, **__: object) -> None:
        """Leave verifying to the context, which always does."""
        conn.cert_reqs = "CERT_REQUIRED"
