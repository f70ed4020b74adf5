"""Estimates in words: the settings to paste first, then what they are made of."""

from collections.abc import Iterator
from decimal import Decimal

from market_maker.app.estimate import Found
from market_maker.decimals import plain
from market_maker.strategies.intensity import Intensity
from market_maker.strategies.microprice_table import MicropriceTable

POOR = 5.0
"""Standard errors of a count from which on the fit is called poor."""
NAMES = {"volatility": ("VOLATILITY",), "intensity": ("FILL_RATE", "FILL_DECAY")}
BASIS_POINT = 1e-4
WIDTH = 23


def in_text(found: Found) -> str:
    """Return the estimates as text, the most important first."""
    tick = f", tick {found.tick}" if found.tick else ""
    head = f"# {found.symbol} from {found.what}{tick}"
    parts = [[head, *_settings(found)], [*_volatility(found), *_intensity(found)]]
    if found.microprice:
        parts.append([*_microprice(found.microprice)])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def number(value: float) -> str:
    """Return a number with four digits that count.

    >>> number(0.000120345), number(74291.2)
    ('0.0001203', '74290')
    """
    return plain(Decimal(f"{value:.4g}"))


def error(value: float) -> str:
    """Return a standard error with two digits that count."""
    return plain(Decimal(f"{value:.2g}"))


def _settings(found: Found) -> Iterator[str]:
    if found.volatility:
        _, one = found.volatility[0]
        size = f"{one.value / BASIS_POINT:.3g} bp"
        size += f", {one.value * found.mid:.3g} ticks" if found.mid else ""
        unit = f"1/sqrt(s), relative price: {size}"
        yield _setting("VOLATILITY", one.value, one.error, unit)
    if fit := found.intensity:
        yield _setting("FILL_RATE", fit.a, fit.a_error, "1/s, of each side")
        size = f"{fit.k * BASIS_POINT:.3g} per bp"
        size += f", {fit.k / found.mid:.3g} per tick" if found.mid else ""
        yield _setting("FILL_DECAY", fit.k, fit.k_error, f"per unit of relative depth: {size}")
    for name, why in found.missing.items():
        yield f"# no {' and '.join(NAMES[name])}: {why}"


def _setting(name: str, value: float, by: float, unit: str) -> str:
    return f"{f'{name} = {number(value)}':<{WIDTH}} # +- {error(by)} {unit}"


def _volatility(found: Found) -> Iterator[str]:
    if not found.volatility:
        return
    step, one = found.volatility[0]
    more = [
        f"over {step:g} s {number(each.value)} +- {error(each.error)}"
        for step, each in found.volatility[1:]
    ]
    yield (
        f"Volatility  {one.n:,} returns of the mid over {step:g} s, "
        f"{found.steps_left_out:,} left out{'; ' * bool(more)}{', '.join(more)}"
    )


def _intensity(found: Found) -> Iterator[str]:
    if not (fit := found.intensity):
        return
    if not found.depths:
        yield _own(fit, found.left_out)
        return
    nearest, farthest = found.depths
    to = f"{nearest:g} ticks on" if farthest is None else f"{nearest:g} to {farthest:g} ticks"
    yield (
        f"Intensity   {fit.n:,} market orders in {fit.seconds / 2:,.0f} s that went from {to} from"
        f" the mid; {found.left_out:,} trades left out"
    )
    for title, texts in (
        ("ticks from the mid", [f"{row.ticks:g}" for row in found.rows]),
        ("reached, 1/s", [f"{row.measured:.4f}" for row in found.rows]),
        ("A exp(-k depth)", [f"{row.fitted:.4f}" for row in found.rows]),
    ):
        yield f"  {title:<18}{''.join(f'{text:>9}' for text in texts)}"
    worst = max(found.rows, key=lambda row: abs(row.off), default=None)
    if worst and abs(worst.off) > POOR:
        word = "fits" if farthest is None else "may fit better closer to"
        yield (
            f"  The fit is poor: at {worst.ticks:g} ticks it is {abs(worst.off):.0f} standard"
            f" errors off. --depths FROM,TO {word} where you quote."
        )


def _own(fit: Intensity, left_out: int) -> str:
    return (
        f"Intensity   {fit.n:,} market orders that own quotes met in {fit.seconds:,.0f} s, those of"
        f" bid and ask added up; {left_out:,} left out"
    )


def _microprice(table: MicropriceTable) -> Iterator[str]:
    yield (
        f"Micro-price less mid, in ticks, by imbalance: {table.buckets} buckets from asks to bids;"
        f" {table.n:,} changes, {table.left_out:,} left out"
    )
    for place, (spread, row) in enumerate(zip(table.spreads, table.adjustment, strict=True)):
        cells = "".join(f"{value:>+8.2f}" for value in row)
        by = f"  +- {error(max(table.error[place]))} at most" if table.error else ""
        yield f"  {f'spread {spread}':<10}{cells}{by}"
