"""Strategies written for the BitMEX sample and for GTE's old one run unchanged."""

import copy
import logging
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from market_maker.errors import InvalidOrder, SettingsError, Temporary
from market_maker.market_maker import OrderManager
from market_maker.models import OpenOrder, OrderState
from market_maker.models import Side as BookSide
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import SPOT, Key
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from market_maker.trading.order_rows import orders_of
from market_maker.wire.throttle import Throttle
from tests.world.feed_scene import hit
from tests.world.oracle import assert_sound
from tests.world.scene import CREATE, said, state, watch
from tests.world.world import World

Log = pytest.LogCaptureFixture
Make = Callable[..., World]
LIMITS = {"CHECK_POSITION_LIMITS": True, "MAX_POSITION": 300, "MIN_POSITION": -300}


@pytest.fixture
def strategy() -> Iterator[Make]:
    """Start a world with the strategy `Mine` of a module of this text."""
    worlds = []

    def make(text: str, key: Key = BTC_USD, **changed: Any) -> World:
        module: dict[str, Any] = {"__name__": "mine"}
        exec(compile(textwrap.dedent(text), "mine.py", "exec"), module)
        world = World(key=key, still=key == BTC_USD, **{"ORDER_PAIRS": 2} | changed)
        if not world.bids():
            world.put("buy", "8490", 10_000)
            world.put("sell", "8497.5", 10_000)
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
    assert "exchange.bitmex has no 'chat' on GTE; exchange.gte has" in log.text


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
        ({"level": 1, "text": "mine", "clOrdID": "mine-1", "symbol": "BTC_USD"}, True),
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
        ("async def", "yield buy", "place_orders() is async"),
        ("def", "return type('Task', (), {'__await__': list, '__iter__': list})()", "is async"),
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
    world.bot.exchange.client._transport._throttle = Throttle()
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


# --- own orders -----------------------------------------------------------------------------------


def rest(world: World, qty: float = 100, price: float = 8495, side: str = "Buy") -> dict[str, Any]:
    """Have the bot of ORDER place an order, and return its row."""
    bot: Any = world.bot
    bot.orders = [{"side": side, "orderQty": qty, "price": price}]
    world.run(1)
    [row] = bot.got
    return row  # type: ignore[no-any-return]


