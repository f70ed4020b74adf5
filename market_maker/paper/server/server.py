"""The server: REST and WebSocket of one venue on one loopback port."""

import asyncio
import logging
import math
from collections.abc import Iterable

from aiohttp import WSCloseCode, WSMsgType, web

from market_maker.paper.api.auth import foreign_header
from market_maker.paper.api.dispatch import RawRequest, envelope
from market_maker.paper.api.session import Session
from market_maker.paper.exchange.errors import Code
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.faults.frames import FrameFaults
from market_maker.paper.faults.schedule import TRANSPORT, Fault
from market_maker.paper.market.setup import Market
from market_maker.paper.server.clock import Clock, now_ms
from market_maker.paper.server.connection import Connection
from market_maker.paper.server.reply_faults import faulty_reply
from market_maker.paper.server.venue import Venue

logger = logging.getLogger(__name__)
http_logger = logging.getLogger(f"{__name__}.http")
http_logger.setLevel(logging.CRITICAL)  # aiohttp logs a traceback for every malformed request

SOCKET_PATHS = {"", "ws", "realtime"}
TICK = 0.1  # seconds
MAX_LATE = 1.0  # seconds; a market that is later continues from now instead of catching up
MAX_BODY = 64 * 1024  # bytes
MAX_CONNECTIONS = 256
MAX_SOCKETS = 64  # of those connections
MAX_UNSENT_OF_ALL = 32 * 1024 * 1024  # characters; beyond it the slowest clients are cut off


