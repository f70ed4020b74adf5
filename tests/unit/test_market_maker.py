"""The loop, on the paper exchange: what stands in the book after each tick."""

import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import wait_until

from market_maker.bot import Runtime
from market_maker.custom_strategy import CustomOrderManager
from market_maker.errors import AuthError, OrdersLeft, SettingsError, VenueUnreachable
from market_maker.market_maker import OrderManager
from market_maker.models import ZERO, Fill, OpenOrder, OrderState, Side
from market_maker.paper.exchange.engine import Side as BookSide
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.server.in_process import PaperExchange
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from market_maker.trading import LevelSizes
from tests.world.world import World

Configure = Callable[..., None]
Start = Callable[..., OrderManager]


@pytest.fixture
def start(configure: Configure) -> Iterator[Start]:
    """Make order managers, connected and not running; their connections end with the test."""
    made = []

    def make(kind: type[OrderManager] = OrderManager, **changed: Any) -> OrderManager:
        configure(**changed)
        made.append(kind())
        return made[-1]

    yield make
    for each in made:
        each.exchange.close()


def ladder(venue: PaperExchange) -> list[str]:
    """What rests of ours at the venue, from the highest price to the lowest."""
    orders = sorted(venue.open_orders(), key=lambda order: -order.price)
    return [f"{order.side.name} {order.qty} @ {order.price}" for order in orders]


def move(venue: PaperExchange, bot: OrderManager, bid: str, ask: str) -> None:
    """Let the others' market be one deep level on each side, and the bot see it."""
    for side in ("buy", "sell"):
        for price, _ in venue.levels(side):
            venue.put(side, str(price), 0)
    venue.put("buy", bid, 10**6)
    venue.put("sell", ask, 10**6)

    def seen() -> bool:
        bot.exchange.orders.take_news()
        ticker = bot.exchange.snapshot().ticker
        return (ticker.bid, ticker.ask) == (Decimal(bid), Decimal(ask))

    wait_until(seen)


def settle(bot: OrderManager) -> None:
    """Tick until nothing is on its way any more."""

    def settled() -> bool:
        bot.tick()
        return not bot.exchange.orders.is_unsettled()

    wait_until(settled)
    bot.tick()


GOLDEN = [
    "SELL 446 @ 8625",
    "SELL 273 @ 8582",
    "SELL 100 @ 8539.5",
    "BUY 100 @ 8448",
    "BUY 273 @ 8406",
    "BUY 446 @ 8364",
]