def test_a_strategy_that_counts_its_orders_by_their_status_does_not_pile_them_up(
    strategy: Make,
) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            def place_orders(self):
                waiting = ("New", "PartiallyFilled")
                mine = [o for o in self.exchange.get_orders() if o["ordStatus"] in waiting]
                if not mine:
                    order = {"side": "Buy", "orderQty": 100, "price": 8495}
                    self.exchange.create_bulk_orders([order])
        """
    )
    bot: Any = world.bot
    world.run(10)
    [row] = bot.exchange.get_orders()
    assert (row["ordStatus"], row["workingIndicator"], row["leavesQty"]) == ("New", True, 100)
    assert datetime.fromisoformat(row["timestamp"]).timestamp() * 1000 < world.timeline.true_ms()
    hit(world, 30)
    world.run(6)
    [row] = bot.exchange.get_orders()
    assert row["ordStatus"] == "PartiallyFilled"
    world.fault("cancel_pending", value="5000", times=1)
    [asked] = bot.exchange.cancel_bulk_orders([row])
    assert asked["ordStatus"] == "PartiallyFilled", "it may still fill"
    world.run(3)
    assert world.report.accepted == 1, "and is not placed again before it has ended"
    world.run(8)
    assert world.report.accepted == 2
    assert_sound(world)


@pytest.mark.parametrize(
    ("filled", "state", "word"),
    [
        (0, OrderState.SENT, "New"),
        (0, OrderState.UNKNOWN, "New"),
        (0, OrderState.OPEN, "New"),
        (0, OrderState.CANCELLING, "New"),
        (4, OrderState.CANCELLING, "PartiallyFilled"),
        (4, OrderState.OPEN, "PartiallyFilled"),
        (4, OrderState.DONE, "Canceled"),
        (0, OrderState.DONE, "Canceled"),
        (10, OrderState.DONE, "Filled"),
    ],
)
def test_the_words_of_an_order_are_the_family_s(filled: int, state: OrderState, word: str) -> None:
    qty, done = Decimal(10), Decimal(filled)
    order = OpenOrder(side=BookSide.SELL, price=qty, qty=qty, filled=done, state=state)
    [row] = orders_of([replace(order, post_only=True, reduce_only=True)], "BTC_USD")
    assert (row["ordStatus"], row["side"], row["ordType"]) == (word, "Sell", "Limit")
    assert row["timeInForce"] == "GoodTillCancel"
    assert row["execInst"] == "ParticipateDoNotInitiate,ReduceOnly"
    assert row["workingIndicator"] is (state is not OrderState.DONE)
    assert (row["symbol"], row["ordRejReason"]) == ("BTC_USD", "")


def test_a_row_may_be_given_back_with_another_price_or_quantity(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    row = rest(world)
    hit(world, 30)
    world.run(2)
    [row] = bot.exchange.get_orders()
    for key, value, left in (
        ("price", 8400, "70 @ 8400"),
        ("orderQty", 90, "90 @ 8400"),
        ("leavesQty", 20, "20 @ 8400"),
    ):
        row[key] = value
        [row] = bot.exchange.amend_bulk_orders([row])
        assert world.ladder() == [f"BUY {left}"]
    bot.exchange.cancel_bulk_orders([row])
    bot.exchange.create_bulk_orders([row | {"price": 8300}])
    world.run(2)
    assert world.ladder() == ["BUY 20 @ 8300"]
    assert_sound(world)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"price": "cheap"}, "price must be a number above zero"),
        ({"price": None}, "price must be a number above zero"),
        ({"orderQty": None}, "orderQty must be a number, 0 or above"),
        ({"qty": -5}, "qty must be a number, 0 or above"),
        ({"qty": 5, "orderQty": 6}, "two quantities that contradict each other"),
        ({"orderQty": 60, "leavesQty": 50}, "two quantities that contradict each other"),
        ({"stopPx": 8500}, "stopPx 8500 cannot be had: GTE has no stop orders"),
        ({"side": "Sell"}, "is a Buy, and an amend keeps the side"),
        ({"symbol": "XBTUSD"}, "symbol 'XBTUSD' is not BTC_USD"),
        ({"prise": 8500}, "prise 8500 is not known: did you mean price?"),
        ({"orderQty": 0, "price": "cheap"}, "price must be a number above zero"),
    ],
)
def test_a_change_that_cannot_be_cancels_nothing(
    strategy: Make, change: dict[str, Any], why: str
) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    row, other = rest(world), rest(world, price=8490.5)
    changes = [
        {"orderID": other["orderID"], "price": 8300},
        {"orderID": row["orderID"], **change},
    ]
    with pytest.raises(InvalidOrder, match=re.escape(why)):
        bot.exchange.amend_bulk_orders(changes)
    world.run(2)
    assert world.ladder() == ["BUY 100 @ 8495", "BUY 100 @ 8490.5"]


def test_nothing_is_cancelled_for_an_amend_while_no_order_may_be_placed(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    row = rest(world)
    bot.halt("a test")
    with pytest.raises(Temporary, match="HALTED, orders not placed: a test"):
        bot.exchange.amend_bulk_orders([{"orderID": row["orderID"], "price": 8400}])
    assert world.ladder() == ["BUY 100 @ 8495"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"orderID": "123", "price": 8400}, "no order of this run has the id 123"),
        ({"origClOrdID": "mine-1", "price": 8400}, "no order of this run has the id mine-1"),
        ({"price": 8400, "orderQty": 5, "side": "Buy"}, "names no order: give its orderID"),
    ],
)
def test_an_id_that_is_not_ours_is_refused_and_named(
    strategy: Make, given: dict[str, Any], why: str
) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    row = rest(world)
    for act in (bot.exchange.amend_bulk_orders, bot.exchange.cancel_bulk_orders):
        with pytest.raises(InvalidOrder, match=why):
            act([given])
    for one in (given, given.get("orderID")):
        with pytest.raises(InvalidOrder, match=r"no order of this run|names no order"):
            bot.exchange.bitmex.cancel(one)
    assert world.ladder() == ["BUY 100 @ 8495"]
    with pytest.raises(InvalidOrder, match=why):
        bot.exchange.cancel_bulk_orders([given, row])
    world.run(1)
    assert world.ladder() == [], "what is ours is cancelled all the same"


def test_an_id_that_has_just_ended_is_no_error(strategy: Make, log: Log) -> None:
    log.set_level(logging.INFO)
    world = strategy(ORDER)
    bot: Any = world.bot
    row = rest(world)
    bot.exchange.bitmex.cancel(row["orderID"])
    world.run(1)
    assert bot.exchange.bitmex.cancel([row["orderID"]]) == []
    assert bot.exchange.amend_bulk_orders([{"origClOrdID": row["clOrdID"], "price": 8400}]) == []
    assert said(log, f"Order {row['orderID']} has ended already.") == 1
    assert said(log, f"Order {row['clOrdID']} has ended already.") == 1


@pytest.mark.parametrize("key", ["clOrdID", "origClOrdID"])
def test_an_amend_goes_by_each_id_and_by_each_name_of_the_quantity(
    strategy: Make, key: str
) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    row = rest(world)
    change = {key: row["clOrdID"], "qty": 77}
    with pytest.raises(InvalidOrder, match="is amended twice"):
        bot.exchange.amend_bulk_orders([change, {"orderID": row["orderID"], "qty": 5}])
    bot.exchange.amend_bulk_orders([change])
    assert world.ladder() == ["BUY 77 @ 8495"]


def test_an_amend_whose_cancel_is_not_seen_to_end_says_so(strategy: Make, log: Log) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    row = rest(world)
    world.fault("cancel_pending", value="10000", times=1)
    assert bot.exchange.amend_bulk_orders([{"orderID": row["orderID"], "price": 8400}]) == []
    assert said(log, "Not amended: Buy 100 @ 8495 client_oid", logging.WARNING) == 1
    world.run(15)
    assert world.ladder() == []
    assert_sound(world)


def test_an_order_whose_create_is_not_answered_waits_for_its_cancel(
    strategy: Make, log: Log
) -> None:
    log.set_level(logging.INFO)
    world = strategy(ORDER)
    bot: Any = world.bot
    world.run(1)
    world.fault("lost", match=CREATE, times=1)
    bot.orders = [{"side": "Buy", "orderQty": 10, "price": 8495}]
    world.run(0.1)
    [row] = bot.exchange.get_orders()
    assert (row["orderID"], row["ordStatus"]) == ("", "New")
    before = world.report.requests["pc/order/cancel"]
    bot.exchange.cancel_order(row)
    assert said(log, "Not cancelled: Buy 10 @ 8495, its create is not answered yet.") == 1
    assert world.report.requests["pc/order/cancel"] == before
    assert_sound(world)


def test_what_is_left_of_an_order_is_exact(strategy: Make) -> None:
    world = on_spot(strategy, ORDER)
    bot: Any = world.bot
    row = rest(world, 0.3, 8495)
    world.take("sell", "8495", 1000)
    world.run(2)
    [row] = bot.exchange.get_orders()
    assert (row["cumQty"], row["leavesQty"]) == (0.1, 0.2)
    bot.exchange.amend_bulk_orders([{"orderID": row["orderID"], "price": 8400}])
    assert world.ladder() == ["BUY 0.2 @ 8400"], "0.3 less 0.1, not 0.1999"


@pytest.mark.parametrize("orders", [{"price": 8400, "orderQty": 5, "side": "Buy"}, "123", None])
def test_one_order_in_place_of_a_list_is_told(strategy: Make, orders: Any) -> None:
    bot: Any = strategy(ORDER).bot
    for act in (bot.exchange.create_bulk_orders, bot.exchange.amend_bulk_orders):
        with pytest.raises(InvalidOrder, match="a list of orders is wanted, not"):
            act(orders)


def test_a_dry_run_has_its_orders_under_the_names_of_rest_too(strategy: Make) -> None:
    world = strategy(ORDER, DRY_RUN=True)
    bot: Any = world.bot
    row = rest(world)
    assert [each["orderID"] for each in bot.exchange.get_orders_http()] == [row["orderID"]]
    [ended] = bot.exchange.cancel_bulk_orders([row])
    assert ended["ordStatus"] == "Canceled"


def test_numbers_of_any_kind_go_with_the_client_s_names_too(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    world.run(1)
    client = bot.exchange.bitmex
    client.buy("5", "8400")
    client.sell(Fraction(6), Decimal(8600))
    client.place_order("-7", 8610)
    client.place_order(quantity="8", price=8410)
    assert world.ladder() == [
        *("SELL 7 @ 8610", "SELL 6 @ 8600"),
        *("BUY 8 @ 8410", "BUY 5 @ 8400"),
    ]
    for act in (client.buy, client.sell, client.place_order):
        for qty in ("five", None, True, float("nan")):
            with pytest.raises(InvalidOrder, match=r"quantity .* is not a number|orderQty must be"):
                act(qty, 8400)
    with pytest.raises(InvalidOrder, match="leverage 'ten' is not a number"):
        client.isolate_margin("BTC_USD", "ten")


def test_orders_by_the_own_names_of_the_client_pass_the_limits_and_are_the_bot_s(
    strategy: Make, log: Log
) -> None:
    world = strategy(ORDER, **LIMITS)
    client: Any = world.bot.exchange.gte
    world.run(1)
    assert client.buy(1000, "8400") is None
    assert client.create_bulk_orders([{"side": "Sell", "orderQty": 301, "price": 8600}]) == []
    assert client.create_order({"side": "Buy", "orderQty": 200, "price": 8400})["price"] == 8400
    sold = client.place_order(-100, 8600)
    assert {order.client_oid for order in world.orders()} == {
        order["clOrdID"] for order in world.bot.exchange.get_orders()
    }
    assert "Not placed: 1 orders, " in log.text
    assert client.order_book_query(1)["bids"], "what only reads is the client's own"
    client.cancel_batch([sold["orderID"]])
    world.run(2)
    assert world.ladder() == ["BUY 200 @ 8400"]
    with pytest.raises(AttributeError, match="chat"):
        client.chat()
    assert_sound(world)


def test_two_calls_of_a_tick_that_undo_each_other_are_told(strategy: Make, log: Log) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            calls = 1
            def place_orders(self):
                for _ in range(self.calls):
                    self.converge_orders([{"side": "Buy", "orderQty": 10, "price": 8400}], [])
        """
    )
    world.run(5)
    assert said(log, "converge_orders() was called twice in a tick") == 0
    world.bot.calls = 2  # type: ignore[attr-defined]
    world.run(1)
    assert said(log, "converge_orders() was called twice in a tick") == 1


