"""The exchange as the loop sees it: snapshot out, plan in. A dry run has virtual orders."""

import logging
from collections.abc import Callable
from decimal import Decimal

from market_maker.control import Control
from market_maker.decimals import exact
from market_maker.errors import Fatal, RequestError, Temporary
from market_maker.models import Fill, Plan, Snapshot
from market_maker.money import Money, Rates, VirtualLedger
from market_maker.orders.orders import Orders
from market_maker.orders.sweep import LEAVE_SECONDS
from market_maker.safety import SILENT_AFTER, Health
from market_maker.settings import settings
from market_maker.trading import startup
from market_maker.trading.audit import Audit
from market_maker.trading.dependencies import Dependencies
from market_maker.trading.monitor import Monitor
from market_maker.trading.price_watch import PriceWatch
from market_maker.trading.quote_time import QuoteTime
from market_maker.trading.reads import Reads
from market_maker.trading.records import Records
from market_maker.trading.status import log_end
from market_maker.trading.view import View

logger = logging.getLogger(__name__)


class Exchange:
    """Reads feed and REST into a `Snapshot`, and sends a `Plan`.

    It touches only own orders. Spot has no private tables (design: The wire): there, every tick
    reads orders and balance over REST.
    """

    def __init__(
        self,
        dry_run: bool = True,
        *,
        control: Control | None = None,
        dependencies: Dependencies | None = None,
    ) -> None:
        given = self._given = dependencies or Dependencies()
        self.is_closed = False
        """Whether all connections are closed."""
        self._clock = given.clock
        self._control = control = control or Control()
        account = settings.account(with_key=not dry_run)
        self.client = given.client(
            account,
            read_only=dry_run,
            wake=control.wake,
            withdraw_path=settings.WITHDRAW_PATH,
        )
        assert self.client.ws
        self.feed = self.client.ws
        self.orders = Orders(
            self.client,
            self.feed,
            control,
            self._clock,
            on_fill=self._on_fill,
            on_through=self._on_through,
            dry_run=dry_run,
            stale_after=SILENT_AFTER,
        )
        self.money = Money()
        self.virtual = VirtualLedger(Money()), VirtualLedger(Money())
        """What a dry run would have traded, by touch and by through."""
        self.records = Records(given.journal, given.kind, self.client, self.orders, self._clock)
        self.quote_time = QuoteTime(self._clock)
        self.reads = Reads(self._clock)
        self._shown: Snapshot | None = None
        """What this tick has seen when it began; None where the feed lacks a table."""
        self.on_trade: Callable[[dict[str, str]], None] = lambda _: None
        """Called with the money of this run when that has changed; `guard.session` sets it."""
        self.on_filled: Callable[[Fill], None] = lambda _: None
        """Called with each fill once it is booked; the bot sets it."""
        parts = self.client, self.feed, self.orders, self.money
        self.monitor = Monitor(*parts, control, self._clock)
        self.prices = PriceWatch(self.client, self.feed, self._clock)
        self.audit = Audit(*parts, self.monitor.account, self.records, self._clock)
        self.audit.on_change = lambda: self.on_trade(self.money.as_text())
        self.view = View(
            *(self.feed, self.orders, self.money, self.virtual),
            *(self.monitor.account, self.prices, self._clock),
        )

    @property
    def dry_run(self) -> bool:
        """Whether this is a dry run, which sends nothing."""
        return self.orders.is_dry

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, wait for every needed table, and cancel the orders of previous runs.

        Raises VenueUnreachable when the feed does not get ready, AuthError for a rejected key,
        AlreadyRunning when another bot trades with our prefix, OrdersLeft when an order of a
        previous run cannot be cancelled.
        """
        startup.resume(self.money, self._given.trades)
        startup.connect(self.client, self.feed, self.monitor, self._clock)
        self.records.begin(self.feed, is_restart=self._given.is_restart)
        self.orders.start(self._given.earlier)

    def go_dry(self) -> None:
        """Become a dry run: cancel all own orders, prove it, and send nothing from now on.

        For the journal it is another run, with the position of this one. Raises OrdersLeft; it is
        none then.
        """
        with settings.still(DRY_RUN=False):  # what ends here was none
            self.orders.go_dry()
            logger.info("DRY_RUN is set: all own orders cancelled (confirmed by order query).")
            log_end(self._look_if_possible(), (self.money, None))
            self.records.end("became a dry run", proven=True)
        self.records.begin(self.feed, is_restart=False)

    def close(self, *, proven: bool = False) -> None:
        """Close connections and journal, and cancel nothing; `proven`: no order is left."""
        self.is_closed = True
        self.client.exit()
        self.records.end(self._control.ended_by(), proven=proven)

    # --- keeping up -----------------------------------------------------------------------------

    def refresh(self) -> Health:
        """Reconcile own orders, read what is due over REST, and return the trading state."""
        self.orders.executor.start_decision()
        rates = Rates(exact(settings.MAKER_FEE), exact(settings.TAKER_FEE))
        for money in (self.money, *(ledger.money for ledger in self.virtual)):
            money.fees.rates = rates
        reads, has_time = [self._read_account, self.monitor.audit_book], self.reads.has_time
        reads = self.reads.begin(reads, last=self.prices.poll)  # which may grow old meanwhile
        try:
            known = self.orders.refresh()
            had_time = has_time()
            for read in reads:
                if has_time():
                    read()
        except Fatal as error:
            logger.error("%s", error)
            self.monitor.record_fatal(error)
            known = had_time = False
        is_current = self.dry_run or self.orders.reconciler.is_reconciled()
        snapshot = self._shown = self._look_if_possible()
        found = self.monitor.assess(
            snapshot,
            self.moneys()[0],
            position_limit=self._limit(),
            max_loss=exact(settings.MAX_LOSS) or None,
            max_fills=settings.MAX_FILLS,
            needs_value=bool(settings.MAX_LOSS or settings.MAX_OPEN_VALUE),
            orders_known=known and is_current,
            has_time=has_time,
        )
        self.reads.settle(is_slow=self.orders.was_slow or (had_time and not has_time()))
        if snapshot and not self.dry_run:
            self.audit.look(snapshot)
        return found

    def _read_account(self) -> None:
        if not self.dry_run:
            self.monitor.account.poll(self.orders.live())

    def finish_tick(self, health: Health) -> None:
        """Record the end of a tick in the journal, and read what can wait. Never raises."""
        try:
            if not self.dry_run and self.reads.may_read():
                self.audit.read()
            self.quote_time.see(self.orders.live())
            self.records.tick(health, self._shown, self.moneys()[0])
        except Exception:
            logger.exception("The tick cannot be recorded.")
        self._shown = None

    def _look_if_possible(self) -> Snapshot | None:
        try:
            return self.view.read()
        except Temporary:
            return None

    def _limit(self) -> Decimal | None:
        if not settings.CHECK_POSITION_LIMITS:
            return None
        return exact(max(settings.MAX_POSITION, -settings.MIN_POSITION))

    def _on_fill(self, fill: Fill) -> None:
        if self.dry_run:
            self._book_virtually(fill, 0, "touch")
        else:
            doubt, instrument = self.money.fees.contradiction, self.view.latest_instrument()
            if instrument:
                self.audit.book_others(instrument, fill)
            booked = self.money.book(fill, instrument)
            if not doubt and (found := self.money.fees.contradiction):
                words = "Fees are not as expected, and counted as the venue prints: %s."
                logger.warning(words, found)
            self.records.fill(fill, booked)
            self.on_trade(self.money.as_text())
        self.monitor.note("fill")
        self.on_filled(fill)

    def _on_through(self, fill: Fill) -> None:
        self._book_virtually(fill, 1, "through")

    def _book_virtually(self, fill: Fill, place: int, model: str) -> None:
        """Book a fill of a dry run, as far as the position by this model allows it."""
        ledger, instrument = self.virtual[place], self.view.latest_instrument()
        found = ledger.possible(fill, self.feed.position())
        if found and instrument:
            ledger.book(found, instrument)
            self.records.fill(found, ledger.money.book(found, instrument), model)

    def moneys(self) -> tuple[Money, Money | None]:
        """Return the money of this run; of a dry run that by touch, and that by through."""
        touch, through = (ledger.money for ledger in self.virtual)
        return (touch, through) if self.dry_run else (self.money, None)

    def resync(self, reason: str) -> None:
        """Read the venue's time again and reconnect the feed, so that own orders are reconciled."""
        try:
            self.client.instrument_query()  # its answer holds the venue's time
            self.client.clock.reset_to_latest()
        except RequestError as error:
            logger.warning("Could not read the venue's time: %s", error)
        self.feed.reconnect(reason)

    def unconfirmed_for(self) -> float:
        """Return the seconds since the last frame of the feed, or the confirmation of its book.

        The larger of both.
        """
        return max(self.feed.silent_for(), self.monitor.book_unconfirmed_for())

    # --- what a tick reads ----------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return the snapshot of this tick; outside a tick a fresh one.

        Raises Temporary while the feed has not shown every table.
        """
        return self.view.snapshot()

    def is_position_explained(self) -> bool:
        """Return whether own fills explain the position that the feed shows."""
        is_shown = self.client.account.is_contract and not self.dry_run
        return not is_shown or self.money.position.explains(self.feed.position())

    def is_open(self) -> bool:
        """Return whether the feed is connected."""
        return self.feed.is_connected()

    # --- acts -----------------------------------------------------------------------------------

    def execute(self, plan: Plan) -> int:
        """Send a plan; return how many creates the venue has refused (see `Executor`)."""
        if not plan.cancel and not plan.create:
            return 0
        self.view.forget()
        collar = exact(settings.PRICE_COLLAR)
        return self.orders.executor.execute(plan, post_only=settings.POST_ONLY, collar=collar)

    def cancel_all_orders(self, seconds: float = LEAVE_SECONDS) -> None:
        """Cancel all own orders and prove by query that none is left.

        Raises OrdersLeft when that takes more than `seconds` (see `Executor.cancel_all()`).
        """
        self.view.forget()
        self.orders.executor.cancel_all(seconds)

    def log_end(self, *, proven: bool) -> None:
        """Log what this run has traded and leaves; `proven`: no order is left. Never raises."""
        try:
            logger.info("%s", self.quote_time.so_far())
            if proven and not self._control.is_hurried:
                self.audit.settle(self._look_if_possible)
            snapshot = self._look_if_possible()
            log_end(snapshot, self.moneys())
            self.records.last_price(snapshot, self.feed.arrivals)
        except Exception:
            logger.exception("The position left cannot be shown.")