def test_the_first_tick_puts_up_the_ladder_of_the_sample_run(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    start().tick()
    assert ladder(venue) == GOLDEN
    for line in (
        "Using symbol BTC_USD.",
        "BTC_USD Ticker: Buy: 8490.0, Sell: 8497.5",
        "Start Positions: Buy: 8448.0, Sell: 8539.5, Mid: 8494.0",
        "Current BTC Balance: 50.000000",
        "Creating 6 orders: Sell 100 @ 8539.5, 273 @ 8582.0, 446 @ 8625.0; "
        "Buy 100 @ 8448.0, 273 @ 8406.0, 446 @ 8364.0",
    ):
        assert line in log.text


def test_a_ladder_that_stands_as_wanted_costs_no_request(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    bot = start()
    bot.tick()
    before = venue.judge().requests
    for _ in range(5):
        bot.tick()
    assert venue.judge().requests == before
    assert "6 orders open as wanted." in log.text


def test_when_the_market_moves_the_ladder_follows_by_cancel_seen_then_create(
    start: Start, venue: PaperExchange
) -> None:
    bot = start()
    bot.tick()
    move(venue, bot, "8900", "8907.5")
    settle(bot)
    assert ladder(venue)[2:4] == ["SELL 100 @ 8951.5", "BUY 100 @ 8856"]
    judge = venue.judge()
    assert (judge.doubled, judge.self_trades, judge.breaches) == ([], 0, {})


def test_a_filled_level_alone_is_put_up_again(start: Start, venue: PaperExchange) -> None:
    bot = start(RELIST_INTERVAL=0.02)
    bot.tick()
    venue.put("buy", "8539.5", 60_000)
    venue.put("buy", "8539.5", 0)
    wait_until(lambda: bot.exchange.orders.take_news() or bot.exchange.money.trades.sold == 100)
    creates = venue.judge().requests["pc/order/create"]
    bot.tick()
    assert venue.judge().requests["pc/order/create"] == creates + 1


def test_limits_hold_even_if_everything_fills_at_once(start: Start, venue: PaperExchange) -> None:
    bot = start(CHECK_POSITION_LIMITS=True, MAX_POSITION=300, MIN_POSITION=-900)
    bot.tick()
    assert ladder(venue) == [*GOLDEN[:3], GOLDEN[3]]
    venue.put("sell", "8448.0", 60_000)
    settle(bot)
    long, short = venue.position()
    bought = sum(order.left for order in venue.open_orders() if order.side.name == "BUY")
    assert long - short + bought <= 300


def test_with_a_position_the_other_side_closes_it(start: Start, venue: PaperExchange) -> None:
    bot = start(RELIST_INTERVAL=0.0)
    bot.tick()
    move(venue, bot, "8440", "8448")
    wait_until(lambda: bot.exchange.get_delta() == 100)
    settle(bot)
    assert venue.position() == (100, 0)
    assert any(order.close for order in venue.open_orders() if order.side.name == "SELL")


def test_in_hedge_mode_an_order_opens_while_its_leg_has_room(
    start: Start, venue: PaperExchange
) -> None:
    bot = start(POSITION_MODE="hedge", RELIST_INTERVAL=0.0)
    bot.tick()
    move(venue, bot, "8440", "8448")
    wait_until(lambda: bot.exchange.get_delta() == 100)
    settle(bot)
    assert not any(order.close for order in venue.open_orders())


def test_random_sizes_are_drawn_once_and_stay(start: Start, venue: PaperExchange) -> None:
    bot = start(RANDOM_ORDER_SIZE=True, MIN_ORDER_SIZE=10, MAX_ORDER_SIZE=20)
    bot.tick()
    first = ladder(venue)
    bot.tick()
    assert ladder(venue) == first
    assert all(10 <= order.qty <= 20 for order in venue.open_orders())
    settings.MIN_ORDER_SIZE = settings.MAX_ORDER_SIZE = 5
    settle(bot)
    assert {order.qty for order in venue.open_orders()} == {5}, "other bounds draw anew"


def test_a_random_size_is_drawn_anew_when_its_level_has_filled() -> None:
    drawn = iter(range(10, 100))
    sizes = LevelSizes(lambda _low, _high: next(drawn))
    bounds = {"low": 1, "high": 99, "lot": 1}
    assert [sizes.of(index, **bounds) for index in (-1, 1, -1)] == [10, 11, 10]
    order = OpenOrder(side=Side.BUY, price=Decimal(8000), qty=Decimal(10), filled=Decimal(4))
    part = Fill(side=Side.BUY, qty=Decimal(4), before=replace(order, filled=ZERO), order=order)
    sizes.forget(part)
    assert sizes.of(-1, **bounds) == 10, "a part fill keeps it"
    sizes.forget(replace(part, order=replace(order, filled=Decimal(10))))
    assert [sizes.of(index, **bounds) for index in (-1, 1)] == [12, 11]


def test_dry_btc_is_the_balance_of_a_dry_run(start: Start, log: pytest.LogCaptureFixture) -> None:
    bot = start(DRY_RUN=True, DRY_BTC=7.5)
    bot.tick()
    assert "Current BTC Balance: 7.500000" in log.text
    assert bot.exchange.get_margin()["marginBalance"] == 750_000_000


def test_levels_below_one_tick_are_left_out_and_said(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    bot = start(INTERVAL=0.5, ORDER_PAIRS=30, MAX_OPEN_ORDERS=60)
    settle(bot)
    orders = venue.open_orders()
    assert 0 < sum(order.side is BookSide.BUY for order in orders) < 30
    assert log.text.count("buys, price below one tick (INTERVAL).") == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ORDER_START_SIZE": 0.5}, "ORDER_START_SIZE 0.5 is less than the lot 1"),
        (
            {"RANDOM_ORDER_SIZE": True, "MIN_ORDER_SIZE": 1.5, "MAX_ORDER_SIZE": 1.9},
            "no multiple of the lot 1 is from MIN_ORDER_SIZE 1.5 to MAX_ORDER_SIZE 1.9",
        ),
    ],
)
def test_sizes_that_no_level_can_have_are_refused_at_the_start(
    start: Start, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        start(**changed)


def test_an_empty_book_is_not_quoted_on_and_the_bot_lives_on(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    bot = start()
    for price, _ in venue.levels("sell"):
        venue.put("sell", str(price), 0)
    wait_until(lambda: bot.exchange.snapshot().ticker.ask is None)
    bot.tick()
    assert ladder(venue) == []
    assert "PAUSED, not quoting: order book empty on one side or both." in log.text
    venue.put("sell", "8497.5", 1000)
    wait_until(lambda: bot.exchange.snapshot().ticker.ask)
    bot.tick()
    assert ladder(venue) == GOLDEN


# --- strategies ---------------------------------------------------------------------------------


class BitmexStrategy(OrderManager):
    """As the BitMEX sample's custom strategy writes its orders."""

    def place_orders(self) -> None:
        buy_orders = []
        sell_orders = []
        buy_orders.append({"price": 999.0, "orderQty": 100, "side": "Buy"})
        sell_orders.append({"price": 10001.0, "orderQty": 100, "side": "Sell"})
        self.converge_orders(buy_orders, sell_orders)


def test_a_strategy_of_the_bitmex_sample_runs_unchanged(start: Start, venue: PaperExchange) -> None:
    start(BitmexStrategy).tick()
    assert ladder(venue) == ["SELL 100 @ 10001", "BUY 100 @ 999"]


def test_the_sample_strategy_quotes_both_sides_and_leans_against_its_position(
    start: Start, venue: PaperExchange
) -> None:
    bot = start(CustomOrderManager, RELIST_INTERVAL=0.0)
    bot.tick()
    assert ladder(venue) == ["SELL 100 @ 8511", "BUY 100 @ 8477"]
    venue.put("buy", "8511", 60_000)
    wait_until(lambda: bot.exchange.get_delta() == -100)
    move(venue, bot, "8490", "8498")
    settle(bot)
    assert ladder(venue) == ["SELL 100 @ 8512", "BUY 100 @ 8478"]


@pytest.mark.sampled
@pytest.mark.parametrize(
    "order",
    [
        {"price": float("nan"), "orderQty": 100, "side": "Buy"},
        {"price": float("inf"), "orderQty": 100, "side": "Buy"},
        {"price": -1, "orderQty": 100, "side": "Buy"},
        {"price": "much", "orderQty": 100, "side": "Buy"},
        {"price": Decimal("NaN"), "orderQty": 100, "side": "Buy"},
        {"price": 8000, "orderQty": "", "side": "Buy"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "ordType": "Stop", "stopPx": 7900},
        {"price": 8000, "orderQty": 100, "side": "Buy", "ordType": "Market"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "stopPx": 7900},
        {"price": 8000, "orderQty": 100, "side": "Buy", "execInst": "AllOrNone"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "timeInForce": "FillOrKill"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "displayQty": 0},
        {"price": 8000, "orderQty": "NaN", "side": "Buy"},
        {"price": "sNaN", "orderQty": 100, "side": "Buy"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "icebergQty": 10},
        {"price": 8000, "orderQty": 100, "side": "Buy", "stopLoss": 7900},
        {"price": 8000, "orderQty": 100, "side": "Buy", "FOK": True},
        {"price": 8000, "orderQty": 100, "side": "Buy", "post only": float("nan")},
        {"price": 8000, "orderQty": 100, "side": "Buy", "order_type": "MARKET"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "type": "stop"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "hidden": True},
        {"price": 8000, "orderQty": 100, "side": "Buy", "iceberg": "yes"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "time_in_force": "IOC"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "reduceOnly": "perhaps"},
        {"price": 8000, "orderQty": 100, "side": "Buy", "symbol": "ETH_USD"},
        {"price": 8000, "orderQty": 0, "side": "Buy"},
        {"price": 8000, "side": "Buy"},
        {"price": 8000, "orderQty": 100, "side": "Sell"},
        {"price": 10**400, "orderQty": 100},
        {"price": 8000, "orderQty": 10**30},
        {"price": True, "orderQty": 100},
        (8000, 100),
        None,
    ],
)
def test_an_order_that_makes_no_sense_is_named_and_nothing_is_sent(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture, order: Any
) -> None:
    class Odd(OrderManager):
        def place_orders(self) -> None:
            self.converge_orders([{"price": 8000, "orderQty": 1, "side": "Buy"}, order], [])

    start(Odd).tick()
    assert ladder(venue) == []
    assert "Invalid order from the strategy" in log.text


def test_an_error_in_a_strategy_is_logged_with_its_traceback_and_skips_the_tick(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    class Broken(OrderManager):
        broken = False

        def place_orders(self) -> None:
            if self.broken:
                raise ZeroDivisionError("my own mistake")
            super().place_orders()

    bot = start(Broken)
    assert isinstance(bot, Broken)
    bot.tick()
    bot.broken = True
    bot.tick()
    assert "my own mistake" in log.text
    assert "Traceback" in log.text
    assert ladder(venue) == GOLDEN


def test_a_strategy_cannot_cross_the_book_or_itself(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    class Crossing(OrderManager):
        def place_orders(self) -> None:
            buys = [{"price": p, "orderQty": 1} for p in (8497.5, 9000.0, 8493.0, 8400.0)]
            self.converge_orders(buys, [{"price": 8492.0, "orderQty": 1}])

    start(Crossing).tick()
    assert ladder(venue) == ["BUY 1 @ 8400"]
    assert "Not placed: 2 orders, would cross the book: Buy 1 @ 8497.5" in log.text


# --- trouble ------------------------------------------------------------------------------------


def test_after_a_refusal_no_order_is_sent_for_api_error_interval(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    bot = start(
        ORDER_START_SIZE=10**9, MAX_ORDER_QTY=10**10, ORDER_STEP_SIZE=0, API_ERROR_INTERVAL=60
    )
    bot.tick()
    asked = venue.judge().requests["pc/order/create"]
    bot.tick()
    assert venue.judge().requests["pc/order/create"] == asked
    assert "Creates refused: no new orders for 60 s." in log.text


def test_quotes_that_cannot_be_confirmed_are_pulled_after_a_while(
    start: Start, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.trading.loop.QUOTE_TTL", 0.0)
    bot = start(LOOP_INTERVAL=0.05)
    bot.tick()
    assert ladder(venue) == GOLDEN
    for price, _ in venue.levels("buy"):
        venue.put("buy", str(price), 0)
    wait_until(lambda: bot.tick() or not venue.open_orders())


def test_a_restarted_venue_finds_the_ladder_whole_and_single(
    start: Start, venue: PaperExchange
) -> None:
    bot = start()
    bot.tick()
    venue.stop()
    wait_until(lambda: not bot.exchange.is_open())
    bot.tick()
    venue.start()
    wait_until(lambda: bot.tick() or bot.health.state.value == "ACTIVE")
    settle(bot)
    assert ladder(venue) == GOLDEN
    assert venue.judge().doubled == []


def test_a_frozen_venue_doubles_and_orphans_nothing(start: Start, venue: PaperExchange) -> None:
    bot = start(TIMEOUT=0.3)
    venue.freeze()
    bot.tick()
    assert {order.state for order in bot.exchange.orders.tracker.live()} == {OrderState.UNKNOWN}
    bot.tick()
    venue.thaw()
    wait_until(lambda: bot.tick() or not bot.exchange.orders.tracker.unknown(), seconds=20)
    settle(bot)
    assert ladder(venue) == GOLDEN
    judge = venue.judge()
    assert (judge.doubled, judge.self_trades) == ([], 0)


def test_a_venue_that_is_not_there_at_start_is_said_so(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.trading.startup.START_SECONDS", 0.5)
    configure(API_URL_BASE="http://127.0.0.1:9", WS_URL="ws://127.0.0.1:9")
    with pytest.raises(VenueUnreachable):
        OrderManager()


def test_a_wrong_key_ends_the_start(configure: Configure) -> None:
    configure(API_SECRET="wrong")
    with pytest.raises(AuthError):
        OrderManager()


@pytest.fixture
def forgetful() -> Iterator[PaperExchange]:
    """A paper exchange that shows no client_oid, as the captured rows of 2020 have none."""
    quirks = Quirks(forget_client_oid=True)
    with PaperExchange(crowd=False, book=True, quirks=quirks) as exchange:
        yield exchange


def test_a_venue_that_forgets_client_oids_is_left_clean_all_the_same(
    start: Start, forgetful: PaperExchange
) -> None:
    bot = start(
        API_URL_BASE=forgetful.rest_url,
        WS_URL=forgetful.ws_url,
        API_KEY=forgetful.key,
        API_SECRET=forgetful.secret,
    )
    bot.tick()
    bot.tick()
    assert ladder(forgetful) == GOLDEN
    bot.exit()
    assert forgetful.open_orders() == []


@pytest.mark.slow
def test_a_batch_that_the_venue_only_half_applies_is_finished(
    start: Start, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("market_maker.orders.reconciler.MISMATCH_SECONDS", 0.2)
    bot = start(RELIST_INTERVAL=0.0, LOOP_INTERVAL=0.1)
    bot.tick()
    for order in bot.exchange.orders.tracker.live()[:3]:
        bot.exchange.orders.tracker.cancelling(order.client_oid)  # accepted, and nothing came of it
    wait_until(lambda: bot.tick() or not bot.exchange.orders.is_unsettled())
    settle(bot)
    assert ladder(venue) == GOLDEN


def test_spot_is_quoted_on_what_rest_shows(start: Start, venue: PaperExchange) -> None:
    pair = Key("bb", "USDT", "BTC/USDT")
    venue.put("buy", "8490", 10**9, key=pair)
    venue.put("sell", "8497.5", 10**9, key=pair)
    bot = start(
        **{"SYMBOL": "BTC/USDT", "INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT"},
        **{"ORDER_PAIRS": 2, "ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0.005},
    )
    bot.tick()
    assert [str(order.price) for order in venue.open_orders()]
    assert len(venue.open_orders()) == 4
    bot.tick()
    assert venue.judge().accepted == 4
    bot.exit()
    assert venue.open_orders() == []


def test_on_spot_a_side_without_balance_is_named_and_the_other_one_is_quoted(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    pair = Key("bb", "USDT", "BTC/USDT")
    venue.put("buy", "8490", 10**9, key=pair)
    venue.put("sell", "8497.5", 10**9, key=pair)
    bot = start(
        **{"SYMBOL": "BTC/USDT", "INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT"},
        **{"ORDER_PAIRS": 3, "ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0},
    )
    bot.exchange.client.transfer(volume=Decimal("9.985"), source=3, target=1, asset="BTC")
    for _ in range(3):
        bot.tick()
    sides = [order.side.name for order in venue.open_orders()]
    assert (sides.count("BUY"), sides.count("SELL")) == (3, 1)
    assert log.text.count("Not placed: 2 orders, not enough BTC") == 1
    for line in ("Current USDT Balance: 100000.0", "Current BTC Balance: 0.015", "BTC Traded This"):
        assert line in log.text
    assert "ontract" not in log.text.partition("ACTIVE: quoting.")[2]
    assert "Avg Entry Price" not in log.text
    assert venue.judge().accepted == 4
    assert "Creates refused" not in log.text
    assert bot.health.state is TradingState.ACTIVE
    bot.exchange.client.transfer(volume=Decimal("1"), source=1, target=3, asset="BTC")
    bot.exchange.monitor.account._read_due = 0.0
    bot.tick()
    assert len(venue.open_orders()) == 6


def test_a_strategy_that_keeps_failing_has_its_quotes_taken_away(
    start: Start, venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(OrderManager):
        fails = False

        def place_orders(self) -> None:
            if self.fails:
                raise ZeroDivisionError
            super().place_orders()

    monkeypatch.setattr("market_maker.trading.loop.QUOTE_TTL", 0.0)
    bot = start(Failing, LOOP_INTERVAL=0.05)
    assert isinstance(bot, Failing)
    bot.tick()
    assert ladder(venue) == GOLDEN
    bot.fails = True
    wait_until(lambda: bot.tick() or not venue.open_orders())


# --- the loop and the way out -------------------------------------------------------------------


def test_the_loop_ends_after_the_asked_number_of_ticks_and_leaves_nothing(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    start().run_loop(loops=2)
    assert venue.open_orders() == []
    assert venue.judge().accepted == 6
    assert "All own orders cancelled (confirmed by order query)." in log.text
    assert "This run: 0 fills, bought 0, sold 0 contracts." in log.text


def test_a_strategy_that_forgets_to_cancel_on_its_way_out_leaves_nothing(
    start: Start, venue: PaperExchange
) -> None:
    class Forgets(OrderManager):
        def exit(self) -> None:
            assert len(venue.open_orders()) == 6

    bot = start(Forgets)
    bot.run_loop(loops=1)
    assert bot.loop.left_clean
    assert venue.open_orders() == []


def test_every_pass_of_the_loop_is_the_tick_of_the_strategy(
    start: Start, venue: PaperExchange
) -> None:
    class Counting(OrderManager):
        ticks = 0

        def tick(self) -> None:
            self.ticks += 1
            super().tick()

    bot = start(Counting)
    assert isinstance(bot, Counting)
    bot.run_loop(loops=3)
    assert bot.ticks == 3
    assert venue.judge().accepted == 6


def test_the_loop_wakes_on_a_fill_long_before_its_interval(
    start: Start, venue: PaperExchange
) -> None:
    bot = start(LOOP_INTERVAL=30)
    loop = threading.Thread(target=bot.run_loop, daemon=True)
    loop.start()
    wait_until(lambda: len(venue.open_orders()) == 6)
    venue.put("buy", "8539.5", 60_000)
    venue.put("buy", "8539.5", 0)
    wait_until(lambda: venue.judge().accepted > 6)
    bot.stop("the test is over")
    loop.join(timeout=20)
    assert venue.open_orders() == []


def test_the_loop_wakes_when_any_of_its_orders_has_ended(empty: World) -> None:
    empty.start(LOOP_INTERVAL=30)
    empty.run(40)
    before = {order.order_id for order in empty.orders()}
    first = empty.orders()[0]
    empty.timeline.after(5, lambda: empty.venue_cancels(first))
    empty.run(10)
    after = {order.order_id for order in empty.orders()}
    assert len(after) == len(before)
    assert before - after == {first.order_id}


def test_a_pause_ends_long_before_the_loop_interval(start: Start, venue: PaperExchange) -> None:
    bot = start(LOOP_INTERVAL=30)
    venue.fault("book_cross", for_ms=1500)
    wait_until(lambda: bot.exchange.refresh().state is TradingState.PAUSED)
    loop = threading.Thread(target=bot.run_loop, daemon=True)
    loop.start()
    wait_until(lambda: ladder(venue) == GOLDEN)
    bot.stop("the test is over")
    loop.join(timeout=20)


def test_leaving_a_dead_venue_says_which_orders_may_be_left(
    start: Start, venue: PaperExchange
) -> None:
    class Impatient(OrderManager):
        def exit(self) -> None:
            self.loop.leave(seconds=0.5)

    bot = start(Impatient, TIMEOUT=0.3)
    bot.tick()
    venue.freeze()
    bot.stop("the test is over")
    with pytest.raises(OrdersLeft) as raised:
        bot.run_loop()
    venue.thaw()
    assert len(raised.value.orders) == 6


def test_a_dry_run_shows_what_stays_and_what_moves_and_sends_nothing(
    start: Start, venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    bot = start(DRY_RUN=True, API_KEY="", API_SECRET="")
    bot.tick()
    bot.tick()
    assert log.text.count("Creating 6 orders:") == 1
    assert "6 orders open as wanted." in log.text
    move(venue, bot, "8700", "8705")
    bot.tick()
    assert "Cancelling" in log.text
    bot.run_loop(loops=1)
    assert venue.open_orders() == []
    assert not any("order/c" in name for name in venue.judge().requests)


# --- reload -------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, venue: PaperExchange) -> Path:
    path = tmp_path / "settings.py"
    path.write_text("ORDER_PAIRS = 1\nORDERID_PREFIX = 'mm_file_'\n")
    return path


def with_file(path: Path, venue: PaperExchange) -> OrderManager:
    overrides = {
        **{"API_URL_BASE": venue.rest_url, "WS_URL": venue.ws_url, "DRY_RUN": False},
        **{"API_KEY": venue.key, "API_SECRET": venue.secret, "LOOP_INTERVAL": 0.2},
    }
    settings.load(path, overrides=overrides)
    return OrderManager()


def test_a_changed_settings_file_is_taken_over_between_two_ticks(
    configure: Configure, venue: PaperExchange, file: Path, log: pytest.LogCaptureFixture
) -> None:
    configure()
    bot = with_file(file, venue)
    bot.tick()
    assert len(venue.open_orders()) == 2
    file.write_text("ORDER_PAIRS = 2\nORDERID_PREFIX = 'mm_file_'\n")
    bot.check_file_change()
    bot.check_file_change()
    bot.tick()
    assert len(venue.open_orders()) == 4
    assert "Setting ORDER_PAIRS: 1 -> 2" in log.text
    file.write_text("ORDER_PAIRS = (\n")
    bot.check_file_change()
    bot.check_file_change()
    assert "Settings not reloaded" in log.text
    file.unlink()
    bot.check_file_change()
    assert "settings.py is gone; what was read from it stays in force." in log.text
    assert settings.ORDER_PAIRS == 2
    bot.exit()


def test_turning_to_a_dry_run_takes_the_real_orders_away(
    configure: Configure, venue: PaperExchange, file: Path
) -> None:
    configure()
    bot = with_file(file, venue)
    settings._sources.overrides.pop("DRY_RUN")  # type: ignore[attr-defined]
    file.write_text(file.read_text() + "DRY_RUN = False\n")
    settings.reload()
    bot.tick()
    assert len(venue.open_orders()) == 2
    file.write_text(file.read_text().replace("False", "True"))
    bot._OrderManager__reloader._watcher._seen[file] = b""
    bot.check_file_change()
    bot.check_file_change()
    assert settings.DRY_RUN
    assert venue.open_orders() == []
    bot.tick()
    assert venue.open_orders() == []
    bot.exit()


def test_changed_code_ends_the_loop_for_a_restart_with_no_order_left(
    configure: Configure, venue: PaperExchange, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    code = tmp_path / "my_strategy.py"
    code.write_text("A = 1\n")
    configure(WATCHED_FILES=[str(code)])
    bot = OrderManager.made_with(Runtime(can_restart=True))
    loop = threading.Thread(target=bot.run_loop, daemon=True)
    loop.start()
    wait_until(lambda: len(venue.open_orders()) == 6)
    code.write_text("A = (\n")
    wait_until(lambda: "does not compile" in log.text)
    assert len(venue.open_orders()) == 6
    code.write_text("A = 2\n")
    wait_until(lambda: bot.control.is_restarting)
    loop.join(timeout=10)
    assert not loop.is_alive()
    assert "Stopping: restart for new code." in log.text
    assert bot.control.stop_reason == ""
    assert bot.loop.left_clean
    assert venue.open_orders() == []
    assert ladder_of(OrderManager(), venue) == GOLDEN
    assert venue.judge().accepted == 12


def test_changed_code_waits_for_settings_that_a_new_process_takes(
    configure: Configure, venue: PaperExchange, file: Path, tmp_path: Path
) -> None:
    code = tmp_path / "my_strategy.py"
    code.write_text("A = 1\n")
    configure()
    good = f"WATCHED_FILES = [{str(code)!r}]\nORDERID_PREFIX = 'mm_file_'\n"
    file.write_text(good)
    bot = with_file(file, venue)
    vars(bot)["runtime"] = Runtime(can_restart=True)
    file.write_text(good + "ORDER_PAIRS = (\n")
    code.write_text("A = 2\n")
    for _ in range(3):
        bot.check_file_change()
    assert not bot.control.is_restarting
    file.write_text(good + "ORDER_PAIRS = 2\n")
    for _ in range(2):
        bot.check_file_change()
    assert bot.control.is_restarting
    bot.exit()


def test_where_the_program_cannot_be_started_anew_changed_code_is_said_and_the_bot_goes_on(
    start: Start, venue: PaperExchange, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    code = tmp_path / "my_strategy.py"
    code.write_text("A = 1\n")
    bot = start(WATCHED_FILES=[str(code)])
    bot.tick()
    code.write_text("A = 2\n")
    bot.check_file_change()
    bot.check_file_change()
    assert "Changed: my_strategy.py. Restart to run the new code." in log.text
    assert not bot.control.is_stopping
    assert ladder(venue) == GOLDEN


def strategy_in(folder: Path, patch: pytest.MonkeyPatch) -> type[OrderManager]:
    """A strategy in a file of its own, based on one in another file."""
    (folder / "my_base.py").write_text(
        "from market_maker.market_maker import OrderManager\nclass Base(OrderManager): pass\n"
    )
    (folder / "my_own.py").write_text("from my_base import Base\nclass Mine(Base): pass\n")
    patch.syspath_prepend(folder)
    for name in ("my_base", "my_own"):
        patch.delitem(sys.modules, name, raising=False)
    kind = importlib.import_module("my_own").Mine
    assert issubclass(kind, OrderManager)
    return kind


@pytest.mark.parametrize("changed", ["my_own.py", "my_base.py"])
@pytest.mark.parametrize("halted", [False, True])
def test_the_files_of_the_strategy_are_watched_and_a_halted_bot_says_what_new_code_needs(
    start: Start,
    tmp_path: Path,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
    halted: bool,
) -> None:
    bot = start(strategy_in(tmp_path, monkeypatch), WATCHED_FILES=[])
    if halted:
        bot.halt("a mistake")
    (tmp_path / changed).write_text((tmp_path / changed).read_text() + "# mended\n")
    bot.check_file_change()
    bot.check_file_change()
    how = " with --clear-halt" if halted else ""
    assert f"Changed: {changed}. Restart{how} to run the new code." in log.text


def ladder_of(bot: OrderManager, venue: PaperExchange) -> list[str]:
    """Let a bot tick once, and leave; return what it has put up."""
    bot.tick()
    found = ladder(venue)
    bot.exit()
    assert venue.open_orders() == []
    return found


def test_ctrl_c_in_a_script_of_ones_own_leaves_clean(start: Start, venue: PaperExchange) -> None:
    bot = start(LOOP_INTERVAL=30)

    def press() -> None:
        wait_until(lambda: len(venue.open_orders()) == 6)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.main_thread().ident
    assert main
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        presser = threading.Thread(target=press)
        presser.start()
        bot.run_loop()
        presser.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert venue.judge().accepted == 6
    assert venue.open_orders() == []
