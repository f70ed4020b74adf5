"""Tapes: each format by a file made by hand, and what is said of files that cannot be read."""

import gzip
import json
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from market_maker.models import Side
from market_maker.tapes import (
    Gap,
    Image,
    Level,
    MadeTape,
    Options,
    Record,
    Tape,
    TapeError,
    Trades,
    UnknownMarket,
    Update,
    info,
    open_tape,
    write,
    write_records,
)

BUY, SELL = Side.BUY, Side.SELL
MS, S = 10**6, 10**9
AT = 1_700_000_000 * S
Open = Callable[..., Tape]


@pytest.fixture
def tape_of(tmp_path: Path) -> Open:
    """Return a function that opens files of these contents."""

    def opened(*contents: str | bytes, format: str = "", **about: object) -> Tape:
        paths = []
        for number, content in enumerate(contents):
            paths.append(tmp_path / f"tape{number}")
            data = content.encode() if isinstance(content, str) else content
            paths[-1].write_bytes(data)
        return open_tape(paths, format=format, about=Options(**about))  # type: ignore[arg-type]

    return opened


def kinds(tape: Tape) -> list[tuple[str, Record]]:
    return [(type(record).__name__, record) for record in tape.records()]


# --- each format, by hand -------------------------------------------------------------------------

COLLECTOR = """\
1700000000000500000 {"stream":"x@bookTicker","data":{"e":"bookTicker","b":"60000.0","B":"1"}}
1700000000001000000 {"data":{"e":"depthUpdate","E":1700000000000,"T":1699999999999,\
"s":"BTCUSD_PERP","U":5,"u":9,"pu":4,"b":[["60000.0","1"]],"a":[]}}
1700000000002000000 {"data":{"e":"depthUpdate","T":1700000000001,\
"s":"BTCUSD_PERP","U":10,"u":12,"pu":9,"b":[["59999.9","7"]],"a":[]}}
1700000000003000000 {"lastUpdateId":10,"E":1700000000001,"T":1700000000000,"symbol":"BTCUSD_PERP",\
"bids":[["60000.0","3"],["59999.8","4"]],"asks":[["60000.1","5"]]}
1700000000004000000 {"data":{"e":"trade","T":1700000000003,"s":"BTCUSD_PERP",\
"p":"60000.1","q":"2","m":false}}
1700000000004500000 {"data":{"e":"depthUpdate","T":1700000000002,"s":"BTCUSD_PERP",\
"U":13,"u":14,"pu":12,"b":[],"a":[["60000.1","3"],["60000.2","9"]]}}
1700000000005000000 {"data":{"e":"trade","T":1700000000002,"s":"BTCUSD_PERP",\
"p":"60000.0","q":"1","m":true}}
1700000000006000000 {"data":{"e":"trade","T":1700000000002,"s":"ETHUSD_PERP",\
"p":"3000.01","q":"1","m":true}}
1700000000009000000 {"data":{"e":"depthUpdate","T":1700000000008,"s":"BTCUSD_PERP",\
"U":20,"u":21,"pu":19,"b":[["60000.0","0"]],"a":[]}}
"""


def test_lines_of_a_collector(tape_of: Open) -> None:
    """Trades come before depth of the same time, and both clocks are kept."""
    tape = tape_of(COLLECTOR)
    assert (tape.unit, tape.has_two_clocks, tape.has_image) == ("ns", True, True)
    assert tape.market.grid == (Decimal("0.1"), Decimal(1), Decimal(100))
    book = [Level(BUY, 600_000, 3), Level(BUY, 599_998, 4), Level(SELL, 600_001, 5)]
    asks = [Level(SELL, 600_001, 3), Level(SELL, 600_002, 9)]
    assert kinds(tape) == [
        ("Image", Image(AT, AT + 3 * MS, book)),
        ("Update", Update(AT + 1 * MS, AT + 2 * MS, [Level(BUY, 599_999, 7)])),
        ("Trades", Trades(AT + 2 * MS, AT + 5 * MS, [Level(SELL, 600_000, 1)])),
        ("Update", Update(AT + 2 * MS, AT + 4 * MS + 500_000, asks)),
        ("Trades", Trades(AT + 3 * MS, AT + 4 * MS, [Level(BUY, 600_001, 2)])),
        ("Gap", Gap(AT + 8 * MS, "the updates after 14 up to 19 are missing")),
        ("Update", Update(AT + 8 * MS, AT + 9 * MS, [Level(BUY, 600_000, 0)])),
    ]


