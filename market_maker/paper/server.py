"""The paper exchange on one loopback port: REST and WebSocket round the pure venue."""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from market_maker import clock
from market_maker.paper.desk import Asked, Desk, envelope
from market_maker.paper.exchange import Exchange
from market_maker.paper.feed import Feed, Session
from market_maker.paper.gate import Gate, Pass
from market_maker.paper.judge import Judge
from market_maker.paper.refusal import Code
from market_maker.paper.stage import OWNER, Market, set_stage
from market_maker.paper.switches import DEFAULTS, Switches
from market_maker.paper.wire import dump

logger = logging.getLogger(__name__)
http_logger = logging.getLogger(f"{__name__}.http")
http_logger.setLevel(logging.CRITICAL)  # aiohttp tells of every malformed request by a traceback

PAPER_KEY = "paper-key"
PAPER_SECRET = "paper-secret"

SOCKET_PATHS = {"", "ws", "realtime"}
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}
TICK = 1.0
MAX_LATE = 1.0  # beyond it a market goes on from here instead of catching up
MAX_BODY = 64 * 1024
MAX_UNSENT = 20_000


class Stop(Protocol):
    """Something that can be set from anywhere, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether to stop."""


class Server:
    """One venue behind one port. `start` and `stop` may alternate; the venue's state stays."""

    def __init__(self, exchange: Exchange, markets: Iterable[Market]) -> None:
        self.exchange = exchange
        self.judge = Judge(OWNER, exchange)
        self._switches = exchange.switches
        passes = [Pass(PAPER_KEY, PAPER_SECRET, OWNER)]
        self._gate = Gate(passes, self._switches.expiry_grace_ms)
        self._feed = Feed(exchange, self._gate)
        self._desk = Desk(exchange, self._gate, self.judge)
        self._markets = list(markets)
        self._sockets: dict[web.WebSocketResponse, asyncio.Transport] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.host = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen, and let the markets live."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.1, logger=http_logger
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_address=True)
        await site.start()
        self.host, self.port = host, self._runner.addresses[0][1]
        for life in (self._pulse(), self._tick(), *map(self._live, self._markets)):
            task = asyncio.create_task(life)
            task.add_done_callback(_tell_of_failure)
            self._tasks.append(task)
        logger.info("paper exchange listens on %s port %d", self.host, self.port)

    async def stop(self) -> None:
        """Cut all connections and stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.thaw()
        await self.drop_sockets()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def drop_sockets(self) -> None:
        """Cut every WebSocket connection without a closing word."""
        for transport in self._sockets.values():
            transport.abort()

    def freeze(self) -> None:
        """Answer nothing and push nothing, but keep every connection open."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on where `freeze` left off."""
        self._thawed.set()

    def publish(self) -> None:
        """Tell the judge and the subscribers what has changed."""
        events = self.exchange.drain()
        for event in events:
            self.judge.see(event)
        self._feed.publish(events, clock.now_ms())

    # The life of the venue

    async def _live(self, market: Market) -> None:
        """Let others act at their pace; a venue that was frozen or stopped loses no step."""
        began: float | None = None
        while step := market.upcoming():
            now, due = clock.monotonic(), step.time / 1000
            if began is None or now > began + due + MAX_LATE:
                began = now - due
            elif now < began + due:
                await asyncio.sleep(began + due - now)
            await self._thawed.wait()
            self.exchange.play(market.key, step.moves, clock.now_ms())
            market.done()
            self.publish()
        logger.info("the recorded market of %s has ended and stands still", market.key.symbol)

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(self._switches.push_period_s)
            await self._thawed.wait()
            self._feed.pulse(clock.now_ms())

    async def _tick(self) -> None:
        while True:
            await self._thawed.wait()
            self.exchange.tick(clock.now_ms())
            self.publish()
            await asyncio.sleep(TICK)

    # REST

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await self._thawed.wait()
        if _name(request.headers.get("Host", "")) not in LOOPBACK_NAMES:
            return web.json_response(envelope(Code.NO_RIGHT, "Host"), status=403)
        path = "/".join(part for part in request.path.split("/") if part)
        if path in SOCKET_PATHS and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        try:
            query, body = list(request.query.items()), await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.json_response(envelope(Code.PARAM_VALUE, "body"), status=413)
        except web.RequestPayloadError:
            return web.json_response(envelope(Code.PARAM_TYPE, "body"), status=400)
        await self._thawed.wait()
        asked = Asked(request.method, path, request.headers, query, body, request.remote or "")
        try:
            status, reply = self._desk.answer(asked, clock.now_ms())
        except Exception:
            logger.exception("%s %s: the paper exchange has failed", request.method, path)
            status, reply = 200, envelope(Code.SERVER_ERROR, now=clock.now_ms())
        self.publish()
        return web.Response(text=dump(reply), status=status, content_type="application/json")

    # WebSocket

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_BODY, compress=False)
        await socket.prepare(request)
        queue: asyncio.Queue[str] = asyncio.Queue(MAX_UNSENT)

        def send(frame: str) -> None:
            try:
                queue.put_nowait(frame)
            except asyncio.QueueFull:
                transport = request.transport
                if transport:
                    transport.abort()

        session = Session(send)
        writer = asyncio.create_task(self._write(socket, queue))
        if request.transport:
            self._sockets[socket] = request.transport
        self._feed.sessions.add(session)
        try:
            await self._read(socket, session)
        finally:
            self._feed.sessions.discard(session)
            self._sockets.pop(socket, None)
            writer.cancel()
        return socket

    async def _read(self, socket: web.WebSocketResponse, session: Session) -> None:
        while not socket.closed:
            try:
                message = await socket.receive(self._switches.silence_s)
            except TimeoutError:
                await socket.close(code=WSCloseCode.GOING_AWAY)
                return
            await self._thawed.wait()
            if message.type is WSMsgType.TEXT:
                self._feed.receive(session, message.data, clock.now_ms())
            elif message.type is WSMsgType.BINARY:
                text = message.data.decode("utf-8", "replace")
                self._feed.receive(session, text, clock.now_ms())
            else:
                return

    async def _write(self, socket: web.WebSocketResponse, queue: "asyncio.Queue[str]") -> None:
        try:
            while True:
                frame = await queue.get()
                await self._thawed.wait()
                await socket.send_str(frame)
        except ConnectionError:
            return