def test_start_prices_that_are_none_are_left_out_of_the_status(strategy: Make, log: Log) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            def get_ticker(self):
                self.start_position_buy = None
                return self.exchange.get_ticker()
            def place_orders(self):
                self.converge_orders([{"side": "Buy", "orderQty": 10, "price": 8400}], [])
        """
    )
    world.run(70)
    assert said(log, "Ticker: ", logging.INFO) >= 2
    assert "Traceback" not in log.text
    assert world.ladder() == ["BUY 10 @ 8400"]


def test_the_way_out_is_not_the_strategy_s_to_replace(strategy: Make, log: Log) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    bot.orders = [{"side": "Buy", "orderQty": 10, "price": 8400}]
    bot.exchange.cancel_all_orders = lambda *_, **__: None
    world.run(2)
    assert len(world.orders()) == 1
    bot.exit()
    assert world.orders() == []
    assert "confirmed by order query" in log.text


@pytest.mark.parametrize("read", ["get_delta()", 'get_position()["currentQty"]', "running_qty"])
def test_a_strategy_never_sees_an_order_gone_without_its_fill(strategy: Make, read: str) -> None:
    who = "self" if read == "running_qty" else "self.exchange"
    world = strategy(
        f"""
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            seen = ()
            def place_orders(self):
                orders = self.exchange.get_orders()
                lacks = 300 - {who}.{read}
                self.seen = *self.seen, (sum(o["cumQty"] for o in orders), lacks)
                buys = [{{"side": "Buy", "orderQty": lacks, "price": 8490.5}}] if lacks > 0 else []
                self.converge_orders(buys, [])
        """,
        MAX_POSITION=5000,
        LOOP_INTERVAL=1,
    )
    world.run(3)
    world.fault("frame_late", match="position", value="2500")
    world.fault("frame_late", match="position", value="2500")
    for _ in range(3):
        world.take("sell", "8490.5", 300)
        world.run(0.4)
    assert world.position() == (300, 0), "a hedger that saw its order gone bought again"


def test_the_leverage_of_another_symbol_is_not_set_on_ours(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    with pytest.raises(ValueError, match="this bot trades BTC_USD, not XBTUSD"):
        bot.exchange.bitmex.isolate_margin("XBTUSD", 5)
    assert world.report.requests["pc/leverage/change"] == 0
    bot.exchange.bitmex.isolate_margin("BTC_USD", "5")
    assert sum(n for name, n in world.report.requests.items() if "leverage" in name) == 2


def test_a_dry_run_sets_no_leverage_and_goes_on(strategy: Make, log: Log) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            def reset(self):
                super().reset()
                self.exchange.bitmex.isolate_margin(self.exchange.symbol, 5)
        """,
        DRY_RUN=True,
    )
    world.run(3)
    assert said(log, "Dry run: leverage 5 is not set.") == 1
    assert "Traceback" not in log.text
    assert len(world.bot.exchange.get_orders()) == 4  # type: ignore[union-attr]
    assert world.report.requests["pc/leverage/change"] == 0


