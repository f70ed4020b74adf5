"""A report as one HTML file: no script, nothing loaded from elsewhere, light and dark."""

from decimal import Decimal
from html import escape

from market_maker.decimals import plain
from market_maker.journal import Row, Run
from market_maker.report.charts import WIDTH, Frame, chart, fill_marks, level, line, strip
from market_maker.report.figures import Report
from market_maker.report.parts import quoted
from market_maker.report.text import in_text

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
path { fill: none; stroke: var(--line); } .frame { fill: none; stroke: var(--soft); }
.limit { stroke: var(--ask); stroke-dasharray: 4 3; } .zero { stroke: var(--soft); }
.buy { fill: var(--bid); stroke: none; } .sell { fill: var(--ask); stroke: none; }
.both { fill: var(--bid); } .one { fill: var(--one); } .none { fill: var(--soft); }
"""


def in_html(run: Run, report: Report) -> str:
    """Return the whole page. Raises Unreadable."""
    title = f"Run {run.number}: {run.row['symbol']} ({run.row['area']}), {run.row['kind']}"
    parts = [
        ("Price, own buys and sells", _price(run, report)),
        ("Position and its limits", _position(run, report)),
        (f"Profit after fees, {run.row['area']}", _profit(run, report)),
        ("Quoting: both sides, one of them, none", _strip(run, report)),
    ]
    body = "".join(f"<h2>{escape(name)}</h2>{svg}" for name, svg in parts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<pre>{escape(in_text(report))}</pre>{body}</body></html>\n"
    )


def _price(run: Run, report: Report) -> str:
    mids = list(zip(*run.mids(), strict=True))
    fills = [
        (row["time_ms"], row["side"], row["price"]) for row in run.rows("fills") if row["price"]
    ]
    prices = [mid for _, mid in mids] + [price for _, _, price in fills]
    frame = _frame(report, prices)
    content = line(frame, mids, "mid") + fill_marks(frame, fills)
    return chart(frame, content, _ends(prices))


def _position(run: Run, report: Report) -> str:
    net = (run.row["long"] or Decimal(0)) - (run.row["short"] or Decimal(0))
    points = [(run.row["begun_ms"], net)]
    for row in run.rows("fills"):
        net += row["qty"] if row["side"] == "Buy" else -row["qty"]
        points.append((row["time_ms"], net))
    limits = []
    if run.settings.get("CHECK_POSITION_LIMITS"):
        limits = [Decimal(str(run.settings[name])) for name in ("MIN_POSITION", "MAX_POSITION")]
    values = [value for _, value in points] + [Decimal(0)]
    frame = _frame(report, values + limits)
    lines = [level(frame, each, "limit") for each in limits]
    content = level(frame, Decimal(0), "zero") + "".join(lines)
    return chart(frame, content + line(frame, points, "net", stepped=True), _ends(values + limits))


def _profit(run: Run, report: Report) -> str:
    ticks: list[Row] = run.rows("ticks")
    points = [(row["time_ms"], row["profit"]) for row in ticks if row["profit"] is not None]
    values = [value for _, value in points] + [Decimal(0)]
    frame = _frame(report, values)
    content = level(frame, Decimal(0), "zero") + line(frame, points, "profit")
    return chart(frame, content, [(value, f"{value:.6f}") for value in (min(values), max(values))])


def _strip(run: Run, report: Report) -> str:
    begun = run.row["begun_ms"]
    times = quoted(run.rows("orders"), begun, report.end_ms)
    drawn = strip(times, begun, report.end_ms)
    size = f'viewBox="0 0 {WIDTH + 110} 20"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{drawn}</svg>'


def _frame(report: Report, values: list[Decimal]) -> Frame:
    return Frame.around(report.run["begun_ms"], report.end_ms, values)


def _ends(values: list[Decimal]) -> list[tuple[Decimal, str]]:
    return (
        [(each, plain(each)) for each in dict.fromkeys((min(values), max(values)))]
        if values
        else []
    )
