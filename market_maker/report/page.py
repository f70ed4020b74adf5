"""A report as one HTML file: no script, nothing loaded from elsewhere, light and dark."""

from decimal import Decimal
from html import escape

from market_maker.decimals import plain
from market_maker.journal import MID, Run
from market_maker.report.charts import (
    WIDTH,
    Column,
    Frame,
    band,
    chart,
    columns_of,
    curve,
    fill_marks,
    level,
    line,
    strip,
)
from market_maker.report.figures import Facts, Report, report_from
from market_maker.report.markouts import HORIZONS
from market_maker.report.parts import earned_over_time, positions_of
from market_maker.report.text import details_of, in_text

STYLE = """
:root { color-scheme: light dark; --line: #246; --bid: #187a3c; --ask: #b3261e; --soft: #8884;
  --one: #d9a400; --text: #222; --back: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #9cf; --bid: #5cd68a; --ask: #ff8a80;
  --text: #ddd; --back: #161616; } }
body { font: 14px/1.4 system-ui, sans-serif; max-width: 940px; margin: 2em auto; padding: 0 1em;
  color: var(--text); background: var(--back); }
h1 { font-size: 1.3em; } h2 { font-size: 1em; margin: 1.4em 0 .3em; }
pre { overflow-x: auto; font-size: 12px; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--text); }
@media (max-width: 600px) { svg text { font-size: 19px; } }
path { fill: none; stroke: var(--line); vector-effect: non-scaling-stroke; }
.frame { fill: none; stroke: var(--soft); }
.limit { stroke: var(--ask); stroke-dasharray: 4 3; } .zero { stroke: var(--soft); }
.buy { fill: var(--bid); stroke: none; } .sell { fill: var(--ask); stroke: none; }
.buy.line, .buy.error { fill: none; stroke: var(--bid); }
.sell.line, .sell.error { fill: none; stroke: var(--ask); }
.bid { stroke: var(--bid); opacity: .7; } .ask { stroke: var(--ask); opacity: .7; }
.spread { stroke: var(--bid); } .fees { stroke: var(--ask); }
.both, .ACTIVE { fill: var(--bid); } .one, .REDUCING { fill: var(--one); }
.none, .PAUSED { fill: var(--soft); } .HALTED { fill: var(--ask); }
"""
STATES = ("ACTIVE", "REDUCING", "PAUSED", "HALTED")
SIDES = ("both", "one", "none")
OUTER = 5
"""So many percent of the quotes on each end may be outside the price chart."""


def in_html(run: Run) -> str:
    """Return the whole page. Raises Unreadable."""
    title = f"Run {run.number}: {run.row['symbol']} ({run.row['area']}), {run.row['kind']}"
    facts = Facts(run)
    report = report_from(facts)
    parts = [
        ("Price; own bid and ask, buys and sells", _price(facts)),
        ("Position and its limits", _position(facts)),
        (
            f"Profit after fees, {run.row['area']}; of it spread (green) and fees (red)",
            _profit(facts),
        ),
        ("Markouts of buys (green) and sells (red), in basis points", _markouts(report)),
        (
            "Trading state: active, reducing (yellow), paused (grey), halted (red)",
            _states(facts),
        ),
        ("Quotes: both sides, one (yellow), none (grey)", _quotes(facts)),
        (
            "By ladder level, trading state and kind of request",
            f"<pre>{escape(details_of(report))}</pre>",
        ),
    ]
    body = "".join(f"<h2>{escape(name)}</h2>{content}" for name, content in parts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<pre>{escape(in_text(report))}</pre>{body}</body></html>\n"
    )


def _price(facts: Facts) -> str:
    mids = facts.run.extremes("prices", MID, facts.begun_ms, facts.end_ms, WIDTH)
    own = [(each["time_ms"], each["side"], each["price"]) for each in facts.fills if each["price"]]
    shown = [Decimal(repr(value)) for _, low, high in mids for value in (low, high)]
    prices = shown + [price for _, _, price in own]
    frame = _frame(facts, prices)
    bids = columns_of(frame, ((each.begun_ms, each.ended_ms, each.bid) for each in facts.quoted))
    asks = columns_of(frame, ((each.begun_ms, each.ended_ms, each.ask) for each in facts.quoted))
    best = _most([*bids, *asks])
    frame = _frame(facts, prices + best)
    content = band(frame, bids, "bid", broken=True) + band(frame, asks, "ask", broken=True)
    content += band(frame, mids, "mid") + fill_marks(frame, own)
    return chart(frame, content, _ends(prices + best))


def _position(facts: Facts) -> str:
    points = positions_of(facts.run.row, facts.fills)
    limits = []
    if facts.run.settings.get("CHECK_POSITION_LIMITS"):
        limits = [
            Decimal(str(facts.run.settings[name])) for name in ("MIN_POSITION", "MAX_POSITION")
        ]
    values = [value for _, value in points] + [Decimal(0)]
    frame = _frame(facts, values + limits)
    lines = [level(frame, each, "limit") for each in limits]
    content = level(frame, Decimal(0), "zero") + "".join(lines)
    return chart(frame, content + line(frame, points, "net", stepped=True), _ends(values + limits))


def _profit(facts: Facts) -> str:
    total = facts.run.extremes("ticks", "profit", facts.begun_ms, facts.end_ms, WIDTH)
    spread, fees = earned_over_time(facts.run.row, facts.fills, facts.mark)
    values = [Decimal(repr(value)) for _, low, high in total for value in (low, high)]
    values += [value for _, value in [*spread, *fees]] + [Decimal(0)]
    frame = _frame(facts, values)
    content = level(frame, Decimal(0), "zero") + line(frame, spread, "spread", stepped=True)
    content += line(frame, fees, "fees", stepped=True) + band(frame, total, "profit")
    return chart(frame, content, [(value, f"{value:.6f}") for value in (min(values), max(values))])


def _markouts(report: Report) -> str:
    series = []
    for side, name in (("Buy", "buy"), ("Sell", "sell")):
        of_side = [each for each in report.markouts if (each.side, each.level) == (side, None)]
        points = [
            (each.mean, each.error or Decimal(0)) if each.mean is not None else None
            for each in of_side
        ]
        series.append((name, points))
    return curve(series, [f"{seconds} s" for seconds in HORIZONS])


def _states(facts: Facts) -> str:
    times = [(span.begun_ms, span.ended_ms, span.state) for span in facts.spans]
    return strip(times, STATES, facts.begun_ms, facts.end_ms)


def _quotes(facts: Facts) -> str:
    spans = [
        (each.begun_ms, each.ended_ms, SIDES[(each.bid is None) + (each.ask is None)])
        for each in facts.quoted
    ]
    return strip(spans, SIDES, facts.begun_ms, facts.end_ms)


def _most(columns: list[Column]) -> list[Decimal]:
    """Return the values of columns but for the outermost: a ladder being laid is far off."""
    values = sorted(value for _, low, high in columns for value in (low, high))
    outer = len(values) * OUTER // 100
    return [Decimal(repr(value)) for value in values[outer : len(values) - outer]]


def _frame(facts: Facts, values: list[Decimal]) -> Frame:
    return Frame.around(facts.begun_ms, facts.end_ms, values)


def _ends(values: list[Decimal]) -> list[tuple[Decimal, str]]:
    return (
        [(each, plain(each)) for each in dict.fromkeys((min(values), max(values)))]
        if values
        else []
    )
