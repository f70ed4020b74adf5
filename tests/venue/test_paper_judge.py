"""The judge: audits what a client did from the venue's own records."""

import json
from decimal import Decimal

import pytest
from paper_client import Client

from market_maker.paper.api.judge import Judge, as_plain, in_words
from market_maker.paper.exchange.account import Mode, Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import SPOT, Key, listed
from market_maker.paper.exchange.moves import Depth, Index, Take
from market_maker.paper.market.tape import BTC_USD
from market_maker.paper.server.in_process import PaperExchange

D = Decimal
SPOT_BTC = Key(SPOT, "USDT", "BTC/USDT")


class Watched:
    """An exchange whose user ann is audited."""

    def __init__(self) -> None:
        self.exchange = Exchange(listed())
        self.exchange.ledger.open_account("ann", Mode.ISOLATED)
        self.exchange.ledger.deposit("ann", Wallet.CONTRACT, "BTC", D(1))
        self.exchange.ledger.deposit("ann", Wallet.SPOT, "USDT", D(100_000))
        self.judge = Judge("ann", self.exchange)
        sizes = [Depth(Side.BUY, 19998, 10**6), Depth(Side.SELL, 20002, 10**6)]
        self.exchange.play(BTC_USD, [Index(D(10000)), *sizes], 0)

    def order(self, key: Key, side: Side, price: str, qty: str) -> None:
        self.exchange.create(
            "ann",
            key,
            side=side,
            close=False,
            price=D(price),
            qty=D(qty),
            client_oid=None,
            now=0,
        )

    def see(self) -> None:
        for event in self.exchange.outbox.drain():
            self.judge.see(event, 0)


@pytest.fixture
def client(venue: PaperExchange) -> Client:
    return Client(venue)


def test_orders_and_fills_are_counted(venue: PaperExchange, client: Client) -> None:
    first = client.create(1, "8400", 10, client_oid="a")["data"]["order_id"]
    client.create(1, "8400", 20)
    client.create(0, "8490", 30)
    client.data("POST", "pc/order/cancel", asset="BTC", symbol="BTC_USD", order_id=first)
    venue.take("sell", "8400", 10**6)
    report = venue.judge()
    assert (report.accepted, report.filled, report.cancelled, report.open) == (3, 2, 1, 0)
    assert (report.bought, report.sold) == (20, 30)
    assert [(fill.price, fill.qty, fill.maker) for fill in report.fills] == [
        (8490, 30, False),
        (8400, 20, True),
    ]
    assert len(report.doubled) == 1
    assert report.requests == {"pc/order/create": 3, "pc/order/cancel": 1}


def test_the_worst_exposure_counts_every_live_order_as_filled(
    venue: PaperExchange, client: Client
) -> None:
    client.create(1, "8497.5", 100)
    client.create(1, "8400", 50)
    client.create(0, "8600", 70)
    client.create(0, "8600", 100, close_flag=1)
    worst = venue.judge().exposure[BTC_USD]
    assert (worst.long, worst.short) == (150, 70)
    assert (worst.net_long, worst.net_short) == (150, 70)


def test_a_trade_with_oneself_is_seen(venue: PaperExchange, client: Client) -> None:
    client.create(1, "8495", 10)
    client.create(0, "8495", 10)
    assert venue.judge().self_trades == 1


def test_breaches_of_the_limits_are_counted_by_endpoint(client: Client) -> None:
    for _ in range(12):
        client.call("GET", "account/fund/query")
    report = client.venue.judge()
    assert report.breaches == {"account/fund/query": 2}
    assert report.refusals == {-10053: 2}


def test_the_report_can_be_told_as_json(venue: PaperExchange, client: Client) -> None:
    client.create(1, "8497.5", 10)
    plain = json.loads(json.dumps(as_plain(venue.judge())))
    assert plain["exposure"] == {
        "pc/BTC/BTC_USD": {"long": "10", "short": "0", "net_long": "10", "net_short": "0"}
    }
    assert (plain["fills"][0]["side"], plain["fills"][0]["price"]) == ("buy", "8497.5")


def test_contracts_and_coins_are_not_added_together() -> None:
    watched = Watched()
    spot = watched.exchange.listings[SPOT_BTC].instrument
    ticks = spot.ticks(D(9000))
    assert ticks is not None
    watched.exchange.play(SPOT_BTC, [Depth(Side.SELL, ticks, 10**6)], 0)
    watched.order(BTC_USD, Side.BUY, "10001", "30")
    watched.order(SPOT_BTC, Side.BUY, "9000", "0.5")
    watched.see()
    report = watched.judge.report
    assert (report.bought, report.sold) == (30, 0)
    assert (report.coins[SPOT_BTC].bought, report.coins[SPOT_BTC].sold) == (D("0.5"), 0)
    assert "contracts: bought 30, sold 0" in in_words(report)
    assert "coins in BTC/USDT: bought 0.5, sold 0" in in_words(report)
    assert as_plain(report)["coins"]["bb/USDT/BTC/USDT"]["sold"] == "0"


def test_a_liquidation_that_bares_the_other_leg_counts_as_exposure() -> None:
    watched = Watched()
    watched.order(BTC_USD, Side.SELL, "9999", "100")
    watched.see()
    watched.order(BTC_USD, Side.BUY, "10001", "100")
    watched.see()
    worst = watched.judge.report.exposure[BTC_USD]
    assert worst.net_long == 0
    watched.exchange.play(BTC_USD, [Index(D(12000))], 0)
    watched.see()
    assert worst.net_long == 100
    assert "errors: none, liquidations: 1" in in_words(watched.judge.report)


def test_a_fill_of_an_order_placed_before_the_judge_came_counts_as_exposure() -> None:
    watched = Watched()
    watched.order(BTC_USD, Side.BUY, "10000", "100")
    watched.exchange.outbox.drain()
    watched.exchange.play(BTC_USD, [Take(Side.SELL, 20000, 40)], 0)
    watched.see()
    assert watched.judge.report.exposure[BTC_USD].long == 100


def test_errors_are_counted_by_code(client: Client) -> None:
    for _ in range(12):
        client.call("GET", "account/fund/query")
    client.create(0, "8400", 10, close_flag=1)
    lines = in_words(client.venue.judge())
    assert "errors: -13101 1, -10053 2, liquidations: 0" in lines
