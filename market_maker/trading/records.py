"""Records a run in its journal: hands over what happened, and never waits for it."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Protocol

from market_maker import __version__, secrecy
from market_maker.clock import SLEPT_SECONDS, Clock
from market_maker.gte import GTE
from market_maker.journal import Beginning, Journal, Keep, Rows, name_of, opening, plain_row
from market_maker.models import ZERO, Fill, Instrument, OpenOrder, Side, Snapshot
from market_maker.money import Booked, Money, Step, StepKind, Unseen, price_of
from market_maker.orders.orders import Orders
from market_maker.safety import Health
from market_maker.settings import settings
from market_maker.symbol import base_of
from market_maker.ws.ws_thread import GTEWebsocket, PricesAt

logger = logging.getLogger(__name__)

PRICES_EVERY = 0.1
"""Least seconds between two prices, unless there is news of own orders."""
REPEAT_SECONDS = 0.5
"""After so many seconds prices are recorded again, though they are the same: the feed is alive."""
LEVELS = 10
"""Levels of the book, on each side, that are recorded."""
PROGRAM = "market_maker"
"""The logger above all of this program."""


class Lines(logging.Handler):
    """Passes the lines of the log on, with whatever secrets they hold."""

    def __init__(self, take: Callable[[str, str], None]) -> None:
        super().__init__(logging.INFO)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on; one that cannot be made is left out."""
        try:
            self._take(record.levelname, record.getMessage())
        except Exception:
            self.handleError(record)


class MakesJournal(Protocol):
    """Makes the journal of a run from the name of its file."""

    def __call__(self, name: str, *, clock: Clock) -> Journal:
        """Return a journal that has not begun."""


