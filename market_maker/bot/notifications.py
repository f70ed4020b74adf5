"""What a run tells a person who is not there: a halt, a long pause, orders left, each day."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from market_maker.clock import Clock
from market_maker.decimals import plain
from market_maker.errors import OrdersLeft, Temporary
from market_maker.models import Snapshot
from market_maker.notify import About, Kind, Message
from market_maker.safety import LOSS_LIMIT, Health, TradingState
from market_maker.secrecy import fit
from market_maker.settings import settings
from market_maker.symbol import unit_of
from market_maker.trading import Exchange, Quoted

logger = logging.getLogger(__name__)

LONG_PAUSE = 300.0
"""Seconds without quoting after which a person is told."""
DAY_MS = 86_400_000
SOON_MS = 60_000
"""How long a day waits for a price by which its profit is known."""
News = Iterator[tuple[Kind, str]]


class Tells(Protocol):
    """What takes messages (see `notify.Sender`)."""

    def tell(self, message: Message) -> None:
        """Hand a message over, without waiting."""

    def close(self, seconds: float) -> None:
        """Wait so long for those that are still to be sent."""


class StateNews:
    """Finds what of the trading state is worth a message. Times are steady seconds."""

    def __init__(self) -> None:
        self._paused_since: float | None = None
        self._is_told = False
        self._is_halted = False

    def see(self, health: Health, now: float) -> News:
        """Yield what is to be told of this state: its kind, and the text."""
        state, since = health.state, self._paused_since
        if state is TradingState.HALTED:
            if not self._is_halted:
                self._is_halted = True
                is_loss = health.reason.startswith(LOSS_LIMIT)
                yield (
                    Kind.LOSS if is_loss else Kind.HALTED,
                    f"HALTED until a person has looked: {health.reason}. Own orders are "
                    "cancelled, the position stays. Look at the log, stop the bot, and "
                    "start it with --clear-halt to go on.",
                )
        elif state is TradingState.PAUSED:
            if since is None:
                self._paused_since = since = now
            if now - since >= LONG_PAUSE and not self._is_told:
                self._is_told = True
                yield (
                    Kind.PAUSED,
                    f"PAUSED, not quoting for {_minutes(now - since)}: {health.reason}. It goes on "
                    "by itself once that has ended; `marketmaker docs incidents` tells of each "
                    "reason.",
                )
        else:
            if self._is_told and since is not None:
                yield Kind.RESUMED, f"{state.value} again, after {_minutes(now - since)}."
            self._paused_since, self._is_told = None, False


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a run has done so far."""

    fills: int
    profit: Decimal | None
    """After fees and funding, in the settlement currency; None where it is not known."""
    quoted: Quoted


def summary(since: str, before: Totals, now: Totals, *, position: str, currency: str) -> str:
    """Return the text on a day: what has come between two totals."""
    profit = "not known"
    if now.profit is not None and before.profit is not None:
        profit = f"{now.profit - before.profit:+.6f} {currency} ({now.profit:+.6f} in this run)"
    quoted = now.quoted.less(before.quoted)
    return (
        f"{since}: profit after fees {profit}, {now.fills - before.fills} fills, position "
        f"{position}. {quoted}"
    )


class Notifications:
    """Sees each trading state and each heartbeat of a run, and hands over what is worth it.

    It never waits and never raises.
    """

    def __init__(self, exchange: Exchange, to: Tells, clock: Clock) -> None:
        self._exchange = exchange
        self._to = to
        self._clock = clock
        self._state = StateNews()
        self._began_ms = clock.now_ms()
        self._day = self._began_ms // DAY_MS
        self._before: Totals | None = None
        """The totals when the day, or the run, began."""
        self._money = exchange.moneys()[0]

    def see(self, health: Health) -> None:
        """See the trading state of a tick."""
        try:
            for kind, text in self._state.see(health, self._clock.monotonic()):
                tell(self._to, self._clock, kind, text)
            if self._money is not self._exchange.moneys()[0]:  # it has become a dry run
                self._money, self._before = self._exchange.moneys()[0], None
                self._began_ms = self._clock.now_ms()
            if self._before is None or self._before.profit is None:
                self._begin_day()
        except Exception:
            logger.exception("A notification cannot be made.")

    def beat(self) -> None:
        """See that a day has ended, at midnight UTC, and tell of it; soon, if no price is known."""
        day, past_ms = divmod(self._clock.now_ms(), DAY_MS)
        if day <= self._day:
            return
        try:
            seen = self._look()
            now = self._totals(seen)
            if now.profit is None and day == self._day + 1 and past_ms < SOON_MS:
                return
            self._tell_of_day(self._day, seen, now)
        except Exception:
            logger.exception("A notification cannot be made.")
        self._day, self._before = day, None

    def _begin_day(self) -> None:
        """Take the totals that the day counts from; the profit once it is known."""
        found, quoted = self._totals(self._look()), self._exchange.quote_time.so_far()
        before = self._before or Totals(fills=found.fills, profit=None, quoted=quoted)
        self._before = Totals(fills=before.fills, profit=found.profit, quoted=before.quoted)

    def _tell_of_day(self, day: int, seen: Snapshot | None, now: Totals) -> None:
        midnight = datetime.fromtimestamp(day * DAY_MS / 1000, UTC)
        since = f"{midnight:%F} UTC"
        if self._began_ms > day * DAY_MS:
            since += f", since {datetime.fromtimestamp(self._began_ms / 1000, UTC):%H:%M}"
        position = "not known"
        if seen:
            position = f"{plain(seen.position.net)} {unit_of(settings.SYMBOL)}"
        currency = settings.SETTLECURRENCY
        text = summary(since, self._before or now, now, position=position, currency=currency)
        tell(self._to, self._clock, Kind.SUMMARY, text)

    def _look(self) -> Snapshot | None:
        try:
            return self._exchange.snapshot()
        except Temporary:
            return None

    def _totals(self, seen: Snapshot | None) -> Totals:
        money = self._money
        price = seen.instrument.valuation_price if seen else None
        is_known = seen and price and not money.doubt
        return Totals(
            fills=money.trades.fills,
            profit=money.profit(seen.instrument, price) if is_known else None,  # type: ignore
            quoted=self._exchange.quote_time.so_far(),
        )


def tell_of_end(to: Tells, clock: Clock, error: Exception) -> None:
    """Tell that a run has ended with an error, and of orders that may rest at the venue."""
    if isinstance(error, OrdersLeft):
        shown = "; ".join(error.orders) or "which ones is not known"
        text = f"{error}. {shown}. Look at the venue, and cancel them there or with "
        tell(to, clock, Kind.ORDERS_LEFT, f"{text}`marketmaker cancel`.")
        return
    text = f"The bot has ended by an error, {type(error).__name__}: {error}. Its orders are "
    tell(to, clock, Kind.DIED, f"{text}cancelled, the position stays. Look at the log.")


def tell(to: Tells, clock: Clock, kind: Kind, text: str) -> None:
    """Hand over a message about the bot of these settings, without secrets."""
    run = settings.kind_of_run() or "LIVE"
    about = About(symbol=settings.SYMBOL, prefix=settings.ORDERID_PREFIX, run=run)
    to.tell(Message(kind=kind, about=about, text=fit(text), time_ms=clock.now_ms()))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
