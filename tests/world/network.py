"""The way between a bot and a venue on simulated time: REST requests and WebSocket frames."""

import random
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from io import BytesIO
from socket import gaierror
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError
from websocket import ABNF, WebSocketTimeoutException

from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.api.session import Session
from market_maker.paper.faults.frames import Cut, FrameFaults
from market_maker.paper.faults.schedule import TRANSPORT, Fault
from market_maker.paper.server.venue import Venue
from market_maker.wire.addresses import LOOK_UP_SECONDS
from market_maker.wire.tls import Connections
from market_maker.ws.ws_thread import GTEWebsocket
from tests.world.timeline import Killed, Timeline

PAGE = b"<html><body><h1>\x1b[31mThe service is unavailable</h1></body></html>"
NO_CONNECTION = "connection refused"
NO_ADDRESS = "Temporary failure in name resolution"
BEAT = 0.5


class Network:
    """Carries requests and frames; `alive` says whether the bot's process still lives."""

    def __init__(self, timeline: Timeline, venue: Venue, chance: random.Random) -> None:
        self.timeline = timeline
        self.venue = venue
        self._chance = chance
        self.latency = (0.005, 0.03)
        self.black_hole = False
        """Whether packets vanish without a word, on connections old and new."""
        self.no_resolver = False
        """Whether no name can be looked up, and each attempt takes a second."""
        self.cut_off = False
        """Whether the bot's machine has no network at all."""
        self.stopped = False
        """Whether the bot's process stands still: what arrives waits for it."""
        self.lag = 0.0
        """Seconds that frames pile up on top of the latency."""
        self.senders: list[Callable[[RawRequest], None]] = []
        """Are told of each request when it leaves the bot."""
        self.headers: Mapping[str, str] = {}
        """Headers of every REST answer."""
        self.rewrite: Callable[[bytes], bytes] = lambda body: body
        """What becomes of the body of a REST answer."""
        self.rewrite_frame: Callable[[str], str] = lambda frame: frame
        """What becomes of a frame."""
        self.readers: list[Callable[[bytes, int], None]] = []
        """Are told of each REST answer that comes to the bot whole and in time: its body, and when
        the request left, in true ms."""
        self.attempts = 0
        """How many requests and connections were tried, whether they got through or not."""
        self.watchers: list[Callable[[RawRequest], None]] = []
        """Are told of each request when it arrives at the exchange."""
        self.sockets: list[Socket] = []
        self.frames = 0
        """How many have arrived at the bot."""
        self.last_frame_at = 0.0

    def way(self) -> float:
        """Return how long a message travels, in seconds."""
        return self._chance.uniform(*self.latency)

    def push(self, frame: str) -> None:
        """Let a frame arrive on every WebSocket connection, as if the venue had sent it."""
        for socket in self.sockets:
            socket._deliver(frame)

    def drop_all(self) -> None:
        """Cut every WebSocket connection."""
        for socket in list(self.sockets):
            socket.lose()

    def is_refusing(self) -> bool:
        """Say whether a connection cannot be made."""
        return self.venue.refusing or self.cut_off


