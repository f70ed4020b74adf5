"""Strategies written for the BitMEX sample and for GTE's old one run unchanged."""

import logging
import re
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from market_maker.errors import SettingsError
from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.engine import Side
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from market_maker.wire.throttle import Throttle
from tests.world.feed_scene import hit
from tests.world.oracle import assert_sound
from tests.world.scene import said, state
from tests.world.world import World

Log = pytest.LogCaptureFixture
Make = Callable[..., World]
LIMITS = {"CHECK_POSITION_LIMITS": True, "MAX_POSITION": 300, "MIN_POSITION": -300}


@pytest.fixture
def strategy() -> Iterator[Make]:
    """Start a world with the strategy `Mine` of a module of this text."""
    worlds = []

    def make(text: str, **changed: Any) -> World:
        module: dict[str, Any] = {"__name__": "mine"}
        exec(compile(textwrap.dedent(text), "mine.py", "exec"), module)
        world = World(**{"ORDER_PAIRS": 2} | changed)
        entered = world.installed()
        entered.__enter__()
        worlds.append(entered)
        world.start(module["Mine"])
        return world

    yield make
    for entered in worlds:
        entered.__exit__(None, None, None)


SAMPLE = """
    from __future__ import absolute_import
    from market_maker.market_maker import *
    logger = log.setup_custom_logger('root')

    class Mine(OrderManager):
        def converge_orders(self, buy_orders, sell_orders):
            tickLog = self.exchange.get_instrument()['tickLog']
            to_amend, to_create, to_cancel = [], [], []
            buys_matched = sells_matched = 0
            for order in self.exchange.get_orders():
                try:
                    if order['side'] == 'Buy':
                        desired = buy_orders[buys_matched]
                        buys_matched += 1
                    else:
                        desired = sell_orders[sells_matched]
                        sells_matched += 1
                    moved = abs((desired['price'] / order['price']) - 1) > settings.RELIST_INTERVAL
                    if desired['orderQty'] != order['leavesQty'] or moved:
                        to_amend.append({'orderID': order['orderID'], 'price': desired['price'],
                                         'orderQty': order['cumQty'] + desired['orderQty'],
                                         'side': order['side']})
                except IndexError:
                    to_cancel.append(order)
            to_create += buy_orders[buys_matched:] + sell_orders[sells_matched:]
            if to_amend:
                self.exchange.amend_bulk_orders(to_amend)
            if to_create:
                for order in reversed(to_create):
                    logger.info("%4s %d @ %.*f" % (
                        order['side'], order['orderQty'], tickLog, order['price']))
                self.exchange.create_bulk_orders(to_create)
            if to_cancel:
                self.exchange.cancel_bulk_orders(to_cancel)
"""


def test_a_strategy_with_the_sample_s_own_convergence_keeps_its_ladder(
    strategy: Make, log: Log
) -> None:
    world = strategy(SAMPLE)
    world.run(10)
    before = world.ladder()
    assert len(before) == 4
    hit(world, 40)
    world.run(6)
    assert len(world.ladder()) == 4
    world.put("buy", "8490", 0)
    world.put("buy", "8350", 10**6)
    world.put("buy", "8480", 0)
    world.run(20)
    assert len(world.ladder()) == 4
    assert said(log, "Sell 100 @ 8539.5") >= 1
    assert_sound(world)


def test_what_it_places_by_itself_passes_the_limits(strategy: Make, log: Log) -> None:
    world = strategy(SAMPLE, ORDER_PAIRS=6, ORDER_STEP_SIZE=0, **LIMITS)
    world.run(10)
    sizes = [order.qty for order in world.orders() if order.side is Side.BUY]
    assert sum(sizes) <= 300
    assert said(log, "Not placed: 6 orders, position limit")
    while any(order.side is Side.BUY for order in world.orders()):
        hit(world, 100)
        world.run(6)
        long, short = world.position()
        assert long - short <= 300
    assert world.position() == (300, 0)
    assert_sound(world)


