"""An outlook as one screen of text and as JSON; two outlooks beside each other."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from enum import Enum
from textwrap import wrap
from typing import Any

from market_maker.decimals import plain
from market_maker.models import Side
from market_maker.outlook.ends import End
from market_maker.outlook.outlook import Level, Outlook

WIDTH = 80
FIRST, LAST = 4, 2
"""So many levels of a long ladder are shown at its beginning and at its end."""
BARS = 4
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
        *(line for doubt in found.doubts for line in _entry("DOUBTFUL", f"{doubt}.")),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def in_json(found: Outlook, changed: Outlook | None = None) -> str:
    """Return the outlook as JSON, exact decimals as text; beside it another as `changed`."""
    plain_value = as_plain(found) | ({"changed": as_plain(changed)} if changed else {})
    return json.dumps(plain_value, indent=1, default=_plain) + "\n"


def as_plain(found: Outlook) -> dict[str, Any]:
    """Return the outlook as mappings and lists, its derived figures included."""
    basis, instrument = found.basis, found.basis.snapshot.instrument
    levels = [
        asdict(each.order) | {"margin": each.margin, "away": each.away} for each in found.levels
    ]
    kept = ("side", "price", "qty", "close", "margin", "away")
    requests = {name: getattr(found.requests, name) for name in ("each_time", "per_minute")}
    every = found.requests.every
    return {
        "symbol": instrument.symbol,
        "settle_currency": instrument.settle_currency,
        "strategy": found.rules.strategy,
        "bid": basis.snapshot.ticker.bid,
        "ask": basis.snapshot.ticker.ask,
        "price": basis.price,
        "balance": basis.margin.total,
        "available": basis.margin.available,
        "position": basis.snapshot.position.net,
        "leverage": asdict(basis.leverage),
        "notes": basis.notes,
        "orders": [{name: level[name] for name in kept} for level in levels],
        "dropped": [
            {"side": order.side, "price": order.price, "qty": order.qty, "reason": reason}
            for order, reason in found.dropped
        ],
        "requests": requests | {"every_seconds": None if math.isinf(every) else every},
        "volatility_of_hour": basis.volatility.hourly,
        "volatility_source": basis.volatility.source,
        "bound": found.bound,
        "share_of_balance": found.share,
        "position_margin": found.position_margin,
        "maker_fee": found.rules.rates.maker,
        "taker_fee": found.rules.rates.taker,
        "round_trip": dict(zip(("earned", "fees"), found.round_trip or (None, None), strict=True)),
        "ends": [asdict(end) | {"is_liquidated": end.is_liquidated} for end in found.ends],
        "doubts": found.doubts,
    }


def compared(before: Outlook, after: Outlook, change: str) -> str:
    """Return a table of the figures of two outlooks, and the doubts that one of them alone has."""
    rows = [
        (name, old, new)
        for (name, old), (_, new) in zip(_summary(before), _summary(after), strict=True)
    ]
    width = max(len(name) for name, *_ in rows)
    lines = [f"{'':<{width}}  {'now':>18}  {'changed':>18}"]
    lines += [
        f"{name:<{width}}  {old:>18}  {new:>18}{'' if old == new else '  *'}"
        for name, old, new in rows
    ]
    for mark, ours, theirs in (("GONE", before, after), ("NEW", after, before)):
        for doubt in ours.doubts:
            lines += _entry(mark, f"{doubt}.") if doubt not in theirs.doubts else []
    return "\n".join([*_entry("Changed", change), *lines]) + "\n"


# --- the parts ----------------------------------------------------------------------------------


def _entry(name: str, text: str) -> list[str]:
    """Return a text of as many lines as it needs, with its name before it."""
    lines = wrap(text, WIDTH - INDENT, break_on_hyphens=False) or [""]
    return [f"{name if n == 0 else '':<{INDENT}}{line}" for n, line in enumerate(lines)]


def _head(found: Outlook) -> Iterator[str]:
    basis = found.basis
    instrument, ticker = basis.snapshot.instrument, basis.snapshot.ticker
    bid, ask = ("none" if each is None else plain(each) for each in (ticker.bid, ticker.ask))
    yield (
        f"{instrument.symbol} in {instrument.settle_currency}, {found.rules.strategy}: "
        "no order is sent"
    )
    yield from _entry(
        "Market", f"bid {bid}, ask {ask}, mark {plain(basis.price)}, tick {plain(instrument.tick)}"
    )
    for note in basis.notes:
        yield from _entry("Account", note)
    count, size = {}, {}
    for side in Side:
        of_side = found.of(side)
        count[side], size[side] = len(of_side), sum((each.order.qty for each in of_side), Decimal())
    yield from _entry(
        "Ladder",
        f"{count[Side.BUY]} buys of {plain(size[Side.BUY])}, {count[Side.SELL]} sells of "
        f"{plain(size[Side.SELL])} {_unit(found)}"
        + (f", {len(found.dropped)} not placed" if found.dropped else ""),
    )


def _unit(found: Outlook) -> str:
    instrument = found.basis.snapshot.instrument
    return "contracts" if instrument.is_contract else instrument.symbol.partition("/")[0]


def _table(found: Outlook) -> Iterator[str]:
    buys, sells = found.of(Side.BUY), found.of(Side.SELL)
    length = max(len(buys), len(sells))
    if not length:
        return
    head = f"{'price':>10}{'size':>9}{'margin':>10}{'away':>7}"
    yield ""
    yield f"{'level':<6}{head}  {head}"
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
        yield from _entry("Not placed", f"{some}: {reason}")


def _figures(found: Outlook) -> Iterator[str]:
    requests, volatility = found.requests, found.basis.volatility
    currency = found.basis.snapshot.instrument.settle_currency
    why = "no order has to move"
    if not math.isinf(requests.every):
        why = (
            f"every {_seconds(requests.every)} the price leaves RELIST_INTERVAL "
            f"{plain(found.rules.relist)}, and {requests.each_time:.3g} cancels and creates follow"
        )
    yield from _entry(
        "Requests",
        f"{requests.per_minute:.3g} a minute: {why}; at {volatility.hourly:.2%} an hour, "
        f"{volatility.source}. Fills come on top.",
    )
    amounts = ", ".join(f"{plain(amount)} {name}" for name, amount in found.bound.items())
    held = plain(round(found.position_margin, 8))
    yield from _entry(
        "Margin",
        f"orders bind {amounts}, {found.share:.2%} of the balance "
        f"{plain(found.basis.margin.total)} {currency}; the position {held}",
    )
    rates = found.rules.rates
    trip = ""
    if found.round_trip:
        earned, fees = found.round_trip
        trip = f"; both first levels together earn {earned:.8f} {currency} less {fees:.8f}"
    yield from _entry("Fees", f"maker {_percent(rates.maker)}, taker {_percent(rates.taker)}{trip}")


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
        yield "Where it is liquidated is an estimate: the venue publishes no rule. Results are"
        yield "those without a liquidation."


def _liquidation(found: Outlook, end: End) -> str:
    if end.liquidation is None:
        return "never" if end.position else "-"
    away = end.liquidation / found.basis.price - 1
    if not -FAR < away < FAR:
        return "far off"
    return f"{_price(end.liquidation)} {away:+.0%}"


def _summary(found: Outlook) -> Iterator[tuple[str, str]]:
    """Yield the figures that are compared, each with its name."""
    for side in Side:
        of_side, name = found.of(side), f"{side.value.lower()}s"
        size = sum((each.order.qty for each in of_side), Decimal(0))
        yield name, f"{len(of_side)} of {plain(size)}"
        for which, place in (("first", 0), ("last", -1)):
            yield f"{which} of {name}", plain(of_side[place].order.price) if of_side else "-"
        dropped = sum(order.side is side for order, _ in found.dropped)
        yield f"{name} not placed", str(dropped)
    yield "requests a minute", f"{found.requests.per_minute:.3g}"
    for name, amount in found.bound.items():
        yield f"bound by orders, {name}", plain(amount)
    yield "of the balance", f"{found.share:.2%}"
    worst = min(found.ends, key=lambda end: end.result)
    yield "largest position", plain(max(found.ends, key=lambda end: abs(end.position)).position)
    yield "worst result", f"{worst.result:+.6f}"
    yield "doubts", str(len(found.doubts))


# --- numbers ------------------------------------------------------------------------------------


def _short(amount: Decimal) -> str:
    """Return an amount with as many decimals as 9 characters hold, at most 6."""
    return f"{amount:.{max(6 - max(len(str(int(abs(amount)))) - 2, 0), 0)}f}"


def _signed(amount: Decimal) -> str:
    return f"{amount:+.6f}" if abs(amount) < 10_000 else f"{amount:+.2f}"


def _price(price: Decimal) -> str:
    return plain(price) if len(plain(price)) <= 8 else f"{price:.6g}"


def _percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)} %"


def _seconds(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _plain(value: object) -> Any:
    return value.value if isinstance(value, Enum) else f"{value:f}"  # a Decimal
