"""From a strategy's wanted orders to requests: exact, within the limits, and the fewest."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from market_maker import strategy
from market_maker.clock import Clock
from market_maker.decimals import exact, plain
from market_maker.errors import InvalidOrder, Temporary
from market_maker.models import OpenOrder, Side, Snapshot
from market_maker.safety import TradingState
from market_maker.settings import settings
from market_maker.strategy import Decided
from market_maker.trading.create_brake import CreateBrake
from market_maker.trading.exchange_interface import ExchangeInterface
from market_maker.trading.loop import Loop
from market_maker.trading.order_keys import Asked, asked_of, side_of
from market_maker.trading.status import PlanLog

logger = logging.getLogger(__name__)

NOTES, LONGEST_NOTE = 50, 300
"""Most lines that a strategy may say in a tick, and most characters of one."""


class Converger:
    """Turns the open orders into the wanted ones. It decides once for equal inputs."""

    def __init__(
        self,
        exchange: ExchangeInterface,
        loop: Loop,
        clock: Clock,
        check_place: Callable[[], None] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._loop = loop
        self._clock = clock
        self._check_place = check_place
        exchange.place, loop.take_returned = self.place, self.take_returned
        self._brake = CreateBrake()
        self._log = PlanLog()
        self._decided: Decided | None = None
        self._recorded: Decided | None = None
        self._notes: list[str] = []
        self._noted_in: float | None = None
        """When the tick began that the notes are of."""
        self._converged_in = 0
        """Which time the strategy was asked when it last converged."""

    def converge(
        self, buy_orders: Sequence[Mapping[str, Any]], sell_orders: Sequence[Mapping[str, Any]]
    ) -> None:
        """See `OrderManager.converge_orders()`."""
        if not (_is_list(buy_orders) and _is_list(sell_orders)):
            raise InvalidOrder("converge_orders() takes two lists of orders: buys and sells")
        self._check_may_place()
        self._warn_of_another_call()
        seen, snapshot = self._exchange.snapshot(), self._exchange.view.read()
        asked = [asked_of(order, Side.BUY, snapshot.instrument) for order in buy_orders]
        asked += [asked_of(order, Side.SELL, snapshot.instrument) for order in sell_orders]
        _check_number(len(asked), 0)
        decided = self._decide(asked, snapshot)
        self._execute(replace(decided, seen=None if seen == snapshot else seen), len(asked))

    def place(self, orders: Sequence[Mapping[str, Any]]) -> list[OpenOrder]:
        """Place orders beside the open ones, within the limits.

        Returns those that the venue has accepted, filled at once or not, or may have accepted.
        Raises as `converge()` does, for no order, too.
        """
        self._check_may_place()
        if not orders:
            return []
        snapshot = self._exchange.view.read()
        asked = [asked_of(order, None, snapshot.instrument) for order in orders]
        _check_number(len(asked), len(snapshot.orders))
        more, limits = tuple([each.request for each in asked]), self._limits()
        decision = strategy.decide_more(more, snapshot, limits)
        inputs = (more, snapshot, limits, exact(settings.RELIST_INTERVAL))
        decided = Decided(*inputs, decision, is_beside=True, given=_given(asked))
        return self._execute(decided, len(asked) + len(snapshot.orders))

    def explain(self, text: str) -> None:
        """Keep what the strategy says of the orders of this tick, for the journal."""
        if self._noted_in != self._loop.asked_at:
            self._noted_in, self._notes = self._loop.asked_at, []
        if len(self._notes) < NOTES:
            self._notes.append(text[:LONGEST_NOTE])

    def explain_sides(self, *, is_whole: bool) -> None:
        """Keep in words how far the levels of the ladder are apart, and why a side is missing."""
        self.explain(f"Each level is INTERVAL {settings.INTERVAL} further out")
        for words, figures in () if is_whole else self.full_sides():
            self.explain(f"{words}: {figures}")

    def take_returned(self, returned: object) -> None:
        """Converge to the orders that `place_orders()` has returned, a list or a generator."""
        if inspect.isawaitable(returned) or inspect.isasyncgen(returned):
            if inspect.iscoroutine(returned):
                returned.close()  # else Python warns that it was never awaited
            raise InvalidOrder("place_orders() is async, and nobody awaits it: define it with def")
        if isinstance(returned, str | Mapping) or not isinstance(returned, Iterable):
            raise InvalidOrder(
                f"place_orders() returned a {type(returned).__name__}: it must call "
                "converge_orders(), or return a list of orders, or two: buys and sells"
            )
        orders = [each for some in returned for each in (some if _is_list(some) else [some])]
        sides = [side_of(order) for order in orders]
        self.converge(
            *([o for o, s in zip(orders, sides, strict=True) if s is side] for side in Side)
        )

    def has_room(self, side: Side) -> bool:
        """Return whether the position limits allow another order of this side."""
        room = strategy.Room(side, self._exchange.snapshot(), self._limits(), ())
        return not room.is_used_up

    def full_sides(self) -> list[tuple[str, str]]:
        """Return in words which side the position limits allow no order of, and the figures."""
        limits, snapshot, found = self._limits(), self._exchange.snapshot(), []
        for side, name, words in (
            (Side.BUY, "MAX_POSITION", "Long position limit reached, no more buys"),
            (Side.SELL, "MIN_POSITION", "Short position limit reached, no more sells"),
        ):
            if not limits.reducing and not self.has_room(side):
                held = side.sign * strategy.held_at_most(side, snapshot, limits)
                found.append((words, f"up to {plain(held)}, {name} {getattr(settings, name)}"))
        return found

    def _execute(self, decided: Decided, wanted: int) -> list[OpenOrder]:
        """Send what was decided, but for what is held back; return the orders created."""
        decision = decided.decision
        plan, held = self._brake.hold_back(decision.plan, wanted, self._clock.monotonic())
        notes = tuple(self._notes) if self._noted_in == self._loop.asked_at else ()
        self._record(replace(decided, notes=notes, held=held))
        self._log.log(plan, decision.dropped)
        try:
            if self._exchange.execute(plan):
                self._brake.rest(self._clock.monotonic(), settings.API_ERROR_INTERVAL)
        finally:
            sent = self._exchange.orders.executor.take_sent()
            self._brake.record(len(sent), self._clock.monotonic())
        return sent

    def _decide(self, asked: Sequence[Asked], snapshot: Snapshot) -> Decided:
        limits, relist, last = self._limits(), exact(settings.RELIST_INTERVAL), self._decided
        inputs = (tuple([each.request for each in asked]), snapshot, limits, relist)
        if last is None or (last.wanted, last.snapshot, last.limits, last.relist) != inputs:
            decision = strategy.decide(*inputs[:3], relist=relist)
            last = self._decided = Decided(*inputs, decision)
        return replace(last, given=_given(asked))

    def _record(self, decided: Decided) -> None:
        """Record a decision: the same object as before, where it is equal."""
        if decided != self._recorded:
            self._recorded = decided
        self._exchange.records.decision(self._recorded)

    def _warn_of_another_call(self) -> None:
        """Warn where a tick converges twice: the second time undoes what the first has done."""
        if self._loop.asked_at is not None and self._loop.asks == self._converged_in:
            logger.warning(
                "converge_orders() was called twice in a tick: the later call replaces all orders "
                "of the earlier. Give one call all buys and all sells."
            )
        self._converged_in = self._loop.asks

    def _limits(self) -> strategy.Limits:
        return strategy.Limits(
            check=settings.CHECK_POSITION_LIMITS,
            min_position=exact(settings.MIN_POSITION),
            max_position=exact(settings.MAX_POSITION),
            hedge=settings.POSITION_MODE == "hedge",
            collar=exact(settings.PRICE_COLLAR),
            max_order_qty=exact(settings.MAX_ORDER_QTY),
            max_open_value=exact(settings.MAX_OPEN_VALUE or "Infinity"),
            max_orders=self._exchange.orders.executor.order_limit(settings.MAX_OPEN_ORDERS),
            reducing=self._loop.health.state is TradingState.REDUCING,
        )

    def _check_may_place(self) -> None:
        """Raise Temporary when the trading state allows no orders, or the strategy took too long.

        Too long is longer than a quote may rest unconfirmed. Raises as `Run.check_place()` does.
        """
        self._check_place()
        if not self._loop.is_ticking:
            self._loop.assess()
        health = self._loop.health
        if not self._loop.may_quote():
            raise Temporary(f"{health.state.value}, orders not placed: {health.reason}")
        asked_at = self._loop.asked_at
        took = 0.0 if asked_at is None else self._clock.monotonic() - asked_at
        limit = self._loop.quote_ttl()
        if took > limit:
            raise Temporary(f"strategy took {took:.0f} s, limit {limit:g} s: orders not placed")


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)


def _given(asked: Sequence[Asked]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple([each.given for each in asked])


def _check_number(wanted: int, beside: int) -> None:
    if wanted + beside > settings.MAX_OPEN_ORDERS:
        others = f" beside {beside} open ones" if beside else ""
        raise InvalidOrder(
            f"{wanted} orders are wanted{others}, MAX_OPEN_ORDERS is {settings.MAX_OPEN_ORDERS}"
        )
