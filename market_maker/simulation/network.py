"""The way between a bot and a venue on simulated time: REST requests and WebSocket frames."""

import random
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from socket import gaierror
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.faults.schedule import TRANSPORT, Fault
from market_maker.paper.server.venue import Venue
from market_maker.wire.addresses import LOOK_UP_SECONDS

if TYPE_CHECKING:
    from market_maker.simulation.connections import Socket
from market_maker.simulation.timeline import Killed, Timeline

PAGE = b"<html><body><h1>\x1b[31mThe service is unavailable</h1></body></html>"
NO_CONNECTION = "connection refused"
NO_ADDRESS = "Temporary failure in name resolution"


class Network:
    """Carries requests and frames, and loses or delays them where it is told to."""

    def __init__(self, timeline: Timeline, venue: Venue, chance: random.Random) -> None:
        self.timeline = timeline
        self.venue = venue
        self._chance = chance
        self.latency = (0.005, 0.03)
        """The least and the most seconds that a message travels, either way."""
        self.feed_way: Callable[[], float] = self.way
        """Returns how long a frame travels."""
        self.journey: Callable[[str], Iterator[float]] = self._journey
        """Returns, for a request to this path, how long it travels, and then its answer; endless
        for an answer that never comes."""
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
        self.is_side_by_side = False
        """Whether requests leave side by side, as live, or each once the one before is answered."""
        self.is_direct = False
        """Whether changes of the book reach the bot as values, without frames: faster, and the same
        as long as no fault spoils frames."""
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

    def _journey(self, _path: str) -> Iterator[float]:
        while True:
            yield self.way()

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
        self._connection = HTTPConnection("127.0.0.1", 1)

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
        self._connect(str(request.url), connect_seconds)
        journey = network.journey(asked.path)
        timeline.travel(next(journey))
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
        if (back := next(journey)) > read_seconds:
            self._wait_in_vain(read_seconds)
        timeline.sleep(back)
        body = network.rewrite(body)
        if fault and fault.name == "trickle":
            return _response(
                request, status, Trickle(timeline, body, read_seconds), network.headers
            )
        for read in network.readers:
            read(body, left_at)
        raw = BytesIO(body)
        return _response(request, status, raw, network.headers)

    def _connect(self, url: str, seconds: float) -> None:
        """Raise what a connection that cannot be made raises."""
        network = self._network
        if network.is_refusing():
            network.timeline.sleep(network.way())
            refused = NewConnectionError(self._connection, NO_CONNECTION)
            refused.__cause__ = ConnectionRefusedError()
            raise requests.ConnectionError(MaxRetryError(self._pool, url, refused))
        if network.no_resolver:
            network.timeline.sleep(LOOK_UP_SECONDS)
            unresolved = NewConnectionError(self._connection, NO_ADDRESS)
            unresolved.__cause__ = gaierror(NO_ADDRESS)
            raise requests.ConnectionError(MaxRetryError(self._pool, url, unresolved))
        if network.black_hole:
            network.timeline.sleep(seconds)
            raise requests.ConnectTimeout(NO_CONNECTION)

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
        if self._timeline.monotonic() > self._deadline:  # as a real socket (`wire.tls`)
            raise TimeoutError("it comes too slowly")
        return super().read(1)

    read1 = read


class Adapter(Rest):
    """The same, with answers that are spoilt before the request takes effect."""

    def send(self, request: requests.PreparedRequest, *a: Any, **k: Any) -> requests.Response:
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