def test_on_a_pair_reduce_only_is_bounded_by_what_the_run_has_traded(strategy: Make) -> None:
    world = on_spot(strategy, ORDER)
    bot: Any = world.bot
    world.run(1)
    sell = {"side": "Sell", "orderQty": 0.4, "price": 8600, "execInst": "ReduceOnly"}
    assert bot.exchange.create_bulk_orders([sell]) == []
    bot.exchange.create_bulk_orders([{"side": "Buy", "orderQty": 0.5, "price": 8490.01}])
    world.take("sell", "8490.01", 5_000)
    world.run(6)
    assert bot.exchange.get_delta() == pytest.approx(0.5)
    assert len(bot.exchange.create_bulk_orders([sell, {**sell, "price": 8601}])) == 1
    buy = {"side": "Buy", "orderQty": 0.1, "price": 8400, "execInst": "ReduceOnly"}
    assert bot.exchange.create_bulk_orders([buy]) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exchange.bitmex.postOnly = True", "no 'postOnly' to set: use the setting POST_ONLY"),
        ("exchange.bitmex.leverage = 5", "no 'leverage' to set"),
        ("exchange.get_user_balance()", "self.exchange has no 'get_user_balance': .*docs strategy"),
    ],
)
def test_what_is_not_there_says_where_to_look(strategy: Make, line: str, words: str) -> None:
    bot: Any = strategy(ORDER).bot
    with pytest.raises(AttributeError, match=words):
        exec(line, {"exchange": bot.exchange})
    assert not hasattr(bot.exchange, "get_user_balance")


