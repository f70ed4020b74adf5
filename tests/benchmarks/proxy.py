"""A line to the paper exchange that takes its time: TCP, with a delay each way."""

import asyncio
import random
import threading

ONE_WAY = (0.0225, 0.0275)
"""Seconds: 50 ms there and back, 5 ms more or less."""


class Proxy:
    """Passes bytes on to a port of this machine, each piece so many seconds later."""

    def __init__(self, port: int, one_way: tuple[float, float] = ONE_WAY) -> None:
        self._target = port
        self._one_way = one_way
        self._chance = random.Random(3)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True).start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port: int = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pass(reader, to_writer), self._pass(to_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on in order: a piece never overtakes the one before it."""
        due = 0.0
        while True:
            try:
                data = await reader.read(65_536)
            except OSError:
                data = b""
            due = max(due, self._loop.time() + self._chance.uniform(*self._one_way))
            self._loop.call_at(due, writer.write if data else lambda _: writer.close(), data)
            if not data:
                return
