"""Recorded markets as the paper exchange plays them, and the error message of an invalid tape."""

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import wait_until
from paper_client import Client

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import listed
from market_maker.paper.exchange.moves import Depths, Index, Take
from market_maker.paper.market.crowd import Step
from market_maker.paper.market.setup import set_up
from market_maker.paper.market.tape import BTC_USD, REST, Survey, moves_of, play, survey
from market_maker.paper.server.in_process import PaperExchange
from market_maker.paper.server.service import serve
from market_maker.tapes import Gap

Levels = list[list[str]]
BEGAN = 1_700_000_000_000  # ms
NAME = "BTCUSD_PERP"
FAR = 6_000
"""Lines beyond what is read of a tape when it is opened."""


def line(ms: int, content: object) -> bytes:
    return f"{(BEGAN + ms) * 1_000_000} {json.dumps(content)}\n".encode()


def image(ms: int, last: int, bids: Levels, asks: Levels, name: str = NAME) -> bytes:
    return line(ms, {"lastUpdateId": last, "symbol": name, "bids": bids, "asks": asks})


def update(ms: int, last: int, bids: Levels, asks: Levels, name: str = NAME) -> bytes:
    changed = {"e": "depthUpdate", "s": name, "U": last, "u": last, "b": bids, "a": asks}
    return line(ms, {"data": changed})


def trade(ms: int, price: str, qty: str, buyer_made: bool, name: str = NAME) -> bytes:
    return line(ms, {"data": {"e": "trade", "s": name, "p": price, "q": qty, "m": buyer_made}})


Surveyed = Callable[..., Survey]
Steps = Callable[..., list[Step]]


@pytest.fixture
def surveyed(tmp_path: Path) -> Surveyed:
    def of(tape: list[bytes], wanted: str = "") -> Survey:
        lines = [line.removesuffix(b"\n") + b"\n" for line in tape]
        (tmp_path / "tape").write_bytes(b"".join(lines))
        return survey(tmp_path / "tape", listed(), wanted)

    return of


@pytest.fixture
def steps(surveyed: Surveyed) -> Steps:
    def of(tape: list[bytes], wanted: str = "", **options: float) -> list[Step]:
        return [step for step in play(surveyed(tape, wanted), **options) if step.moves]

    return of


PERPETUAL = [
    update(1000, 5, [["100.1", "1"]], []),
    update(1001, 11, [["100.2", "7"]], []),
    trade(1002, "100.3", "1", False),
    image(1003, 10, [["100.1", "5"], ["100.2", "6"]], [["100.4", "3"]]),
    line(1004, {"stream": "x@bookTicker", "data": {"e": "bookTicker", "b": "100.2"}}),
    update(1050, 9, [["100.1", "99"]], []),
    trade(1060, "100.4", "2", False),
    update(1070, 12, [], [["100.4", "0"], ["100.5", "8"]]),
    trade(1080, "100.2", "1", True),
]


def gte(table: str, action: str | None, time: int, *rows: dict[str, str]) -> bytes:
    place = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
    frame: dict[str, Any] = {"table": table, "data": [{**place, **row} for row in rows]}
    if action:
        frame["action"] = action
    return json.dumps({**frame, "time": str(BEGAN + time)}).encode() + b"\n"


GTE = [
    gte("order_book", "update", 900, {"id": "9", "side": "buy", "price": "8489", "size": "4"}),
    b'{"status":"0","request":"{}"}\n',
    gte(
        "order_book",
        "partial",
        1000,
        {"id": "1", "side": "sell", "price": "8497.5", "size": "25"},
        {"id": "2", "side": "buy", "price": "8490", "size": "40"},
    ),
    gte("trade", None, 1010, {"side": "sell", "price": "8490", "qty": "15"}),
    gte("order_book", "update", 1020, {"id": "2", "size": "25"}),
    gte("order_book", "insert", 1030, {"id": "3", "side": "buy", "price": "8490.5", "size": "7"}),
    gte("order_book", "delete", 1040, {"id": "1", "side": "sell", "price": "8497.5", "size": "25"}),
]