def test_an_exit_of_the_strategy_s_own_is_called_once(strategy: Make) -> None:
    world = strategy(
        """
        from market_maker.market_maker import OrderManager

        class Mine(OrderManager):
            calls = ticks = 0
            def sanity_check(self):
                super().sanity_check()
                self.ticks += 1
                if self.ticks == 3:
                    self.exit()
            def exit(self, *args):
                self.calls += 1
                super().exit(*args)
        """
    )
    bot: Any = world.bot
    bot.run_loop(20)
    assert (bot.calls, world.orders()) == (1, [])


def test_what_may_not_be_placed_beside_the_open_orders_names_its_limit(
    strategy: Make, log: Log
) -> None:
    world = strategy(ORDER, **LIMITS, MAX_OPEN_ORDERS=4)
    bot: Any = world.bot
    world.run(1)
    buys = [{"side": "Buy", "orderQty": 100, "price": 8400 - each} for each in range(3)]
    assert len(bot.exchange.create_bulk_orders(buys)) == 3
    assert bot.exchange.create_bulk_orders([{**buys[0], "price": 8390}]) == []
    assert "position limit, counting the open orders" in log.text
    with pytest.raises(InvalidOrder, match="2 orders are wanted beside 3 open ones, MAX_OPEN"):
        bot.exchange.create_bulk_orders(buys[:2])