OWN = """\
{"tape": {"name": "X", "kind": "pc", "area": "ETH", "symbol": "ETH_USD", "tick": "0.25",\
 "lot": "1", "face": "10"}}
1700000000000000100 {"table":"order_book","action":"partial","data":[\
{"side":"buy","price":"2000.25","size":"3"},{"side":"sell","price":"2000.5","size":"4"}],\
"time":"1700000000000000001"}
{"clock": {"wall_ns": 1700000000000000200, "steady_ns": 5}}
1700000000000000300 {"table":"trade","data":[{"side":"sell","price":"2000.25","qty":"1"}],\
"time":"1700000000000000002"}
{"gap":"the feed was lost","time":"1700000000000000003"}
{"table":"order_book","action":"update","data":[{"side":"buy","price":"2000.25","size":"0"}],\
"time":"1700000000000000004"}
"""


def test_a_tape_of_our_own_says_what_it_is_about(tape_of: Open) -> None:
    tape = tape_of(OWN)
    assert tape.market.place == "pc/ETH/ETH_USD"
    assert tape.market.grid == (Decimal("0.25"), Decimal(1), Decimal(10))
    assert tape.market.known_from == "from the tape's header"
    assert kinds(tape) == [
        ("Image", Image(AT + 1, AT + 100, [Level(BUY, 8001, 3), Level(SELL, 8002, 4)])),
        ("Trades", Trades(AT + 2, AT + 300, [Level(SELL, 8001, 1)])),
        ("Gap", Gap(AT + 3, "the feed was lost")),
        ("Update", Update(AT + 4, None, [Level(BUY, 8001, 0)])),
    ]


def test_an_option_that_the_header_denies_is_refused(tape_of: Open) -> None:
    with pytest.raises(TapeError, match=r"tape0: line 1: tape: its tick is 0.25, not --tick 0.5"):
        tape_of(OWN, tick=Decimal("0.5"))
    assert tape_of(OWN, tick=Decimal("0.250")).market.tick == Decimal("0.25")


BITMEX = """\
{"info":"Welcome","version":"2.0"}
{"success":true,"subscribe":"orderBookL2_25:XBTUSD"}
1700000000010000000 {"table":"trade","action":"partial","data":[{"timestamp":\
"2023-11-14T22:00:00.000Z","symbol":"XBTUSD","side":"Buy","size":9,"price":1,"trdMatchID":"o"}]}
1700000000011000000 {"table":"orderBookL2_25","action":"partial","data":[\
{"symbol":"XBTUSD","id":1,"side":"Sell","size":300,"price":60000.5,\
"timestamp":"2023-11-14T22:13:20.000Z"},\
{"symbol":"XBTUSD","id":2,"side":"Buy","size":500,"price":60000,\
"timestamp":"2023-11-14T22:13:19.900Z"}]}
1700000000111000000 {"table":"orderBookL2_25","action":"update","data":[\
{"symbol":"XBTUSD","id":2,"side":"Buy","size":400,"timestamp":"2023-11-14T22:13:20.100Z"}]}
1700000000121000000 {"table":"trade","action":"insert","data":[\
{"timestamp":"2023-11-14T22:13:20.110Z","symbol":"XBTUSD","side":"Sell","size":100,"price":60000,\
"trdMatchID":"x"},{"timestamp":"2023-11-14T22:13:20.110Z","symbol":"XBTUSD","side":"Sell",\
"size":50,"price":60000,"trdMatchID":"y"}]}
1700000000131000000 {"table":"orderBookL2_25","action":"insert","data":[{"symbol":"XBTUSD",\
"id":3,"side":"Buy","size":7,"price":59999.5,"timestamp":"2023-11-14T22:13:20.120Z"}]}
1700000000141000000 {"table":"orderBookL2_25","action":"delete","data":[\
{"symbol":"XBTUSD","id":1,"side":"Sell","timestamp":"2023-11-14T22:13:20.130Z"}]}
1700000000151000000 {"table":"trade","action":"insert","data":[{"timestamp":\
"2023-11-14T22:13:20.140Z","symbol":"ADAUSD","side":"Buy","size":9,"price":1,"trdMatchID":"o"}]}
"""


