"""A connection: the frames to one WebSocket client, in order unless a fault strikes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from market_maker.paper.faults.frames import Cut, FrameFaults
from market_maker.paper.server.clock import Clock

MAX_UNSENT = 16 * 1024 * 1024  # characters; a client with more unsent is disconnected


class Connection:
    """Sends frames in the background. It never makes the venue wait for a slow client."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        cut: Callable[[], None],
        faults: FrameFaults,
        clock: Clock,
    ) -> None:
        """`cut` aborts the connection without a closing frame."""
        self._socket = socket
        self._faults = faults
        self._clock = clock
        self._queue: asyncio.Queue[str | bytes | Cut] = asyncio.Queue()
        self._unsent = 0
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
            self._queue.put_nowait(cut)
        else:
            self.cut()

    def _put(self, frame: str | bytes) -> None:
        if self._unsent + len(frame) > MAX_UNSENT:
            self.cut()
            return
        self._unsent += len(frame)
        self._queue.put_nowait(frame)

    async def run(self, thawed: asyncio.Event) -> None:
        """Send queued frames until the connection ends, and none while the venue is frozen."""
        with suppress(ConnectionError):
            while True:
                frame = await self._queue.get()
                await thawed.wait()
                if isinstance(frame, Cut):
                    await self._socket.close(code=frame.code)
                    return
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
                self._unsent -= len(frame)
