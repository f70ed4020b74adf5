"""The balance audited: what own fills, fees and funding explain of its changes, and what not.

    change of balance = realised + fees + funding + unexplained + residual

The venue prints balances cut to 1e-6, so the residual of a sound account is below that.
"""

from dataclasses import dataclass
from decimal import Decimal

from market_maker.models import ZERO, Fill, Instrument, Position
from market_maker.money.valuation import value

PRINTED = Decimal("0.000001")
"""The step of printed balances."""
STEP = 2 * PRINTED
"""A residual of this size or more is a step that something has caused."""
LAG_SECONDS = 1.0
"""A balance counts when it was shown so long after the last fill was booked."""
LASTING_SECONDS = 4.0
"""A step is booked when it has lasted so long: rows of fills and balances arrive apart."""
FUNDING_SECONDS = 10.0
"""A funding that the balance has not shown so long after it was due was not paid."""
NEAR = Decimal("0.05")
"""How far a step may be from the predicted funding: the mark at settlement is not shown."""


class Realised:
    """The profit that closed contracts have realised, before fees, by the average cost of each leg.

    Legs that an earlier run or a person has opened come with the entry price that the venue shows.
    """

    def __init__(self) -> None:
        self.total = ZERO
        self._legs: dict[bool, tuple[Decimal, Decimal]] = {}
        """Of the long leg (True) and the short one: contracts, and their worth when opened."""

    @property
    def net(self) -> Decimal:
        """Contracts held long less those held short."""
        return self._leg(True)[0] - self._leg(False)[0]

    def book(self, fill: Fill, worth: Decimal) -> None:
        """Book an own fill, once."""
        qty, cost = self._leg(fill.is_long)
        if not fill.order.close:
            self._legs[fill.is_long] = qty + fill.qty, cost + worth
        elif qty:
            closed = min(fill.qty, qty)
            cost_closed, paid = cost * closed / qty, worth * closed / fill.qty
            self.total += cost_closed - paid if fill.is_long else paid - cost_closed
            self._legs[fill.is_long] = qty - closed, cost - cost_closed

    def see(self, shown: Position, instrument: Instrument) -> None:
        """Take a leg as shown where own fills do not explain it: call it while nothing is late."""
        for is_long, leg in ((True, shown.long), (False, shown.short)):
            if self._leg(is_long)[0] != leg.qty:
                cost = value(instrument, leg.qty, leg.entry_price) if leg.entry_price else ZERO
                self._legs[is_long] = leg.qty, cost

    def _leg(self, is_long: bool) -> tuple[Decimal, Decimal]:
        return self._legs.get(is_long, (ZERO, ZERO))


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the balance that is no fill and no fee; below zero it was paid."""

    kind: str
    """`funding` or `unexplained`."""
    amount: Decimal
    detail: str = ""
    currency: str = ""
    """That of the balance."""


class BalanceLedger:
    """Compares the balance that the venue shows with what own fills and fees explain."""

    def __init__(self) -> None:
        self.total: Decimal | None = None
        """The balance when it was last compared; None before the first. All else is as of then."""
        self.change = self.realised = self.fees = ZERO
        """Since the balance was first shown: its change, profit realised, and fees paid."""
        self.funding = self.unexplained = self.residual = ZERO
        self._first = (ZERO, ZERO, ZERO)
        self._booked = (ZERO, ZERO)
        self._booked_at = self._at = 0.0
        self._step: tuple[Decimal, float] | None = None
        """The step that is seen, and since when."""
        self._due: tuple[Decimal, ...] = ()
        self._due_at = 0.0

    def predict(self, amounts: tuple[Decimal, ...], now: float) -> None:
        """Expect one of these amounts of funding (received above zero) from `now`, in seconds."""
        self._due, self._due_at = amounts, now

    def see(self, total: Decimal, at: float, *, realised: Decimal, fees: Decimal) -> Step | None:
        """Compare a balance shown at `at`, in seconds, with all profit realised and fees paid.

        Returns what was booked, if anything.
        """
        if self.total is None:
            self._first = (total, realised, fees)
            self._booked, self._booked_at = (realised, fees), at - LAG_SECONDS
        if (realised, fees) != self._booked:
            self._booked, self._booked_at = (realised, fees), max(at, self._at)
        is_old, self._at = at < self._at, max(at, self._at)
        if is_old or at < self._booked_at + LAG_SECONDS:
            return None
        self.total, self.change = total, total - self._first[0]
        self.realised, self.fees = realised - self._first[1], fees - self._first[2]
        explained = self.realised - self.fees + self.funding + self.unexplained
        self.residual = self.change - explained
        if self._due:
            return self._funding(at)
        if abs(self.residual) < STEP:
            self._step = None
        elif self._has_lasted(at):
            return self._book("unexplained", self.residual)
        return None

    def _has_lasted(self, at: float) -> bool:
        if self._step is None or abs(self._step[0] - self.residual) >= STEP:
            self._step = self.residual, at
        return at - self._step[1] >= LASTING_SECONDS

    def _funding(self, at: float) -> Step | None:
        """Book the funding that is due once the balance agrees with it, or its opposite."""
        if at < self._due_at + LASTING_SECONDS or not self._due_has_settled(at):
            return None
        both = [*self._due, *(-each for each in self._due)]
        nearest = min(both, key=lambda each: abs(self.residual - each))
        detail = "" if nearest in self._due else "paid by the other side than expected"
        if abs(self.residual - nearest) < STEP:
            return self._book("funding", nearest, detail)
        if abs(self.residual - nearest) <= NEAR * abs(nearest):
            return self._book("funding", self.residual, detail)
        if abs(self.residual) < STEP and at < self._due_at + FUNDING_SECONDS:
            return None
        self._due = ()
        return None

    def _due_has_settled(self, at: float) -> bool:
        """Return whether the residual has stayed the same for a while."""
        return self._has_lasted(at) or abs(self.residual) < STEP

    def _book(self, kind: str, amount: Decimal, detail: str = "") -> Step:
        if kind == "funding":
            self.funding += amount
        else:
            self.unexplained += amount
        self._due, self._step = (), None
        self.residual -= amount
        return Step(kind, amount, detail)
