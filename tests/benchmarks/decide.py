"""Deciding: from a ladder and the open orders to a plan; and what plans cost in a day."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from market_maker import convergence, ladder, risk
from market_maker._settings_base import SettingsBase as Defaults
from market_maker.market_maker import _request
from market_maker.models import (
    Instrument,
    OpenOrder,
    OrderRequest,
    Plan,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.protocol import BATCH_IDS
from tests.benchmarks.table import Figure, seconds_of

TICK = Decimal("0.5")
INSTRUMENT = Instrument(
    instrument_type="pc",
    settle_currency="BTC",
    symbol="BTC_USD",
    tick=TICK,
    mark_price=Decimal(8500),
    index_price=Decimal(8500),
    last_price=Decimal(8500),
)
LIMITS = risk.Limits(
    check=True,
    min_position=Decimal(-(10**8)),
    max_position=Decimal(10**8),
    collar=Decimal("0.9"),
    max_orders=10**5,
)
MINUTES = 24 * 60
Match = Callable[[Sequence[OrderRequest], Sequence[OpenOrder]], Plan]


def wanted(
    pairs: int, mid: float, interval: float, step: float = 100, start: float = 100
) -> list[dict[str, object]]:
    """Return the ladder that the default strategy wants."""
    begin = ladder.Start(buy=mid - 1, sell=mid + 1)
    found: list[dict[str, object]] = []
    for index in (*range(-pairs, 0), *range(1, pairs + 1)):
        price = ladder.level_price(
            begin, index, interval=interval, maintain_spreads=False, tick=0.5
        )
        qty = ladder.level_qty(index, start_size=start, step_size=step)
        side = Side.BUY if index < 0 else Side.SELL
        found.append({"price": price, "orderQty": qty, "side": side.value})
    return found


def opened(requests: Sequence[OrderRequest], first: int = 1) -> list[OpenOrder]:
    """Return the requests as open orders."""
    return [
        OpenOrder(side=r.side, price=r.price, qty=r.qty, client_oid=f"mm_{n:06}", order_id=str(n))
        for n, r in enumerate(requests, first)
    ]


def exact(orders: Sequence[dict[str, object]]) -> list[OrderRequest]:
    """Return a strategy's orders on the grid."""
    return [_request(order, Side(order["side"]), INSTRUMENT) for order in orders]


def decide(ladder_: Sequence[dict[str, object]], orders: Sequence[OpenOrder]) -> Plan:
    """Do all that a tick does to decide."""
    ticker = Ticker(bid=Decimal(8499), ask=Decimal(8501))
    snapshot = Snapshot(
        instrument=INSTRUMENT, ticker=ticker, orders=tuple(orders), position=Position()
    )
    trimmed = risk.trim(exact(ladder_), snapshot, LIMITS)
    plan = convergence.converge(
        trimmed.orders, orders, relist=Decimal(str(Defaults.RELIST_INTERVAL)), tick=TICK
    )
    plan = risk.gate(plan, snapshot, LIMITS)
    return replace(plan, create=risk.choose_legs(plan.create, snapshot, LIMITS))


def plans() -> Iterator[Figure]:
    """Measure ladder, limits and convergence together."""
    took = {}
    for pairs, interval, most in ((30, 0.005, 1.0), (500, 0.0005, 20.0), (1000, 0.0005, None)):
        orders = opened(exact(wanted(pairs, 8500, interval, step=0)))
        for what, mid in (("stands", 8500), ("shifts", 8504), ("moves 2 %", 8670)):
            act = lambda m=mid, p=pairs, i=interval, o=orders: decide(wanted(p, m, i, step=0), o)  # noqa: E731
            took[pairs, what] = seconds_of(act, 5)
            if most:
                yield Figure(
                    what=f"plan for {pairs} pairs, {2 * pairs:,} orders open, ladder {what}",
                    value=took[pairs, what] * 1e3,
                    unit="ms",
                    most=most,
                )
    yield Figure(
        what="a ladder of 1,000 pairs that shifts, / one of 500",
        value=took[1000, "shifts"] / took[500, "shifts"],
        unit="x",
        most=2.5,
        note="n log n is 2.2",
    )


# --- a day ----------------------------------------------------------------------------------------


def ours(want: Sequence[OrderRequest], orders: Sequence[OpenOrder]) -> Plan:
    """Keep the most orders: this bot."""
    relist = Decimal(str(Defaults.RELIST_INTERVAL))
    return convergence.converge(want, orders, relist=relist, tick=TICK)


def by_position(want: Sequence[OrderRequest], orders: Sequence[OpenOrder]) -> Plan:
    """Match the first order with the first wanted one and so on, as BitMEX's sample does.

    It amends what differs in size, or in price by RELIST_INTERVAL; here that is a cancel and a
    create.
    """
    cancel, create, keep = [], [], []
    for side in Side:
        have = risk.inside_out(o for o in orders if o.side is side)  # type: ignore[arg-type]
        need = risk.inside_out(w for w in want if w.side is side)
        for order, request in zip(have, need, strict=False):
            off = abs(request.price / order.price - 1)
            if order.remaining != request.qty or off > Decimal(str(Defaults.RELIST_INTERVAL)):
                cancel.append(order)
                create.append(request)
            else:
                keep.append(order)
        cancel += have[len(need) :]
        create += need[len(have) :]
    return Plan(cancel=tuple(cancel), create=tuple(create), keep=tuple(keep))  # type: ignore[arg-type]


def replace_all(want: Sequence[OrderRequest], orders: Sequence[OpenOrder]) -> Plan:
    """Cancel all and place all, as many do."""
    return Plan(cancel=tuple(orders), create=tuple(want))


def requests_of_a_day(match: Match, seed: int = 7) -> Counter[str]:
    """Return the requests of a day of minutes in which the price walks and fills what it meets."""
    chance = random.Random(seed)
    mid, orders, counts, number = 8500.0, [], Counter[str](), 1
    for _ in range(MINUTES):
        path = [mid := mid * (1 + chance.gauss(0, 0.0003)) for _ in range(6)]
        low, high = Decimal(min(path)), Decimal(max(path))
        met = [o for o in orders if (o.price >= low if o.side is Side.BUY else o.price <= high)]
        counts["fills"] += len(met)
        orders = [order for order in orders if order not in met]
        want = exact(
            wanted(
                Defaults.ORDER_PAIRS,
                round(mid * 2) / 2,
                Defaults.INTERVAL,
                Defaults.ORDER_STEP_SIZE,
                Defaults.ORDER_START_SIZE,
            )
        )
        plan = match(want, orders)
        singles = max(0, len(plan.cancel) - BATCH_IDS)
        counts["cancels"] += len(plan.cancel) if len(plan.cancel) < 2 else 1 + singles
        counts["creates"] += len(plan.create)
        gone = {order.client_oid for order in plan.cancel}
        orders = [o for o in orders if o.client_oid not in gone] + opened(plan.create, number)
        number += len(plan.create)
    return counts


def day() -> Iterator[Figure]:
    """Compare the requests of a day by three ways to match orders."""
    found = {m.__name__: requests_of_a_day(m) for m in (ours, by_position, replace_all)}
    mine = found["ours"]["creates"] + found["ours"]["cancels"]
    for name, counts in found.items():
        total = counts["creates"] + counts["cancels"]
        yield Figure(
            what=f"requests of a day, {name.replace('_', ' ')}, / ours",
            value=total / mine,
            unit="x",
            least=None if name == "ours" else 1,
            note=f"{total:,} requests, {counts['fills']:,} fills",
        )
