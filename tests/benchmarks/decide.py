"""Deciding: from a ladder and the open orders to a plan; and what plans cost in a day."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import truediv
from statistics import median

from market_maker.models import (
    ZERO,
    Exposure,
    Instrument,
    Leg,
    OpenOrder,
    OrderRequest,
    Plan,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.settings.schema import SettingsBase as Defaults
from market_maker.strategy import ladder, risk
from market_maker.strategy.decision import decide
from market_maker.trading.order_keys import asked_of
from market_maker.wire.protocol import BATCH_IDS
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
ROUNDS = 7
RELIST = Decimal(str(Defaults.RELIST_INTERVAL))
Match = Callable[[Sequence[OrderRequest], Snapshot, risk.Limits], Plan]


def wanted(
    pairs: int, mid: float, interval: float, step: float = 100, start: float = 100
) -> list[dict[str, object]]:
    """Return the ladder that the default strategy wants, by the rules of the defaults."""
    begin = ladder.start_prices(
        bid=mid - 1, ask=mid + 1, tick=0.5, min_spread=min(Defaults.MIN_SPREAD, 2 * interval)
    )
    found: list[dict[str, object]] = []
    for index in (*range(-pairs, 0), *range(1, pairs + 1)):
        price = ladder.level_price(
            begin.buy if index < 0 else begin.sell,
            index,
            interval=interval,
            maintain_spreads=Defaults.MAINTAIN_SPREADS,
            tick=0.5,
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
    return [asked_of(order, Side(order["side"]), INSTRUMENT).request for order in orders]


def seen(mid: float, orders: Sequence[OpenOrder], net: Decimal = ZERO) -> Snapshot:
    """Return what a tick reads of a market around `mid`."""
    price = Decimal(str(mid))
    long, short = Leg(qty=max(net, ZERO)), Leg(qty=max(-net, ZERO))
    return Snapshot(
        instrument=replace(INSTRUMENT, mark_price=price, index_price=price, last_price=price),
        ticker=Ticker(bid=price - 1, ask=price + 1),
        orders=tuple(orders),
        position=Position(long=long, short=short),
        exposure=Exposure.of((long.qty, short.qty)),
    )


def plans() -> Iterator[Figure]:
    """Measure ladder, limits and convergence together, as a tick does all of it."""
    took: dict[tuple[int, str], list[float]] = {}
    cases = ((30, 0.005, 1.0), (500, 0.0005, 20.0), (1000, 0.0005, None))
    news = (("stands", 8500, 0), ("shifts", 8504, 0), ("is filled at the top", 8500, 1))
    for _ in range(ROUNDS):  # all in turn, so that a slow moment is no one's
        for pairs, interval, _most in cases:
            orders = opened(exact(wanted(pairs, 8500, interval, step=0)))
            for what, mid, filled in (*news, ("moves 2 %", 8670, 0)):
                now = seen(mid, [o for o in orders if o is not orders[pairs - 1] or not filled])
                act = lambda n=now, m=mid, p=pairs, i=interval: decide(  # noqa: E731
                    exact(wanted(p, m, i, step=0)), n, LIMITS, relist=RELIST
                )
                took.setdefault((pairs, what), []).append(seconds_of(act, 1, 3))
    for pairs, _interval, most in cases:
        for what, _mid, _filled in (*news, ("moves 2 %", 8670, 0)):
            if most:
                yield Figure(
                    what=f"plan for {pairs} pairs, {2 * pairs:,} orders open, ladder {what}",
                    value=median(took[pairs, what]) * 1e3,
                    unit="ms",
                    most=most,
                )
    ratios = map(truediv, took[1000, "shifts"], took[500, "shifts"])
    yield Figure(
        what="a ladder of 1,000 pairs that shifts, / one of 500",
        value=median(ratios),
        unit="x",
        most=2.3,
        note="n log n is 2.2",
    )


# --- a day ----------------------------------------------------------------------------------------


def ours(want: Sequence[OrderRequest], now: Snapshot, limits: risk.Limits) -> Plan:
    """Keep the most orders: this bot."""
    return decide(want, now, limits, relist=RELIST).plan


def by_position(want: Sequence[OrderRequest], now: Snapshot, limits: risk.Limits) -> Plan:
    """Match the first order with the first wanted one and so on, as BitMEX's sample does.

    It amends what differs in size, or in price by RELIST_INTERVAL; here that is a cancel and a
    create. Both are in the order of their prices here, which is kinder to it than its own order of
    arrival.
    """
    cancel, create, keep = [], [], []
    want = risk.trim(want, now, limits).orders
    for side in Side:
        have = risk.inside_out(o for o in now.orders if o.side is side)  # type: ignore[arg-type]
        need = risk.inside_out(w for w in want if w.side is side)
        for order, request in zip(have, need, strict=False):
            off = abs(request.price / order.price - 1)
            if order.remaining != request.qty or off > RELIST:
                cancel.append(order)
                create.append(request)
            else:
                keep.append(order)
        cancel += have[len(need) :]
        create += need[len(have) :]
    return Plan(cancel=tuple(cancel), create=tuple(create), keep=tuple(keep))  # type: ignore[arg-type]


def replace_all(want: Sequence[OrderRequest], now: Snapshot, limits: risk.Limits) -> Plan:
    """Cancel all and place all, as many do."""
    return Plan(cancel=now.orders, create=risk.trim(want, now, limits).orders)


def requests_of_a_day(match: Match, seed: int = 7) -> Counter[str]:
    """Return the order requests of a day of minutes: the price walks, and fills what it meets.

    By the default settings. What is held back until cancels have ended is placed in a second tick.
    """
    chance = random.Random(seed)
    orders: list[OpenOrder] = []
    mid, net, counts, number = 8500.0, ZERO, Counter[str](), 1
    limits = replace(
        LIMITS,
        min_position=Decimal(Defaults.MIN_POSITION),
        max_position=Decimal(Defaults.MAX_POSITION),
        collar=Decimal(str(Defaults.PRICE_COLLAR)),
        max_orders=Defaults.MAX_OPEN_ORDERS,
    )
    for _ in range(MINUTES):
        path = [mid := mid * (1 + chance.gauss(0, 0.0003)) for _ in range(6)]
        low, high = Decimal(min(path)), Decimal(max(path))
        met = [o for o in orders if (o.price >= low if o.side is Side.BUY else o.price <= high)]
        counts["fills"] += len(met)
        net += sum((order.side.sign * order.qty for order in met), ZERO)
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
        for _tick in range(2):
            plan = match(want, seen(round(mid * 2) / 2, orders, net), limits)
            singles = max(0, len(plan.cancel) - BATCH_IDS)
            counts["cancels"] += len(plan.cancel) if len(plan.cancel) < 2 else 1 + singles
            counts["creates"] += len(plan.create)
            gone = {order.client_oid for order in plan.cancel}
            orders = [o for o in orders if o.client_oid not in gone] + opened(plan.create, number)
            number += len(plan.create)
            if not plan.deferred:
                break
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
