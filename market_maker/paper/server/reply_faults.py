"""Transport faults of REST: what they make of a reply on its way to the client."""

import asyncio
from contextlib import suppress

from aiohttp import web

from market_maker.paper.faults.schedule import Fault

ELSEWHERE = "http://localhost:9/"  # the location of a 3xx
PAGE = "<html><body><h1>The service is unavailable</h1></body></html>"
POLL = 0.1  # seconds
CHUNK = b" " * 64 * 1024


async def faulty_reply(
    request: web.Request, fault: Fault, answer: str
) -> web.StreamResponse | None:
    """Return the reply that a fault makes of `answer`, None if the true reply is to be sent.

    `answer` is "" if the request has not been dispatched. A fault may take its time: "late" waits
    first, "lost" waits until the client is gone.
    """
    match fault.name:
        case "late":
            await asyncio.sleep(fault.number / 1000)
            return None
        case "lost":
            while request.transport and not request.transport.is_closing():
                await asyncio.sleep(POLL)
        case "status":
            return web.Response(
                text=PAGE,
                status=fault.number,
                content_type="text/html",
                headers={"location": ELSEWHERE},
            )
        case "trickle":
            return await _trickle(request, answer)
        case "huge":
            return await _endless(request)
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


async def _trickle(request: web.Request, answer: str) -> web.StreamResponse:
    """Send one byte a second; without an answer, spaces without end."""
    if not answer:
        return await _endless(request)
    response = web.StreamResponse()
    with suppress(ConnectionError):
        await response.prepare(request)
        for byte in answer.encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(1)
    return response


async def _endless(request: web.Request) -> web.StreamResponse:
    """Send spaces without end, as fast as the client reads."""
    response = web.StreamResponse()
    with suppress(ConnectionError):
        await response.prepare(request)
        while True:
            await response.write(CHUNK)
    return response
