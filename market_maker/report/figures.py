"""The figures of a run, from the rows of its journal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.journal import Row, Run
from market_maker.report.budget import Requests, requests_of
from market_maker.report.levels import Level, levels_of
from market_maker.report.markouts import (
    MID_OLD_MS,
    HalfSpread,
    Markout,
    half_spread_of,
    markouts,
    times_of,
)
from market_maker.report.parts import (
    BESIDE,
    ZERO,
    Drawdown,
    Inventory,
    Profit,
    drawdown_of,
    inventory_of,
    positions_of,
    profit_of,
)
from market_maker.report.quoting import (
    InState,
    Uptime,
    quoted,
    spans_of,
    states_of,
    uptimes_of,
)

STEPS = 7
TOUCH, THROUGH = "touch", "through"
LOOK_MS = 1_000
"""How often quotes are compared with the mid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did, earned and cost. Times are ms since the epoch, UTC."""

    run: Row
    """Its row of the table `runs`."""
    end_ms: int
    """When it ended, or the last sign of it."""
    is_running: bool
    fills: int
    bought: Decimal
    sold: Decimal
    net: Decimal | None
    """The position at the end: that at the start and all fills; None where the start is unknown."""
    shown: tuple[Decimal, Decimal] | None
    """Long and short as the venue has shown them last."""
    mark: Decimal | None
    """The last known price that values a position."""
    profit: Profit | None
    through: "Through | None"
    """Of a dry run, whose other figures are by touch."""
    drawdown: Drawdown | None
    balance: Row | None
    """The last row of `balances`, of the area."""
    base_balance: Row | None
    """The same of the base currency of a pair."""
    unexplained: list[str]
    """What is known of the changes of the balance that nothing explains."""
    has_unexplained_position: bool
    """Whether the position has changed without any fill."""
    inventory: Inventory | None
    """None where the position at the start is unknown."""
    uptimes: dict[str, Uptime]
    """By trading state, and under "" of the whole run."""
    states: list[InState]
    half_spread: HalfSpread | None
    markouts: list[Markout]
    levels: list[Level]
    requests: list[Requests]

    @property
    def seconds(self) -> Decimal:
        """Return how long it ran."""
        return Decimal(self.end_ms - self.run["begun_ms"]) / 1000

    @property
    def is_contract(self) -> bool:
        """Return whether it traded contracts."""
        return bool(self.run["instrument_type"] != "bb")


@dataclass(frozen=True, slots=True)
class Through:
    """What a dry run would have traded where the market went through its orders."""

    fills: int
    bought: Decimal
    sold: Decimal
    profit: Profit | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list of runs shows of one."""

    run: Row
    end_ms: int
    is_running: bool
    fills: int
    profit: Profit | None

    @property
    def seconds(self) -> Decimal:
        """Return how long it ran."""
        return Decimal(self.end_ms - self.run["begun_ms"]) / 1000


def summary_of(run: Run) -> Summary:
    """Return the summary of a run. Raises Unreadable."""
    fills, payments = fills_of(run), run.rows("payments")
    profit = profit_of(run.row, fills, payments, _last_mark(run), beside=beside_of(run))
    return Summary(run.row, end_of(run), run.is_running, len(fills), profit)


class Facts:
    """The rows of a run that both report and charts need, and what follows from them at once."""

    def __init__(self, run: Run, step: Callable[[], None] = lambda: None) -> None:
        """`step` is called before each of STEPS steps here and later. Raises Unreadable."""
        self.run, self.step = run, step
        step()
        self.begun_ms: int = max(run.row["begun_ms"], run.row.get("thinned_ms") or 0)
        """When it began; of a thinned run, from when on its rows are kept."""
        self.end_ms = end_of(run)
        self.mark = _last_mark(run)
        """The last known price that values a position."""
        self.fills = fills_of(run)
        step()
        self.ticks = run.raw("ticks", "time_ms", "state", "reason", "profit")
        step()
        columns = ("time_ms", "client_oid", "step", "side", "price", "qty", "filled", "level")
        self.steps = run.raw("orders", *columns, where="step != 'sent'")
        step()
        self.spans = spans_of(self.ticks, self.begun_ms, self.end_ms)
        self.quoted = quoted(self.steps, self.begun_ms, self.end_ms)


