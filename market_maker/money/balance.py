"""The balance audited: what explains its changes, and what not.

    change = realised + fees + by hand + funding + liquidation + transfer + unexplained + residual

All are received; below zero: paid. The venue prints balances cut to 1e-6, so two of them together
are off by less than STEP.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from market_maker.models import ZERO

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
WALLETS_SECONDS = 30.0
"""So long a step waits for what the user's other wallets hold, to tell a transfer."""
NEAR = Decimal("0.05")
"""How far a step may be from the predicted funding: the mark at settlement is not shown."""


class StepKind(StrEnum):
    """What a change of the balance is that is no fill and no fee."""

    FUNDING = "funding"
    LIQUIDATION = "liquidation"
    """What a liquidated leg has lost beyond what it had at the mark: its margin. Below zero."""
    TRANSFERRED = "transfer"
    """Another wallet of the user has moved the opposite way."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the balance that is no fill and no fee; below zero it was paid."""

    kind: StepKind
    amount: Decimal
    detail: str = ""
    currency: str = ""
    """That of the balance."""


class Explained(NamedTuple):
    """What fills explain of a balance, in its currency."""

    realised: Decimal = ZERO
    """By own fills, before fees."""
    fees: Decimal = ZERO
    """Paid on own fills; below zero: received."""
    by_hand: Decimal = ZERO
    """Realised less fees by orders in this symbol that are not of this run."""

    @property
    def total(self) -> Decimal:
        """Return by how much it has changed the balance."""
        return self.realised - self.fees + self.by_hand


class BalanceLedger:
    """Compares the balance that the venue shows with what explains it."""

    def __init__(self) -> None:
        self.total: Decimal | None = None
        """The balance when it was last compared; None before the first. All else is as of then."""
        self.change = ZERO
        """Of the balance, since it was first shown."""
        self.fills = Explained()
        """What fills explain of that."""
        self.steps = dict.fromkeys(StepKind, ZERO)
        """What has changed it beside fills and fees, by kind."""
        self.residual = ZERO
        """What all of these leave."""
        self.is_behind = False
        """Whether it may lack fills that are booked."""
        self._first = ZERO, Explained()
        self._booked = Explained()
        self._booked_at = self._at = 0.0
        self._step: tuple[Decimal, float] | None = None
        """The step that is seen, and since when."""
        self._due: tuple[Decimal, ...] = ()
        self._due_at = 0.0
        self._liquidated_at: float | None = None

    @property
    def explained(self) -> Decimal:
        """All that is known to have changed the balance; with the residual it is the change."""
        return self.fills.total + sum(self.steps.values())

    def parts(self) -> dict[str, Decimal]:
        """Return what explains the change, by name; below zero it was paid or lost."""
        realised, fees, by_hand = self.fills
        by_fills = {"realised": realised, "fees": -fees, "by hand": by_hand}
        return by_fills | {kind.value: amount for kind, amount in self.steps.items()}

    @property
    def step_since(self) -> float | None:
        """Return since when, in seconds, a step is seen that is not booked yet; None if none is."""
        return self._step and self._step[1]

    def predict(self, amounts: tuple[Decimal, ...], now: float) -> None:
        """Expect one of these amounts of funding (received above zero) from `now`, in seconds."""
        self._due, self._due_at = amounts, now

    def expect_liquidation(self, now: float) -> None:
        """Expect what a leg has cost that was liquidated shortly before `now`, in seconds."""
        self._liquidated_at = now

    def see(
        self, total: Decimal, at: float, fills: Explained, moved: Decimal | None = ZERO
    ) -> Step | None:
        """Compare a balance shown at `at`, in seconds, with what all fills explain so far.

        `moved` is by how much the user's other wallets have changed since before the step that is
        seen; None while that is not known. Returns what was booked, if anything.
        """
        if self.total is None:
            self._first = total, fills
            self._booked, self._booked_at = fills, at - LAG_SECONDS
        if fills != self._booked:
            self._booked, self._booked_at = fills, max(at, self._at)
        is_old, self._at = at < self._at, max(at, self._at)
        self.is_behind = is_old or at < self._booked_at + LAG_SECONDS
        if self.is_behind:
            return None
        first_total, first = self._first
        self.total, self.change = total, total - first_total
        self.fills = Explained(*(so_far - then for so_far, then in zip(fills, first, strict=True)))
        self.residual = self.change - self.explained
        if self._liquidated_at is not None:
            return self._liquidation(at, self._liquidated_at, moved)
        if self._due:
            return self._funding(at, moved)
        if abs(self.residual) < STEP:
            self._step = None
        elif self._has_lasted(at):
            return self._other(at, moved)
        return None

    def _has_lasted(self, at: float) -> bool:
        if self._step is None or abs(self._step[0] - self.residual) >= STEP:
            self._step = self.residual, at
        return at - self._step[1] >= LASTING_SECONDS

    def _has_settled(self, at: float) -> bool:
        """Return whether the residual has stayed the same for a while."""
        return self._has_lasted(at) or abs(self.residual) < STEP

    def _liquidation(self, at: float, since: float, moved: Decimal | None) -> Step | None:
        """Book what a liquidated leg has lost once the balance shows it; a transfer first.

        Who sees a liquidation coming transfers margin.
        """
        if at < since + LASTING_SECONDS or not self._has_settled(at):
            return None
        if abs(self.residual) < STEP and at < since + FUNDING_SECONDS:
            return None
        if moved is None and at < since + WALLETS_SECONDS:
            return None
        if moved:
            return self._book(StepKind.TRANSFERRED, -moved)
        self._liquidated_at = None
        kind = StepKind.LIQUIDATION if self.residual < STEP else StepKind.UNEXPLAINED
        return self._book(kind, self.residual)

    def _funding(self, at: float, moved: Decimal | None) -> Step | None:
        """Book the funding that is due once the balance agrees with it, or its opposite.

        With a transfer at the same time the balance agrees with both together.
        """
        if at < self._due_at + LASTING_SECONDS or not self._has_settled(at):
            return None
        both = [*self._due, *(-each for each in self._due)]
        alone = self.residual + (moved or ZERO)
        nearest = min(both, key=lambda each: min(abs(self.residual - each), abs(alone - each)))
        detail = "" if nearest in self._due else "paid by the other side than expected"
        if abs(self.residual - nearest) < STEP:
            return self._book(StepKind.FUNDING, nearest, detail)
        if abs(self.residual - nearest) <= NEAR * abs(nearest):
            return self._book(StepKind.FUNDING, self.residual, detail)
        if abs(self.residual) < STEP and at < self._due_at + FUNDING_SECONDS:
            return None
        if moved is None and at < self._due_at + WALLETS_SECONDS:
            return None
        if moved and abs(self.residual + moved - nearest) <= NEAR * abs(nearest):
            return self._book(StepKind.TRANSFERRED, -moved)
        self._due = ()
        return None

    def _other(self, at: float, moved: Decimal | None) -> Step | None:
        """Book a step that has lasted: a transfer where another wallet has moved as much."""
        if moved is None and self._step and at < self._step[1] + WALLETS_SECONDS:
            return None
        if moved is not None and abs(self.residual + moved) < STEP:
            return self._book(StepKind.TRANSFERRED, -moved)
        return self._book(StepKind.UNEXPLAINED, self.residual)

    def _book(self, kind: StepKind, amount: Decimal, detail: str = "") -> Step:
        self.steps[kind] += amount
        self._step = None
        if kind is StepKind.FUNDING:
            self._due = ()
        self.residual -= amount
        return Step(kind, amount, detail)
