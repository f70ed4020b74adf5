"""A line: the frames on their way to one WebSocket client, in order unless a fault strikes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from market_maker import clock
from market_maker.paper.faults import Fault, Faults, Where

MAX_UNSENT = 16 * 1024 * 1024  # characters; a client that lets more pile up is cut off


class Line:
    """Sends frames in the background, so that nobody waits for a slow client."""

    def __init__(
        self, socket: web.WebSocketResponse, cut: Callable[[], None], faults: Faults
    ) -> None:
        self._socket = socket
        self._faults = faults
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._unsent = 0
        self._held: str | None = None
        self.cut = cut

    def send(self, frame: str, table: str) -> None:
        """Put a frame on the line; one that was held back for a swap follows it."""
        if self._held is not None:
            self._put(frame)
            frame, self._held = self._held, None
        elif fault := self._faults.strike(Where.FRAME, table, clock.now_ms()):
            self._misbehave(fault, frame)
            return
        self._put(frame)

    def _misbehave(self, fault: Fault, frame: str) -> None:
        match fault.name:
            case "frame_twice":
                self._put(frame)
                self._put(frame)
            case "frame_swap":
                self._held = frame
            case "frame_late":
                asyncio.get_running_loop().call_later(fault.number / 1000, self._put, frame)
            case "frame_half":
                self._put(frame[: len(frame) // 2])
            case "cut":
                self.cut()

    def _put(self, frame: str) -> None:
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
                await self._socket.send_str(frame)
                self._unsent -= len(frame)