class Records:
    """What a run hands to its journal; nothing without one.

    Times are the wall clock at the beginning plus what the steady clock has counted since; and what
    the wall clock has gained on it meanwhile, if that is much. So they never step back.
    """

    def __init__(
        self, make: MakesJournal | None, kind: str, gte: GTE, orders: Orders, clock: Clock
    ) -> None:
        """`kind` is that of the run; empty: live, paper or dry, as account and orders are."""
        self._make = make
        self._kind = kind
        self._gte = gte
        self._orders = orders
        self._clock = clock
        self._journal: Journal | None = None
        self._lines = Lines(self._line)
        self._rows = Rows()
        self._ahead = clock.ahead()
        self._prices: tuple[Decimal | None, ...] = ()
        self._prices_at = 0.0
        self._has_opened = False
        self._base = base_of(gte.symbol)
        self._balances: dict[str, tuple[object, ...]] = {}
        """Of each currency, as last recorded."""
        self._depth: Callable[[], Mapping[str, Sequence[Sequence[Decimal]]]] = dict

    def begin(self, feed: GTEWebsocket, *, is_restart: bool) -> None:
        """Begin the run in its journal, if it has one."""
        if not self._make:
            return
        account, is_dry = self._gte.account, self._orders.is_dry
        kind = "dry" if is_dry else "paper" if account.is_paper else "live"
        journal = self._make(name_of(account, is_dry=is_dry), clock=self._clock)
        journal.begin(
            Beginning(
                kind=self._kind or kind,
                instrument_type=account.instrument_type,
                area=account.settle_currency,
                symbol=account.symbol,
                prefix=account.prefix,
                run_id=self._gte.run,
                version=__version__,
                settings=json.dumps(settings.shown(), default=str),
                is_restart=is_restart,
                begun_ms=self._now_ms(),
                pid=os.getpid(),
            ),
            Keep(days=settings.JOURNAL_DAYS, mb=settings.JOURNAL_MB),
        )
        self._journal, self._rows = journal, Rows()
        self._has_opened, self._balances = False, {}
        self._gte.watch_calls(self._call)
        self._depth = partial(
            feed.market_depth, LEVELS, told=Decimal
        )  # the writer makes text of it
        logging.getLogger(PROGRAM).addHandler(self._lines)
        self._orders.tracker.on_step = self._step
        feed.on_frame = self._watch_prices(feed)

    def end(self, how: str, *, proven: bool) -> None:
        """End the run in its journal, and log where it is. Never raises."""
        journal, self._journal = self._journal, None
        if not journal:
            return
        logging.getLogger(PROGRAM).removeHandler(self._lines)
        journal.end(how, proven=proven, ended_ms=self._now_ms())
        if journal.number is not None:
            words = "This was run %d, in %s. Its report: python marketmaker report %d"
            logger.info(words, journal.number, journal.path, journal.number)

    def tick(self, health: Health, seen: Snapshot | None, money: Money) -> None:
        """Record the end of a tick."""
        journal = self._journal
        if not journal:
            return
        mark = seen.instrument.valuation_price if seen else None
        profit = None
        if seen and mark:
            if not self._has_opened:
                self._has_opened = True
                journal.put("opening", opening, self._now_ms(), seen)
            profit = None if money.doubt else money.profit(seen.instrument, mark)
        state, live = health.state.value, self._orders.live()
        now = self._now_ms()
        if not self._kind:  # nobody watches a back-test
            journal.put("book", self._rows.book, now, self._depth(), live, self._orders.is_dry)
        journal.put("ticks", self._rows.tick, now, state, health.reason, seen, live, profit)

    def last_price(self, seen: Snapshot | None, arrival: int) -> None:
        """Record the price that values what the run leaves, of a pair too."""
        if self._journal and seen:
            prices = seen.ticker.bid, seen.ticker.ask, seen.instrument.valuation_price
            self._journal.put("prices", self._rows.price, self._now_ms(), arrival, *prices)

    def decision(self, decided: object) -> None:
        """Record a decision with its inputs: a frozen value, the same object for the same one."""
        if self._journal:
            self._journal.put("decisions", self._rows.decision, self._now_ms(), decided)

    def fill(self, fill: Fill, booked: Booked | None, model: str = "") -> None:
        """Record an own fill; of a dry run, by which model the market would have made it."""
        if self._journal:
            price, fee = (booked.price, booked.fee) if booked else (None, None)
            currency, own = (booked.fee_currency, booked.own) if booked else ("", ZERO)
            what = fill, price, fee, currency, model, own
            self._journal.put("fills", self._rows.fill, self._now_ms(), *what)

    def unseen(self, change: Unseen, kind: StepKind, instrument: Instrument) -> None:
        """Record a change of the position that no fill explains, as a fill of its kind."""
        if not self._journal:
            return
        side = Side.BUY if change.signed > 0 else Side.SELL
        qty = abs(change.qty)
        price = price_of(instrument, qty, change.worth) if change.worth else None
        what = (side.value, int(change.qty < 0), qty, price, ZERO, instrument.settle_currency)
        row = ("", "", *what, None, None, None, kind.value, change.own)
        self._journal.put("fills", plain_row, self._now_ms(), 0, *row)

    def balance(self, money: Money, steps: Iterable[Step]) -> None:
        """Record what was booked beside fills and fees, and a balance that has changed."""
        journal = self._journal
        if not journal:
            return
        for step in steps:
            booked = (step.kind.value, step.amount, step.detail, step.currency)
            journal.put("payments", plain_row, self._now_ms(), *booked)
        for name, found in (("", money.balance), (self._base, money.base)):
            if found.total is None:
                continue
            amounts = (found.total, found.residual, found.fills, *found.steps.values())
            if amounts != self._balances.get(name):
                self._balances[name], parts = amounts, found.parts()
                first = [parts[each] for each in ("realised", "fees", "funding", "unexplained")]
                later = [parts[each] for each in ("by hand", "liquidation", "transfer")]
                gained = None if name else money.unrealised
                row = (found.total, *first, found.residual, name, *later, gained)
                journal.put("balances", plain_row, self._now_ms(), *row)

    # --- inside ---------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        ahead = self._clock.ahead()
        if ahead - self._ahead > SLEPT_SECONDS:  # the machine was suspended, or its clock set
            self._ahead = ahead
        return round((self._clock.monotonic() + self._ahead) * 1000)

    def _line(self, level: str, text: str) -> None:
        if self._journal:
            self._journal.put("log", _without_secrets, self._now_ms(), level, text)

    def _call(self, *about: str | float) -> None:
        if self._journal:
            self._journal.put("requests", plain_row, self._now_ms(), *about)

    def _step(self, order: OpenOrder) -> None:
        if self._journal:
            self._journal.put("orders", self._rows.order, self._now_ms(), order)

    def _watch_prices(self, feed: GTEWebsocket) -> Callable[[bool, PricesAt], None]:
        """Return what the feed calls after each frame, in its thread."""

        def look(is_news: bool, prices_at: PricesAt) -> None:
            journal, now = self._journal, self._clock.monotonic()
            if not journal or (now - self._prices_at < PRICES_EVERY and not is_news):
                return
            prices = prices_at(now)
            if prices == self._prices and now - self._prices_at < REPEAT_SECONDS:
                return
            self._prices, self._prices_at = prices, now
            journal.put("prices", self._rows.price, self._now_ms(), feed.arrivals, *prices)

        return look


def _without_secrets(time_ms: int, level: str, text: str) -> tuple[int, str, str]:
    return time_ms, level, secrecy.fit(text)
