"""The feed: who gets which frames, and what the quirks change in them; without sockets."""

import json
from decimal import Decimal
from typing import Any

import pytest
from paper_client import login

from market_maker.paper.api.auth import ApiKey, Auth
from market_maker.paper.api.feed import MAX_ECHO, Feed
from market_maker.paper.api.session import Session
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, Key
from market_maker.paper.exchange.moves import Depth, Take
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER, set_up, still_book

KEY, SECRET = "paper-key", "paper-secret"
NOW = 1577836805000
BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
PRIVATE = ("order", "execution", "position", "margin")


class Listener:
    """One client of a venue with a still book."""

    def __init__(self, **quirks: Any) -> None:
        self.exchange, _ = set_up(crowd=False, quirks=Quirks(**quirks))
        self.exchange.play(BTC_USD, still_book(), NOW)
        self.exchange.outbox.drain()
        self.feed = Feed(self.exchange, Auth([ApiKey(KEY, SECRET, OWNER)], 5000))
        self.frames: list[Any] = []
        self.session = Session(lambda frame, _: self.frames.append(json.loads(frame)))
        self.feed.sessions[self.session] = None

    def send(self, message: object) -> Any:
        """Send a message; return the first frame it brings."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.frames.clear()
        self.feed.receive(self.session, text, NOW)
        return self.frames[0]

    def auth(self, expires: int = NOW, **changed: str) -> str:
        message = login(KEY, SECRET, expires)
        message["args"] |= changed
        return str(self.send(message)["status"])

    def sub(self, table: str, symbol: str = "BTC_USD", op: str = "sub", **changed: Any) -> str:
        args = {"instrument_type": "pc", "table": table, "settle_currency": "BTC"}
        args |= {"symbol": symbol} if symbol else {}
        return str(self.send({"op": op, "args": args | changed})["status"])

    def subs(self, *tables: str) -> None:
        self.auth()
        for table in tables:
            assert self.sub(table, "") == "0"
        self.frames.clear()

    def order(self, side: Side, price: str, qty: int, close: bool = False) -> int:
        order_id = self.exchange.create(
            OWNER,
            BTC_USD,
            side=side,
            close=close,
            price=Decimal(price),
            qty=Decimal(qty),
            client_oid="mm-1" if not close else None,
            now=NOW,
        )
        self.publish()
        return order_id

    def publish(self) -> None:
        self.feed.publish(self.exchange.outbox.drain(), NOW)

    def heard(self, table: str) -> list[tuple[str, Any]]:
        """Return (action, first row) of the frames of a table so far, and forget them all."""
        heard = [(f.get("action", ""), f["data"][0]) for f in self.frames if f["table"] == table]
        self.frames.clear()
        return heard


def test_the_snapshot_comes_first_even_of_an_empty_table() -> None:
    listener = Listener()
    listener.auth()
    for table, size in (("order", 0), ("position", 0), ("margin", 1), ("order_book", 50)):
        listener.sub(table)
        _, image = listener.frames
        assert (image["action"], len(image["data"])) == ("partial", size)
    for table in ("execution", "trade"):
        listener.sub(table)
        assert len(listener.frames) == 1


COMMON = "instrument_type settle_currency symbol"
FIELDS = {
    "instrument": "split_char last_price index_price mark_price change_rate_24h volume_24h"
    " volume_pos_hold lot_size quote_currency funding_rate funding_rate_time tick_size symbol_id"
    " indicative_funding_rate indicative_funding_rate_time price_precision",
    "trade": "trade_time side price qty",
    "order_book": "id side price size",
    "order": "order_id client_oid side close_flag price qty filled_qty avg_price leverage"
    " order_margin order_type status fee ctime",
    "execution": "exec_id exec_type ctime order_id order_price order_qty order_type order_status"
    " side close_flag cum_qty leaves_qty last_qty maker_flag trade_match_id",
    "position": "side qty avail_qty entry_price liquidation_price leverage margin_mode pnl"
    " auto_increase_flag maint_margin_ratio realised_pnl pos_margin pos_margin_ratio pos_pnl_ratio",
}
AROUND = dict.fromkeys(PRIVATE, "table action keys data time") | {
    "instrument": "table action key data time",
    "trade": "table data time",
    "order_book": "table action data time",
}


def test_a_frame_has_all_documented_fields() -> None:
    listener = Listener()
    listener.auth()
    told: list[Any] = []
    for table in AROUND:
        listener.sub(table)
        told += listener.frames
    listener.order(Side.BUY, "8497.5", 1500)
    told += listener.frames
    seen: dict[str, set[str]] = {}
    for frame in told:
        if "table" not in frame:
            continue
        assert set(frame) == set(AROUND[frame["table"]].split())
        is_part = frame["table"] == "instrument" and frame["action"] == "update"
        for row in [] if is_part else frame["data"]:
            seen.setdefault(frame["table"], set()).add(" ".join(sorted(row)))
    amounts = "instrument_type settle_currency total available order_margin pos_margin"
    names = {table: f"{COMMON} {fields}" for table, fields in FIELDS.items()} | {"margin": amounts}
    assert seen == {table: {" ".join(sorted(each.split()))} for table, each in names.items()}


@pytest.mark.parametrize("push", ["changed", "full"])
def test_the_first_row_of_a_position_is_an_insert_to_each_client_that_has_not_seen_it(
    push: str,
) -> None:
    listener = Listener(oid_unique="none", position_push=push)
    listener.subs("position")
    listener.order(Side.BUY, "8497.5", 10)
    listener.order(Side.BUY, "8497.5", 10)
    assert [(a, r["side"], r["qty"]) for a, r in listener.heard("position")] == [
        ("insert", "1", "10"),
        ("update", "1", "20"),
    ]
    listener.order(Side.SELL, "8490", 5)
    listener.order(Side.SELL, "8490", 5, close=True)
    told = [(action, row["side"]) for action, row in listener.heard("position")]
    changed = [("insert", "0"), ("update", "1")]
    full = [("insert", "0"), ("update", "1"), ("update", "1")]
    assert told == (changed if push == "changed" else full)
    listener.sub("position", op="unsub")
    listener.sub("position")
    listener.frames.clear()
    listener.order(Side.SELL, "8490", 5)
    assert {action for action, _ in listener.heard("position")} == {"update"}


def test_the_image_of_a_book_is_that_of_now_to_each_client() -> None:
    listener = Listener()
    for size in (1, 2):
        for watched in (True, False):
            listener.exchange.play(BTC_USD, [Depth(Side.BUY, 16980, size + 10 * watched)], NOW)
            listener.feed.sessions = {listener.session: None} if watched else {}
            listener.publish()
            listener.sub("order_book")
            sizes = [row["size"] for row in listener.frames[1]["data"] if row["price"] == "8490"]
            assert sizes == [str(size + 10 * watched)]
            listener.sub("order_book", op="unsub")


def test_an_order_is_told_from_its_birth_to_its_end() -> None:
    listener = Listener()
    listener.subs("order", "execution")
    listener.order(Side.BUY, "8497.5", 1500)
    told = [(action, row["status"], row["filled_qty"]) for action, row in listener.heard("order")]
    assert told == [("insert", "2", "0"), ("update", "16", "1000")]
    listener.exchange.play(BTC_USD, [Take(Side.SELL, 16990, 500)], NOW)
    listener.publish()
    frames = list(listener.frames)
    told = [(action, row["status"], row["filled_qty"]) for action, row in listener.heard("order")]
    assert told == [("update", "32", "1500"), ("delete", "32", "1500")]
    listener.frames = frames
    reports = [row for _, row in listener.heard("execution")]
    told = [(row["exec_type"], row["last_qty"], row["leaves_qty"]) for row in reports]
    assert told == [("4", "500", "0"), ("8", "500", "0")]
    assert len({row["exec_id"] for row in reports}) == 2


def test_a_topic_can_be_left_and_taken_again() -> None:
    listener = Listener()
    assert listener.sub("trade") == "0"
    assert listener.sub("trade") == "-10201"
    assert listener.sub("trade", op="unsub") == "0"
    listener.exchange.play(BTC_USD, [Take(Side.BUY, 16995, 1)], NOW)
    listener.frames.clear()
    listener.publish()
    assert listener.frames == []
    assert listener.sub("trade") == "0"


def test_a_symbol_filters_a_private_table() -> None:
    listener = Listener()
    listener.auth()
    listener.sub("order", "ETH_USD")
    listener.frames.clear()
    listener.order(Side.BUY, "8400", 1)
    assert listener.frames == []


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"api_key": "paper-other"}, "-10054"),
        ({"api_key": ""}, "-10011"),
        ({"expires": "soon"}, "-10012"),
        ({"signature": "0"}, "-10051"),
    ],
)
def test_a_login_is_checked(changed: dict[str, str], status: str) -> None:
    assert Listener().auth(**changed) == status
    assert Listener().auth(expires=NOW - 5001) == "-10052"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("", "-10012"),
        ("{", "-10012"),
        ("[]", "-10012"),
        ("null", "-10012"),
        ("[" * 100_000, "-10012"),
        ({"op": "sub"}, "-10012"),
        ({"op": "sub", "args": []}, "-10012"),
        ({"op": "dance", "args": {}}, "-10013"),
        ({"op": ["sub"], "args": {}}, "-10013"),
        ({"op": "sub", "args": {}}, "-10013"),
        ({"op": "sub", "args": {"table": 7}}, "-10012"),
        ({"op": "sub", "args": {"table": "wallet"}}, "-10013"),
        ({"op": "sub", "args": {"table": "order"}}, "-10202"),
        ({"op": "sub", "args": {"table": "trade"}}, "-10011"),
        ({"op": "auth_key_expires", "args": {}}, "-10011"),
        ({"op": "auth_key_expires", "args": {"api_key": {}, "expires": [1]}}, "-10011"),
    ],
)
def test_a_bad_message_gets_an_answer(message: object, status: str) -> None:
    listener = Listener()
    answer = listener.send(message)
    assert answer["status"] == status
    asked = message if isinstance(message, str) else json.dumps(message)
    assert answer["request"] == asked[:MAX_ECHO]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"instrument_type": "xx"}, "-16002"),
        ({"settle_currency": "XRP"}, "-16002"),
        ({"symbol": "XRP_USD"}, "-16003"),
    ],
)
def test_what_is_not_listed_cannot_be_subscribed(changed: dict[str, str], status: str) -> None:
    assert Listener().sub("trade", **changed) == status


def test_spot_has_public_tables_only_and_the_area_may_be_called_asset() -> None:
    listener = Listener()
    listener.auth()
    place = {"instrument_type": "bb", "symbol": "BTC/USDT"}
    assert listener.sub("instrument", **place, settle_currency="", asset="USDT") == "0"
    assert listener.frames[1]["data"][0]["min_trade_number"] == "0.0001"
    assert listener.sub("order", **place, settle_currency="USDT") == "-10013"


def test_a_closed_side_is_a_row_of_nothing_or_no_row() -> None:
    for how, rows in (("zero", [("update", "0")]), ("vanish", [])):
        listener = Listener(flat_position=how)
        listener.order(Side.BUY, "8497.5", 10)
        listener.subs("position")
        listener.order(Side.SELL, "8490", 10, close=True)
        assert [(action, row["qty"]) for action, row in listener.heard("position")] == rows


def test_a_change_pushes_one_side_or_all() -> None:
    for how, count in (("changed", 1), ("full", 2)):
        listener = Listener(position_push=how)
        listener.order(Side.BUY, "8497.5", 10)
        listener.exchange.play(BTC_USD, [Take(Side.BUY, 16995, 0)], NOW)
        listener.exchange.create(
            OWNER,
            BTC_USD,
            side=Side.SELL,
            close=False,
            price=Decimal(8490),
            qty=Decimal(1),
            client_oid=None,
            now=NOW,
        )
        listener.publish()
        listener.subs("position")
        listener.order(Side.SELL, "8490", 5, close=True)
        assert [len(frame["data"]) for frame in listener.frames] == [count]


def test_the_book_is_never_crossed_between_two_frames() -> None:
    listener = Listener()
    listener.sub("order_book")
    listener.frames.clear()
    moves = [Depth(Side.SELL, 16995, 0), Depth(Side.BUY, 16995, 70)]  # 8497.5 changes sides
    listener.exchange.play(BTC_USD, moves, NOW)
    listener.publish()
    assert [action for action, _ in listener.heard("order_book")] == ["delete", "insert"]


def test_the_quirks_change_what_is_pushed() -> None:
    listener = Listener(empty_partial=False, margin_frames=False)
    listener.subs(*PRIVATE)
    listener.feed.pulse(NOW)
    assert [frame["table"] for frame in listener.frames] == ["position"]

    listener = Listener(forget_client_oid=True, done_report="alone", order_end="delete")
    listener.subs("order", "execution")
    listener.order(Side.BUY, "8497.5", 10)
    frames = list(listener.frames)
    assert [(a, r["client_oid"]) for a, r in listener.heard("order")] == [
        ("insert", None),
        ("delete", None),
    ]
    listener.frames = frames
    assert [row["exec_type"] for _, row in listener.heard("execution")] == ["1", "8"]

    listener = Listener(order_end="update", trade_action="insert")
    listener.subs("order")
    listener.sub("trade")
    listener.frames.clear()
    listener.order(Side.BUY, "8497.5", 10)
    frames = list(listener.frames)
    assert [action for action, _ in listener.heard("order")] == ["insert", "update"]
    listener.frames = frames
    assert [action for action, _ in listener.heard("trade")] == ["insert"]

    listener = Listener(id_only_deltas=True, withhold_tick_size=True)
    listener.sub("instrument")
    assert "tick_size" not in listener.frames[1]["data"][0]
    listener.sub("order_book")
    listener.frames.clear()
    listener.exchange.play(BTC_USD, [Depth(Side.BUY, 16980, 7), Depth(Side.BUY, 16981, 7)], NOW)
    listener.publish()
    rows = dict(listener.heard("order_book"))
    assert {"price", "side"} <= rows["insert"].keys()
    assert rows["update"].keys() == {"id", "instrument_type", "settle_currency", "symbol", "size"}
