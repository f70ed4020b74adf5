"""What a run has earned, and what explains its balances, as lines of text."""

from collections.abc import Iterator
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.report.figures import Report
from market_maker.report.parts import Profit
from market_maker.report.times import when

ALWAYS = ("realised", "fees", "funding", "unexplained")
"""The parts of the change of a balance that are named though they are zero."""
A_LINE = 5
"""So many of them stand in a line."""


def profit_lines(profit: Profit, currency: str) -> Iterator[str]:
    """Yield a profit with its parts as lines of text."""
    yield f"Profit     {profit.total:+14.8f} {currency} after fees"
    names = [
        "spread",
        "inventory",
        "fees",
        "funding",
        *(["liquidation"] if profit.liquidation else []),
    ]
    for name in names:
        yield f"  {name:<11}{getattr(profit, name):+12.8f}"
    beside = (
        ("inherited", profit.inherited, "on the position that was there at the start"),
        ("by hand", profit.by_hand, "by orders that are not of this run, after fees"),
        ("unexplained", profit.unexplained, "of balance or position: see the log"),
    )
    for name, amount, words in beside:
        if amount:
            yield f"  {name:<11}{amount:+12.8f} {words}"
    if profit.beside or profit.transfers:
        left_out = f"; transfers of {profit.transfers:+.8f} left out" if profit.transfers else ""
        yield f"Equity     {profit.total + profit.beside:+14.8f} {currency}, all of this{left_out}"
    if profit.without_mid:
        yield f"  {profit.without_mid} fills without a known mid before them count as inventory"


def profit_of_run(report: Report) -> Iterator[str]:
    """Yield what a run has earned, by through too, and its worst drawdown, as lines of text."""
    currency = report.run["area"]
    if not report.profit:
        yield "Profit     not known: no price was recorded"
        return
    yield from profit_lines(report.profit, currency)
    if through := report.through:
        earned = f"{through.profit.total:+.8f} {currency} after fees" if through.profit else "-"
        fills = f"{through.fills} fills: bought {plain(through.bought)}, sold {plain(through.sold)}"
        yield f"By through    {earned}, {fills}"
    if report.drawdown and report.drawdown.amount:
        at = when(report.drawdown.time_ms)
        yield f"Drawdown   {report.drawdown.amount:.8f} {currency} at worst, at {at}"


def balances_of_run(report: Report) -> Iterator[str]:
    """Yield what explains the change of each balance, as lines of text."""
    for row in (report.balance, report.base_balance):
        if not row:
            continue
        names = ("realised", "fees", "by_hand", "funding", "liquidation", "transfers")
        parts = {name: row[name] or Decimal(0) for name in (*names, "unexplained")}
        change, at = sum(parts.values()) + row["residual"], when(row["time_ms"])
        currency = row["currency"] or report.run["area"]
        yield f"Balance    {row['total']:f} {currency} at {at}, {change:+.6f} in this run ="
        shown = [
            f"{name.replace('_', ' ')} {amount:+.6f}"
            for name, amount in parts.items()
            if amount or name in ALWAYS
        ]
        shown.append(f"residual {row['residual']:+.7f}")
        for first in range(0, len(shown), A_LINE):
            comma = "," if first + A_LINE < len(shown) else ""
            yield f"           {', '.join(shown[first : first + A_LINE])}{comma}"
        if row["unrealised"] is not None:
            yield (
                f"           with {row['unrealised']:+.6f} unrealised then: equity "
                f"{row['total'] + row['unrealised']:.6f} {currency}"
            )
        if parts["unexplained"]:
            yield f"           The account is not reconciled: {_doubt(report)}"


def _doubt(report: Report) -> str:
    """Return what is not explained, and whether the position is."""
    more = f" ({'; '.join(report.unexplained)})" if report.unexplained else ""
    symbol = report.run["symbol"]
    if not report.is_contract:
        return f"nothing explains a part{more}"
    is_explained = report.shown and report.net == report.shown[0] - report.shown[1]
    is_explained = is_explained and not report.has_unexplained_position
    position = "is" if is_explained else "is not, either"
    return f"nothing explains a part{more}. The position in {symbol} {position}"
