"""A server on loopback that a test holds in its hands byte by byte, with TLS or without."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

Serve = Callable[[socket.socket], None]
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Pair(NamedTuple):
    """A certificate and its private key, as files."""

    certificate: Path
    key: Path


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def self_signed(directory: Path, name: str) -> Pair:
    """Make a certificate of nobody's authority but its own."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    openssl(
        *("req", "-x509", *CURVE, "-days", 2, "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName=DNS:{name}", "-keyout", pair.key, "-out", pair.certificate),
    )
    return pair


def signed_by(ca: Pair, directory: Path, name: str, *, days: int = 2) -> Pair:
    """Make a certificate for a host name, signed by an authority; -1 days: it has expired."""
    pair = Pair(directory / f"{name}{days}.pem", directory / f"{name}{days}.key")
    request, more = directory / "request", directory / "extensions"
    more.write_text(f"subjectAltName=DNS:{name}")
    openssl("req", *CURVE, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
    openssl(
        *("x509", "-req", "-in", request, "-CA", ca.certificate, "-CAkey", ca.key),
        *("-CAcreateserial", "-days", days, "-extfile", more, "-out", pair.certificate),
    )
    return pair


def server_context(pair: Pair, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return what a server needs for TLS; `newest` makes it one of old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    return context


class RawServer:
    """Accepts connections and lets `serve` do as it likes with each; counts what came."""

    def __init__(self, serve: Serve, context: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self.received = b""
        """The bytes of the application, that is after TLS, of all connections."""
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "RawServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(10)
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            if self.read_head(connection):
                self._serve(connection)
        except OSError:
            pass  # the client has gone, as it should
        finally:
            connection.close()

    def read_head(self, connection: socket.socket) -> bytes:
        """Return the head of a request, or nothing when none comes."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                return b""
            head += data
            self.received += data
        return head
