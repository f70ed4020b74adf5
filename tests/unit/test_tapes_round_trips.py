"""A made-up market is written in each format and read back: the same records must come out."""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from market_maker.decimals import plain
from market_maker.tapes import (
    Gap,
    Image,
    Level,
    Market,
    Options,
    Record,
    Side,
    TapeError,
    Trades,
    Update,
    examine,
    info,
    open_tape,
    write,
)

NS, US, MS = 1, 1_000, 1_000_000
BEGAN = 1_700_000_000 * 10**9
MARKET = Market("XBTUSD", "pc", "BTC", "BTC_USD", Decimal("0.5"), Decimal(1), Decimal(1), "")
Files = dict[str, str]


def made_up(seed: int = 1, moments: int = 400) -> list[Record]:
    """Return a market of a random walk: an image, updates within a book never crossed, trades."""
    chance, time, mid = random.Random(seed), BEGAN, 120_000
    book: dict[tuple[Side, int], int] = {}

    def levels(size: int) -> list[Level]:
        made: dict[tuple[Side, int], int] = {key: 0 for key in book if is_passed(*key)}
        for _ in range(size):
            side = chance.choice([*Side])
            price = mid - side.sign * chance.randint(1, 30)
            made[side, price] = chance.choice([0, chance.randint(1, 5000)])
        made = {key: size for key, size in made.items() if size or key in book}
        book.update(made)
        for key in [key for key, size in book.items() if not size]:
            del book[key]
        found = [Level(*key, size) for key, size in made.items()]
        return sorted(found, key=lambda level: level.side is Side.SELL)  # as feeds list them

    def is_passed(side: Side, price: int) -> bool:
        return (price - mid) * side.sign >= 0

    records: list[Record] = [Image(time, time + 3 * MS, [each for each in levels(60) if each.size])]
    for _ in range(moments):
        time += chance.randrange(1, 40 * MS)
        received = time + chance.randrange(2 * MS, 9 * MS)
        if chance.random() < 0.2:
            side = chance.choice([*Side])
            trade = Level(side, mid + side.sign, chance.randint(1, 900))
            records.append(Trades(time, received, [trade]))
            continue
        mid += chance.choice([-1, 0, 0, 1])
        records.append(Update(time, received, levels(chance.randint(1, 6))))
    return [each for each in records if isinstance(each, Gap) or each.levels]


# --- the formats ----------------------------------------------------------------------------------


def price(level: Level) -> str:
    return plain(level.price * MARKET.tick)


