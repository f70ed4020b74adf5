"""The monitor: gathers facts on feed, orders and account, and returns the trading state."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from statistics import median

from market_maker import safety
from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.errors import Fatal, RequestError
from market_maker.gte import GTE
from market_maker.models import OrderState, Snapshot, Ticker
from market_maker.money import Money
from market_maker.orders.orders import ACCEPTED, Orders
from market_maker.safety import Breakers, Facts, Health
from market_maker.trading.account_watch import AccountWatch
from market_maker.trading.book_watch import BookWatch
from market_maker.trading.position_watch import PositionWatch
from market_maker.ws.ws_thread import LOGGED, GTEWebsocket

logger = logging.getLogger(__name__)

EMPTY_AFTER = 3.0
"""Seconds after which a missing table of the account is queried over REST."""
MINUTE = 60.0
JUMPED, CRASHED = 0.2, 0.5
"""Deviation of the mid from the median of the last minute, as a fraction."""


class Monitor:
    """Assesses the trading state once a tick. It places and cancels nothing."""

    def __init__(
        self,
        gte: GTE,
        feed: GTEWebsocket,
        orders: Orders,
        money: Money,
        control: Control,
        clock: Clock,
    ) -> None:
        self._gte = gte
        self._feed = feed
        self._orders = orders
        self._tracker = orders.tracker
        self._reconciler = orders.reconciler
        self._control = control
        self._clock = clock
        self.unprotected = ""
        """Why no other process would cancel own orders if this one died; empty if one would."""
        self._breakers = Breakers()
        self._overfilled = 0
        """How many such rows of the tracker were logged."""
        self._refusals = 0
        """How many refusals of the feed were noted."""
        self._money = money
        self._position = PositionWatch(feed, orders, money.position)
        self.account = AccountWatch(gte, feed, money, clock)
        self._book = BookWatch(gte, feed, clock)
        self._seen = {"ended": 0, "late order": 0, "other bot": 0, "bad row": 0, "taker": 0}
        self._logged: set[str] = set()
        self._empty_due = 0.0
        self._mids: deque[tuple[float, float]] = deque()

    def note(self, kind: str) -> None:
        """Record one event of a kind in `breakers.EVENTS`."""
        self._breakers.note(kind, self._clock.monotonic())

    def record_fatal(self, error: Fatal) -> None:
        """Record a fatal answer of the venue."""
        self._breakers.record_fatal(error, self._clock.monotonic())

    def has_mismatch(self) -> bool:
        """Return whether book or position has a mismatch: then tick soon."""
        is_dry, position = self._orders.is_dry, self._money.position
        return self._book.has_mismatch() or (not is_dry and position.has_mismatch())

    def book_unconfirmed_for(self) -> float:
        """Return the seconds since a frame changed the book or an audit confirmed it."""
        return self._book.unconfirmed_for()

    def assess(
        self,
        snapshot: Snapshot | None,
        money: Money,
        *,
        position_limit: Decimal | None,
        max_loss: Decimal | None,
        max_fills: int,
        needs_value: bool,
        orders_known: bool,
        has_time: Callable[[], bool],
    ) -> Health:
        """Gather the facts and return the trading state.

        `snapshot` is None while the feed has not shown every table; `money` is what MAX_LOSS looks
        at, a dry run's own; a limit is None where there is none. `needs_value` says that a limit is
        in value. Reads that can wait are made only while `has_time()`.
        """
        now = self._clock.monotonic()
        self._breakers.allow_fills(max_fills)
        while self._refusals < self._feed.refusals:
            self._refusals += 1
            self._breakers.note("auth", now)
        self._take_events()
        self._log_invalid_data()
        if self._feed.connected_for() > EMPTY_AFTER and now >= self._empty_due and has_time():
            self.query_missing_tables()
        if snapshot:
            if snapshot.instrument.is_contract and not self._orders.is_dry:  # spot shows none
                self._note_all(self._position.check(snapshot, now), now)
            self._note_all(self.account.check(snapshot, money, max_loss, now), now)
            self._check_price(snapshot.ticker, now)
            if has_time():
                self.account.check_setting(snapshot.instrument, now)
        self._count_orders(now)
        tripped = [*self._breakers.tripped(now), *self.account.states(needs_value=needs_value)]
        return safety.assess(self._facts(snapshot, position_limit, orders_known, now, tripped))

    def audit_book(self) -> None:
        """Compare the order book with REST when due."""
        self._book.audit(self._clock.monotonic())

    def _facts(
        self,
        snapshot: Snapshot | None,
        limit: Decimal | None,
        orders_known: bool,
        now: float,
        tripped: Sequence[Health],
    ) -> Facts:
        feed = self._feed
        return Facts(
            connected=feed.is_connected(),
            lost_in_a_row=feed.lost_in_a_row(),
            halt_reason=self._control.halt_reason,
            unprotected=self.unprotected,
            orders_known=orders_known,
            missing=feed.missing(),
            silent_for=feed.silent_for(),
            unconfirmed_for=self.book_unconfirmed_for(),
            position_stale_for=feed.silent_for("position") if "position" in feed.needed else 0.0,
            lag_ms=feed.lag_ms(),
            ticker=snapshot.ticker if snapshot else None,
            instrument=snapshot.instrument if snapshot else None,
            last_error=feed.last_error,
            orders_stale_for=self._reconciler.orders_stale_for(),
            unknown_for=self._reconciler.longest_in_state(OrderState.UNKNOWN),
            cancelling_for=self._reconciler.longest_in_state(OrderState.CANCELLING),
            mismatch_for=self._mismatch_for(now),
            clock_offset_ms=self._gte.clock.offset() or 0,
            position_limit=limit,
            position=snapshot.position.net if snapshot else Decimal(0),
            blocked_for=self._gte.blocked_for(),
            tripped=tripped,
        )

    def _mismatch_for(self, now: float) -> float:
        """Return for how long position and own fills differ; a dry run's fills are in no row."""
        return 0.0 if self._orders.is_dry else self._money.position.mismatch_for(now)

    def _note_all(self, kinds: Iterable[str], now: float) -> None:
        for event in kinds:
            kind, _, figures = event.partition(": ")
            self._breakers.note(kind, now, figures)

    # --- the feed -------------------------------------------------------------------------------

    def _take_events(self) -> None:
        """Record the events of the executor; an accepted create resets the refusals before it."""
        events, self._orders.executor.events = self._orders.executor.events, []
        for kind, at in events:
            if kind == ACCEPTED:
                self._breakers.calm("parameter")
                self._breakers.calm("metadata")
            else:
                self._breakers.note(kind, at)

    def _log_invalid_data(self) -> None:
        """Log each kind of invalid feed data once."""
        for words in self._feed.counted(LOGGED):
            if words not in self._logged:
                self._logged.add(words)
                logger.warning("Dropped invalid feed data: %s.", words)

    def query_missing_tables(self) -> None:
        """Query over REST whether a missing table of the account is empty; if so, show it as empty.

        No document says whether the venue sends the snapshot of an empty table (design: The wire).
        REST shows the orders, and that no position binds margin.
        """
        self._empty_due = self._clock.monotonic() + EMPTY_AFTER
        missing, epoch = self._feed.missing(), self._feed.epoch
        try:
            if not set(missing) <= {"order", "position"}:
                return
            if "order" in missing and not self._gte.query_orders():
                self._feed.take_as_empty("order", epoch)
            if "position" in missing:
                margins = self._gte.account_query()
                if margins and all(margin.position_margin == 0 for margin in margins):
                    self._feed.take_as_empty("position", epoch)
        except RequestError as error:
            logger.info("Could not query missing tables over REST: %s", error)

    def _check_price(self, ticker: Ticker, now: float) -> None:
        """Record a price event when the mid is far from the median of the last minute."""
        if ticker.mid is None:
            return
        mid = float(ticker.mid)
        while self._mids and now - self._mids[0][0] > MINUTE:
            self._mids.popleft()
        if self._mids:
            usual = median(price for _, price in self._mids)
            moved = abs(mid / usual - 1)
            if moved > JUMPED:
                figures = f"{usual:g} to {mid:g} within a minute"
                self._breakers.note("crash" if moved > CRASHED else "price", now, figures)
                self._mids.clear()
        self._mids.append((now, mid))

    # --- the orders -----------------------------------------------------------------------------

    def _count_orders(self, now: float) -> None:
        """Record the events that the order tracker and the feed have counted, each once."""
        counted = {
            "ended": self._tracker.ended_by_venue,
            "late order": len(self._tracker.late_orders),
            "other bot": len(self._tracker.foreign_runs),
            "bad row": self._feed.bad_private_rows() + len(self._tracker.overfilled),
            "taker": self._reconciler.taker_reports.count,
        }
        for row in list(self._tracker.overfilled.values())[self._overfilled :]:
            self._overfilled += 1
            logger.warning("A row says that more was filled than was ordered: %s.", row.full)
        for kind, count in counted.items():
            for _ in range(count - self._seen[kind]):
                self._breakers.note(kind, now)
        if (taken := counted["ended"] - self._seen["ended"]) > 0:
            words = (
                "%d orders have ended without a cancel of ours: by hand, another program, the venue"
            )
            logger.warning(words, taken)
        if counted["late order"] > self._seen["late order"]:
            orders = "; ".join(order.full for order in self._tracker.late_orders)
            logger.critical("Late order: it had been treated as rejected: %s", orders)
        runs = self._tracker.foreign_runs
        if counted["other bot"] > self._seen["other bot"]:
            logger.critical("Another bot uses our ORDERID_PREFIX: run %s", ", ".join(sorted(runs)))
        self._seen = counted
