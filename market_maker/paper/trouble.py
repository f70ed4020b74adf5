"""Trouble: brings faults of state over an exchange while they last, and takes them away again."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from decimal import Decimal

from market_maker.paper import engine
from market_maker.paper.engine import Side
from market_maker.paper.exchange import Exchange
from market_maker.paper.faults import Fault
from market_maker.paper.ledger import INSURANCE
from market_maker.paper.listing import Listing

GHOST_LOTS = 10


class Trouble:
    """Acts when a fault begins and when it ends. The exchange itself knows of no faults."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._lasting: dict[Fault, AbstractContextManager[None]] = {}
        self._now = 0
        self._ghosts = 0
        self.skew_ms = 0

    def check(self, fault: Fault) -> None:
        """Raise ValueError for a tick that is no multiple of the instrument's own."""
        if fault.name == "tick_change":
            for listing in self._listings(fault):
                listing.check_tick(Decimal(fault.value))

    def update(self, lasting: list[Fault], now: int) -> None:
        """Begin what has begun and end what has ended since the last call."""
        self._now = now
        for fault in [fault for fault in self._lasting if fault not in lasting]:
            self._lasting.pop(fault).__exit__(None, None, None)
        for fault in lasting:
            if fault not in self._lasting:
                state: AbstractContextManager[None] = getattr(self, f"_{fault.name}")(fault)
                state.__enter__()
                self._lasting[fault] = state

    def _listings(self, fault: Fault) -> list[Listing]:
        listings = self._exchange.listings.items()
        return [listing for key, listing in listings if fault.match in ("", key.symbol)]

    @contextmanager
    def _clock_skew(self, fault: Fault) -> Iterator[None]:
        self.skew_ms += fault.number
        yield
        self.skew_ms -= fault.number

    @contextmanager
    def _forget_client_oid(self, _: Fault) -> Iterator[None]:
        before = self._exchange.switches
        self._exchange.switches = replace(before, forget_client_oid=True)
        yield
        self._exchange.switches = before

    @contextmanager
    def _suspend(self, fault: Fault) -> Iterator[None]:
        listings = self._listings(fault)
        for listing in listings:
            listing.suspended = True
        yield
        for listing in listings:
            listing.suspended = False

    @contextmanager
    def _tick_change(self, fault: Fault) -> Iterator[None]:
        listings = self._listings(fault)
        for listing in listings:
            listing.tick = Decimal(fault.value)
            self._exchange.news.instrument(listing)
        yield
        for listing in listings:
            listing.tick = listing.instrument.tick
            self._exchange.news.instrument(listing)

    @contextmanager
    def _book_empty(self, fault: Fault) -> Iterator[None]:
        listings = self._listings(fault)
        for listing in listings:
            listing.others.leave()
            self._exchange.settle(listing, [], self._now)
        yield
        for listing in listings:
            self._exchange.settle(listing, listing.others.come_back(), self._now)

    @contextmanager
    def _book_cross(self, fault: Fault) -> Iterator[None]:
        """Rest a buy of the insurance fund above the best sell, without matching the two."""
        ghosts = []
        for listing in self._listings(fault):
            best = listing.book.best(Side.SELL)
            if best is not None:
                self._ghosts += 1
                ghost = engine.Order(
                    -(10**12) - self._ghosts, INSURANCE, Side.BUY, best + 1, GHOST_LOTS
                )
                listing.book.rest(ghost)
                ghosts.append((listing, ghost))
                self._exchange.settle(listing, [], self._now)
        yield
        for listing, ghost in ghosts:
            if ghost.left:
                listing.book.cancel(ghost.order_id)
            self._exchange.settle(listing, [], self._now)