def test_frames_of_bitmex(tape_of: Open) -> None:
    """Rows may name a level by its id alone; the trades before the subscription do not count."""
    tape = tape_of(BITMEX)
    assert (tape.unit, tape.has_two_clocks) == ("ISO 8601", True)
    sold = [Level(SELL, 120_000, 100), Level(SELL, 120_000, 50)]
    assert kinds(tape) == [
        ("Image", Image(AT, AT + 11 * MS, [Level(SELL, 120_001, 300), Level(BUY, 120_000, 500)])),
        ("Update", Update(AT + 100 * MS, AT + 111 * MS, [Level(BUY, 120_000, 400)])),
        ("Trades", Trades(AT + 110 * MS, AT + 121 * MS, sold)),
        ("Update", Update(AT + 120 * MS, AT + 131 * MS, [Level(BUY, 119_999, 7)])),
        ("Update", Update(AT + 130 * MS, AT + 141 * MS, [Level(SELL, 120_001, 0)])),
    ]


def bybit(kind: str, cts: int, u: int, bids: list[list[str]], asks: list[list[str]]) -> str:
    data = {"s": "BTCUSD", "b": bids, "a": asks, "u": u, "seq": 7 * u}
    frame = {"topic": "orderbook.200.BTCUSD", "type": kind, "ts": cts + 3, "cts": cts}
    return json.dumps({**frame, "data": data}) + "\n"


NOON = 1_700_000_000_000
BYBIT_BOOK = (
    bybit("snapshot", NOON, 10, [["60000", "500"]], [["60000.5", "300"]])
    + bybit("delta", NOON + 97, 11, [["60000", "0"], ["59999.5", "40"]], [])
    + bybit("delta", NOON + 197, 14, [], [["60000.5", "200"]])
    + bybit("snapshot", NOON + 300, 1, [["60000", "9"]], [["60000.5", "8"]])
    + bybit("delta", NOON + 400, 2, [["60000", "10"]], [])
)
BYBIT_TRADES = """\
timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional
1700000000.0420,BTCUSD,Sell,100,60000,ZeroMinusTick,a,166666.67,100,0.0016666667
1700000000.0970,BTCUSD,Sell,400,60000,ZeroMinusTick,b,666666.67,400,0.0066666667
1700000000.3101,BTCUSD,Buy,5,60000.5,PlusTick,c,8333.26,5,0.0000833326
"""


def test_the_book_and_the_trades_of_bybit_are_one_market(tape_of: Open) -> None:
    tape = tape_of(BYBIT_TRADES, BYBIT_BOOK)
    assert (tape.unit, tape.has_two_clocks) == ("s and ms", False)
    assert tape.format == "Bybit trades CSV and Bybit order book"
    assert kinds(tape) == [
        ("Image", Image(AT, None, [Level(BUY, 120_000, 500), Level(SELL, 120_001, 300)])),
        ("Trades", Trades(AT + 42 * MS, None, [Level(SELL, 120_000, 100)])),
        ("Trades", Trades(AT + 97 * MS, None, [Level(SELL, 120_000, 400)])),
        ("Update", Update(AT + 97 * MS, None, [Level(BUY, 120_000, 0), Level(BUY, 119_999, 40)])),
        ("Gap", Gap(AT + 197 * MS, "the updates after 11 up to 13 are missing")),
        ("Update", Update(AT + 197 * MS, None, [Level(SELL, 120_001, 200)])),
        ("Image", Image(AT + 300 * MS, None, [Level(BUY, 120_000, 9), Level(SELL, 120_001, 8)])),
        ("Trades", Trades(AT + 310 * MS + 100_000, None, [Level(BUY, 120_001, 5)])),
        ("Update", Update(AT + 400 * MS, None, [Level(BUY, 120_000, 10)])),
    ]


TARDIS_BOOK = """\
exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
bitmex,XBTUSD,1699999999000000,1699999999003100,false,bid,59000,1
bitmex,XBTUSD,1700000000000000,1700000000003100,true,bid,60000,500
bitmex,XBTUSD,1700000000000000,1700000000003100,true,ask,60000.5,300
bitmex,XBTUSD,1700000000100000,1700000000102700,false,bid,60000,0
bitmex,XBTUSD,1700000000100000,1700000000102700,false,bid,59999.5,40
bitmex,XBTUSD,1700000000100000,1700000000102900,false,ask,60000.5,310
bitmex,XBTUSD,1700000000200000,1700000000202900,true,bid,59990,7
bitmex,XBTUSD,1700000000200000,1700000000203000,true,ask,60001,8
"""
TARDIS_TRADES = """\
exchange,symbol,timestamp,local_timestamp,id,side,price,amount
bitmex,XBTUSD,1700000000100000,1700000000104000,a,sell,60000,20
bitmex,XBTUSD,1700000000100000,1700000000104000,b,sell,60000,30
bitmex,XBTUSD,1700000000150000,1700000000154000,c,buy,60000.5,1
"""


