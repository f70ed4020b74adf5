"""A bot and the exchange, and whatever may happen between them, in any order.

GTE_STATEFUL_EXAMPLES and GTE_STATEFUL_STEPS make the search longer.
"""

import json
import logging
import os
import re
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from market_maker.client_oid import is_ours
from market_maker.errors import MarketMakerError, OrdersLeft
from market_maker.market_maker import OrderManager
from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange.blotter import Order, Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.errors import ApiError
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from tests.world.oracle import assert_agrees
from tests.world.world import World

LIMIT = 2_000
PLAIN = re.compile(r"[0-9]{1,16}(\.[0-9]{1,12})?", re.ASCII)
POSTS = ("pc/order/create", "pc/order/cancel", "pc/order/cancel_batch")
ENDPOINTS = (*POSTS, "pc/order/query", "pc/order/book/query")
TABLES = ("order_book", "order", "position", "instrument", "margin")
GARBAGE: tuple[Any, ...] = (
    [{"price": float("nan"), "orderQty": 10}],
    [{"price": 8000, "orderQty": -5}],
    [{"price": 8000 + n / 2, "orderQty": 1} for n in range(1000)],
    [{"price": 8400, "orderQty": 10}, {"price": 8400, "orderQty": 20}],
    [{"price": 9000, "orderQty": 10}],
    [None],
    None,
)
waits = st.sampled_from([0.1, 0.7, 2.0, 5.0, 10.0])


class Moody(OrderManager):
    """The usual ladder, but in a mood for a tick."""

    mood: Any = ""

    def place_orders(self) -> None:
        mood, self.mood = self.mood, ""
        if mood == "raise":
            raise ZeroDivisionError
        if mood == "":
            super().place_orders()
        else:
            self.converge_orders(mood[0], [])


