"""State faults: keep the exchange in the state that the active faults demand."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from market_maker.paper.exchange import engine
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.ledger import INSURANCE
from market_maker.paper.exchange.listing import Listing
from market_maker.paper.faults.schedule import Fault

GHOST_LOTS = 10


class StateFaults:
    """Sets the state from all active faults each time. The exchange itself knows of no faults."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._own_quirks = exchange.quirks
        self._empty: set[str] = set()
        self._ghosts: dict[str, engine.Order] = {}
        self._ghost_count = 0
        self._were_active = False
        self.skew_ms = 0

    def check(self, fault: Fault) -> None:
        """Raise ValueError for an unlisted symbol, or a tick that is not a multiple of its own."""
        listings = [listing for listing in self._listings() if _is_about(fault, listing)]
        if not listings:
            raise ValueError(f"match: there is no symbol {fault.match!r}")
        if fault.name == "tick_change":
            for listing in listings:
                listing.check_tick(Decimal(fault.value))

    def update(self, active: Sequence[Fault], now: int) -> None:
        """Bring the exchange into the state that the active faults demand; `now` is ms UTC."""
        if not active and not self._were_active:
            return
        self._were_active = bool(active)
        self.skew_ms = sum(fault.number for fault in active if fault.name == "clock_skew")
        forgets = any(fault.name == "forget_client_oid" for fault in active)
        own = self._own_quirks
        self._exchange.quirks = replace(own, forget_client_oid=True) if forgets else own
        for listing in self._listings():
            faults = [fault for fault in active if _is_about(fault, listing)]
            names = {fault.name for fault in faults}
            ticks = [Decimal(fault.value) for fault in faults if fault.name == "tick_change"]
            listing.suspended = "suspend" in names
            self._set_tick(listing, ticks[-1] if ticks else listing.instrument.tick)
            self._set_empty(listing, "book_empty" in names, now)
            self._set_crossed(listing, "book_cross" in names, now)

    def _listings(self) -> list[Listing]:
        return list(self._exchange.listings.values())

    def _set_tick(self, listing: Listing, tick: Decimal) -> None:
        if listing.tick != tick:
            listing.tick = tick
            self._exchange.outbox.instrument(listing)

    def _set_empty(self, listing: Listing, empty: bool, now: int) -> None:
        name = str(listing.instrument.key)
        if empty and name not in self._empty:
            self._empty.add(name)
            listing.background.withdraw()
            self._exchange.settlement.settle(listing, [], now)
        elif not empty and name in self._empty:
            self._empty.remove(name)
            self._exchange.settlement.settle(listing, listing.background.restore(), now)

    def _set_crossed(self, listing: Listing, crossed: bool, now: int) -> None:
        """Keep a buy of the insurance fund above the best sell, without matching them."""
        name = str(listing.instrument.key)
        ghost, best = self._ghosts.get(name), listing.book.best(Side.SELL)
        holds = ghost is not None and ghost.left > 0 and best is not None and ghost.price > best
        if crossed and holds:
            return
        if ghost is not None:
            if ghost.left:
                listing.book.cancel(ghost.order_id)
            del self._ghosts[name]
        if crossed and best is not None:
            self._ghost_count += 1
            number = -(10**12) - self._ghost_count
            self._ghosts[name] = engine.Order(number, INSURANCE, Side.BUY, best + 1, GHOST_LOTS)
            listing.book.rest(self._ghosts[name])
        if crossed or ghost is not None:
            self._exchange.settlement.settle(listing, [], now)


def _is_about(fault: Fault, listing: Listing) -> bool:
    return fault.match in ("", listing.instrument.key.symbol)