def test_the_book_and_the_trades_of_tardis(tape_of: Open) -> None:
    """Rows before the first snapshot do not count; a new snapshot replaces the book."""
    tape = tape_of(TARDIS_BOOK, TARDIS_TRADES)
    assert (tape.unit, tape.has_two_clocks, tape.format) == ("us", True, "Tardis CSV")
    us = 1000
    first = [Level(BUY, 120_000, 500), Level(SELL, 120_001, 300)]
    then = [Level(BUY, 120_000, 0), Level(BUY, 119_999, 40)]
    sold = [Level(SELL, 120_000, 20), Level(SELL, 120_000, 30)]
    anew = [Level(BUY, 119_980, 7), Level(SELL, 120_002, 8)]
    ask = [Level(SELL, 120_001, 310)]
    assert kinds(tape) == [
        ("Image", Image(AT, AT + 3100 * us, first)),
        ("Trades", Trades(AT + 100 * MS, AT + 104 * MS, sold)),
        ("Update", Update(AT + 100 * MS, AT + 102_700 * us, then)),
        ("Update", Update(AT + 100 * MS, AT + 102_900 * us, ask)),
        ("Trades", Trades(AT + 150 * MS, AT + 154 * MS, [Level(BUY, 120_001, 1)])),
        ("Image", Image(AT + 200 * MS, AT + 203 * MS, anew)),
    ]


BITMEX_QUOTES = """\
timestamp,symbol,bidSize,bidPrice,askPrice,askSize
2023-11-14D22:13:20.000000000,ADAUSD,9,0.5,0.6,9
2023-11-14D22:13:20.000000000,XBTUSD,500,60000,60000.5,300
2023-11-14D22:13:20.100000001,XBTUSD,400,60000,60000.5,300
"""
BITMEX_TRADES = """\
timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional
2023-11-14D22:13:20.050000000,ADAUSD,Buy,1,0.5,PlusTick,a,1,1,1
2023-11-14D22:13:20.100000001,XBTUSD,Sell,100,60000,ZeroMinusTick,b,1,1,1
"""


@pytest.mark.parametrize("symbol", ["XBTUSD", "BTC/BTC_USD", "XBTUSD=BTC/BTC_USD"])
def test_bitmex_quotes_are_images_of_the_best_levels(tape_of: Open, symbol: str) -> None:
    tape = tape_of(BITMEX_QUOTES, BITMEX_TRADES, symbol=symbol)
    assert tape.is_level_1
    assert kinds(tape) == [
        ("Image", Image(AT, None, [Level(BUY, 120_000, 500), Level(SELL, 120_001, 300)])),
        ("Trades", Trades(AT + 100 * MS + 1, None, [Level(SELL, 120_000, 100)])),
        (
            "Image",
            Image(AT + 100 * MS + 1, None, [Level(BUY, 120_000, 400), Level(SELL, 120_001, 300)]),
        ),
    ]
    assert "level 1 only" in info(tape)


@pytest.mark.parametrize("symbol", ["", "ETH/ETH_USD"])
def test_a_file_of_several_markets_needs_to_be_told_which_one(tape_of: Open, symbol: str) -> None:
    with pytest.raises(TapeError, match="tape0: it holds ADAUSD, XBTUSD: --symbol NAME says which"):
        tape_of(BITMEX_QUOTES, symbol=symbol)


def test_the_market_may_come_late_in_a_file_of_several(tape_of: Open) -> None:
    head, ada, *others = BITMEX_QUOTES.splitlines(keepends=True)
    tape = tape_of(head + ada * 6000 + "".join(others), symbol="XBTUSD")
    assert len(kinds(tape)) == 2


