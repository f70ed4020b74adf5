"""The decision: from wanted orders and a snapshot to a plan, as a pure function."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.models import OrderRequest, Plan, Snapshot, riskiest_first
from market_maker.strategy import convergence, risk


@dataclass(frozen=True, slots=True)
class Decision:
    """The plan, and the wanted orders that are not placed, each with the reason."""

    plan: Plan
    dropped: tuple[tuple[OrderRequest, str], ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and all its inputs, for the journal and for equal inputs."""

    wanted: tuple[OrderRequest, ...]
    snapshot: Snapshot
    limits: risk.Limits
    relist: Decimal
    decision: Decision
    seen: Snapshot | None = None
    """What the strategy saw before, where that was not `snapshot`, which is a moment younger."""
    is_beside: bool = False
    """Whether the wanted orders were to stand beside the open ones, not in their place."""
    given: tuple[tuple[Decimal, Decimal], ...] = ()
    """Price and quantity of each wanted order as the strategy gave them, before rounding."""
    notes: tuple[str, ...] = ()
    """What the strategy said of its orders (`OrderManager.explain()`)."""
    held: str = ""
    """Why the creates of the plan were not sent; empty if they were."""


def decide_more(more: Sequence[OrderRequest], snapshot: Snapshot, limits: risk.Limits) -> Decision:
    """Return the plan that places `more` orders beside the open ones, within the same limits."""
    trimmed = risk.trim(more, snapshot, limits)
    kept, dropped = [], list(trimmed.dropped)
    for order in trimmed.orders:
        reason = risk.conflict(order, snapshot.orders)
        dropped += [(order, reason)] if reason else []
        kept += [] if reason else [order]
    plan, reasons = risk.gated(Plan(create=tuple(kept)), snapshot, limits)
    late = zip(plan.deferred, reasons, strict=True)
    dropped += [(order, f"{reason}, counting the open orders") for order, reason in late]
    return Decision(replace(plan, deferred=()), tuple(dropped))


def decide(
    wanted: Sequence[OrderRequest], snapshot: Snapshot, limits: risk.Limits, *, relist: Decimal
) -> Decision:
    """Return the plan with the fewest requests within the limits, the most urgent requests first.

    `relist` is the deviation from the wanted price at which an order is kept, as a fraction.
    """
    trimmed = risk.trim(wanted, snapshot, limits)
    plan = convergence.converge(
        trimmed.orders, snapshot.orders, relist=relist, tick=snapshot.instrument.tick
    )
    plan = risk.gate(plan, snapshot, limits)
    cancels = riskiest_first(plan.cancel, snapshot.ticker, snapshot.position)
    return Decision(replace(plan, cancel=tuple(cancels)), trimmed.dropped)
