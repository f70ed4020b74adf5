"""A listing: one instrument with its book, its history and its prices."""

from decimal import Decimal

from market_maker.paper.exchange.account import ZERO, Contract, worth
from market_maker.paper.exchange.background import BackgroundOrders
from market_maker.paper.exchange.engine import Book, Side
from market_maker.paper.exchange.history import History
from market_maker.paper.exchange.instrument import Instrument

FUNDING_RATE = Decimal("0.0001")


class Listing:
    """An instrument and its market. Positions are valued at the index price."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book = Book()
        self.background = BackgroundOrders(self.book)
        self.tick = instrument.tick  # a multiple of it while the venue has another tick size
        self.history = History()
        self.row_heads: dict[tuple[Side, int], str] = {}
        """What rows of the book repeat for each price; kept by `api.levels`."""
        self.prices: dict[int, Decimal] = {}
        """Prices by their ticks, as a reader takes them; kept by `api.levels`."""
        self.last = instrument.start
        self.funding_rate = FUNDING_RATE
        self.suspended = False
        self._index = ZERO
        self.mark_worth = ZERO
        self.index = instrument.start

    def check_tick(self, tick: Decimal) -> None:
        """Raise ValueError for a tick that is not a multiple of the instrument's own."""
        if tick <= 0 or tick % self.instrument.tick:
            raise ValueError(f"{tick} is not a multiple of {self.instrument.tick}")

    @property
    def contract(self) -> Contract:
        """Return the name of the contract in the ledger."""
        return Contract(self.instrument.key.area, self.instrument.key.symbol)

    @property
    def index(self) -> Decimal:
        """Return the index price, which is the mark price too."""
        return self._index

    @index.setter
    def index(self, price: Decimal) -> None:
        self._index = price
        self.mark_worth = worth(face=self.instrument.face, price=price)