# --- which market, which format -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DOGEUSDT", "", "BTCEUR"])
def test_an_unknown_market_is_refused_until_the_options_say_what_it_is(
    tape_of: Open, name: str
) -> None:
    content = COLLECTOR.replace("BTCUSD_PERP", name)
    needed = r"--symbol AREA/SYMBOL .*, --tick, --lot, --face"
    with pytest.raises(UnknownMarket, match=needed):
        tape_of(content)
    with pytest.raises(UnknownMarket, match=needed):
        tape_of(content, symbol="EUR/BTC_EUR", tick=Decimal("0.1"))
    figures = {"tick": Decimal("0.1"), "lot": Decimal(1), "face": Decimal(5)}
    market = tape_of(content, symbol="EUR/BTC_EUR", **figures).market
    assert (market.place, market.grid) == ("pc/EUR/BTC_EUR", tuple(figures.values()))
    assert market.known_from == "from --symbol, --tick, --lot, --face"
    spot = tape_of(content, symbol="EUR/BTC/EUR", tick=Decimal("0.1"), lot=Decimal("0.01")).market
    assert (spot.place, spot.face) == ("bb/EUR/BTC/EUR", Decimal(1))


def test_an_option_wins_over_the_table(tape_of: Open) -> None:
    tape = tape_of(BYBIT_BOOK, tick=Decimal("0.1"))
    assert next(tape.records()).levels[0].price == 600_000  # type: ignore[union-attr]
    assert tape.market.known_from == "from --tick and the table of known markets"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BYBIT_BOOK.replace("59999.5", "59999.4"), "line 2: b price: 59999.4 is off the tick 0.5"),
        (BYBIT_BOOK.replace('"40"', '"4.5"'), "line 2: b size: 4.5 is off the lot 1; --lot says"),
        (TARDIS_BOOK.replace("59999.5", "59999.4"), "line 6: price: 59999.4 is off the tick 0.5"),
        (BYBIT_TRADES.replace("Buy", "up"), "line 4: side: 'up' is neither buy nor sell"),
        (BYBIT_TRADES.replace("1700000000.31", "17000"), "line 4: time: '1700001' is none"),
        (BYBIT_TRADES + "1700000000.5,BTCUSD,Buy\n", "line 5: 3 columns where 10 are expected"),
        (BYBIT_TRADES.replace("Buy,5,", "Buy,,"), "line 4: size: missing"),
        (TARDIS_BOOK.replace("ask", "x"), "line 4: side: 'x' is neither bid nor ask"),
        (TARDIS_BOOK.replace("false", "no"), "line 2: is_snapshot: 'no' is neither true nor"),
        (TARDIS_TRADES.replace("buy", "unknown"), "line 4: side: 'unknown' is neither buy nor"),
        (BYBIT_BOOK.replace('"u": 11', '"u": "x"'), "line 2: u: 'x' is not a whole number"),
        (BYBIT_BOOK.replace("delta", "full"), "line 2: type: 'full' is neither snapshot nor"),
        (BITMEX.replace('"size":400', '"size":-4'), "line 5: size: '-4' is no number from 0"),
        (BITMEX.replace('"id":1,"side":"Sell","t', '"id":8,"t'), "line 8: id: '8' has not been"),
        (BITMEX_QUOTES.replace("ADA", "XBT"), "line 2: askPrice: 0.6 is off the tick"),
        (OWN.replace('"tick": "0.25"', '"tick": "x"'), "line 1: tick: 'x' is no number"),
        (OWN.replace('"tick": "0.25"', '"tick": "0"'), "line 1: tick: 0 is no number from 1E-12"),
        (OWN.replace('"lot": "1"', '"lot": "0.5"'), "line 1: lot: contracts are whole"),
        (OWN.replace('"area": "ETH", ', ""), "line 1: area: missing"),
        (COLLECTOR + "{} {}\n", "line 10: not JSON: more after it"),
    ],
    ids=range(20),
)
def test_a_bad_line_is_named_with_file_line_field_and_what_was_expected(
    tape_of: Open, content: str, reason: str
) -> None:
    with pytest.raises(TapeError, match=f"/tape0: {reason}"):
        tape_of(content)


def test_a_file_in_no_known_format_is_refused_with_the_list_of_formats(tape_of: Open) -> None:
    with pytest.raises(TapeError, match=r"tape0: line 1: 'a,b': .*Formats: gte, hftbacktest, bit"):
        tape_of("a,b\n1,2\n")
    with pytest.raises(TapeError, match=r"tape0: line 1: .* are not tardis. The columns are ex"):
        tape_of(COLLECTOR, format="tardis")
    with pytest.raises(TapeError, match="--format x: no such format; there are gte"):
        tape_of(COLLECTOR, format="x")
    assert kinds(tape_of(COLLECTOR, format="hftbacktest")) == kinds(tape_of(COLLECTOR))