def test_a_perpetuals_feed_starts_at_the_image_with_what_reaches_past_it(
    surveyed: Surveyed, steps: Steps
) -> None:
    seen = surveyed(PERPETUAL)
    assert (seen.key, seen.tick, seen.start) == (BTC_USD, Decimal("0.1"), Decimal("100.4"))
    assert steps(PERPETUAL) == [
        Step(
            0,
            [
                Depths(
                    [(Side.BUY, 1001, 5), (Side.BUY, 1002, 6), (Side.SELL, 1004, 3)], is_whole=True
                )
            ],
        ),
        Step(0, [Depths([(Side.BUY, 1002, 7)])]),
        Step(57, [Take(Side.BUY, 1004, 2), Index(Decimal("100.4"))]),
        Step(67, [Depths([(Side.SELL, 1004, 0), (Side.SELL, 1005, 8)])]),
        Step(77, [Take(Side.SELL, 1002, 1), Index(Decimal("100.2"))]),
    ]


def test_frames_of_gte_mean_the_same_and_may_name_a_level_by_its_id_alone(
    surveyed: Surveyed, steps: Steps
) -> None:
    seen = surveyed(GTE)
    assert (seen.key, seen.tick, seen.start) == (BTC_USD, Decimal("0.5"), Decimal(8490))
    assert steps(GTE) == [
        Step(0, [Depths([(Side.SELL, 16995, 25), (Side.BUY, 16980, 40)], is_whole=True)]),
        Step(10, [Take(Side.SELL, 16980, 15), Index(Decimal(8490))]),
        Step(20, [Depths([(Side.BUY, 16980, 25)])]),
        Step(30, [Depths([(Side.BUY, 16981, 7)])]),
        Step(40, [Depths([(Side.SELL, 16995, 0)])]),
    ]


def test_a_second_image_replaces_the_book(steps: Steps) -> None:
    tape = [image(0, 1, [["5", "1"]], [["7", "1"]]), image(9, 2, [["4", "1"]], [["7", "2"]])]
    assert steps(tape)[1].moves == [Depths([(Side.BUY, 40, 1), (Side.SELL, 70, 2)], is_whole=True)]


def named(ms: int, **changed: object) -> bytes:
    return line(ms, {"s": NAME, "e": "depthUpdate", "u": 99, "b": [], "a": []} | changed)


