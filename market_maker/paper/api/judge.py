"""The judge: audits what one owner did, from the venue's own records."""

from collections import Counter, deque
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from market_maker.paper.exchange.account import ZERO, LegKey
from market_maker.paper.exchange.blotter import Order, Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.errors import Code
from market_maker.paper.exchange.events import (
    Action,
    Event,
    Filled,
    Liquidated,
    OrderChanged,
    Traded,
)
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.history import Trade
from market_maker.paper.exchange.instrument import CONTRACT, Key

KEPT_ENTRIES = 100_000


@dataclass(frozen=True)
class OwnFill:
    """One fill of the audited owner's orders; `time` is ms UTC."""

    order_id: int
    client_oid: str | None
    side: Side
    close: bool
    price: Decimal
    qty: Decimal
    maker: bool
    time: int


@dataclass
class Exposure:
    """The largest exposure in one symbol, in contracts, if every live order had been filled."""

    long: Decimal = ZERO
    short: Decimal = ZERO
    net_long: Decimal = ZERO
    net_short: Decimal = ZERO


@dataclass
class Turnover:
    """The coins bought and sold in one spot instrument."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO


@dataclass
class Report:
    """The audit report on one owner."""

    requests: Counter[str] = field(default_factory=Counter)  # by endpoint
    refusals: Counter[int] = field(default_factory=Counter)  # by error code
    breaches: Counter[str] = field(default_factory=Counter)  # of rate limits (-10053), by endpoint
    accepted: int = 0
    filled: int = 0  # orders filled completely
    cancelled: int = 0
    open: int = 0  # orders left in the book
    bought: Decimal = ZERO  # contracts
    sold: Decimal = ZERO
    coins: dict[Key, Turnover] = field(default_factory=dict)  # spot
    fills: list[OwnFill] = field(default_factory=list)  # the latest KEPT_ENTRIES
    doubled: list[tuple[int, int]] = field(default_factory=list)  # two live ids, one price
    self_trades: int = 0
    liquidations: int = 0
    exposure: dict[Key, Exposure] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One entry of the journal: a request and its code, or an order and its status."""

    time: int
    what: str
    subject: str
    result: int


def in_words(report: Report) -> list[str]:
    """Return an audit report as lines of text."""
    requests = ", ".join(f"{name} {count}" for name, count in sorted(report.requests.items()))
    errors = ", ".join(f"{code} {count}" for code, count in sorted(report.refusals.items()))
    lines = [
        f"requests: {requests or 'none'}",
        f"limit breaches: {sum(report.breaches.values())}",
        f"errors: {errors or 'none'}, liquidations: {report.liquidations}",
        f"orders: {report.accepted} accepted, {report.filled} filled, "
        f"{report.cancelled} cancelled, {report.open} left open",
        f"contracts: bought {_short(report.bought)}, sold {_short(report.sold)}",
        f"doubled in one price level: {len(report.doubled)}, self-trades: {report.self_trades}",
    ]
    for key, coins in report.coins.items():
        bought, sold = _short(coins.bought), _short(coins.sold)
        lines.append(f"coins in {key.symbol}: bought {bought}, sold {sold}")
    for key, worst in report.exposure.items():
        lines.append(
            f"worst exposure in {key.symbol}/{key.area}: net {_short(worst.net_long)} long, "
            f"{_short(worst.net_short)} short; legs {_short(worst.long)} long, "
            f"{_short(worst.short)} short"
        )
    return lines


def as_plain(value: Any) -> Any:
    """Return a report or an entry as a JSON value, with decimals as text."""
    match value:
        case Report() | Entry() | OwnFill() | Turnover() | Exposure():
            return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
        case dict():
            return {_name(key): as_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [as_plain(item) for item in value]
        case Side():
            return value.name.lower()
        case Decimal():
            return str(value)
    return value


def _name(key: object) -> str:
    return "/".join(key) if isinstance(key, Key) else str(key)


class Judge:
    """Watches one owner. It never changes anything at the exchange."""

    def __init__(self, owner: str, exchange: Exchange) -> None:
        self.owner = owner
        self._exchange = exchange
        self.report = Report()
        self.journal: deque[Entry] = deque(maxlen=KEPT_ENTRIES)

    def requested(self, endpoint: str, code: int, now: int) -> None:
        """Record a request and the code of its reply; `now` is ms UTC."""
        self.journal.append(Entry(now, "request", endpoint, code))
        self.report.requests[endpoint] += 1
        if code:
            self.report.refusals[code] += 1
        if code == Code.TOO_FREQUENT:
            self.report.breaches[endpoint] += 1

    def see(self, event: Event, now: int) -> None:
        """Record an event at the exchange; `now` is ms UTC."""
        match event:
            case OrderChanged(action, order) if order.owner == self.owner:
                if action is not Action.DELETE:
                    entry = Entry(now, "order", str(order.order_id), order.status)
                    self.journal.append(entry)
                self._see_order(action, order)
            case Filled(order, trade, maker) if order.owner == self.owner:
                self._see_fill(order, trade, maker)
            case Liquidated(owner, leg) if owner == self.owner:
                self.report.liquidations += 1
                self._see_exposure(Key(CONTRACT, *leg.contract))
            case Traded(_, _, maker, taker) if maker == taker == self.owner:
                self.report.self_trades += 1

    def _see_order(self, action: Action, order: Order) -> None:
        report = self.report
        if action is Action.INSERT:
            report.accepted += 1
            report.doubled += [
                (other.order_id, order.order_id)
                for other in self._exchange.blotter.live(self.owner)
                if other.order_id != order.order_id and _slot(other) == _slot(order)
            ]
            self._see_exposure(order.instrument.key)
        elif action is Action.DELETE and order.status is Status.FILLED:
            report.filled += 1
        elif action is Action.DELETE:
            report.cancelled += 1
        report.open = len(self._exchange.blotter.live(self.owner))

    def _see_fill(self, order: Order, trade: Trade, maker: bool) -> None:
        self.report.fills.append(
            OwnFill(
                order.order_id,
                order.client_oid,
                order.side,
                order.close,
                trade.price,
                trade.qty,
                maker,
                trade.time,
            )
        )
        del self.report.fills[:-KEPT_ENTRIES]
        key, total = order.instrument.key, self.report
        turnover = total if key.kind == CONTRACT else total.coins.setdefault(key, Turnover())
        if order.side is Side.BUY:
            turnover.bought += trade.qty
        else:
            turnover.sold += trade.qty
        self._see_exposure(key)

    def _see_exposure(self, key: Key) -> None:
        if key.kind != CONTRACT:
            return
        account = self._exchange.ledger.accounts[self.owner]
        long, short = (account.qty(LegKey(key.area, key.symbol, side)) for side in (True, False))
        worst = self.report.exposure.setdefault(key, Exposure())
        opening = {Side.BUY: ZERO, Side.SELL: ZERO}
        either = {Side.BUY: ZERO, Side.SELL: ZERO}
        for order in self._exchange.blotter.live(self.owner):
            if order.instrument.key == key:
                either[order.side] += order.left
                if not order.close:
                    opening[order.side] += order.left
        worst.long = max(worst.long, long + opening[Side.BUY])
        worst.short = max(worst.short, short + opening[Side.SELL])
        worst.net_long = max(worst.net_long, long - short + either[Side.BUY])
        worst.net_short = max(worst.net_short, short - long + either[Side.SELL])


def _slot(order: Order) -> tuple[object, ...]:
    return order.instrument.key, order.side, order.close, order.price


def _short(value: Decimal) -> str:
    return f"{value.normalize():f}"
