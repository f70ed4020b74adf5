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


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list of runs shows of one."""

    run: Row
    end_ms: int
    fills: int
    profit: Profit | None

    @property
    def seconds(self) -> Decimal:
        """Return how long it ran."""
        return Decimal(self.end_ms - self.run["begun_ms"]) / 1000


def summary_of(run: Run) -> Summary:
    """Return the summary of a run. Raises Unreadable."""
    fills, payments = run.rows("fills"), run.rows("payments")
    profit = profit_of(run.row, fills, payments, _last_mark(run))
    return Summary(run.row, _end_of(run), len(fills), profit)


def report_of(run: Run) -> Report:
    """Return the report of a run. Raises Unreadable."""
    row, begun_ms, end_ms, mark = run.row, run.row["begun_ms"], _end_of(run), _last_mark(run)
    ticks, steps, fills = run.rows("ticks"), run.rows("orders"), run.rows("fills")
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
        profit=profit_of(row, fills, run.rows("payments"), mark),
        drawdown=drawdown_of(ticks, is_restart=bool(row["is_restart"])),
        balance=run.last("balances"),
        uptime=uptime_of(quoted(steps, begun_ms, end_ms)),
        states=states_of(ticks, begun_ms, end_ms),
        markouts=markouts(fills, Mids(*run.mids()), end_ms, inverse=run.is_contract),
    )


def _sum(fills: Sequence[Row], side: str) -> Decimal:
    return sum((fill["qty"] for fill in fills if fill["side"] == side), ZERO)


def _end_of(run: Run) -> int:
    """Return when a run ended; of one that was killed or runs, the last sign of it."""
    latest = [run.last(table) for table in ("ticks", "prices", "orders", "fills", "payments")]
    seen = (row["time_ms"] for row in latest if row)
    return int(run.row["ended_ms"] or max(seen, default=run.row["begun_ms"]))


def _last_mark(run: Run) -> Decimal | None:
    """Return the last price that values a position: the mark, which a pair has only in ticks."""
    latest = [run.last(table, but_null="mark") for table in ("ticks", "prices")]
    marks = [(row["time_ms"], row["mark"]) for row in latest if row]
    found: Decimal | None = max(marks)[1] if marks else run.row["mark"]
    return found