class Rest(BaseAdapter):
    """In the place of `requests`' adapter: the wire under the bot's session."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self._pool = HTTPConnectionPool("127.0.0.1", 1)

    def close(self) -> None:
        pass

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        *,
        timeout: Any = None,
        **_: Any,
    ) -> requests.Response:
        network, timeline = self._network, self._network.timeline
        network.attempts += 1
        connect_seconds, read_seconds = timeout
        if timeline.killed:
            raise Killed
        asked, left_at = _asked(request), timeline.true_ms()
        for watch in network.senders:
            watch(asked)
        if network.is_refusing():
            timeline.sleep(network.way())
            refused = NewConnectionError(self._pool, NO_CONNECTION)
            refused.__cause__ = ConnectionRefusedError()
            raise requests.ConnectionError(MaxRetryError(self._pool, str(request.url), refused))
        if network.no_resolver:
            timeline.sleep(LOOK_UP_SECONDS)
            unresolved = NewConnectionError(self._pool, NO_ADDRESS)
            unresolved.__cause__ = gaierror(NO_ADDRESS)
            raise requests.ConnectionError(MaxRetryError(self._pool, str(request.url), unresolved))
        if network.black_hole:
            timeline.sleep(connect_seconds)
            raise requests.ConnectTimeout(NO_CONNECTION)
        timeline.sleep(network.way())
        for watch in network.watchers:
            watch(asked)
        fault = network.venue.strike(asked.path, timeline.true_ms())
        begun = timeline.monotonic()
        if fault and fault.name in TRANSPORT and not fault.done:
            self._spoil_before(fault, asked, read_seconds)
        status, answer = network.venue.answer(asked, fault, timeline.true_ms())
        body = answer.encode()
        if fault and fault.name in TRANSPORT and fault.done:
            status, body = self._spoil_after(fault, status, body, read_seconds)
        if network.black_hole or network.cut_off:
            timeline.sleep(max(0.0, begun + read_seconds - timeline.monotonic()))
            raise requests.ReadTimeout("nothing came back")
        timeline.sleep(network.way())
        body = network.rewrite(body)
        if fault and fault.name == "trickle":
            return _response(
                request, status, Trickle(timeline, body, read_seconds), network.headers
            )
        for read in network.readers:
            read(body, left_at)
        raw = BytesIO(body)
        return _response(request, status, raw, network.headers)

    def _spoil_before(self, fault: Fault, asked: RawRequest, read_seconds: float) -> None:
        """Do what a fault does that strikes before the request takes effect."""
        network, timeline = self._network, self._network.timeline
        late = fault.number / 1000 if fault.name == "late" else 0.0
        if fault.name == "late" and late < read_seconds:
            timeline.sleep(late)
        elif fault.name == "late":
            timeline.after(late, lambda: _discard(network, asked))
            self._wait_in_vain(read_seconds)
        elif fault.name == "lost":
            self._wait_in_vain(read_seconds)
        elif fault.name == "reset":
            raise requests.ConnectionError(ProtocolError("Connection aborted."))
        else:
            status, body = self._spoil_after(fault, 200, b'{"code":0,"da', read_seconds)
            raise Answered(status, body)

    def _spoil_after(
        self, fault: Fault, status: int, body: bytes, read_seconds: float
    ) -> tuple[int, bytes]:
        match fault.name:
            case "late":
                if fault.number / 1000 >= read_seconds:
                    self._wait_in_vain(read_seconds)
                self._network.timeline.sleep(fault.number / 1000)
            case "lost":
                self._wait_in_vain(read_seconds)
            case "reset":
                raise requests.ConnectionError(ProtocolError("Connection aborted."))
            case "status":
                return fault.number, PAGE
            case "html":
                return 200, PAGE
            case "truncated":
                return status, body[: len(body) // 2]
            case "empty":
                return 200, b""
            case "huge":
                return 200, b" " * (5 * 1024 * 1024)
        return status, body

    def _wait_in_vain(self, seconds: float) -> None:
        self._network.timeline.sleep(seconds)
        raise requests.ReadTimeout("nothing came back")


class Answered(Exception):
    """A spoilt answer that came before the request took effect."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Trickle(BytesIO):
    """A body that comes one byte a second."""

    def __init__(self, timeline: Timeline, body: bytes, seconds: float) -> None:
        super().__init__(body)
        self._timeline = timeline
        self._deadline = timeline.monotonic() + seconds

    def read(self, _amount: int | None = -1) -> bytes:
        self._timeline.sleep(1.0)
        if self._timeline.monotonic() > self._deadline:  # what the socket of `link` does
            raise TimeoutError("it comes too slowly")
        return super().read(1)

    read1 = read


class Adapter(Rest):
    """The same, with answers that are spoilt before the request takes effect."""

    def send(self, request: requests.PreparedRequest, *a: Any, **k: Any) -> requests.Response:  # type: ignore[override]
        try:
            return super().send(request, *a, **k)
        except Answered as answered:
            network = self._network
            network.timeline.sleep(network.way())
            raw = BytesIO(answered.body)
            return _response(request, answered.status, raw, network.headers)


def _discard(network: Network, asked: RawRequest) -> None:
    network.venue.answer(asked, None, network.timeline.true_ms())


def _asked(request: requests.PreparedRequest) -> RawRequest:
    url = urlsplit(str(request.url))
    path = "/".join(part for part in url.path.split("/") if part)
    headers: Mapping[str, str] = CaseInsensitiveDict(request.headers)
    query = parse_qsl(url.query, keep_blank_values=True)
    body = request.body or b""
    return RawRequest(
        str(request.method), path, headers, query, body if isinstance(body, bytes) else b""
    )


def _response(
    request: requests.PreparedRequest, status: int, raw: BytesIO, headers: Mapping[str, str]
) -> requests.Response:
    response = requests.Response()
    response.headers.update(headers)
    response.status_code = status
    response.raw = HTTPResponse(raw, status=status, preload_content=False)
    response.request = request
    response.url = str(request.url)
    return response


