"""Position and profit, from own fills and the venue's rows in their order of arrival."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.models import ZERO, Fill, Fund, Instrument, Leg, Margin, Position, Side, Snapshot
from market_maker.money.balance import PRINTED, BalanceLedger, Explained, Step, StepKind
from market_maker.money.fees import FeeLedger
from market_maker.money.position import PositionLedger
from market_maker.money.profit import ProfitLedger
from market_maker.money.realised import Realised, Unseen
from market_maker.money.valuation import price_of, value, value_of_fill

SAME = 2
"""Values that differ by less than this factor are by the same rule, at different moments."""
ROWS = 3
"""So many rows in a row must show another unrealised profit: the mark may move between two."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill as it was booked: its price, and its fee in a currency (below zero: received)."""

    price: Decimal
    fee: Decimal
    fee_currency: str
    own: Decimal = ZERO
    """Of a fill by hand: how many of the contracts that it has closed own fills had opened."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What a look at balance and position has found, beside fills and fees."""

    steps: list[Step]
    """Changes of balances that were booked."""
    unseen: list[tuple[Unseen, StepKind]]
    """Changes of the position that no fill explains: liquidation, or unexplained."""


class Money:
    """The entry point of this package: position and profit from own fills, each booked once."""

    def __init__(self) -> None:
        self.position = PositionLedger()
        self.trades = ProfitLedger()
        self.fees = FeeLedger()
        self.realised = Realised()
        self.balance = BalanceLedger()
        self.base = BalanceLedger()
        """Of a pair, that of its base currency."""
        self.doubt = ""
        """Why profit and value cannot be trusted; empty while the venue's rows agree with ours."""
        self.fees_by_hand = FeeLedger()
        """The fees of orders in this symbol that are not of this run."""
        self.unrealised: Decimal | None = None
        """Of both legs at the venue's mark, by our costs; None while it is not known."""
        self.pnl_difference = ""
        """How the venue's unrealised profit differs from ours, in words; empty: it does not."""
        self._pnl_rows: dict[bool, tuple[int, int, Decimal]] = {}
        """Of each leg: its last row that was compared, how many have differed, and the mark."""
        self._earlier = dict.fromkeys((StepKind.FUNDING, StepKind.LIQUIDATION), ZERO)
        """What was booked in this run before its restart."""
        self._before: tuple[Instrument, Decimal] | None = None
        """The instrument, and the net position, when the balance was last compared."""
        self.has_begun = False
        """Whether the position of the beginning is known: what filled before is in it."""
        self._mark: Decimal | None = None
        """The mark when fills last explained the position."""

    @property
    def funding(self) -> Decimal:
        """The funding received in this run; below zero: paid."""
        return self._earlier[StepKind.FUNDING] + self.balance.steps[StepKind.FUNDING]

    @property
    def liquidation(self) -> Decimal:
        """What liquidations have changed the balance by in this run; below zero: lost."""
        return self._earlier[StepKind.LIQUIDATION] + self.balance.steps[StepKind.LIQUIDATION]

    def book(self, fill: Fill, instrument: Instrument | None) -> Booked | None:
        """Book an own fill, once; without an instrument it counts for the position alone."""
        self.position.book(fill)
        if not instrument:
            return None
        self.trades.book(fill, instrument)
        worth = value_of_fill(fill, instrument)
        self.realised.book(fill, worth)
        fee, currency = self.fees.book(fill, worth, instrument)
        return Booked(price_of(instrument, fill.qty, worth), fee, currency)

    def book_by_hand(self, fill: Fill, instrument: Instrument) -> Booked:
        """Book a fill of an order in this symbol that is not of this run, once.

        It explains balance and legs. It is no profit of the run; but what it closes of the run's
        own position is closed at its price. Whoever takes what the book has may ask for any price.
        """
        worth = value_of_fill(fill, instrument, near=instrument.mark_price)
        change = self.realised.book_by_hand(fill, worth)
        self.trades.seize(*change.own_part)
        self.fees_by_hand.rates = self.fees.rates
        fee, currency = self.fees_by_hand.book(fill, worth, instrument)
        return Booked(price_of(instrument, fill.qty, worth), fee, currency, change.own)

    def profit(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return the profit of this run after fees, funding and liquidations.

        The open quantity is valued at `price`.
        """
        earned = self.trades.profit(instrument, price) - self.fees.worth(price)
        return earned + self.funding + self.liquidation

    def audit(
        self,
        snapshot: Snapshot,
        now: float,
        shown_at: float,
        moved: Mapping[str, Decimal] | None = None,
    ) -> Audited:
        """Compare the balance, shown at `shown_at`, with what explains it; see `BalanceLedger`.

        Of a pair those of both currencies. `moved` is by how much other wallets have changed since
        before the step that is seen, by currency; None while that is not known. Times are in
        seconds of a steady clock.
        """
        instrument, before = snapshot.instrument, self._before
        unseen = self._see_legs(snapshot, now) if instrument.is_contract else []
        is_settled = not (instrument.is_contract and self.position.has_mismatch())
        if snapshot.margin is None or not is_settled:
            self.balance.is_behind = not is_settled
            return Audited([], unseen)
        self._before = instrument, self.realised.net
        if before and instrument.is_contract and _has_funded(before[0], instrument):
            rate, nets = before[0].funding_rate or ZERO, {before[1], self.realised.net}
            marks = [each.mark_price for each in (before[0], instrument) if each.mark_price]
            due = (-value(instrument, net, mark) * rate for mark in marks for net in nets)
            self.balance.predict(tuple(each for each in due if each), now)
        earned = self.realised.total if instrument.is_contract else -self.trades.paid
        by_hand = self.realised.by_hand - self.fees_by_hand.paid
        balances: list[tuple[BalanceLedger, Margin | Fund, Explained]]
        balances = [(self.balance, snapshot.margin, Explained(earned, self.fees.paid, by_hand))]
        if not instrument.is_contract and (base := snapshot.funds.get(Side.SELL)):
            explained = Explained(self.trades.net, self.fees.paid_base)
            balances.append((self.base, base, explained))
        steps = []
        for ledger, shown, explained in balances:
            changed = None if moved is None else moved.get(shown.currency, ZERO)
            if step := ledger.see(shown.total, shown_at, explained, changed):
                steps.append(replace(step, currency=shown.currency))
        return Audited(steps, unseen)

    @property
    def is_behind(self) -> bool:
        """Whether fills are booked that the latest comparison with a balance lacks."""
        return self.balance.is_behind or self.base.is_behind

    @property
    def step_since(self) -> float | None:
        """Return since when a step of a balance is seen that is not booked; None if none is."""
        found = (self.balance.step_since, self.base.step_since)
        return min((since for since in found if since is not None), default=None)

    def _see_legs(self, snapshot: Snapshot, now: float) -> list[tuple[Unseen, StepKind]]:
        """Take the legs as shown, first and when no fill explains them; return what has changed."""
        instrument, position = snapshot.instrument, snapshot.position
        jumps, found = self.position.take_jumps(), []
        if not self.has_begun and not self.position.has_mismatch():
            self.realised.begin(position, instrument)
            self.has_begun = True
        elif jumps:
            liquidated = {jump.is_long for jump in jumps if jump.liquidated}
            for each in self.realised.see(position, instrument, self._mark):
                is_liquidated = each.is_long in liquidated and each.qty < 0
                found.append(
                    (each, StepKind.LIQUIDATION if is_liquidated else StepKind.UNEXPLAINED)
                )
                self.trades.seize(*each.own_part)
                if is_liquidated:
                    self.balance.expect_liquidation(now)
        if not self.position.has_mismatch():
            self._mark = instrument.mark_price or self._mark
        self._compare_unrealised(instrument, position)
        return found

    def _compare_unrealised(self, instrument: Instrument, position: Position) -> None:
        """Compare what open legs gain at the mark with what the venue's rows print.

        A row counts where the mark was the same when it came and at two looks around it.
        """
        mark = instrument.mark_price
        self.unrealised = ZERO if mark else None
        for is_long, leg in ((True, position.long), (False, position.short)):
            qty = self.realised.qty(is_long)
            if not mark or not qty:
                continue
            gain, error = self.realised.unrealised(is_long, value(instrument, qty, mark))
            assert self.unrealised is not None
            self.unrealised += gain
            arrival, differing, before = self._pnl_rows.get(is_long, (leg.arrival, 0, ZERO))
            if before == mark == leg.mark and arrival < leg.arrival and leg.pnl is not None:
                is_same = leg.qty != qty or abs(leg.pnl - gain) < PRINTED + error
                differing = 0 if is_same else differing + 1
                self._say_difference(is_long, leg, gain, differing)
            self._pnl_rows[is_long] = leg.arrival, differing, mark

    def _say_difference(self, is_long: bool, leg: Leg, gain: Decimal, differing: int) -> None:
        if differing >= ROWS and not self.pnl_difference:
            name = "long" if is_long else "short"
            shown = f"the venue shows {leg.pnl:f} for the {name} leg of {leg.qty:f}"
            self.pnl_difference = f"{shown}, we count {gain:.8f}"
        elif not differing:
            self.pnl_difference = ""

    def compare(self, instrument: Instrument, shown: Position) -> None:
        """Compare our valuation with the venue's, where its rows tell it: see `doubt`."""
        mark = instrument.mark_price
        for leg in (shown.long, shown.short):
            if not (mark and leg.qty and leg.value):
                continue
            ours = value(instrument, leg.qty, mark)
            if not leg.value / SAME < ours < leg.value * SAME:
                self.doubt = (
                    f"the venue values {leg.qty:f} contracts at {leg.value:.8f} "
                    f"{instrument.settle_currency}, we at {ours:.8f}"
                )
                return
        self.doubt = ""

    def as_text(self) -> dict[str, str]:
        """Return trades, fees and payments of this run as text, to resume them after a restart."""
        paid = {"fees": self.fees.paid, "fees_base": self.fees.paid_base}
        paid |= {"funding": self.funding, "liquidation": self.liquidation}
        return self.trades.as_text() | {name: f"{amount:f}" for name, amount in paid.items()}

    def resume_from(self, text: Mapping[str, str]) -> None:
        """Resume from the text of `as_text()`; one of an earlier version has no fees.

        Raises ValueError or ArithmeticError for any other text; nothing is changed then.
        """
        names = ("fees", "fees_base", "funding", "liquidation")
        found = [Decimal(text.get(name, "0")) for name in names]
        if not all(each.is_finite() for each in found):
            raise ValueError("not a finite number")
        self.trades.resume_from(text)
        self.fees.paid, self.fees.paid_base = found[:2]
        self._earlier = dict(zip(self._earlier, found[2:], strict=True))


def _has_funded(before: Instrument, now: Instrument) -> bool:
    """Return whether the hours until funding have begun again: it was just due."""
    left, left_before = now.funding_hours, before.funding_hours
    return left is not None and left_before is not None and left > left_before
