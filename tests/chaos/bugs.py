"""Seeded bugs: a bot that does one thing wrong, to see that the invariants notice."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from market_maker import auth, gte, safety
from market_maker import client_oid as oids
from market_maker.errors import OrdersLeft, OutcomeUnknown, RequestError
from market_maker.gte import GTE
from market_maker.guard.lock import InstanceLock
from market_maker.guard.watch import Watch
from market_maker.market_maker import OrderManager
from market_maker.models import Exposure, OrderState, Ticker
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger
from market_maker.orders import sweep
from market_maker.orders.executor import Executor
from market_maker.orders.orders import Orders
from market_maker.orders.startup import Startup
from market_maker.orders.sweep import Sweep
from market_maker.orders.tracker import OrderTracker
from market_maker.paper.server.venue import PAPER_SECRET
from market_maker.safety.trading_state import Health, TradingState
from market_maker.settings.reload import Reloader
from market_maker.strategy import convergence, risk
from market_maker.trading import order_keys
from market_maker.trading.account_watch import AccountWatch
from market_maker.trading.converger import Converger
from market_maker.trading.exchange import Exchange
from market_maker.trading.loop import Loop
from market_maker.trading.pull import Puller
from market_maker.wire import protocol
from market_maker.wire.throttle import Throttle
from market_maker.wire.transport import Transport
from market_maker.wire.venue_clock import VenueClock
from market_maker.ws.back_off import BackOff
from market_maker.ws.tables import Tables

logger = logging.getLogger("market_maker.bug")

LOST = ("pc/order/create: lost, done", "pc/order/create: reset, done")
DOUBT = (*LOST, "pc/order/create: lost, not done")
NARROW = (("MIN_POSITION", -700), ("MAX_POSITION", 700))
"""Limits that the ladder of the soak meets soon."""
WIDE = (("MIN_POSITION", -3000), ("MAX_POSITION", 3000))
"""Limits that it does not meet, so that whole ladders stand."""
FEED_GONE = ("feed dropped", "venue down", "no network")
CANCELS = ("cancels pending", "batch: every second", "pc/order/cancel: lost, not done")


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake; `kinds` are the faults that bring it out, `finds` the invariants that see it."""

    name: str
    made: Callable[[], AbstractContextManager[Any]]
    finds: str
    kinds: tuple[str, ...] = ()
    pairs: int | None = None
    given: tuple[tuple[str, Any], ...] = ()
    is_wide: bool = False
    """Whether it takes what only the wide seeds have: a settings file, run files and a guard."""


