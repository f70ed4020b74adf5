"""How a run's profit and time divide into parts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.journal import Row
from market_maker.report.markouts import mid_of, sign_of

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Profit:
    """The profit of a run in its settlement currency (of a pair: quote currency), and its parts.

    spread + inventory + fees + funding = total, exactly. `inherited` is what the position that was
    there at the start has gained since; no fill of the run has made it.
    """

    spread: Decimal
    """What fills were better than the mid before them."""
    inventory: Decimal
    """What the mid has moved since, up to the mark at the end, in favour of what was filled."""
    fees: Decimal
    funding: Decimal
    inherited: Decimal
    without_mid: int
    """Fills before which no mid was known: all they earned counts as inventory."""

    @property
    def total(self) -> Decimal:
        """Return the profit of the run after fees."""
        return self.spread + self.inventory + self.fees + self.funding


def profit_of(
    run: Row, fills: Sequence[Row], payments: Iterable[Row], mark: Decimal | None
) -> Profit | None:
    """Return the profit with its parts, everything open valued at `mark`; None without a mark.

    Fills without a price (none was known) are left out.
    """
    if not mark:
        return None
    face = None if run["instrument_type"] == "bb" else (run["face"] or Decimal(1))
    spread = inventory = fees = ZERO
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
        in_base = fill["fee_currency"] != run["area"]
        fees -= (fill["fee"] or ZERO) * (mark if in_base else 1)
    funding = sum((row["amount"] for row in payments if row["kind"] == "funding"), ZERO)
    held = (run["long"] or ZERO) - (run["short"] or ZERO)
    inherited = gain(held, run["mark"] or mark, mark, face) if face else ZERO
    return Profit(spread, inventory, fees, funding, inherited, without_mid)


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
        if (profit := tick["profit"]) is None:
            continue
        highest = profit if highest is None else max(highest, profit)
        if worst is None or highest - profit > worst.amount:
            worst = Drawdown(highest - profit, tick["time_ms"])
    return worst


@dataclass(frozen=True, slots=True)
class Uptime:
    """The parts of a run's time, from 0 to 1, in which own orders rested."""

    bid: Decimal
    ask: Decimal
    both: Decimal


@dataclass(slots=True)
class Quoted:
    """A time in ms, and whether own buys and sells rested in it."""

    begun_ms: int
    ended_ms: int
    bid: bool
    ask: bool


def quoted(steps: Iterable[Row], begun_ms: int, end_ms: int) -> list[Quoted]:
    """Return when own orders rested on which side: from open to done, as the bot knew it."""
    resting: dict[str, set[str]] = {"Buy": set(), "Sell": set()}
    found = [Quoted(begun_ms, begun_ms, False, False)]
    for step in [*steps, None]:
        latest = found[-1]
        latest.ended_ms = max(latest.ended_ms, min(step["time_ms"], end_ms) if step else end_ms)
        if step and step["step"] == "open":
            resting[step["side"]].add(step["client_oid"])
        elif step and step["step"] == "done":
            resting[step["side"]].discard(step["client_oid"])
        sides = bool(resting["Buy"]), bool(resting["Sell"])
        if sides != (latest.bid, latest.ask):
            found.append(Quoted(latest.ended_ms, latest.ended_ms, *sides))
    return [each for each in found if each.ended_ms > each.begun_ms]


def uptime_of(times: Iterable[Quoted]) -> Uptime:
    """Return the parts of the time with a bid, an ask, and both."""
    whole, bid, ask, both = 0, 0, 0, 0
    for each in times:
        ms = each.ended_ms - each.begun_ms
        whole += ms
        bid += ms * each.bid
        ask += ms * each.ask
        both += ms * (each.bid and each.ask)
    return Uptime(*(Decimal(part) / max(whole, 1) for part in (bid, ask, both)))


@dataclass(frozen=True, slots=True)
class InState:
    """How long a run was in a trading state, in ms, and for which reasons, the longest first."""

    state: str
    ms: int
    reasons: tuple[tuple[str, int], ...]


def states_of(ticks: Sequence[Row], begun_ms: int, end_ms: int) -> list[InState]:
    """Return the time in each trading state, the longest first. A tick's lasts until the next.

    Before the first tick, which may be before `begun_ms`, the bot was starting.
    """
    spent = Counter[tuple[str, str]]()
    state, reason, at = "PAUSED", "starting", begun_ms
    for tick in ticks:
        spent[state, reason] += max(tick["time_ms"] - at, 0)
        state, reason, at = tick["state"], tick["reason"], max(tick["time_ms"], begun_ms)
    spent[state, reason] += max(end_ms - at, 0)
    found = []
    for name in dict.fromkeys(state for state, _ in spent):
        why = [(reason, ms) for (of, reason), ms in spent.most_common() if of == name]
        named = tuple((reason, ms) for reason, ms in why if reason)
        found.append(InState(name, sum(ms for _, ms in why), named))
    return sorted((each for each in found if each.ms), key=lambda each: -each.ms)