def level(**changed: object) -> bytes:
    row = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD", "id": "4"}
    content = {"table": "order_book", "action": "update", "time": str(BEGAN + 5)}
    return json.dumps(content | {"data": [row | changed]}).encode()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"1700000000000000000 {", "not JSON: Expecting property name"),
        (b"1700000000000000000 [1]", "is no JSON object, with or without a time"),
        (b"timestamp,symbol,side,size,price", "is no JSON object, with or without a time"),
        (b"[" * 100_000, "is no JSON object, with or without a time"),
        (b"1700000000000 {" + b'"a":{' * 100_000, "nested too deep"),
        (b"caf\xe9 {}", "not UTF-8"),
        (named(5, b=[["x", "1"]]), "b price: 'x' is no number"),
        (named(5, b=[["100.1", "-1"]]), "b size: '-1' is no number from 0"),
        (named(5, a=[["NaN", "1"]]), "a price: 'NaN' is no number"),
        (named(5, a=[["1e999999", "1"]]), "a price: '1e999999' is no number"),
        (named(5, a=[["100.1"]]), "a: .* is not .price, size."),
        (named(5, a=[[True, "1"]]), "a price: 'True' is no number"),
        (named(5, a=None), "a: missing"),
        (named(5, a=7), "a: expected a list"),
        (named(5, u="x"), "u: 'x' is not a whole number"),
        (named(5, e="trade", p="0", q="1", m=True), "p: a price is above 0"),
        (named(5, e="trade", p="1", q="1"), "m: missing"),
        (named(5).replace(b"1700", b"99", 1), "time: '99.* is none; expected s, ms, us or ns"),
        (named(5).partition(b" ")[2], "time: none before the JSON"),
        (named(5).replace(b"99", b"NaN"), "NaN is not a number"),
    ],
    ids=range(20),
)
def test_a_bad_line_is_named_with_its_field_what_was_expected_and_the_formats(
    surveyed: Surveyed, bad: bytes, reason: str
) -> None:
    for place in (4, len(PERPETUAL)):
        tape = [*PERPETUAL[:place], bad, *PERPETUAL[place:]]
        with pytest.raises(ValueError, match=rf"tape: line {place + 1}: .*{reason}.*depthUpdate"):
            surveyed(tape)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (level(side="up", price="8490", size="1"), "side: 'up' is neither buy nor sell"),
        (level(side="buy", price="8490"), "size: missing"),
        (level(size="1"), "id: '4' has not been seen with a price"),
        (b'1700000000000 {"table":"order_book","data":[]}', "action: missing"),
        (b'1700000000000 {"table":"trade","data":{}}', "data: expected a list of rows"),
        (b'1700000000000 {"table":"trade","data":[{}]}', "instrument_type: missing"),
    ],
)
def test_a_bad_row_of_gte_is_named_in_the_same_way(
    surveyed: Surveyed, bad: bytes, reason: str
) -> None:
    with pytest.raises(ValueError, match=rf"tape: line {len(GTE) + 1}: {reason}"):
        surveyed([*GTE, bad])


