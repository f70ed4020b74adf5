"""`marketmaker web`: a page on loopback that shows what a bot does. It reads journals alone."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from market_maker.app.report import BROKEN, all_runs
from market_maker.clock import SYSTEM
from market_maker.errors import SettingsError
from market_maker.journal import Run
from market_maker.paper.api.auth import foreign_header
from market_maker.report import live

logger = logging.getLogger(__name__)
http_logger = logging.getLogger(f"{__name__}.http")
http_logger.setLevel(logging.CRITICAL)  # aiohttp logs a traceback for every malformed request

HOST = "127.0.0.1"
EVERY = 1.0
"""Seconds between two looks at a run."""
SLOW_EVERY, SLOW_SHARE = 5.0, 10
"""Seconds between two looks at a whole run; at least so many times what the last one took."""
MOST_READERS = 16
SECURE = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def run(port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; `ready` is called with its address.

    Raises SettingsError when the port cannot be used.
    """
    try:
        asyncio.run(_serve(port, ready))
    except (OSError, OverflowError) as error:
        raise SettingsError(f"--port {port} cannot be used: {error}") from None


async def _serve(port: int, ready: Callable[[str], None]) -> None:
    runner = web.AppRunner(
        Site().app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=0.5,
        logger=http_logger,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        ready(f"http://{HOST}:{runner.addresses[0][1]}/")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


class Site:
    """The page, its style and script, and the events that renew its parts."""

    def __init__(self) -> None:
        self.app = web.Application(middlewares=[_check])
        self.app.router.add_get("/", self._page)
        self.app.router.add_get("/page.css", _file(live.style(), "text/css"))
        self.app.router.add_get("/page.js", _file(live.SCRIPT, "text/javascript"))
        self.app.router.add_get("/events", self._events)
        self._readers = 0
        self._views: dict[tuple[Path, int], View] = {}

    async def _page(self, request: web.Request) -> web.Response:
        chosen, others = await asyncio.to_thread(_choose, request.query.get("run", ""))
        parts = await self._view(chosen).look()
        return web.Response(text=live.page_of(chosen, others, parts), content_type="text/html")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._readers >= MOST_READERS:
            raise web.HTTPServiceUnavailable(text=f"more than {MOST_READERS} readers")
        self._readers += 1
        response = web.StreamResponse(headers=SECURE | {"Content-Type": "text/event-stream"})
        try:
            chosen, _ = await asyncio.to_thread(_choose, request.query.get("run", ""))
            await response.prepare(request)
            shown: dict[str, str] = {}
            while True:
                parts = await self._view(chosen).look()
                new = live.changed(shown, parts)
                event = f"data: {json.dumps(new)}\n\n" if new else ":\n\n"  # or is nobody there?
                await response.write(event.encode())
                shown |= new
                await asyncio.sleep(EVERY)
        except ConnectionError:
            return response  # the reader has gone
        finally:
            self._readers -= 1

    def _view(self, chosen: Run) -> "View":
        return self._views.setdefault((chosen.path, chosen.number), View(chosen))


class View:
    """The parts of a run's page, looked up once for all readers."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._parts: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._due = self._slow_due = 0.0
        self._has_looked = False
        self._trouble = ""

    async def look(self) -> dict[str, str]:
        """Return the parts as of now; those that cannot be read stay as they are."""
        async with self._lock:
            if SYSTEM.monotonic() >= self._due:
                await self._renew(self._read_quick)
                self._due = SYSTEM.monotonic() + EVERY / 2
            if SYSTEM.monotonic() >= self._slow_due and self._has_looked:
                begun = SYSTEM.monotonic()
                await self._renew(lambda: live.slow_parts(self._run))
                took = SYSTEM.monotonic() - begun
                self._slow_due = begun + max(SLOW_EVERY, SLOW_SHARE * took)
            self._has_looked = True  # the first parts come at once
        return dict(self._parts)

    def _read_quick(self) -> dict[str, str]:
        self._run = self._run.again()
        return live.quick_parts(self._run, SYSTEM.now_ms())

    async def _renew(self, read: Callable[[], dict[str, str]]) -> None:
        try:
            self._parts |= await asyncio.to_thread(read)
            self._trouble = ""
        except BROKEN as error:
            if str(error) != self._trouble:
                logger.warning("Run %d cannot be read: %s.", self._run.number, error)
            self._trouble = str(error)


def _choose(number: str) -> tuple[Run, list[Run]]:
    """Return the run of this number, or the last one; and the others that run now."""
    runs = all_runs()
    running = [run for run in runs if run.is_running]
    found = [run for run in runs if str(run.number) == number] if number else running or runs
    if not found:
        raise web.HTTPNotFound(text=f"there is no run {number}".rstrip() + "\n")
    return found[-1], running


def _file(text: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return answer


@web.middleware
async def _check(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer browsers of this machine alone, and no page from elsewhere."""
    if wrong := foreign_header(request.headers):
        text = f"the header {wrong} is another site's\n"
        raise web.HTTPForbidden(text=text, headers=SECURE)
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(SECURE)
        raise
    if not response.prepared:
        response.headers.update(SECURE)
    return response
