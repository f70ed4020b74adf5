"""The figures of a run, from the rows of its journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.journal import Row, Run
from market_maker.report.markouts import Markout, Mids, markouts
from market_maker.report.parts import (
    ZERO,
    Drawdown,
    InState,
    Profit,
    Uptime,
    drawdown_of,
    profit_of,
    quoted,
    states_of,
    uptime_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did, earned and cost. Times are ms since the epoch, UTC."""

    run: Row
    """Its row of the table `runs`."""
    end_ms: int
    """When it ended, or the last sign of it."""
    fills: int
    bought: Decimal
    sold: Decimal
    net: Decimal | None
    """The position at the end: that at the start and own fills; None where the start is unknown."""
    shown: tuple[Decimal, Decimal] | None
    """Long and short as the venue has shown them last."""
    mark: Decimal | None
    """The last known price that values a position."""
    profit: Profit | None
    drawdown: Drawdown | None
    balance: Row | None
    """The last row of `balances`."""
    uptime: Uptime
    states: list[InState]
    markouts: list[Markout]

    @property
    def seconds(self) -> Decimal:
        """Return how long it ran."""
        return Decimal(self.end_ms - self.run["begun_ms"]) / 1000

    @property
    def is_contract(self) -> bool:
        """Return whether it traded contracts."""
        return bool(self.run["instrument_type"] != "bb")


def report_of(run: Run) -> Report:
    """Return the report of a run. Raises Unreadable."""
    row, begun_ms = run.row, run.row["begun_ms"]
    ticks, prices, steps = run.rows("ticks"), run.rows("prices"), run.rows("orders")
    fills, payments, balances = run.rows("fills"), run.rows("payments"), run.rows("balances")
    latest = [rows[-1]["time_ms"] for rows in (ticks, prices, steps, fills, payments) if rows]
    end_ms = row["ended_ms"] or max(latest, default=begun_ms)
    mark = _last_mark(row, ticks, prices)
    bought, sold = (_sum(fills, side) for side in ("Buy", "Sell"))
    shown = [(tick["long"], tick["short"]) for tick in ticks if tick["long"] is not None]
    return Report(
        run=row,
        end_ms=end_ms,
        fills=len(fills),
        bought=bought,
        sold=sold,
        net=None if row["long"] is None else row["long"] - row["short"] + bought - sold,
        shown=shown[-1] if shown else None,
        mark=mark,
        profit=profit_of(row, fills, payments, mark),
        drawdown=drawdown_of(ticks, is_restart=bool(row["is_restart"])),
        balance=balances[-1] if balances else None,
        uptime=uptime_of(quoted(steps, begun_ms, end_ms)),
        states=states_of(ticks, begun_ms, end_ms),
        markouts=markouts(fills, Mids(prices), end_ms, inverse=run.is_contract),
    )


def _sum(fills: Sequence[Row], side: str) -> Decimal:
    return sum((fill["qty"] for fill in fills if fill["side"] == side), ZERO)


def _last_mark(run: Row, ticks: Sequence[Row], prices: Sequence[Row]) -> Decimal | None:
    """Return the last price that values a position: the mark, which a pair has only in ticks."""
    found: list[tuple[int, Decimal]] = []
    for rows in (ticks, prices):
        marked = [(row["time_ms"], row["mark"]) for row in rows if row["mark"]]
        found += marked[-1:]
    return max(found)[1] if found else run["mark"]
