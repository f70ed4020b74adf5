"""The live page of a run, as parts of HTML that a server sends again and again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape

from market_maker.decimals import plain
from market_maker.journal import MID, Row, Run
from market_maker.report import drawings
from market_maker.report.charts import WIDTH, Frame, band, chart, columns_of, fill_marks
from market_maker.report.earned import profit_lines
from market_maker.report.figures import Facts, end_of, fills_of, report_from
from market_maker.report.page import STYLE, title_of
from market_maker.report.status import HOUR_MS, is_late, lasting_of
from market_maker.report.text import details_of, request_lines
from market_maker.report.times import duration, when

TITLES = {
    "state": "Trading state",
    "ladder": "Ladder and book",
    "price": "Price of the last 15 minutes; own bid and ask, buys and sells",
    "position": "Position and its limits",
    "profit": "Profit after fees; of it spread (green) and fees (red)",
    "markouts": "Markouts of buys (green) and sells (red), in basis points",
    "uptime": "Trading states, and quotes on both sides, one (yellow), none (grey)",
    "requests": "Requests against the limits; ladder levels, states",
    "log": "Log",
}
"""The parts of the page in their order."""
PRICE_MS = 15 * 60_000
OWN = ("own_bid", "own_ask")
BOOK_LEVELS = 10
LOG_LINES = 15
MORE_STYLE = """
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34em), 1fr));
  gap: 0 2em; }