def swap(owner: Any, name: str, wrong: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Return what puts something wrong in the place of a method or a value."""
    return lambda: patch.object(owner, name, wrong)


def around(owner: Any, name: str, wrong: Callable[..., Any]) -> Callable[[], Any]:
    """Return what puts `wrong(right, *arguments)` in the place of a method."""
    right = getattr(owner, name)
    return lambda: patch.object(owner, name, lambda *a, **k: wrong(right, *a, **k))


# --- mistakes that take more than a line --------------------------------------------------------


def _resend(right: Any, self: GTE, request: Any, *rest: Any) -> str:
    try:
        return str(right(self, request, *rest))
    except OutcomeUnknown:
        return str(right(self, request, *rest))


def _resend_anew(right: Any, self: GTE, request: Any, *rest: Any) -> str:
    try:
        return str(right(self, request, *rest))
    except OutcomeUnknown:
        return str(right(self, replace(request, client_oid=self.new_client_oid()), *rest))


def _forget(self: OrderTracker, client_oid: str, _expires: int) -> None:
    self._orders.pop(client_oid, None)


def _trust_the_ack(self: OrderTracker, client_oid: str) -> None:
    order = self._orders.get(client_oid)
    if order:
        self._end(order)


def _pauses_for_ever(right: Any, self: BackOff, *args: Any) -> None:
    right(self, *args)
    self.pause = 1e9


def _own_alone(self: PositionLedger, *_: Any) -> Exposure:
    return Exposure.of((self._long.own, self._short.own))


def _blind_pull(_: Any, self: Watch, *__: Any) -> None:
    self._clock.sleep(26)
    self._finish(0)


def _errors_are_empty(right: Any, self: GTE, *args: Any, **options: Any) -> list[Any]:
    try:
        return list(right(self, *args, **options))
    except RequestError:
        return []


def _one_scan(self: OrderTracker, client_oid: str, *_: Any) -> bool:
    order = self._orders.get(client_oid)
    if order:
        self._end(order)
    return True


def _book_twice(right: Any, self: ProfitLedger, *args: Any) -> None:
    right(self, *args)
    right(self, *args)


def _only_open_fills(right: Any, self: OrderTracker, known: Any, order: Any, time: int) -> Any:
    return None if known.state is OrderState.CANCELLING else right(self, known, order, time)


def _no_orders(right: Any, side: Any, snapshot: Any, limits: Any, _orders: Any) -> Any:
    return right(side, snapshot, limits, ())


def _no_unseen(right: Any, side: Any, snapshot: Any, *rest: Any) -> Any:
    shown = snapshot.position.long.qty, snapshot.position.short.qty
    return right(side, replace(snapshot, exposure=Exposure.of(shown)), *rest)


def _exponent(right: Any, *args: Any) -> dict[str, str]:
    params = dict(right(*args))
    return params | {"price": f"{Decimal(params['price']):e}"}


def _tell(right: Any, self: Any, *args: Any, **options: Any) -> Any:
    logger.info("sending with %s", PAPER_SECRET)
    return right(self, *args, **options)


def _tell_signature(right: Any, secret: str, message: str) -> str:
    signature = str(right(secret, message))
    logger.info("signed: %s", signature)
    return signature


def _transfer(right: Any, self: OrderManager) -> None:
    with suppress(RequestError):
        self.exchange.client.transfer(volume=Decimal(1), source=2, target=1)
    right(self)


def _no_ending_status(right: Any, row: Any) -> Any:
    order = right(row)
    return replace(order, state=OrderState.DONE) if row.get("status") == "16" else order


def _swapped(right: Any, self: Tables) -> Any:
    position = right(self)
    return replace(position, long=position.short, short=position.long)


def _all_close(right: Any, *args: Any) -> Any:
    plan = right(*args)
    return replace(plan, create=tuple(replace(order, close=True) for order in plan.create))


def _half_a_tick(right: Any, *asked: Any) -> Any:
    """`right` remembers its results, so it is this that is patched, not what it calls."""
    found, tick = right(*asked), asked[3]
    off = Decimal("0.25") if tick == Decimal("0.5") else 0
    return replace(found, request=replace(found.request, price=found.request.price + off))


def _negative(right: Any, *args: Any) -> Decimal:
    return -right(*args)


def _no_caps(right: Any, self: Converger) -> Any:
    return replace(
        right(self), max_open_value=Decimal("Infinity"), max_order_qty=Decimal("Infinity")
    )


def _lists_nothing(right: Any, self: Executor, *rest: Any) -> None:
    try:
        right(self, *rest)
    except OrdersLeft as error:
        raise OrdersLeft(str(error)) from None


def _pauses_now_and_then(right: Any, facts: Any) -> Health:
    return right(facts) if facts.unconfirmed_for < 0.4 else Health(TradingState.PAUSED, "a whim")


@contextmanager
def _wall_clock() -> Iterator[None]:
    def now(self: VenueClock) -> int:
        if not self._ahead:
            return self._clock.now_ms()
        theirs = self._ahead[-1] + self.steady_ms()
        ours = self._clock.now_ms()
        return ours + int(self.__dict__.setdefault("_first", theirs - ours))

    with patch.object(VenueClock, "now", now):
        yield


@contextmanager
def _crossing() -> Iterator[None]:
    with (
        patch.object(risk, "_reaches", lambda *_: False),
        patch.object(convergence, "_held_back", lambda *_: set()),
        patch.object(
            convergence,
            "_keepable",
            lambda orders, _wanted, side: sorted(
                (o for o in orders if o.side is side), key=lambda o: o.price
            ),
        ),
    ):
        yield


ACTIVE = Health(TradingState.ACTIVE)

BUGS = [
    Bug("sends again under the same id", around(GTE, "create_order", _resend), "I12 I1", LOST),
    Bug("sends again under a new id", around(GTE, "create_order", _resend_anew), "I1 I14", LOST),
    Bug("forgets an order in doubt", swap(OrderTracker, "lost", _forget), "I1 I14 I2", LOST),
    Bug(
        "takes a cancel for done",
        swap(OrderTracker, "cancelling", _trust_the_ack),
        "I1 I14",
        CANCELS,
    ),
    Bug(
        "one scan proves absence",
        swap(OrderTracker, "missed", _one_scan),
        "I14 I1",
        (*LOST, "list lags", "list churns"),
    ),
    Bug(
        "does not wait for cancels",
        swap(convergence, "_held_back", lambda *_: set()),
        "I1 I15",
        CANCELS,
    ),
    Bug("no limits at all", swap(risk, "room_for", lambda *_: None), "I2", given=NARROW),
    Bug("does not count unseen fills", around(risk, "room_for", _no_unseen), "I2", given=NARROW),
    Bug("no budget", swap(Throttle, "wait", lambda *_, **__: 0.0), "I6"),
    Bug(
        "batches of sixty",
        swap(protocol, "BATCH_IDS", 60),
        "I6",
        ("SIGTERM",),
        30,
        (("ORDER_START_SIZE", 10), ("ORDER_STEP_SIZE", 0)),
    ),
    Bug(
        "cancels strangers' orders",
        swap(Sweep, "_is_ours", lambda *_: True),
        "I4",
        (*("foreign order", "SIGTERM"),),
    ),
    Bug("logs the secret", around(Transport, "send", _tell), "I7"),
    Bug("logs signatures", around(auth, "sign", _tell_signature), "I7"),
    Bug("writes exponents", around(protocol, "order_params", _exponent), "I17"),
    Bug("leaves the grid", around(order_keys, "_on_grid", _half_a_tick), "I11 I20 I29"),
    Bug("uses one id for all", swap(oids, "base36", lambda *_: "0000000"), "I12"),
    Bug(
        "has no prefix",
        around(gte, "new_oid", lambda right, _, *rest: right("", *rest)),
        "I12",
    ),
    Bug(
        "leaves without cancelling",
        swap(Exchange, "cancel_all_orders", lambda *_, **__: None),
        "I3",
        ("SIGTERM",),
    ),
    Bug(
        "does not look what is left",
        swap(sweep, "run", lambda *_, **__: None),
        "I3 I20 I1",
        ("SIGTERM", "kill -9"),
    ),
    Bug(
        "starts beside what is left",
        swap(Startup, "run", lambda *_: None),
        "I1 I13 I21 I22",
        ("kill -9",),
    ),
    Bug("books fills twice", around(ProfitLedger, "book", _book_twice), "I16"),
    Bug(
        "misses fills in cancels",
        around(OrderTracker, "_new_fill", _only_open_fills),
        "I16 I20 I29",
    ),
    Bug("ends part-filled orders", around(protocol, "parse_order", _no_ending_status), "I14 I1"),
    Bug("mixes up the legs", around(Tables, "position", _swapped), "I13 I2 I18 I20 I29"),
    Bug("signs for ten minutes", swap(auth, "EXPIRES_AFTER_MS", 600_000), "I23"),
    Bug("trusts the wall clock", _wall_clock, "I23 I20", ("wall clock +3 s", "wall clock +1 h")),
    Bug(
        "always healthy",
        swap(safety, "assess", lambda _: ACTIVE),
        "I9 I22 I28",  # it heeds no alarm either
        ("all mute", "order_book: mute", "book crossed", *FEED_GONE),
        given=WIDE,
    ),
    Bug(
        "places while paused",
        swap(Loop, "may_quote", lambda _: True),
        "I8",
        (*("book empty", "all mute", "feed lags 4 s"),),
    ),
    Bug("never pulls", swap(Puller, "pull", lambda *_: None), "I22", ("all mute",)),
    Bug("never connects again", around(BackOff, "record", _pauses_for_ever), "I20 I13", FEED_GONE),
    Bug("crosses itself", _crossing, "I15 I1", ("price +3 %", "price -3 %", *CANCELS)),
    Bug(
        "crosses the book", swap(Ticker, "would_rest", lambda *_: True), "I10", ("strategy takes",)
    ),
    Bug(
        "does not heed the position as shown",
        swap(PositionLedger, "exposure", _own_alone),
        "I2",
        ("foreign trade",),
        given=(("MIN_POSITION", -700), ("MAX_POSITION", 700)),
    ),
    Bug(
        "says that all is proven gone without a look",
        around(Watch, "pull", _blind_pull),
        "I34 I21 I3",
        ("kill -9", "venue down"),
        is_wide=True,
    ),
    Bug("moves funds", around(OrderManager, "place_orders", _transfer), "I25"),
    Bug("has the sign of a profit wrong", around(ProfitLedger, "profit", _negative), "I26"),
    Bug(
        "knows no cap but the position's",
        around(Converger, "_limits", _no_caps),
        "I27",
        given=(("MAX_OPEN_VALUE", 0.01), ("MAX_ORDER_QTY", 120)),
    ),
    Bug(
        "loses more than it may",
        around(
            AccountWatch,
            "check",
            lambda right, *a: [e for e in right(*a) if not e.startswith("loss")],
        ),
        "I27",
        given=(("MAX_LOSS", 1e-6), *WIDE),
    ),
    Bug("pauses for nothing", around(safety, "assess", _pauses_now_and_then), "I29"),
    Bug(
        "bids alone",
        around(Converger, "converge", lambda right, self, buys, _: right(self, buys, [])),
        "I20 I29",
    ),
    Bug(
        "trusts its estimate of a clock that was set back",
        swap(VenueClock, "is_contradicted", lambda _: False),
        "I23",
        ("venue clock -20 s", "venue clock steps back"),
    ),
    Bug(
        "does not list what it leaves",
        around(Executor, "cancel_all", _lists_nothing),
        "I3",
        ("SIGTERM", "venue down", "black hole"),
    ),
    Bug(
        "does not read its settings again",
        swap(Reloader, "look", lambda _: (set(), [])),
        "I31",
        ("setting changed",),
        is_wide=True,
    ),
    Bug(
        "stays live when it is told to be dry",
        swap(Orders, "go_dry", lambda _: None),
        "I30",
        ("becomes a dry run",),
        is_wide=True,
    ),
    Bug(
        "its guard does nothing",
        swap(Watch, "pull", lambda *_: None),
        "I34",
        ("kill -9",),
        is_wide=True,
    ),
    Bug(
        "its guard takes its time",
        swap(sweep, "LOOK_AGAIN", 30.0),
        "I34",
        ("kill -9",),
        is_wide=True,
    ),
    Bug("locks nothing", swap(InstanceLock, "_wait_for_lock", lambda _: None), "I35", is_wide=True),
    Bug("always closes", around(risk, "gate", _all_close), "I18"),
]
