"""How a run's profit divides into parts, and what it held meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

from market_maker.journal import Row
from market_maker.report.markouts import mid_of, sign_of

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Profit:
    """The profit of a run in its settlement currency (of a pair: quote currency), and its parts.

    spread + inventory + fees + funding + liquidation = total, exactly. Beside it stands what no
    fill of the run has made; with it the change of the account's equity, but for transfers.
    """

    spread: Decimal
    """What fills were better than the mid before them."""
    inventory: Decimal
    """What the mid has moved since, up to the mark at the end, in favour of what was filled."""
    fees: Decimal
    """Of own fills; below zero: paid."""
    funding: Decimal
    """Received; below zero: paid."""
    liquidation: Decimal
    """What liquidations have taken beyond what the position had lost at the mark; below zero."""
    inherited: Decimal
    """What the position that was there at the start has gained since."""
    by_hand: Decimal
    """What fills of orders that are not of the run have earned, after fees. What they close of the
    run's own position is closed at their price, and earns nothing here."""
    unexplained: Decimal
    """Changes of position and balance that nothing explains."""
    transfers: Decimal
    """Into the account; in no sum."""
    without_mid: int
    """Fills before which no mid was known: all they earned counts as inventory."""

    @property
    def total(self) -> Decimal:
        """Return the profit of the run after fees."""
        return self.spread + self.inventory + self.fees + self.funding + self.liquidation

    @property
    def beside(self) -> Decimal:
        """Return what no fill of the run has made."""
        return self.inherited + self.by_hand + self.unexplained

    def __add__(self, other: "Profit") -> "Profit":
        """Return the sums of each part."""
        return Profit(*(getattr(self, each.name) + getattr(other, each.name) for each in PARTS))


PARTS = fields(Profit)
BESIDE = ("by hand", "liquidation", "unexplained")
"""The models of rows of `fills` that are no own fills."""


def profit_of(
    run: Row,
    fills: Sequence[Row],
    payments: Iterable[Row],
    mark: Decimal | None,
    *,
    beside: Iterable[Row] = (),
) -> Profit | None:
    """Return the profit with its parts, everything open valued at `mark`; None without a mark.

    `beside` are rows of `fills` whose model is one of BESIDE. Fills without a price (none was
    known) are left out.
    """
    if not mark:
        return None
    face = None if run["instrument_type"] == "bb" else (run["face"] or Decimal(1))
    spread = inventory = ZERO
    without_mid = 0
    for fill in fills:
        price = fill["price"]
        if not price:
            continue
        mid = mid_of(fill["bid"], fill["ask"])
        without_mid += mid is None
        signed = sign_of(fill) * fill["qty"]
        spread += gain(signed, price, mid or price, face)
        inventory += gain(signed, mid or price, mark, face)
    sums = dict.fromkeys(("funding", "transfer", *BESIDE), ZERO)
    for row in payments:
        sums[row["kind"]] += row["amount"] * _worth(run, row["currency"] or "", mark)
    held = (run["long"] or ZERO) - (run["short"] or ZERO)
    inherited = gain(held, run["mark"] or mark, mark, face) if face else ZERO
    for row in beside:
        signed, price = sign_of(row) * row["qty"], row["price"]
        if price:  # what own fills had opened is no longer in the run's hands
            gone = gain(sign_of(row) * (row["own"] or ZERO), price, mark, face)
            inventory += gone
            rest = gain(signed, price, mark, face) - gone
            if row["model"] == "liquidation":
                inherited += rest
            else:
                sums[row["model"]] += rest
        sums["by hand"] -= _fee(run, row, mark)
    return Profit(
        spread=spread,
        inventory=inventory,
        fees=-sum((_fee(run, fill, mark) for fill in fills if fill["price"]), ZERO),
        funding=sums["funding"],
        liquidation=sums["liquidation"],
        inherited=inherited,
        by_hand=sums["by hand"],
        unexplained=sums["unexplained"],
        transfers=sums["transfer"],
        without_mid=without_mid,
    )


def _fee(run: Row, fill: Row, mark: Decimal) -> Decimal:
    return (fill["fee"] or ZERO) * _worth(run, fill["fee_currency"], mark)


def _worth(run: Row, currency: str, mark: Decimal) -> Decimal:
    """Return what one of a currency is worth: that of the area, or the base currency of a pair."""
    return mark if currency and currency != run["area"] else Decimal(1)


def earned_over_time(
    run: Row, fills: Iterable[Row], mark: Decimal | None
) -> tuple[list[tuple[int, Decimal]], list[tuple[int, Decimal]]]:
    """Return (time in ms, sum so far) of the spread, and of the fees; as `profit_of()` counts."""
    spread, fees = [(int(run["begun_ms"]), ZERO)], [(int(run["begun_ms"]), ZERO)]
    for fill in fills:
        if mark and (found := profit_of(run, [fill], (), mark)):
            spread.append((fill["time_ms"], spread[-1][1] + found.spread))
            fees.append((fill["time_ms"], fees[-1][1] + found.fees))
    return spread, fees


def gain(qty: Decimal, before: Decimal, after: Decimal, face: Decimal | None) -> Decimal:
    """Return what a quantity (below zero: short) gains from one price to another.

    In coins for inverse contracts of this face, in quote currency for a pair (`face` None).
    """
    if face is None:
        return qty * (after - before)
    return qty * face * (1 / before - 1 / after)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The largest fall of the profit from its highest value so far, and when it was there."""

    amount: Decimal
    time_ms: int


def drawdown_of(ticks: Iterable[Row], *, is_restart: bool = False) -> Drawdown | None:
    """Return the worst drawdown; None when no profit was recorded.

    A run begins with a profit of zero, a restarted one with that of the run before it.
    """
    highest, worst = None if is_restart else ZERO, None
    for tick in ticks:
        if tick["profit"] is None:
            continue
        profit = Decimal(tick["profit"])
        highest = profit if highest is None else max(highest, profit)
        if worst is None or highest - profit > worst.amount:
            worst = Drawdown(highest - profit, tick["time_ms"])
    return worst


@dataclass(frozen=True, slots=True)
class Inventory:
    """The position of a run: its largest and lowest, and the mean of its size over time."""

    highest: Decimal
    lowest: Decimal
    mean_size: Decimal


def positions_of(run: Row, fills: Iterable[Row]) -> list[tuple[int, Decimal]]:
    """Return the position after each fill, with its time in ms; the first is that at the start."""
    net = (run["long"] or ZERO) - (run["short"] or ZERO)
    found = [(int(run["begun_ms"]), net)]
    for fill in sorted(fills, key=lambda fill: fill["time_ms"]):
        net += sign_of(fill) * fill["qty"]
        found.append((fill["time_ms"], net))
    return found


def inventory_of(positions: Sequence[tuple[int, Decimal]], end_ms: int) -> Inventory:
    """Return the inventory of these positions over time, up to the end."""
    times = [time_ms for time_ms, _ in positions] + [end_ms]
    sizes = (
        max(until - time_ms, 0) * abs(net)
        for (time_ms, net), until in zip(positions, times[1:], strict=True)
    )
    nets = [net for _, net in positions]
    whole = max(end_ms - times[0], 1)
    return Inventory(max(nets), min(nets), sum(sizes, ZERO) / whole)
