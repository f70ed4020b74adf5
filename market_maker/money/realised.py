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
    own: Decimal = ZERO
    """How many of the contracts that have gone own fills had opened."""

    @property
    def signed(self) -> Decimal:
        """Return by how much the net position has changed."""
        return self.qty if self.is_long else -self.qty

    @property
    def own_part(self) -> tuple[Decimal, Decimal]:
        """Return what has gone of the run's own position, signed as `signed`, and its worth."""
        if not self.own:
            return ZERO, ZERO
        return (-self.own if self.is_long else self.own), self.worth * self.own / abs(self.qty)


@dataclass(frozen=True, slots=True)
class _Leg:
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    """Its worth when it was opened."""
    own: Decimal = ZERO
    """The part of it that own fills have opened."""
    entry_step: Decimal = ZERO
    """By how much the entry price may be off, as a fraction: it is one that the venue printed."""

    def own_of(self, qty: Decimal) -> Decimal:
        """Return how many own contracts go with so many, of which others' go first."""
        return max(qty - (self.qty - self.own), ZERO)


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

    def book(self, fill: Fill, worth: Decimal) -> None:
        """Book an own fill of this worth, once."""
        leg = self._legs[fill.is_long]
        if not fill.order.close:
            self._open(fill.is_long, fill.qty, worth, own=fill.qty)
        elif leg.qty:
            closed = min(fill.qty, leg.qty)
            own = min(closed, leg.own)
            self.total += self._close(fill.is_long, closed, worth * closed / fill.qty, own=own)

    def book_by_hand(self, fill: Fill, worth: Decimal) -> Unseen:
        """Book a fill of an order that is not of this run, once; return how its leg has changed.

        It closes what own fills have opened last.
        """
        leg = self._legs[fill.is_long]
        if not fill.order.close:
            self._open(fill.is_long, fill.qty, worth)
            return Unseen(fill.is_long, fill.qty, worth)
        closed = min(fill.qty, leg.qty)
        own = leg.own_of(closed)
        if closed:
            self.by_hand += self._close(fill.is_long, closed, worth * closed / fill.qty, own=own)
        return Unseen(fill.is_long, -fill.qty, worth, own)

    def begin(self, shown: Position, instrument: Instrument) -> None:
        """Take the legs of the beginning with the entry prices that the venue shows."""
        for is_long, row in ((True, shown.long), (False, shown.short)):
            price = row.entry_price or instrument.mark_price
            cost = value(instrument, row.qty, price) if price else ZERO
            step = _step(row.entry_price) if row.entry_price else Decimal(1)
            self._legs[is_long] = _Leg(row.qty, cost, ZERO, step) if row.qty else _Leg()

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
                self._open(is_long, more, worth, entry_step=Decimal(1))
                changes.append(Unseen(is_long, more, worth))
            else:
                own = leg.own_of(-more)
                self.total += self._close(is_long, -more, worth, own=own)
                changes.append(Unseen(is_long, more, worth, own))
        return changes

    def _open(
        self,
        is_long: bool,
        qty: Decimal,
        worth: Decimal,
        *,
        own: Decimal = ZERO,
        entry_step: Decimal = ZERO,
    ) -> None:
        leg = self._legs[is_long]
        step = max(leg.entry_step, entry_step)
        self._legs[is_long] = _Leg(leg.qty + qty, leg.cost + worth, leg.own + own, step)

    def _close(self, is_long: bool, qty: Decimal, worth: Decimal, *, own: Decimal) -> Decimal:
        """Close a part of a leg at this worth, `own` of it; return what it has earned."""
        leg = self._legs[is_long]
        cost = leg.cost * qty / leg.qty
        left = _Leg(leg.qty - qty, leg.cost - cost, leg.own - own, leg.entry_step)
        self._legs[is_long] = left if left.qty else _Leg()
        return cost - worth if is_long else worth - cost

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
