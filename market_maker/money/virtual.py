"""What the virtual fills of a dry run have made of the position."""

from dataclasses import replace
from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Leg, Position
from market_maker.money.money import Money
from market_maker.money.valuation import PRICE_DECIMALS, value_of_fill


class VirtualLedger:
    """Legs, and the money of their fills, by one model of what the market would have filled."""

    def __init__(self, money: Money) -> None:
        self.money = money
        self._legs = {True: _Leg(), False: _Leg()}
        """By whether it is long."""

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book a virtual fill in the legs; in the money it is booked as any other."""
        self._legs[fill.is_long].book(fill, instrument)

    def possible(self, fill: Fill, real: Position) -> Fill | None:
        """Return what of a fill the leg allows: a close of what was never opened is none."""
        if not fill.order.close:
            return fill
        held = self.position(real)
        qty = min(fill.qty, (held.long if fill.is_long else held.short).qty)
        return replace(fill, qty=qty) if qty else None

    def position(self, real: Position) -> Position:
        """Return the position: the real one of the account, if any, and these fills."""
        long, short = (
            self._legs[is_long].on(leg, real.at)
            for is_long, leg in ((True, real.long), (False, real.short))
        )
        return Position(long=long, short=short, at=real.at)


class _Leg:
    """The change of a leg, and the worth of what was opened, for its entry price."""

    def __init__(self) -> None:
        self._qty = self._face = self._worth = ZERO

    def book(self, fill: Fill, instrument: Instrument) -> None:
        if fill.order.close:
            part = min(fill.qty / self._qty, Decimal(1)) if self._qty > 0 else ZERO
            self._qty -= fill.qty
            self._face, self._worth = self._face * (1 - part), self._worth * (1 - part)
            return
        self._qty += fill.qty
        self._face += fill.qty * instrument.face_value
        self._worth += value_of_fill(fill, instrument)

    def on(self, leg: Leg, at: float) -> Leg:
        """Return the leg with this change."""
        qty = leg.qty + self._qty
        entry = round(self._face / self._worth, PRICE_DECIMALS) if self._worth else ZERO
        entry = leg.entry_price if leg.qty else entry if qty else ZERO
        return Leg(qty=qty, available=qty, entry_price=entry, arrival=leg.arrival, at=at)