# --- what there is to read ------------------------------------------------------------------------


def on_spot(strategy: Make, text: str) -> World:
    """Start a world with the strategy on a pair; the quantities of others are in its lots."""
    pair = Key(SPOT, "USDT", "BTC/USDT")
    return strategy(text, pair, ORDER_START_SIZE=0.1, MIN_POSITION=-5, MAX_POSITION=5)


def test_the_delta_of_a_pair_is_its_quantity_as_the_portfolio_has_it(strategy: Make) -> None:
    world = on_spot(strategy, ORDER)
    bot: Any = world.bot
    rest(world, 0.3, 8495)
    world.take("sell", "8495", 1000)
    world.run(2)
    exchange = bot.exchange
    assert exchange.get_delta() == 0.1
    assert exchange.calc_delta() == {"spot": 0.1, "mark_price": 0.1, "basis": 0}
    item = exchange.get_portfolio()["BTC/USDT"]
    assert (item["futureType"], item["multiplier"] * item["currentQty"]) == ("Linear", 0.1)
    instrument = exchange.get_instrument()
    assert instrument["multiplier"] / instrument["underlyingToSettleMultiplier"] == 1
    assert instrument["highPrice"] >= instrument["lowPrice"] > 0
    for name in ("fairPrice", "initMargin", "openInterest"):
        with pytest.raises(KeyError, match=f"{name}: GTE has none for a pair"):
            instrument[name]
    with pytest.raises(KeyError, match="unrealisedPnl: GTE has none for a pair"):
        exchange.get_position()["unrealisedPnl"]


