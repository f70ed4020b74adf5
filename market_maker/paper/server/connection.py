"""A line: the frames on their way to one WebSocket client, in order unless a fault strikes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from market_maker import clock
from market_maker.paper.faults.frames import Cut, FrameFaults
from market_maker.paper.faults.schedule import Faults

MAX_UNSENT = 16 * 1024 * 1024  # characters; a client that lets more pile up is cut off


class Connection:
    """Sends frames in the background, so that nobody waits for a slow client."""

    def __init__(
        self, socket: web.WebSocketResponse, cut: Callable[[], None], faults: Faults
    ) -> None:
        self._socket = socket
        self._frame_faults = FrameFaults(faults)
        self._queue: asyncio.Queue[str | bytes | Cut] = asyncio.Queue()
        self._unsent = 0
        self.cut = cut

    def send(self, frame: str, table: str) -> None:
        """Put a frame on the line."""
        deliveries = self._frame_faults.take(frame, table, clock.now_ms())
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
        """Send until the connection is gone; while the venue is frozen, nothing."""
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
