"""A paper exchange in this process, in a thread of its own, with a handle for tests."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

from market_maker.paper.api.auth import check_loopback
from market_maker.paper.api.judge import Report
from market_maker.paper.exchange.account import Account, LegKey
from market_maker.paper.exchange.blotter import Order, Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.exchange.moves import Depth, Take
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.faults.schedule import Fault
from market_maker.paper.market.setup import OWNER, set_up, still_book
from market_maker.paper.market.tape import BTC_USD
from market_maker.paper.server.clock import Clock, now_ms
from market_maker.paper.server.server import Server, urls
from market_maker.paper.server.venue import PAPER_KEY, PAPER_SECRET

T = TypeVar("T")
WORDS = {"buy": Side.BUY, "sell": Side.SELL}


class PaperExchange:
    """A running paper exchange. All methods may be called from any thread; none shows stale state.

    With `crowd` a crowd trades in every instrument. With `book` BTC_USD has a constant ladder below
    8490.0 and above 8497.5. With neither the books are empty. `clock` returns ms UTC.
    """

    key = PAPER_KEY
    secret = PAPER_SECRET

    def __init__(
        self,
        *,
        seed: int = 1,
        crowd: bool = True,
        book: bool = False,
        tape: Path | None = None,
        quirks: Quirks = DEFAULTS,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = now_ms,
        latency_ms: float = 0.0,
    ) -> None:
        """Raise ValueError for a host that is not loopback, or an invalid tape."""
        check_loopback(host)
        exchange, markets = set_up(seed=seed, crowd=crowd, tape=tape, quirks=quirks)
        self._server = Server(exchange, markets, seed, clock, latency_ms=latency_ms)
        self._venue = self._server.venue
        if book:
            exchange.play(BTC_USD, still_book(), clock())
            exchange.outbox.drain()
        self._host, self._port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self.rest_url = ""
        self.ws_url = ""

    def __enter__(self) -> "PaperExchange":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after a `stop`, on the same port and with the same orders and accounts.

        Raise OSError if the port is taken.
        """
        if self._loop:
            return
        loop = asyncio.new_event_loop()
        self._thread = Thread(target=loop.run_forever, name="paper-exchange", daemon=True)
        self._thread.start()
        self._loop = loop
        try:
            self._wait(self._server.start(self._host, self._port))
        except OSError:
            self._end()
            raise
        self._port = self._server.port
        self.rest_url, self.ws_url = urls(self._host, self._port)

    def stop(self) -> None:
        """Abort every connection and refuse new ones."""
        if self._loop:
            self._wait(self._server.stop())
            self._end()

    def drop(self) -> None:
        """Abort all WebSocket connections; clients may connect again at once."""
        self._wait(self._server.drop_sockets())

    def freeze(self) -> None:
        """Stop answering and pushing, but keep all connections open."""
        self._do(self._server.freeze)

    def thaw(self) -> None:
        """Answer the waiting requests, and continue."""
        self._do(self._server.thaw)

    def put(self, side: str, price: str, qty: int, key: Key = BTC_USD) -> None:
        """Set the background orders at a price to `qty` lots in all; 0 removes them."""
        self._play(side, price, qty, key, Depth)

    def take(self, side: str, price: str, qty: int, key: Key = BTC_USD) -> None:
        """Let another participant buy or sell up to `qty` lots at this price or better."""
        self._play(side, price, qty, key, Take)

    def fault(self, name: str, **options: Any) -> None:
        """Add a fault to the schedule; the options are those of `Fault`. ValueError if invalid."""
        fault = Fault(name=name, **options)
        self._do(lambda: self._server.plan(fault))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._do(self._server.clear_faults)

    def open_orders(self) -> list[Order]:
        """Return the live orders of the paper key, oldest first."""
        return self._do(lambda: self._venue.exchange.blotter.live(OWNER))

    def position(self, key: Key = BTC_USD) -> tuple[int, int]:
        """Return the contracts that the paper key holds (long, short)."""
        sides = [LegKey(key.area, key.symbol, long) for long in (True, False)]
        accounts = self._venue.exchange.ledger.accounts
        long, short = self._do(lambda: [accounts[OWNER].qty(side) for side in sides])
        return long, short

    def levels(self, side: str, key: Key = BTC_USD) -> list[tuple[Decimal, Decimal]]:
        """Return all (price, quantity) levels of a side of the book, best first."""

        def look() -> list[tuple[Decimal, Decimal]]:
            listing = self._venue.exchange.listing(key)
            name = listing.instrument
            return [
                (name.price(price), name.qty(listing.book.size(WORDS[side], price)))
                for price in listing.book.prices(WORDS[side])
            ]

        return self._do(look)

    def account(self) -> Account:
        """Return a copy of the account of the paper key, as the ledger holds it."""
        return self._do(lambda: deepcopy(self._venue.exchange.ledger.accounts[OWNER]))

    def orders(self) -> list[Order]:
        """Return copies of all its orders, also of those that have ended."""
        return self._do(lambda: deepcopy(self._venue.exchange.blotter.all(OWNER, set(Status))))

    def judge(self) -> Report:
        """Return a copy of the audit report on the paper key."""
        return self._do(lambda: deepcopy(self._venue.judge.report))

    def _play(
        self, side: str, price: str, qty: int, key: Key, move: type[Depth] | type[Take]
    ) -> None:
        instrument = self._venue.exchange.listing(key).instrument
        ticks = instrument.ticks(Decimal(price))
        if ticks is None:
            raise ValueError(f"{price} is not a price of {key.symbol}")

        def act() -> None:
            self._venue.play(key, [move(WORDS[side], ticks, qty)], self._server.clock())

        self._do(act)

    def _do(self, act: Callable[[], T]) -> T:
        """Call a function in the venue's thread, or in this one while the venue is stopped."""
        if not self._loop:
            return act()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(act())
            except Exception as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result()

    def _wait(self, act: Awaitable[None]) -> None:
        async def run() -> None:
            await act

        if self._loop:
            asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _end(self) -> None:
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._loop = self._thread = None
