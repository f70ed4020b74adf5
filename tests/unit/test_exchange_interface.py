"""The venue as a strategy sees it, on the paper exchange."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import pytest
from conftest import client_of, wait_until

from market_maker.errors import OrdersLeft
from market_maker.gte import Outcome
from market_maker.models import Fill, OpenOrder, OrderRequest, OrderState, Plan, Side
from market_maker.money import value
from market_maker.paper.server.in_process import PaperExchange
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from market_maker.trading.exchange_interface import ExchangeInterface

Configure = Callable[..., None]


@pytest.fixture
def exchange(configure: Configure) -> Iterator[ExchangeInterface]:
    configure()
    made = ExchangeInterface(dry_run=False)
    made.start()
    yield made
    made.close()


@pytest.fixture
def dry(configure: Configure) -> Iterator[ExchangeInterface]:
    configure(DRY_RUN=True, API_KEY="", API_SECRET="")
    made = ExchangeInterface(dry_run=True)
    made.start()
    yield made
    made.close()


def buy(price: str, qty: int = 100) -> OrderRequest:
    return OrderRequest(side=Side.BUY, price=Decimal(price), qty=Decimal(qty))


def sell(price: str, qty: int = 100) -> OrderRequest:
    return OrderRequest(side=Side.SELL, price=Decimal(price), qty=Decimal(qty))


def listed(exchange: ExchangeInterface) -> list[str]:
    return sorted(str(order) for order in exchange.orders.tracker.live())


def test_a_plan_is_carried_out_and_shows_in_the_next_snapshot(exchange: ExchangeInterface) -> None:
    assert exchange.execute(Plan(create=(buy("8400"), sell("8600")))) == 0
    assert listed(exchange) == ["Buy 100 @ 8400", "Sell 100 @ 8600"]
    order = exchange.orders.tracker.live()[0]
    exchange.execute(Plan(cancel=(order,)))
    wait_until(lambda: exchange.orders.take_news() or len(exchange.orders.tracker.live()) == 1)


def test_the_top_of_the_book_is_that_of_others_with_sizes(exchange: ExchangeInterface) -> None:
    exchange.execute(Plan(create=(buy("8491"), sell("8497.5", 30))))
    wait_until(lambda: ["8497.5", "1030"] in exchange.client.market_depth()["asks"])
    wait_until(lambda: ["8491", "100"] in exchange.client.market_depth()["bids"])
    top = exchange.get_top_of_book()
    assert top == {"buy": 8490, "buySize": 1000, "sell": 8497.5, "sellSize": 1000}


def test_the_ticker_is_that_of_others(exchange: ExchangeInterface) -> None:
    exchange.execute(Plan(create=(buy("8491"),)))
    wait_until(lambda: exchange.feed.get_ticker().bid == 8491)
    assert exchange.snapshot().ticker.bid == 8490


def test_fills_are_reported_once_and_equal_the_venues(
    exchange: ExchangeInterface, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    fills: list[Fill] = []
    exchange.on_filled = fills.append
    exchange.execute(Plan(create=(buy("8491", 100),)))
    for qty in (30, 30, 40):
        venue.take("sell", "8491", qty)
    wait_until(lambda: exchange.orders.take_news() or not exchange.orders.tracker.live())
    exchange.orders.reconciler.reconcile()
    assert sum(fill.qty for fill in fills) == exchange.money.trades.bought == 100
    assert venue.judge().bought == 100
    assert log.text.count("Bought") == len(fills)


def leave_orders(venue: PaperExchange) -> str:
    """Leave an order of an earlier run and one of somebody else; return the id of ours."""
    earlier = client_of(venue, prefix=settings.ORDERID_PREFIX)
    left = earlier.buy(10, 8000)
    earlier.exit()
    stranger = client_of(venue, prefix="manual")
    stranger.buy(10, 8000)
    stranger.exit()
    return left.order_id


def test_a_start_cancels_what_an_earlier_run_has_left_and_nothing_of_others(
    configure: Configure, venue: PaperExchange
) -> None:
    configure()
    leave_orders(venue)
    exchange = ExchangeInterface(dry_run=False)
    exchange.start()
    assert exchange.orders.tracker.live() == ()
    assert [order.client_oid[:6] for order in venue.open_orders() if order.client_oid] == ["manual"]
    exchange.refresh()
    assert not exchange.orders.tracker.foreign_runs
    exchange.close()


def test_a_start_after_a_run_that_left_clean_finds_nothing_to_cancel(
    exchange: ExchangeInterface, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    exchange.execute(Plan(create=(buy("8400"),)))
    exchange.cancel_all_orders()
    exchange.close()
    assert venue.open_orders() == []
    before = venue.judge().requests["pc/order/cancel"]
    log.clear()
    after = ExchangeInterface(dry_run=False)
    after.start()
    assert after.orders.live() == ()
    assert "of a previous run" not in log.text
    after.execute(Plan(create=(buy("8400"),)))
    assert listed(after) == ["Buy 100 @ 8400"]
    assert venue.judge().requests["pc/order/cancel"] == before
    after.cancel_all_orders()
    after.close()


def test_a_refused_create_frees_its_place(exchange: ExchangeInterface) -> None:
    assert exchange.execute(Plan(create=(buy("8400.3"),))) == 1
    assert exchange.orders.tracker.live() == ()


def test_a_create_whose_answer_is_lost_is_found_and_not_doubled(
    exchange: ExchangeInterface, venue: PaperExchange
) -> None:
    venue.freeze()
    assert exchange.execute(Plan(create=(buy("8400"),))) == 0
    assert [order.state for order in exchange.orders.tracker.live()] == [OrderState.UNKNOWN]
    venue.thaw()

    def resolved() -> bool:
        exchange.refresh()
        return not exchange.orders.tracker.unknown()

    wait_until(resolved, seconds=20)
    assert len(exchange.orders.tracker.live()) == len(venue.open_orders()) == 1


def test_a_lost_connection_pauses_and_its_return_reconciles_first(
    exchange: ExchangeInterface, venue: PaperExchange
) -> None:
    exchange.execute(Plan(create=(buy("8491"),)))
    venue.stop()
    wait_until(lambda: exchange.refresh().state is TradingState.PAUSED)
    venue.take("sell", "8491", 100)
    venue.start()
    wait_until(lambda: exchange.refresh().state is TradingState.ACTIVE)
    assert exchange.orders.tracker.live() == ()
    assert exchange.money.trades.bought == 100


def test_a_fill_that_is_found_while_the_feed_shows_no_instrument_is_booked(
    exchange: ExchangeInterface, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrument = exchange.snapshot().instrument  # as each tick takes one before it acts
    exchange.execute(Plan(create=(buy("8491"),)))
    with monkeypatch.context() as patched:
        patched.setattr(exchange.feed, "get_instrument", lambda: None)
        venue.take("sell", "8491", 100)
        wait_until(lambda: exchange.orders.take_news() or exchange.money.trades.bought == 100)
    at_twice_the_price = exchange.money.trades.profit(instrument, Decimal(2 * 8491))
    worth = [value(instrument, Decimal(100), Decimal(price)) for price in (8491, 2 * 8491)]
    assert at_twice_the_price == worth[0] - worth[1]


def test_a_feed_that_comes_back_in_the_midst_of_a_refresh_is_reconciled_first(
    exchange: ExchangeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = exchange.feed.epoch
    exchange.feed.reconnect("the test says so")
    wait_until(lambda: exchange.feed.epoch > epoch and not exchange.feed.missing())
    with monkeypatch.context() as patched:  # it was not back yet when this was asked
        patched.setattr(exchange.orders.reconciler, "reconcile_if_needed", lambda **_: True)
        assert exchange.refresh().state is TradingState.PAUSED
    assert exchange.refresh().state is TradingState.ACTIVE


def test_an_order_that_someone_else_cancels_is_noticed(
    exchange: ExchangeInterface, venue: PaperExchange
) -> None:
    exchange.execute(Plan(create=(buy("8400"),)))
    by_hand = client_of(venue)
    by_hand.cancel(exchange.orders.tracker.live()[0].order_id)
    by_hand.exit()
    wait_until(lambda: exchange.orders.take_news() or not exchange.orders.tracker.live())


def test_leaving_cancels_all_and_proves_it(
    exchange: ExchangeInterface, venue: PaperExchange
) -> None:
    exchange.execute(Plan(create=tuple(buy(str(8400 - n)) for n in range(5))))
    exchange.cancel_all_orders()
    assert venue.open_orders() == []
    assert exchange.orders.tracker.live() == ()


def test_leaving_begins_with_the_orders_nearest_to_the_market(
    exchange: ExchangeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [buy("8300"), buy("8480"), buy("8400")]
    exchange.execute(Plan(create=tuple(wanted)))
    asked: list[Decimal] = []
    cancel_bulk = exchange.client.cancel_bulk_orders

    def noted(orders: Sequence[OpenOrder], still_wanted: Callable[[], bool]) -> list[Outcome]:
        asked.extend(order.price for order in orders)
        return cancel_bulk(orders, still_wanted)

    monkeypatch.setattr(exchange.client, "cancel_bulk_orders", noted)
    exchange.cancel_all_orders()
    assert asked == [Decimal(8480), Decimal(8400), Decimal(8300)]


def test_leaving_a_venue_that_does_not_answer_lists_the_orders(
    exchange: ExchangeInterface, venue: PaperExchange
) -> None:
    exchange.execute(Plan(create=(buy("8400"),)))
    venue.freeze()
    with pytest.raises(OrdersLeft) as raised:
        exchange.cancel_all_orders(seconds=1)
    venue.thaw()
    assert "Buy 100 @ 8400" in raised.value.orders[0]


def test_what_a_strategy_of_the_family_reads(
    exchange: ExchangeInterface, venue: PaperExchange
) -> None:
    exchange.execute(Plan(create=(buy("8400"), buy("8300"), sell("8497"))))
    venue.take("buy", "8497", 100)
    wait_until(lambda: exchange.get_position()["currentQty"] == -100)
    wait_until(lambda: exchange.get_ticker()["last"] == 8497)
    wait_until(lambda: exchange.orders.take_news() or len(exchange.orders.tracker.live()) == 2)
    assert exchange.get_ticker() == {"last": 8497, "buy": 8490, "sell": 8497.5, "mid": 8494}
    instrument = exchange.get_instrument()
    assert (instrument["symbol"], instrument["tickSize"], instrument["tickLog"]) == (
        "BTC_USD",
        0.5,
        1,
    )
    assert exchange.get_delta() == -100
    assert exchange.get_position()["shortEntryPrice"] == 8497
    assert exchange.calc_delta()["spot"] < 0
    margin = exchange.get_margin()
    assert margin["walletBalance"] == round(margin["total"] * 1e8)
    assert exchange.get_highest_buy()["price"] == 8400
    assert exchange.get_lowest_sell() == {"price": 2**32}
    assert [order["orderQty"] for order in exchange.get_orders()] == [100, 100]
    assert exchange.is_open()
    with pytest.raises(ValueError, match="trades BTC_USD, not ETH_USD"):
        exchange.get_delta("ETH_USD")
    exchange.view.begin_tick()
    exchange.snapshot()
    exchange.cancel_order(exchange.get_highest_buy())
    states = {order.price: order.state for order in exchange.snapshot().orders}
    assert states[Decimal(8400)] is not OrderState.OPEN, "a tick goes on with what it has sent"
    exchange.view.end_tick()
    wait_until(lambda: exchange.orders.take_news() or exchange.get_highest_buy()["price"] == 8300)


@pytest.mark.parametrize(
    ("long", "short", "cross", "lowest"), [(20, 50, 0, 20), (50, 20, 0, 20), (20, 50, 30, 30)]
)
def test_the_leverage_that_a_strategy_reads_is_the_lowest_in_force(
    exchange: ExchangeInterface, long: int, short: int, cross: int, lowest: int
) -> None:
    for is_long, leverage in ((True, long), (False, short)):
        exchange.client.change_leverage(Decimal(leverage), long=is_long)
    if cross:
        exchange.client.change_leverage(Decimal(cross), mode=1)
    exchange.monitor.account.check_setting(exchange.snapshot().instrument, now=0.0)
    assert exchange.get_position()["leverage"] == lowest
    assert exchange.get_instrument()["initMargin"] == 1 / lowest


def test_a_dry_run_holds_virtual_orders_and_sends_nothing(
    dry: ExchangeInterface, venue: PaperExchange
) -> None:
    dry.execute(Plan(create=(buy("8400"), sell("8600"))))
    assert listed(dry) == ["Buy 100 @ 8400", "Sell 100 @ 8600"]
    dry.execute(Plan(cancel=dry.orders.tracker.live()[:1]))
    assert listed(dry) == ["Sell 100 @ 8600"]
    margin = dry.snapshot().margin
    assert margin
    assert margin.total == 50
    dry.cancel_all_orders()
    assert dry.orders.tracker.live() == ()
    assert not [name for name in venue.judge().requests if "order" in name]


def test_a_dry_run_fills_virtually_what_the_market_has_gone_through(
    dry: ExchangeInterface, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    dry.execute(Plan(create=(sell("8498"),)))
    venue.put("buy", "8498", 100_000)
    wait_until(lambda: dry.refresh() and not dry.orders.tracker.live())
    assert "Virtual fill of Sell 100 @ 8498: 100 by touch and through" in log.text
    assert [each.trades.sold for each in dry.moneys() if each] == [100, 100]
    found = dry.snapshot()
    assert (found.position.short.qty, found.position.short.entry_price) == (100, 8498)
    assert (found.exposure.net_low, found.exposure.net_high) == (-100, -100)
    assert not [name for name in venue.judge().requests if "order" in name]


def test_a_dry_run_fills_by_touch_what_was_traded_at_the_price_of_an_order(
    dry: ExchangeInterface, venue: PaperExchange
) -> None:
    """A trade at the price of our virtual order is with others, who stand in the real book."""
    venue.put("buy", "8490.5", 60)
    dry.execute(Plan(create=(buy("8490.5"),)))
    venue.take("sell", "8490.5", 30)
    wait_until(lambda: dry.refresh() and dry.snapshot().position.long.qty == 30)
    assert [order.filled for order in dry.orders.tracker.live()] == [30]
    found = dry.snapshot().exposure
    assert (found.long_low, found.long_high) == (0, 30)
    touch, through = dry.moneys()
    assert through
    assert (touch.trades.bought, through.trades.bought) == (30, 0)


def test_trades_that_a_new_connection_shows_again_fill_nothing(
    dry: ExchangeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [{"time": str(at), "side": "sell", "price": "8400", "qty": "5"} for at in (1, 2)]
    monkeypatch.setattr(dry.feed, "recent_trades", lambda: shown)
    dry.execute(Plan(create=(buy("8400"),)))
    shown.append({"time": "3", "side": "sell", "price": "8400", "qty": "7"})
    dry.refresh()
    assert [order.filled for order in dry.orders.tracker.live()] == [7]
    shown[:] = [dict(row) for row in shown]
    dry.refresh()
    assert [order.filled for order in dry.orders.tracker.live()] == [7]
    shown.append({"time": "4", "side": "sell", "price": "8400", "qty": "1"})
    dry.refresh()
    assert [order.filled for order in dry.orders.tracker.live()] == [8]


def test_post_only_looks_at_the_book_once_more(configure: Configure, venue: PaperExchange) -> None:
    configure(POST_ONLY=True)
    exchange = ExchangeInterface(dry_run=False)
    exchange.start()
    exchange.execute(Plan(create=(buy("8497.5"), buy("8497"))))
    assert listed(exchange) == ["Buy 100 @ 8497"]
    exchange.cancel_all_orders()
    exchange.close()
