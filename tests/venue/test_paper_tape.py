"""Recorded markets: both formats, and the error message of an invalid tape."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.moves import Depth, Index, Take
from market_maker.paper.market.crowd import Step
from market_maker.paper.market.setup import set_up
from market_maker.paper.market.tape import BTC_USD, play, survey
from market_maker.paper.server.service import serve

Levels = list[list[str]]


def line(ms: int, content: object) -> str:
    return f"{ms * 1_000_000} {json.dumps(content)}"


def image(ms: int, last: int, bids: Levels, asks: Levels) -> str:
    return line(ms, {"lastUpdateId": last, "E": ms, "bids": bids, "asks": asks})


def update(ms: int, last: int, bids: Levels, asks: Levels) -> str:
    return line(ms, {"data": {"e": "depthUpdate", "U": last, "u": last, "b": bids, "a": asks}})


def trade(ms: int, price: str, qty: str, buyer_made: bool) -> str:
    return line(ms, {"data": {"e": "trade", "p": price, "q": qty, "m": buyer_made}})


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


def gte(table: str, action: str | None, time: int, *rows: dict[str, str]) -> str:
    place = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
    frame: dict[str, Any] = {"table": table, "data": [{**place, **row} for row in rows]}
    if action:
        frame["action"] = action
    return json.dumps({**frame, "time": str(time)})


GTE = [
    gte("order_book", "update", 900, {"id": "9", "side": "buy", "price": "8489", "size": "4"}),
    json.dumps({"status": "0", "request": "{}"}),
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


def test_a_perpetuals_feed_starts_at_the_image_with_what_reaches_past_it() -> None:
    assert survey(PERPETUAL, "tape") == (BTC_USD, Decimal("0.1"), Decimal("100.4"))
    assert list(play(PERPETUAL, "tape", Decimal("0.1"))) == [
        Step(
            0,
            [
                Depth(Side.BUY, 1001, 5),
                Depth(Side.BUY, 1002, 6),
                Depth(Side.SELL, 1004, 3),
            ],
        ),
        Step(0, [Depth(Side.BUY, 1002, 7)]),
        Step(57, [Take(Side.BUY, 1004, 2), Index(Decimal("100.4"))]),
        Step(67, [Depth(Side.SELL, 1004, 0), Depth(Side.SELL, 1005, 8)]),
        Step(77, [Take(Side.SELL, 1002, 1), Index(Decimal("100.2"))]),
    ]


def test_frames_of_gte_mean_the_same_and_may_name_a_level_by_its_id_alone() -> None:
    assert survey(GTE, "tape") == (BTC_USD, Decimal("0.5"), Decimal(8490))
    assert list(play(GTE, "tape", Decimal("0.5"))) == [
        Step(0, [Depth(Side.SELL, 16995, 25), Depth(Side.BUY, 16980, 40)]),
        Step(10, [Take(Side.SELL, 16980, 15), Index(Decimal(8490))]),
        Step(20, [Depth(Side.BUY, 16980, 25)]),
        Step(30, [Depth(Side.BUY, 16981, 7)]),
        Step(40, [Depth(Side.SELL, 16995, 0)]),
    ]


def test_a_second_image_replaces_the_book() -> None:
    tape = [image(0, 1, [["5", "1"]], [["7", "1"]]), image(9, 2, [["4", "1"]], [["7", "2"]])]
    assert list(play(tape, "tape", Decimal(1)))[1].moves == [
        Depth(Side.BUY, 5, 0),
        Depth(Side.BUY, 4, 1),
        Depth(Side.SELL, 7, 2),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        "1000000 {",
        "1000000 [1]",
        "no json",
        line(5, {"data": {"e": "depthUpdate", "u": 99, "b": [["x", "1"]], "a": []}}),
        line(5, {"data": {"e": "depthUpdate", "u": 99, "b": [["100.1", "-1"]], "a": []}}),
        line(5, {"data": {"e": "depthUpdate", "u": 99, "b": [["100.1", "0.5"]], "a": []}}),
        line(5, {"data": {"e": "depthUpdate", "u": 99, "b": [["NaN", "1"]], "a": []}}),
        line(5, {"data": {"e": "depthUpdate", "b": [], "a": []}}),
        line(5, {"data": {"e": "trade", "p": "0", "q": "1", "m": True}}),
        '{"table":"order_book","action":"update","data":[{"id":"4","size":"1"}]}',
        '{"table":"trade","data":[{"p":NaN}]}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_not_sound_is_named(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^tape: line 10: "):
        survey([*PERPETUAL, bad], "tape")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", PERPETUAL[0].encode(), b"\x1f\x8bnot gzip", b"\xff\xfe\n", None],
    ids=["empty", "blank", "no image", "broken gzip", "no text", "no file"],
)
def test_a_tape_without_a_market_is_refused_before_anything_listens(
    tmp_path: Path, content: bytes | None
) -> None:
    tape = tmp_path / "tape"
    if content is not None:
        tape.write_bytes(content)
    with pytest.raises(ValueError, match=str(tape)):
        serve(tape=tape, ready=lambda *_: pytest.fail("it listens"), stop=None)  # type: ignore[arg-type]


def test_a_packed_tape_takes_the_place_of_the_crowd(tmp_path: Path) -> None:
    tape = tmp_path / "tape.gz"
    tape.write_bytes(gzip.compress("\n".join(PERPETUAL).encode()))
    exchange, markets = set_up(tape=tape, crowd=False)
    listing = exchange.listings[BTC_USD]
    assert (listing.instrument.tick, listing.last) == (Decimal("0.1"), Decimal("100.4"))
    for market in markets:
        while step := market.upcoming():
            exchange.play(market.key, step.moves, step.time)
            market.done()
    assert [listing.book.size(Side.BUY, price) for price in (1002, 1001)] == [6, 5]
    assert [trade.qty for trade in listing.history.trades] == [2, 1]
