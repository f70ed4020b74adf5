"""A look at market and account, read from the venue without sending an order."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from market_maker.clock import SYSTEM
from market_maker.decimals import plain
from market_maker.errors import (
    RequestError,
    SettingsError,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.models import (
    ZERO,
    Exposure,
    Fund,
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.money import Leverage, bound, value
from market_maker.outlook import Volatility, realised
from market_maker.simulation.restage import Seen
from market_maker.strategy import cost
from market_maker.symbol import base_of

CANDLES = 100
DEPTH = 50
ATOM = Decimal("1e-8")
"""The step of coins that are assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What the command line says of the account, and without a key its default; None: not said."""

    balance: Decimal | None = None
    """Of the settlement currency; on spot of the quote currency."""
    position: Decimal | None = None
    """Contracts, below zero short; on spot the base currency that is there to be sold."""
    leverage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: facts to decide on, oldest first, and what decides nothing."""

    seen: tuple[Seen, ...]
    leverage: Leverage
    volatility: Volatility | None
    """None where the venue has no candles."""
    notes: tuple[str, ...]


DEFAULT_LEVERAGE = Decimal(10)
"""What is assumed of it; also that of a new account of the paper exchange."""


def look(gte: GTE, assumed: Assumed, *, default: Decimal, every: float, watch: float) -> Look:
    """Look at market and account each `every` seconds until `watch` have passed; at least once.

    `default` is the balance where neither the account nor the command line tells it. Raises
    VenueUnreachable for a market without a sound book, and RequestError.
    """
    reader = _Reader(gte, assumed, default)
    seen = [reader.see()]
    deadline = SYSTEM.monotonic() + watch
    while SYSTEM.monotonic() + every <= deadline:
        SYSTEM.sleep(every)
        seen.append(reader.see())
    return Look(tuple(seen), reader.leverage, _volatility(gte), reader.notes())


