"""The values of the control loop: frozen, exact, in the units of the venue. Times are ms UTC.

Prices, money and quantities (contracts of `pc`, base currency of `bb`) are `Decimal`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import Enum

from market_maker.decimals import plain

ZERO = Decimal(0)
PRICE_OLD = 20.0
"""Seconds after which a mark, index or last price that was not told again is unknown."""
POSITION_STALE = 30.0
"""Seconds without a position update after which trading pauses and the feed reconnects."""


class Side(Enum):
    """The side of an order. `BUY.sign` is +1 and `SELL.sign` is -1."""

    BUY = "Buy"
    SELL = "Sell"

    __hash__ = object.__hash__  # in C: half of the 0.3 us of Enum's own

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    def better(self, price: Decimal, other: Decimal) -> bool:
        """Return whether `price` has priority over `other` on this side of the book."""
        return price > other if self is Side.BUY else price < other


class OrderState(Enum):
    """The state of an own order (see `orders.tracker`)."""

    SENT = "sent"
    OPEN = "open"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One contract (`pc`) or pair (`bb`): its grid, and its prices as far as they are known."""

    instrument_type: str
    settle_currency: str
    symbol: str
    tick: Decimal
    lot: Decimal = Decimal(1)  # step of quantities: one contract, or a base quantity
    face_value: Decimal = Decimal(1)  # of one contract, in the quote currency
    last_price: Decimal | None = None
    mark_price: Decimal | None = None
    mid_price: Decimal | None = None  # of a pair, which has no mark price
    index_price: Decimal | None = None
    funding_rate: Decimal | None = None  # a fraction; above zero longs pay, as far as is known
    funding_hours: Decimal | None = None  # until it is paid

    @property
    def is_contract(self) -> bool:
        return self.instrument_type != "bb"

    @property
    def price_decimals(self) -> int:
        exponent = self.tick.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    @property
    def valuation_price(self) -> Decimal | None:
        """The price that values a position: the mark, of a pair the mid, else the last price."""
        return self.mark_price or self.mid_price or self.last_price

    def collars(self, side: Side, far: Decimal) -> list[tuple[str, Decimal]]:
        """Return the worst price of a side by each reference, a fraction `far` beyond it."""
        worst = 1 + side.sign * far
        prices = (("mark", self.mark_price), ("index", self.index_price))
        return [(name, price * worst) for name, price in prices if price is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Best bid and ask without own orders, and the last price; None where there is none."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None = None

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is above the best ask, which a sound book never shows."""
        return self.bid is not None and self.ask is not None and self.bid > self.ask

    @property
    def mid(self) -> Decimal | None:
        """The mid; None while a side is empty."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def near(self) -> Decimal:
        """The mid; the only price of a one-sided book; 0 for an empty book."""
        return self.mid or self.bid or self.ask or ZERO

    def would_rest(self, side: Side, price: Decimal) -> bool:
        """Return whether an order would rest: its price is not at or through the other side."""
        other = self.ask if side is Side.BUY else self.bid
        return other is None or side.better(other, price)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A wanted order."""

    side: Side
    price: Decimal
    qty: Decimal
    close: bool = False  # the opposite leg, instead of opening one
    reduce_only: bool = False  # not placed where it cannot close
    post_only: bool = False  # not sent once it would trade at once
    client_oid: str = ""

    @property
    def remaining(self) -> Decimal:
        return self.qty

    def accepted(self, order_id: str) -> "OpenOrder":
        """Return the open order of this request, as accepted by the venue."""
        given = {each.name: getattr(self, each.name) for each in fields(OrderRequest)}
        return OpenOrder(**given, order_id=order_id)

    def __str__(self) -> str:
        return f"{self.side.value} {plain(self.qty)} @ {plain(self.price)}"


class CreateEvent(Enum):
    """What became of a create; the values stand in the run files."""

    LEAVING = "leaving"  # before its first byte leaves; detail: the venue's time in ms
    CREATED = "created"  # detail: the order_id
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder(OrderRequest):
    """An order as a row of the venue shows it, or as sent while no row has arrived."""

    filled: Decimal = ZERO
    order_id: str = ""
    state: OrderState = OrderState.OPEN
    avg_price: Decimal = ZERO
    ctime: int = 0  # the venue's creation time in ms; it never decides which row is newer
    arrival: int = 0  # number of feed frames that had arrived when the venue first acknowledged it
    is_taker: bool = False  # whether the row shows a fill that took liquidity
    fee: Decimal | None = None  # so far as the row shows it, cut to 1e-6; None where it does not

    @property
    def remaining(self) -> Decimal:
        return self.qty - self.filled

    @property
    def full(self) -> str:
        """The order with its ids, to find it at the venue."""
        return f"{self} client_oid {self.client_oid} order_id {self.order_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """An increase of the filled quantity of an order: an own one, but for `orders.others`.

    The venue shows no price of a fill, only the average price of its order (design: The wire).
    """

    side: Side
    qty: Decimal
    before: OpenOrder
    order: OpenOrder
    arrival: int = 0  # number of feed frames that had arrived with it

    @property
    def is_long(self) -> bool:
        """Whether it changed the long leg."""
        return (self.side is Side.BUY) is not self.order.close


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The long or the short position of one symbol; `qty` is never negative."""

    qty: Decimal = ZERO
    available: Decimal = ZERO  # not reserved by resting close orders
    entry_price: Decimal = ZERO
    liquidation_price: Decimal | None = None
    pnl: Decimal | None = None  # unrealised, as the row prints it
    value: Decimal | None = None  # in the settlement currency by the venue's count, where told
    arrival: int = 0
    """The number of the frame that showed it (see `ws_thread.GTEWebsocket.arrivals`)."""
    at: float = 0.0  # when that frame arrived, in steady seconds
    mark: Decimal | None = None  # as known then


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Both legs of one symbol: the venue holds long and short separately (hedge mode)."""

    long: Leg = field(default_factory=Leg)
    short: Leg = field(default_factory=Leg)
    at: float = 0.0  # when the latest frame of the table arrived, for either leg

    @property
    def net(self) -> Decimal:
        return self.long.qty - self.short.qty


@dataclass(frozen=True, slots=True)
class Exposure:
    """Bounds of the position, from several views of it: its lowest and highest quantities."""

    long_low: Decimal
    long_high: Decimal
    short_low: Decimal
    short_high: Decimal
    net_low: Decimal
    net_high: Decimal

    @classmethod
    def of(cls, *views: tuple[Decimal, Decimal]) -> "Exposure":
        """Return the exposure of several views, each the quantities of the (long, short) legs."""
        longs, shorts = [view[0] for view in views], [view[1] for view in views]
        nets = [long - short for long, short in views]
        return cls(min(longs), max(longs), min(shorts), max(shorts), min(nets), max(nets))


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The account: total = available + order margin + position margin (None if not told)."""

    currency: str
    total: Decimal
    available: Decimal
    order_margin: Decimal = ZERO
    position_margin: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fund:
    """One currency of a spot account: what own orders may use of it, those that rest included."""

    currency: str
    total: Decimal
    usable: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All inputs of a plan, read at one moment."""

    instrument: Instrument
    ticker: Ticker
    orders: tuple[OpenOrder, ...]
    """Own orders that rest or may rest: open, sent, cancelling, or of unknown outcome."""
    position: Position
    exposure: Exposure
    """Bounds of the position, from the position as shown and from own fills."""
    with_fills: Position | None = None
    """The position with the own fills that no row shows yet; None where all are shown."""
    margin: Margin | None = None
    funds: Mapping[Side, Fund] = field(default_factory=dict)
    """On spot, what the orders of each side are paid from: buys from quote, sells from base."""

    @property
    def held(self) -> Position:
        """The position with what has filled of `orders`."""
        return self.with_fills or self.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The requests that turn the open orders into the wanted ones."""

    cancel: tuple[OpenOrder, ...] = ()
    create: tuple[OrderRequest, ...] = ()
    keep: tuple[OpenOrder, ...] = ()
    deferred: tuple[OrderRequest, ...] = ()
    """Wanted orders that wait until a conflicting order has ended."""


def riskiest_first(
    orders: Iterable[OpenOrder], ticker: Ticker, position: Position
) -> list[OpenOrder]:
    """Return orders as they are cancelled: what may enlarge the position first, nearest first."""
    near, net = ticker.near, position.net
    return sorted(orders, key=lambda o: (o.side.sign * net < 0, abs(o.price - near)))
