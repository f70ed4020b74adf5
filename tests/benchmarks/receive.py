"""The way in: one frame of the book, and what a tick reads from the tables."""

import gzip
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any

from market_maker.account import Account
from market_maker.models import OpenOrder, Side
from market_maker.ws.ws_thread import GTEWebsocket
from tests.benchmarks.table import Figure, seconds_of
from tests.world.world import World

AREA, SYMBOL, SYMBOL_ID = "BTC", "BTC_USD", 4
TIME = 1_577_836_805_000
DEPTHS = (50, 500, 5_000)
DEEP = DEPTHS[-1]
FRAMES = 200
PLACE = {"instrument_type": "pc", "settle_currency": AREA, "symbol": SYMBOL}
CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "btcusd_perp_20240808.gz"
CAPTURED_SECONDS = 344


def row(side: str, ticks: int, size: str, tick: Decimal = Decimal("0.5")) -> dict[str, str]:
    """Return a row of the book as GTE sends it."""
    level_id = str(10**8 * SYMBOL_ID - ticks)
    return PLACE | {"id": level_id, "side": side, "price": str(ticks * tick), "size": size}


def feed_of(url: str) -> GTEWebsocket:
    """Return a feed without a key."""
    account = Account(base_url="", ws_url=url, settle_currency=AREA, symbol=SYMBOL)
    return GTEWebsocket(account, now=lambda: TIME, wake=SimpleQueue())


def frame(action: str, rows: list[dict[str, str]]) -> str:
    """Return a frame of the book."""
    data = {"table": "order_book", "action": action, "data": rows, "time": str(TIME)}
    return json.dumps(data, separators=(",", ":"))


def instrument(tick: str = "0.5") -> str:
    """Return the first image of the instrument."""
    known = PLACE | {"tick_size": tick, "symbol_id": str(SYMBOL_ID), "lot_size": "1"}
    known |= dict.fromkeys(("last_price", "mark_price", "index_price"), "100000")
    return json.dumps({"table": "instrument", "action": "partial", "data": [known]})


