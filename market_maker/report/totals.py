"""What several runs have earned together, by kind of run and market."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from market_maker.report.earned import profit_lines
from market_maker.report.figures import Summary
from market_maker.report.parts import ZERO, Profit
from market_maker.report.times import duration, when

NOTHING = Profit(ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, without_mid=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The runs of one kind in one market, added up. Times are ms since the epoch, UTC."""

    kind: str
    symbol: str
    area: str
    runs: int
    begun_ms: int
    """Of the first run."""
    seconds: Decimal
    """How long they ran in all."""
    fills: int
    profit: Profit
    """The sums of each part, in the currency of the area."""
    unknown: int
    """Runs with fills whose profit is not known: no price was recorded."""
    incomplete: int
    """Runs that lack rows of fills, payments or balances."""


def totals_of(summaries: Iterable[Summary]) -> list[Total]:
    """Return the totals, in the order of the first run of each."""
    groups: dict[tuple[str, ...], list[Summary]] = {}
    for each in summaries:
        run = each.run
        key = run["kind"], run["symbol"], run["area"], run["instrument_type"]
        groups.setdefault(key, []).append(each)
    return [_total(group) for group in groups.values()]


def _total(group: Sequence[Summary]) -> Total:
    run = group[0].run
    return Total(
        kind=run["kind"],
        symbol=run["symbol"],
        area=run["area"],
        runs=len(group),
        begun_ms=min(each.run["begun_ms"] for each in group),
        seconds=sum((each.seconds for each in group), ZERO),
        fills=sum(each.fills for each in group),
        profit=sum((each.profit for each in group if each.profit), NOTHING),
        unknown=sum(bool(each.fills) and not each.profit for each in group),
        incomplete=sum(bool(each.run["lost"]) for each in group),
    )


def totals_text(totals: Iterable[Total]) -> str:
    """Return totals as text."""
    lines = []
    for total in totals:
        runs = f"{total.runs} runs" if total.runs > 1 else "1 run"
        lines.append(
            f"{total.kind}, {total.symbol} ({total.area}): {runs} since {when(total.begun_ms)} "
            f"UTC, {duration(total.seconds)} in all"
        )
        if total.incomplete:
            lines.append(f"INCOMPLETE {total.incomplete} of them lack fills or payments")
        if total.unknown:
            lines.append(f"NOT KNOWN  the profit of {total.unknown} of them: no price was recorded")
        lines += [f"Fills      {total.fills}", *profit_lines(total.profit, total.area), ""]
    return "\n".join(lines[:-1]) + "\n"


def totals_json(totals: Iterable[Total]) -> str:
    """Return totals as JSON, exact decimals as text."""
    found = [
        asdict(total) | {"profit": asdict(total.profit) | {"total": total.profit.total}}
        for total in totals
    ]
    return json.dumps(found, indent=1, default=lambda value: f"{value:f}") + "\n"