body { max-width: 1500px; margin: 1em auto; } section { min-width: 0; }
svg text { font-size: 15px; } @media (max-width: 600px) { svg text { font-size: 20px; } }
td.own.buy { color: var(--bid); } td.own.sell { color: var(--ask); }
table { border-collapse: collapse; font: 12px/1.5 ui-monospace, monospace; }
td { padding: 0 .8em; text-align: right; } td.own { font-weight: bold; }
tr.mid td { border-top: 1px solid var(--soft); }
.word { display: inline-block; padding: .1em .5em; border-radius: .2em; color: #fff; }
.word.ACTIVE { background: #187a3c; } .word.REDUCING { background: #8a6500; }
.word.PAUSED { background: #666; } .word.HALTED { background: #b3261e; }
#lost { display: none; color: var(--ask); } body.lost #lost { display: inline; }
.WARNING { color: var(--one); } .ERROR, .CRITICAL { color: var(--ask); }
"""
SCRIPT = """
const source = new EventSource("/events" + location.search);
source.onmessage = (event) => {
  document.body.className = "";
  for (const [id, html] of Object.entries(JSON.parse(event.data)))
    document.getElementById(id).innerHTML = html;
};
source.onerror = () => { document.body.className = "lost"; };
"""


def page_of(run: Run, others: Sequence[Run], parts: Mapping[str, str]) -> str:
    """Return the page with the parts known so far, and links to the runs that are going on."""
    title = title_of(run)
    links = " ".join(f'<a href="/?run={each.number}">run {each.number}</a>' for each in others)
    sections = "".join(
        f'<section><h2>{escape(name)}</h2><div id="{part}">{parts.get(part, "")}</div></section>'
        for part, name in TITLES.items()
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="/page.css"><link rel="icon" href="data:,">'
        '<script src="/page.js" defer></script></head><body>'
        f'<h1>{escape(title)} <span id="lost">not connected: this page is old</span></h1>'
        f"<p>{links}</p><main>{sections}</main></body></html>\n"
    )


def style() -> str:
    """Return the style sheet of the page."""
    return STYLE + MORE_STYLE


def quick_parts(run: Run, now_ms: int) -> dict[str, str]:
    """Return the parts that show what is now, or was last; they cost little. Raises Unreadable."""
    end_ms = now_ms if run.is_running else end_of(run)
    return {
        "state": _state(run, end_ms),
        "ladder": _ladder(run.last("book")),
        "price": _price(run, end_ms),
        "log": _log(run),
    }


def slow_parts(run: Run) -> dict[str, str]:
    """Return the parts that look at the whole run. Raises Unreadable."""
    facts = Facts(run)
    report = report_from(facts)
    profit = list(profit_lines(report.profit, run.row["area"])) if report.profit else []
    return {
        "position": drawings.position(facts),
        "profit": _pre(profit) + drawings.profit(facts),
        "markouts": drawings.markouts(report),
        "uptime": drawings.states(facts) + drawings.quotes(facts),
        "requests": _pre([*request_lines(report), "", details_of(report)]),
    }


# --- the quick parts ------------------------------------------------------------------------------


def _state(run: Run, end_ms: int) -> str:
    row = run.row
    ran = duration(Decimal(end_ms - row["begun_ms"]) / 1000)
    lines = [f"process {row['pid']}, since {when(row['begun_ms'])} UTC, {ran}"]
    ticks = run.rows("ticks", since_ms=max(row["begun_ms"], end_ms - HOUR_MS))
    if not ticks:
        return _pre([*lines, "starting: no tick yet"])
    last = ticks[-1]
    name = last["state"] if run.is_running and last["state"] in drawings.STATES else "PAUSED"
    if run.is_running:
        lasting = lasting_of(run, ticks, end_ms)
        words = f"{last['reason'] or 'quoting'}; so for {lasting}"
    else:
        words = f"ended: {row['how']}" if row["ended_ms"] is not None else "killed"
    if run.is_running and is_late(run, last["time_ms"], end_ms):
        ago = duration(Decimal(end_ms - last["time_ms"]) / 1000)
        words += f"; LATE: the last tick was {ago} ago"
    if last["long"] is not None:
        lines.append(f"position long {plain(last['long'])}, short {plain(last['short'])}")
    if last["profit"] is not None:
        lines.append(f"profit {last['profit']:+.8f} {row['area']} after fees")
    if last["mark"] is not None:
        lines.append(f"mark {plain(last['mark'])}")
    shown = escape(last["state"] if run.is_running else "ended")
    return f'<p><span class="word {name}">{shown}</span> {escape(words)}</p>{_pre(lines)}'


def _ladder(book: Row | None) -> str:
    """Return the best levels of the book with own orders, and what stands before them at most."""
    if not book:
        return "<p>no book yet</p>"
    found = json.loads(book["detail"])
    rows = []
    for name, side in (("asks", "Sell"), ("bids", "Buy")):
        levels = {
            Decimal(price): _Level(Decimal(size)) for price, size in found[name][:BOOK_LEVELS]
        }
        for _, price, left, ahead in (own for own in found["own"] if own[0] == side):
            level = levels.setdefault(Decimal(price), _Level())
            level.own += Decimal(left)
            if ahead is not None:
                level.ahead.append(Decimal(ahead))
        best = sorted(levels, reverse=side == "Buy")[: 2 * BOOK_LEVELS]
        shown = best if side == "Buy" else best[::-1]
        for place, price in enumerate(shown):
            is_first = side == "Buy" and place == 0
            rows.append(levels[price].html(price, side, is_first=is_first))
    head = "<tr><td>own</td><td>before it, estimate</td><td>size</td><td>price</td></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


@dataclass(slots=True)
class _Level:
    """A level of the book; without a size where the book does not show it."""

    size: Decimal | None = None
    own: Decimal = Decimal(0)
    ahead: list[Decimal] = field(default_factory=list)

    def html(self, price: Decimal, side: str, *, is_first: bool) -> str:
        ahead = plain(min(self.ahead)) if self.ahead else ""
        own = plain(self.own) if self.own else ""
        size = "" if self.size is None else plain(self.size)
        mark = ' class="mid"' if is_first else ""
        return (
            f'<tr{mark}><td class="own {side.lower()}">{own}</td><td>{ahead}</td>'
            f"<td>{size}</td><td>{plain(price)}</td></tr>"
        )


def _price(run: Run, end_ms: int) -> str:
    begun_ms = max(run.row["begun_ms"], end_ms - PRICE_MS)
    mids = run.extremes("prices", MID, begun_ms, end_ms, WIDTH)
    frame = Frame(begun_ms, end_ms, Decimal(0), Decimal(1))
    bids, asks = (columns_of(frame, held_of(run, name, begun_ms, end_ms)) for name in OWN)
    fills = [
        (row["time_ms"], row["side"], row["price"])
        for row in fills_of(run, since_ms=begun_ms)
        if row["price"] and row["time_ms"] >= begun_ms
    ]
    drawn = [*mids, *bids, *asks]
    values = [Decimal(repr(value)) for _, low, high in drawn for value in (low, high)]
    values += [price for _, _, price in fills]
    if not values:
        return "<p>no price yet</p>"
    frame = Frame.around(begun_ms, end_ms, values)
    content = band(frame, bids, "bid", broken=True) + band(frame, asks, "ask", broken=True)
    content += band(frame, mids, "mid") + fill_marks(frame, fills)
    return chart(frame, content, [(each, plain(each)) for each in (min(values), max(values))])


def held_of(
    run: Run, name: str, begun_ms: int, end_ms: int
) -> Iterator[tuple[int, int, float | None]]:
    """Yield from when until when a price of `ticks` held: each until the next tick."""
    ticks = run.raw("ticks", "time_ms", name, where=f"time_ms BETWEEN {begun_ms} AND {end_ms}")
    times = [tick["time_ms"] for tick in ticks] + [end_ms]
    for tick, until in zip(ticks, times[1:], strict=True):
        yield tick["time_ms"], until, None if tick[name] is None else float(tick[name])


def _log(run: Run) -> str:
    lines = run.latest("log", LOG_LINES)
    return (
        "<pre>"
        + "\n".join(
            f'<span class="{escape(line["level"])}">{when(line["time_ms"])[11:]} '
            f"{escape(line['text'])}</span>"
            for line in lines
        )
        + "</pre>"
    )


def _pre(lines: Sequence[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return the parts that are not as before."""
    return {name: html for name, html in after.items() if before.get(name) != html}