READER = """
    from market_maker.market_maker import OrderManager, XBt_to_XBT, cost, margin, settings
    from market_maker.utils import log, constants, errors, math
    from market_maker.utils.math import toNearest

    class Mine(OrderManager):
        seen = {}
        def place_orders(self):
            e, b = self.exchange, self.exchange.bitmex
            e.check_market_open()
            e.check_if_orderbook_empty()
            self.seen = dict(
                instrument=e.get_instrument(), ticker=e.get_ticker(), position=e.get_position(),
                margin=e.get_margin(), delta=e.calc_delta(), portfolio=e.get_portfolio(),
                depth=e.get_market_depth(e.symbol), orders=e.get_orders(), http=e.get_orders_http(),
                ws=e.get_orders_ws(), long=e.get_long_delta(), short=e.get_short_delta(),
                area=e.settle_currency, dry=e.dry_run, trades=e.recent_trades(),
                b=(b.symbol, b.instrument(), b.ticker_data(), b.position(), b.delta(), b.funds(),
                   b.open_orders(), b.http_open_orders(), b.market_depth(), b.instruments()),
                mine=(self.start_XBt, self.start_time, self.instrument, self.running_qty,
                      self.starting_qty, self.running_qty_long, self.running_qty_short,
                      self.starting_qty_long, self.starting_qty_short,
                      self.short_position_limit_exceeded(), self.long_position_limit_exceeded()),
                coins=XBt_to_XBT(e.get_margin()["marginBalance"]),
                cost=cost(e.get_instrument(), 100, 8000), nearest=toNearest(8493.75, 0.5),
            )
            b.buy(10, 8400)
"""


def test_what_the_family_reads_has_its_meaning_and_its_units(strategy: Make) -> None:
    world = strategy(READER)
    world.foreign_order("buy", "8497.5", 200)
    world.run(65)  # the leverage is read once a minute
    world.take("buy", "8497.5", 7)
    traded_ms = world.timeline.true_ms()
    world.run(2)
    seen = world.bot.seen  # type: ignore[union-attr]
    instrument = seen["instrument"]
    assert (instrument["bidPrice"], instrument["askPrice"]) == (8490, 8497.5)
    assert instrument["midPrice"] == 8493.75
    assert instrument["fairPrice"] == instrument["markPrice"]
    basis = instrument["markPrice"] - instrument["indicativeSettlePrice"]
    assert instrument["fairBasis"] == pytest.approx(basis)
    assert (instrument["multiplier"], instrument["state"]) == (-(10**8), "Open")
    assert 0 < instrument["initMargin"] <= 1
    assert (instrument["lotSize"], instrument["tickSize"], instrument["tickLog"]) == (1, 0.5, 1)
    position = seen["position"]
    assert (position["currentQty"], position["avgEntryPrice"]) == (200, 8497.5)
    assert (position["openOrderBuyQty"], position["openOrderSellQty"]) == (10, 0)
    assert position["liquidationPrice"] < 8497.5
    at_mark, at_index = (200 / instrument[p] for p in ("markPrice", "indicativeSettlePrice"))
    delta = seen["delta"]
    assert delta["mark_price"] == pytest.approx(at_mark, rel=1e-9), "the delta at the mark"
    assert delta["spot"] == pytest.approx(at_index, rel=1e-9)
    assert delta["basis"] == pytest.approx(at_mark - at_index, abs=1e-12)
    margin = seen["margin"]
    assert margin["walletBalance"] == pytest.approx(50 * 10**8, rel=1e-3)
    unrealised = 200 * (1 / 8497.5 - 1 / instrument["markPrice"]) * 10**8
    assert margin["marginBalance"] - margin["walletBalance"] == pytest.approx(unrealised, abs=2)
    assert margin["availableFunds"] < margin["walletBalance"]
    assert seen["coins"] == pytest.approx(margin["marginBalance"] / 1e8)
    assert seen["cost"] == pytest.approx(100 / 8000 * 1e8)
    assert (seen["long"], seen["short"], seen["area"], seen["dry"]) == (200, 0, "BTC", False)
    assert seen["portfolio"]["BTC_USD"]["futureType"] == "Inverse"
    trade = seen["trades"][-1]
    assert (trade["side"], trade["price"], trade["size"]) == ("Buy", 8497.5, 7)
    assert datetime.fromisoformat(trade["timestamp"]).timestamp() * 1000 == traded_ms
    assert seen["depth"][0]["side"] == "Sell"
    assert seen["depth"][-1]["side"] == "Buy"
    assert [row["price"] for row in seen["orders"]] == [8400] == [r["price"] for r in seen["http"]]
    assert seen["nearest"] == 8494
    assert seen["mine"][0] == pytest.approx(margin["marginBalance"], rel=1e-6)
    assert len(world.orders()) == 1, "a second order at the same price is not placed"
    assert_sound(world)


