"""The charts of a run: price, position, profit, markouts, trading states and quotes."""

from decimal import Decimal

from market_maker.decimals import plain
from market_maker.journal import MID
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
from market_maker.report.figures import Facts, Report, beside_of
from market_maker.report.markouts import HORIZONS
from market_maker.report.parts import earned_over_time, positions_of

STATES = ("ACTIVE", "REDUCING", "PAUSED", "HALTED")
SIDES = ("both", "one", "none")
OUTER = 5
"""So many percent of the quotes on each end may be outside the price chart."""


def price(facts: Facts) -> str:
    """Return the mid, the own best quotes and the fills."""
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


def position(facts: Facts) -> str:
    """Return the position with its limits."""
    if facts.run.row["long"] is None:
        return "<p>not known: that at the start is not</p>"
    points = positions_of(facts.run.row, [*facts.fills, *beside_of(facts.run)])
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


def profit(facts: Facts) -> str:
    """Return the profit after fees, with spread and fees."""
    total = facts.run.extremes("ticks", "profit", facts.begun_ms, facts.end_ms, WIDTH)
    spread, fees = earned_over_time(facts.run.row, facts.fills, facts.mark)
    values = [Decimal(repr(value)) for _, low, high in total for value in (low, high)]
    values += [value for _, value in [*spread, *fees]] + [Decimal(0)]
    frame = _frame(facts, values)
    content = level(frame, Decimal(0), "zero") + line(frame, spread, "spread", stepped=True)
    content += line(frame, fees, "fees", stepped=True) + band(frame, total, "profit")
    return chart(frame, content, [(value, f"{value:.6f}") for value in (min(values), max(values))])


def markouts(report: Report) -> str:
    """Return the mean markouts of buys and sells by horizon, with their standard errors."""
    series = []
    for side, name in (("Buy", "buy"), ("Sell", "sell")):
        of_side = [each for each in report.markouts if (each.side, each.level) == (side, None)]
        points = [
            (each.mean, each.error or Decimal(0)) if each.mean is not None else None
            for each in of_side
        ]
        series.append((name, points))
    return curve(series, [f"{seconds} s" for seconds in HORIZONS])


def states(facts: Facts) -> str:
    """Return the trading states as a strip."""
    times = [(span.begun_ms, span.ended_ms, span.state) for span in facts.spans]
    return strip(times, STATES, facts.begun_ms, facts.end_ms)


def quotes(facts: Facts) -> str:
    """Return as a strip which sides were quoted."""
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
