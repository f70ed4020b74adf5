"""The position ledger: compares the position that the venue shows with own fills.

REST has no positions, and the feed sends fills and positions in separate tables. So each leg has
two views: the latest row that has *arrived*, plus own fills that arrived after it; and a base plus
all own fills since. Limits count the worst view. The order of arrival decides what is newer, never
a clock of the venue.

A lasting mismatch means that the position was changed from outside or by the venue. The base is
then reset, but only from the snapshot of a new connection, after own orders were reconciled on it,
with none of unknown outcome, and with the same mismatch found twice. Time alone never resets it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from market_maker.models import ZERO, Exposure, Fill, Leg, Position

SETTLE = 5.0
"""Seconds that a mismatch must be constant before it is verified."""
CHANGING_SECONDS = 12.0
"""Seconds after which a changing mismatch is verified, too."""
LEG_STALE = 5.0
"""Seconds without a row of a leg, while the table's frames go on: the leg may be flat."""
LIVELY = 10.0
"""Seconds of steady rows after which a leg is no longer taken for one whose rows are rare."""
FLAT_STALE = 1.5
"""The same for a leg that own fills have closed: the frames of a venue that shows none if flat. And
for the bounds of one whose rows had come steadily: it may have been liquidated."""
RECENT = 10_000
"""Own fills that are kept until the legs show them."""
NEAR_LIQUIDATION = Decimal("0.005")
"""Distance of the mark from the liquidation price that counts as near, as a fraction."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A change of a leg that no own fill explains."""

    is_long: bool
    qty: Decimal
    liquidated: bool = False

    def __str__(self) -> str:
        return f"{'long' if self.is_long else 'short'} {self.qty:+f}"


@dataclass(slots=True)
class _LegLedger:
    """One leg: its base, and the own fills since."""

    base: Decimal | None = None
    own: Decimal = ZERO
    difference: Decimal = ZERO
    """The quantity shown, less base and own fills."""
    changed_at: float = 0.0
    """When the difference last changed."""
    mismatch_since: float = 0.0
    """When the difference became nonzero."""
    last_matching: Leg = field(default_factory=Leg)
    """The leg when it last matched own fills."""
    marks: tuple[Decimal, Decimal] | None = None
    """The lowest and the highest mark seen since."""
    verified_qty: Decimal = ZERO
    """The quantity for which a missing row was last verified; 0: none, or rows have come since."""
    doubted: int = -1
    """The frame whose row is being verified; -1: none."""
    lively_since: float | None = None
    """Since when its rows have come without a pause of LEG_STALE seconds; None after one."""

    @property
    def expected(self) -> Decimal:
        return (self.base or ZERO) + self.own

    def is_doubtful(self, leg: Leg, shown: Position) -> bool:
        """Return whether a leg may be flat: the table's frames go on, and its row does not come."""
        if not leg.qty:
            return False
        quiet = shown.at - leg.at
        is_closed = self.base is not None and not self.expected
        if is_closed and quiet - max(self.changed_at - leg.at, 0) >= FLAT_STALE:
            return True
        if quiet < LEG_STALE:
            return False
        return leg.qty != self.verified_qty or leg.arrival == self.doubted

    def may_be_flat(self, leg: Leg, shown: Position) -> bool:
        """Return whether bounds must count a leg as flat, too: sooner than it is verified."""
        since = self.lively_since
        is_lively = since is not None and leg.at - since >= LIVELY
        is_quiet = bool(leg.qty) and is_lively and shown.at - leg.at >= FLAT_STALE
        return is_quiet or self.is_doubtful(leg, shown)

    def see_pause(self, leg: Leg, shown: Position) -> None:
        """Note whether rows come steadily: then the next pause is verified, whatever was before."""
        if shown.at - leg.at >= LEG_STALE:
            self.lively_since = None
        elif self.lively_since is None:
            self.lively_since = leg.at
        elif leg.at - self.lively_since >= LIVELY:
            self.verified_qty = ZERO

    def is_asked_about(self, leg: Leg) -> bool:
        """Return whether this row of the leg is being verified, or was."""
        return leg.qty == self.verified_qty and leg.arrival == self.doubted