def test_files_of_different_markets_are_not_merged(tape_of: Open) -> None:
    with pytest.raises(TapeError, match="tape1: line 1: tape: it is of pc/BTC/ETH_USD"):
        tape_of(OWN, OWN.replace('"area": "ETH"', '"area": "BTC"'))
    with pytest.raises(TapeError, match="tape1: no book and no trade of BTCUSD in it\\."):
        tape_of(BYBIT_BOOK, BYBIT_TRADES.replace("BTCUSD", "ETHUSD"))


def test_a_file_with_the_newest_first_is_refused(tape_of: Open) -> None:
    head, *rows = BYBIT_TRADES.splitlines(keepends=True)
    many = [rows[0].replace(".0420", f".{9000 - n}") for n in range(100)]
    with pytest.raises(TapeError, match="tape0: its lines are newest first"):
        tape_of(head + "".join(many))


# --- time -----------------------------------------------------------------------------------------


def test_days_in_a_row_are_one_tape_whatever_their_order(tape_of: Open) -> None:
    later = COLLECTOR.replace("17000000", "17000864").replace("16999999", "17000863")
    one, two = kinds(tape_of(COLLECTOR)), kinds(tape_of(later))
    assert kinds(tape_of(later, COLLECTOR)) == one + two == kinds(tape_of(COLLECTOR, later))


def test_two_books_of_the_same_time_are_no_tape(tmp_path: Path) -> None:
    for seed in (1, 2):
        made = MadeTape(seed=seed, seconds=90)
        write_records(made.records(), made.market, tmp_path / f"{seed}.tape")
    tape = open_tape([tmp_path / "1.tape", tmp_path / "2.tape"])
    with pytest.raises(TapeError, match="files 1 and 2 both hold a book of the same time"):
        list(tape.records())


def test_a_clock_that_steps_back_is_told_and_time_never_goes_down(tape_of: Open) -> None:
    head, *rows = BYBIT_TRADES.splitlines(keepends=True)
    back = [rows[0].replace("1700000000", str(1_699_999_990 + n)) for n in range(3)]
    tape = tape_of(head + "".join([*rows, *back, rows[0].replace("1700000000", "1700000009")]))
    records = [*tape.records()]
    times = [record.time_ns for record in records]
    assert times == sorted(times)
    assert [each for each in records if isinstance(each, Gap)] == [
        Gap(AT + 310_100_000, "the stamps step back by 10.3 s", is_clock=True)
    ]
    assert len(records) == 8


def test_depth_keeps_the_order_of_its_file_though_stamps_jitter(tape_of: Open) -> None:
    """The second of these updates is the newer one, whatever its stamp says; trades are sorted."""
    rows = BYBIT_BOOK.splitlines(keepends=True)
    jittered = rows[1].replace(str(NOON + 97), str(NOON + 200)) + rows[2]
    later = rows[3].replace(str(NOON + 300), str(NOON + 201))
    found = [record for _, record in kinds(tape_of(rows[0] + jittered + later))]
    assert [record.time_ns - AT for record in found if not isinstance(record, Gap)] == [
        *(0, 200 * MS),
        *(200 * MS, 201 * MS),
    ]
    head, *trades = BYBIT_TRADES.splitlines(keepends=True)
    tape = tape_of(head + "".join(reversed(trades)))
    assert kinds(tape) == kinds(tape_of(BYBIT_TRADES))


def test_silences_and_latency_are_told(tape_of: Open) -> None:
    line = '%d {"data":{"e":"trade","T":%d,"s":"BTCUSD_PERP","p":"60000.0","q":"2","m":true}}\n'
    lines = [
        line % (T * MS - shift * MS, T)
        for T, shift in ((NOON, 1200), (NOON + 500, 1100), (NOON + 9000, 1150))
    ]
    told = info(tape_of("".join(lines)))
    assert "silences    1: 2023-11-14 22:13:20 8.5 s (longer than 5 s)" in told
    assert "latency     -1,200.0 / -1,150.0 / -1,100.0 ms (lowest / median / highest)" in told
    assert "the recorder's clock was behind the venue's by 1,200.0 ms or more" in told
    assert "traded      bought 0, sold 6, by the takers" in told


# --- packed, cut, damaged -------------------------------------------------------------------------


