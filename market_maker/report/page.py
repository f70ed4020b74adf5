"""A report as one HTML file: no script, nothing loaded from elsewhere, light and dark."""

from collections.abc import Callable
from html import escape

from market_maker.journal import Run
from market_maker.report import drawings
from market_maker.report.figures import Facts, report_from
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


def title_of(run: Run) -> str:
    """Return what a page about a run is called."""
    return f"Run {run.number}: {run.row['symbol']} ({run.row['area']}), {run.row['kind']}"


def in_html(run: Run, step: Callable[[], None] = lambda: None) -> str:
    """Return the whole page; `step` as in `Facts`. Raises Unreadable."""
    title = title_of(run)
    facts = Facts(run, step)
    report = report_from(facts)
    parts = [
        ("Price; own bid and ask, buys and sells", drawings.price(facts)),
        ("Position and its limits", drawings.position(facts)),
        (
            f"Profit after fees, {run.row['area']}; of it spread (green) and fees (red)",
            drawings.profit(facts),
        ),
        ("Markouts of buys (green) and sells (red), in basis points", drawings.markouts(report)),
        (
            "Trading state: active, reducing (yellow), paused (grey), halted (red)",
            drawings.states(facts),
        ),
        ("Quotes: both sides, one (yellow), none (grey)", drawings.quotes(facts)),
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
