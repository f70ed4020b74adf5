"""One moment of a run: what its journal has of the state, the last decision and the orders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from market_maker.journal import Row, Run
from market_maker.models import OrderState, Side
from market_maker.report.decisions import decided_in
from market_maker.report.quotes import Quote, quotes_of
from market_maker.report.times import clock_time
from market_maker.strategy import Decided

QUOTING = ("ACTIVE", "REDUCING")
DONE = OrderState.DONE.value
LOOKED_BACK = 50
"""So many decisions of orders beside the ladder are passed over to find that of the ladder."""
LOG_LINES = 3
"""So many lines of the log are quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the journal has of one moment of a run. Times are ms since the epoch, UTC."""

    run: Run
    at_ms: int
    tick: Row | None
    """The last tick until then."""
    decided_ms: int
    decided: Decided | None
    """The last decision until then."""
    quotes: list[Quote]
    last: dict[str, Row]
    """By client_oid, the last steps until then of all own orders."""

    @property
    def orders(self) -> dict[str, Row]:
        """Those of own orders that had not ended."""
        return {oid: row for oid, row in self.last.items() if _rests(row)}

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, and nothing was recorded after this moment."""
        later = self.run.last("ticks")
        return not self.run.is_running and bool(later and later["time_ms"] <= self.at_ms)

    @property
    def is_quoting(self) -> bool:
        """Whether quoting was allowed."""
        return self.tick is None or self.tick["state"] in QUOTING


def moment_of(run: Run, at_ms: int) -> Moment:
    """Return the moment of a run. Raises Unreadable."""
    decided_ms, decided = decision_at(run, at_ms)
    tick_ms = run.next_tick(decided_ms) if decided else None
    at_ms = max(at_ms, tick_ms or 0)  # what a decision has led to shows once its tick is over
    last = {row["client_oid"]: row for row in run.last_steps(until_ms=at_ms)}
    quotes = quotes_of(decided) if decided else []
    known = {quote.client_oid for quote in quotes}
    warned = logged(run, decided_ms, at_ms) if decided else ""
    if tick_ms is None:
        warned = "; that tick is not over"
    steps = run.steps_between(decided_ms, at_ms) if decided else []
    return Moment(
        run=run,
        at_ms=at_ms,
        tick=run.last("ticks", until_ms=at_ms),
        decided_ms=decided_ms,
        decided=decided,
        quotes=[
            *(_as_it_went(quote, steps, known, warned) for quote in quotes),
            *(_other(row, run) for oid, row in last.items() if oid not in known and _rests(row)),
        ],
        last=last,
    )


def decision_at(run: Run, at_ms: int, *, with_beside: bool = False) -> tuple[int, Decided | None]:
    """Return the last decision until then, and when it was last taken.

    Orders that were placed beside the ladder count only where there is no other decision.
    """
    beside: tuple[int, Decided | None] = (0, None)
    until_ms = at_ms
    for _ in range(LOOKED_BACK):
        row = run.last("decisions", until_ms=until_ms)
        if row is None:
            break
        whole = run.last("decisions", until_ms=row["same_as"]) if row["same_as"] else row
        if whole is None or whole["detail"] is None:
            break  # the one that it repeats is no longer recorded
        decided = decided_in(run, whole)
        if with_beside or not decided.is_beside:
            return row["time_ms"], decided
        beside = beside if beside[1] else (row["time_ms"], decided)
        until_ms = row["time_ms"] - 1
    return beside


def _rests(row: Row) -> bool:
    return bool(row["step"] != DONE)


def _as_it_went(quote: Quote, steps: Sequence[Row], known: set[str], warned: str) -> Quote:
    """Return a quote with what became of its create, by the steps of orders since the decision.

    `known` are the client_oids of orders that have a quote; `warned` is what the log said since.
    """
    if not quote.create or quote.is_missing:
        return quote
    asked = (OrderState.SENT.value, quote.side.value, quote.create.price, quote.create.qty)
    sent = [
        row
        for row in steps
        if (row["step"], row["side"], row["price"], row["qty"]) == asked
        and row["client_oid"] not in known
    ]
    if not sent:
        words = f"not sent in that tick{warned or '; the next one plans again'}"
        return replace(quote, steps=(*quote.steps, ("sent", words)), is_missing=True)
    oid = sent[0]["client_oid"]
    known.add(oid)
    last = [row for row in steps if row["client_oid"] == oid][-1]
    is_refused = last["step"] == DONE and not last["order_id"]
    words = f"{clock_time(sent[0]['time_ms'])}, {last['step']}"
    if is_refused:
        words = f"refused by the venue, or not sent{warned}"
    return replace(
        quote,
        steps=(*quote.steps, ("sent", words)),
        is_missing=is_refused,
        client_oid=oid,
    )


def _other(row: Row, run: Run) -> Quote:
    """Return an own order that the decision knows nothing of."""
    first = run.steps_of(row["client_oid"], until_ms=row["time_ms"])[0]
    _, placed_by = decision_at(run, first["time_ms"], with_beside=True)
    words = "placed by an earlier decision"
    if placed_by and placed_by.is_beside:
        words = "placed beside the ladder (create_bulk_orders)"
    return Quote(
        side=Side(row["side"]),
        price=row["price"],
        qty=row["qty"],
        level=None,
        steps=(("orders", f"{words} at {clock_time(first['time_ms'])}"),),
        is_missing=False,
        client_oid=row["client_oid"],
    )


def logged(run: Run, since_ms: int, until_ms: int) -> str:
    """Return what the log said between two moments, as far as it was a warning."""
    lines = run.warnings_between(since_ms, until_ms)[:LOG_LINES]
    return f"; the log: {' / '.join(lines)}" if lines else ""


def created(decided: Decided, row: Row) -> Quote | None:
    """Return the quote for which a decision created the order of a row."""
    asked = (row["side"], row["price"], row["qty"])
    for quote in quotes_of(decided):
        made = quote.create
        if made and (made.side.value, made.price, made.qty) == asked:
            return quote
    return None