def test_a_name_that_the_venue_has_nothing_for_says_so(strategy: Make, log: Log) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            def place_orders(self):
                try:
                    self.exchange.get_instrument()["turnover24h"]
                except KeyError as error:
                    print(error)
                self.exchange.bitmex.chat()
        """
    )
    world.run(1)
    assert "exchange.bitmex has no 'chat' on GTE; exchange.gte is" in log.text


ORDER = """
    from market_maker.market_maker import OrderManager

    class Mine(OrderManager):
        orders, sent, got = [], 0, None
        def place_orders(self):
            if self.orders:
                self.got = self.exchange.create_bulk_orders(self.orders)
                self.orders = []
"""


@pytest.mark.parametrize(
    ("keys", "is_sent"),
    [
        ({}, True),
        ({"postOnly": "false", "reduceOnly": False, "hidden": 0, "type": "LIMIT"}, True),
        ({"text": "mine", "clOrdID": "mine-1", "symbol": "BTC_USD"}, True),
        ({"execInst": ["ParticipateDoNotInitiate", ""]}, False),
        ({"execInst": {"ParticipateDoNotInitiate"}}, False),
        ({"execInst": ()}, True),
        ({"execInst": "ParticipateDoNotInitiate"}, False),
        ({"postOnly": True}, False),
        ({"post_only": "true"}, False),
        ({"post-only": "on"}, False),
        ({"post only": Decimal(0), "POSTONLY": "off"}, True),
    ],
)
def test_an_order_that_asks_for_post_only_is_not_sent_once_it_would_trade(
    strategy: Make, keys: dict[str, Any], is_sent: bool
) -> None:
    world = strategy(ORDER, POST_ONLY=False)
    bot: Any = world.bot
    world.run(1)
    execute = bot.exchange.execute

    def execute_once_the_market_has_moved(plan: Any) -> Any:
        if plan.create:
            world.put("sell", "8493", 50)
            bot.exchange._clock.sleep(0.2)
        return execute(plan)

    bot.exchange.execute = execute_once_the_market_has_moved
    bot.orders = [{"side": "Buy", "orderQty": 10, "price": 8495, **keys}]
    world.run(2)
    assert world.position() == ((10, 0) if is_sent else (0, 0))
    assert [row["orderQty"] for row in bot.got] == [10] * is_sent, "filled at once, and returned"
    assert world.ladder() == []


def test_an_accepted_order_is_returned_and_has_a_client_id_of_ours(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    bot.orders = [{"side": "Buy", "orderQty": 10, "price": 8495, "clOrdID": "mine-1"}]
    world.run(0.5)
    assert world.ladder() == ["BUY 10 @ 8495"]
    [row] = bot.got
    assert (row["price"], row["orderQty"], row["side"]) == (8495, 10, "Buy")
    asked = next(iter(bot.exchange.orders.live()))
    assert (asked.order_id, asked.client_oid) == (row["orderID"], row["clOrdID"])


@pytest.mark.parametrize(
    "key", [{"execInst": "ReduceOnly"}, {"reduceOnly": True}, {"reduce_only": 1}]
)
def test_an_order_that_may_only_reduce_closes_or_is_not_placed(
    strategy: Make, key: dict[str, Any], log: Log
) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    world.run(1)
    bot.orders = [{"side": "Sell", "orderQty": 60, "price": 8600, **key}]
    world.run(2)
    assert world.ladder() == []
    assert "reduce only, and not so much is left to close" in log.text
    world.foreign_order("buy", "8497.5", 100)
    world.run(75)  # a trade by hand reduces for a minute
    bot.orders = [
        {"side": "Sell", "orderQty": 60, "price": 8600, **key},
        {"side": "Sell", "orderQty": 60, "price": 8610, **key},
    ]
    world.run(2)
    assert world.ladder() == ["SELL 60 @ 8600"]
    assert world.orders()[0].close


@pytest.mark.parametrize(
    "qty", [100, 100.0, "100", Decimal(100), Fraction(100), Fraction(301, 3), 100.9]
)
def test_quantities_of_any_kind_of_number_are_taken(strategy: Make, qty: object) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    bot.orders = [{"side": "Buy", "orderQty": qty, "price": "8400"}]
    world.run(1)
    assert world.ladder() == ["BUY 100 @ 8400"]


def test_an_amended_order_still_only_reduces(strategy: Make, log: Log) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    world.foreign_order("buy", "8497.5", 100)
    world.run(75)
    bot.orders = [{"side": "Sell", "orderQty": 60, "price": 8600, "reduceOnly": True}]
    world.run(2)
    [row] = bot.got
    bot.exchange.amend_bulk_orders([{"orderID": row["orderID"], "orderQty": 500, "price": 8590}])
    world.run(2)
    assert "reduce only, and not so much is left to close" in log.text
    assert world.ladder() == []


def test_an_amend_is_a_cancel_seen_to_end_and_a_new_order_of_what_is_left(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    bot.orders = [{"side": "Buy", "orderQty": 100, "price": 8495}]
    world.run(1)
    hit(world, 30)
    world.run(2)
    [row] = bot.exchange.get_orders()
    assert row["cumQty"] == 30
    [new] = bot.exchange.amend_bulk_orders(
        [{"orderID": row["orderID"], "orderQty": 90, "price": 8400}]
    )
    assert world.ladder() == ["BUY 60 @ 8400"]
    assert new["orderID"] != row["orderID"]
    assert bot.exchange.amend_bulk_orders([{"orderID": row["orderID"], "price": 8300}]) == []
    bot.exchange.cancel_order(new["orderID"])
    world.run(1)
    assert world.ladder() == []
    assert_sound(world)


def test_nothing_is_placed_while_the_state_allows_no_orders(strategy: Make, log: Log) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            def check_file_change(self):
                order = {"side": "Buy", "orderQty": 10, "price": 8400}
                self.exchange.bitmex.buy(10, 8400)
                self.converge_orders([order], [])
                return False
        """
    )
    world.bot.halt("a person")  # type: ignore[union-attr]
    world.run(10)
    assert state(world) is TradingState.HALTED
    assert world.report.accepted == 0
    assert "HALTED, orders not placed: a person" in log.text


