"""What must hold at every moment, judged from the exchange's own truth."""

import logging
import re
from collections import Counter, deque
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from market_maker.auth import EXPIRES_AFTER_MS
from market_maker.client_oid import is_ours, run_of
from market_maker.models import Side as OwnSide
from market_maker.paper.api.dispatch import RawRequest, endpoint_name
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.events import (
    Action,
    Event,
    Filled,
    InstrumentChanged,
    Liquidated,
    OrderChanged,
    Traded,
)
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.paper.server.venue import PAPER_SECRET
from market_maker.safety.trading_state import SILENT_AFTER, TradingState
from market_maker.trading.loop import QUOTE_TTL

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

LIMITS = {
    "pc/order/create": (20, 1000),
    "pc/order/cancel": (20, 1000),
    "pc/order/query": (10, 1000),
    "pc/order/cancel_batch": (1, 10_000),
    "pc/order/book/query": (10, 1000),
}
LOOP_MAY_CALL = {
    *LIMITS,
    *("pc/instrument/query", "account/pc/query", "pc/setting/query"),
}
NUMBER = re.compile(r"(0|[1-9][0-9]{0,15})(\.[0-9]{1,12})?", re.ASCII)
SIGNATURE = re.compile(r"[0-9a-f]{64}")
LIMIT_GRACE_MS = 10_000
"""How long a lowered limit may take to be met."""
NOT_CLOSABLE = -13101
CLOSES_REFUSED = 20
"""So many closes may be refused by a race with a trade of somebody else in a soak."""
REACHABLE_SECONDS = 10.0
SKEW_MS = 60_000
"""How far the venue's clock may have been put back since a start."""
LEFTOVER_SECONDS = 5.0
LATE_FILLS = 6
"""Fills that may come before the bot has heard of those before them."""
FINEST_TICK = Decimal("0.5")
REACT_MS = 2_000
"""How long a bot may take to hear of what has just changed at the venue."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach: which invariant, when, and what was seen."""

    invariant: str
    time: int
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.time}: {self.text}"


