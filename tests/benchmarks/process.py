"""The process as a whole: how soon it starts, what it uses, and whether that stays so."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import web
from bot import ENVIRONMENT, ROOT, Bot, settings_for

from market_maker.models import Side
from market_maker.paper.server.in_process import PaperExchange
from market_maker.ws import back_off
from market_maker.ws.ws_thread import GTEWebsocket
from tests.benchmarks import receive
from tests.benchmarks.table import Figure, percentile, seconds_of, until

RATE, SECONDS = 2_000, 60
IDLE_RATE, IDLE_SECONDS = 100, 20
MESSAGES, CONNECTIONS = 10_000_000, 1_000
NOW = '"now"'
TICKS = os.sysconf("SC_CLK_TCK")


def starts() -> Iterator[Figure]:
    """Measure the start: of Python alone, of `--version`, and to the first order on paper."""
    bare = seconds_of(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    command = [sys.executable, str(ROOT / "marketmaker"), "--version"]
    took = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))
    yield Figure(
        what="python marketmaker --version",
        value=took,
        unit="s",
        most=0.3,
        note=f"of which Python {bare:.3f} s",
    )
    quoted = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as directory:
            begun = time.monotonic()
            bot = Bot(Path(directory), "--paper")
            notes = Path(directory, "state").rglob  # an order_id is noted at once
            assert until(lambda: any("created" in n.read_text() for n in notes("*.notes")), 30)  # noqa: B023
            quoted.append(time.monotonic() - begun)
            bot.end(2)
    yield Figure(
        what="from Enter to the first order acknowledged on paper",
        value=sorted(quoted)[1],
        unit="s",
        most=3,
    )


def idle() -> Iterator[Figure]:
    """Measure a bot in a process of its own whose orders rest while the market moves."""
    with PaperExchange(crowd=False, book=True) as venue, tempfile.TemporaryDirectory() as directory:
        wanted = {"ORDER_PAIRS": 30, "CHECK_POSITION_LIMITS": False}
        settings_for(venue, Path(directory), LOOP_INTERVAL=5, **wanted)
        bot = Bot(Path(directory))
        assert until(lambda: len(venue.open_orders()) == 60, 30)
        time.sleep(3)
        pids = [bot.process.pid, *bot.guards]
        used, begun = sum(map(_processor_seconds, pids)), time.monotonic()
        frames = 0
        while (now := time.monotonic()) < begun + IDLE_SECONDS:
            venue.put("buy", "8480", 1000 + frames % 500)
            frames += 1
            time.sleep(max(0.0, begun + frames / IDLE_RATE - now))
        used = sum(map(_processor_seconds, pids)) - used
        bot.end(2)
    yield Figure(
        what=f"idle: 60 orders, {frames / IDLE_SECONDS:.0f} feed messages/s",
        value=100 * used / IDLE_SECONDS,
        unit="% of a core",
        most=3,
        note="the bot and its guard",
    )


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# --- a feed over a real WebSocket -----------------------------------------------------------------


def serve(frames: Iterable[str], rate: float) -> None:
    """Be a feed, in a process of its own: these frames, so many a second; then stay."""

    async def session(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        begun = time.monotonic()
        for number, frame in enumerate(frames):
            await socket.send_str(frame.replace(NOW, str(time.monotonic()), 1))
            ahead = begun + number / rate - time.monotonic()
            if ahead > 0.001:
                await asyncio.sleep(ahead)
        async for _ in socket:
            pass
        return socket

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/ws", session)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server
        print(site._server.sockets[0].getsockname()[1], flush=True)  # type: ignore[attr-defined]  # noqa: T201
        await asyncio.Event().wait()

    asyncio.run(main())


def images() -> list[str]:
    """Return the first frames of a feed."""
    return [receive.instrument(), receive.frame("partial", receive.book_rows(500))]


def fast() -> list[str]:
    """Return the frames of a fast feed; each but the images says when it was sent."""
    rows = [
        receive.row("buy", 199_990 - number % 200, str(number + 1))
        for number in range(RATE * SECONDS)
    ]
    sent = f',"sent":{NOW}}}'
    return images() + [receive.frame("update", [row])[:-1] + sent for row in rows]


def recorded() -> list[str]:
    """Return the frames of the capture."""
    return receive.captured()[0]


class Server:
    """A feed in a process of its own: the frames that a function of this module returns."""

    def __init__(self, frames: Callable[[], list[str]], rate: float = 1e9) -> None:
        name = frames.__name__
        code = f"from tests.benchmarks.process import {name}, serve; serve({name}(), {rate})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE
        )
        assert self._process.stdout
        self.url = f"ws://127.0.0.1:{int(self._process.stdout.readline())}/ws"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def socket_feed() -> Iterator[Figure]:
    """Receive a fast feed over a real WebSocket: nothing lost, and how late."""
    lags: list[float] = []
    take = GTEWebsocket.take
    expected = fast()

    def noting(feed: GTEWebsocket, frame: dict[str, Any]) -> None:
        take(feed, frame)
        if "sent" in frame:
            lags.append(time.monotonic() - float(frame["sent"]))

    with patch.object(GTEWebsocket, "take", noting), Server(fast, RATE) as server:
        feed = receive.feed_of(server.url)
        used, begun = time.process_time(), time.monotonic()
        feed.start()
        until(lambda: len(lags) >= RATE * SECONDS, SECONDS + 15)
        used, took = time.process_time() - used, time.monotonic() - begun
        feed.exit()
    shown = dict(feed._tables.book.levels(Side.BUY, {}))
    last = [json.loads(each)["data"][0] for each in expected[-200:]]
    assert all(shown[Decimal(row["price"])] == Decimal(row["size"]) for row in last)
    yield Figure(
        what=f"feed of {RATE:,} messages/s for {SECONDS} s: lost",
        value=RATE * SECONDS - len(lags),
        unit="",
        most=0,
        note=f"in {took:.0f} s; the book at the end is right",
    )
    yield Figure(what="  its lag, p99", value=1e3 * percentile(lags, 0.99), unit="ms", most=50)
    yield Figure(what="  a core in use", value=100 * used / took, unit="%", most=40)


def real_feed() -> Iterator[Figure]:
    """Receive a real feed over a real WebSocket, and compare the book with a plain replay."""
    if not receive.CAPTURE.exists():
        yield Figure(what="real feed (the capture is not here)", value=0, unit="x", note="skipped")
        return
    frames, expected = receive.captured()
    taken = 0
    take = GTEWebsocket.take

    def counting(feed: GTEWebsocket, frame: dict[str, Any]) -> None:
        nonlocal taken
        take(feed, frame)
        taken += 1

    took = []
    with patch.object(GTEWebsocket, "take", counting), Server(recorded) as server:
        for _ in range(3):
            taken, begun = 0, time.monotonic()
            feed = receive.feed_of(server.url)
            feed.start()
            assert until(lambda: taken >= len(frames), 60)  # noqa: B023
            took.append(time.monotonic() - begun)
            feed.exit()
            for side in Side:
                assert dict(feed._tables.book.levels(side, {})) == expected[side]
    seconds = sorted(took)[1]
    yield Figure(
        what=f"real feed over a WebSocket, {len(frames):,} frames, / real time",
        value=receive.CAPTURED_SECONDS / seconds,
        unit="x",
        least=100,
        note=f"{seconds:.2f} s; the book is the replay's, "
        f"{sum(map(len, expected.values())):,} levels",
    )


# --- for weeks ------------------------------------------------------------------------------------


def stays() -> Iterator[Figure]:
    """Take ten million messages and a thousand connections; see what has grown."""
    feed = receive.feed_of("ws://localhost")
    feed._session.is_open = True
    feed.take(json.loads(receive.instrument()))
    feed.take(json.loads(receive.frame("partial", receive.book_rows(500))))
    frames = [receive.frame("update", [row]).encode() for row in wandering()]

    def play(count: int) -> None:
        for _ in range(count // len(frames)):
            for each in frames:
                feed.take(feed._session.parse(each))

    play(MESSAGES // 20)
    before = _memory()
    begun = time.monotonic()
    play(MESSAGES)
    took = time.monotonic() - begun
    yield Figure(
        what=f"memory after {MESSAGES:,} feed messages",
        value=_memory() - before,
        unit="MiB more",
        most=10,
        note=f"{MESSAGES / took:,.0f} messages/s",
    )
    with Server(images) as server, patch.object(back_off, "SPACING", (0.001,)):
        feed = receive.feed_of(server.url)
        feed.start()
        _connect(feed, CONNECTIONS // 20)
        before, threads, files = _memory(), threading.active_count(), _files()
        _connect(feed, CONNECTIONS)
        more = threading.active_count() - threads, _files() - files
        yield Figure(
            what=f"memory after {CONNECTIONS:,} connections",
            value=_memory() - before,
            unit="MiB more",
            most=10,
        )
        feed.exit()
    yield Figure(what="  threads", value=more[0], unit="more", most=0)
    yield Figure(what="  file descriptors", value=more[1], unit="more", most=0)


def wandering() -> Iterator[dict[str, str]]:
    """Yield rows of levels that come and go ever further down, and at last all go."""
    first, levels, wide = 190_000, 5_000, 300
    for number in range(levels + wide):
        if number < levels:
            yield receive.row("buy", first - number, str(number + 1))
        if number >= wide:
            yield receive.row("buy", first - number + wide, "0")


def _connect(feed: GTEWebsocket, times: int) -> None:
    """Let go of the connection so many times, each once its tables are there."""
    for _ in range(times):
        feed.wait_for_tables(feed.needed, 10)
        epoch = feed.epoch
        feed._session.abort()
        assert until(lambda: feed.epoch > epoch, 10)  # noqa: B023
    feed.wait_for_tables(feed.needed, 10)


def _memory() -> float:
    """Return the MiB that this process uses now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
