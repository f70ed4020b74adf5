"""Every REST endpoint, every error, every way to send parameters; without sockets."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from paper_client import headers, sign

from market_maker.paper.api.auth import ApiKey, Auth
from market_maker.paper.api.dispatch import Dispatcher, RawRequest
from market_maker.paper.api.judge import Judge
from market_maker.paper.api.rest import ENDPOINTS
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.moves import Depth, Index, Take
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER, set_up, still_book

KEY, SECRET = "paper-key", "paper-secret"
NOW = 1577836805000
BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
SPOT_BTC = Key(SPOT, "USDT", "BTC/USDT")
PLACE = {"asset": "BTC", "symbol": "BTC_USD"}
SPOT_PLACE = {"asset": "USDT", "symbol": "BTC/USDT"}
ORDER = {**PLACE, "side": "1", "close_flag": "0", "order_type": "1", "price": "8400", "qty": "100"}
SPOT_ORDER = {**SPOT_PLACE, "side": "1", "order_type": "1", "price": "8400", "qty": "0.5"}

Params = dict[str, str]


class Front:
    """The dispatcher of a venue with a still book, at a time set by the test."""

    def __init__(self, **quirks: Any) -> None:
        given = {"rate_limits": False} | quirks
        self.exchange, _ = set_up(crowd=False, quirks=Quirks(**given))
        self.exchange.play(BTC_USD, still_book(), NOW)
        keys = [ApiKey(KEY, SECRET, OWNER), ApiKey("paper-look", SECRET, OWNER, may_trade=False)]
        auth = Auth(keys, self.exchange.quirks.expiry_grace_ms)
        self.dispatcher = Dispatcher(self.exchange, auth, Judge(OWNER, self.exchange))
        self.now = NOW

    def ask(self, method: str, path: str, params: Params | None = None, **signed: str) -> Any:
        params = params or {}
        signed = signed or headers(KEY, SECRET, params, self.now)
        return self.send(
            RawRequest(method, f"v1/api/{path}", signed, list(params.items()), client="c")
        )

    def send(self, asked: RawRequest) -> Any:
        status, reply = self.dispatcher.answer(asked, self.now)
        assert status == 200
        return reply

    def data(self, method: str, path: str, params: Params | None = None) -> Any:
        reply = self.ask(method, path, params)
        assert reply["code"] == 0, reply
        return reply["data"]

    def create(self, **changed: str) -> str:
        return str(self.data("POST", "pc/order/create", ORDER | changed)["order_id"])


@pytest.fixture
def front() -> Front:
    return Front()


def test_accounts_are_shown_and_coins_move_between_them(front: Front) -> None:
    move = {"asset": "BTC", "from": "1", "to": "2", "volume": "1.5"}
    assert front.data("POST", "account/transfer", move) == {"time": None}
    fund = front.data("GET", "account/fund/query", {"asset": "BTC"})["rows"]
    assert fund == [{"asset": "BTC", "total": "8.5", "available": "8.5", "lock": "0"}]
    contract = front.data("GET", "account/pc/query")["rows"]
    assert [(row["asset"], row["total"]) for row in contract] == [("BTC", "51.5"), ("ETH", "500")]
    spot = front.data("GET", "account/bb/query")["rows"]
    assert [row["asset"] for row in spot] == ["BTC", "ETH", "USDT"]


INSTRUMENT = "asset symbol price_precision last_price volume_24h change_rate_24h"
PERPETUAL = (
    f"{INSTRUMENT} index_price mark_price volume_pos_hold face_value quote_currency funding_rate"
    " funding_rate_time indicative_funding_rate indicative_funding_rate_time"
)
PAIR = f"{INSTRUMENT} split_char number_precision high_price low_price"
ORDER_ROW = (
    "order_id client_oid asset symbol side close_flag price qty filled_qty avg_price leverage"
    " order_margin order_type status fee ctime"
)
PAIR_ORDER_ROW = (
    "order_id status fee price qty bid_flag asset symbol ctime avg_price filled_qty trade_ratio"
    " order_type side"  # the last as in contracts, and not documented
)
SETTING = (
    "margin_mode cross_leverage cross_max_leverage bid_leverage bid_max_leverage ask_leverage"
    " ask_max_leverage asset symbol time"
)
LEVERAGE = {**PLACE, "mode": "1", "leverage": "10"}
ISOLATED = {**PLACE, "mode": "2", "leverage": "10", "long_flag": "1"}


@pytest.mark.parametrize(
    ("method", "path", "params", "data", "row"),
    [
        ("GET", "account/fund/query", {}, "rows", "asset total available lock"),
        ("GET", "account/bb/query", {}, "rows", "asset total available lock"),
        ("GET", "account/pc/query", {}, "rows", "asset total available order_margin pos_margin"),
        ("GET", "pc/asset/query", {}, "rows", "asset"),
        ("GET", "bb/asset/query", {}, "rows", "asset"),
        ("GET", "pc/contract/query", PLACE, "time rows", "symbol price_precision"),
        (
            *("GET", "bb/symbol/query", {}, "time rows"),
            "asset symbol min_trade_number price_precision number_precision",
        ),
        ("GET", "pc/instrument/query", PLACE, "time rows", PERPETUAL),
        ("GET", "bb/instrument/query", SPOT_PLACE, "time rows", PAIR),
        ("GET", "pc/candle/query", PLACE, "time interval asset symbol rows", None),
        ("GET", "bb/candle/query", SPOT_PLACE, "time interval asset symbol rows", None),
        ("GET", "pc/order/book/query", PLACE, "time asset symbol bids asks", None),
        ("GET", "bb/order/book/query", SPOT_PLACE, "time asset symbol bids asks", None),
        (
            *("GET", "pc/trade/query", PLACE, "time rows"),
            "trade_id price qty asset symbol trade_time",
        ),
        ("GET", "pc/setting/query", PLACE, SETTING, None),
        ("POST", "pc/order/create", ORDER, "time order_id", None),
        ("POST", "bb/order/create", SPOT_ORDER, "time order_id", None),
        ("GET", "pc/order/query", PLACE, "time rows", ORDER_ROW),
        ("GET", "bb/order/query", SPOT_PLACE, "time rows", PAIR_ORDER_ROW),
        ("POST", "pc/order/cancel", PLACE, "time order_id", None),
        ("POST", "bb/order/cancel", SPOT_PLACE, "time", None),
        ("POST", "pc/order/cancel_batch", PLACE, "time", None),
        ("POST", "pc/leverage/change", LEVERAGE, "time rows", "asset symbol mode leverage"),
        (
            *("POST", "pc/margin/increase"),
            {**PLACE, "long_flag": "1", "increase_flag": "1", "margin": "0.1"},
            *("time", None),
        ),
        ("POST", "pc/margin/auto", {**PLACE, "long_flag": "1", "open_flag": "1"}, "time", None),
        (
            *("POST", "account/transfer", {"asset": "BTC", "from": "1", "to": "2", "volume": "1"}),
            *("time", None),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
def test_an_answer_has_all_documented_fields(
    front: Front, method: str, path: str, params: Params, data: str, row: str | None
) -> None:
    front.exchange.play(BTC_USD, [Take(Side.BUY, 16995, 1)], NOW)
    if path == "pc/margin/increase":
        front.data("POST", "pc/leverage/change", ISOLATED)
        front.create(price="8500", qty="100")
    if path in ("pc/order/query", "pc/order/cancel", "pc/order/cancel_batch"):
        made = front.create()
        params = params | {"order_id": made, "filter": f'{{"order_id":["{made}"]}}'}
    if path in ("bb/order/query", "bb/order/cancel"):
        params = params | {
            "order_id": front.data("POST", "bb/order/create", SPOT_ORDER)["order_id"]
        }
    answer = front.data(method, path, params)
    assert set(answer) == set(data.split())
    assert "time" not in answer or answer["time"] in (str(NOW), None)
    if row is not None:
        assert {frozenset(one) for one in answer["rows"]} == {frozenset(row.split())}


def test_a_withdrawal_holds_the_coins_and_waits_for_ever(front: Front) -> None:
    wanted = {"asset": "BTC", "volume": "2", "address": "mine"}
    assert front.data("POST", "account/withdraw", wanted)["status"] == "waiting for confirmation"
    row = front.data("GET", "account/fund/query", {"asset": "BTC"})["rows"][0]
    assert (row["total"], row["available"], row["lock"]) == ("10", "8", "2")


def test_what_is_listed_is_told(front: Front) -> None:
    assert front.data("GET", "pc/asset/query") == {"rows": [{"asset": "BTC"}, {"asset": "ETH"}]}
    assert front.data("GET", "asset/query") == front.data("GET", "pc/asset/query")
    assert front.data("GET", "bb/asset/query") == {"rows": [{"asset": "USDT"}]}
    assert front.data("GET", "pc/contract/query", {"asset": "BTC"})["rows"] == [
        {"symbol": "BTC_USD", "price_precision": "1"},
        {"symbol": "ETH_USD", "price_precision": "2"},
    ]
    symbols = front.data("GET", "bb/symbol/query")["rows"]
    assert symbols[1] == {
        "asset": "USDT",
        "symbol": "ETH/USDT",
        "min_trade_number": "0.001",
        "price_precision": "2",
        "number_precision": "3",
    }
    assert front.data("GET", "bb/symbol/query", {"asset": "USDT"})["rows"] == symbols
    assert len(front.data("GET", "pc/instrument/query", {"asset": "ETH"})["rows"]) == 2
    assert front.data("GET", "bb/instrument/query", SPOT_PLACE)["rows"][0]["split_char"] == "/"


def test_the_book_and_its_tape_are_told(front: Front) -> None:
    front.exchange.play(BTC_USD, [Take(Side.BUY, 16995, 30), Take(Side.SELL, 16980, 7)], NOW)
    book = front.data("GET", "pc/order/book/query", {**PLACE, "size": "2"})
    assert book["bids"] == [["8490", "993"], ["8487.5", "1100"]]
    assert book["asks"] == [["8497.5", "970"], ["8500", "1100"]]
    tape = front.data("GET", "pc/trade/query", PLACE)["rows"]
    assert [(row["price"], row["qty"]) for row in tape] == [("8497.5", "30"), ("8490", "7")]
    first, second = (row["trade_id"] for row in tape)
    above = front.data("GET", "pc/trade/query", {**PLACE, "gt_trade_id": first, "count": "5"})
    below = front.data("GET", "pc/trade/query", {**PLACE, "lt_trade_id": second})
    assert [row["trade_id"] for row in above["rows"] + below["rows"]] == [second, first]


def test_candles_are_made_of_the_trades(front: Front) -> None:
    minute = 60_000
    for after, side, price in ((0, Side.BUY, 16995), (1, Side.SELL, 16980), (7, Side.BUY, 16995)):
        front.exchange.play(BTC_USD, [Take(side, price, 10)], NOW + after * minute)
    front.now += 8 * minute
    start = NOW // minute * minute
    rows = front.data("GET", "pc/candle/query", PLACE)["rows"]
    assert rows[0] == [str(start), "8497.5", "8497.5", "8497.5", "8497.5", "10"]
    fives = front.data("GET", "pc/candle/query", {**PLACE, "interval": "5"})["rows"]
    assert fives[0] == [str(start), "8497.5", "8497.5", "8490", "8490", "20"]
    assert [row[0] for row in fives] == [str(start), str(start + 5 * minute)]
    last = front.data("GET", "pc/candle/query", {**PLACE, "size": "1"})["rows"]
    late = front.data("GET", "pc/candle/query", {**PLACE, "start_time": str(NOW + 2 * minute)})
    assert last == late["rows"] == rows[-1:]
    assert front.data("GET", "bb/candle/query", SPOT_PLACE)["rows"] == []


def test_a_contract_order_lives_and_ends(front: Front) -> None:
    order_id = front.create(client_oid="mm-1")
    page = {"asset": "BTC", "filter": '{"status":["2"]}'}
    assert front.data("GET", "pc/order/query", page)["rows"][0]["client_oid"] == "mm-1"
    gone = {**PLACE, "id": order_id}
    assert front.data("POST", "pc/order/cancel", gone)["order_id"] == order_id
    assert front.data("GET", "pc/order/query", page)["rows"] == []
    row = front.data("GET", "pc/order/query", {"asset": "BTC"})["rows"][0]
    assert (row["status"], row["order_margin"]) == ("8", "0")


def test_a_batch_cancels_those_that_live(front: Front) -> None:
    ids = [front.create() for _ in range(3)]
    front.data("POST", "pc/order/cancel", {**PLACE, "order_id": ids[0]})
    wanted = {**PLACE, "filter": json.dumps({"order_id": [*ids, "17"]}, separators=(",", ":"))}
    assert front.data("POST", "pc/order/cancel_batch", wanted) == {"time": str(NOW)}
    assert front.exchange.blotter.live(OWNER) == []


def test_orders_come_by_the_hundred_oldest_first(front: Front) -> None:
    ids = [front.create(qty="1") for _ in range(130)]

    def page(**bounds: str) -> list[str]:
        rows = front.data("GET", "pc/order/query", {"asset": "BTC", **bounds})["rows"]
        return [row["order_id"] for row in rows]

    assert page() == ids[:100]
    assert page(gt_order_id=ids[99]) == ids[100:]
    assert page(lt_order_id=ids[50], count="2") == [ids[49], ids[48]]
    assert page(gt_order_id=ids[1], lt_order_id=ids[0], count="1") == [ids[2]]
    assert page(symbol="ETH_USD") == []


def test_a_spot_order_moves_coins(front: Front) -> None:
    front.exchange.play(SPOT_BTC, [Depth(Side.SELL, 840000, 2000)], NOW)
    order_id = front.data("POST", "bb/order/create", SPOT_ORDER)["order_id"]
    row = front.data("GET", "bb/order/query", {"asset": "USDT"})["rows"][0]
    assert (row["order_id"], row["status"], row["bid_flag"]) == (order_id, "16", "1")
    assert (row["avg_price"], row["trade_ratio"]) == ("8400", "0.4")
    rows = front.data("GET", "account/bb/query")["rows"]
    coins = {row["asset"]: (row["total"], row["lock"]) for row in rows}
    assert coins["BTC"] == ("10.19985", "0")
    assert coins["USDT"] == ("98320", "2520")
    cancelled = front.data("POST", "bb/order/cancel", {**SPOT_PLACE, "order_id": order_id})
    assert cancelled == {"time": str(NOW)}
    assert front.data("GET", "account/bb/query", {"asset": "USDT"})["rows"][0]["lock"] == "0"


def test_a_spot_order_may_say_bid_flag(front: Front) -> None:
    order = {name: value for name, value in SPOT_ORDER.items() if name != "side"}
    front.data("POST", "bb/order/create", {**order, "bid_flag": "0"})
    assert front.exchange.blotter.live(OWNER)[0].side is Side.SELL


def test_positions_are_set_up_and_their_margin_changed(front: Front) -> None:
    leverage = {**PLACE, "mode": "2", "leverage": "20", "long_flag": "1"}
    assert front.data("POST", "pc/leverage/change", leverage)["rows"] == [
        {**PLACE, "mode": "2", "leverage": "20"}
    ]
    setting = front.data("GET", "pc/setting/query", PLACE)
    assert (setting["bid_leverage"], setting["ask_leverage"]) == ("20", "10")
    assert front.data("POST", "pc/setting/query", PLACE) == setting
    front.create(price="8500")
    more = {**PLACE, "long_flag": "1", "increase_flag": "1", "margin": "0.5"}
    assert front.data("POST", "pc/margin/increase", more) == {"time": str(NOW)}
    front.data("POST", "pc/margin/increase", {**more, "increase_flag": "0", "margin": "0.25"})
    front.data("POST", "pc/margin/increase", {**more, "increase_flag": "2", "margin": "0.2"})
    front.data("POST", "pc/margin/auto", {**PLACE, "long_flag": "1", "open_flag": "1"})
    row = front.data("GET", "account/pc/query", {"asset": "BTC"})["rows"][0]
    assert row["pos_margin"] == "0.050588"


def create(**changed: str) -> tuple[str, str, Params]:
    """Return an order with changes; an empty value leaves a parameter out."""
    return "POST", "pc/order/create", ORDER | changed


def spot(**changed: str) -> tuple[str, str, Params]:
    return "POST", "bb/order/create", SPOT_ORDER | changed


def cancel(**changed: str) -> tuple[str, str, Params]:
    return "POST", "pc/order/cancel", {**PLACE, "order_id": "1", **changed}


def batch(text: str) -> tuple[str, str, Params]:
    return "POST", "pc/order/cancel_batch", {**PLACE, "filter": text}


def query(**params: str) -> tuple[str, str, Params]:
    return "GET", "pc/order/query", {"asset": "BTC", **params}


def transfer(**changed: str) -> tuple[str, str, Params]:
    move = {"asset": "BTC", "from": "1", "to": "2", "volume": "1"}
    return "POST", "account/transfer", move | changed


def leverage(**changed: str) -> tuple[str, str, Params]:
    change = {**PLACE, "mode": "2", "long_flag": "1", "leverage": "5"}
    return "POST", "pc/leverage/change", change | changed


def margin(**changed: str) -> tuple[str, str, Params]:
    change = {**PLACE, "long_flag": "1", "increase_flag": "1", "margin": "1"}
    return "POST", "pc/margin/increase", change | changed


FIFTY_ONE = json.dumps({"order_id": [str(number) for number in range(51)]}).replace(" ", "")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        *[(create(**{name: ""}), -10011) for name in ORDER],
        *[(create(**{name: "x"}), -10012) for name in ORDER if name not in PLACE],
        (create(price="1e3"), -10012),
        (create(price="NaN"), -10012),
        (create(price="٨٤٠٠"), -10012),
        (create(price="8400.25"), -10013),
        (create(price="0"), -10013),
        (create(price="-8400"), -10013),
        (create(price="999999999999999999"), -10013),
        (create(qty="1.5"), -10013),
        (create(qty="0"), -10013),
        (create(qty="-1"), -10013),
        (create(qty="100000000"), -10013),
        (create(side="2"), -10013),
        (create(close_flag="2"), -10013),
        (create(order_type="2"), -10013),
        (create(client_oid="x" * 41), -10013),
        (create(client_oid="tab\t"), -10013),
        (create(asset="XRP"), -16002),
        (create(symbol="XRP_USD"), -16003),
        (create(qty="9000000"), -13203),
        (create(close_flag="1"), -13101),
        (create(settle_currency="ETH"), -10013),
        (spot(qty="0.00001"), -10013),
        (spot(price="8400.001"), -10013),
        (spot(qty="100"), -11003),
        (spot(side="0", qty="11"), -11003),
        (spot(symbol="BTC_USD"), -16003),
        (cancel(), -13004),
        (cancel(order_id=""), -10011),
        (cancel(order_id="abc"), -10012),
        (cancel(id="2"), -10013),
        (cancel(order_id="1", id="1"), -13004),
        (batch(""), -10011),
        (batch("{"), -10012),
        (batch("[]"), -10012),
        (batch('{"order_id":{}}'), -10012),
        (batch('{"order_id":[true]}'), -10012),
        (batch('{"order_id":[]}'), -10013),
        (batch(FIFTY_ONE), -10013),
        (batch("[" * 50_000), -10012),
        (query(asset=""), -10011),
        (query(asset="XRP"), -16002),
        (query(symbol="XRP_USD"), -16003),
        (query(count="101"), -10013),
        (query(count="0"), -10013),
        (query(count="-1"), -10012),
        (query(gt_order_id="x"), -10012),
        (query(filter='{"status":["3"]}'), -10013),
        (query(filter='{"status":"x"}'), -10012),
        (transfer(to="1"), -11051),
        (transfer(to="4"), -10013),
        (transfer(volume="11"), -11003),
        (transfer(volume="0"), -11004),
        (transfer(volume="0.000000001"), -10013),
        (transfer(asset="USDT"), -16002),
        (("POST", "account/withdraw", {"asset": "BTC", "volume": "11", "address": "a"}), -11003),
        (("POST", "account/withdraw", {"asset": "X", "volume": "1", "address": "a"}), -16002),
        (("POST", "account/withdraw", {"asset": "BTC", "volume": "1"}), -10011),
        (("GET", "account/pc/query", {"asset": "USDT"}), -16002),
        (leverage(leverage="101"), -13104),
        (leverage(leverage="0"), -10013),
        (leverage(mode="3"), -10013),
        (leverage(long_flag=""), -10011),
        (margin(), -10013),
        (margin(margin="0"), -11004),
        (margin(increase_flag="3"), -10013),
        (("GET", "pc/order/book/query", {**PLACE, "size": "51"}), -10013),
        (("GET", "pc/candle/query", {**PLACE, "interval": "2"}), -10013),
        (("GET", "pc/candle/query", {**PLACE, "size": "1441"}), -10013),
        (("GET", "pc/instrument/query", {}), -10011),
        (("GET", "bb/symbol/query", {"asset": "BTC"}), -16002),
    ],
)
def test_a_bad_request_is_refused_with_its_code_and_changes_nothing(
    front: Front, request_: tuple[str, str, Params], code: int
) -> None:
    reply = front.ask(*request_)
    assert (reply["code"], reply["data"]) == (code, None)
    assert front.exchange.blotter.all(OWNER, []) == front.exchange.blotter.live(OWNER) == []


def test_an_order_that_has_ended_says_how(front: Front) -> None:
    filled, cancelled = front.create(price="8500"), front.create(client_oid="one")
    front.data("POST", "pc/order/cancel", {**PLACE, "order_id": cancelled})
    for order_id, code in ((filled, -13003), (cancelled, -13002)):
        assert front.ask("POST", "pc/order/cancel", {**PLACE, "order_id": order_id})["code"] == code
    assert front.ask(*create(client_oid="one"))["code"] == -13001
    other = {"asset": "ETH", "symbol": "BTC_USD", "order_id": filled}
    assert front.ask("POST", "pc/order/cancel", other)["code"] == -13004


def test_resting_orders_keep_leverage_as_it_is(front: Front) -> None:
    front.create()
    assert front.ask(*leverage())["code"] == -13102


def test_a_close_must_not_be_worse_than_bankruptcy_nor_come_after_liquidation(front: Front) -> None:
    front.create(price="8497.5")
    close = {"side": "0", "close_flag": "1", "price": "7000"}
    assert front.ask(*create(**close))["code"] == -13005
    front.exchange.play(BTC_USD, [Index(Decimal(7000))], NOW)
    assert front.ask(*create(**close))["code"] == -13106


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"api-key": ""}, -10011),
        ({"api-expires": ""}, -10011),
        ({"api-signature": ""}, -10011),
        ({"api-key": "paper-other"}, -10054),
        ({"api-expires": "soon"}, -10012),
        ({"api-expires": "9" * 17}, -10012),
        ({"api-signature": "0" * 64}, -10051),
        ({"api-signature": "é"}, -10051),
    ],
)
def test_who_cannot_show_a_signature_stays_outside(
    front: Front, changed: dict[str, str], code: int
) -> None:
    signed = headers(KEY, SECRET, {"asset": "BTC"}, NOW) | changed
    assert front.ask("GET", "pc/order/query", {"asset": "BTC"}, **signed)["code"] == code


def test_a_key_that_may_only_look_cannot_trade(front: Front) -> None:
    look = headers("paper-look", SECRET, {"asset": "BTC"}, NOW)
    assert front.ask("GET", "pc/order/query", {"asset": "BTC"}, **look)["code"] == 0
    trade = headers("paper-look", SECRET, ORDER, NOW)
    assert front.ask("POST", "pc/order/create", ORDER, **trade)["code"] == -10055


@pytest.mark.parametrize(("late", "code"), [(-600_000, 0), (5_000, 0), (5_001, -10052)])
def test_a_request_expires(front: Front, late: int, code: int) -> None:
    signed = headers(KEY, SECRET, {"asset": "BTC"}, NOW - late)
    assert front.ask("GET", "pc/order/query", {"asset": "BTC"}, **signed)["code"] == code


def test_parameters_may_come_in_the_query_in_a_form_or_as_json(front: Front) -> None:
    path = "v1/api/pc/order/create"
    signed = headers(KEY, SECRET, ORDER, NOW)
    form = {**signed, "Content-Type": "application/x-www-form-urlencoded"}
    native = {**ORDER, "qty": 100, "price": 8400.5, "side": 1}
    dumped = json.dumps(native, sort_keys=True, separators=(",", ":"))
    by_json = {**signed, "api-signature": sign(SECRET, f"{KEY}{NOW}{dumped}")}
    for asked in (
        RawRequest("POST", path, signed, list(ORDER.items())),
        RawRequest("POST", path, form, [], urlencode(ORDER).encode()),
        RawRequest("POST", path, signed, [], json.dumps(ORDER).encode()),
        RawRequest("POST", path, by_json, [], json.dumps(native).encode()),
    ):
        assert front.send(asked)["code"] == 0
    twice = RawRequest("POST", path, signed, list(ORDER.items()), json.dumps(ORDER).encode())
    assert front.send(twice)["code"] == -10013
    assert len(front.exchange.blotter.live(OWNER)) == 4


@pytest.mark.parametrize("text", ["", "{}"], ids=["nothing is signed", "an empty object is signed"])
def test_a_request_without_parameters_may_be_signed_in_both_ways(front: Front, text: str) -> None:
    signed = headers(KEY, SECRET, {}, NOW)
    signed["api-signature"] = sign(SECRET, f"{KEY}{NOW}{text}")
    assert front.ask("GET", "account/pc/query", {}, **signed)["code"] == 0


def test_what_is_not_there_is_not_found(front: Front) -> None:
    for method, path in (("GET", "pc/order/create"), ("DELETE", "pc/asset/query"), ("GET", "x")):
        status, reply = front.dispatcher.answer(RawRequest(method, f"v1/api/{path}", {}, []), NOW)
        assert (status, reply["code"]) == (404, -10013)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids="/".join)
def test_each_endpoint_has_the_documented_limit(endpoint: tuple[str, str]) -> None:
    front = Front(rate_limits=True)
    limit, window = ENDPOINTS[endpoint].limit, ENDPOINTS[endpoint].window
    codes = []
    for _ in range(limit + 1):
        codes.append(front.ask(*endpoint)["code"])
    assert -10053 not in codes[:-1]
    assert codes[-1] == -10053
    front.now += window - 1
    assert front.ask(*endpoint)["code"] == -10053
    front.now += 1
    assert front.ask(*endpoint)["code"] != -10053


def test_the_quirks_change_what_rest_does() -> None:
    front = Front(oid_unique="open", forget_client_oid=True, unknown_order=-11066)
    order_id = front.create(client_oid="one")
    assert front.ask(*create(client_oid="one"))["code"] == -13001
    assert front.data("GET", "pc/order/query", {"asset": "BTC"})["rows"][0]["client_oid"] is None
    assert front.ask(*cancel())["code"] == -11066
    front.data("POST", "pc/order/cancel", {**PLACE, "id": order_id})
    front.create(client_oid="one")

    front = Front(oid_unique="none", expiry_grace_ms=0)
    ids = [front.create(client_oid="one") for _ in range(2)]
    assert ids == sorted(ids)
    signed = headers(KEY, SECRET, {"asset": "BTC"}, NOW - 1)
    assert front.ask("GET", "pc/order/query", {"asset": "BTC"}, **signed)["code"] == -10052

    front = Front(ids_grow=False)
    ids = [int(front.create()) for _ in range(20)]
    assert ids != sorted(ids)
    assert len(set(ids)) == 20

    front = Front(rate_limits=True, limited_create_placed=True)
    assert [front.ask(*create())["code"] for _ in range(21)][-1] == -10053
    assert len(front.exchange.blotter.live(OWNER)) == 21

    front = Front(bb_side_too=False)
    front.data("POST", "bb/order/create", SPOT_ORDER)
    assert "side" not in front.data("GET", "bb/order/query", {"asset": "USDT"})["rows"][0]
