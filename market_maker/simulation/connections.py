"""What a bot is given in place of sockets and threads: connections over a simulated network."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from socket import gaierror
from typing import Any, NamedTuple

from requests.adapters import BaseAdapter
from websocket import ABNF, WebSocketTimeoutException

from market_maker.paper.api.encoding import LevelValue
from market_maker.paper.api.session import Session
from market_maker.paper.faults.frames import Cut, FrameFaults
from market_maker.simulation.network import NO_ADDRESS, NO_CONNECTION, Adapter, Network
from market_maker.simulation.tasks import TaskPool
from market_maker.wire.tls import Connections
from market_maker.ws.ws_thread import GTEWebsocket

BEAT = 0.5


class Values(NamedTuple):
    """In the place of frames of the book: the levels of each, and their time in ms."""

    changes: list[list[LevelValue]]
    time: int


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
        self._session = Session(self._on_frame, self._on_levels if network.is_direct else None)
        self._arrived: deque[str | bytes | Cut | Values] = deque()
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

    def take_values(self) -> Values | None:
        """Return the next message if it is one of values."""
        if self._arrived and isinstance(self._arrived[0], Values):
            return self._arrived.popleft()  # type: ignore[return-value]
        return None

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
        assert isinstance(frame, str)
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

    def _on_levels(self, changes: list[list[LevelValue]], now: int) -> None:
        if not self._lost:
            self._deliver(Values(changes, now))

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

    def _deliver(self, frame: str | bytes | Cut | Values, delay: float = 0.0) -> None:
        """Let a frame arrive; those that are not delayed by a fault keep their order."""
        network = self._network
        if network.black_hole or network.cut_off:
            return
        now = network.timeline.monotonic()
        at = now + network.feed_way() + network.lag + delay
        if not delay:
            at = self._last_at = max(at, self._last_at)
        network.timeline.after(at - now, lambda: self._arrive(frame))

    def _arrive(self, frame: str | bytes | Cut | Values) -> None:
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

    def pool(self) -> Pool | TaskPool:  # type: ignore[override]
        network = self._network
        return TaskPool(network.timeline) if network.is_side_by_side else Pool()

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
                socket.on_arrival = lambda: self._step(self._receive)  # type: ignore[union-attr]
                self._step(feed.heartbeat)

    def _catch_up(self) -> None:
        """Take what has arrived while the process stood still, and do what is due."""
        feed = self._feed
        socket: Any = feed._session._socket
        while socket and socket._arrived and not self._network.stopped:
            before = len(socket._arrived)
            self._step(self._receive)
            if len(socket._arrived) >= before:
                break
        self._step(feed.heartbeat)

    def _receive(self) -> None:
        socket: Any = self._feed._session._socket
        values = socket.take_values()
        if values:
            self._feed.take_levels(*values)
        else:
            self._feed.receive()

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
        self._network.timeline.after(self._feed.back_off.pause, self._open)