def iso(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{time_ns % 10**9 // MS:03}Z"


def pairs(levels: Iterable[Level], side: Side) -> list[list[str]]:
    return [[price(level), str(level.size)] for level in levels if level.side is side]


def to_collector(records: list[Record]) -> Files:
    lines = []
    for number, record in enumerate(records, 100):
        assert not isinstance(record, Gap)
        bids, asks = pairs(record.levels, Side.BUY), pairs(record.levels, Side.SELL)
        data: dict[str, object] = {"s": "XBTUSD", "T": record.time_ns // MS}
        if isinstance(record, Image):
            data |= {"lastUpdateId": number, "bids": bids, "asks": asks}
        elif isinstance(record, Update):
            before = max(n for n in range(99, number) if not is_trade(records, n - 100))
            data |= {"e": "depthUpdate", "U": number, "u": number, "pu": before}
            data |= {"b": bids, "a": asks}
        else:
            (trade,) = record.levels
            data |= {"e": "trade", "p": price(trade), "q": str(trade.size)}
            data |= {"m": trade.side is Side.SELL}
        lines.append(f"{record.received_ns} {json.dumps({'stream': 'x', 'data': data})}\n")
    return {"collector": "".join(lines)}


def is_trade(records: list[Record], place: int) -> bool:
    return place >= 0 and isinstance(records[place], Trades)


def in_parts(records: list[Record]) -> Iterator[tuple[str, Record]]:
    """Yield (action, record) as tables do: deletes, updates, inserts are frames of their own."""
    known: set[tuple[Side, int]] = set()
    for record in records:
        if not isinstance(record, Update):
            known |= {level[:2] for level in record.levels} if isinstance(record, Image) else set()
            yield "partial", record
            continue
        for action, part in (
            ("delete", [level for level in record.levels if not level.size]),
            ("update", [each for each in record.levels if each.size and each[:2] in known]),
            ("insert", [each for each in record.levels if each.size and each[:2] not in known]),
        ):
            known ^= {level[:2] for level in part} if action != "update" else set()
            if part:
                yield action, record._replace(levels=part)


def to_gte(records: list[Record]) -> Files:
    where = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
    lines = []
    for action, record in in_parts(records):
        assert not isinstance(record, Gap)
        is_trades, rows = isinstance(record, Trades), []
        for level in record.levels:
            size = {"qty" if is_trades else "size": str(level.size)}
            number = {"id": str(4 * 10**8 - level.price)}
            rows.append({**where, **number, "side": level.side.value.lower(), **size})
            if action != "update":
                rows[-1]["price"] = price(level)
        frame: dict[str, object] = {"table": "trade" if is_trades else "order_book", "data": rows}
        frame |= {} if is_trades else {"action": action}
        frame["time"] = str(record.time_ns // MS)
        lines.append(f"{record.received_ns} {json.dumps(frame)}\n")
    return {"frames": "".join(lines)}


def to_bitmex(records: list[Record]) -> Files:
    lines = []
    for action, record in in_parts(records):
        assert not isinstance(record, Gap)
        is_trades, rows = isinstance(record, Trades), []
        for level in record.levels:
            row = {"symbol": "XBTUSD", "side": level.side.value, "timestamp": iso(record.time_ns)}
            figures: dict[str, object] = {
                "size": level.size,
                "price": float(price(level)),
                "id": level.price,
            }
            shown = {"delete": ("id",), "update": ("id", "size")}.get(action, (*figures,))
            rows.append({**row, **{name: figures[name] for name in shown}})
            if is_trades:
                rows[-1] |= {"trdMatchID": "x"}
        frame = {"table": "trade" if is_trades else "orderBookL2", "data": rows}
        frame["action"] = "insert" if is_trades else action
        lines.append(f"{record.received_ns} {json.dumps(frame)}\n")
    return {"frames": "".join(lines)}


def to_bybit(records: list[Record]) -> Files:
    lines, rows, number = [], ["timestamp,symbol,side,size,price,tickDirection\n"], 10
    for record in records:
        assert not isinstance(record, Gap)
        if isinstance(record, Trades):
            (trade,) = record.levels
            stamp = f"{record.time_ns // 10**9}.{record.time_ns % 10**9 // (MS // 10):04}"
            side = trade.side.value
            rows.append(f"{stamp},BTCUSD,{side},{trade.size},{price(trade)},ZeroMinusTick\n")
            continue
        data: dict[str, object] = {"s": "BTCUSD", "u": number, "seq": 7 * number}
        data |= {"b": pairs(record.levels, Side.BUY), "a": pairs(record.levels, Side.SELL)}
        kind = "snapshot" if isinstance(record, Image) else "delta"
        frame: dict[str, object] = {"topic": "orderbook.200.BTCUSD", "type": kind, "data": data}
        frame |= {"ts": record.time_ns // MS + 2, "cts": record.time_ns // MS}
        lines.append(json.dumps(frame) + "\n")
        number += 1
    return {"book": "".join(lines), "trades": "".join(rows)}


def to_tardis(records: list[Record]) -> Files:
    head = "exchange,symbol,timestamp,local_timestamp"
    books = [f"{head},is_snapshot,side,price,amount\n"]
    trades = [f"{head},id,side,price,amount\n"]
    for record in records:
        assert not isinstance(record, Gap)
        assert record.received_ns is not None
        begin = f"bitmex,XBTUSD,{record.time_ns // US},{record.received_ns // US}"
        for level in record.levels:
            if isinstance(record, Trades):
                word = level.side.value.lower()
                trades.append(f"{begin},x,{word},{price(level)},{level.size}\n")
            else:
                word = "bid" if level.side is Side.BUY else "ask"
                is_first = str(isinstance(record, Image)).lower()
                books.append(f"{begin},{is_first},{word},{price(level)},{level.size}\n")
    return {"book.csv": "".join(books), "trades.csv": "".join(trades)}


def to_bitmex_csv(records: list[Record]) -> Files:
    quotes = ["timestamp,symbol,bidSize,bidPrice,askPrice,askSize\n"]
    trades = ["timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,a,b\n"]
    for record in records:
        assert not isinstance(record, Gap)
        begin = f"{iso(record.time_ns).replace('T', 'D')[:-1]}000000,XBTUSD"
        if isinstance(record, Trades):
            (trade,) = record.levels
            side = trade.side.value
            trades.append(f"{begin},{side},{trade.size},{price(trade)},PlusTick,x,1,1,1\n")
        else:
            bid, ask = record.levels
            quotes.append(f"{begin},{bid.size},{price(bid)},{price(ask)},{ask.size}\n")
    return {"quote.csv": "".join(quotes), "trade.csv": "".join(trades)}


def best_levels(records: list[Record]) -> list[Record]:
    """Return the market as quotes show it: an image of the best level a side."""
    book: dict[tuple[Side, int], int] = {}
    found: list[Record] = []
    for record in records:
        if isinstance(record, Gap | Trades):
            found.append(record)
            continue
        for level in record.levels:
            book[level[:2]] = level.size
        best = []
        for side in Side:
            prices = [price for (its, price), size in book.items() if its is side and size]
            at = max(prices) if side is Side.BUY else min(prices)
            best.append(Level(side, at, book[side, at]))
        found.append(Image(record.time_ns, record.received_ns, best))
    return found


# --- what must come out ---------------------------------------------------------------------------


class Case(NamedTuple):
    """A format: how it is written, the units of its times, and what of the market it shows."""

    write: Callable[[list[Record]], Files]
    book_unit: int
    trade_unit: int
    received_unit: int | None  # None: one clock only
    market: Market = MARKET
    shown: Callable[[list[Record]], list[Record]] = list
    options: Options = Options()


def parts(records: list[Record]) -> list[Record]:
    return [record for _, record in in_parts(records)]


KNOWN_AS = Options(symbol="XBTUSD=BTC/BTC_USD", tick=MARKET.tick, face=MARKET.face)
CASES = {
    "collector": Case(to_collector, MS, MS, NS, options=KNOWN_AS),
    "gte": Case(to_gte, MS, MS, NS, shown=parts),
    "bitmex": Case(to_bitmex, MS, MS, NS, shown=parts),
    "bybit": Case(to_bybit, MS, MS // 10, None),
    "tardis": Case(to_tardis, US, US, US),
    "bitmex-csv": Case(to_bitmex_csv, MS, MS, None, shown=best_levels),
}
formats = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def cut(record: Record, case: Case) -> Record:
    """Return a record as the units of a format keep it."""
    if isinstance(record, Gap):
        return record
    unit = case.trade_unit if isinstance(record, Trades) else case.book_unit
    received = record.received_ns
    if received is not None:
        received = case.received_unit and received // case.received_unit * case.received_unit
    return record._replace(time_ns=record.time_ns // unit * unit, received_ns=received)


def expected_of(records: list[Record], case: Case) -> list[tuple[str, Record]]:
    found = [cut(record, case) for record in case.shown(records)]
    found.sort(key=lambda record: (record.time_ns, not isinstance(record, Trades)))
    return typed(found)


def typed(records: Iterable[Record]) -> list[tuple[str, Record]]:
    return [(type(record).__name__, record) for record in records]


def written(folder: Path, case: Case, records: list[Record]) -> list[Path]:
    shown = best_levels(records) if case.shown is best_levels else records
    paths = []
    for name, text in case.write(shown).items():
        paths.append(folder / name)
        paths[-1].write_text(text)
    return paths


@formats
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_format_says_is_what_was_written(tmp_path: Path, case: Case, seed: int) -> None:
    records = made_up(seed)
    tape = open_tape(written(tmp_path, case, records), about=case.options)
    assert (tape.market.place, tape.market.grid) == (MARKET.place, MARKET.grid)
    assert tape.has_two_clocks is (case.received_unit is not None)
    assert tape.is_level_1 is (case.shown is best_levels)
    assert typed(tape.records()) == expected_of(records, case)
    assert typed(tape.records()) == expected_of(records, case)  # it is read anew each time


@formats
def test_totals_of_both_sides_are_the_sources_and_the_book_is_never_crossed(
    tmp_path: Path, case: Case
) -> None:
    records = made_up()
    facts = examine(open_tape(written(tmp_path, case, records), about=case.options))
    trades = [each for record in records if isinstance(record, Trades) for each in record.levels]
    for side in Side:
        assert facts.traded[side] == sum(each.size for each in trades if each.side is side)
    if case.shown is not best_levels:
        changed = [each.levels for each in records if isinstance(each, Image | Update)]
        sides = [level.side for levels in changed for level in levels]
        assert [facts.changes[side] for side in Side] == [sides.count(side) for side in Side]
    assert (facts.crossed, facts.gaps) == (0, [])


def test_crossed_books_are_counted_until_they_are_sound_again(tmp_path: Path) -> None:
    records = made_up(moments=50)
    last = records[-1].time_ns
    bid, ask, far = (
        Level(Side.BUY, 119_000, 9),
        Level(Side.SELL, 118_990, 9),
        Level(Side.SELL, 119_001, 9),
    )
    records += [
        Image(last + MS, last + MS, [bid, ask]),
        Update(last + 2 * MS, last + 2 * MS, [far]),
        Update(last + 3 * MS, last + 3 * MS, [ask._replace(size=0)]),
    ]
    tape = open_tape(written(tmp_path, CASES["bybit"], records))
    assert examine(tape).crossed == 2
    assert "crossed     2 books" in info(tape)


@pytest.mark.sampled
@formats
@pytest.mark.parametrize("suffix", [".tape", ".tape.gz", ".npz"])
def test_a_tape_of_any_format_is_written_as_our_own_and_as_npz(
    tmp_path: Path, case: Case, suffix: str
) -> None:
    tape = open_tape(written(tmp_path, case, made_up()), about=case.options)
    out = tmp_path / f"out{suffix}"
    records = typed(tape.records())
    if suffix == ".npz" and tape.is_level_1:
        with pytest.raises(TapeError, match="best prices"):
            write(tape, out)
        return
    assert write(tape, out) == len(records)
    about = Options(symbol="BTC/BTC_USD") if suffix == ".npz" else Options()
    copy = open_tape(out, about=about)
    if suffix == ".npz" and not tape.has_two_clocks:  # it has no other way to say so
        records = [
            (name, record._replace(received_ns=record.time_ns))
            for name, record in records
            if not isinstance(record, Gap)
        ]
    found = typed(copy.records())
    if suffix == ".npz" and found != records:  # events of the same times are one message
        found, records = merged(found), merged(records)
    assert found == records
    assert copy.market.grid == MARKET.grid
    assert not [*tmp_path.glob("*.part")]


def merged(records: Iterable[tuple[str, Record]]) -> list[tuple[str, Record]]:
    """Return records with those of the same kind and times joined: npz cannot tell them apart."""
    found: list[tuple[str, Record]] = []
    for name, record in records:
        assert not isinstance(record, Gap)
        before = found[-1][1] if found and found[-1][0] == name else None
        if before and before[:2] == record[:2] and not isinstance(before, Gap):
            found[-1] = name, before._replace(levels=before.levels + record.levels)
        else:
            found.append((name, record))
    return found


@pytest.mark.parametrize("name", ["collector", "bybit"])
def test_jumps_of_update_numbers_are_gaps_with_their_times(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    paths = written(tmp_path, case, made_up())
    lines = paths[0].read_text().splitlines(keepends=True)
    places = [n for n, line in enumerate(lines) if "depthUpdate" in line or "delta" in line]
    paths[0].write_text("".join(lines[: places[50]] + lines[places[53] :]))
    tape = open_tape(paths, about=case.options)
    (gap,) = examine(tape).gaps
    after = next(b for a, b in pairwise(tape.records()) if isinstance(a, Gap))
    assert gap.time_ns == after.time_ns
    assert "the updates after" in info(tape)


def test_a_tape_keeps_the_gaps_of_its_source(tmp_path: Path) -> None:
    (path,) = written(tmp_path, CASES["collector"], made_up(moments=5))
    (later,) = to_collector(made_up(moments=5)[:1]).values()
    later = later.replace('"lastUpdateId": 100', '"e": "depthUpdate", "pu": 900, "u": 901')
    with path.open("a") as file:
        file.write(later.replace('"bids"', '"b"').replace('"asks"', '"a"'))
    tape = open_tape(path, about=KNOWN_AS)
    out = tmp_path / "out.tape.gz"
    write(tape, out)
    for each in (tape, open_tape(out)):
        (gap,) = [record for record in each.records() if isinstance(record, Gap)]
        assert gap.what == "the updates after 104 up to 900 are missing"
        assert not gap.is_clock
