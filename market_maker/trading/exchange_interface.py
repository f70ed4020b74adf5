"""The venue as a strategy sees it: a snapshot out, a plan in. A dry run has virtual orders."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from queue import SimpleQueue
from typing import Any, TypeVar

from market_maker import clock
from market_maker.errors import (
    AlreadyRunning,
    Fatal,
    RequestError,
    Temporary,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.models import (
    ZERO,
    Fill,
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    Plan,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.orders import twins
from market_maker.orders.executor import Brake, DryExecutor, Executor
from market_maker.orders.reconciler import Reconciler
from market_maker.orders.tracker import LATE_SECONDS, OwnOrders
from market_maker.safety.trading_state import SILENT_AFTER, Alarms, Health, TradingState
from market_maker.settings import settings
from market_maker.trading import bitmex_names
from market_maker.trading.monitor import EMPTY_AFTER, Monitor

logger = logging.getLogger(__name__)

T = TypeVar("T")

START_SECONDS = 30.0
WINDOW_SECONDS = 1.0
MARGIN_SECONDS = 10.0
NO_INSTRUMENT = "the feed has not shown the instrument yet"


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What a start knows of the runs before it."""

    known: frozenset[str] | None = None
    """Those of this host; None while nobody keeps them."""
    replaced: Mapping[str, Any] | None = None
    """What the latest one had traded, if it left its orders in the book for this one on purpose."""
    may_be_late: bool = False
    """Whether one has ended so that one of its orders may still be on its way."""
    order_ids: frozenset[str] = frozenset()
    """The ids of their orders, as far as they may be left."""