def test_a_bad_line_far_on_ends_the_market_there_and_is_named(surveyed: Surveyed) -> None:
    tape = [*PERPETUAL, *PERPETUAL[-1:] * FAR, b"x"]
    played = play(surveyed(tape))
    with pytest.raises(ValueError, match=f"tape: line {len(tape)}: 'x' is no JSON object"):
        list(played)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("100.4", "100.45"), "p: 100.45 is off the tick 0.1; --tick says another"),
        (('"q": "2"', '"q": "0.5"'), "q: 0.5 is off the lot 1; --lot says another"),
    ],
)
def test_a_price_or_size_off_the_grid_of_the_market_is_never_rounded(
    surveyed: Surveyed, change: tuple[str, str], reason: str
) -> None:
    odd = PERPETUAL[6].replace(*(part.encode() for part in change))
    near, far = [*PERPETUAL, odd], [*PERPETUAL, *PERPETUAL[-1:] * FAR, odd]
    with pytest.raises(ValueError, match=f"line {len(near)}: {reason}"):
        surveyed(near)
    with pytest.raises(ValueError, match=f"line {len(far)}: {reason}"):
        list(play(surveyed(far)))


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [
        ("1700000000", "s"),
        ("1700000000.25", "s"),
        ("1700000000000", "ms"),
        ("1700000000000000", "us"),
        ("1700000000000000000", "ns"),
        ("2023-11-14T22:13:20Z", "ISO 8601"),
        ("2023-11-14 22:13:20.25", "ISO 8601"),
        ("2023-11-15T06:13:20+08:00", "ISO 8601"),
        ("2023-11-14D22:13:20.000000000", "ISO 8601"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_the_unit_of_the_times_is_told_apart_and_said(
    surveyed: Surveyed, stamp: str, unit: str, inside: bool
) -> None:
    tape = [
        (
            json.dumps(content | {"time": given}) if inside else f"{given} {json.dumps(content)}"
        ).encode()
        for given, content in (
            (stamp, json.loads(PERPETUAL[3].partition(b" ")[2])),
            (stamp.replace("20", "21", 1) if "-" not in stamp else stamp, {}),
        )
    ]
    seen = surveyed(tape)
    assert (seen.tape.unit, seen.began // 10**9) == (unit, BEGAN // 1000)
    assert f"It begins at 2023-11-14 22:13:20 UTC (times in {unit})" in str(seen)


def test_speed_makes_a_tape_live_faster_or_slower(steps: Steps) -> None:
    times = [[step.time for step in steps(PERPETUAL, speed=speed)] for speed in (1, 10, 0.5)]
    assert times == [[0, 0, 57, 67, 77], [0, 0, 6, 7, 8], [0, 0, 114, 134, 154]]


def test_a_tape_without_an_image_builds_the_book_from_the_updates_and_says_so(
    surveyed: Surveyed, steps: Steps
) -> None:
    second_day = [update(0, 5, [["100.1", "3"]], [["100.4", "2"]]), *PERPETUAL[6:]]
    seen = surveyed(second_day)
    assert "without a full image" in str(seen)
    assert steps(second_day)[0].moves == [Depths([(Side.BUY, 1001, 3), (Side.SELL, 1004, 2)])]
    frames = [
        gte("order_book", "update", 1, {"id": "9", "size": "4"}),  # from before it began
        gte("order_book", "insert", 2, {"id": "3", "side": "buy", "price": "8490.5", "size": "7"}),
        gte("order_book", "insert", 3, {"id": "4", "side": "sell", "price": "8491", "size": "7"}),
    ]
    assert [len(step.moves) for step in steps(frames)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "plays"),
    [
        ("BTCUSD_PERP", "pc/BTC/BTC_USD"),
        ("ETHUSD_PERP", "pc/ETH/ETH_USD"),
        ("ethusd_perp", "pc/ETH/ETH_USD"),
        ("BTCUSDT", "bb/USDT/BTC/USDT"),
    ],
)
def test_a_tape_plays_as_the_instrument_of_its_name_and_says_so(
    surveyed: Surveyed, name: str, plays: str
) -> None:
    seen = surveyed([image(0, 1, [["100", "1"]], [["101", "1"]], name)])
    assert "/".join(seen.key) == plays
    assert f"plays as {plays}," in str(seen)


@pytest.mark.parametrize("name", ["DOGEUSDT", "", "BTCEUR"])
def test_a_tape_whose_name_is_not_listed_plays_only_as_one_that_is_named(
    surveyed: Surveyed, name: str
) -> None:
    tape = [image(0, 1, [["100", "1"]], [["101", "1"]], name)]
    with pytest.raises(ValueError, match=f"no instrument for {name or 'no name'} .*--tape-as NAME"):
        surveyed(tape)
    assert surveyed(tape, "pc/BTC/ETH_USD").key == ("pc", "BTC", "ETH_USD")
    with pytest.raises(ValueError, match=r"for ETH is listed here; .*pc/ETH/ETH_USD"):
        surveyed(tape, "ETH")


def test_messages_about_other_markets_are_ignored(steps: Steps) -> None:
    other = [
        image(1004, 99, [["5", "1"]], [["6", "1"]], "ETHUSD_PERP"),
        update(1005, 99, [["5.00001", "1"]], [], "ETHUSD_PERP"),
        trade(1006, "5.0001", "0.5", True, "ETHUSD_PERP"),
    ]
    mixed = steps([*PERPETUAL[:4], *other, *PERPETUAL[4:]])
    assert [step for step in mixed if step.moves] == steps(PERPETUAL)


def test_fractional_quantities_play_as_spot_and_are_refused_as_contracts(
    surveyed: Surveyed, steps: Steps
) -> None:
    tape = [
        image(0, 1, [["100.01", "0.00025"]], [["101", "2"]], "BTCUSDT"),
        trade(1, "101", "0.5", False, "BTCUSDT"),
    ]
    seen = surveyed(tape)
    assert (seen.key.kind, seen.lot) == ("bb", Decimal("0.00001"))
    assert steps(tape)[0].moves == [
        Depths([(Side.BUY, 10001, 25), (Side.SELL, 10100, 200_000)], is_whole=True)
    ]
    with pytest.raises(ValueError, match="contracts are whole, and 0"):
        surveyed(tape, "pc/BTC/BTC_USD")


def test_a_tape_plays_with_pauses_where_many_lines_tell_nothing(
    surveyed: Surveyed, tmp_path: Path
) -> None:
    """A step without moves lets the exchange answer its users meanwhile."""
    played = play(surveyed([*PERPETUAL, *PERPETUAL[4:5] * 20 * REST, PERPETUAL[-1]]))
    assert sum(not step.moves for step in played) >= 20


def test_a_back_test_makes_the_same_moves_of_the_records_and_none_of_a_gap(
    surveyed: Surveyed, steps: Steps
) -> None:
    content = [*PERPETUAL, update(1090, 20, [["100.2", "1"]], [])]
    tape = surveyed(content).tape
    found = [(record, moves_of(record, tape.market.tick)) for record in tape.records()]
    assert [moves for _, moves in found if moves] == [step.moves for step in steps(content)]
    assert [moves for record, moves in found if isinstance(record, Gap)] == [[]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        PERPETUAL[4],
        PERPETUAL[0],
        b"\x1f\x8bnot gzip",
        gzip.compress(b"".join(PERPETUAL))[:-20],
        b"\xff\xfe\n",
        None,
    ],
    ids=["empty", "blank", "no book", "a side", "no gzip", "half a gzip", "no text", "no file"],
)
def test_a_tape_without_a_market_is_refused_before_anything_listens(
    tmp_path: Path, content: bytes | None
) -> None:
    tape = tmp_path / "tape"
    if content is not None:
        tape.write_bytes(content)
    with pytest.raises(ValueError, match=str(tape)):
        serve(tape=tape, ready=lambda *_: pytest.fail("it listens"), stop=None)  # type: ignore[arg-type]


def test_the_end_of_a_tape_is_told_and_so_is_a_line_at_which_it_cannot_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = tmp_path / "tape"
    for more, told in (
        ([], "BTC_USD stands still from here on. Its tape has ended."),
        ([*PERPETUAL[-1:] * FAR, b"x\n"], f"here on. {tape}: line {FAR + 10}: 'x' is no"),
    ):
        tape.write_bytes(b"".join([*PERPETUAL, *more]))
        with PaperExchange(crowd=False, tape=tape) as venue:

            def is_told(told: str = told) -> bool:
                return told in caplog.text

            wait_until(is_told)
            assert venue.levels("buy")
        caplog.clear()


def test_the_venue_answers_while_it_cannot_keep_up_with_its_tape(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    busy = [update(2000, 20 + n, [[str(90 + n % 9), str(n)]], []) for n in range(60_000)]
    tape.write_bytes(b"".join([*PERPETUAL, *busy]))
    with PaperExchange(crowd=False, tape=tape) as venue:
        client = Client(venue)
        wait_until(lambda: [] < venue.levels("buy")[-1:] < [(Decimal(99), Decimal(0))])
        first = venue.levels("buy")
        assert client.orders() == []
        assert venue.levels("buy") != first


def test_a_packed_tape_takes_the_place_of_the_crowd(tmp_path: Path) -> None:
    tape = tmp_path / "tape.gz"
    tape.write_bytes(gzip.compress(b"\xef\xbb\xbf" + b"".join(PERPETUAL)))
    exchange, markets = set_up(tape=tape, crowd=False)
    listing = exchange.listings[BTC_USD]
    assert (listing.instrument.tick, listing.last) == (Decimal("0.1"), Decimal("100.4"))
    for market in markets:
        while step := market.upcoming():
            exchange.play(market.key, step.moves, step.time)
            market.done()
    assert [listing.book.size(Side.BUY, price) for price in (1002, 1001)] == [6, 5]
    assert [trade.qty for trade in listing.history.trades] == [2, 1]
