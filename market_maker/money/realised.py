"""The profit that closed contracts have realised, and what open ones are worth."""

from dataclasses import dataclass
from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Position
from market_maker.money.valuation import BELIEVABLE, value


@dataclass(frozen=True, slots=True)
class Unseen:
    """A change of a leg that no fill explains, and the worth that it is counted at."""

    is_long: bool
    qty: Decimal
    """In contracts; below zero the leg has become smaller."""
    worth: Decimal
    """Of this quantity, in the settlement currency, above zero."""

    @property
    def signed(self) -> Decimal:
        """Return by how much the net position has changed."""
        return self.qty if self.is_long else -self.qty


@dataclass(frozen=True, slots=True)
class _Leg:
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    """Its worth when it was opened."""
    entry_step: Decimal = ZERO
    """By how much the entry price may be off, as a fraction: it is one that the venue printed."""


class Realised:
    """What each leg has realised, before fees, by its average cost.

    Contracts that an earlier run has opened, or nobody knows who, come with the entry price that
    the venue shows.
    """

    def __init__(self) -> None:
        self.total = ZERO
        """By own fills, and by what has gone without a fill."""
        self.by_hand = ZERO
        """By fills of orders that are not of this run."""
        self._legs: dict[bool, _Leg] = {True: _Leg(), False: _Leg()}
        """The long leg (True) and the short one."""

    @property
    def net(self) -> Decimal:
        """Contracts held long less those held short."""
        return self._legs[True].qty - self._legs[False].qty

    def book(self, fill: Fill, worth: Decimal, *, by_hand: bool = False) -> None:
        """Book a fill, once; `by_hand`: of an order that is not of this run."""
        leg = self._legs[fill.is_long]
        if not fill.order.close:
            opened = _Leg(leg.qty + fill.qty, leg.cost + worth, leg.entry_step)
            self._legs[fill.is_long] = opened
        elif leg.qty:
            closed = min(fill.qty, leg.qty)
            before = self.total
            self._close(fill.is_long, closed, worth * closed / fill.qty)
            if by_hand:
                self.by_hand += self.total - before
                self.total = before

    def begin(self, shown: Position, instrument: Instrument) -> None:
        """Take the legs of the beginning with the entry prices that the venue shows."""
        for is_long, row in ((True, shown.long), (False, shown.short)):
            price = row.entry_price or instrument.mark_price
            cost = value(instrument, row.qty, price) if price else ZERO
            step = _step(row.entry_price) if row.entry_price else Decimal(1)
            self._legs[is_long] = _Leg(row.qty, cost, step) if row.qty else _Leg()

    def see(self, shown: Position, instrument: Instrument, mark: Decimal | None) -> list[Unseen]:
        """Take the legs as shown where no fill explains them; return what has changed.

        What has gone counts as closed at the `mark` of then; what has come, as opened at the price
        that makes the average the one shown.
        """
        changes = []
        for is_long, row in ((True, shown.long), (False, shown.short)):
            leg, more = self._legs[is_long], row.qty - self._legs[is_long].qty
            if not more:
                continue
            price = mark or row.entry_price or instrument.mark_price
            if price:
                worth = value(instrument, abs(more), price)
            else:
                worth = leg.cost * abs(more) / leg.qty if leg.qty else ZERO
            if more > 0:
                entry = row.entry_price
                implied = value(instrument, row.qty, entry) - leg.cost if entry else ZERO
                if worth and abs(implied / worth - 1) < BELIEVABLE:
                    worth = implied
                self._legs[is_long] = _Leg(row.qty, leg.cost + worth, Decimal(1))
            else:
                self._close(is_long, -more, worth)
            changes.append(Unseen(is_long, more, worth))
        return changes

    def _close(self, is_long: bool, qty: Decimal, worth: Decimal) -> None:
        leg = self._legs[is_long]
        cost = leg.cost * qty / leg.qty
        self.total += cost - worth if is_long else worth - cost
        left = _Leg(leg.qty - qty, leg.cost - cost, leg.entry_step)
        self._legs[is_long] = left if left.qty else _Leg()

    def unrealised(self, is_long: bool, worth: Decimal) -> tuple[Decimal, Decimal]:
        """Return what a leg of this worth gains, and by how much that may be off."""
        leg = self._legs[is_long]
        gain = leg.cost - worth if is_long else worth - leg.cost
        return gain, leg.cost * leg.entry_step

    def qty(self, is_long: bool) -> Decimal:
        """Return the contracts of a leg."""
        return self._legs[is_long].qty


def _step(price: Decimal) -> Decimal:
    """Return the last printed digit of a price as a fraction of it."""
    exponent = price.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0) / price