def test_the_trading_state_hangs_on_no_hook(strategy: Make, log: Log) -> None:
    """A check of its own replaces ours: its orders are booked, pulled and halted all the same."""
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            def sanity_check(self):
                self.exchange.check_market_open()
            def print_status(self):
                pass
            def get_ticker(self):
                return self.exchange.get_ticker()
            def place_orders(self):
                bid = self.get_ticker()["buy"] - 20.5
                self.converge_orders([{"side": "Buy", "orderQty": 200, "price": bid}], [])
        """,
        **LIMITS,
    )
    world.run(5)
    assert world.ladder() == ["BUY 200 @ 8469.5"]
    world.fault("mute", for_ms=30_000)
    world.run(29)
    assert (state(world), world.ladder()) == (TradingState.PAUSED, [])
    world.run(30)
    assert (state(world), world.ladder()) == (TradingState.ACTIVE, ["BUY 200 @ 8469.5"])
    hit(world, 200)
    world.run(5)
    assert (world.position(), world.ladder()) == ((200, 0), []), "its fill counts for the limit"
    assert_sound(world)
    world.bot.halt("a person")  # type: ignore[union-attr]
    world.run(5)
    assert (state(world), world.ladder()) == (TradingState.HALTED, [])
    assert_sound(world)


def test_a_logger_of_the_family_logs_where_the_bot_logs() -> None:
    from market_maker.utils import log

    assert log.setup_custom_logger("root").name.startswith("market_maker.")
    assert log.setup_custom_logger("mine", logging.DEBUG).level == logging.DEBUG


def test_the_default_class_is_among_what_the_star_import_gives() -> None:
    names: dict[str, Any] = {}
    exec("from market_maker.market_maker import *", names)
    assert names["OrderManager"] is OrderManager
    assert names["math"].toNearest(0.26, 0.5) == 0.5
    assert names["XBt_to_XBT"](150_000_000) == 1.5


@pytest.mark.parametrize(
    "body",
    [
        "return [buy, sell]",
        "return (buy, sell)",
        "yield buy; yield sell",
        "return [buy], [sell]",
        "return [[buy], (sell,)]",
    ],
)
def test_orders_that_place_orders_returns_are_taken(strategy: Make, body: str) -> None:
    world = strategy(RETURNS.format(how="def", body=body))
    world.run(3)
    assert world.ladder() == ["SELL 10 @ 8600", "BUY 10 @ 8400"]
    assert_sound(world)


@pytest.mark.parametrize(
    ("how", "body", "why"),
    [
        ("async def", "return [buy, sell]", "place_orders() is async"),
        ("async def", "yield buy", "place_orders() returned a async_generator"),
        ("def", "return 'orders'", "place_orders() returned a str: it must call converge_orders()"),
        ("def", "return [8400]", "8400 is not a mapping with price"),
        ("def", "return [{'price': 8400, 'orderQty': 10}]", "side must be Buy or Sell"),
    ],
)
def test_what_else_it_returns_is_refused_with_the_reason(
    strategy: Make, log: Log, how: str, body: str, why: str
) -> None:
    world = strategy(RETURNS.format(how=how, body=body))
    world.run(3)
    assert world.ladder() == []
    assert why in log.text


RETURNS = """
    from market_maker.market_maker import OrderManager

    class Mine(OrderManager):
        {how} place_orders(self):
            buy = {{"side": "Buy", "orderQty": 10, "price": 8400}}
            sell = {{"side": "Sell", "orderQty": 10, "price": 8600}}
            {body}
