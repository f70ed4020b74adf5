"""Print what the paper exchange can carry: `python tests/benchmarks/paper.py`.

The venue runs in a process of its own; the load comes from this one, as a bot's would.
"""
# ruff: noqa: T201

import asyncio
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from paper_client import headers  # noqa: E402

from market_maker.clock import SYSTEM  # noqa: E402
from market_maker.paper.exchange.engine import Book, Order, Side  # noqa: E402
from market_maker.paper.exchange.quirks import Quirks  # noqa: E402
from market_maker.paper.server.in_process import PaperExchange  # noqa: E402

EVENTS = 1_000_000
SECONDS = 5.0
CONNECTIONS = 16
ORDER = {"asset": "BTC", "symbol": "BTC_USD", "close_flag": "0", "order_type": "1", "qty": "1"}


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def engine() -> None:
    """Place and cancel orders, two in five of which are cancels."""
    chance = random.Random(1)
    book, placed = Book(), []
    sides = list(Side)
    before = 0.0
    began = time.perf_counter()
    for number in range(EVENTS):
        if placed and chance.random() < 0.4:
            placed.pop(chance.randrange(len(placed)))()
        else:
            side, price = chance.choice(sides), chance.randrange(16_900, 17_100)
            order = Order(number, "x", side, price, chance.randrange(1, 100))
            book.place(order)
            placed.append(lambda order=order: order.left and book.cancel(order.order_id))
        if len(placed) > 1000:
            placed.pop(0)()
        book.drain()
        if number == EVENTS // 2:
            before = megabytes()
    rate = EVENTS / (time.perf_counter() - began)
    print(f"engine     {rate:10,.0f} order events/s, {EVENTS:,} of them; ", end="")
    print(f"memory grew by {megabytes() - before:.1f} MiB in the second half")


async def rest(url: str, key: str, secret: str) -> None:
    """Ask for orders, and place and cancel them, over kept connections."""
    counts = {"query": 0, "create and cancel": 0}

    async def call(
        http: aiohttp.ClientSession, method: str, path: str, params: dict[str, str]
    ) -> dict:
        signed = headers(key, secret, params, SYSTEM.now_ms() + 5000)
        async with http.request(
            method, f"{url}/v1/api/pc/order/{path}", params=params, headers=signed
        ) as reply:
            content: dict = await reply.json()
            assert content["code"] == 0, content
            return content["data"]

    async def ask(http: aiohttp.ClientSession, until: float) -> None:
        while time.perf_counter() < until:
            await call(
                http, "GET", "query", {"asset": "BTC", "count": "10", "filter": '{"status":["2"]}'}
            )
            counts["query"] += 1

    async def trade(http: aiohttp.ClientSession, until: float) -> None:
        while time.perf_counter() < until:
            data = await call(http, "POST", "create", {**ORDER, "side": "1", "price": "8400"})
            gone = {"asset": "BTC", "symbol": "BTC_USD", "order_id": data["order_id"]}
            await call(http, "POST", "cancel", gone)
            counts["create and cancel"] += 2

    async with aiohttp.ClientSession() as http:
        for what, client in (("query", ask), ("create and cancel", trade)):
            began = time.perf_counter()
            await asyncio.gather(*(client(http, began + SECONDS) for _ in range(CONNECTIONS)))
            rate = counts[what] / (time.perf_counter() - began)
            print(f"REST       {rate:10,.0f} requests/s ({what})")


async def websocket(url: str) -> None:
    """Count the frames that one client gets while the venue pushes as fast as it can."""
    tables = ("order_book", "trade", "instrument")
    place = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        for table in tables:
            await socket.send_json({"op": "sub", "args": {**place, "table": table}})
        count, size = 0, 0
        began = time.perf_counter()
        while time.perf_counter() < began + SECONDS:
            message = await socket.receive()
            count, size = count + 1, size + len(message.data)
        rate = count / (time.perf_counter() - began)
        print(
            f"WebSocket  {rate:10,.0f} messages/s pushed to one client, {size // count} bytes each"
        )


def venue() -> None:
    """Serve, tell where, and trade as fast as possible once the first line has been read."""
    quirks = Quirks(rate_limits=False, oid_unique="none")
    with PaperExchange(crowd=False, book=True, quirks=quirks) as exchange:
        exchange.put("sell", "8497.5", 9_000_000)
        print(exchange.rest_url, exchange.ws_url, exchange.key, exchange.secret, flush=True)
        sys.stdin.readline()
        while True:
            exchange.take("buy", "8497.5", 1)


def main() -> None:
    engine()
    command = [sys.executable, __file__, "venue"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        rest_url, ws_url, key, secret = child.stdout.readline().split()
        asyncio.run(rest(rest_url, key, secret))
        child.stdin.write("\n")
        child.stdin.flush()
        asyncio.run(websocket(ws_url))
        child.kill()


if __name__ == "__main__":
    venue() if sys.argv[1:] == ["venue"] else main()
