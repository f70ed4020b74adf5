"""Where a run may end: the orders of a side fill as the price moves, and it stays there."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.models import ZERO, OrderRequest, Side
from market_maker.money import liquidation_price, value
from market_maker.outlook.basis import Basis, Rules

LAST = "to the last level"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A price, what has filled on the way there, and what that has cost."""

    name: str
    price: Decimal
    fills: int
    position: Decimal
    """Long less short, in contracts or base currency."""
    result: Decimal
    """Profit after fees against now, in the settlement currency; the position of now included."""
    fees: Decimal
    """Of it: what was paid as a maker."""
    liquidation: Decimal | None
    """Where that position is liquidated, by an estimate; None if nowhere."""

    @property
    def is_last(self) -> bool:
        """Whether it is at the last level of a side."""
        return self.name.endswith(LAST)

    @property
    def is_liquidated(self) -> bool:
        """Whether the position is liquidated before the price is there."""
        if self.liquidation is None or not self.position:
            return False
        return (self.price - self.liquidation) * self.position <= 0


def ends(basis: Basis, rules: Rules, orders: Sequence[OrderRequest]) -> tuple[End, ...]:
    """Return the end where the price stays, and of each side those at its last level and beyond.

    On the way all orders fill that the price reaches, as a maker.
    """
    price = basis.price
    found = [_end(basis, rules, "stays", price, ())]
    for side, verb in ((Side.BUY, "falls"), (Side.SELL, "rises")):
        of_side = sorted((o for o in orders if o.side is side), key=lambda o: o.price)
        last = of_side[:: side.sign][:1]
        aims = [(LAST, each.price) for each in last]
        aims.append((f"by {plain(rules.move * 100)} %", price * (1 - side.sign * rules.move)))
        for words, aim in aims:
            reached = [each for each in of_side if not side.better(aim, each.price)]
            found.append(_end(basis, rules, f"{verb} {words}", aim, reached[:: -side.sign]))
    return tuple(found)


def _end(
    basis: Basis, rules: Rules, name: str, price: Decimal, fills: Sequence[OrderRequest]
) -> End:
    """Return the end at a price after these fills, in their order."""
    instrument = basis.snapshot.instrument
    worths = [value(instrument, each.qty, each.price) for each in fills]
    if not instrument.is_contract:
        signed = [each.side.sign * each.qty for each in fills]
        gained = sum((q * (price - o.price) for q, o in zip(signed, fills, strict=True)), ZERO)
        bought = (value(instrument, o.qty, price) for o in fills if o.side is Side.BUY)
        sold = (w for w, o in zip(worths, fills, strict=True) if o.side is Side.SELL)
        # a buy pays in the coin that it buys, which is worth what the price is then
        fees = rules.rates.maker * sum((*bought, *sold), ZERO)
        net, liquidation = basis.snapshot.position.net + sum(signed, ZERO), None
        gained += basis.snapshot.position.net * (price - basis.price)
    else:
        before = holding = basis.holding()
        fees = rules.rates.maker * sum(worths, ZERO)
        for order, worth in zip(fills, worths, strict=True):
            holding = holding.filled(order, worth, basis.leverage)
        gained = holding.equity(instrument, price) - before.equity(instrument, basis.price)
        net = holding.net
        shared = holding.balance - fees - basis.elsewhere() if basis.leverage.is_cross else None
        liquidation = liquidation_price(instrument, holding.legs, shared)
    return End(
        name=name,
        price=price,
        fills=len(fills),
        position=net,
        result=gained - fees,
        fees=fees,
        liquidation=liquidation,
    )
