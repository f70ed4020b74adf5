"""Two outlooks beside each other."""

from collections.abc import Iterator
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.models import Side
from market_maker.outlook.outlook import Outlook
from market_maker.outlook.text import entry


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
            lines += entry(mark, f"{doubt}.") if doubt not in theirs.doubts else []
    return "\n".join([*entry("Changed", change), *lines]) + "\n"


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
