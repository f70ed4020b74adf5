"""What must hold at every moment, judged from the exchange's own truth."""

import logging
import re
from collections import Counter, deque
from decimal import Decimal
from typing import TYPE_CHECKING

from market_maker.client_oid import run_of
from market_maker.errors import OrdersLeft
from market_maker.models import OrderState
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.events import (
    Action,
    Event,
    Filled,
    InstrumentChanged,
    OrderChanged,
)
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.market.setup import OWNER
from market_maker.paper.server.venue import PAPER_SECRET
from market_maker.safety.trading_state import TradingState
from market_maker.trading.loop import QUOTE_TTL
from tests.chaos.in_force import GRACE_MS
from tests.chaos.requests import Requests
from tests.chaos.shape import PREFIX
from tests.chaos.truth import Trades
from tests.chaos.violation import Violation

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

ZERO = Decimal(0)
SIGNATURE = re.compile(r"[0-9a-f]{64}")
REACHABLE_SECONDS = 10.0
LEFTOVER_SECONDS = 5.0
LATE_FILLS = 6
"""Fills that may come before the bot has heard of those before them."""
REACT_MS = 2_000
"""How long a bot may take to hear of what has just changed at the venue."""
FEW_ORDERS, CANCELS_A_SECOND = 50, 13
"""So many orders can be cancelled at once, and the rest so many a second, with looks between."""
LEAVE_SECONDS = 25.0
"""The longest way out, where nothing has been wrong for so long before it."""
ROUNDED = Decimal("1e-9")


