"""The live feed against real sockets: it comes up, stays true, and comes back."""

import json
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from conftest import account_of, client_of, wait_until

from market_maker.errors import AuthError, VenueUnreachable
from market_maker.models import Side
from market_maker.paper.server.in_process import PaperExchange
from market_maker.ws.ws_thread import LOGGED, GTEWebsocket

Make = Callable[..., GTEWebsocket]


@pytest.fixture
def make(venue: PaperExchange) -> Iterator[Make]:
    """Make feeds of the paper exchange, and end them."""
    made = []

    def feed(**changed: Any) -> GTEWebsocket:
        wake = changed.pop("wake", None)
        account = account_of(venue, **({"ws_url": venue.ws_url} | changed))
        made.append(GTEWebsocket(account, wake=wake))
        made[-1].start()
        return made[-1]

    yield feed
    for each in made:
        each.exit()


def ready(feed: GTEWebsocket) -> GTEWebsocket:
    feed.wait_for_tables(feed.needed, 10)
    return feed


def test_all_needed_tables_come_up(make: Make) -> None:
    feed = ready(make())
    assert feed.missing() == []
    instrument = feed.get_instrument()
    assert instrument
    assert (instrument.symbol, str(instrument.tick)) == ("BTC_USD", "0.5")
    ticker = feed.get_ticker()
    assert (ticker.bid, ticker.ask) == (8490, 8497.5)
    wait_until(feed.funds)
    margin = feed.funds()
    assert margin
    assert margin.currency == "BTC"
    assert feed.position().net == 0
    assert feed.market_depth(2)["bids"][0] == ["8490", "1000"]
    assert feed.counted(LOGGED) == []
    assert not feed._tables.counts


def test_each_message_may_be_so_long_and_all_together_longer(
    make: Make, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.ws.session.MESSAGE_LIMIT", 16_000)
    feed = ready(make())
    for size in range(1, 100):
        venue.put("buy", "8480.5", size)
        wait_until(lambda size=size: ["8480.5", str(size)] in feed.market_depth()["bids"])
    assert feed.epoch == 1


def test_without_a_key_only_public_tables_are_needed(make: Make) -> None:
    feed = ready(make(api_key="", api_secret=""))
    assert feed.needed == ("instrument", "order_book")
    assert feed.get_ticker().bid == 8490


def test_own_orders_fills_and_both_legs_arrive(make: Make, venue: PaperExchange) -> None:
    wake: SimpleQueue[str] = SimpleQueue()
    feed = ready(make(wake=wake))
    client = client_of(venue)
    order = client.buy(50, 8490.5)
    wait_until(lambda: [o.order_id for o in feed.open_orders()] == [order.order_id])
    venue.take("sell", "8490.5", 20)
    wait_until(lambda: feed.position().long.qty == 20)
    venue.take("sell", "8490.5", 30)
    wait_until(lambda: not feed.open_orders())
    assert max(row.filled for row, _ in feed.drain_news()) == 50
    assert wake.get(timeout=5)
    client.exit()


def test_public_trades_arrive(make: Make, venue: PaperExchange) -> None:
    feed = ready(make())
    venue.take("buy", "8497.5", 7)
    wait_until(lambda: feed.recent_trades())
    assert feed.recent_trades()[-1]["qty"] == "7"


def test_a_cut_connection_comes_back_with_new_tables(make: Make, venue: PaperExchange) -> None:
    feed = ready(make())
    epoch = feed.epoch
    venue.drop()
    wait_until(lambda: feed.epoch > epoch)
    venue.put("buy", "8491", 5)
    ready(feed)
    wait_until(lambda: feed.get_ticker().bid == 8491)


def test_every_drop_of_many_is_noticed(make: Make, venue: PaperExchange) -> None:
    feed = ready(make())
    for _ in range(4):
        epoch = feed.epoch
        venue.drop()
        wait_until(lambda epoch=epoch: feed.epoch > epoch)
        ready(feed)
    assert threading.active_count() < 20


def test_a_connection_that_never_gives_a_needed_table_is_made_anew(
    make: Make, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.ws.vitals.DEAD_AFTER", 1.5)
    venue.fault("mute", match="position")
    feed = make()
    wait_until(lambda: feed.epoch >= 2)
    assert "position" in feed.last_error
    venue.clear_faults()
    ready(feed)


def test_a_venue_that_restarts_is_found_again(make: Make, venue: PaperExchange) -> None:
    feed = ready(make())
    venue.stop()
    wait_until(lambda: not feed.is_connected())
    assert feed.missing() == list(feed.needed)
    venue.start()
    ready(feed)
    assert feed.get_ticker().bid == 8490


def test_a_venue_that_is_not_there_is_named_with_what_is_missing(make: Make) -> None:
    feed = make(ws_url="ws://127.0.0.1:9")
    with pytest.raises(VenueUnreachable) as raised:
        feed.wait_for_tables(feed.needed, 0.5)
    assert "order_book" in str(raised.value)
    assert "127.0.0.1:9" in str(raised.value)


def test_a_symbol_that_the_venue_does_not_know_is_named(make: Make) -> None:
    feed = make(symbol="DOGE_USD")
    with pytest.raises(VenueUnreachable, match="instrument"):
        feed.wait_for_tables(feed.needed, 0.7)


@pytest.mark.parametrize("wrong", [{"api_secret": "wrong"}, {"api_key": "paper-unknown"}])
def test_a_key_that_is_not_accepted_is_fatal(make: Make, wrong: dict[str, str]) -> None:
    feed = make(**wrong)
    with pytest.raises(AuthError):
        feed.wait_for_tables(feed.needed, 10)


def test_the_key_and_its_signature_stay_out_of_the_log(
    make: Make, venue: PaperExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    feed = make(api_secret="wrong-but-secret")
    with pytest.raises(AuthError):
        feed.wait_for_tables(feed.needed, 10)
    assert "wrong-but-secret" not in caplog.text
    assert venue.key not in caplog.text


def test_frames_that_mean_nothing_are_counted_and_harmless(make: Make) -> None:
    feed = ready(make())
    hostile = [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, b'{"table":7}']
    hostile += [
        b'{"status":"--5"}',
        b'{"status":[]}',
        b'{"status":"-99999","request":{"op":7}}',
        b'{"status":"0"}',
    ]
    hostile += [json.dumps({"table": "order_book", "action": "partial", "data": [[]]}).encode()]
    for data in hostile:
        feed._session.vitals.bad_frames.clear()  # too many of them in a minute end the connection
        feed.take(feed._session.parse(data))
    assert feed.is_connected()
    assert feed.get_ticker().bid == 8490
    assert feed._tables.counts["bad frame"] >= 7


def test_the_order_book_excludes_our_own_quantity(make: Make, venue: PaperExchange) -> None:
    feed = ready(make())
    client = client_of(venue)
    order = client.buy(10, 8491)
    wait_until(lambda: feed.get_ticker().bid == 8491)
    assert feed.get_ticker({(Side.BUY, order.price): order.qty}).bid == 8490
    client.exit()