def zipped(content: str, *names: str) -> Callable[[Path], None]:
    def write_to(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, content)

    return write_to


def test_packed_files_are_read_as_they_are(tape_of: Open, tmp_path: Path) -> None:
    plain = kinds(tape_of(COLLECTOR))
    assert kinds(tape_of(gzip.compress(COLLECTOR.encode()))) == plain
    assert kinds(tape_of(b"\xef\xbb\xbf" + COLLECTOR.encode())) == plain
    zipped(COLLECTOR, "x.data")(tmp_path / "zip")
    assert kinds(open_tape(tmp_path / "zip")) == plain
    zipped(COLLECTOR, "x.data", "y.data")(tmp_path / "zip")
    with pytest.raises(TapeError, match="a zip file of 2 files, where one is expected"):
        open_tape(tmp_path / "zip")


def test_zst_is_read_with_its_extra_and_names_it_without(tape_of: Open) -> None:
    begin = b"\x28\xb5\x2f\xfd"
    try:
        import zstandard
    except ImportError:
        with pytest.raises(TapeError, match=r"zstandard: pip install gte-market-maker\[data\]"):
            tape_of(begin)
    else:
        packed = zstandard.ZstdCompressor().compress(COLLECTOR.encode())
        assert kinds(tape_of(packed)) == kinds(tape_of(COLLECTOR))
        two = zstandard.ZstdCompressor().compress(COLLECTOR.encode() * 3)
        assert len(kinds(tape_of(packed + two))) > len(kinds(tape_of(packed)))
        for cut in (packed[:-5], packed + two[:-5]):
            with pytest.raises(TapeError, match=r"tape0: line \d+: the packed file ends before"):
                tape_of(cut)
        with pytest.raises(TapeError, match=r"tape0: line 1: the packed file is damaged"):
            tape_of(begin + b"12345678901234567890")


def test_a_packed_file_that_was_cut_says_so(tape_of: Open) -> None:
    packed = gzip.compress(COLLECTOR.encode())
    with pytest.raises(TapeError, match=r"tape0: line \d+: the packed file ends before its end"):
        tape_of(packed[:-30])
    with pytest.raises(TapeError, match=r"tape0: line \d+: the packed file is damaged"):
        tape_of(packed[:-8] + b"12345678")


RECORDED = OWN.replace('"face": "10"', '"face": "10", "clock": {"wall_ns": 1, "steady_ns": 1}')


def test_a_recorded_tape_may_be_cut_at_any_byte(
    tape_of: Open, caplog: pytest.LogCaptureFixture
) -> None:
    lines = RECORDED.encode().splitlines(keepends=True)
    begin, whole = len(b"".join(lines[:2])), kinds(tape_of(RECORDED))
    for end in range(begin, len(RECORDED)):
        found = kinds(tape_of(RECORDED.encode()[:end]))
        assert found == whole[: len(found)]
        packed = gzip.compress(RECORDED.encode()[:end])
        assert kinds(tape_of(packed)) == found
    assert "line 6 is not complete: the tape ends before it" in caplog.text
    with pytest.raises(TapeError, match="tape0: line 4: not JSON"):
        tape_of(RECORDED.replace('"trade"', '"trade'))
    with pytest.raises(TapeError, match="tape0: line 6: not JSON"):
        tape_of(OWN[:-9])  # of another origin


def test_a_recorded_tape_whose_packing_was_cut_ends_there(tape_of: Open) -> None:
    many = RECORDED + RECORDED.splitlines(keepends=True)[3] * 20_000
    cut = gzip.compress(many.encode())[:-200]
    assert 1000 < len(kinds(tape_of(cut))) < 20_000


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(tape_of: Open, content: str) -> None:
    with pytest.raises(TapeError, match=r"tape0 is empty"):
        tape_of(content)


def test_a_file_in_no_format_is_refused(tape_of: Open) -> None:
    with pytest.raises(TapeError, match=r"tape0: line 1: .*in none of the known formats"):
        tape_of('{"e":"x"}\n')


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tape").write_text(COLLECTOR)
    with pytest.raises(TapeError, match="tape is named twice"):
        open_tape([tmp_path / "tape", tmp_path / "tape"])