class ExchangeInterface:
    """Reads the feed and REST into a `Snapshot`, and carries out a `Plan`.

    It touches only our own orders, and only as a plan or the way out asks. Spot has no private
    tables (gte-api §6.8): there, orders and balance are asked for over REST at each tick.
    """

    def __init__(self, dry_run: bool = True) -> None:
        self.wake: SimpleQueue[str] = SimpleQueue()
        self.gte = GTE(
            settings.API_URL_BASE,
            symbol=settings.SYMBOL,
            settle_currency=settings.SETTLECURRENCY,
            instrument_type=settings.INSTRUMENTTYPE,
            api_key="" if dry_run else settings.API_KEY,
            api_secret="" if dry_run else settings.API_SECRET,
            orderid_prefix=settings.ORDERID_PREFIX,
            ws_url=settings.WS_URL,
            timeout=settings.TIMEOUT,
            withdraw_path=settings.WITHDRAW_PATH,
            read_only=dry_run,
            wake=self.wake,
        )
        assert self.gte.ws
        self.feed = self.gte.ws
        self.own = OwnOrders(settings.ORDERID_PREFIX)
        self.own.known_runs.add(self.gte.run)
        self._is_spot = settings.INSTRUMENTTYPE == "bb"
        self._instrument: Instrument | None = None
        """The latest that was shown; a fill may be found while a new connection shows none yet."""
        self._margin: Margin | None = None
        self._margin_due = 0.0
        self.brake = Brake()
        self.alarms = Alarms(fills_in_a_minute=settings.MAX_FILLS)
        self._reconciler = Reconciler(self.gte, self.feed, self.own, self._on_fill)
        self.monitor = Monitor(self.gte, self.feed, self.own, self._reconciler, self.alarms)
        self._parts = (self.gte, self.feed, self.own, self._reconciler, self.alarms, self.brake)
        self.executor: Executor = (DryExecutor if dry_run else Executor)(*self._parts)

    @property
    def dry_run(self) -> bool:
        """Whether nothing is sent."""
        return isinstance(self.executor, DryExecutor)

    # --- life -----------------------------------------------------------------------------------

    def start(self, earlier: EarlierRuns) -> None:
        """Connect, wait for every needed table, and cancel what an earlier run has left.

        Orders that were left for this run on purpose are adopted; young orders of a run that is not
        known are those of a bot at work elsewhere. Raises VenueUnreachable when the feed does not
        get ready, AuthError for a bad key, AlreadyRunning for another bot, OrdersLeft when
        leftovers cannot be cancelled.
        """
        try:
            self.gte.instrument_query()  # REST answers, and tells the venue's time for the login
        except Temporary as error:
            raise VenueUnreachable(str(error)) from None
        self.feed.start()
        self._wait_for_tables()
        self.executor.decide_now()
        self.own.known_runs |= earlier.known or set()  # a late order of theirs is ours to cancel
        if self.dry_run:
            return
        if earlier.replaced is not None:
            trades = earlier.replaced
            self._patiently(lambda: self._reconciler.adopt(trades))
            return
        begun = clock.monotonic()
        self._cancel_leftovers(earlier)
        if earlier.may_be_late:
            logger.warning(
                "An earlier run has died: waiting %.0f s until none of its orders can arrive.",
                LATE_SECONDS,
            )
            clock.sleep(begun + LATE_SECONDS - clock.monotonic())
            self._cancel_leftovers(earlier)

    def _wait_for_tables(self) -> None:
        """Wait for every needed table; raise VenueUnreachable or AuthError without one."""
        deadline = clock.monotonic() + START_SECONDS
        while clock.monotonic() < deadline:
            with suppress(VenueUnreachable):
                return self.feed.wait_for_tables(self.feed.needed, EMPTY_AFTER)
            self.monitor.see_empty_tables()
        self.feed.wait_for_tables(self.feed.needed, 0)

    def _cancel_leftovers(self, earlier: EarlierRuns) -> None:
        leftovers = self._patiently(lambda: self._reconciler.leftovers(earlier.order_ids))
        if earlier.known is not None:
            self._refuse_twins(leftovers, earlier.known)
        if leftovers:
            logger.warning("Cancelling %d orders that an earlier run has left.", len(leftovers))
            self.gte.cancel_all_orders(START_SECONDS, leftovers)
            clock.sleep(WINDOW_SECONDS)  # that run may have used up the budget of this second
            self.feed.drain_news()  # what it told of them is over

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again while the venue does not answer, or has just answered another process."""
        deadline = clock.monotonic() + START_SECONDS
        while True:
            try:
                return ask()
            except Temporary as error:
                if clock.monotonic() >= deadline:
                    raise VenueUnreachable(str(error)) from None
                logger.warning("%s", error)
                clock.sleep(1.0)

    def _refuse_twins(self, leftovers: Sequence[OpenOrder], known_runs: Collection[str]) -> None:
        runs = twins.at_work(
            leftovers, prefix=self.own.prefix, known_runs=known_runs, now_ms=self.gte.now()
        )
        if runs:
            raise AlreadyRunning(
                f"another bot trades with ORDERID_PREFIX {self.own.prefix} now (run "
                f"{', '.join(sorted(runs))}): give this one another prefix, or stop that one"
            )

    def close(self) -> None:
        """Close all connections. Orders stay as they are."""
        self.gte.exit()

    def go_dry(self) -> None:
        """Turn a live run into a dry one: cancel our orders, prove it, then send nothing."""
        self.cancel_all_orders()
        self.gte.make_read_only()
        self.executor = DryExecutor(*self._parts)

    # --- keeping up -----------------------------------------------------------------------------

    def refresh(self) -> Health:
        """Bring our orders up to date, and say what their state and the feed's allow."""
        known = True
        self.executor.decide_now()
        if isinstance(self.executor, DryExecutor):
            self.executor.end_crossed(self.feed.get_ticker())
        else:
            try:
                known = self._keep_up()
            except Fatal as error:
                logger.error("%s", error)
                self.alarms.note_fatal(error, clock.monotonic())
                known = False
        if self.feed.auth_refused():
            self.alarms.note("auth", clock.monotonic())
        found = self.monitor.look(
            self._snapshot_if_any(),
            self._ticker_if_any(),
            position_limit=self._limit(),
            max_loss=Decimal(str(settings.MAX_LOSS)) or None,
        )
        known = known and (self.dry_run or self._reconciler.is_of_this_connection())
        if not known and found.state.severity < TradingState.PAUSED.severity:
            return Health(TradingState.PAUSED, "own orders are still being looked up")
        return found

    def _keep_up(self) -> bool:
        """Bring our orders up to date; return whether all is known of them."""
        self._poll_margin()
        known = self._reconciler.look_up_if_needed(always=self._is_spot)
        if again := self._reconciler.cancels_to_repeat():
            logger.warning("Cancelling %d orders again; they have not ended.", len(again))
            self.executor.cancel(again)
        return known

    def _snapshot_if_any(self) -> Snapshot | None:
        try:
            return None if self.feed.missing() else self.snapshot()
        except Temporary:
            return None

    def _ticker_if_any(self) -> Ticker | None:
        return None if self.feed.missing() else self.ticker()

    def _limit(self) -> Decimal | None:
        if not settings.CHECK_POSITION_LIMITS:
            return None
        return Decimal(str(max(settings.MAX_POSITION, -settings.MIN_POSITION)))

    def _on_fill(self, fill: Fill) -> None:
        self._instrument = self.feed.get_instrument() or self._instrument
        if self._instrument:
            self.monitor.ledger.book(fill, self._instrument)
        self.alarms.note("fill", clock.monotonic())

    def take_news(self) -> bool:
        """Take what the feed has brought; return whether it is a reason to tick now."""
        return not self.dry_run and self._reconciler.take_news()

    def reconcile(self) -> None:
        """Ask the venue for all our orders now; raises RequestError when it does not answer."""
        self._reconciler.reconcile()

    def is_unsettled(self) -> bool:
        """Say whether the fate of an order is open, so that it is time to look again soon."""
        return bool(self.own.unknown()) or self._reconciler.is_being_cancelled()

    def is_doubtful(self) -> bool:
        """Say whether the position is not what our fills make of it, or the book is in doubt."""
        return self.monitor.is_doubtful()

    def look_anew(self, reason: str) -> None:
        """Believe nothing that is known: connect the feed anew, and look the orders up."""
        try:
            self.gte.learn_time()
        except RequestError as error:
            logger.warning("The venue's time is not known: %s", error)
        self.feed.connect_anew(reason)

    def has_gone_silent(self, before: bool) -> bool:
        """Say whether the feed has fallen silent, or died, since the last look at it."""
        return before and (self.feed.silent_for() > SILENT_AFTER or not self.is_open())

    def unconfirmed_for(self) -> float:
        """Return the seconds since the feed last told anything, or its book was found right."""
        return max(self.feed.silent_for(), self.monitor.book_unconfirmed_for())

    def take_fills(self) -> list[Fill]:
        """Return the fills since the last call."""
        return self._reconciler.take_fills()

    # --- what a tick reads ----------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return all that a tick needs, as values. Raises Temporary without an instrument."""
        orders = self.own.live()
        instrument, ticker, position, margin = self.feed.view(self._own_quantity())
        if instrument is None:
            raise Temporary(NO_INSTRUMENT)
        self._instrument = instrument
        if self._is_spot:
            position = self._spot_position()
        bought, sold = self.own.unseen(position)
        return Snapshot(
            instrument=instrument,
            ticker=ticker,
            orders=orders,
            position=position,
            unseen_bought=bought,
            unseen_sold=sold,
            margin=self._dry_margin() if self.dry_run else margin or self._margin,
        )

    def ticker(self) -> Ticker:
        """Return best bid and ask of the others."""
        return self.feed.get_ticker(self._own_quantity())

    def position(self) -> Position:
        """Return both legs. Raises Temporary while the feed has not shown them."""
        if "position" in self.feed.missing():
            raise Temporary("the feed has not shown the position yet")
        return self._spot_position() if self._is_spot else self.feed.position()

    def instrument(self) -> Instrument:
        """Return the instrument. Raises Temporary while the feed has not shown it."""
        instrument = self.feed.get_instrument()
        if instrument is None:
            raise Temporary(NO_INSTRUMENT)
        return instrument

    def margin(self) -> Margin | None:
        """Return the account; in a dry run the balance of DRY_BTC."""
        return self._dry_margin() if self.dry_run else self.feed.funds() or self._margin

    # --- what a strategy reads, under the family's names ------------------------------------------

    def get_instrument(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the instrument; see `family.instrument_of()`."""
        self._mind_symbol(symbol)
        return bitmex_names.instrument_of(self.instrument(), self.feed.get_instrument_row())

    def get_ticker(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the others' best prices; see `family.ticker_of()`. Temporary without them."""
        self._mind_symbol(symbol)
        ticker = bitmex_names.ticker_of(self.ticker(), self.instrument().tick)
        if ticker is None:
            raise Temporary("the order book is empty on one side or both")
        return ticker

    def get_position(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the position; see `family.position_of()`."""
        return bitmex_names.position_of(self.position(), symbol or settings.SYMBOL)

    def get_delta(self, symbol: str | None = None) -> float:
        """Return long - short in contracts."""
        return self.get_position(symbol)["currentQty"]  # type: ignore[no-any-return]

    def calc_delta(self) -> dict[str, Any]:
        """Return the worth of the position; see `family.delta_of()`."""
        return bitmex_names.delta_of(self.instrument(), self.position())

    def get_margin(self) -> dict[str, Any]:
        """Return the account; see `family.margin_of()`. Raises Temporary while it is not known."""
        margin = self.margin()
        if margin is None:
            raise Temporary("the venue has not shown the account yet")
        return bitmex_names.margin_of(margin)

    def get_orders(self) -> list[dict[str, Any]]:
        """Return our open orders; see `family.orders_of()`."""
        return bitmex_names.orders_of(self.own.live(), settings.SYMBOL)

    def get_highest_buy(self) -> dict[str, Any]:
        """Return our highest buy order; without one, an order at -2**32."""
        buys = [order for order in self.get_orders() if order["side"] == "Buy"]
        return max(buys, key=lambda order: order["price"], default={"price": -(2**32)})

    def get_lowest_sell(self) -> dict[str, Any]:
        """Return our lowest sell order; without one, an order at 2**32."""
        sells = [order for order in self.get_orders() if order["side"] == "Sell"]
        return min(sells, key=lambda order: order["price"], default={"price": 2**32})

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades, oldest first."""
        return self.gte.recent_trades()

    def is_open(self) -> bool:
        """Say whether the feed is connected."""
        return self.feed.is_connected()

    # --- acts -----------------------------------------------------------------------------------

    def execute(self, plan: Plan, snapshot: Snapshot) -> int:
        """Carry out a plan; return how many creates the venue has refused (see `Executor`).

        `snapshot` is what it was decided on.
        """
        return self.executor.execute(plan, snapshot, post_only=settings.POST_ONLY)

    def cancel_order(self, order: dict[str, Any]) -> None:
        """Cancel one of our orders, given as `get_orders()` returns it."""
        found = self.own.get(order["clOrdID"])
        if found:
            self.executor.cancel([found])

    def cancel_all_orders(self, seconds: float = 20.0) -> None:
        """Cancel all our orders and prove that none is left; raises OrdersLeft without a proof.

        It gives up after so many seconds without progress.
        """
        self.executor.cancel_all(seconds)

    # --- inside ---------------------------------------------------------------------------------

    def _spot_position(self) -> Position:
        """Return what this run has bought less what it has sold: spot has balances, no position."""
        net, now = self.own.bought - self.own.sold, self.gte.now() + 1
        long, short = Leg(qty=max(net, ZERO), time=now), Leg(qty=max(-net, ZERO), time=now)
        return Position(long=long, short=short)

    def _poll_margin(self) -> None:
        """Ask REST for the account now and then, where the feed does not show it."""
        now = clock.monotonic()
        if self.feed.funds() is None and now >= self._margin_due:
            self._margin_due = now + MARGIN_SECONDS
            try:
                self._margin = next(iter(self.gte.account_query()), None)
            except Fatal:
                raise
            except RequestError as error:
                logger.info("The account could not be looked up: %s", error)

    def _dry_margin(self) -> Margin:
        balance = Decimal(str(settings.DRY_BTC))
        return Margin(currency=settings.SETTLECURRENCY, total=balance, available=balance)

    def _own_quantity(self) -> dict[tuple[Side, Decimal], Decimal]:
        """Return our own quantity at each (side, price) of the book; virtual orders are in none."""
        own: dict[tuple[Side, Decimal], Decimal] = {}
        for order in () if self.dry_run else self.own.live():
            place = (order.side, order.price)
            own[place] = own.get(place, ZERO) + order.remaining
        return own

    def _mind_symbol(self, symbol: str | None) -> None:
        if symbol not in (None, settings.SYMBOL):
            raise ValueError(f"this bot trades {settings.SYMBOL}, not {symbol}")
