"""Limits in words: the figures by which a wanted order passed them, or was not placed."""

from decimal import Decimal

from market_maker import strategy
from market_maker.decimals import plain
from market_maker.models import ZERO, OrderRequest, Side
from market_maker.strategy import Decided


def passed_by(request: OrderRequest, decided: Decided) -> str:
    """Return what the limits allow where an order has passed them."""
    limits, found = decided.limits, []
    if limits.check or limits.reducing:
        found.append(_held(request, decided))
    found += [f"collar {text}" for text in _collar(request, decided)]
    return f"passed: {'; '.join(found)}" if found else "passed: none is set"


def refused(request: OrderRequest, reason: str, decided: Decided) -> str:
    """Return a reason of `strategy.decide()` with its figures."""
    ticker, limits = decided.snapshot.ticker, decided.limits
    figures = ""
    if reason == "position limit":
        figures = _held(request, decided)
    elif "PRICE_COLLAR" in reason:
        figures = ", ".join(_collar(request, decided))
    elif reason == "MAX_OPEN_VALUE":
        figures = f"{plain(limits.max_open_value)}; nearer quotes come first"
    elif reason == "would cross the book":
        other = ticker.ask if request.side is Side.BUY else ticker.bid
        figures = f"the best {'ask' if request.side is Side.BUY else 'bid'} is {_shown(other)}"
    return f"not placed: {reason}" + (f" ({figures})" if figures else "")


def _held(request: OrderRequest, decided: Decided) -> str:
    """Return what would be held if this order and all nearer ones of its side filled."""
    limits, side = decided.limits, request.side
    held = ZERO + strategy.held_at_most(side, decided.snapshot, limits)
    name = "MAX_POSITION" if side is Side.BUY else "MIN_POSITION"
    most = limits.max_position if side is Side.BUY else limits.min_position
    if limits.hedge:
        return f"the leg that it enlarges is {plain(held)}, {name} {plain(most)}"
    refused = [order for order, _ in decided.decision.dropped]
    nearer = [
        each.qty
        for each in decided.wanted
        if each.side is side and each not in refused and side.better(each.price, request.price)
    ]
    then = side.sign * (held + sum(nearer, ZERO) + request.qty)
    now = plain(ZERO + side.sign * held)
    words = f"position {now}, {plain(then)} once this and nearer ones fill"
    words += f", {name} {plain(most)}" if limits.check else ""
    return words + (", and REDUCING allows no larger one" if limits.reducing else "")


def _collar(request: OrderRequest, decided: Decided) -> list[str]:
    word = "at most" if request.side is Side.BUY else "at least"
    collars = decided.snapshot.instrument.collars(request.side, decided.limits.collar)
    return [f"{word} {plain(round(price, 8))} by the {name}" for name, price in collars]


def _shown(price: Decimal | None) -> str:
    return "-" if price is None else plain(price)