class Pool:
    """In the place of the thread pool: does the work at once, one call after the other."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, act: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(act(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, *_: Any, **__: Any) -> None:
        pass


class Line:
    """In the place of the socket under a WebSocket: it bounds nothing here."""

    deadline: float | None = None
    allowance: int | None = None

    def close(self) -> None:
        """Do nothing."""

    def settimeout(self, _seconds: float) -> None:
        """Do nothing."""


class Socket:
    """In the place of a `websocket.WebSocket`."""

    def __init__(self, network: Network) -> None:
        network.attempts += 1
        if network.is_refusing():
            raise ConnectionRefusedError(NO_CONNECTION)
        if network.no_resolver:
            raise gaierror(NO_ADDRESS)
        if network.black_hole:
            raise TimeoutError("timed out")
        self._network = network
        self._frame_faults = FrameFaults(network.venue.faults)
        self._session = Session(self._on_frame)
        self._arrived: deque[str | bytes | Cut] = deque()
        self._last_at = 0.0
        self._lost = False
        self.on_arrival: Callable[[], None] = lambda: None
        network.venue.feed.sessions[self._session] = None
        network.sockets.append(self)

    # What the bot calls

    def settimeout(self, _seconds: float) -> None:
        pass

    def getstatus(self) -> int:
        return 101

    def send(self, text: str) -> None:
        if self._lost:
            raise ConnectionResetError("Connection lost.")
        self._network.timeline.after(self._network.way(), lambda: self._reach(text))

    def recv_data(self, control_frame: bool = False) -> tuple[int, bytes]:  # noqa: ARG002
        if not self._arrived:
            raise WebSocketTimeoutException("timed out")
        frame = self._arrived.popleft()
        if isinstance(frame, Cut):
            if frame.code:
                return ABNF.OPCODE_CLOSE, frame.code.to_bytes(2, "big")
            raise ConnectionResetError("Connection lost.")
        if isinstance(frame, bytes):
            return ABNF.OPCODE_BINARY, frame
        return ABNF.OPCODE_TEXT, frame.encode()

    def shutdown(self) -> None:
        self._leave()

    def abort(self) -> None:
        self._leave()

    # What happens to it

    def lose(self) -> None:
        """Break without a closing word."""
        self._leave()
        self._deliver(Cut())

    def _leave(self) -> None:
        self._lost = True
        sessions = self._network.venue.feed.sessions
        self._network.timeline.after(0, lambda: sessions.pop(self._session, None))
        if self in self._network.sockets:
            self._network.sockets.remove(self)

    def _reach(self, text: str) -> None:
        network = self._network
        if not self._lost and not network.black_hole and not network.cut_off:
            network.venue.receive(self._session, text, network.timeline.true_ms())

    def _on_frame(self, frame: str, table: str) -> None:
        if self._lost:
            return
        frame = self._network.rewrite_frame(frame)
        deliveries = self._frame_faults.apply(frame, table, self._network.timeline.true_ms())
        if isinstance(deliveries, Cut):
            self._lost = True
            self._network.timeline.after(0, self._leave)  # the venue is amid telling all sessions
            self._deliver(deliveries)
            return
        for delivery in deliveries:
            self._deliver(delivery.frame, delivery.after_ms / 1000)

    def _deliver(self, frame: str | bytes | Cut, delay: float = 0.0) -> None:
        """Let a frame arrive; those that are not delayed by a fault keep their order."""
        network = self._network
        if network.black_hole or network.cut_off:
            return
        now = network.timeline.monotonic()
        at = now + network.way() + network.lag + delay
        if not delay:
            at = self._last_at = max(at, self._last_at)
        network.timeline.after(at - now, lambda: self._arrive(frame))

    def _arrive(self, frame: str | bytes | Cut) -> None:
        self._network.frames += 1
        self._network.last_frame_at = self._network.timeline.monotonic()
        self._arrived.append(frame)
        self.on_arrival()


class SimulatedConnections(Connections):
    """What a bot is given in place of real sockets and threads."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def adapter(self) -> BaseAdapter:
        return Adapter(self._network)

    def pool(self) -> Pool:  # type: ignore[override]
        return Pool()

    def open_feed(self, url: str, seconds: float) -> Any:  # noqa: ARG002
        return Socket(self._network), Line()

    def run(self, feed: GTEWebsocket) -> "Driver":  # type: ignore[override]
        return Driver(feed, self._network)


class Driver:
    """Makes a feed's steps when the timeline says so, in place of the feed's thread."""

    def __init__(self, feed: GTEWebsocket, network: Network) -> None:
        self._feed = feed
        self._network = network
        self._open()
        network.timeline.every(BEAT, self._catch_up)

    def join(self, timeout: float | None = None) -> None:
        """Do nothing: it has no thread."""

    def _open(self) -> None:
        feed = self._feed
        if not feed._stop.is_set():
            try:
                feed.connect()
            except Exception as error:
                self._fail(error)
            else:
                socket = feed._session._socket
                socket.on_arrival = lambda: self._step(feed.receive)  # type: ignore[union-attr]
                self._step(feed.heartbeat)

    def _catch_up(self) -> None:
        """Take what has arrived while the process stood still, and do what is due."""
        feed = self._feed
        socket: Any = feed._session._socket
        while socket and socket._arrived and not self._network.stopped:
            before = len(socket._arrived)
            self._step(feed.receive)
            if len(socket._arrived) >= before:
                break
        self._step(feed.heartbeat)

    def _step(self, step: Callable[[], None]) -> None:
        if self._network.stopped:
            return
        if not self._feed._stop.is_set() and self._feed.is_connected():
            try:
                step()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._feed.lose(error)
        self._network.timeline.after(self._feed.back_off(), self._open)