def report_of(run: Run, step: Callable[[], None] = lambda: None) -> Report:
    """Return the report of a run; `step` as in `Facts`. Raises Unreadable."""
    return report_from(Facts(run, step))


def report_from(facts: Facts) -> Report:
    """Return the report. Raises Unreadable."""
    run, row, fills, end_ms = facts.run, facts.run.row, facts.fills, facts.end_ms
    bought, sold = (_sum(fills, side) for side in ("Buy", "Sell"))
    shown = run.last("ticks", where="long IS NOT NULL")
    facts.step()
    mids = run.mids_at(times_of(fills, end_ms), age_ms=MID_OLD_MS)
    is_known, inverse = row["long"] is not None, run.is_contract
    beside, payments = beside_of(run), run.rows("payments")
    positions = positions_of(row, [*fills, *beside]) if is_known else []
    facts.step()
    requests = run.raw("requests", "time_ms", "path", "calls", "seconds", "took_ms", "outcome")
    facts.step()
    return Report(
        run=row,
        end_ms=end_ms,
        is_running=run.is_running,
        fills=len(fills),
        bought=bought,
        sold=sold,
        net=positions[-1][1] if is_known else None,
        shown=(shown["long"], shown["short"]) if shown else None,
        mark=facts.mark,
        profit=profit_of(row, fills, payments, facts.mark, beside=beside),
        through=_through(facts) if row["kind"] == "dry" else None,
        drawdown=drawdown_of(facts.ticks, is_restart=bool(row["is_restart"])),
        balance=run.last("balances", where="coalesce(currency, '') = ''"),
        base_balance=run.last("balances", where="currency != ''"),
        unexplained=sorted(
            {each["detail"] for each in payments if each["kind"] == "unexplained"} - {""}
        ),
        has_unexplained_position=any(each["model"] == "unexplained" for each in beside),
        inventory=inventory_of(positions, end_ms) if is_known else None,
        uptimes=uptimes_of(facts.quoted, facts.spans, run.mids(LOOK_MS)),
        states=states_of(facts.spans),
        half_spread=half_spread_of(fills, mids, inverse=inverse),
        markouts=markouts(fills, mids, inverse=inverse),
        levels=levels_of(facts.steps, fills),
        requests=requests_of(requests),
    )


def fills_of(run: Run, *, since_ms: int = 0) -> list[Row]:
    """Return the fills of a run; of a dry run, those by touch. Raises Unreadable.

    A run that became a dry one has virtual fills beside its own.
    """
    wanted = (TOUCH,) if run.row["kind"] == "dry" else (None, "")
    return [row for row in run.rows("fills", since_ms=since_ms) if row["model"] in wanted]


def beside_of(run: Run) -> list[Row]:
    """Return the rows of `fills` that are no own fills. Raises Unreadable."""
    return [row for row in run.rows("fills") if row["model"] in BESIDE]


def _through(facts: Facts) -> Through:
    fills = [row for row in facts.run.rows("fills") if row["model"] == THROUGH]
    bought, sold = (_sum(fills, side) for side in ("Buy", "Sell"))
    return Through(len(fills), bought, sold, profit_of(facts.run.row, fills, (), facts.mark))


def _sum(fills: Sequence[Row], side: str) -> Decimal:
    return sum((fill["qty"] for fill in fills if fill["side"] == side), ZERO)


def end_of(run: Run) -> int:
    """Return when a run ended; of one that was killed or runs, the last sign of it."""
    latest = [run.last(table) for table in ("ticks", "prices", "orders", "fills", "payments")]
    seen = (row["time_ms"] for row in latest if row)
    return int(run.row["ended_ms"] or max(seen, default=run.row["begun_ms"]))


def _last_mark(run: Run) -> Decimal | None:
    """Return the last price that values a position: the mark, which a pair has only in ticks."""
    latest = [run.last(table, where="mark IS NOT NULL") for table in ("ticks", "prices")]
    marks = [(row["time_ms"], row["mark"]) for row in latest if row]
    found: Decimal | None = max(marks)[1] if marks else run.row["mark"]
    return found
