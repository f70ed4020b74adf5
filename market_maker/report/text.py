"""A report as one screen of text, as one line, and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from market_maker.decimals import plain
from market_maker.journal import Row
from market_maker.report.earned import balances_of_run, profit_of_run
from market_maker.report.figures import Report, Summary
from market_maker.report.markouts import HORIZONS, REALISED, Markout
from market_maker.report.quoting import WITHIN, InState
from market_maker.report.times import duration, when

REASONS = 3
"""So many reasons of a state, and kinds of requests, are named."""
SHOWN_WITHIN = (10, 50, 200)
"""Of the distances from the mid, in basis points, these."""


def in_text(report: Report) -> str:
    """Return the report as text, the most important first."""
    lines = [
        *_head(report),
        *_fills(report),
        *profit_of_run(report),
        *balances_of_run(report),
        *_time(report),
        *request_lines(report),
        *_markouts(report),
    ]
    return "\n".join(lines) + "\n"


def line_of(report: Summary) -> str:
    """Return a run as one line of a list."""
    run, profit = report.run, report.profit
    earned = f"{profit.total:+.6f} {run['area']}" if profit and report.fills else "-"
    return (
        f"{run['number']:>5}  {when(run['begun_ms'])}  {duration(report.seconds):>9}  "
        f"{run['kind']:<8}  {run['symbol']:<9}  {report.fills:>6}  {earned:>20}  {_ended(report)}"
    )


def in_json(report: Report) -> str:
    """Return the report as JSON, exact decimals as text."""
    found: dict[str, Any] = asdict(report)
    for name in ("settings", "market"):
        found["run"][name] = json.loads(found["run"].get(name) or "null")
    if report.profit:
        found["profit"]["total"] = report.profit.total
    if report.through and report.through.profit:
        found["through"]["profit"]["total"] = report.through.profit.total
    if report.half_spread:
        found["half_spread"]["impact"] = report.half_spread.impact
    for shown, level in zip(found["levels"], report.levels, strict=True):
        del shown["waited_ms"]
        shown |= {"fill_ratio": level.fill_ratio, "wait_seconds": level.wait_seconds}
    return json.dumps(found, indent=1, default=lambda value: f"{value:f}") + "\n"


def _head(report: Report) -> Iterator[str]:
    run = report.run
    name = "Back-test" if run["kind"] == "backtest" else f"Run {run['number']}: {run['kind']}"
    yield (
        f"{name}, {run['symbol']} ({run['area']}), "
        f"{when(run['begun_ms'])} UTC, {duration(report.seconds)}, version {run['version']}"
    )
    if run.get("market"):
        yield from _market(report, json.loads(run["market"]))
    if run["is_restart"]:
        yield "It goes on with the money of the run before it, which was restarted."
    yield f"Ended      {_ended(report)}"
    if run["dropped"] or run["lost"]:
        yield (
            f"INCOMPLETE {run['lost']} rows of fills, payments and balances, and "
            f"{run['dropped']} others are missing: quoting and levels may be wrong"
        )
    if run.get("thinned_ms"):
        since = when(run["thinned_ms"])
        yield f"THINNED    drawdown, quoting, states, requests and levels are those since {since}"


def _market(report: Report, market: Row) -> Iterator[str]:
    """Yield what a back-test was run on and what it assumes: see `simulation.backtest`."""
    yield f"Tape       {', '.join(market['tape'])}: {market['format']}, {market['market']}"
    lacks = [f"{market['gaps']} gaps", f"{market['silences']} silences"]
    lacks[-1] += f" of {market['silent_seconds']} s in all" if market["silences"] else ""
    lacks += [f"{market['clock_jumps']} clock jumps", f"{market['crossed']} crossed books"]
    lacks += ["best prices only"] if market["is_level_1"] else []
    yield (
        f"           {duration(Decimal(market['seconds']))}, {market['records']} records, "
        f"{market['levels']} changes of levels; {', '.join(lacks)}"
    )
    for time_ms, what in market["first_gaps"]:
        yield f"           at {when(time_ms)}: {what}"
    spread = market["feed_spread_ms"]
    feed = f"{market['feed_ms']} ms" if spread is None else f"{market['feed_ms']} ms and up to "
    feed += "" if spread is None else f"{spread} ms more (receive clock {market['shift_ms']:+} ms)"
    maker, taker = (f"{Decimal(fee):.4%}" for fee in market["fees"])
    yield f"Assumed    fills by {market['fills']}; requests {market['latency']}; feed {feed}"
    yield (
        f"           fees {maker} and {taker}; funding {market['funding']}; the bot begins "
        f"{market['warm_up_ms'] / 1000:.1f} s after the tape"
    )
    volume = Decimal(market["volume"])
    part = f"{(report.bought + report.sold) / volume:.2%}" if volume else "no part"
    yield f"           impact is not modelled: own fills are {part} of what others have traded"
    yield f"           {market['one_of']}: the more are tried, the better the best one looks"


def _ended(report: Report | Summary) -> str:
    run = report.run
    if run["ended_ms"] is None:
        if report.is_running:
            return "not yet: it runs"
        return f"not recorded: killed, or not to be written, after {when(report.end_ms)}"
    left = "no own order left" if run["proven"] else "own orders may be left"
    return f"{run['how'] or 'failed'}; {left}"


def _fills(report: Report) -> Iterator[str]:
    unit = "contracts" if report.is_contract else "units"
    bought, sold = plain(report.bought), plain(report.sold)
    touch = "; virtual, by touch" if report.through else ""
    yield f"Fills      {report.fills}: bought {bought}, sold {sold} {unit}{touch}"
    if report.net is None:
        yield "Position   not known"
        return
    legs = ""
    if report.shown:
        long, short = report.shown
        legs = f"; shown last: long {plain(long)}, short {plain(short)}"
    worth = ""
    if report.mark and report.net:
        face = report.run["face"] or 1
        value = report.net * face / report.mark if report.is_contract else report.net * report.mark
        worth = f", worth {value:+.6f} {report.run['area']} at {plain(report.mark)}"
    yield f"Position   {plain(report.net)} {unit} left{worth}{legs}"
    if held := report.inventory:
        mean = f"{held.mean_size:.4g}" if held.mean_size < 1 else f"{held.mean_size:.1f}"
        yield (
            f"Inventory  {plain(held.lowest)} to {plain(held.highest)} {unit}, "
            f"{mean} on average, long or short"
        )


def _time(report: Report) -> Iterator[str]:
    up = report.uptimes[""]
    near = ", ".join(f"{points} bp {up.within[points]:.1%}" for points in SHOWN_WITHIN)
    yield f"Quoting    a bid {up.bid:.1%}, an ask {up.ask:.1%}, both {up.both:.1%} of the time"
    yield f"           both within {near} of the mid"
    whole = max(up.ms, 1)
    for state in report.states:
        yield f"  {state.state:<9}{Decimal(state.ms) / whole:>6.1%}{reasons(state)}"


def reasons(state: InState) -> str:
    named = [f"{reason} ({duration(Decimal(ms) / 1000)})" for reason, ms in state.reasons]
    more = f", {len(named) - REASONS} more" if len(named) > REASONS else ""
    return f"  {'; '.join(named[:REASONS])}{more}" if named else ""


def details_of(report: Report) -> str:
    """Return uptimes by state, levels, markouts by level and requests, as tables of text."""
    lines = [f"{'State':<12}{'part':>8}{'bid':>8}{'ask':>8}{'both':>8}"]
    lines[0] += "".join(f"{f'{points} bp':>8}" for points in WITHIN)
    whole = max(report.uptimes[""].ms, 1)
    for state, up in report.uptimes.items():
        parts = (Decimal(up.ms) / whole, up.bid, up.ask, up.both, *up.within.values())
        lines.append(f"{state or 'all':<12}" + "".join(f"{part:>8.1%}" for part in parts))
    lines += ["", f"{'Level':<12}{'orders':>8}{'filled':>8}{'after':>10}"]
    for level in report.levels:
        wait = "-" if level.wait_seconds is None else f"{level.wait_seconds:.1f} s"
        lines.append(
            f"{level.level or 'not known':<12}{level.orders:>8}{level.fill_ratio:>8.1%}{wait:>10}"
        )
    lines += ["", f"{'Markouts':<12}" + "".join(f"{f'{each} s':>19}" for each in HORIZONS)]
    for number, side in sorted({(each.level, each.side) for each in report.markouts if each.level}):
        cells = [each for each in report.markouts if (each.level, each.side) == (number, side)]
        lines.append(f"{f'{side}s, {number}':<12}" + "".join(_cell(each) for each in cells))
    lines += ["", f"{'Requests':<30}{'number':>8}{'failed':>8}{'mean':>9}{'at most':>9}  limit"]
    for kind in report.requests:
        limit = f"{kind.calls} in {kind.seconds:g} s"
        lines.append(
            f"{short_path(kind.path):<30}{kind.count:>8}{kind.failed:>8}{kind.mean_ms:>6} ms"
            f"{kind.busiest:>9}  {limit}"
        )
    return "\n".join(lines) + "\n"


def request_lines(report: Report) -> Iterator[str]:
    """Yield the number of requests by kind, and the one nearest to its limit, as lines."""
    if not report.requests:
        return
    kinds = (f"{short_path(each.path)} {each.count}" for each in report.requests[:REASONS])
    near = max(report.requests, key=lambda each: each.busiest / each.calls)
    whole = sum(each.count for each in report.requests)
    yield f"Requests   {whole}: {', '.join(kinds)}; nearest to its limit"
    busiest = f"{near.busiest} of {near.calls} in {near.seconds:g} s"
    yield f"           {short_path(near.path)}, {busiest}"


def short_path(path: str) -> str:
    """Return the end of the path of a request, which names its kind."""
    return path.partition("/api/")[2] or path


def _markouts(report: Report) -> Iterator[str]:
    if not report.fills:
        return
    if half := report.half_spread:
        yield (
            f"Half-spread {half.effective:+.2f} bp effective = {half.realised:+.2f} realised after "
            f"{REALISED} s {half.impact:+.2f} impact ({half.n} fills)"
        )
    yield "Markouts   in basis points, mean +- standard error (number of fills)"
    yield "         " + "".join(f"{f'{seconds} s':>19}" for seconds in HORIZONS)
    for side in ("Buy", "Sell"):
        cells = [each for each in report.markouts if (each.side, each.level) == (side, None)]
        yield f"  {side + 's':<7}" + "".join(_cell(each) for each in cells)


def _cell(markout: Markout) -> str:
    """Return a markout as a cell of a table."""
    error = "" if markout.error is None else f"+-{markout.error:.1f}"
    mean = "-" if markout.mean is None else f"{markout.mean:+.1f}"
    return f"{f'{mean}{error} ({markout.n})':>19}"
