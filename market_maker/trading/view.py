"""The snapshot of a tick: read once, and again when it is stale."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.decimals import exact
from market_maker.errors import Temporary
from market_maker.models import (
    ZERO,
    Exposure,
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    Position,
    Snapshot,
)
from market_maker.money import Money, VirtualLedger
from market_maker.orders.orders import Orders
from market_maker.settings import settings
from market_maker.trading.account_watch import AccountWatch
from market_maker.trading.price_watch import PriceWatch
from market_maker.ws.ws_thread import GTEWebsocket

SEEN_SECONDS = 2.0
"""Age in seconds from which the snapshot of a tick is read again: its strategy is slow."""


class View:
    """Reads feed, orders and money into a `Snapshot` of one moment.

    Spot has no private tables (design: The wire): its position is what this run bought less what it
    sold. A dry run's is that by touch; its exposure is the worse of touch and through.
    """

    def __init__(
        self,
        feed: GTEWebsocket,
        orders: Orders,
        money: Money,
        virtual: tuple[VirtualLedger, VirtualLedger],
        account: AccountWatch,
        prices: PriceWatch,
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._orders = orders
        self._money = money
        self._virtual = virtual
        self._account = account
        self._prices = prices
        self._clock = clock
        self._instrument: Instrument | None = None
        self._is_ticking = False
        self._seen: Snapshot | None = None
        self._seen_at = 0.0

    def begin_tick(self) -> None:
        """Keep the next snapshot for the rest of the tick."""
        self._is_ticking, self._seen = True, None

    def end_tick(self) -> None:
        """Read every snapshot fresh from now on."""
        self._is_ticking, self._seen = False, None

    def forget(self) -> None:
        """Drop the kept snapshot: orders were sent or cancelled."""
        self._seen = None

    @property
    def is_known(self) -> bool:
        """Whether this tick has a snapshot."""
        return self._seen is not None

    def is_stale(self) -> bool:
        """Return whether the snapshot of this tick is so old that another is read."""
        return self._seen is not None and self._clock.monotonic() - self._seen_at >= SEEN_SECONDS

    def snapshot(self) -> Snapshot:
        """Return the snapshot of this tick, at most SEEN_SECONDS old; outside a tick a fresh one.

        Raises Temporary while the feed has not shown every table.
        """
        return self.read() if self._seen is None or self.is_stale() else self._seen

    def read(self) -> Snapshot:
        """Read a fresh snapshot, which the tick goes on with. Raises as `snapshot()` does."""
        orders = self._orders.live()
        instrument, ticker, position = self._feed.view(self._orders.own_quantity())
        if instrument is None:
            raise Temporary("no data yet for instrument")
        with_fills: Position | None = None
        self._instrument = instrument = self._prices.completed(instrument)
        ticker = replace(ticker, last=instrument.last_price)
        if not instrument.is_contract:
            instrument = replace(instrument, mid_price=ticker.mid)
        if self._orders.is_dry:
            views = [self._virtual_position(ledger, position) for ledger in self._virtual]
            position, exposure = views[0], Exposure.of(*map(_legs, views))
        elif instrument.is_contract:
            exposure = self._money.position.exposure(position)
            with_fills = self._money.position.with_fills(position)
        else:
            position = _spot_position(self._money)
            exposure = Exposure.of(_legs(position))
        found = Snapshot(
            instrument=instrument,
            ticker=ticker,
            orders=orders,
            position=position,
            exposure=exposure,
            with_fills=with_fills,
            margin=self.margin(),
            funds={} if self._orders.is_dry else self._account.funds,
        )
        if self._is_ticking:
            self._seen, self._seen_at = found, self._clock.monotonic()
        return found

    def orders(self) -> tuple[OpenOrder, ...]:
        """Return own orders as in `snapshot()`, also while the feed has shown nothing."""
        with suppress(Temporary):
            return self.snapshot().orders
        return self._orders.live()

    def margin(self) -> Margin | None:
        """Return the account; in a dry run a balance of DRY_BTC."""
        if not self._orders.is_dry:
            return self._account.margin()
        balance = exact(settings.DRY_BTC)
        return Margin(currency=settings.SETTLECURRENCY, total=balance, available=balance)

    def latest_instrument(self) -> Instrument | None:
        """Return the latest known instrument: a new connection may show a fill before it."""
        self._instrument = self._feed.get_instrument() or self._instrument
        return self._instrument

    def _virtual_position(self, ledger: VirtualLedger, real: Position) -> Position:
        is_spot = self._instrument is not None and not self._instrument.is_contract
        return _spot_position(ledger.money) if is_spot else ledger.position(real)


def _spot_position(money: Money) -> Position:
    net = money.trades.net
    return Position(long=Leg(qty=max(net, ZERO)), short=Leg(qty=max(-net, ZERO)))


def _legs(position: Position) -> tuple[Decimal, Decimal]:
    return position.long.qty, position.short.qty