def _tell_of_failure(task: "asyncio.Task[None]") -> None:
    error = None if task.cancelled() else task.exception()
    if error:
        logger.error("a part of the paper exchange has stopped", exc_info=error)


def _name(host: str) -> str:
    """Return the name in a Host header, without the port."""
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]


def check_loopback(host: str) -> None:
    """Raise ValueError for an address other machines could reach."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"the paper exchange serves loopback only, not {host!r}")


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    tape: Path | None = None,
    volatility: float = 1.0,
    speed: float = 1.0,
    switches: Switches = DEFAULTS,
    ready: Callable[[str, str], None],
    stop: Stop,
) -> None:
    """Serve the paper exchange until `stop` is set, from any thread or signal handler.

    `ready` is called once, with the REST and the WebSocket URL, when it listens.
    """
    check_loopback(host)
    stage = set_stage(seed=seed, tape=tape, volatility=volatility, speed=speed, switches=switches)

    async def main() -> None:
        server = Server(*stage)
        await server.start(host, port)
        ready(*urls(server.host, server.port))
        while not stop.is_set():
            await asyncio.sleep(0.05)
        await server.stop()

    loop = asyncio.new_event_loop()  # not asyncio.run, which would take over SIGINT
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def urls(host: str, port: int) -> tuple[str, str]:
    """Return the REST and the WebSocket URL of a port."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}", f"ws://{name}:{port}/ws"