class Server:
    """One venue on one port. `start` and `stop` may alternate; the state of the venue stays."""

    def __init__(
        self,
        exchange: Exchange,
        markets: Iterable[Market],
        seed: int = 1,
        clock: Clock = now_ms,
        *,
        latency_ms: float = 0.0,
        secret: str = "",
    ) -> None:
        """`latency_ms` are from a request to its answer, half of it each way; so for the feed."""
        self.venue = Venue(exchange, seed, secret)
        self._one_way = latency_ms / 2000
        self.clock = clock
        self._quirks = exchange.quirks
        self._markets = list(markets)
        self._connections: dict[Connection, Session] = {}  # in order of arrival
        self._served: dict[object, float] = {}
        """By connection, when its last whole request came; those of the feed come last."""
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.host = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen, and start the markets; port 0 is any free one. OSError if the port is taken."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.1, logger=http_logger
        )
        await self._runner.setup()
        self.host, self.port = host, port
        await self._open()
        for loop in (self._pulse(), self._tick(), *map(self._run_market, self._markets)):
            task = asyncio.create_task(loop)
            task.add_done_callback(_log_failure)
            self._tasks.append(task)
        logger.info("paper exchange listens on %s port %d", self.host, self.port)

    async def _open(self) -> None:
        """Listen; from the second time on, at the port of the first."""
        if self._runner:
            site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
            await site.start()
            self._site, self.port = site, self._runner.addresses[0][1]

    async def _close(self) -> None:
        """Abort all connections and refuse new ones."""
        if self._site and self._runner and self._runner.server:
            await self._site.stop()
            self._site = None
            for connection in self._runner.server.connections:
                connection.force_close()

    async def stop(self) -> None:
        """Abort all connections and stop listening."""
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
        """Abort every WebSocket connection without a closing frame."""
        for connection in list(self._connections):
            connection.cut()

    def freeze(self) -> None:
        """Stop answering and pushing, but keep every connection open."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Continue where `freeze` stopped."""
        self._thawed.set()

    def plan(self, fault: Fault) -> None:
        """Add a fault to the schedule; raise ValueError if it cannot apply to this venue."""
        self.venue.plan(fault, self.clock())

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.venue.clear_faults(self.clock())

    # Loops

    async def _run_market(self, market: Market) -> None:
        """Play the steps of a market when they are due; a freeze or stop skips no step."""
        loop = asyncio.get_running_loop()
        began: float | None = None
        reason = "Its tape has ended."
        try:
            while step := market.upcoming():
                now, due = loop.time(), step.time / 1000
                if began is None or now > began + due + MAX_LATE:
                    began = now - due
                await asyncio.sleep(max(began + due - now, 0))  # late or not, others have a turn
                await self._thawed.wait()
                self.venue.play(market.key, step.moves, self.clock())
                market.done()
        except ValueError as error:
            reason = str(error)
        logger.warning("%s stands still from here on. %s", market.key.symbol, reason)

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(self._quirks.push_period_s)
            await self._thawed.wait()
            self.venue.pulse(self.clock())

    async def _tick(self) -> None:
        while True:
            await self._thawed.wait()
            self.venue.tick(self.clock())
            self._cut_off_excess()
            if self.venue.refusing and self._site:
                await self._close()
            elif not self.venue.refusing and not self._site:
                await self._open()
            await asyncio.sleep(TICK)

    def _cut_off_excess(self) -> None:
        """Cut off the clients that read too slowly, and those that only hold a connection."""
        unsent = sum(connection.unsent for connection in self._connections)
        for connection in sorted(self._connections, key=lambda each: -each.unsent):
            if unsent <= MAX_UNSENT_OF_ALL:
                break
            unsent -= connection.unsent
            connection.cut()
        server = self._runner.server if self._runner else None
        open_ones = {
            each: each.transport
            for each in (server.connections if server else [])
            if each.transport and not each.transport.is_closing()
        }
        self._served = {each: self._served.get(each, 0.0) for each in open_ones}
        excess = max(len(open_ones) - MAX_CONNECTIONS, 0)
        for protocol in sorted(open_ones, key=self._served.__getitem__)[:excess]:
            open_ones[protocol].abort()

    # REST

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await self._thawed.wait()
        if header := foreign_header(request.headers):
            return web.json_response(envelope(Code.NO_RIGHT, header), status=403)
        path = "/".join(part for part in request.path.split("/") if part)
        if path in SOCKET_PATHS and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        try:
            query, body = list(request.query.items()), await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.json_response(envelope(Code.PARAM_VALUE, "body"), status=413)
        except web.RequestPayloadError:
            return web.json_response(envelope(Code.PARAM_TYPE, "body"), status=400)
        self._served[request.protocol] = asyncio.get_running_loop().time()
        raw = RawRequest(request.method, path, request.headers, query, body, request.remote or "")
        await asyncio.sleep(self._one_way)
        await self._thawed.wait()
        reply = await self._reply(request, raw)
        await asyncio.sleep(self._one_way)
        return reply

    async def _reply(self, request: web.Request, raw: RawRequest) -> web.StreamResponse:
        path = raw.path
        fault = self.venue.strike(path, self.clock())
        if fault and fault.name in TRANSPORT and not fault.done:
            reply = await faulty_reply(request, fault, "")
            if reply is not None:
                return reply
        status, answer = self.venue.answer(raw, fault, self.clock())
        if fault and fault.name in TRANSPORT and fault.done:
            reply = await faulty_reply(request, fault, answer)
            if reply is not None:
                return reply
        return web.Response(text=answer, status=status, content_type="application/json")

    # WebSocket

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_BODY, compress=False)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:  # the client has gone already
            return socket
        faults = FrameFaults(self.venue.faults)
        connection = Connection(
            socket, cut=transport.abort, faults=faults, clock=self.clock, delay=self._one_way
        )
        session = Session(connection.send)
        writer = asyncio.create_task(connection.run(self._thawed))
        self._make_room()
        self._served[request.protocol] = math.inf  # it is counted among the sockets
        self._connections[connection] = session
        self.venue.feed.sessions[session] = None
        try:
            await self._read(socket, connection, session)
        finally:
            self.venue.feed.sessions.pop(session, None)
            self._connections.pop(connection, None)
            writer.cancel()
        return socket

    def _make_room(self) -> None:
        """Cut off a client where there are too many: a stranger first, then the slowest."""
        if len(self._connections) >= MAX_SOCKETS:
            worst = max(self._connections, key=lambda each: (self._is_stranger(each), each.unsent))
            self.venue.feed.sessions.pop(self._connections.pop(worst), None)
            worst.cut()

    def _is_stranger(self, connection: Connection) -> bool:
        return not self._connections[connection].owner

    async def _read(
        self, socket: web.WebSocketResponse, connection: Connection, session: Session
    ) -> None:
        while not socket.closed:
            try:
                message = await socket.receive(self._quirks.silence_s)
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
            if self._one_way:
                loop = asyncio.get_running_loop()
                loop.call_later(self._one_way, self._receive, connection, session, text)
            else:
                self._receive(connection, session, text)

    def _receive(self, connection: Connection, session: Session, text: str) -> None:
        try:
            self.venue.receive(session, text, self.clock())
        except Exception:
            logger.exception("a message: the paper exchange has failed")
            connection.cut()


def _log_failure(task: "asyncio.Task[None]") -> None:
    error = None if task.cancelled() else task.exception()
    if error:
        logger.error("a part of the paper exchange has stopped", exc_info=error)


def urls(host: str, port: int) -> tuple[str, str]:
    """Return the REST and the WebSocket URL of a host and port."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}", f"ws://{name}:{port}/ws"
