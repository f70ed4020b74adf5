"""What a bot does now, from the latest rows of its journal: one screen of text, and JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.journal import Row, Run
from market_maker.report.earned import profit_lines
from market_maker.report.figures import Summary, fills_of, summary_of
from market_maker.report.quoting import InState, spans_of, states_of
from market_maker.report.text import reasons
from market_maker.report.times import duration, when

HOUR_MS = 3_600_000
LATE_SECONDS = Decimal(10)
"""Without a tick for so long, or for three times LOOP_INTERVAL, the bot may hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a running bot did last, as its journal has it. Times are ms since the epoch, UTC."""

    summary: Summary
    now_ms: int
    tick: Row | None
    """Its last tick."""
    since_ms: int | None
    """Since when it is in that state; None: for as long as `states` tells."""
    prices: Row | None
    """The last best prices of the book, own orders among them, and the mark."""
    fill: Row | None
    """The last fill."""
    states: list[InState]
    """The states of the last hour."""
    long_limit: Decimal | None
    short_limit: Decimal | None
    loop_interval: Decimal
    """As the settings were when the run began; no limits where CHECK_POSITION_LIMITS was off."""


def status_of(run: Run, now_ms: int) -> Status:
    """Return the status of a run. Raises Unreadable."""
    begun_ms = max(run.row["begun_ms"], now_ms - HOUR_MS)
    ticks = run.rows("ticks", since_ms=begun_ms)
    limited = run.settings.get("CHECK_POSITION_LIMITS")
    long_limit, short_limit, loop_interval = (
        Decimal(str(run.settings.get(name, 0)))
        for name in ("MAX_POSITION", "MIN_POSITION", "LOOP_INTERVAL")
    )
    return Status(
        summary=summary_of(run),
        now_ms=now_ms,
        tick=ticks[-1] if ticks else None,
        since_ms=since_of(ticks),
        prices=run.last("prices"),
        fill=next(reversed(fills_of(run)), None),
        states=states_of(spans_of(ticks, begun_ms, now_ms)),
        long_limit=long_limit if limited else None,
        short_limit=short_limit if limited else None,
        loop_interval=loop_interval,
    )


def since_of(ticks: Sequence[Row]) -> int | None:
    """Return since when the last state of ticks holds; None: for as long as they tell."""
    since_ms, last = None, None
    for tick in ticks:
        if tick["state"] != last:
            since_ms, last = tick["time_ms"] if last else None, tick["state"]
    return since_ms


def lasting_of(run: Run, ticks: Sequence[Row], now_ms: int) -> str:
    """Return in words how long the last state of the ticks of the last hour has held."""
    return _lasting(since_of(ticks), run.row["begun_ms"], now_ms)


def _lasting(since_ms: int | None, begun_ms: int, now_ms: int) -> str:
    since = since_ms or max(begun_ms, now_ms - HOUR_MS)
    words = duration(Decimal(now_ms - since) / 1000)
    return words if since_ms or begun_ms > now_ms - HOUR_MS else f"at least {words}"


def is_late(run: Run, tick_ms: int, now_ms: int) -> bool:
    """Return whether the last tick of a run was so long ago that it may hang."""
    return _is_late(tick_ms, now_ms, Decimal(str(run.settings.get("LOOP_INTERVAL", 0))))


def _is_late(tick_ms: int, now_ms: int, loop_interval: Decimal) -> bool:
    return Decimal(now_ms - tick_ms) / 1000 > max(LATE_SECONDS, 3 * loop_interval)


def status_text(status: Status) -> str:
    """Return the status as one screen of text."""
    return "\n".join([*_head(status), *_market(status), *_money(status), *_hour(status)]) + "\n"


def status_json(statuses: list[Status]) -> str:
    """Return statuses as JSON, exact decimals as text; without settings."""
    found = [asdict(status) for status in statuses]
    for each, status in zip(found, statuses, strict=True):
        del each["summary"]["run"]["settings"]
        if profit := status.summary.profit:
            each["summary"]["profit"]["total"] = profit.total
    return json.dumps(found, indent=1, default=lambda value: f"{value:f}") + "\n"


def _head(status: Status) -> Iterator[str]:
    run, tick = status.summary.run, status.tick
    ran = duration(Decimal(status.now_ms - run["begun_ms"]) / 1000)
    yield (
        f"Run {run['number']}: {run['kind']}, {run['symbol']} ({run['area']}), "
        f"process {run['pid']}, since {when(run['begun_ms'])} UTC, {ran}"
    )
    if not tick:
        yield "Starting: no tick yet."
        return
    words = tick["reason"] or "quoting"
    lasting = _lasting(status.since_ms, run["begun_ms"], status.now_ms)
    yield f"{tick['state']:<10} {words}; so for {lasting}"
    if _is_late(tick["time_ms"], status.now_ms, status.loop_interval):
        age = Decimal(status.now_ms - tick["time_ms"]) / 1000
        yield f"LATE       the last tick was {duration(age)} ago"


def _market(status: Status) -> Iterator[str]:
    prices, tick = status.prices, status.tick
    if prices:
        bid, ask, mark = (_plain(prices[name]) for name in ("bid", "ask", "mark"))
        yield f"Book       bid {bid}, ask {ask}, mark {mark}"
    if tick:
        yield f"Quotes     bid {_plain(tick['own_bid'])}, ask {_plain(tick['own_ask'])}"
    if tick and tick["long"] is not None:
        limits = ""
        if status.long_limit is not None and status.short_limit is not None:
            limits = f"; limits at the start {plain(status.short_limit)}/{plain(status.long_limit)}"
        yield f"Position   long {plain(tick['long'])}, short {plain(tick['short'])}{limits}"


def _money(status: Status) -> Iterator[str]:
    fill = status.fill
    latest = ""
    if fill:
        ago = duration(Decimal(status.now_ms - fill["time_ms"]) / 1000)
        price = _plain(fill["price"])
        latest = f", the last {fill['side']} {plain(fill['qty'])} @ {price}, {ago} ago"
    yield f"Fills      {status.summary.fills}{latest}"
    if status.summary.profit:
        yield from profit_lines(status.summary.profit, status.summary.run["area"])


def _hour(status: Status) -> Iterator[str]:
    whole = max(sum(state.ms for state in status.states), 1)
    yield "The last hour"
    for state in status.states:
        yield f"  {state.state:<9}{Decimal(state.ms) / whole:>6.1%}{reasons(state)}"


def _plain(value: Decimal | None) -> str:
    return "-" if value is None else plain(value)
