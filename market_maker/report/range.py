"""Back-tests by several fill models beside each other, from optimistic to conservative."""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.report.figures import Report
from market_maker.report.text import in_json

PARTS = ("total", "spread", "inventory", "fees", "funding", "liquidation")


def range_text(reports: Sequence[Report]) -> str:
    """Return what the reports differ in as a table of text; empty for a single one."""
    if len(reports) < 2:
        return ""
    names = [_model(report) for report in reports]
    lines = [f"{'Fill model':<16}" + "".join(f"{name:>16}" for name in [*names, "difference"])]
    lines.append(_row("fills", [Decimal(report.fills) for report in reports]))
    for name in ("bought", "sold", "net"):
        lines.append(_row(name, [getattr(report, name) for report in reports]))
    for part in PARTS:
        amounts = [getattr(report.profit, part, None) for report in reports]
        if part == "liquidation" and not any(amounts):
            continue
        lines.append(_row("profit" if part == "total" else f"  {part}", amounts, digits=8))
    currency = reports[0].run["area"]
    words = f"Profit in {currency}. More fills are not more profit: the truth may lie either way."
    return "\n".join([*lines, words]) + "\n"


def range_json(reports: Iterable[Report]) -> str:
    """Return the reports by fill model as JSON."""
    found = {_model(report): json.loads(in_json(report)) for report in reports}
    return json.dumps(found, indent=1) + "\n"


def _model(report: Report) -> str:
    name: str = json.loads(report.run["market"])["fills"]
    return name


def _row(name: str, values: Sequence[Decimal | None], digits: int | None = None) -> str:
    known = [value for value in values if value is not None]
    cells = [*values, known[0] - known[-1] if len(known) == len(values) else None]
    shown = ("-" if each is None else _shown(each, digits) for each in cells)
    return f"{name:<16}" + "".join(f"{each:>16}" for each in shown)


def _shown(value: Decimal, digits: int | None) -> str:
    return plain(value) if digits is None else f"{value:+.{digits}f}"