def test_frames_of_several_markets_need_the_name_of_one(tape_of: Open) -> None:
    rows = [
        f'{{"table":"orderBookL2","action":"partial","data":[{{"symbol":"{name}","id":1,'
        f'"side":"Buy","size":5,"price":60000,"timestamp":"2023-11-14T22:13:20.000Z"}}]}}\n'
        for name in ("ETHUSD", "XBTUSD")
    ]
    text = "".join(rows)
    with pytest.raises(TapeError, match="about ETHUSD and XBTUSD: --symbol ETHUSD=pc/BTC/BTC_USD"):
        tape_of(text, symbol="BTC/BTC_USD", tick=Decimal("0.5"))
    tape = tape_of(text, symbol="XBTUSD=BTC/BTC_USD", tick=Decimal("0.5"))
    assert tape.market.name == "XBTUSD"


def test_what_has_best_prices_alone_still_says_so_when_it_is_converted(tmp_path: Path) -> None:
    (tmp_path / "quote.csv").write_text(
        "timestamp,symbol,bidSize,bidPrice,askPrice,askSize\n"
        "2023-11-14D22:13:20.000000000,XBTUSD,500,60000,60000.5,300\n\n"
    )
    quotes = open_tape(tmp_path / "quote.csv")
    write(quotes, tmp_path / "ours.tape")
    assert open_tape(tmp_path / "ours.tape").is_level_1
    with pytest.raises(TapeError, match="npz cannot say that only the best prices are known"):
        write(quotes, tmp_path / "ours.npz")


def test_a_market_that_gte_could_not_have_is_refused(tape_of: Open) -> None:
    with pytest.raises(TapeError, match="a/b_c is no market of GTE: --symbol AREA/SYMBOL"):
        tape_of(COLLECTOR, symbol="a/b_c", tick=Decimal(1), lot=Decimal(1))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="nowhere cannot be read: No such file"):
        open_tape(tmp_path / "nowhere")
    with pytest.raises(TapeError, match="no file is named"):
        open_tape([])


def test_a_tape_is_not_written_over_itself_nor_left_half_written(
    tape_of: Open, tmp_path: Path
) -> None:
    tape = tape_of(COLLECTOR)
    with pytest.raises(TapeError, match="tape0: it is a file of the tape itself"):
        write(tape, tmp_path / "tape0")
    with pytest.raises(TapeError, match="cannot be written: No such file"):
        write(tape, tmp_path / "nowhere" / "out.tape")
    bad = tape_of(COLLECTOR + COLLECTOR.splitlines(keepends=True)[0] * 6000 + "x\n")
    with pytest.raises(TapeError, match="line 6010: 'x' is no JSON object"):
        write(bad, tmp_path / "out.tape")
    assert {path.name for path in tmp_path.iterdir()} == {"tape0"}


# --- npz ------------------------------------------------------------------------------------------


def test_npz_needs_a_market_and_names_what_is_wrong(tape_of: Open, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    write(tape_of(COLLECTOR), out)
    with pytest.raises(UnknownMarket, match=r"out.npz: a market without a name is not a known"):
        open_tape(out)
    with pytest.raises(TapeError, match=r"event 4: px: 59999.8 is off the tick 0.5; --tick says"):
        open_tape(out, about=Options(symbol="BTC/BTC_USD"))
    assert kinds(open_tape(out, about=Options(symbol="BTCUSD_PERP")))[0] == (
        "Image",
        Image(
            *(AT, AT + 3 * MS),
            [Level(BUY, 600_000, 3), Level(BUY, 599_998, 4), Level(SELL, 600_001, 5)],
        ),
    )
    zipped("no array", "data.npy")(out)
    with pytest.raises(TapeError, match=r"data.npy is no array of numpy"):
        open_tape(out, about=Options(symbol="BTCUSD_PERP"))


def numpy_or_skip() -> ModuleType:
    found: ModuleType = pytest.importorskip("numpy")
    return found


def test_numpy_reads_what_is_written_and_what_it_writes_is_read(
    tape_of: Open, tmp_path: Path
) -> None:
    numpy = numpy_or_skip()
    out, copy, about = tmp_path / "out.npz", tmp_path / "copy.npz", Options(symbol="BTCUSD_PERP")
    write(tape_of(COLLECTOR), out)
    data = numpy.load(out)["data"]
    assert (data["px"][2], data["qty"][2], int(data["ev"][2])) == (60000.0, 3.0, 0xE0000004)
    numpy.savez_compressed(copy, data=data)
    assert kinds(open_tape(copy, about=about)) == kinds(open_tape(out, about=about))