class Invariants(logging.Handler):
    """Watches exchange, wire and log. It never changes anything."""

    def __init__(self, soak: "Soak") -> None:
        super().__init__(logging.INFO)
        self._soak = soak
        self._world = soak.world
        self.violations: list[Violation] = []
        self.requests: Counter[str] = Counter()
        self._arrivals: dict[str, deque[int]] = {name: deque() for name in LIMITS}
        self._oids: set[str] = set()
        self._filled: dict[int, Decimal] = {}
        self._ended: set[int] = set()
        self._last_tick_change = -(10**9)
        self._tick = FINEST_TICK
        self._tick_was_hidden = False
        """Whether the frame that told of the tick in force may have been lost."""
        self.closes_refused = 0
        self._fills: deque[float] = deque()
        judge = self._world.venue.judge
        see, requested = judge.see, judge.requested

        def note(endpoint: str, code: int, now: int) -> None:
            requested(endpoint, code, now)
            self.answered(endpoint, code)

        judge.requested = note  # type: ignore[method-assign]

        def watch(event: Event, now: int) -> None:
            see(event, now)
            self._see(event)

        judge.see = watch  # type: ignore[method-assign]
        self._world.network.senders.append(self._leaves)
        self._world.network.watchers.append(self._arrives)

    def breach(self, invariant: str, text: str) -> None:
        """Note a breach."""
        self.violations.append(Violation(invariant, self._world.timeline.true_ms(), text))

    # --- the exchange's events ------------------------------------------------------------------

    def _see(self, event: Event) -> None:
        match event:
            case OrderChanged(action, order) if order.owner == OWNER:
                self._see_order(action, order)
            case Filled(order, _, _) if order.owner == OWNER:
                self._check_sides()
                self._count_fill(order)
                if self._soak.is_own(order) and not self._soak.has_foreign_trades:
                    self._check_limits(order)
            case Liquidated(owner, leg, qty) if owner == OWNER:  # the bot learns it a moment later
                self._soak.add_foreign(Decimal(-qty if leg.long else qty))
            case InstrumentChanged(key) if key == BTC_USD:
                self._see_tick(self._world.exchange.listings[key].tick)
            case Traded(_, trade, maker, taker) if maker == taker == OWNER:
                if not self._soak.foreign_busy:
                    self.breach("I15", f"own orders traded with each other: {trade}")

    def _see_order(self, action: Action, order: Order) -> None:
        before = self._filled.get(order.order_id, Decimal(0))
        if order.filled < before or (order.order_id in self._ended and order.resting):
            self.breach("I16", f"the exchange itself went back: {order}")
        self._filled[order.order_id] = order.filled
        if action is Action.DELETE:
            self._ended.add(order.order_id)
        if action is Action.INSERT and self._soak.is_own(order):
            self._check_new(order)

    def _check_new(self, order: Order) -> None:
        soak, own = self._soak, self._world.orders()
        place = (order.side, order.close, order.price)
        for other in own:
            if other is not order and other.order_id != order.order_id:
                if (other.side, other.close, other.price) == place:
                    self.breach("I1", f"two live orders at {order.side.name} {order.price}")
        for side in Side:
            count = sum(each.side is side for each in own)
            if count > soak.pairs:
                self.breach("I1", f"{count} live {side.name} orders for {soak.pairs} levels")
        if len(own) > soak.max_orders:
            self.breach("I2", f"{len(own)} own orders")
        self._check_sides()
        self._check_limits(order)

    def _check_limits(self, order: Order) -> None:
        if self._world.timeline.true_ms() - self._soak.limits_changed_at > LIMIT_GRACE_MS:
            self._check_exposure(order)

    def _check_exposure(self, order: Order) -> None:
        long, short = self._world.position()
        own = self._world.orders()
        resting = {
            side: sum((each.left for each in own if each.side is side), Decimal(0)) for side in Side
        }
        theirs = self._soak.unknown_foreign()
        for side, sign, most in (
            (Side.BUY, 1, self._soak.max_position),
            (Side.SELL, -1, -self._soak.min_position),
        ):
            worst = [sign * (long - short - each) + resting[side] for each in theirs]
            if order.side is side and min(worst) > most:
                self.breach("I2", f"net exposure {min(worst)} of {most} after {order}")

    def _check_sides(self) -> None:
        own = self._world.orders()
        bids = [order.price for order in own if order.side is Side.BUY]
        asks = [order.price for order in own if order.side is Side.SELL]
        if bids and asks and max(bids) >= min(asks):
            self.breach("I15", f"own bid {max(bids)} meets own ask {min(asks)}")

    # --- requests -------------------------------------------------------------------------------

    def _leaves(self, asked: RawRequest) -> None:
        """Look at a request in the moment at which the bot lets it go."""
        bot = self._world.bot
        name = endpoint_name(asked.path)
        if bot is None or name != "pc/order/create":
            return
        state = bot.health.state
        if state in (TradingState.PAUSED, TradingState.HALTED) or bot.control.halt_reason:
            self.breach("I8", f"a create left while {state.value}")
        feed = bot.exchange.feed
        if not feed.is_connected() or feed.missing():
            self.breach("I9", "a create left without a feed")
        if feed.silent_for() > SILENT_AFTER + 1:
            self.breach("I9", f"a create left {feed.silent_for():.0f} s after the last frame")
        params = dict(asked.query)
        ticker = feed.get_ticker()
        if ticker.bid and ticker.ask and ticker.bid > ticker.ask:
            self.breach("I9", f"a create left on a crossed book {ticker}")
        price = Decimal(params["price"])
        side = OwnSide.BUY if params["side"] == "1" else OwnSide.SELL
        other = ticker.ask if side is OwnSide.BUY else ticker.bid
        if other is not None and not side.better(other, price):
            self.breach("I10", f"{side.value} @ {price} reaches the other side's {other}")
        instrument = feed.get_instrument()
        mark = instrument.mark_price if instrument else None
        if mark and side.sign * (price / mark - 1) > self._soak.collar:
            self.breach("I10", f"{side.value} @ {price} is beyond the collar of {mark}")

    def _arrives(self, asked: RawRequest) -> None:
        """Look at a request as it reaches the exchange."""
        name, now = endpoint_name(asked.path), self._world.timeline.true_ms()
        self.requests[name] += 1
        if name not in LOOP_MAY_CALL:
            self.breach("I25", f"a call of {asked.path}")
        self._check_rate(name, now)
        if asked.headers.get("api-signature") and self._soak.clock_is_right():
            expires = int(asked.headers["api-expires"])
            left, signed = expires - now, expires - EXPIRES_AFTER_MS
            stood_still = self._world.timeline.has_frozen_since(signed)  # what is late is refused
            if not 0 < left <= 10_000 and not stood_still:
                self.breach("I23", f"{name} expires in {left} ms")
        params = dict(asked.query)
        if name == "pc/order/create":
            self._check_create(params)
        elif name in ("pc/order/cancel", "pc/order/cancel_batch"):
            ids = re.findall(r"[0-9]{9,}", params.get("filter", "") + params.get("order_id", ""))
            ids += [params["id"]] if "id" in params else []
            self._check_cancel(ids)

    def _check_rate(self, name: str, now: int) -> None:
        limit, window = LIMITS.get(name, (0, 0))
        if not limit:
            return
        arrivals = self._arrivals[name]
        while arrivals and arrivals[0] <= now - window:
            arrivals.popleft()
        arrivals.append(now)
        if len(arrivals) > limit:
            self.breach("I6", f"{len(arrivals)} {name} in {window} ms")

    def _check_create(self, params: dict[str, str]) -> None:
        oid = params.get("client_oid", "")
        if not is_ours(oid, self._soak.prefix) or len(oid) > 40:
            self.breach("I12", f"client_oid {oid!r}")
        if oid in self._oids:
            self.breach("I12", f"client_oid {oid} was sent before")
        self._oids.add(oid)
        for name in ("price", "qty"):
            if not NUMBER.fullmatch(params[name]):
                self.breach("I17", f"{name} {params[name]!r}")
        if params["side"] not in ("0", "1") or params["close_flag"] not in ("0", "1"):
            self.breach("I11", f"side or close_flag of {params}")
        if Decimal(params["qty"]) % 1 or Decimal(params["price"]) % self._tick_then():
            self.breach("I11", f"off the grid: {params['qty']} @ {params['price']}")

    def _see_tick(self, tick: Decimal) -> None:
        if tick != self._tick:
            self._tick, self._last_tick_change = tick, self._world.timeline.true_ms()
            self._tick_was_hidden = any(map(self._soak.struck, ("instrument", "all mute")))

    def _tick_then(self) -> Decimal:
        """Return the tick that the bot must know by now.

        It is the finer one while it has just moved, and where the frame that told of it was lost:
        later frames of the instrument do not repeat it, and the venue refuses what is off its grid.
        """
        ago = self._world.timeline.true_ms() - self._last_tick_change
        known = ago > REACT_MS * 5 and not self._tick_was_hidden
        return self._tick if known else FINEST_TICK

    def _check_cancel(self, ids: list[str]) -> None:
        for order_id in ids:
            order = self._world.exchange.blotter.find(OWNER, int(order_id))
            if order is not None and not self._soak.is_own(order):
                self.breach("I4", f"a cancel of a stranger's order {order_id}")
        if len(ids) > 50:
            self.breach("I6", f"{len(ids)} ids in one batch")

    def answered(self, name: str, code: int) -> None:
        """Look at what the exchange has answered, in its own judge's book."""
        if name == "pc/order/create" and code == NOT_CLOSABLE and not self._soak.struck(name):
            self.closes_refused += 1
            if self.closes_refused > CLOSES_REFUSED:
                self.breach("I18", f"{self.closes_refused} closes beyond the position")

    def check_silence(self) -> None:
        """Check that nothing rests long after the last frame, where the venue can be reached."""
        world = self._world
        silent = world.timeline.monotonic() - max(
            world.network.last_frame_at, self._soak.alive_since
        )
        can_cancel = self._soak.reachable_for() > REACHABLE_SECONDS
        if silent > max(QUOTE_TTL, 3 * self._soak.interval) + 5 and can_cancel and world.orders():
            self.breach("I22", f"orders rest {silent:.0f} s after the last frame")

    def check_leftovers(self, alive: float) -> None:
        """Check that a start has left no older order of an earlier run (I21)."""
        bot = self._world.bot
        if bot is None or alive < LEFTOVER_SECONDS:
            return
        for order in self._world.orders():
            run = run_of(order.client_oid or "", self._soak.prefix)
            if run != bot.exchange.gte.run and order.ctime < self._soak.started_at:
                self.breach("I21", f"{order} of an earlier run rests {alive:.0f} s after the start")

    def _count_fill(self, order: Order) -> None:
        """Check that a run with too many fills in a minute stops (I28)."""
        if not self._soak.is_own(order):
            return
        now = self._world.timeline.monotonic()
        self._fills.append(max(now, self._soak.alive_since))
        while self._fills and (self._fills[0] < max(now - 60, self._soak.alive_since)):
            self._fills.popleft()
        most = self._soak.max_fills + 2 * self._soak.pairs + LATE_FILLS
        if len(self._fills) > most:
            self.breach("I28", f"{len(self._fills)} fills in a minute, MAX_FILLS is less")

    # --- the log --------------------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """Look for secrets in a line of the log."""
        text = record.getMessage()
        if PAPER_SECRET in text or SIGNATURE.search(text):
            self.breach("I7", f"a secret in the log of {record.module}")
        if record.exc_info and "strategy" not in text.lower():
            self.breach("log", f"a traceback in {record.module}: {record.exc_info[1]!r}")

    # --- at rest --------------------------------------------------------------------------------

    def check_books(self) -> None:
        """Check that the exchange's money adds up: what it judges by must be right itself."""
        exchange = self._world.exchange
        for asset in ("BTC", "ETH", "USDT"):
            if exchange.ledger.imbalance(asset, exchange.marks()) != 0:
                self.breach("I5", f"{asset} does not add up")

    def check_known(self) -> None:
        """Check that the bot still holds every live order of its run (I14)."""
        bot, now = self._world.bot, self._world.timeline.true_ms()
        if bot is None or bot.exchange.dry_run:
            return
        for order in self._world.orders():
            oid = order.client_oid or ""
            is_of_run = run_of(oid, self._soak.prefix) == bot.exchange.gte.run
            if (
                is_of_run
                and bot.exchange.orders.tracker.get(oid) is None
                and now - order.ctime > REACT_MS
            ):
                self.breach("I14", f"the bot gave up {order}")

    def check_gone(self, seconds: float) -> None:
        """Check that nothing rests after so long without a healthy bot (I22)."""
        if self._world.orders():
            self.breach("I22", f"orders rest after {seconds:.0f} s without quoting")

    def check_converged(self) -> None:
        """Check that bot and exchange agree, and that it quotes, some time after all faults."""
        world, bot = self._world, self._world.bot
        if bot is None:
            self.breach("I20", "no bot")
            return
        if bot.health.state is not TradingState.ACTIVE:
            self.breach("I20", f"{bot.health.state.value}: {bot.health.reason}")
            return
        truth = {order.client_oid for order in world.orders()}
        known = {order.client_oid for order in bot.exchange.orders.tracker.live()}
        if truth != known:
            self.breach("I13", f"orders differ: {truth ^ known}")
        shown = bot.exchange.feed.position()
        if (shown.long.qty, shown.short.qty) != world.position():
            self.breach("I13", f"position {shown}, truth {world.position()}")
        self._check_totals()
        if not self._soak.is_limited() and len(truth) != 2 * self._soak.pairs:
            self.breach("I20", f"{len(truth)} orders for {self._soak.pairs} pairs")

    def _check_totals(self) -> None:
        """Check what the bot says it traded in this run against the exchange (I16)."""
        bot = self._world.bot
        assert bot
        own, run = bot.exchange.money.trades, bot.exchange.gte.run
        sums = {(side, ours): Decimal(0) for side in Side for ours in (True, False)}
        for fill in self._world.report.fills:
            oid = fill.client_oid or ""
            is_of_run = run_of(oid, self._soak.prefix) == run
            is_ours = oid.startswith(self._soak.prefix)
            if is_ours and (is_of_run or fill.time >= self._soak.started_at - SKEW_MS):
                sums[fill.side, is_of_run] += fill.qty
        for side, booked in ((Side.BUY, own.bought), (Side.SELL, own.sold)):
            least, leftovers = sums[side, True], sums[side, False]
            if not least <= booked <= least + leftovers:  # those of an earlier run may fill yet
                self.breach("I16", f"{side.name}: bot {booked}, exchange {least} + {leftovers}")