class BotAndExchange(RuleBasedStateMachine):
    """Judges by what the exchange has seen; what the bot thinks counts only at the end."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.stack = ExitStack()
        self.world = World(
            **{"LOOP_INTERVAL": 1, "RELIST_INTERVAL": 0.001, "CHECK_POSITION_LIMITS": True},
            **{"MIN_POSITION": -LIMIT, "MAX_POSITION": LIMIT, "API_ERROR_INTERVAL": 2},
        )
        self.stack.enter_context(self.world.installed())
        self.world.network.watchers.append(self._see)
        self.oids: set[str] = set()
        self.foreign: list[int] = []
        self.foreign_qty = 0
        self.stepped_ms = 0
        self.best = {"buy": 8490.0, "sell": 8497.5}
        self.filled: dict[int, Decimal] = {}
        self._start()

    @property
    def bot(self) -> Moody:
        assert isinstance(self.world.bot, Moody)
        return self.world.bot

    def _start(self) -> None:
        """Start a bot; when the trouble of the moment forbids it, once that is over."""
        try:
            self.world.start(Moody)
        except MarketMakerError:
            self._end_troubles()
            self.world.timeline.sleep(70)
            self.world.start(Moody)

        self.started_at = self.world.timeline.monotonic()

    def _end_troubles(self) -> None:
        world = self.world
        world.venue.clear_faults(world.timeline.true_ms())
        world.network.black_hole = world.network.cut_off = False
        world.timeline.step_wall_clock(-self.stepped_ms)
        self.stepped_ms = 0

    def _see(self, asked: RawRequest) -> None:
        """Look at each create on its way (I12, I17)."""
        if not asked.path.endswith("order/create"):
            return
        params = dict(asked.query) | (json.loads(asked.body) if asked.body else {})
        oid = str(params["client_oid"])
        assert oid not in self.oids
        assert is_ours(oid, settings.ORDERID_PREFIX)
        self.oids.add(oid)
        assert PLAIN.fullmatch(params["price"]), params
        assert PLAIN.fullmatch(params["qty"]), params

    # --- what may happen ------------------------------------------------------------------------

    @rule(seconds=waits)
    def advance(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(ticks=st.integers(-60, 60))
    def market_move(self, ticks: int) -> None:
        self._move(8490 + ticks / 2)

    def _move(self, bid: float) -> None:
        """Move bid and ask of the others, a few ticks apart; what was there is taken away."""
        self.world.index(str(bid))
        for side, price in (("buy", bid), ("sell", bid + 7.5)):
            if self.best[side] != price:
                self.world.put(side, str(self.best[side]), 0)
        for side, price in (("buy", bid), ("sell", bid + 7.5)):
            self.best[side] = price
            self.world.put(side, str(price), 1000)

    @rule(buys=st.booleans(), qty=st.integers(1, 40_000))
    def trade_through(self, buys: bool, qty: int) -> None:
        self.world.take("buy" if buys else "sell", "8700" if buys else "8300", qty)

    @rule(number=st.integers(0, 5), qty=st.integers(1, 50))
    def partial_fill(self, number: int, qty: int) -> None:
        orders = self.world.orders()
        if not orders:
            return
        order = orders[number % len(orders)]
        book = self.world.exchange.listing(BTC_USD).book
        ticks = int(order.price * 2)
        ahead = [p for p in book.prices(order.side) if (p - ticks) * (order.side is Side.BUY) > 0]
        ahead += [p for p in book.prices(order.side) if (ticks - p) * (order.side is Side.SELL) > 0]
        total = sum(book.size(order.side, price) for price in ahead)
        taker = "sell" if order.side is Side.BUY else "buy"
        self.world.take(taker, str(order.price), total + qty)

    @rule()
    def ws_drop(self) -> None:
        self.world.network.drop_all()

    @rule(table=st.sampled_from(["", *TABLES]), seconds=st.integers(1, 40))
    def ws_mute(self, table: str, seconds: int) -> None:
        self.world.fault("mute", match=table, for_ms=seconds * 1000)

    @rule(
        name=st.sampled_from(["frame_lost", "frame_twice", "frame_swap", "frame_half", "cut"]),
        table=st.sampled_from(TABLES),
    )
    def ws_frame(self, name: str, table: str) -> None:
        self.world.fault(name, match=table, times=1)

    @rule(seconds=st.integers(1, 20))
    def network_down(self, seconds: int) -> None:
        self.world.network.black_hole = True

        def up() -> None:
            self.world.network.black_hole = False

        self.world.timeline.after(seconds, up)

    @rule(
        name=st.sampled_from(["lost", "reset", "html", "truncated", "empty"]),
        endpoint=st.sampled_from(ENDPOINTS),
        done=st.booleans(),
        times=st.integers(1, 8),
    )
    def reply_spoilt(self, name: str, endpoint: str, done: bool, times: int) -> None:
        self.world.fault(name, match=endpoint, done=done, times=times)

    @rule(endpoint=st.sampled_from(ENDPOINTS), done=st.booleans(), ms=st.integers(100, 6000))
    def reply_late(self, endpoint: str, done: bool, ms: int) -> None:
        self.world.fault("late", match=endpoint, done=done, value=str(ms), times=2)

    @rule(endpoint=st.sampled_from(POSTS), code=st.sampled_from([-10002, -11003, -13101, -13003]))
    def reply_code(self, endpoint: str, code: int) -> None:
        self.world.fault("code", match=endpoint, value=str(code), times=1)

    @rule(name=st.sampled_from(["query_lag", "query_churn", "batch_half", "cancel_pending"]))
    def venue_odd(self, name: str) -> None:
        about = "pc/order/query" if name.startswith("query") else "pc/order/cancel_batch"
        value = "" if name in ("query_churn", "batch_half") else "3000"
        self.world.fault(name, match=about, value=value, for_ms=5000)

    @rule(buys=st.booleans())
    def foreign_order(self, buys: bool) -> None:
        far = 10 * len(self.foreign)  # on every grid, and at a price of its own
        self._by_hand("buy" if buys else "sell", str(7000 - far if buys else 10000 + far), 10)

    def _by_hand(self, side: str, price: str, qty: int) -> None:
        with suppress(ApiError):  # off the grid of the moment
            self.foreign.append(self.world.foreign_order(side, price, qty))
            self.foreign_qty += qty

    @rule(buys=st.booleans(), qty=st.integers(1, 300))
    def foreign_trade(self, buys: bool, qty: int) -> None:
        """Let the owner trade by hand with the others' best level, if it is theirs alone."""
        book = self.world.exchange.listing(BTC_USD).book
        best = book.best(Side.SELL if buys else Side.BUY)
        mine = self.world.exchange.blotter.live(OWNER)  # the bot's and those by hand
        if best is None or any(int(order.price * 2) == best for order in mine):
            return
        qty = min(qty, book.size(Side.SELL if buys else Side.BUY, best))
        self._by_hand("buy" if buys else "sell", str(Decimal(best) / 2), qty)

    @rule(number=st.integers(0, 5))
    def venue_cancel(self, number: int) -> None:
        orders = self.world.orders()
        if orders:
            self.world.venue_cancels(orders[number % len(orders)])

    @rule(tick=st.sampled_from(["1", "2.5"]), seconds=st.integers(1, 15))
    def rules_change(self, tick: str, seconds: int) -> None:
        self.world.fault("tick_change", match="BTC_USD", value=tick, for_ms=seconds * 1000)

    @rule(limit=st.sampled_from([500, 1000, LIMIT]))
    def limit_change(self, limit: int) -> None:
        settings.MAX_POSITION, settings.MIN_POSITION = limit, -limit

    @rule()
    def strategy_raises(self) -> None:
        self.bot.mood = "raise"

    @rule(garbage=st.sampled_from(GARBAGE))
    def strategy_returns_garbage(self, garbage: Any) -> None:
        self.bot.mood = (garbage,)

    @rule(ms=st.sampled_from([-3000, 500, 3000, 60_000]))
    def clock_skew(self, ms: int) -> None:
        self.stepped_ms += ms
        self.world.timeline.step_wall_clock(ms)

    @rule()
    def sigterm_and_restart(self) -> None:
        self._leave()
        self._start()

    @rule()
    def kill9_and_restart(self) -> None:
        self.world.kill_bot()
        self._start()

    @precondition(lambda self: self.bot.control.halt_reason)
    @rule()
    def a_person_clears_the_halt(self) -> None:
        self._leave()
        self._start()

    def _leave(self) -> None:
        """Stop the bot as a signal does; clean means clean, and what may be left is listed (I3)."""
        self.bot.stop("SIGTERM")
        try:
            self.bot.run_loop()
        except OrdersLeft as left:
            listed = " ".join(left.orders)
            assert all(str(order.client_oid) in listed for order in self.world.orders())
        else:
            assert self.world.orders() == []

    # --- what must be true all the time ---------------------------------------------------------

    @invariant()
    def no_order_is_doubled(self) -> None:  # I1
        assert self.world.report.doubled == []

    @invariant()
    def no_limit_is_passed(self) -> None:  # I2
        for worst in self.world.report.exposure.values():
            assert worst.net_long <= LIMIT + self.foreign_qty
            assert worst.net_short <= LIMIT + self.foreign_qty
        assert len(self.world.orders()) <= settings.MAX_OPEN_ORDERS

    @invariant()
    def orders_of_others_are_left_alone(self) -> None:  # I4
        blotter = self.world.exchange.blotter
        for order_id in self.foreign:
            order = blotter.find(OWNER, order_id)
            assert order
            assert order.status is not Status.CANCELLED

    @invariant()
    def every_long_has_its_short(self) -> None:  # I5, as far as contracts go
        net = 0
        for account in self.world.exchange.ledger.accounts.values():
            for key, leg in account.legs.items():
                if key.symbol == "BTC_USD":
                    net += leg.qty if key.long else -leg.qty
        assert net == 0

    @invariant()
    def the_request_limits_are_kept(self) -> None:  # I6
        if self.world.timeline.monotonic() - self.started_at < 11:
            self.world.report.breaches.clear()  # the process before has used the budget
        assert not self.world.report.breaches

    @invariant()
    def the_bot_does_not_trade_with_itself(self) -> None:  # I15
        assert self.world.report.self_trades == 0
        prices: dict[Side, list[Decimal]] = {Side.BUY: [], Side.SELL: []}
        for order in self.world.orders():
            prices[order.side].append(order.price)
        if prices[Side.BUY] and prices[Side.SELL]:
            assert max(prices[Side.BUY]) < min(prices[Side.SELL])

    @invariant()
    def no_fill_is_undone(self) -> None:  # I16
        for order in self.bot.exchange.orders.tracker.live():
            known = self.filled.get(int(order.order_id or 0), Decimal(0))
            assert order.filled >= known
            if order.order_id:
                self.filled[int(order.order_id)] = order.filled

    @invariant()
    def no_close_order_is_beyond_the_position(self) -> None:  # I18
        long, short = self.world.position()
        closing: dict[Side, Decimal] = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
        for order in _closing(self.world.orders()):
            closing[order.side] += order.left
        assert closing[Side.SELL] <= long
        assert closing[Side.BUY] <= short

    # --- and when all is over -------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self._end_troubles()
            settings.MAX_POSITION, settings.MIN_POSITION = LIMIT, -LIMIT
            self._move(8490)  # others may have been taken out of the book
            self.world.run(60)
            if self.bot.control.halt_reason:
                self._leave()
                self._start()
            self.world.run(75)  # the longest time for which an alarm is held, and a little
            bot = self.bot
            assert bot.health.state is TradingState.ACTIVE, bot.health  # I20
            assert_agrees(self.world)  # I13
            assert self.world.orders()
            self._leave()
            assert self.world.orders() == []  # I3
        finally:
            self.stack.close()
            logging.disable(logging.NOTSET)


def _closing(orders: list[Order]) -> list[Order]:
    return [order for order in orders if order.close]


BotAndExchange.TestCase.settings = hypothesis_settings(
    max_examples=int(os.environ.get("GTE_STATEFUL_EXAMPLES", "10")),
    stateful_step_count=int(os.environ.get("GTE_STATEFUL_STEPS", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestBotAndExchange = BotAndExchange.TestCase