class Invariants(logging.Handler):
    """Watches exchange, wire and log. It never changes anything."""

    def __init__(self, soak: "Soak") -> None:
        super().__init__(logging.INFO)
        self._soak = soak
        self._world = soak.world
        self._truth = soak.truth
        self.violations: list[Violation] = []
        self.requests = Requests(soak, self.breach)
        self._filled: dict[int, Decimal] = {}
        self._ended: dict[int, int] = {}
        self._fills: deque[float] = deque()
        self._trades: Counter[int] = Counter()
        """By trade, how many own orders took part."""
        self._left_clean: set[str] = set()
        """The runs that have said of themselves that they left nothing."""
        self._before = (ZERO, ZERO)
        """What the bot's runs before this one had bought and sold when it began."""
        judge, outbox = self._world.venue.judge, self._world.exchange.outbox
        see, drain = judge.see, outbox.drain

        def watch_all() -> list[Event]:
            """Let the truth see all that happened at once before any of it is judged."""
            events = drain()
            for event in events:
                self._truth.see(event)
            return events

        def watch(event: Event, now: int) -> None:
            see(event, now)
            self._see(event)

        judge.see = watch  # type: ignore[method-assign]
        outbox.drain = watch_all  # type: ignore[method-assign]

    def breach(self, invariant: str, text: str) -> None:
        """Note a breach."""
        self.violations.append(Violation(invariant, self._world.timeline.true_ms(), text))

    def has_left_clean(self, run: str) -> None:
        """Note a run of which no order rests nor can come any more."""
        self._left_clean.add(run)

    def starts(self) -> None:
        """A process of the bot begins."""
        self.started_at = self._world.timeline.true_ms()
        self._before = (self._truth.own.bought, self._truth.own.sold)
        self.requests.starts()

    def has_older_fills(self, run: Trades) -> bool:
        """Return whether orders of earlier runs have filled since this one began."""
        own, (bought, sold) = self._truth.own, self._before
        return (own.bought - bought, own.sold - sold) != (run.bought, run.sold)

    # --- the exchange's events ------------------------------------------------------------------

    def _see(self, event: Event) -> None:
        match event:
            case OrderChanged(action, order) if order.owner == OWNER:
                self._see_order(action, order)
            case Filled(order, trade, _) if order.owner == OWNER:
                self._check_sides()
                self._count_fill(order)
                if self._soak.is_own(order):
                    self._trades[trade.trade_id] += 1
                    if self._trades[trade.trade_id] > 1:
                        self.breach("I15", f"own orders traded with each other: {trade}")
                    self._check_exposure(order)
            case InstrumentChanged(key) if key == self._world.key:
                self.requests.see_tick(self._world.exchange.listings[key].tick)

    def _see_order(self, action: Action, order: Order) -> None:
        before = self._filled.get(order.order_id, Decimal(0))
        if order.filled < before or (order.order_id in self._ended and order.resting):
            self.breach("I16", f"the exchange itself went back: {order}")
        self._filled[order.order_id] = order.filled
        if action is Action.DELETE:
            self._ended[order.order_id] = self._world.timeline.true_ms()
        if action is Action.INSERT and self._soak.is_own(order):
            self._check_new(order)

    def _check_new(self, order: Order) -> None:
        own, in_force = self._world.orders(), self._soak.in_force
        place = (order.side, order.close, order.price)
        for other in own:
            if other is not order and other.order_id != order.order_id:
                if (other.side, other.close, other.price) == place:
                    self.breach("I1", f"two live orders at {order.side.name} {order.price}")
        pairs = in_force.most("ORDER_PAIRS")
        for side in Side:
            count = sum(each.side is side for each in own)
            if count > pairs:
                self.breach("I1", f"{count} live {side.name} orders for {pairs} levels")
        if run_of(order.client_oid or "", PREFIX) in self._left_clean:
            self.breach("I3", f"{order} came after its run had left with nothing")
        self._check_caps(order, own)
        self._check_sides()
        self._check_exposure(order)

    def _check_caps(self, order: Order, own: list[Order]) -> None:
        """Check the limits on number, size and worth of orders (I27)."""
        in_force = self._soak.in_force
        if len(own) > in_force.most("MAX_OPEN_ORDERS"):
            self.breach("I27", f"{len(own)} own orders")
        if order.qty > Decimal(str(in_force.most("MAX_ORDER_QTY"))):
            self.breach("I27", f"{order} is larger than MAX_ORDER_QTY")
        caps = in_force.lately("MAX_OPEN_VALUE")
        worth = sum((self._soak.shape.worth(each.left, each.price) for each in own), ZERO)
        if all(caps) and worth > Decimal(str(max(caps))):
            self.breach("I27", f"open orders are worth {worth:f}, MAX_OPEN_VALUE is {max(caps)}")

    def _check_exposure(self, order: Order) -> None:
        """Check that the worst that may come of an order and those beside it is within the limits.

        The position counts as the exchange has it, or without the latest trades of others. An order
        from before a limit was lowered may stay while it cannot be cancelled.
        """
        soak = self._soak
        in_force, name = soak.in_force, "MAX_POSITION" if order.side is Side.BUY else "MIN_POSITION"
        is_older = self._truth.born[order.order_id] < in_force.changed_at(name) + GRACE_MS
        if is_older or not all(in_force.lately("CHECK_POSITION_LIMITS")):
            return
        modes = set(in_force.lately("POSITION_MODE"))
        rules = [self._worst(order, is_hedge=mode == "hedge") for mode in modes]
        most = max(abs(Decimal(str(value))) for value in in_force.lately(name))
        if min(rules) > most:
            kind = "/".join(sorted(modes))
            self.breach("I2", f"{kind} exposure {min(rules)} of {most} after {order}")

    def _worst(self, order: Order, *, is_hedge: bool) -> Decimal:
        """Return the exposure on the side of an order if all own orders of that side fill."""
        is_buy = order.side is Side.BUY
        views = self._truth.views(run_of(order.client_oid or "", PREFIX))
        own = [each for each in self._world.orders() if each.side is order.side]
        if is_hedge and order.close:
            return ZERO  # it makes no leg larger
        if is_hedge:
            resting = sum((each.left for each in own if not each.close), ZERO)
            return min(view.long if is_buy else view.short for view in views) + resting
        resting = sum((each.left for each in own), ZERO)
        return min(view.net if is_buy else -view.net for view in views) + resting

    def _check_sides(self) -> None:
        own = self._world.orders()
        bids = [order.price for order in own if order.side is Side.BUY]
        asks = [order.price for order in own if order.side is Side.SELL]
        if bids and asks and max(bids) >= min(asks):
            self.breach("I15", f"own bid {max(bids)} meets own ask {min(asks)}")

    def check_silence(self) -> None:
        """Check that nothing rests long after the last frame, where the venue can be reached.

        Of many orders it takes longer, as the venue takes 20 cancels a second.
        While the process stands still, it is for the guard to cancel, which is not here.
        """
        world, in_force = self._world, self._soak.in_force
        timeline, last = world.timeline, world.network.last_frame_at
        allowed = QUOTE_TTL + 5
        allowed += max(0, 2 * in_force.most("ORDER_PAIRS") - FEW_ORDERS) / CANCELS_A_SECOND
        silent = timeline.monotonic() - max(last, self._soak.alive_since, timeline.thawed_at())
        can_cancel = self._soak.reachable_for() > REACHABLE_SECONDS
        if silent > allowed and can_cancel and world.orders():
            self.breach("I22", f"orders rest {silent:.0f} s after the last frame")

    def check_leftovers(self, alive: float) -> None:
        """Check that a start has left no older order of an earlier run (I21)."""
        bot = self._world.bot
        if bot is None or alive < LEFTOVER_SECONDS:
            return
        for order in self._world.orders():
            run = run_of(order.client_oid or "", PREFIX)
            if (
                run != bot.exchange.client.run
                and self._truth.born[order.order_id] < self.started_at
            ):
                self.breach("I21", f"{order} of an earlier run rests {alive:.0f} s after the start")

    def _count_fill(self, order: Order) -> None:
        """Check that a run with too many fills in a minute stops (I28)."""
        if not self._soak.is_own(order):
            return
        now = self._world.timeline.monotonic()
        self._fills.append(max(now, self._soak.alive_since))
        while self._fills and (self._fills[0] < max(now - 60, self._soak.alive_since)):
            self._fills.popleft()
        in_force = self._soak.in_force
        most = in_force.most("MAX_FILLS") + 2 * in_force.most("ORDER_PAIRS") + LATE_FILLS
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

    def left(self, error: OrdersLeft | None, calm: float, seconds: float) -> None:
        """Check what the bot says on its way out: nothing is left, or what is (I3)."""
        bot, resting = self._world.bot, self._world.orders()
        assert bot
        if bot.exchange.dry_run:
            return
        if error is None:
            self.has_left_clean(bot.exchange.client.run)
            if resting:
                self.breach("I3", f"a clean end left {len(resting)} orders")
        told = " ".join(error.orders) if error else ""
        for order in resting:
            is_of_run = run_of(order.client_oid or "", PREFIX) == bot.exchange.client.run
            if error and is_of_run and str(order.client_oid) not in told:
                self.breach("I3", f"{order} is left and not listed")
        if calm > LEAVE_SECONDS and error and not resting:
            self.breach("I3", f"an end with nothing wrong and nothing left says: {error}")
        more = max(len(self._ended_since(seconds)) - 90, 0) / 20
        if calm > LEAVE_SECONDS and seconds > LEAVE_SECONDS + more:
            self.breach("I3", f"it took {seconds:.0f} s to leave with nothing wrong")

    def _ended_since(self, seconds: float) -> list[int]:
        since = self._world.timeline.true_ms() - seconds * 1000
        return [order_id for order_id, at in self._ended.items() if at >= since]

    def check_books(self) -> None:
        """Check that the exchange's money adds up: what it judges by must be right itself."""
        exchange = self._world.exchange
        for asset in ("BTC", "ETH", "USDT"):
            if exchange.ledger.imbalance(asset, exchange.marks()) != 0:
                self.breach("I5", f"{asset} does not add up")
        imbalance = self._truth.imbalance()
        if imbalance is not None and abs(imbalance) > ROUNDED:
            self.breach("I5", f"the fills do not explain {imbalance} of the account")

    def check_known(self) -> None:
        """Check that the bot still holds every live order of its run (I14)."""
        bot, now = self._world.bot, self._world.timeline.true_ms()
        if bot is None or bot.exchange.dry_run:
            return
        for order in self._world.orders():
            oid = order.client_oid or ""
            is_of_run = run_of(oid, PREFIX) == bot.exchange.client.run
            if (
                is_of_run
                and bot.exchange.orders.tracker.get(oid) is None
                and now - self._truth.born[order.order_id] > REACT_MS
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
            if self._soak.uptime.has_excuse():
                return
            self.breach("I20", f"{bot.health.state.value}: {bot.health.reason}")
            return
        self._check_totals()
        truth = {order.client_oid for order in world.orders()}
        live = bot.exchange.orders.tracker.live()
        known = {order.client_oid for order in live}
        resting = {order.client_oid for order in live if order.state is OrderState.OPEN}
        if not self._soak.is_dry() and (wrong := (truth - known) | (resting - truth)):
            self.breach("I13", f"orders differ: {wrong}")
        shown = bot.exchange.feed.position()
        is_told = world.key.kind == CONTRACT and not self._soak.is_dry()
        if is_told and (shown.long.qty, shown.short.qty) != world.position():
            self.breach("I13", f"position {shown}, truth {world.position()}")
        pairs = self._soak.in_force["ORDER_PAIRS"]
        least = self._soak.uptime.least_levels()
        is_whole = 2 * least <= len(known) <= 2 * pairs
        if not self._soak.uptime.is_limited(bot) and not is_whole:
            self.breach("I20", f"{len(known)} orders for {pairs} pairs, at least {least} a side")

    def _check_totals(self) -> None:
        """Check what the bot says it traded in this run against the exchange (I16)."""
        bot = self._world.bot
        assert bot
        told, run = bot.exchange.money.trades, self._truth.runs[bot.exchange.client.run]
        own, (bought, sold) = self._truth.own, self._before
        for name, booked, least, most in (
            ("bought", told.bought, run.bought, own.bought - bought),
            ("sold", told.sold, run.sold, own.sold - sold),
        ):
            if not least <= booked <= most:  # orders of an earlier run may fill yet
                self.breach("I16", f"{name}: bot {booked}, exchange {least} to {most}")
