"""Golden frames: the examples of the wire reference, in both directions, to the last character.

Where the venue chooses freely (its own ids, profits at a mark nobody documents) a `*` stands.
"""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from paper_client import headers

from market_maker.paper.api.auth import ApiKey, Auth
from market_maker.paper.api.dispatch import Dispatcher, RawRequest
from market_maker.paper.api.feed import Feed
from market_maker.paper.api.judge import Judge
from market_maker.paper.api.rows import margin_amounts, setting_row, spot_order_row
from market_maker.paper.api.session import Session
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key, listed
from market_maker.paper.exchange.moves import Depth, Index, Move, Take

GOLDEN = json.loads((Path(__file__).parent / "data/paper_golden.json").read_text("utf-8"))
SENT, REST, PUSHED = GOLDEN["sent"], GOLDEN["rest"], GOLDEN["pushed"]
BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
ETH_USDT = Key(SPOT, "USDT", "ETH/USDT")
PLACE = {"asset": "BTC", "symbol": "BTC_USD"}
NOW = 1577836805000
LATER = 1577836809250


class Venue:
    """The venue of the examples: tick 0.1, one user, and a clock that the test holds."""

    def __init__(self) -> None:
        instruments = [
            replace(instrument, tick=Decimal("0.1"), start=Decimal("7251.5"))
            if instrument.key == BTC_USD
            else instrument
            for instrument in listed()
        ]
        self.exchange = Exchange(instruments)
        self.account = self.exchange.ledger.open_account("demo")
        self.exchange.ledger.deposit("demo", Wallet.CONTRACT, "BTC", Decimal("1.207663"))
        self.exchange.ledger.deposit("demo", Wallet.SPOT, "USDT", Decimal(1000))
        auth = Auth([ApiKey(SENT["key"], SENT["secret"], "demo")], 5000)
        self.dispatcher = Dispatcher(self.exchange, auth, Judge("demo", self.exchange))
        self.feed = Feed(self.exchange, auth)
        self.frames: list[str] = []
        self.session = Session(lambda frame, _: self.frames.append(frame))
        self.feed.sessions[self.session] = None
        self.play([Index(Decimal("7250.9"))])

    def play(self, moves: list[Move], key: Key = BTC_USD, now: int = NOW) -> None:
        self.exchange.play(key, moves, now)
        self.feed.publish(self.exchange.outbox.drain(), now)

    def order(self, key: Key, side: Side, price: str, qty: str, close: bool = False) -> Order:
        order_id = self.exchange.create(
            "demo",
            key,
            side=side,
            close=close,
            price=Decimal(price),
            qty=Decimal(qty),
            client_oid=None,
            now=NOW,
        )
        order = self.exchange.blotter.find("demo", order_id)
        assert order
        return order

    def ask(self, method: str, path: str, params: dict[str, str], **signed: str) -> Any:
        asked = RawRequest(method, path, signed, list(params.items()))
        status, reply = self.dispatcher.answer(asked, NOW)
        assert status == 200
        self.feed.publish(self.exchange.outbox.drain(), NOW)
        return reply

    def send(self, example: dict[str, Any]) -> Any:
        """Send an example with the signature it has."""
        signed = {"api-key": SENT["key"], "api-expires": SENT["expires"]}
        signed["api-signature"] = example["signature"]
        return self.ask(example["method"], example["path"], example["params"], **signed)

    def receive(self, message: str) -> None:
        self.feed.receive(self.session, message, NOW)

    def sub(self, table: str, key: Key = BTC_USD) -> None:
        args = {"instrument_type": key.kind, "table": table, "settle_currency": key.area}
        self.receive(json.dumps({"op": "sub", "args": args | {"symbol": key.symbol}}))

    def check_pushed(self, name: str) -> None:
        """Check that the last frame with the example's table and action is the example."""
        example = PUSHED[name]
        sort = (example.get("table"), example.get("action"))
        frames = [json.loads(frame) for frame in self.frames]
        check([f for f in frames if (f.get("table"), f.get("action")) == sort][-1], example)


