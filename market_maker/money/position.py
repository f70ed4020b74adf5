"""The position, seen twice: what the venue shows, and what our own fills make of it.

No REST call of this venue gives positions, and the feed's rows of fills and positions come by
separate ways. So each leg has two views: the latest row that has *arrived*, with our own fills that
were told after it; and a base plus all our own fills since. Limits count the worst of them. No
clock of the venue has a say in which is newer.

A difference that lasts is the work of somebody else, or of the venue. The base is then set anew,
but only from the first image of a new connection, with all our orders looked up after it, none of
unknown outcome, and the same difference found twice. Time alone never sets it.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from market_maker.models import ZERO, Exposure, Fill, Leg, Position

SETTLE = 5.0
"""Seconds that a difference must stand before it is looked into."""
CHANGING_SECONDS = 12.0
"""Seconds after which a difference that keeps changing is looked into, too."""
LEG_STALE = 5.0
"""Seconds without a row of a leg, while the table's frames go on: it may be no more."""
RECENT = 10_000
NEAR_LIQUIDATION = Decimal("0.005")
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
class _LegLedger:
    """One leg: what there was before us, and what our fills have added since."""

    base: Decimal | None = None
    own: Decimal = ZERO
    difference: Decimal = ZERO
    """The leg as it is shown, less base and own fills."""
    changed_at: float = 0.0
    """When the difference became what it is."""
    mismatch_since: float = 0.0
    """When there began to be one, whatever it was then."""
    last_matching: Leg = field(default_factory=Leg)
    """The leg when it was last as expected."""
    verified_qty: Decimal = ZERO

    @property
    def expected(self) -> Decimal:
        return (self.base or ZERO) + self.own


class PositionLedger:
    """Holds both views of both legs. `now` is seconds on a steady clock."""

    def __init__(self) -> None:
        self._long = _LegLedger()
        self._short = _LegLedger()
        self._recent: deque[Fill] = deque(maxlen=RECENT)
        """Our fills that the legs, as they were last shown, may not show yet."""
        self._proposed: tuple[Decimal, Decimal] | None = None
        """The differences that a new connection has shown once."""

    def book(self, fill: Fill) -> None:
        """Book one of our fills, each once."""
        line = self._long if fill.is_long else self._short
        line.own += _change(fill)
        self._recent.append(fill)

    def exposure(self, shown: Position) -> Exposure:
        """Return the worst of all views: shown, shown with later fills, and as we expect it."""
        oldest = min(shown.long.arrival, shown.short.arrival)
        while self._recent and self._recent[0].arrival < oldest:
            self._recent.popleft()
        later = {True: ZERO, False: ZERO}
        for fill in self._recent:
            if fill.arrival >= (shown.long if fill.is_long else shown.short).arrival:
                later[fill.is_long] += _change(fill)
        long, short = shown.long.qty, shown.short.qty
        views = [(long, short), (long + later[True], short + later[False])]
        if self._long.base is not None:
            views.append((self._long.expected, self._short.expected))
        return Exposure.of(*views)

    def see(self, shown: Position, now: float) -> None:
        """Compare with what the feed shows now. The first that is ever shown is the base."""
        for line, leg in self._legs(shown):
            if line.base is None:
                line.base = leg.qty - line.own
            difference = leg.qty - line.expected
            if not difference:
                line.last_matching = leg
            elif not line.difference:
                line.mismatch_since = now
            if difference != line.difference:
                line.difference, line.changed_at = difference, now

    def has_mismatch(self) -> bool:
        """Return whether the two views differ; a row or a fill may still be on its way."""
        return bool(self._mismatched())

    def mismatch_for(self, now: float) -> float:
        """Return the seconds since they began to differ."""
        return now - min((line.mismatch_since for line in self._mismatched()), default=now)

    def needs_new_image(self, now: float, known_at: float) -> bool:
        """Return whether a difference has lasted so long that only a new connection can tell.

        `known_at` is when our orders were last looked up: a difference since may be a fill of ours
        that nobody has told us of.
        """
        return any(
            (now - line.changed_at >= SETTLE and known_at >= line.changed_at)
            or (now - line.mismatch_since >= CHANGING_SECONDS and known_at >= line.mismatch_since)
            for line in self._mismatched()
        )

    def propose_base(self, shown: Position, mark: Decimal | None) -> list[Jump] | None:
        """Take the difference for the work of another, if it is the same as the time before.

        Call it only for the first image of a new connection, when all our orders have been looked
        up since, and none is of unknown outcome. Returns the changes that no fill of ours explains
        once the base is set anew; None while it is not.
        """
        found = self._long.difference, self._short.difference
        if self._proposed != found:
            self._proposed = found
            return None
        self._proposed = None
        jumps = []
        for line, leg in self._legs(shown):
            if line.difference:
                is_long = line is self._long
                liquidated = leg.qty == 0 and _was_near_liquidation(
                    line.last_matching, mark, is_long
                )
                jumps.append(Jump(is_long, line.difference, liquidated))
                line.base = leg.qty - line.own
                line.difference, line.last_matching = ZERO, leg
        return jumps

    def withdraw_proposal(self) -> None:
        """Forget what was proposed: the connection that has shown it is gone."""
        self._proposed = None

    def has_vanished(self, shown: Position) -> bool:
        """Return, once for each quantity, whether a leg is shown no more: flat, or only quiet.

        Silence alone does not make it flat; the first image of a new connection tells.
        """
        found = False
        for line, leg in self._legs(shown):
            if not leg.qty:
                line.verified_qty = ZERO
            elif shown.at - leg.at >= LEG_STALE and leg.qty != line.verified_qty:
                line.verified_qty = leg.qty
                found = True
        return found

    def _mismatched(self) -> list[_LegLedger]:
        return [line for line in (self._long, self._short) if line.difference]

    def _legs(self, shown: Position) -> tuple[tuple[_LegLedger, Leg], tuple[_LegLedger, Leg]]:
        return (self._long, shown.long), (self._short, shown.short)


def _change(fill: Fill) -> Decimal:
    return -fill.qty if fill.order.close else fill.qty


def _was_near_liquidation(leg: Leg, mark: Decimal | None, is_long: bool) -> bool:
    """Return whether the mark had come to the liquidation price of a leg, or beyond it."""
    price = leg.liquidation_price
    if not price or mark is None:
        return False
    return (
        mark <= price * (1 + NEAR_LIQUIDATION)
        if is_long
        else mark >= price * (1 - NEAR_LIQUIDATION)
    )