class PositionLedger:
    """Holds both views of both legs; it trusts neither alone. `now` is in steady seconds."""

    def __init__(self) -> None:
        self._long = _LegLedger()
        self._short = _LegLedger()
        self._recent: deque[Fill] = deque(maxlen=RECENT)
        """Own fills that the last shown legs may not include yet."""
        self._proposed: tuple[Decimal, Decimal] | None = None
        """The differences that a new connection has shown once: long, short."""
        self._jumps: list[Jump] = []
        """Those that `take_jumps()` has not returned yet."""

    def book(self, fill: Fill) -> None:
        """Book an own fill, once."""
        line = self._long if fill.is_long else self._short
        line.own += _change(fill)
        self._recent.append(fill)

    def exposure(self, shown: Position) -> Exposure:
        """Return the bounds of all views: shown, shown plus later fills, base plus own fills.

        A leg whose row may have vanished counts as shown and as flat, until a new row verifies it.
        """
        later = {is_long: sum(map(_change, fills), ZERO) for is_long, fills in self._later(shown)}
        long, short = shown.long.qty, shown.short.qty
        views = [(long, short), (long + later[True], short + later[False])]
        if self._long.base is not None:
            views.append((self._long.expected, self._short.expected))
        if self._long.may_be_flat(shown.long, shown):
            views += [(ZERO, short) for _, short in views]
        if self._short.may_be_flat(shown.short, shown):
            views += [(long, ZERO) for long, _ in views]
        return Exposure.of(*views)

    def with_fills(self, shown: Position) -> Position | None:
        """Return the position with own fills that its rows do not include yet; None without any.

        A leg that is what all own fills make of its base includes them: its row came first. The
        entry price of a leg that was flat is that of its latest fill.
        """
        legs = [
            _with(leg, fills if line.base is None or leg.qty != line.expected else ())
            for (line, leg), (_, fills) in zip(self._legs(shown), self._later(shown), strict=True)
        ]
        is_all_shown = legs == [shown.long, shown.short]
        return None if is_all_shown else replace(shown, long=legs[0], short=legs[1])

    def _later(self, shown: Position) -> list[tuple[bool, list[Fill]]]:
        """Return, for the long and the short leg, the own fills since the frame of its row."""
        oldest = min(shown.long.arrival, shown.short.arrival)
        while self._recent and self._recent[0].arrival < oldest:
            self._recent.popleft()
        return [
            (is_long, [f for f in self._recent if f.is_long is is_long and f.arrival >= at])
            for is_long, at in ((True, shown.long.arrival), (False, shown.short.arrival))
        ]

    def see(self, shown: Position, now: float, mark: Decimal | None = None) -> None:
        """Compare the position of the feed with own fills. The first one shown is the base.

        `mark` is the venue's, if known.
        """
        for line, leg in self._legs(shown):
            if line.base is None:
                line.base = leg.qty - line.own
            difference = leg.qty - line.expected
            if mark:
                low, high = line.marks or (mark, mark)
                line.marks = min(low, mark), max(high, mark)
            if not difference:
                line.last_matching = leg
                line.marks = (mark, mark) if mark else line.marks
            elif not line.difference:
                line.mismatch_since = now
            if difference != line.difference:
                line.difference, line.changed_at = difference, now

    def explains(self, shown: Position) -> bool:
        """Return whether own fills explain this position; also while no base is known."""
        return all(line.base is None or leg.qty == line.expected for line, leg in self._legs(shown))

    def has_mismatch(self) -> bool:
        """Return whether the two views differ; a row or a fill may still be in flight."""
        return bool(self._mismatched())

    def mismatch_for(self, now: float) -> float:
        """Return the seconds since the views began to differ; 0 while they match."""
        return now - min((line.mismatch_since for line in self._mismatched()), default=now)

    def needs_new_image(self, now: float, known_at: float) -> bool:
        """Return whether a mismatch has lasted so long that only a new connection can verify it.

        `known_at` is when own orders were last reconciled: a mismatch that began later may be an
        own fill that has not arrived yet.
        """
        return any(
            (now - line.changed_at >= SETTLE and known_at >= line.changed_at)
            or (now - line.mismatch_since >= CHANGING_SECONDS and known_at >= line.mismatch_since)
            for line in self._mismatched()
        )

    def propose_base(self, shown: Position) -> list[Jump] | None:
        """Reset the base if the mismatch is the same as in the last proposal.

        Call it only for the snapshot of a new connection, after own orders were reconciled on it,
        with none of unknown outcome. Returns the changes that no own fill explains if the base was
        reset, else None.
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
                liquidated = leg.qty == 0 and _was_near_liquidation(line, is_long)
                jumps.append(Jump(is_long, line.difference, liquidated))
                line.base = leg.qty - line.own
                line.difference, line.last_matching = ZERO, leg
        self._jumps += jumps
        return jumps

    def take_jumps(self) -> list[Jump]:
        """Return, once, the changes that no own fill explains for which the base was reset."""
        jumps, self._jumps = self._jumps, []
        return jumps

    def withdraw_proposal(self) -> None:
        """Drop the proposal: its connection is gone."""
        self._proposed = None

    def has_vanished(self, shown: Position) -> bool:
        """Return, once for a quantity and pause, whether a leg has had no row for too long.

        That is LEG_STALE seconds, or FLAT_STALE once own fills have closed the leg. It may be
        flat or only quiet: the snapshot of a new connection tells.
        """
        found = False
        for line, leg in self._legs(shown):
            line.see_pause(leg, shown)
            if not leg.qty:
                line.verified_qty = ZERO
            elif line.is_doubtful(leg, shown) and not line.is_asked_about(leg):
                line.verified_qty, line.doubted = leg.qty, leg.arrival
                found = True
        return found

    def _mismatched(self) -> list[_LegLedger]:
        return [line for line in (self._long, self._short) if line.difference]

    def _legs(self, shown: Position) -> tuple[tuple[_LegLedger, Leg], tuple[_LegLedger, Leg]]:
        return (self._long, shown.long), (self._short, shown.short)


def _change(fill: Fill) -> Decimal:
    return -fill.qty if fill.order.close else fill.qty


def _with(leg: Leg, fills: Sequence[Fill]) -> Leg:
    if not fills:
        return leg
    qty = max(leg.qty + sum(map(_change, fills), ZERO), ZERO)
    return replace(leg, qty=qty, entry_price=leg.entry_price or fills[-1].order.avg_price)


def _was_near_liquidation(line: _LegLedger, is_long: bool) -> bool:
    """Return whether the mark was near or beyond the liquidation price since the leg matched."""
    price = line.last_matching.liquidation_price
    if not price or line.marks is None:
        return False
    low, high = line.marks
    return (
        low <= price * (1 + NEAR_LIQUIDATION) if is_long else high >= price * (1 - NEAR_LIQUIDATION)
    )