def check(value: Any, example: Any) -> None:
    """Check a value against an example, where `*` is anything."""
    if isinstance(example, dict):
        assert value.keys() == example.keys()
        for name in example:
            check(value[name], example[name])
    elif isinstance(example, list):
        assert len(value) == len(example)
        for pair in zip(value, example, strict=True):
            check(*pair)
    elif example != "*":
        assert (value, type(value)) == (example, type(example))


@pytest.fixture
def golden() -> Venue:
    return Venue()


def test_the_example_order_is_placed_shown_filled_and_reported(golden: Venue) -> None:
    golden.receive(json.dumps(SENT["login"]))
    golden.play([Depth(Side.SELL, 72520, 25)])
    for table in ("order", "execution", "instrument", "trade"):
        golden.sub(table)
    golden.check_pushed("instrument")
    check(golden.send(SENT["create"]), REST["create"])
    golden.check_pushed("order_insert")
    check(golden.send(SENT["query"]), REST["query"])
    golden.sub("order_book")
    golden.check_pushed("book")
    golden.play([Take(Side.SELL, 72505, 15)], now=LATER)
    for name in ("order_update", "execution", "trade", "book_update", "instrument_changed"):
        golden.check_pushed(name)


def test_a_level_of_the_book_comes_and_goes_as_in_the_examples(golden: Venue) -> None:
    golden.play([Depth(Side.SELL, 72520, 25)])
    golden.sub("order_book")
    golden.play([Depth(Side.BUY, 72510, 12)])
    golden.check_pushed("book_insert")
    golden.play([Depth(Side.SELL, 72520, 0)])
    golden.check_pushed("book_delete")


def test_an_error_has_the_shape_of_the_example(golden: Venue) -> None:
    params = {**SENT["create"]["params"], "price": "7250.55"}
    signed = headers(SENT["key"], SENT["secret"], params, NOW)
    check(golden.ask("POST", SENT["create"]["path"], params, **signed), REST["refused"])


def test_public_data_has_the_shape_of_the_examples(golden: Venue) -> None:
    bids, asks = ((72505, 40), (72500, 310)), ((72520, 25), (72525, 600))
    golden.play([Depth(Side.BUY, *level) for level in bids])
    golden.play([Depth(Side.SELL, *level) for level in asks])
    check(golden.ask("GET", "v1/api/pc/order/book/query", PLACE)["data"], REST["book"])
    check(golden.ask("GET", "v1/api/pc/instrument/query", PLACE)["data"], REST["instrument"])


def test_the_example_positions_have_the_documented_prices(golden: Venue) -> None:
    golden.receive(json.dumps(SENT["login"]))
    golden.play([Depth(Side.SELL, 71984, 120)])
    golden.order(BTC_USD, Side.BUY, "7198.4", "120")
    golden.play([Depth(Side.BUY, 73010, 75)])
    golden.order(BTC_USD, Side.SELL, "7301", "75")
    golden.order(BTC_USD, Side.BUY, "7000", "25", close=True)
    golden.sub("position")
    golden.check_pushed("position")


def test_accounts_and_settings_have_the_shape_of_the_examples(golden: Venue) -> None:
    golden.receive(json.dumps(SENT["login"]))
    golden.sub("margin")
    golden.check_pushed("margin")
    golden.send(SENT["create"])
    rows = {"rows": [{"asset": "BTC", **margin_amounts(golden.account, "BTC")}]}
    check(rows, REST["account"])
    contract = golden.exchange.listing(BTC_USD).contract
    setting = golden.exchange.setting("demo", contract)
    check(setting_row(BTC_USD, setting), REST["setting"])


def test_a_spot_order_has_the_shape_of_the_example(golden: Venue) -> None:
    golden.play([Depth(Side.SELL, 13127, 1000)], ETH_USDT)
    order = golden.order(ETH_USDT, Side.BUY, "131.27", "2.5")
    check(spot_order_row(order), REST["spot_order"])
    golden.sub("instrument", ETH_USDT)
    golden.check_pushed("spot_instrument")


def test_the_socket_answers_as_in_the_examples(golden: Venue) -> None:
    for message, answer in (
        (SENT["sub_order"], "not_authenticated"),
        (SENT["sub_trade"], "subscribed"),
        ('{"op":"ping"}', "pong"),
    ):
        golden.receive(message)
        check(json.loads(golden.frames[-1]), PUSHED[answer])
