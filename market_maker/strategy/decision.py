"""The decision: from the wanted orders and a snapshot to a plan, as a pure function of values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.models import OrderRequest, Plan, Snapshot, riskiest_first
from market_maker.strategy import convergence, risk


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and which wanted orders are left out, each with the reason."""

    plan: Plan
    dropped: tuple[tuple[OrderRequest, str], ...]


def decide(
    wanted: Sequence[OrderRequest], snapshot: Snapshot, limits: risk.Limits, *, relist: Decimal
) -> Decision:
    """Return the plan with the fewest requests that keeps the limits, the most urgent ones first.

    `relist` is the fraction by which an order may stand off the wanted price.
    """
    trimmed = risk.trim(wanted, snapshot, limits)
    plan = convergence.converge(
        trimmed.orders, snapshot.orders, relist=relist, tick=snapshot.instrument.tick
    )
    plan = risk.gate(plan, snapshot, limits)
    creates = risk.choose_legs(plan.create, snapshot, limits)
    plan = replace(
        plan,
        cancel=tuple(riskiest_first(plan.cancel, snapshot.ticker, snapshot.position)),
        create=tuple(risk.nearest_first(creates, snapshot.ticker)),
    )
    return Decision(plan, trimmed.dropped)
