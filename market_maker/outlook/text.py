"""An outlook as one screen of text."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from textwrap import wrap

from market_maker.decimals import plain
from market_maker.models import Side
from market_maker.outlook.ends import End
from market_maker.outlook.outlook import Level, Outlook
from market_maker.symbol import unit_of

WIDTH = 80
FIRST, LAST = 3, 2
"""So many levels of a long ladder are shown at its beginning and at its end."""
BARS = 5
"""So many bars at most are drawn of each side."""
INDENT = 11
FAR = Decimal("0.95")
"""A liquidation further off than this part of the price is shown as far off."""


def in_text(found: Outlook) -> str:
    """Return the outlook as text of at most 80 columns."""
    lines = [
        *_head(found),
        *_table(found),
        *_drawing(found),
        *_dropped(found),
        *_figures(found),
        *_ends(found),
        *(line for doubt in found.doubts for line in entry("DOUBTFUL", f"{doubt}.")),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


# --- the parts ----------------------------------------------------------------------------------


def entry(name: str, text: str) -> list[str]:
    """Return a text on as many lines as it needs, with its name before it."""
    lines = wrap(text, WIDTH - INDENT, break_on_hyphens=False) or [""]
    return [f"{name if n == 0 else '':<{INDENT}}{line}" for n, line in enumerate(lines)]


def _head(found: Outlook) -> Iterator[str]:
    basis = found.basis
    instrument, ticker = basis.snapshot.instrument, basis.snapshot.ticker
    bid, ask = ("none" if each is None else plain(each) for each in (ticker.bid, ticker.ask))
    yield from entry(
        "Plan",
        f"{instrument.symbol} in {instrument.settle_currency}, {found.rules.strategy}: "
        "no order is sent",
    )
    yield from entry(
        "Market", f"bid {bid}, ask {ask}, mark {plain(basis.price)}, tick {plain(instrument.tick)}"
    )
    for note in basis.notes:
        yield from entry("Account", note)
    sides = ", ".join(_total(found, side) for side in Side)
    dropped = f", {len(found.dropped)} not placed" if found.dropped else ""
    yield from entry("Ladder", f"{sides} {_unit(found)}{dropped}")
    for note in found.said:
        yield from entry("Strategy", note)


def _total(found: Outlook, side: Side) -> str:
    """Return the number of orders of a side and their size together."""
    orders = [level.order for level in found.of(side)]
    size = sum((order.qty for order in orders), Decimal(0))
    return f"{len(orders)} {side.value.lower()}{'' if len(orders) == 1 else 's'} of {plain(size)}"


def _unit(found: Outlook) -> str:
    return unit_of(found.basis.snapshot.instrument.symbol)


def _table(found: Outlook) -> Iterator[str]:
    buys, sells = found.of(Side.BUY), found.of(Side.SELL)
    length = max(len(buys), len(sells))
    if not length:
        return
    buy, sell = (
        f"{f'{side} price':>10}{'size':>9}{'margin':>10}{'away':>7}" for side in ("buy", "sell")
    )
    yield ""
    yield f"{'level':<6}{buy}  {sell}"
    shown = [*range(length)]
    if length > FIRST + LAST + 1:
        shown = [*range(FIRST), -1, *range(length - LAST, length)]
    for place in shown:
        if place < 0:
            yield f"{'...':<6}"
        else:
            yield f"{place + 1:<6}{_level(buys, place)}  {_level(sells, place)}"
    if any(level.order.close for level in found.levels):
        yield "c: closes the position, binds no margin"


def _level(levels: Sequence[Level], place: int) -> str:
    if place >= len(levels):
        return f"{'':>36}"
    level = levels[place]
    size = plain(level.order.qty) + ("c" if level.order.close else "")
    margin = _short(level.margin)
    return f"{plain(level.order.price):>10}{size:>9}{margin:>10}{level.away:>+7.1%}"


def _drawing(found: Outlook) -> Iterator[str]:
    """Yield the sizes of both sides as bars, the highest price first, each of some levels."""
    bars = {side: _bars(found.of(side)) for side in Side}
    largest = max((size for each in bars.values() for _, _, size in each), default=Decimal(0))
    if not largest:
        return
    yield ""
    yield from (_bar(each, largest, "s") for each in reversed(bars[Side.SELL]))
    middle = plain(found.basis.snapshot.ticker.near)
    yield f"{middle:>21} {'-' * 12} mid"
    yield from (_bar(each, largest, "b") for each in bars[Side.BUY])
    yield ""


def _bars(levels: Sequence[Level]) -> list[tuple[Decimal, Decimal, Decimal]]:
    """Return (first price, last price, size) of about equal parts of a side, the nearest first."""
    step = -(-len(levels) // BARS) or 1
    parts = [levels[place : place + step] for place in range(0, len(levels), step)]
    return [
        (part[0].order.price, part[-1].order.price, sum((p.order.qty for p in part), Decimal(0)))
        for part in parts
    ]


def _bar(bar: tuple[Decimal, Decimal, Decimal], largest: Decimal, letter: str) -> str:
    first, last, size = bar
    low, high = sorted((first, last))
    prices = plain(low) if low == high else f"{plain(low)} - {plain(high)}"
    return f"{prices:>21} {letter * max(int(size * 44 / largest), 1)} {plain(size)}"


def _dropped(found: Outlook) -> Iterator[str]:
    kinds = Counter((order.side, reason) for order, reason in found.dropped)
    for (side, reason), number in kinds.items():
        sizes = [order for order, why in found.dropped if (order.side, why) == (side, reason)]
        first = min(sizes, key=lambda order: -side.sign * order.price)
        some = f"{number} {side.value.lower()}s from {first} on" if number > 1 else f"{first}"
        yield from entry("Not placed", f"{some}: {reason}")


def _figures(found: Outlook) -> Iterator[str]:
    requests, volatility = found.requests, found.basis.volatility
    currency = found.basis.snapshot.instrument.settle_currency
    why = "no order has to move"
    if not math.isinf(requests.every):
        why = (
            f"every {_seconds(requests.every)} the price leaves RELIST_INTERVAL "
            f"{plain(found.rules.relist)}, and {requests.each_time:.3g} cancels and creates follow"
        )
    yield from entry(
        "Requests",
        f"{requests.per_minute:.3g} a minute: {why}; at {volatility.hourly:.2%} an hour, "
        f"{volatility.source}. Fills come on top.",
    )
    amounts = ", ".join(f"{plain(amount)} {name}" for name, amount in found.bound.items())
    held = plain(round(found.position_margin, 8))
    yield from entry(
        "Margin",
        f"orders bind {amounts}, {found.share:.2%} of the balance "
        f"{plain(found.basis.margin.total)} {currency}; the position {held}",
    )
    rates = found.rules.rates
    trip = ""
    if found.round_trip:
        earned, fees = found.round_trip
        trip = f"; both first levels together earn {earned:.8f} {currency} less {fees:.8f}"
    yield from entry("Fees", f"maker {_percent(rates.maker)}, taker {_percent(rates.taker)}{trip}")


def _ends(found: Outlook) -> Iterator[str]:
    currency = found.basis.snapshot.instrument.settle_currency
    yield ""
    yield (
        f"{'If the price':<26}{'to':>9}{'fills':>6}{'position':>10}{f'result {currency}':>14}"
        f"{'liquidated':>14}"
    )
    for end in found.ends:
        yield (
            f"{end.name:<26}{_price(end.price):>9}{end.fills:>6}{plain(end.position):>10}"
            f"{_signed(end.result):>14}{_liquidation(found, end):>14}"
        )
    if found.basis.snapshot.instrument.is_contract:
        yield "Liquidation is an estimate: the venue publishes no rule. !: before the price is"
        yield "there. Results are those without it."


def _liquidation(found: Outlook, end: End) -> str:
    if end.liquidation is None:
        is_contract = found.basis.snapshot.instrument.is_contract
        return "never" if end.position and is_contract else "-"
    away = end.liquidation / found.basis.price - 1
    if not -FAR < away < FAR:
        return "far off"
    return f"{_price(end.liquidation)} {away:+.0%}{'!' if end.is_liquidated else ''}"


# --- numbers ------------------------------------------------------------------------------------


def _short(amount: Decimal) -> str:
    """Return an amount with as many decimals as 9 characters hold, at most 6."""
    places = 6 - max(len(str(int(amount))) - 2, 0)
    return f"{amount:.{places}f}" if places >= 0 else f"{amount:.3e}"


def _signed(amount: Decimal) -> str:
    if abs(amount) >= 10**9:
        return f"{amount:+.5e}"
    places = 6 if abs(amount) < 10_000 else 2
    return f"{round(amount, places) + Decimal(0):+.{places}f}"  # a zero has no sign of its own


def _price(price: Decimal) -> str:
    return plain(price) if len(plain(price)) <= 8 else f"{price:.6g}"


def _percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)} %"


def _seconds(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
