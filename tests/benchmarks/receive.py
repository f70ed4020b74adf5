"""The way in: one frame, a whole day's worth of them, and what a tick reads from the tables."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_maker.models import Side
from market_maker.ws.tables import Tables
from market_maker.ws.ws_thread import GTEWebsocket
from tests.benchmarks.table import Figure, seconds_of
from tests.world.world import World

AREA, SYMBOL, SYMBOL_ID = "BTC", "BTC_USD", 4
TIME = 1_577_836_805_000
DEPTHS = (50, 500, 5_000, 50_000)
FRAMES = 200
PLACE = {"instrument_type": "pc", "settle_currency": AREA, "symbol": SYMBOL}
CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "btcusd_perp_20240808.gz"
CAPTURED_SECONDS = 344


def row(side: str, ticks: int, size: str, tick: Decimal = Decimal("0.5")) -> dict[str, str]:
    """Return a row of the book as GTE sends it."""
    level_id = str(10**8 * SYMBOL_ID - ticks)
    return PLACE | {"id": level_id, "side": side, "price": str(ticks * tick), "size": size}


def frame(action: str, rows: list[dict[str, str]], time: int = TIME) -> str:
    """Return a frame of the book."""
    data = {"table": "order_book", "action": action, "data": rows, "time": str(time)}
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
            for known in self._rows:
                if known["id"] == each["id"] and known["side"] == each["side"]:
                    known.update(each)
                    break


def book_rows(depth: int) -> list[dict[str, str]]:
    """Return the rows of a book of so many levels around 100,000."""
    levels = range(1, depth // 2 + 1)
    bids = [row("buy", 200_000 - level, "100") for level in levels]
    return bids + [row("sell", 200_000 + level, "100") for level in levels]


def updates(depth: int, rows: int, chance: random.Random) -> list[str]:
    """Return frames, each with so many random levels that get a new size."""
    known = book_rows(depth)
    return [
        frame(
            "update",
            [chance.choice(known) | {"size": str(chance.randrange(1, 9_999))} for _ in range(rows)],
        )
        for _ in range(FRAMES)
    ]


def one_frame() -> Iterator[Figure]:
    """Measure a frame of the book against `json.loads` of it, at every depth."""
    chance = random.Random(5)
    for depth in DEPTHS:
        tables = Tables("pc", AREA, SYMBOL)
        tables.apply(json.loads(instrument()), TIME)
        tables.apply(json.loads(frame("partial", book_rows(depth))), TIME)
        for rows in (1, 25):
            texts = updates(depth, rows, chance)
            frames = [json.loads(text) for text in texts]
            parse = seconds_of(lambda texts=texts: [json.loads(text) for text in texts]) / FRAMES
            apply = _each(lambda each: tables.apply(each, TIME), frames)  # noqa: B023
            yield Figure(
                what=f"apply {rows} rows, {depth:,} levels, / json.loads",
                value=apply / parse,
                unit="x",
                most=2,
                note=f"{apply * 1e6:.1f} us / {parse * 1e6:.1f} us",
            )
            if (depth, rows) == (5_000, 25):
                linear = _each(Linear(book_rows(depth)).apply, frames[:20])
                yield Figure(
                    what="a table searched from the front, 5,000 levels, / ours",
                    value=linear / apply,
                    unit="x",
                    least=50,
                    note=f"{linear * 1e6:,.0f} us for 25 rows",
                )


def _each(apply: Callable[[dict[str, Any]], object], frames: list[dict[str, Any]]) -> float:
    return seconds_of(lambda: [apply(each) for each in frames]) / len(frames)


def reads() -> Iterator[Figure]:
    """Measure what a tick reads, with 60 orders of ours in the book."""
    world = World(ORDER_PAIRS=30, CHECK_POSITION_LIMITS=False)
    with world.installed():
        exchange = world.start().exchange
        world.run(20)
        assert len(exchange.own.live()) == 60
        for depth in (DEPTHS[0], DEPTHS[-1]):
            tables = exchange.feed._tables
            tables.apply(json.loads(frame("partial", book_rows(depth))), TIME)
            for what, act, most in (
                ("best bid and ask without our own", exchange.ticker, 50),
                ("the snapshot of a tick", exchange.snapshot, 300),
            ):
                took = seconds_of(act, 200)
                yield Figure(
                    what=f"{what}, {depth:,} levels", value=took * 1e6, unit="us", most=most
                )


def real_feed() -> Iterator[Figure]:
    """Play a real feed through the whole way in, and compare the book with a plain replay."""
    if not CAPTURE.exists():
        yield Figure(what="real feed (the capture is not here)", value=0, unit="x", note="skipped")
        return
    frames, expected = captured()
    feed = GTEWebsocket(
        "ws://localhost",
        instrument_type="pc",
        settle_currency=AREA,
        symbol=SYMBOL,
        now=lambda: TIME,
    )
    feed._connected = True
    took = seconds_of(lambda: [feed._take(each) for each in frames], rounds=3)
    for side in Side:
        assert dict(feed._tables.book.levels(side, {})) == expected[side]
    yield Figure(
        what=f"real feed, {len(frames):,} frames, / real time",
        value=CAPTURED_SECONDS / took,
        unit="x",
        least=100,
        note=f"{took:.2f} s; the book is the replay's, {sum(map(len, expected.values())):,} levels",
    )


def captured() -> tuple[list[bytes], dict[Side, dict[Decimal, Decimal]]]:
    """Return the capture as GTE frames, and the book at its end by a replay of its own."""
    books: dict[str, dict[str, str]] = {"buy": {}, "sell": {}}
    tick = Decimal("0.1")
    frames: list[bytes] = [instrument("0.1").encode()]
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
    frames.append(frame("partial", rows).encode())
    for update in later:
        if update["u"] < snapshot["lastUpdateId"]:
            continue
        rows = []
        for side, name in (("buy", "b"), ("sell", "a")):
            for price, size in update[name]:
                books[side].pop(price, None) if size == "0" else books[side].update({price: size})
                rows.append(row(side, int(Decimal(price) / tick), size, tick))
        frames.append(frame("update", rows).encode())
    expected = {
        side: {Decimal(price): Decimal(size) for price, size in books[word].items()}
        for side, word in ((Side.BUY, "buy"), (Side.SELL, "sell"))
    }
    return frames, expected
