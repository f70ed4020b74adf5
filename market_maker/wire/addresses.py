"""Addresses: connects to a host by its name, also while the name cannot be looked up."""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from market_maker.clock import SYSTEM
from market_maker.wire.shared import Shared

LOOK_UP_SECONDS = 1.0
"""The longest wait for a look-up, in seconds; the resolver itself may take half a minute."""

LookUp = Callable[..., Sequence[tuple[Any, ...]]]


class Addresses:
    """Keeps the address at which each host last answered, and falls back on it.

    An address proves nothing: with TLS, the certificate must name the host. `look_up` is
    `socket.getaddrinfo` or stands for it; `shared` is what other processes know.
    """

    def __init__(self, look_up: LookUp = socket.getaddrinfo, shared: Shared | None = None) -> None:
        self._look_up = look_up
        self._shared = shared
        self._good: dict[str, str] = {}
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[list[str]]] = {}

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """Return a socket connected within so many seconds, all addresses together.

        Raises socket.gaierror for a host that is not found, or OSError.
        """
        deadline = SYSTEM.monotonic() + seconds
        found = self._candidates(host, port, min(seconds / 2, LOOK_UP_SECONDS))
        trouble: OSError = TimeoutError("timed out")
        for number, address in enumerate(found):
            share = (deadline - SYSTEM.monotonic()) / (len(found) - number)
            if share <= 0:
                break
            try:
                return socket.create_connection((address, port), share)
            except OSError as error:
                trouble = error
        raise trouble

    def keep(self, host: str, line: socket.socket, *, is_feed: bool = False) -> None:
        """Record that a host has answered, and with TLS has proven its name, on this socket.

        Other processes need the host of REST, not that of the feed.
        """
        address = str(line.getpeername()[0])
        if self._good.get(host) != address:
            self._good[host] = address
            if self._shared and not is_feed:
                self._shared.found(host, address)

    def _candidates(self, host: str, port: int, seconds: float) -> list[str]:
        """Return the addresses of a host, the one that last answered first."""
        if _is_address(host):
            return [host]
        good = self._good.get(host) or (self._shared.address(host) if self._shared else "")
        try:
            found = self._in_time(host, port, seconds)
        except OSError:
            if not _is_address(good):
                raise
            return [good]
        return sorted(found, key=lambda address: address != good)

    def _in_time(self, host: str, port: int, seconds: float) -> list[str]:
        """Look a host up in a thread of its own, of which there is one at a time for a host."""
        with self._lock:
            pending = self._under_way.get(host)
            if pending is None or pending.done():
                pending = self._under_way[host] = Future()
                work = (pending, host, port)
                threading.Thread(
                    target=self._resolve, args=work, name="look-up", daemon=True
                ).start()
        try:
            return pending.result(seconds)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "the resolver does not answer") from None

    def _resolve(self, pending: "Future[list[str]]", host: str, port: int) -> None:
        try:
            rows = self._look_up(host, port, type=socket.SOCK_STREAM)
            pending.set_result(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except OSError as error:
            pending.set_exception(error)
        except Exception as error:  # a name that cannot be one
            pending.set_exception(socket.gaierror(socket.EAI_NONAME, str(error)))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
