"""The judge: counts what a client did from the venue's own truth."""

import json

import pytest
from test_paper_client import Client

from market_maker.paper.judge import as_plain
from market_maker.paper.tape import BTC_USD
from market_maker.paper.venue import PaperExchange


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
