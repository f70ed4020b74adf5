"""The control endpoint: faults and the audit, on a port of its own, with a token for each run."""

import hmac
import json
from dataclasses import asdict
from secrets import token_urlsafe
from typing import Any

from aiohttp import web

from market_maker.paper.api.auth import foreign_header
from market_maker.paper.api.encoding import dump
from market_maker.paper.api.judge import as_plain
from market_maker.paper.faults.reading import read_fault
from market_maker.paper.server.clock import Clock, now_ms
from market_maker.paper.server.venue import Venue

MAX_BODY = 64 * 1024  # bytes


class Control:
    """Serves `GET`, `POST` and `DELETE /faults`, `GET /judge` and `GET /journal`.

    Without the token in the header `x-token`, the answer is always 403.
    """

    def __init__(self, venue: Venue, clock: Clock = now_ms) -> None:
        self._clock = clock
        self._venue = venue
        self._runner: web.AppRunner | None = None
        self.token = token_urlsafe(24)

    async def start(self, host: str) -> int:
        """Listen on a free port and return the port."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._check])
        app.router.add_get("/faults", self._show)
        app.router.add_post("/faults", self._plan)
        app.router.add_delete("/faults", self._clear)
        app.router.add_get("/judge", self._judge)
        app.router.add_get("/journal", self._journal)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("x-token", "").encode("utf-8", "replace")
        if foreign_header(request.headers) or not hmac.compare_digest(given, self.token.encode()):
            raise web.HTTPForbidden
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _show(self, _: web.Request) -> web.Response:
        return _json([asdict(fault) for fault in self._venue.faults.planned()])

    async def _plan(self, request: web.Request) -> web.Response:
        try:
            wanted = json.loads(await request.read())
            self._venue.plan(read_fault(wanted), self._clock())
        except (ValueError, TypeError, RecursionError) as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return await self._show(request)

    async def _clear(self, request: web.Request) -> web.Response:
        self._venue.clear_faults(self._clock())
        return await self._show(request)

    async def _judge(self, _: web.Request) -> web.Response:
        return _json(as_plain(self._venue.judge.report))

    async def _journal(self, _: web.Request) -> web.Response:
        return _json([as_plain(entry) for entry in self._venue.judge.journal])


def _json(value: object) -> web.Response:
    return web.Response(text=dump(value), content_type="application/json")