"""


# --- settings of its own --------------------------------------------------------------------------

DECLARES = """
    from market_maker.market_maker import OrderManager
    from market_maker.settings import setting, settings

    class Mine(OrderManager):
        SETTINGS = {"FAR": setting(0.01, "How far from the mid, as a fraction.", low=0, high=0.1)}
        def place_orders(self):
            price = self.start_position_mid * (1 - settings.FAR)
            self.converge_orders([{"side": "Buy", "orderQty": 10, "price": price}], [])
"""


def start_with(tmp_path: Path, text: str, lines: str) -> World:
    """A world whose bot, `Mine` of this text, has these lines in its settings file."""
    module: dict[str, Any] = {"__name__": "mine"}
    exec(compile(textwrap.dedent(text), "mine.py", "exec"), module)
    world = World(ORDER_PAIRS=2)
    file = tmp_path / "settings.py"
    given = world.settings | {"LOOP_INTERVAL": 1}
    file.write_text("".join(f"{name} = {value!r}\n" for name, value in given.items()) + lines)
    file.chmod(0o600)
    settings.load(file, is_strict=False)
    world.bot = module["Mine"].made_with(world.runtime())
    world.bot.exchange.gte._transport._throttle = Throttle()
    return world


def test_a_setting_that_a_strategy_declares_is_checked_and_reloaded(tmp_path: Path) -> None:
    with World().installed():
        world = start_with(tmp_path, DECLARES, "")
        world.run(3)
        assert world.ladder() == ["BUY 10 @ 8409"]
        file = tmp_path / "settings.py"
        file.write_text(file.read_text() + "FAR = 0.02\n")
        world.run(6)
        assert world.ladder() == ["BUY 10 @ 8324"]
        file.write_text(file.read_text().replace("FAR = 0.02", "FAR = 'far'"))
        world.run(6)
        assert world.ladder() == ["BUY 10 @ 8324"], "the old settings stay"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("FAR = 2", "FAR must be at most 0.1, not 2"),
        ("FAR = 'far'", "FAR must be a number, not 'far'"),
        ("FARR = 0.01", "FARR is not a setting; did you mean FAR?"),
        ("NEAR_ONE = 1", "NEAR_ONE is not a setting"),
        ("ORDER_PAIR = 1", "did you mean ORDER_PAIRS?"),
    ],
)
def test_a_wrong_setting_of_a_strategy_is_named(tmp_path: Path, lines: str, why: str) -> None:
    with World().installed(), pytest.raises(SettingsError, match=re.escape(why)):
        start_with(tmp_path, DECLARES, lines)


def test_settings_that_a_strategy_does_not_declare_are_named_in_the_file(tmp_path: Path) -> None:
    text = DECLARES.replace("SETTINGS =", "OTHER =")
    with World().installed():
        world = start_with(tmp_path, text, "STRATEGY_SETTINGS = ['FAR']\nFAR = 0.01\n")
        world.run(3)
        assert world.ladder() == ["BUY 10 @ 8409"]
    with World().installed(), pytest.raises(SettingsError, match="FAR is not a setting"):
        start_with(tmp_path, text, "FAR = 0.01\n")
