"""The paper exchange on one loopback port: REST and WebSocket round the pure venue."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from market_maker import clock
from market_maker.paper.api.auth import check_loopback, is_loopback_name
from market_maker.paper.api.dispatch import RawRequest, envelope
from market_maker.paper.api.feed import Session
from market_maker.paper.api.judge import Report
from market_maker.paper.exchange.errors import Code
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.faults.schedule import TRANSPORT, Fault
from market_maker.paper.market.setup import Market, set_up
from market_maker.paper.server.connection import Connection
from market_maker.paper.server.control import Control
from market_maker.paper.server.venue import Venue

logger = logging.getLogger(__name__)
http_logger = logging.getLogger(f"{__name__}.http")
http_logger.setLevel(logging.CRITICAL)  # aiohttp tells of every malformed request by a traceback

SOCKET_PATHS = {"", "ws", "realtime"}
TICK = 0.1
ELSEWHERE = "http://localhost:9/"  # where a 3xx would have the client go
PAGE = "<html><body><h1>The service is unavailable</h1></body></html>"
MAX_LATE = 1.0  # beyond it a market goes on from here instead of catching up
MAX_BODY = 64 * 1024


class Stop(Protocol):
    """Something that can be set from anywhere, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether to stop."""


class Server:
    """One venue behind one port. `start` and `stop` may alternate; the venue's state stays."""

    def __init__(self, exchange: Exchange, markets: Iterable[Market], seed: int = 1) -> None:
        self.venue = Venue(exchange, seed)
        self._switches = exchange.quirks
        self._markets = list(markets)
        self._connections: set[Connection] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
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
        self.host, self.port = host, port
        await self._open()
        for life in (self._pulse(), self._tick(), *map(self._live, self._markets)):
            task = asyncio.create_task(life)
            task.add_done_callback(_tell_of_failure)
            self._tasks.append(task)
        logger.info("paper exchange listens on %s port %d", self.host, self.port)

    async def _open(self) -> None:
        """Listen, from the second time on at the port of the first."""
        if self._runner:
            site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
            await site.start()
            self._site, self.port = site, self._runner.addresses[0][1]

    async def _close(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._site and self._runner and self._runner.server:
            await self._site.stop()
            self._site = None
            for connection in self._runner.server.connections:
                connection.force_close()

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
            self._runner = self._site = None

    async def drop_sockets(self) -> None:
        """Cut every WebSocket connection without a closing word."""
        for line in list(self._connections):
            line.cut()

    def freeze(self) -> None:
        """Answer nothing and push nothing, but keep every connection open."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on where `freeze` left off."""
        self._thawed.set()

    def plan(self, fault: Fault) -> None:
        """Put a fault on the schedule, or raise ValueError."""
        self.venue.plan(fault, clock.now_ms())

    def clear_faults(self) -> None:
        """End all faults."""
        self.venue.clear_faults(clock.now_ms())

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
            self.venue.play(market.key, step.moves, clock.now_ms())
            market.done()
        logger.info("the recorded market of %s has ended and stands still", market.key.symbol)

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(self._switches.push_period_s)
            await self._thawed.wait()
            self.venue.pulse(clock.now_ms())

    async def _tick(self) -> None:
        while True:
            await self._thawed.wait()
            self.venue.tick(clock.now_ms())
            if self.venue.refusing and self._site:
                await self._close()
            elif not self.venue.refusing and not self._site:
                await self._open()
            await asyncio.sleep(TICK)

    # REST

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await self._thawed.wait()
        if not is_loopback_name(request.headers.get("Host", "")):
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
        asked = RawRequest(request.method, path, request.headers, query, body, request.remote or "")
        fault = self.venue.strike(path, clock.now_ms())
        if fault and fault.name in TRANSPORT and not fault.done:
            spoilt = await self._spoil(request, fault, "")
            if spoilt is not None:
                return spoilt
        status, answer = self.venue.answer(asked, fault, clock.now_ms())
        if fault and fault.name in TRANSPORT and fault.done:
            spoilt = await self._spoil(request, fault, answer)
            if spoilt is not None:
                return spoilt
        return web.Response(text=answer, status=status, content_type="application/json")

    async def _spoil(
        self, request: web.Request, fault: Fault, answer: str
    ) -> web.StreamResponse | None:
        """Return what a fault makes of a reply; None when the true one may go out after all."""
        match fault.name:
            case "late":
                await asyncio.sleep(fault.number / 1000)
                return None
            case "lost":
                while request.transport and not request.transport.is_closing():
                    await asyncio.sleep(TICK)
            case "status":
                return web.Response(
                    text=PAGE,
                    status=fault.number,
                    content_type="text/html",
                    headers={"location": ELSEWHERE},
                )
            case "trickle" | "huge":
                return await _drag(request, answer if fault.name == "trickle" else "")
            case "html":
                return web.Response(text=PAGE, content_type="text/html")
            case "truncated":
                half = answer[: len(answer) // 2] or '{"code":0,"da'
                return web.Response(text=half, content_type="application/json")
            case "empty":
                return web.Response()
        if request.transport:
            request.transport.abort()
        return web.Response()

    # WebSocket

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_BODY, compress=False)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:  # it has gone already
            return socket
        line = Connection(socket, transport.abort, self.venue.faults)
        session = Session(line.send)
        writer = asyncio.create_task(line.run(self._thawed))
        self._connections.add(line)
        self.venue.feed.sessions[session] = None
        try:
            await self._read(socket, session)
        finally:
            self.venue.feed.sessions.pop(session, None)
            self._connections.discard(line)
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
                text = message.data
            elif message.type is WSMsgType.BINARY:
                text = message.data.decode("utf-8", "replace")
            else:
                return
            try:
                self.venue.receive(session, text, clock.now_ms())
            except Exception:
                logger.exception("a message: the paper exchange has failed")
                return


async def _drag(request: web.Request, answer: str) -> web.StreamResponse:
    """Send an answer byte by byte; without one, spaces without end."""
    response = web.StreamResponse()
    with suppress(ConnectionError):
        await response.prepare(request)
        for byte in answer.encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(1)
        while not answer:
            await response.write(b" " * MAX_BODY)
    return response


def _tell_of_failure(task: "asyncio.Task[None]") -> None:
    error = None if task.cancelled() else task.exception()
    if error:
        logger.error("a part of the paper exchange has stopped", exc_info=error)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    tape: Path | None = None,
    volatility: float = 1.0,
    speed: float = 1.0,
    quirks: Quirks = DEFAULTS,
    faults: Sequence[Fault] = (),
    ready: Callable[[str, str], None],
    control: Callable[[str, str], None] | None = None,
    stop: Stop,
) -> Report:
    """Serve the paper exchange until `stop` is set, from any thread or signal handler.

    `ready` is called once, with the REST and the WebSocket URL, when it listens. With `control`
    there is a control endpoint too, and it is called before, with its URL and token. `faults` are
    planned from the start. Returned is what the judge found about the paper key.
    """
    check_loopback(host)
    stage = set_up(seed=seed, tape=tape, volatility=volatility, speed=speed, quirks=quirks)

    async def main() -> Report:
        server = Server(*stage, seed)
        controls = Control(server.venue)
        for fault in faults:
            server.plan(fault)
        await server.start(host, port)
        if control:
            control_url, _ = urls(host, await controls.start(host))
            control(control_url, controls.token)
        ready(*urls(server.host, server.port))
        while not stop.is_set():
            await asyncio.sleep(0.05)
        await controls.stop()
        await server.stop()
        return server.venue.judge.report

    loop = asyncio.new_event_loop()  # not asyncio.run, which would take over SIGINT
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def urls(host: str, port: int) -> tuple[str, str]:
    """Return the REST and the WebSocket URL of a port."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}", f"ws://{name}:{port}/ws"
