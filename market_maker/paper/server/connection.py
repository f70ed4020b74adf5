"""A connection: the frames to one WebSocket client, in order unless a fault strikes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from market_maker.paper.faults.frames import Cut, FrameFaults
from market_maker.paper.server.clock import Clock

MAX_UNSENT = 8 * 1024 * 1024  # characters; a client with more unsent is disconnected


class Connection:
    """Sends frames in the background. It never makes the venue wait for a slow client."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        cut: Callable[[], None],
        faults: FrameFaults,
        clock: Clock,
        delay: float = 0.0,
    ) -> None:
        """`cut` aborts the connection without a closing frame; `delay` s a frame is on its way."""
        self._socket = socket
        self._faults = faults
        self._clock = clock
        self._delay = delay
        self._queue: asyncio.Queue[tuple[float, str | bytes | Cut]] = asyncio.Queue()
        self.unsent = 0
        """Characters that wait for the client to read."""
        self.cut = cut

    def send(self, frame: str, table: str) -> None:
        """Queue a frame of a table, as the faults let it arrive."""
        deliveries = self._faults.apply(frame, table, self._clock())
        if isinstance(deliveries, Cut):
            self._end(deliveries)
            return
        for delivery in deliveries:
            if delivery.after_ms:
                loop = asyncio.get_running_loop()
                loop.call_later(delivery.after_ms / 1000, self._put, delivery.frame)
            else:
                self._put(delivery.frame)

    def _end(self, cut: Cut) -> None:
        if cut.code:
            self._queue.put_nowait((0.0, cut))
        else:
            self.cut()

    def _put(self, frame: str | bytes) -> None:
        if self.unsent + len(frame) > MAX_UNSENT:
            self.cut()
            return
        self.unsent += len(frame)
        self._queue.put_nowait((asyncio.get_running_loop().time() + self._delay, frame))

    async def run(self, thawed: asyncio.Event) -> None:
        """Send queued frames until the connection ends, and none while the venue is frozen."""
        with suppress(ConnectionError):
            while True:
                due, frame = await self._queue.get()
                await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
                await thawed.wait()
                if isinstance(frame, Cut):
                    await self._socket.close(code=frame.code)
                    return
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
                self.unsent -= len(frame)