class Linear:
    """A list of rows that is searched from the front: how the bots before this one keep a book."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self._rows = [dict(each) for each in rows]

    def apply(self, changed: dict[str, Any]) -> None:
        """Apply an update."""
        for each in changed["data"]:
            for place, known in enumerate(self._rows):
                if known["id"] == each["id"] and known["side"] == each["side"]:
                    if each["size"] == "0":
                        del self._rows[place]
                    else:
                        known.update(each)
                    break
            else:
                if each["size"] != "0":
                    self._rows.append(each)


def book_rows(depth: int) -> list[dict[str, str]]:
    """Return the rows of a book of so many levels around 100,000."""
    levels = range(1, depth // 2 + 1)
    bids = [row("buy", 200_000 - level, "100") for level in levels]
    return bids + [row("sell", 200_000 + level, "100") for level in levels]


def updates(depth: int, rows: int, chance: random.Random) -> list[str]:
    """Return frames, each with so many random levels; one in ten goes, and may come again."""
    known = book_rows(depth)

    def changed() -> dict[str, str]:
        size = chance.randrange(1, 5_000) if chance.random() < 0.9 else 0
        return chance.choice(known) | {"size": str(size)}

    return [frame("update", [changed() for _ in range(rows)]) for _ in range(FRAMES)]


def one_frame() -> Iterator[Figure]:
    """Measure a frame of the book against `json.loads` of it, at every depth."""
    chance = random.Random(5)
    took: dict[tuple[int, int], float] = {}
    for depth in DEPTHS:
        feed = feed_of("ws://localhost")
        feed._session.is_open = True
        for first in (instrument(), frame("partial", book_rows(depth))):
            feed.take(json.loads(first))
        for rows in (1, 25):
            texts = updates(depth, rows, chance)
            frames = [json.loads(text) for text in texts]
            parse, apply = _parse_and_apply(texts, feed)
            took[depth, rows] = apply
            yield Figure(
                what=f"apply {rows} rows, {depth:,} levels, / json.loads",
                value=apply / parse,
                unit="x",
                most=2,
                note=f"{apply * 1e6:.1f} us / {parse * 1e6:.1f} us",
            )
            if depth == DEEP:
                whole = _each(
                    lambda data: feed.take(feed._session.parse(data)),  # noqa: B023
                    [text.encode() for text in texts],
                )
                yield Figure(
                    what="  with decoding, parsing and checking it, / json.loads",
                    value=whole / parse,
                    unit="x",
                    note=f"{whole * 1e6:.1f} us",
                )
            if (depth, rows) == (DEEP, 25):
                linear = _each(Linear(book_rows(depth)).apply, frames[:20])
                yield Figure(
                    what=f"a table searched from the front, {DEEP:,} levels, / ours",
                    value=linear / apply,
                    unit="x",
                    least=50,
                    note=f"{linear * 1e6:,.0f} us for 25 rows",
                )
    yield Figure(
        what=f"apply 25 rows, {DEEP:,} levels, / 50 levels",
        value=took[DEEP, 25] / took[DEPTHS[0], 25],
        unit="x",
        note="a hundred times as deep; not measured beyond: a real feed has 2,233 levels",
    )


def _parse_and_apply(texts: list[str], feed: GTEWebsocket) -> tuple[float, float]:
    """Return the seconds to parse a frame, and those to apply it as soon as it has been parsed."""
    take, parsed, applied = feed._tables.apply, [], []
    for _ in range(9):
        begun = time.perf_counter()
        for text in texts:
            json.loads(text)
        half = time.perf_counter()
        for text in texts:
            take(json.loads(text), TIME)
        parsed.append(half - begun)
        applied.append(time.perf_counter() - half - parsed[-1])
    return median(parsed) / len(texts), median(applied) / len(texts)


def _each(act: Callable[[Any], object], values: Sequence[Any]) -> float:
    return seconds_of(lambda: [act(each) for each in values]) / len(values)


def reads() -> Iterator[Figure]:
    """Measure what a tick reads, with 60 orders of ours in the book, and the first of it."""
    world = World(ORDER_PAIRS=30, CHECK_POSITION_LIMITS=False)
    took: dict[str, list[float]] = {}
    with world.installed():
        bot = world.start()
        world.run(20)
        exchange = bot.exchange
        own, feed = exchange.orders.tracker.live(), exchange.feed
        assert len(own) == 60
        for depth in (DEPTHS[0], DEEP):
            feed._tables.apply(json.loads(frame("partial", around(own, depth))), TIME)
            ticker = exchange.snapshot().ticker
            assert ticker.bid is not None
            assert ticker.bid < max(order.price for order in own if order.side is Side.BUY)
            for what, act, most in (
                (
                    "best bid and ask without our own",
                    lambda: feed.get_ticker(exchange.orders.own_quantity()),
                    50,
                ),
                ("the snapshot of a tick", exchange.snapshot, 300),
            ):
                seconds = seconds_of(act, 200)
                took.setdefault(what, []).append(seconds)
                yield Figure(
                    what=f"{what}, {depth:,} levels", value=seconds * 1e6, unit="us", most=most
                )
        for what, (shallow, deep) in took.items():
            yield Figure(what=f"{what}, {DEEP:,} levels / 50", value=deep / shallow, unit="x")
        bot.place_orders()
        yield Figure(
            what="a whole tick, 60 orders that stand as wanted",
            value=seconds_of(bot.tick, 20) * 1e3,
            unit="ms",
        )


def around(own: Sequence[OpenOrder], depth: int) -> list[dict[str, str]]:
    """Return the rows of a book in which our orders are the first, and the others' half as far."""
    rows = []
    for side, word in ((Side.BUY, "buy"), (Side.SELL, "sell")):
        ours = {int(order.price * 2): str(order.qty) for order in own if order.side is side}
        first = max(ours) if side is Side.BUY else min(ours)
        count = min(depth // 2, first - 1) if side is Side.BUY else depth - len(rows)
        for ticks in (first - side.sign * n for n in range(count)):
            if ticks == first or ticks not in ours:
                rows.append(row(word, ticks, ours.get(ticks, "100")))
            else:
                rows.append(row(word, ticks, str(int(ours[ticks]) + 100)))
    return rows


def captured() -> tuple[list[str], dict[Side, dict[Decimal, Decimal]]]:
    """Return the capture as GTE frames, and the book at its end by a replay of its own."""
    books: dict[str, dict[str, str]] = {"buy": {}, "sell": {}}
    tick = Decimal("0.1")
    frames = [instrument("0.1")]
    later: list[dict[str, Any]] = []
    snapshot: dict[str, Any] = {}
    with gzip.open(CAPTURE, "rt") as file:
        for line in file:
            message = json.loads(line.partition(" ")[2])
            if "lastUpdateId" in message:
                snapshot = message
            elif message["data"]["e"] == "depthUpdate":
                later.append(message["data"])
    rows = []
    for side, name in (("buy", "bids"), ("sell", "asks")):
        books[side] = dict(snapshot[name])
        rows += [row(side, int(Decimal(p) / tick), size, tick) for p, size in snapshot[name]]
    frames.append(frame("partial", rows))
    for update in later:
        if update["u"] < snapshot["lastUpdateId"]:
            continue
        rows = []
        for side, name in (("buy", "b"), ("sell", "a")):
            for price, size in update[name]:
                books[side].pop(price, None) if size == "0" else books[side].update({price: size})
                rows.append(row(side, int(Decimal(price) / tick), size, tick))
        frames.append(frame("update", rows))
    expected = {
        side: {Decimal(price): Decimal(size) for price, size in books[word].items()}
        for side, word in ((Side.BUY, "buy"), (Side.SELL, "sell"))
    }
    return frames, expected