def test_the_delta_of_a_contract_is_what_the_sample_computes(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    world.foreign_order("sell", "8490", 200)
    world.index("8480")
    world.run(2)
    item = bot.exchange.get_portfolio()["BTC_USD"]
    delta = bot.exchange.calc_delta()
    assert delta["mark_price"] == pytest.approx(
        item["multiplier"] / item["markPrice"] * item["currentQty"], rel=1e-12
    )
    assert delta["spot"] == pytest.approx(-200 / item["spot"], rel=1e-12)


def test_the_prices_of_a_day_are_read_from_candles_when_they_are_asked_for(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    world.take("buy", "8510", 3000)
    world.take("sell", "8470", 3000)
    world.run(3)
    read = watch(world, "pc/candle/query")
    instrument = bot.exchange.get_instrument()
    assert "bidPrice" in dict(instrument)
    assert not read
    assert instrument["highPrice"] > 8500 > instrument["lowPrice"] > 0
    assert instrument.get("highPrice") == instrument["highPrice"]
    again = bot.exchange.get_instrument()
    assert again["lowPrice"] <= again["lastPrice"] <= again.get("highPrice")
    assert len(read) == 1
    world.run(61)
    assert bot.exchange.get_instrument()["highPrice"] > 8500
    assert len(read) == 2
    assert copy.deepcopy(again) == dict(again)
    assert again.get("vwap", 7) == 7
    with pytest.raises(KeyError, match=r"vwap: GTE shows no such value; there are .*highPrice"):
        again["vwap"]


def test_prices_of_a_day_without_a_trade_are_not_made_up(strategy: Make) -> None:
    bot: Any = strategy(ORDER).bot
    with pytest.raises(Temporary, match="no prices of the last 24 hours"):
        bot.exchange.get_instrument()["highPrice"]


def test_the_position_has_its_unrealised_profit_and_its_leverage(strategy: Make) -> None:
    world = strategy(ORDER)
    bot: Any = world.bot
    world.foreign_order("sell", "8490", 200)
    world.index("8600")
    world.run(3)
    position, margin = bot.exchange.get_position(), bot.exchange.get_margin()
    expected = -200 * (1 / 8490 - 1 / position["markPrice"]) * 10**8
    assert position["unrealisedPnl"] == pytest.approx(expected, abs=2)
    assert position["unrealisedPnl"] == margin["unrealisedPnl"] < 0
    assert position["leverage"] == 1 / bot.exchange.get_instrument()["initMargin"]


def test_what_is_not_known_yet_says_so(strategy: Make) -> None:
    bot: Any = strategy(ORDER, DRY_RUN=True).bot
    for row in (bot.exchange.get_position(), bot.exchange.get_instrument()):
        with pytest.raises(KeyError, match="leverage: not known: GTE has not told the leverage"):
            row["leverage"]


def test_without_an_order_the_best_one_is_the_family_s(strategy: Make) -> None:
    bot: Any = strategy(ORDER).bot
    for row, price, side in (
        (bot.exchange.get_highest_buy(), -(2**32), "buy"),
        (bot.exchange.get_lowest_sell(), 2**32, "sell"),
    ):
        assert row == {"price": price}
        with pytest.raises(KeyError, match=f"orderQty: no {side} order of this bot is open"):
            row["orderQty"]


# --- names that it imports ------------------------------------------------------------------------

TOP_LEVEL = """
    sleep sys datetime getmtime join random requests atexit signal bitmex settings log constants
    errors math os watched_files_mtimes logger ExchangeInterface OrderManager XBt_to_XBT cost margin
    run
"""


def test_the_star_import_gives_every_name_of_the_sample_s_module() -> None:
    names: dict[str, Any] = {}
    exec("from market_maker.market_maker import *", names)
    assert set(TOP_LEVEL.split()) <= names.keys()
    assert names["watched_files_mtimes"] == [
        (name, Path(name).stat().st_mtime) for name in settings.WATCHED_FILES if Path(name).exists()
    ]


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("from market_maker.bitmex import BitMEX", "self.exchange.bitmex in a strategy"),
        ("from market_maker.market_maker import *; bitmex.BitMEX()", "self.exchange.bitmex"),
        ("from market_maker.ws.ws_thread import BitMEXWebsocket", "GTEWebsocket"),
        ("from market_maker.auth import AccessTokenAuth", "APIKeyAuthWithExpires: GTE signs with"),
        ("from market_maker.auth.AccessTokenAuth import AccessTokenAuth", "APIKeyAuthWithExpires"),
        ("from market_maker.auth.APIKeyAuth import generate_nonce", "APIKeyAuthWithExpires"),
        ("from market_maker._settings_base import *", "settings of market_maker.settings"),
        ("import market_maker._settings_base as base; base.ORDER_PAIRS", "market_maker.settings"),
    ],
)
def test_a_name_of_the_sample_that_is_not_here_says_what_to_use(line: str, use: str) -> None:
    with pytest.raises(ImportError, match=re.escape(use)):
        exec(line, {})


def test_names_that_are_elsewhere_in_the_sample_are_found() -> None:
    names: dict[str, Any] = {}
    exec("from market_maker.auth.APIKeyAuthWithExpires import APIKeyAuthWithExpires", names)
    exec("from market_maker.utils.dotdict import dotdict", names)
    assert names["APIKeyAuthWithExpires"].__module__ == "market_maker.auth"
    found = names["dotdict"](a=1)
    found.b = 2
    del found.a
    assert (found, found.a, found.b) == ({"b": 2}, None, 2)
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        exec("import market_maker.auth; market_maker.auth.other")


def test_a_strategy_that_waits_in_a_tick_sees_its_order_fill(strategy: Make) -> None:
    world = strategy(
        """
        from market_maker.market_maker import *
        class Mine(OrderManager):
            seen = None
            def place_orders(self):
                if self.seen is not None:
                    return
                self.seen = []
                order = {"price": 8495, "orderQty": 100, "side": "Buy"}
                self.exchange.create_bulk_orders([order])
                for _ in range(6):
                    self.clock.sleep(1)
                    self.seen.append((len(self.exchange.get_orders()), self.exchange.get_delta()))
        """
    )
    world.timeline.after(1.5, lambda: world.take("sell", "8495", 100))
    world.run(10)
    assert world.bot
    seen: list[tuple[int, float]] = world.bot.seen  # type: ignore[attr-defined]
    assert seen[0] == (1, 0)
    assert seen[-3:] == [(0, 100)] * 3
