"""The ledger of the position: which of its changes our own fills explain, and what they earned.

No REST call of this venue gives positions or fills, so what the feed shows is checked against what
our own orders say. The gap between the two is what was there before us; it moves only when somebody
else trades on the account, or the venue itself does.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Leg, Position

SETTLE = 5.0
"""Seconds that a gap must stand before it is taken for the work of another."""
GOES_ON = 12.0
"""Seconds after which a gap that keeps changing is taken for the work of another, too."""
VANISHED_MS = 5_000
"""A leg that is not shown for so long, while frames of the table go on, may be no more."""
NEAR = Decimal("0.005")
"""How near the mark must have come to the liquidation price, as a fraction."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A change of a leg that no fill of ours explains."""

    is_long: bool
    qty: Decimal
    liquidated: bool = False

    def __str__(self) -> str:
        return f"{'long' if self.is_long else 'short'} {self.qty:+f}"


@dataclass(slots=True)
class _Line:
    """One leg: what our fills have added, and what else there is."""

    own: Decimal = ZERO
    gap: Decimal | None = None
    odd_gap: Decimal | None = None
    odd_since: float = 0.0
    """When the odd gap became what it is."""
    odd_from: float = 0.0
    """When the gap began to be odd, whatever it was then."""
    filled_at: int = 0
    before: Leg = field(default_factory=Leg)
    asked_about: Decimal = ZERO


class Ledger:
    """Follows both legs and the money. Times are seconds of a steady clock."""

    def __init__(self) -> None:
        self._lines = {True: _Line(), False: _Line()}
        self._net = ZERO
        self._value = ZERO

    def book(self, fill: Fill, instrument: Instrument) -> None:
        """Book one of our fills, each once."""
        line = self._lines[fill.is_long]
        line.own += -fill.qty if fill.order.close else fill.qty
        line.filled_at = max(line.filled_at, fill.time)
        self._net += fill.side.sign * fill.qty
        self._value += fill.side.sign * fill.value(instrument)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return what this run has earned before fees, open position at `price` included.

        In the settlement currency. An inverse contract is worth less of it the higher the price.
        """
        worth = instrument.value(abs(self._net), price)
        earned = (worth if self._net > 0 else -worth) - self._value
        return -earned if instrument.is_inverse else earned

    def is_odd(self) -> bool:
        """Say whether a leg is not what our fills make of it; they may be still on their way."""
        return any(line.odd_gap is not None for line in self._lines.values())

    def odd_for(self, now: float) -> float:
        """Return the seconds since a leg began to be so."""
        odd = [line.odd_from for line in self._lines.values() if line.odd_gap is not None]
        return now - min(odd, default=now)

    def see(
        self, position: Position, mark: Decimal | None, now: float, *, known_at: float
    ) -> Jump | None:
        """Compare with what the feed shows; return a change that is not ours, once it has stood.

        `known_at` is when our orders were last looked up: a change since may be a fill of ours that
        nobody has told us of.
        """
        for is_long, leg in ((True, position.long), (False, position.short)):
            if jump := self._see_leg(is_long, leg, mark, now, known_at):
                return jump
        return None

    def has_vanished(self, position: Position) -> bool:
        """Say, once for each quantity, that a leg is shown no more: it may be flat or only quiet.

        Silence alone does not make it flat; the first image of a new connection tells.
        """
        found = False
        for is_long, leg in ((True, position.long), (False, position.short)):
            line = self._lines[is_long]
            if not leg.qty:
                line.asked_about = ZERO
            elif position.time - leg.time >= VANISHED_MS and leg.qty != line.asked_about:
                line.asked_about = leg.qty
                found = True
        return found

    def _see_leg(
        self, is_long: bool, leg: Leg, mark: Decimal | None, now: float, known_at: float
    ) -> Jump | None:
        line = self._lines[is_long]
        if leg.time <= line.filled_at:
            return None  # it may have been so before our latest fill, and tells nothing yet
        gap = leg.qty - line.own
        if line.gap is None or gap == line.gap:
            line.gap, line.odd_gap, line.before = gap, None, leg
            return None
        if line.odd_gap is None:
            line.odd_from = now
        if gap != line.odd_gap:
            line.odd_gap, line.odd_since = gap, now
        has_settled = now - line.odd_since >= SETTLE and known_at >= line.odd_since
        goes_on = now - line.odd_from >= GOES_ON and known_at >= line.odd_from
        if not (has_settled or goes_on):
            return None
        liquidated = leg.qty == 0 and _was_near(line.before, mark, is_long)
        jump = Jump(is_long, gap - line.gap, liquidated)
        line.gap, line.odd_gap, line.before = gap, None, leg
        return jump


def _was_near(leg: Leg, mark: Decimal | None, is_long: bool) -> bool:
    """Say whether the mark had come to the liquidation price of a leg, or beyond it."""
    price = leg.liquidation_price
    if not price or mark is None:
        return False
    return mark <= price * (1 + NEAR) if is_long else mark >= price * (1 - NEAR)
