"""The outlook: what a decision would put up, bind, cost and risk."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.models import ZERO, OrderRequest, Side
from market_maker.money import bound, order_margin, value
from market_maker.outlook.basis import Basis, Rules
from market_maker.outlook.ends import End, ends
from market_maker.outlook.requests import Requests, expected
from market_maker.strategy import Decided


@dataclass(frozen=True, slots=True)
class Level:
    """An order as it would stand, and what it would bind."""

    order: OrderRequest
    margin: Decimal
    """In the currency that it is paid in."""
    away: Decimal
    """Its distance from the mid, as a fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the decision of a moment would mean. Amounts are in the settlement currency."""

    basis: Basis
    rules: Rules
    levels: tuple[Level, ...]
    """Buys, then sells; of each side the nearest to the market first."""
    dropped: tuple[tuple[OrderRequest, str], ...]
    """Wanted orders that would not be placed, each with the reason."""
    requests: Requests
    bound: Mapping[str, Decimal]
    """What all orders bind together, by currency."""
    position_margin: Decimal
    """What the position of now binds."""
    ends: tuple[End, ...]
    """If the price stays, falls and rises."""
    said: tuple[str, ...]
    """What the strategy said of its orders."""
    round_trip: tuple[Decimal, Decimal] | None
    """What a buy and a sell of the first levels earn, and their fees; None without both."""
    doubts: tuple[str, ...]

    def of(self, side: Side) -> tuple[Level, ...]:
        """Return the levels of a side, the nearest to the market first."""
        return tuple(level for level in self.levels if level.order.side is side)

    @property
    def share(self) -> Decimal:
        """What orders bind of the settlement currency, as a fraction of the balance."""
        total = self.basis.margin.total
        return self.bound[self.basis.snapshot.instrument.settle_currency] / total if total else ZERO


def outlook_of(
    decided: Sequence[Decided], basis: Basis, rules: Rules, draw: Callable[[], float]
) -> Outlook:
    """Return what was decided in one tick would mean, where no own order rests.

    `draw` returns standard normal deviates (see `requests.expected`).
    """
    decisions = [each.decision for each in decided]
    instrument, mid = basis.snapshot.instrument, basis.snapshot.ticker.near or basis.price
    orders = [order for each in decisions for order in each.plan.create]
    orders.sort(key=lambda order: (order.side is Side.SELL, -order.side.sign * order.price))
    late = [order for each in decisions for order in each.plan.deferred]
    dropped = [why for each in decisions for why in each.dropped]
    levels = tuple(
        Level(order, order_margin(instrument, order, basis.leverage), order.price / mid - 1)
        for order in orders
    )
    found = Outlook(
        basis=basis,
        rules=rules,
        levels=levels,
        # nothing rests, so there is one reason to wait: the number of orders
        dropped=(*dropped, *((order, "MAX_OPEN_ORDERS") for order in late)),
        requests=expected(
            orders,
            basis.snapshot,
            relist=rules.relist,
            seconds=rules.seconds,
            volatility=basis.volatility,
            draw=draw,
        ),
        bound=bound(instrument, orders, basis.leverage),
        position_margin=_position_margin(basis),
        ends=ends(basis, rules, orders),
        said=tuple(note for each in decided for note in each.notes),
        round_trip=_round_trip(basis, rules, orders),
        doubts=(),
    )
    return replace(found, doubts=(*rules.doubts, *_doubts(found)))


def _position_margin(basis: Basis) -> Decimal:
    if basis.margin.position_margin is not None:
        return basis.margin.position_margin
    return sum((leg.margin for leg in basis.holding().legs), ZERO)


def _round_trip(
    basis: Basis, rules: Rules, orders: Sequence[OrderRequest]
) -> tuple[Decimal, Decimal] | None:
    """Return what the first buy and the first sell earn together, and their fees as a maker."""
    firsts = [next((o for o in orders if o.side is side), None) for side in Side]
    if None in firsts:
        return None
    buy, sell = firsts
    assert buy
    assert sell
    qty, instrument = min(buy.qty, sell.qty), basis.snapshot.instrument
    bought, sold = (value(instrument, qty, each.price) for each in (buy, sell))
    earned = bought - sold if instrument.is_contract else sold - bought
    return earned, rules.rates.maker * (bought + sold)


def _doubts(found: Outlook) -> Iterator[str]:
    """Yield in words what this market and this account make doubtful."""
    basis, rules = found.basis, found.rules
    currency = basis.snapshot.instrument.settle_currency
    if not found.levels and not found.dropped:
        yield "the strategy wants no orders now; one that has to watch first needs --watch SECONDS"
    for side in Side if found.levels else ():
        if not found.of(side):
            yield f"there are no {side.value.lower()}s: only one side is quoted"
    needed, free = found.bound[currency], basis.margin.available
    if needed > free:
        yield (
            f"the orders bind {plain(needed)} {currency}, {plain(round(free, 8))} is available: "
            "the venue refuses those beyond it"
        )
    if found.round_trip and found.round_trip[0] < found.round_trip[1]:
        yield "a buy and a sell of the first levels earn less than their fees"
    yield from _doubts_of_pace(found)
    for end in found.ends:
        if not end.is_last:
            continue
        if end.is_liquidated and end.liquidation:
            yield (
                f"if the price {end.name}, the position of {plain(end.position)} is liquidated on "
                f"the way, at about {end.liquidation:.6g}"
            )
        if rules.max_loss and -end.result >= rules.max_loss:
            yield (
                f"if the price {end.name}, MAX_LOSS {plain(rules.max_loss)} halts the bot on the "
                "way: the last levels are further off than it allows"
            )


def _doubts_of_pace(found: Outlook) -> Iterator[str]:
    """Yield what is doubtful about how often the market is looked at and orders move."""
    sides = [found.of(side)[:1] for side in Side]
    if not all(sides):
        return
    buy, sell = (float(side[0].order.price) for side in sides)
    pace = found.basis.volatility.per_root_second * math.sqrt(found.rules.seconds)
    half = (sell / buy - 1) / 2
    if pace > half:
        yield (
            f"in LOOP_INTERVAL {found.rules.seconds:g} s the price moves {pace:.2%} (one standard "
            f"deviation), more than half the spread of the first levels, {half:.2%}: they are late"
        )
    if found.requests.each_time and found.requests.every < 2 * found.rules.seconds:
        yield (
            f"the price leaves RELIST_INTERVAL {plain(found.rules.relist)} every "
            f"{found.requests.every:.0f} s: orders move at nearly every look"
        )