class _Reader:
    """Reads the account once and the market each time; what is not read is assumed."""

    def __init__(self, gte: GTE, assumed: Assumed, default: Decimal) -> None:
        self._gte, self._assumed, self._default = gte, assumed, default
        self._has_key = bool(gte.account.api_key)
        self._known: dict[str, list[str]] = {"read": [], "assumed": []}
        """What is known of the account and how, in words."""
        self._own = gte.open_orders_http() if self._has_key else []
        rest = gte.query_orders() if self._has_key and not gte.account.is_contract else []
        self._unknown = sum(not order.client_oid for order in rest)
        """On spot the venue shows no client_oid."""
        self._instrument, ticker, _ = self._market()
        self._first = self._instrument.valuation_price or ticker.near
        self.leverage = self._leverage()
        self._margin, self._funds = self._account()
        self._position = self._assumed_position()

    def see(self) -> Seen:
        """Return the market of now, with the account."""
        instrument, ticker, shown = self._market()
        position = _without(self._own, shown) if self._position is None else self._position
        snapshot = Snapshot(
            instrument=instrument,
            ticker=ticker,
            orders=(),
            position=position,
            exposure=Exposure.of((position.long.qty, position.short.qty)),
            margin=self._margin,
            funds=self._funds,
        )
        depth = self._gte.market_depth(DEPTH)
        book = {
            side: [(Decimal(price), Decimal(size)) for price, size in depth[name]]
            for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
        }
        return Seen(self._gte.clock.now(), snapshot, book)

    def notes(self) -> tuple[str, ...]:
        """Return in words where the account is from."""
        found = [f"{how}: {', '.join(what)}" for how, what in self._known.items() if what]
        if not self._has_key:
            found = [f"no key, so {each}" for each in found]
        if self._own:
            found.append(f"{len(self._own)} own orders rest now; this is as if they did not")
        if self._unknown:
            found.append(
                f"{self._unknown} orders of this account rest, and the venue does not tell whose: "
                "they count as others', and what they use is not free"
            )
        return tuple(found)

    def _market(self) -> tuple[Instrument, Ticker, Position]:
        assert self._gte.ws
        own: dict[tuple[Side, Decimal], Decimal] = {}
        for order in self._own:
            place = (order.side, order.price)
            own[place] = own.get(place, ZERO) + order.remaining
        instrument, ticker, position = self._gte.ws.view(own)
        if instrument is None or ticker.is_crossed or not ticker.near:
            raise VenueUnreachable(f"{self._gte.symbol}: no sound order book is shown")
        rest = self._gte.instrument_query()
        instrument = replace(
            instrument,
            last_price=instrument.last_price or rest.last_price,
            mark_price=instrument.mark_price or rest.mark_price,
            index_price=instrument.index_price or rest.index_price,
            mid_price=None if instrument.is_contract else ticker.mid,
        )
        return instrument, replace(ticker, last=instrument.last_price), position

    def _account(self) -> tuple[Margin, Mapping[Side, Fund]]:
        """Return the account, and on spot what orders of each side may use."""
        gte, assumed, is_contract = self._gte, self._assumed, self._gte.account.is_contract
        read = gte.account_query() if self._has_key and assumed.balance is None else []
        balance = self._default if assumed.balance is None else assumed.balance
        margin = Margin(currency=gte.asset, total=balance, available=balance)
        margin = read[0] if read else margin
        self._note(f"balance {plain(margin.total)} {gte.asset}", is_read=bool(read))
        if is_contract:
            rests = [replace(order, qty=order.remaining) for order in self._own]
            free = bound(self._instrument, rests, self.leverage)[gte.asset] if read else ZERO
            return replace(margin, available=margin.available + free), {}
        base = base_of(gte.symbol)
        if (assumed.position or ZERO) < 0:
            raise SettingsError(f"--position of {gte.symbol} is what is held of {base}: 0 or more")
        coins = gte.account_query(base) if self._has_key and assumed.position is None else []
        some = assumed.position or ZERO
        if assumed.position is None and self._first:
            some = (margin.total / self._first).quantize(ATOM)
        held = coins[0] if coins else Margin(currency=base, total=some, available=some)
        self._note(f"{plain(held.total)} {base}", is_read=bool(coins))
        funds = {
            side: Fund(
                currency=row.currency, total=row.total, usable=row.available + cost(side, self._own)
            )
            for side, row in ((Side.BUY, margin), (Side.SELL, held))
        }
        return replace(margin, available=funds[Side.BUY].usable), funds

    def _assumed_position(self) -> Position | None:
        """Return the position that is assumed, opened now; None where the account's counts."""
        if not self._gte.account.is_contract:
            return Position()
        if self._has_key and self._assumed.position is None:
            assert self._gte.ws
            net = self._gte.ws.position().net
            self._note(f"position {plain(net)}", is_read=True)
            return None
        net = self._assumed.position or ZERO
        if net % self._instrument.lot:
            raise SettingsError(f"--position {plain(net)} is no multiple of the lot")
        self._note(f"position {plain(net)}", is_read=False)
        bound_by_it = value(self._instrument, abs(net), self._first) / self.leverage.of(net > 0)
        self._margin = replace(
            self._margin, available=self._margin.total - bound_by_it, position_margin=None
        )
        long, short = (
            Leg(qty=max(each, ZERO), available=max(each, ZERO), entry_price=self._first)
            for each in (net, -net)
        )
        return Position(long=long, short=short)

    def _leverage(self) -> Leverage:
        """Return the leverage in force, or the one that is assumed."""
        if not self._gte.account.is_contract:
            return Leverage(Decimal(1), Decimal(1))
        found = None
        if self._has_key and self._assumed.leverage is None:
            row = self._gte.setting_query()
            found = _leverage_of(row)
        each = self._assumed.leverage or DEFAULT_LEVERAGE
        leverage = found or Leverage(each, each)
        legs = plain(leverage.long)
        legs += "" if leverage.long == leverage.short else f" long, {plain(leverage.short)} short"
        mode = "cross" if leverage.is_cross else "isolated"
        self._note(f"leverage {legs} {mode}", is_read=found is not None)
        return leverage

    def _note(self, words: str, *, is_read: bool) -> None:
        self._known["read" if is_read else "assumed"].append(words)


def _leverage_of(row: Mapping[str, Any]) -> Leverage | None:
    """Return the leverage of an answer of `setting_query()`; None where it cannot be read."""
    try:
        is_cross = str(row["margin_mode"]) == "1"
        names = ("cross_leverage",) * 2 if is_cross else ("bid_leverage", "ask_leverage")
        long, short = (Decimal(str(row[name])) for name in names)
    except (KeyError, ArithmeticError):
        return None
    is_sound = all(each.is_finite() and each > 0 for each in (long, short))
    return Leverage(long, short, is_cross) if is_sound else None


def _without(own: Iterable[OpenOrder], position: Position) -> Position:
    """Return the position with what own closing orders reserve of it available again."""
    bound = {
        side: sum((o.remaining for o in own if o.close and o.side is side), ZERO) for side in Side
    }
    long, short = position.long, position.short
    return replace(
        position,
        long=replace(long, available=min(long.qty, long.available + bound[Side.SELL])),
        short=replace(short, available=min(short.qty, short.available + bound[Side.BUY])),
    )


def _volatility(gte: GTE) -> Volatility | None:
    """Return the volatility of the last candles of a minute; None where there are too few."""
    try:
        rows = gte.candle_query(interval=1, size=CANDLES)
        closes = sorted((int(row[0]), float(row[4])) for row in rows)
    except (RequestError, ValueError, IndexError, TypeError, KeyError):
        return None
    return realised([each for each in closes if math.isfinite(each[1])])
