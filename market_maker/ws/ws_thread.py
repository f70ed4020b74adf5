"""The live feed: a thread that keeps the tables of one instrument up to date."""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from market_maker import instead
from market_maker.account import Account
from market_maker.clock import SYSTEM, Clock
from market_maker.errors import AuthError, Temporary, VenueUnreachable
from market_maker.models import Instrument, Margin, OpenOrder, Position, Ticker
from market_maker.wire import failures, fields, protocol
from market_maker.wire.tls import Connections, Handle
from market_maker.ws.back_off import BackOff
from market_maker.ws.book import Levels, OwnQuantity
from market_maker.ws.session import Session
from market_maker.ws.tables import LOGGED, TRADED_IN, PricesAt, Tables
from market_maker.ws.vitals import News

logger = logging.getLogger(__name__)
instead.tell(__name__)
__all__ = ["LOGGED", "TRADED_IN", "GTEWebsocket", "PricesAt"]


class GTEWebsocket:
    """Keeps the tables over one `Session` after another; their only writer, and only its thread.

    Every connection has new tables and a new `epoch`. A word is put into `wake` when own orders
    or the position changed, or the connection came or went. `now` returns the venue's time in ms.
    """

    def __init__(
        self,
        account: Account,
        *,
        now: Callable[[], int] | None = None,
        wake: "SimpleQueue[str] | None" = None,
        clock: Clock = SYSTEM,
        connections: Connections | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._url = account.ws_url
        self._names = (account.instrument_type, account.settle_currency, account.symbol)
        self._clock, self._connections = clock, connections or Connections()
        self._new_session = partial(
            Session, account, connections=self._connections, clock=clock, now=now or clock.now_ms
        )
        self._session = self._new_session()
        private = ("order", "position") if self._session.is_private else ()
        self.needed: tuple[str, ...] = ("instrument", "order_book", *private)  # for quoting
        self.back_off = BackOff(chance or random.SystemRandom())
        self.wake = wake if wake is not None else SimpleQueue()
        self.on_frame: Callable[[bool, PricesAt], None] = lambda *_: None  # was it our own news?
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._tables, self._news = Tables(*self._names), News(clock.monotonic())
        self._bad_rows_before = 0
        self._reconnect_reason = ""
        self.last_error = ""
        """Why the last connection failed, or empty text."""
        self._thread: Handle | None = None
        self.epoch = self.arrivals = 0
        """How many connections, and how many data frames on all of them: the order of all news."""
        self.refusals = 0
        """How often the venue has refused our login, or what needs one."""

    def start(self) -> None:
        """Start the thread; it connects, and reconnects, until `exit()`."""
        self._thread = self._connections.run(self)

    def reconnect(self, reason: str) -> None:
        """Take the tables for missing; drop them at the next heartbeat, and connect again."""
        self._reconnect_reason = reason

    def exit(self) -> None:
        """Close the connection and end the thread."""
        self._stop.set()
        self._session.abort()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=1)

    def wait_for_tables(self, tables: Sequence[str], seconds: float) -> None:
        """Wait up to `seconds` until each of these tables has had its partial.

        Raises VenueUnreachable, naming what is missing, and AuthError for a refused key.
        """
        deadline = self._clock.monotonic() + seconds
        with self._changed:
            while missing := self._missing(tables):
                if self._session.is_refused:
                    raise AuthError(self.last_error)
                if (left := deadline - self._clock.monotonic()) <= 0:
                    why = self.last_error or "connected, but no data came"
                    raise VenueUnreachable(f"no {', '.join(missing)} from {self._url}: {why}")
                self._clock.wait_on(self._changed, min(left, 1.0))

    # --- what a tick reads: copies, under the lock ------------------------------------------------

    def missing(self) -> list[str]:
        """Return the needed tables that have not had their partial on this connection."""
        with self._changed:
            return self._missing(self.needed)

    def take_as_empty(self, table: str, epoch: int) -> None:
        """Treat a table as received and empty, if it is still missing on connection `epoch`.

        Not so a position that an earlier connection brought and this one does not: it is stale.
        """
        with self._changed:
            is_missing = self._session.is_open and table not in self._tables.heard
            is_new = not self._news.has_received(table) or self._session.vitals.has_received(table)
            if is_missing and self.epoch == epoch and (table != "position" or is_new):
                self._apply({"table": table, "action": "partial", "data": []})
                self._changed.notify_all()

    def lost_in_a_row(self) -> int:
        """Return how many connections were lost in a row; 0 once the present one is stable."""
        return self.back_off.lost_in_a_row(self._session.vitals, self._clock.monotonic())

    def connected_for(self) -> float:
        """Return the seconds since the latest connection began."""
        return self._clock.monotonic() - self._session.vitals.began

    def is_connected(self) -> bool:
        """Return whether the connection stands."""
        return self._session.is_open

    def silent_for(self, table: str = "") -> float:
        """Return the seconds since the last good frame, or the last one of a `table` (`News`)."""
        return self._news.silent_for(self._clock.monotonic(), table, self._session.vitals.began)

    def bad_private_rows(self) -> int:
        """Return how many rows of orders, fills and positions were refused so far."""
        with self._changed:
            return self._bad_rows_before + self._tables.bad_private_rows()

    def lag_ms(self) -> int:
        """Return the lag of the latest frame of the book behind the venue's clock, in ms."""
        return self._session.vitals.lag_ms(self._clock.monotonic())

    def counted(self, beginnings: tuple[str, ...]) -> list[str]:
        """Return what was counted on this connection under names that begin so."""
        with self._changed:
            return [words for words in self._tables.counts if words.startswith(beginnings)]

    def get_instrument(self, ahead: float = 0.0) -> Instrument | None:
        """Return the instrument, without prices that are old in `ahead` s; None before its row."""
        with self._changed:
            return self._tables.instrument(self._clock.monotonic() + ahead)

    def get_instrument_row(self) -> dict[str, Any]:
        """Return the instrument's row as the venue sent it."""
        with self._changed:
            return self._tables.instrument_row()

    def get_ticker(self, own: OwnQuantity | None = None) -> Ticker:
        """Return best bid and ask, without the `own` quantity at each (side, price)."""
        with self._changed:
            return self._tables.ticker(own, self._clock.monotonic())

    def view(self, own: OwnQuantity) -> tuple[Instrument | None, Ticker, Position]:
        """Return instrument, ticker without `own` and position; Temporary if a table is missing."""
        with self._changed:
            if missing := self._missing(self.needed):
                raise Temporary(f"no data yet for {', '.join(missing)}")
            return self._tables.view(own, self._clock.monotonic())

    def funds(self) -> Margin | None:
        """Return the account in the settlement currency, or None while no frame has shown it."""
        with self._changed:
            return self._tables.margin()

    def market_depth(self, size: int = 25, told: Callable[..., Any] = str) -> dict[str, Any]:
        """Return the best levels as `{"bids": [[price, size], ...], "asks": ...}`, best first."""
        with self._changed:
            return self._tables.book.depth(size, told)

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return all open orders of the account in this symbol."""
        with self._changed:
            return self._tables.orders()

    def drain_news(self) -> list[tuple[OpenOrder, int]]:
        """Return the rows of orders since the last call, each with its frame's number."""
        with self._changed:
            return self._tables.drain_news()

    def position(self) -> Position:
        """Return both legs, each with the number and time of the frame that showed it."""
        with self._changed:
            return self._tables.position()

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades, oldest first."""
        with self._changed:
            return list(self._tables.trades)

    # --- the thread -----------------------------------------------------------------------------

    def run(self) -> None:
        """Connect and receive, again and again, until `exit()`."""
        while not self._stop.is_set():
            try:
                self.connect()
                while not self._stop.is_set():
                    self.heartbeat()
                    self.receive()
            except Exception as error:  # whatever it was, the feed comes back
                self.lose(error)
            self._stop.wait(self.back_off.pause)

    def connect(self) -> None:
        """Open a new session with new tables. Raises what the network raises."""
        session = self._new_session()
        session.open()
        with self._changed:
            self._bad_rows_before += self._tables.bad_private_rows()
            self._tables, self._session = Tables(*self._names), session
            self._reconnect_reason = ""
            self.epoch += 1
        tell = logger.info if self.lost_in_a_row() <= 1 else logger.debug
        tell("Connected to the feed %s.", self._url)
        session.subscribe(protocol.PUBLIC_TABLES)

    def heartbeat(self) -> None:
        """Send what is due; raise ConnectionError when the connection must be given up."""
        if not self._session.heartbeat():
            return
        if self._reconnect_reason:
            raise ConnectionError(self._reconnect_reason)
        with self._changed:
            is_crossed, missing = self._tables.ticker().is_crossed, self._missing(self.needed)
        self._session.examine(is_crossed=is_crossed, missing=missing)

    def receive(self) -> None:
        """Apply the next message, if one comes soon. Raises what `Session.receive` raises."""
        if (data := self._session.receive()) is not None:
            self.take(self._session.parse(data))

    def lose(self, error: Exception) -> None:
        """Close the connection, and log why: each loss, but a failure to connect once in a row."""
        described = fields.escaped(failures.of_feed(error))
        lost = self._session.vitals if self._session.is_open else None
        self.back_off.record(lost, self._clock.monotonic(), error, bool(self._reconnect_reason))
        if (lost or described != self.last_error) and not self._stop.is_set():
            logger.warning("Feed lost: %s (%s)", described, self.back_off)
        self._session.close()
        with self._changed:
            self.last_error, self._session.is_open = described, False
            self._changed.notify_all()
        if lost:
            self.wake.put("feed lost")

    def take(self, frame: dict[str, Any] | None) -> None:
        """Apply a frame; None: a message that was none. Raises ConnectionError when broken."""
        news, now = False, self._clock.monotonic()
        with self._changed:
            if frame is None:
                self._tables.counts["bad frame"] += 1
                return
            if "table" in frame:
                news = self._apply(frame)
                if self._tables.broken:
                    raise ConnectionError(self._tables.broken)
            elif "status" in frame and (error := self._session.take_status(frame)):
                self.last_error = error
                self.refusals += self._session.is_refused
                logger.error("%s", error)
                self._changed.notify_all()
            self._news.record(frame.get("table"), now, good=not self._missing(self.needed))
        if news:
            self.wake.put("news")

    def take_levels(self, changes: Iterable[Levels], time: int) -> None:
        """Apply changes of the book that come without frames; `time` is the venue's in ms."""
        self._session.see_levels(time, now := self._clock.monotonic())
        with self._changed:
            for levels in changes:
                self.arrivals += 1
                self._tables.apply_levels(levels, now)
                self.on_frame(False, self._tables.prices)
            self._news.record("order_book", now, good=not self._missing(self.needed))

    def _apply(self, frame: dict[str, Any]) -> bool:
        waiting, now = self._missing(self.needed), self._clock.monotonic()
        self.arrivals += 1
        news = self._tables.apply(frame, self.arrivals, now)
        self.on_frame(news, self._tables.prices)
        if waiting and not self._missing(self.needed) and not self._tables.broken:
            self._session.vitals.complete_at, self.last_error = now, ""
            self._changed.notify_all()
            return True
        return news

    def _missing(self, tables: Sequence[str]) -> list[str]:
        heard = self._tables.heard if self._session.is_open and not self._reconnect_reason else {}
        return [table for table in tables if table not in heard]
