"""The venue as a strategy sees it.

A snapshot out, a plan in. In a dry run its orders are virtual.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count
from queue import SimpleQueue
from typing import Any

from market_maker import clock, health, risk
from market_maker.auth import EXPIRES_AFTER_MS
from market_maker.errors import (
    Fatal,
    NotSent,
    OrderGone,
    OrdersLeft,
    OutcomeUnknown,
    RequestError,
    Temporary,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.health import Facts, Health
from market_maker.models import (
    ZERO,
    Fill,
    Leg,
    Margin,
    OpenOrder,
    OrderRequest,
    OrderState,
    Plan,
    Position,
    Side,
    Snapshot,
    Ticker,
    plain,
)
from market_maker.orders import OwnOrders, id_number
from market_maker.settings import settings

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
LOOK_AGAIN = 0.5
FEW = 3
"""So many orders are looked up one by one; more, by listing all that are as young as the oldest."""
MARGIN_SECONDS = 10.0
UNEXPLAINED_SECONDS = 2.0
"""How long the feed may leave an order of ours unexplained before REST is asked about it."""


class ExchangeInterface:
    """Reads the feed and REST into a `Snapshot`, and carries out a `Plan`.

    Spot has no private tables (gte-api §6.8): there, orders and balance are asked for at each tick.

    It places and cancels nothing that a plan, or the way out, does not ask for, and only our own
    orders.
    """

    def __init__(self, dry_run: bool = True) -> None:
        self.dry_run = dry_run
        self.wake: SimpleQueue[str] = SimpleQueue()
        self.gte = GTE(
            settings.API_URL_BASE,
            symbol=settings.SYMBOL,
            settle_currency=settings.SETTLECURRENCY,
            instrument_type=settings.INSTRUMENTTYPE,
            api_key="" if dry_run else settings.API_KEY,
            api_secret="" if dry_run else settings.API_SECRET,
            orderid_prefix=settings.ORDERID_PREFIX,
            ws_url=settings.WS_URL,
            timeout=settings.TIMEOUT,
            withdraw_path=settings.WITHDRAW_PATH,
            read_only=dry_run,
            wake=self.wake,
        )
        assert self.gte.ws
        self.feed = self.gte.ws
        self.own = OwnOrders(settings.ORDERID_PREFIX)
        self._is_spot = settings.INSTRUMENTTYPE == "bb"
        self._margin: Margin | None = None
        self._margin_due = 0.0
        self.stopping = False
        """Set when the loop is to end: creates that wait for their turn are not sent any more."""
        self._fills: list[Fill] = []
        self._reconciled_epoch = 0
        self._unexplained_since: dict[str, float] = {}
        self._virtual_ids = count(1)

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, wait for every needed table, and adopt the orders that an earlier run has left.

        Raises VenueUnreachable when the feed does not get ready, AuthError for a bad key.
        """
        try:
            self.gte.instrument_query()  # REST answers, and tells the venue's time for the login
        except Temporary as error:
            raise VenueUnreachable(str(error)) from None
        self.feed.start()
        self.feed.wait_for_tables(self.feed.needed, START_SECONDS)
        if self.dry_run:
            return
        epoch = self.feed.epoch
        rows = self.gte.query_orders()
        adopted = self.own.adopt(rows)
        self._reconciled_epoch = epoch
        if adopted:
            logger.info("Adopted %d orders of an earlier run.", adopted)
        if len(rows) > adopted:
            logger.info("%d orders are not ours; they are left alone.", len(rows) - adopted)

    def close(self) -> None:
        """Close all connections. Orders stay as they are."""
        self.gte.exit()

    def go_dry(self) -> None:
        """Turn a live run into a dry run.

        Cancel our orders, prove it, and send nothing from then on.
        """
        self.cancel_all_orders()
        self.gte.make_read_only()
        self.dry_run = True
        self.own = OwnOrders(settings.ORDERID_PREFIX)

    # --- keeping up -----------------------------------------------------------------------------

    def take_news(self) -> bool:
        """Take what the feed has brought; return whether it is a reason to look at the orders now.

        A fill is one; an order that has ended is one when it was the last being cancelled, because
        the orders held back by it can be placed then.
        """
        if self.dry_run:
            return False
        waiting = self._being_cancelled()
        news = self.feed.drain_news()
        fills = [fill for row, time in news if (fill := self.own.observe(row, time))]
        self._report(fills)
        return bool(fills) or (waiting and not self._being_cancelled())

    def refresh(self) -> Health:
        """Bring our orders up to date, over REST where the feed does not explain them; assess the
        feed.

        Raises Fatal when the venue does not accept us any more.
        """
        if self.dry_run:
            self._end_crossed_virtual_orders()
            return self._health()
        self.take_news()
        epoch = self.feed.epoch
        ready = self.feed.is_connected() and not self.feed.missing()
        reconnected = ready and epoch != self._reconciled_epoch
        if reconnected or self._is_spot or self._unexplained():
            try:
                self.reconcile()
            except Fatal:
                raise
            except RequestError as error:
                logger.warning("Own orders could not be looked up: %s", error)
                return replace(self._health(), state=health.TradingState.PAUSED, reason=str(error))
            if reconnected:
                self._reconciled_epoch = epoch
        return self._health()

    def reconcile(self) -> None:
        """Ask the venue for all our orders, and for the end of each that is not open any more.

        Raises RequestError, with nothing concluded, when a question is not answered.
        """
        begun = self.gte.now()
        known = self.own.live()
        rows = {order.order_id: order for order in self.gte.query_orders()}
        self._observe(rows.values())
        for order in known:
            row = rows.get(order.order_id)
            if row and row.state is OrderState.OPEN and self._is_long_unexplained(order):
                self.own.cancel_failed(order.client_oid)
        gone = [order for order in known if order.order_id and order.order_id not in rows]
        ended = {order.order_id: order for order in self._look_up(gone)}
        self._observe(ended.values())
        for order in gone:
            if order.order_id not in ended:
                self.own.missed(order.client_oid, begun)
        if self.own.unknown():
            self._resolve_unknown()

    def is_unsettled(self) -> bool:
        """Say whether the fate of an order is open, so that it is time to look again soon."""
        return bool(self.own.unknown()) or self._being_cancelled()

    def take_fills(self) -> list[Fill]:
        """Return the fills since the last call."""
        fills, self._fills = self._fills, []
        return fills

    # --- what a tick reads ----------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return all that a tick needs, as values."""
        instrument = self.feed.get_instrument()
        if instrument is None:
            raise Temporary("the feed has not shown the instrument yet")
        position = self._spot_position() if self._is_spot else self.feed.position()
        bought, sold = self.own.unseen(position)
        return Snapshot(
            instrument=instrument,
            ticker=self.ticker(),
            orders=self.own.live(),
            position=position,
            unseen_bought=bought,
            unseen_sold=sold,
            margin=self.margin(),
        )

    def ticker(self) -> Ticker:
        """Return best bid and ask of the others."""
        if self.dry_run:
            return self.feed.get_ticker()
        own: dict[tuple[Side, Decimal], Decimal] = {}
        for order in self.own.live():
            place = (order.side, order.price)
            own[place] = own.get(place, ZERO) + order.remaining
        return self.feed.get_ticker(own)

    def margin(self) -> Margin | None:
        """Return the account; in a dry run the balance of DRY_BTC."""
        if self.dry_run:
            balance = Decimal(str(settings.DRY_BTC))
            return Margin(currency=settings.SETTLECURRENCY, total=balance, available=balance)
        return self.feed.funds() or self._polled_margin()

    # --- what a strategy reads, under the family's names: plain floats in mappings ----------------

    def get_instrument(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the instrument.

        The venue's row, and the family's names tickSize, tickLog, lastPrice.
        """
        instrument = self.snapshot().instrument
        if symbol not in (None, instrument.symbol):
            raise ValueError(f"this bot trades {instrument.symbol}, not {symbol}")
        return self.feed.get_instrument_row() | {
            "symbol": instrument.symbol,
            "tickSize": float(instrument.tick),
            "tickLog": instrument.price_decimals,
            "lotSize": float(instrument.lot),
            "lastPrice": _float(instrument.last_price),
            "markPrice": _float(instrument.mark_price),
            "state": "Open",
        }

    def get_ticker(self, symbol: str | None = None) -> dict[str, float]:
        """Return the others' best prices as buy and sell, the last price, and mid on the grid."""
        instrument, ticker = self.get_instrument(symbol), self.ticker()
        if ticker.bid is None or ticker.ask is None:
            raise Temporary("the order book is empty on one side or both")
        tick = instrument["tickSize"]
        return {
            "last": float(ticker.last or 0),
            "buy": float(ticker.bid),
            "sell": float(ticker.ask),
            "mid": round((float(ticker.bid) + float(ticker.ask)) / 2 / tick) * tick,
        }

    def get_position(self, symbol: str | None = None) -> dict[str, Any]:
        """Return the position: currentQty is long - short; avgEntryPrice that of the larger leg."""
        position = self.snapshot().position
        larger = position.long if position.net >= 0 else position.short
        return {
            "symbol": symbol or settings.SYMBOL,
            "currentQty": _number(position.net),
            "longQty": _number(position.long.qty),
            "shortQty": _number(position.short.qty),
            "longEntryPrice": float(position.long.entry_price),
            "shortEntryPrice": float(position.short.entry_price),
            "avgEntryPrice": float(larger.entry_price),
            "avgCostPrice": float(larger.entry_price),
        }

    def get_delta(self, symbol: str | None = None) -> float:
        """Return long - short in contracts."""
        return self.get_position(symbol)["currentQty"]  # type: ignore[no-any-return]

    def calc_delta(self) -> dict[str, float]:
        """Return the worth of the position at the mark price, in the settlement currency."""
        snapshot = self.snapshot()
        price = snapshot.instrument.mark_price or snapshot.instrument.last_price
        worth = snapshot.instrument.value(snapshot.position.net, price) if price else ZERO
        return {"spot": float(worth), "mark_price": float(price or 0)}

    def get_margin(self) -> dict[str, Any]:
        """Return the account in its currency.

        MarginBalance and availableMargin in 1e-8, as BitMEX has.
        """
        margin = self.margin()
        if margin is None:
            raise Temporary("the venue has not shown the account yet")
        return {
            "currency": margin.currency,
            "total": float(margin.total),
            "available": float(margin.available),
            "order_margin": float(margin.order_margin),
            "pos_margin": float(margin.position_margin),
            "marginBalance": int(margin.total.scaleb(8)),
            "availableMargin": int(margin.available.scaleb(8)),
        }

    def get_orders(self) -> list[dict[str, Any]]:
        """Return our open orders, under the family's names."""
        return [
            {
                "orderID": order.order_id,
                "clOrdID": order.client_oid,
                "symbol": settings.SYMBOL,
                "side": order.side.value,
                "price": float(order.price),
                "orderQty": _number(order.qty),
                "cumQty": _number(order.filled),
                "leavesQty": _number(order.remaining),
                "ordStatus": order.state.value,
            }
            for order in self.own.live()
        ]

    def get_highest_buy(self) -> dict[str, Any]:
        """Return our highest buy order; without one, an order at -2**32."""
        buys = [order for order in self.get_orders() if order["side"] == "Buy"]
        return max(buys, key=lambda order: order["price"], default={"price": -(2**32)})

    def get_lowest_sell(self) -> dict[str, Any]:
        """Return our lowest sell order; without one, an order at 2**32."""
        sells = [order for order in self.get_orders() if order["side"] == "Sell"]
        return min(sells, key=lambda order: order["price"], default={"price": 2**32})

    def recent_trades(self) -> list[dict[str, str]]:
        """Return the latest public trades, oldest first."""
        return self.gte.recent_trades()

    def is_open(self) -> bool:
        """Say whether the feed is connected."""
        return self.feed.is_connected()

    # --- acts -----------------------------------------------------------------------------------

    def execute(self, plan: Plan) -> int:
        """Carry out a plan: cancels first. Return how many creates the venue has refused.

        Raises Fatal when the venue does not accept us any more.
        """
        if plan.cancel:
            logger.info("Canceling %d orders:", len(plan.cancel))
            self._log_orders(plan.cancel)
            self._cancel(plan.cancel)
        creates = [replace(r, client_oid=self.gte.new_client_oid()) for r in plan.create]
        if not creates:
            return 0
        logger.info("Creating %d orders:", len(creates))
        self._log_orders(creates)
        for request in creates:
            self.own.sending(request)
        if self.dry_run:
            for request in creates:
                self.own.accepted(request.client_oid, str(next(self._virtual_ids)))
            return 0
        return self._create(creates)

    def cancel_order(self, order: dict[str, Any]) -> None:
        """Cancel one of our orders, given as `get_orders()` returns it."""
        found = self.own.get(order["clOrdID"])
        if found:
            self._cancel((found,))

    def cancel_all_orders(self, seconds: float = 20.0) -> None:
        """Cancel all our orders and prove by query that none is left.

        Raises OrdersLeft with a list of those that may still rest when the time is up.
        """
        if self.dry_run:
            self._cancel(self.own.live())
            return
        deadline = clock.monotonic() + seconds
        while True:
            trouble = "their fate is not known"
            try:
                known = {order.order_id for order in self.own.live()}
                self.gte.cancel_all_orders(deadline - clock.monotonic(), known)
                self.take_news()
                self.reconcile()
                if not self.own.live():
                    return
            except Fatal as error:
                trouble, deadline = str(error), clock.monotonic()
            except (RequestError, OrdersLeft) as error:
                trouble = str(error)
            if clock.monotonic() >= deadline:
                left = tuple(order.full for order in self.own.live())
                raise OrdersLeft(f"own orders may be left: {trouble}", left)
            clock.sleep(LOOK_AGAIN)

    # --- inside ---------------------------------------------------------------------------------

    def _create(self, creates: list[OrderRequest]) -> int:
        refused = 0
        fatal: Fatal | None = None
        try:
            for outcome in self.gte.create_bulk_orders(creates, self._is_still_wanted):
                client_oid, error = outcome.client_oid, outcome.error
                if error is None:
                    self.own.accepted(client_oid, outcome.order_id)
                    continue
                logger.warning("%s", error)
                if isinstance(error, OutcomeUnknown):
                    self.own.lost(client_oid, self._latest_expiry())
                    continue
                self.own.refused(client_oid)
                refused += not isinstance(error, NotSent)
                fatal = error if isinstance(error, Fatal) else fatal
        finally:
            for request in creates:  # whatever happened: what has no outcome may have left
                self.own.lost(request.client_oid, self._latest_expiry())
        if fatal:
            raise fatal
        return refused

    def _is_still_wanted(self, request: OrderRequest) -> bool:
        if self.stopping:
            return False
        return not settings.POST_ONLY or risk.passive(request, self.feed.get_ticker())

    def _latest_expiry(self) -> int:
        return self.gte.now() + EXPIRES_AFTER_MS

    def _cancel(self, orders: tuple[OpenOrder, ...]) -> None:
        for order in orders:
            self.own.cancelling(order.client_oid)
        if self.dry_run:
            for order in orders:
                self.own.observe(replace(order, state=OrderState.DONE), 0)
            return
        fatal: Fatal | None = None
        for outcome in self.gte.cancel_bulk_orders(orders):
            if outcome.error and not isinstance(outcome.error, OrderGone):
                logger.warning("%s", outcome.error)
                self.own.cancel_failed(outcome.client_oid)
                fatal = outcome.error if isinstance(outcome.error, Fatal) else fatal
        if fatal:
            raise fatal

    def _look_up(self, orders: list[OpenOrder]) -> list[OpenOrder]:
        """Return the rows of orders that are not open any more, as far as the venue knows them."""
        if len(orders) <= FEW:
            found = [self.gte.get_order(order.order_id) for order in orders]
            return [order for order in found if order]
        oldest = min(id_number(order.order_id) for order in orders)
        return self.gte.query_orders((), after=str(oldest - 1))

    def _observe(self, rows: Iterable[OpenOrder]) -> None:
        """Take rows that REST has shown; a position of before need not show their fills."""
        rows, now = list(rows), self.gte.now()
        self.own.claim(rows)
        self._report([fill for row in rows if (fill := self.own.observe(row, now))])

    def _resolve_unknown(self) -> None:
        """Look for the orders in doubt among all orders younger than the oldest could be."""
        begun = self.gte.now()
        self._observe(self.gte.query_orders((), after=self.own.born_after()))
        for order in self.own.unknown():
            if self.own.missed(order.client_oid, begun):
                logger.info("%s did not reach the venue.", order)

    def _spot_position(self) -> Position:
        """Return what this run has bought less what it has sold: spot has balances, no position."""
        net, now = self.own.bought - self.own.sold, self.gte.now() + 1
        long, short = Leg(qty=max(net, ZERO), time=now), Leg(qty=max(-net, ZERO), time=now)
        return Position(long=long, short=short)

    def _polled_margin(self) -> Margin | None:
        """Return the account as REST shows it, where the feed does not; asked for now and then."""
        now = clock.monotonic()
        if now >= self._margin_due:
            self._margin_due = now + MARGIN_SECONDS
            self._margin = next(iter(self.gte.account_query()), None)
        return self._margin

    def _being_cancelled(self) -> bool:
        return any(order.state is OrderState.CANCELLING for order in self.own.live())

    def _is_long_unexplained(self, order: OpenOrder) -> bool:
        now = clock.monotonic()
        return now - self._unexplained_since.get(order.client_oid, now) > UNEXPLAINED_SECONDS

    def _unexplained(self) -> bool:
        """Say whether an order needs a look-up: in doubt, or long not as the feed shows it."""
        shown = {order.order_id for order in self.feed.open_orders()}
        now = clock.monotonic()
        odd = {
            order.client_oid
            for order in self.own.live()
            if order.state is not OrderState.OPEN or order.order_id not in shown
        }
        self._unexplained_since = {oid: self._unexplained_since.get(oid, now) for oid in odd}
        return bool(self.own.unknown()) or any(map(self._is_long_unexplained, self.own.live()))

    def _health(self) -> Health:
        missing = self.feed.missing()
        return health.assess(
            Facts(
                connected=self.feed.is_connected(),
                missing=missing,
                silent_for=self.feed.silent_for(),
                ticker=None if missing else self.ticker(),
                last_error=self.feed.last_error(),
            )
        )

    def _report(self, fills: Sequence[Fill]) -> None:
        self._fills += fills
        for fill in fills:
            order = fill.order
            logger.info(
                "%s %s @ %s (%s of %s filled, order %s)",
                "Bought" if fill.side is Side.BUY else "Sold",
                plain(fill.qty),
                _average(order),
                plain(order.filled),
                plain(order.qty),
                order.order_id,
            )

    def _log_orders(self, orders: Iterable[OpenOrder | OrderRequest]) -> None:
        instrument = self.feed.get_instrument()
        for order in sorted(orders, key=lambda order: -order.price):
            digits = instrument.price_decimals if instrument else 8
            logger.info("%4s %s @ %.*f", order.side.value, plain(order.qty), digits, order.price)

    def _end_crossed_virtual_orders(self) -> None:
        ticker = self.feed.get_ticker()
        for order in self.own.live():
            if not risk.passive(order, ticker):
                logger.info("Dry run: %s would have been filled.", order)
                self.own.observe(replace(order, state=OrderState.DONE), 0)


def _average(order: OpenOrder) -> str:
    if order.avg_price in (ZERO, order.price):
        return plain(order.price)
    return f"{plain(order.avg_price)} on average"


def _number(value: Decimal) -> float:
    """Return a quantity as users expect it: whole contracts as int, the rest as float."""
    return int(value) if value == value.to_integral_value() else float(value)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
