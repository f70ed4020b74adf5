"""The outbox: the changes at the venue that have not been published yet."""

from market_maker.paper.exchange.account import LegKey
from market_maker.paper.exchange.events import (
    BookChanged,
    Event,
    InstrumentChanged,
    LegChanged,
    MarginChanged,
)
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.exchange.listing import Listing


class Outbox:
    """Events in order; of books, prices, positions and margins only that they changed."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._books: dict[Key, Listing] = {}
        self._instruments: dict[Key, None] = {}
        self._legs: dict[LegChanged, None] = {}
        self._margins: dict[MarginChanged, None] = {}

    def add(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)

    def book(self, listing: Listing) -> None:
        """Record that a book may have changed."""
        self._books[listing.instrument.key] = listing

    def instrument(self, listing: Listing) -> None:
        """Record that prices, volume or tick of an instrument changed."""
        self._instruments[listing.instrument.key] = None

    def leg(self, owner: str, leg: LegKey) -> None:
        """Record that one side of a position changed."""
        self._legs[LegChanged(owner, leg)] = None

    def margin(self, owner: str, area: str) -> None:
        """Record that a contract account changed."""
        self._margins[MarginChanged(owner, area)] = None

    def position(self, owner: str, leg: LegKey) -> None:
        """Record that one side of a position changed, and the account with it."""
        self.leg(owner, leg)
        self.margin(owner, leg.area)

    def drain(self) -> list[Event]:
        """Return and remove everything: the events in order, then the changes."""
        events, self._events = self._events, []
        for key, listing in self._books.items():
            changes = listing.book.drain()
            if any(changes):
                events.append(BookChanged(key, changes))
        events += [InstrumentChanged(key) for key in self._instruments]
        events += self._legs
        events += self._margins
        for recorded in (self._books, self._instruments, self._legs, self._margins):
            recorded.clear()
        return events
