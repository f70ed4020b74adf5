"""Why quotes of a run stood where they stood, and why others are missing: as text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.journal import Row, Run
from market_maker.models import OrderState, Side
from market_maker.report.decisions import decided_in
from market_maker.report.quotes import Quote, quotes_of, why_unwanted
from market_maker.report.text import duration
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
    orders: dict[str, Row]
    """By client_oid, the last steps until then of own orders that had not ended."""

    @property
    def is_quoting(self) -> bool:
        """Whether quoting was allowed."""
        return self.tick is None or self.tick["state"] in QUOTING


def moment_of(run: Run, at_ms: int) -> Moment:
    """Return the moment of a run. Raises Unreadable."""
    decided_ms, decided = _decision_at(run, at_ms)
    orders = _orders_at(run, at_ms)
    quotes = quotes_of(decided) if decided else []
    known = {quote.order.client_oid for quote in quotes if quote.order}
    return Moment(
        run=run,
        at_ms=at_ms,
        tick=run.last("ticks", until_ms=at_ms),
        decided_ms=decided_ms,
        decided=decided,
        quotes=[_as_it_went(quote, run, decided_ms, at_ms, known) for quote in quotes],
        orders=orders,
    )


def overview(moment: Moment, *, only_missing: bool) -> str:
    """Return a line on each quote, and on each that is missing, with the rule that decided."""
    lines = [*_head(moment)]
    quotes = [quote for quote in moment.quotes if quote.is_missing or not only_missing]
    if not moment.is_quoting:
        quotes = [] if only_missing else [quote for quote in quotes if _is_open(quote, moment)]
    if moment.decided and not quotes:
        lines.append("Missing: none." if only_missing and moment.is_quoting else "No own order.")
    for quote in quotes:
        level = f"level {quote.level}" if quote.level else ""
        word = "missing" if quote.is_missing else "open" if _is_open(quote, moment) else "gone"
        lines.append(f"{_name(quote):<24} {word:<8} {level:<9} {_deciding(quote)}")
    return "\n".join(lines) + "\n"


def at_price(moment: Moment, price: Decimal) -> str:
    """Return all rules of the quotes at a price; without any, of the nearest of each side."""
    lines = [*_head(moment)]
    found = [
        quote
        for quote in moment.quotes
        if price in (quote.price, quote.order and quote.order.price) or _was_given(quote, price)
    ]
    if not found and moment.quotes:
        lines.append(f"Nothing was wanted at {plain(price)}; the nearest on each side:")
        for side in Side:
            of_side = [quote for quote in moment.quotes if quote.side is side]
            found += sorted(of_side, key=lambda quote: abs(quote.price - price))[:1]
    for quote in found:
        lines += ["", *_chain(quote, moment)]
    return "\n".join(lines) + "\n"


def of_order(run: Run, steps: Sequence[Row]) -> str:
    """Return the history of an order from the rules that placed it on; `steps` are its rows."""
    first, last = steps[0], steps[-1]
    lines = [_head_of_order(first, last)]
    decided_ms, decided = _decision_at(run, first["time_ms"], with_beside=True)
    quote = _created(decided, first) if decided else None
    if quote:
        lines.append(f"Placed by the decision at {_time(decided_ms)}:")
        lines += [f"  {rule:<9} {text}" for rule, text in quote.steps]
        lines += [f"  said      {note}" for note in decided.notes] if decided else []
    else:
        lines.append("The decision that placed it is not recorded.")
    for row in steps:
        lines.append(f"{_time(row['time_ms'])}  {row['step']}{_filled(row)}")
    lines += _end_of(run, steps)
    return "\n".join(lines) + "\n"


# --- what the journal has -----------------------------------------------------------------------


def _decision_at(run: Run, at_ms: int, *, with_beside: bool = False) -> tuple[int, Decided | None]:
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


def _orders_at(run: Run, at_ms: int) -> dict[str, Row]:
    rows = run.last_steps(until_ms=at_ms)
    return {row["client_oid"]: row for row in rows if row["step"] != DONE}


def _as_it_went(quote: Quote, run: Run, decided_ms: int, at_ms: int, known: set[str]) -> Quote:
    """Return a quote with what became of its create."""
    if not quote.create or quote.is_missing:
        return quote
    price, qty = plain(quote.create.price), plain(quote.create.qty)
    where = (
        f"time_ms BETWEEN {int(decided_ms)} AND {int(at_ms)} AND side = '{quote.side.value}' "
        f"AND price = '{price}' AND qty = '{qty}'"
    )
    rows = [
        row
        for row in run.raw("orders", "time_ms", "client_oid", "order_id", "step", where=where)
        if row["client_oid"] not in known
    ]
    if not rows:
        words = "not sent in that tick; the next one plans again" + _logged(run, decided_ms, at_ms)
        return replace(quote, steps=(*quote.steps, ("sent", words)), is_missing=True)
    last = rows[-1]
    known.add(last["client_oid"])
    words = f"{_time(rows[0]['time_ms'])}, {last['step']}"
    is_refused = last["step"] == DONE and not last["order_id"]
    if is_refused:
        words = "refused by the venue, or not sent" + _logged(run, decided_ms, at_ms)
    return replace(quote, steps=(*quote.steps, ("sent", words)), is_missing=is_refused)


def _logged(run: Run, since_ms: int, until_ms: int) -> str:
    """Return what the log said between two moments, as far as it was a warning."""
    where = f"time_ms BETWEEN {int(since_ms)} AND {int(until_ms)} AND level != 'INFO'"
    lines = [row["text"] for row in run.raw("log", "text", where=where)][:LOG_LINES]
    return f"; the log: {' / '.join(lines)}" if lines else ""


def _created(decided: Decided, row: Row) -> Quote | None:
    """Return the quote for which a decision created the order of a row."""
    asked = (row["side"], row["price"], row["qty"])
    for quote in quotes_of(decided):
        made = quote.create
        if made and (made.side.value, made.price, made.qty) == asked:
            return quote
    return None


# --- in words -----------------------------------------------------------------------------------


def _head(moment: Moment) -> Iterator[str]:
    run, tick, decided = moment.run.row, moment.tick, moment.decided
    yield f"Run {run['number']}: {run['kind']}, {run['symbol']}, at {_time(moment.at_ms)} UTC"
    if tick is None:
        yield "No tick is recorded until then."
    elif moment.is_quoting:
        yield f"State      {tick['state']}: {tick['reason'] or 'quoting'}"
    else:
        yield f"State      {tick['state']}: {tick['reason']}: no quotes, all are missing"
    if decided is None:
        yield "No decision is recorded until then."
        return
    ticker, position = decided.snapshot.ticker, decided.snapshot.position
    bid, ask = ("-" if each is None else plain(each) for each in (ticker.bid, ticker.ask))
    mark = decided.snapshot.instrument.valuation_price
    ago = duration(Decimal(moment.at_ms - moment.decided_ms) / 1000)
    yield f"Decided    {_time(moment.decided_ms)}, {ago} before"
    yield (
        f"Seen       bid {bid}, ask {ask} of others, mark {'-' if mark is None else plain(mark)}, "
        f"position {plain(position.net)}"
    )
    for note in decided.notes:
        yield f"Strategy   {note}"


def _chain(quote: Quote, moment: Moment) -> Iterator[str]:
    yield f"{_name(quote)}" + (f", order {quote.order.order_id}" if quote.order else "")
    for rule, text in quote.steps:
        yield f"  {rule:<9} {text}"
    if not moment.is_quoting and moment.tick:
        yield f"  state     {moment.tick['state']}: {moment.tick['reason']}: no quotes"
    elif quote.order:
        yield f"  now       {_now(quote, moment)}"


def _now(quote: Quote, moment: Moment) -> str:
    row = moment.orders.get(quote.order.client_oid) if quote.order else None
    return f"{row['step']} since {_time(row['time_ms'])}" if row else "ended"


def _is_open(quote: Quote, moment: Moment) -> bool:
    return not quote.order or quote.order.client_oid in moment.orders


def _deciding(quote: Quote) -> str:
    """Return the last step, and the rounding where there was some."""
    steps = [text for rule, text in quote.steps if rule == "rounding"]
    return "; ".join([*steps, quote.steps[-1][1]])


def _was_given(quote: Quote, price: Decimal) -> bool:
    """Return whether the strategy asked for this price before rounding."""
    return quote.steps[0][0] == "strategy" and quote.steps[0][1].endswith(f"@ {plain(price)}")


def _name(quote: Quote) -> str:
    return f"{quote.side.value:<4} {plain(quote.qty)} @ {plain(quote.price)}"


def _head_of_order(first: Row, last: Row) -> str:
    what = f"{first['side']} {plain(first['qty'])} @ {plain(first['price'])}"
    ids = ", ".join(each for each in (last["order_id"], last["client_oid"]) if each)
    return f"{what}, order {ids}"


def _filled(row: Row) -> str:
    return f", {plain(row['filled'])} filled" if row["filled"] else ""


def _end_of(run: Run, steps: Sequence[Row]) -> Iterator[str]:
    """Yield why an order has ended, or was asked to."""
    last = steps[-1]
    leaving = next((row for row in steps if row["step"] == "cancelling"), None)
    if leaving:
        yield f"Cancelled  {_why_cancelled(run, leaving)}"
    if last["step"] != DONE:
        yield f"Now        {last['step']}"
    elif last["filled"] == last["qty"]:
        yield "Ended      filled"
    elif not last["order_id"]:
        yield "Ended      refused by the venue, or not sent" + _logged(
            run, steps[0]["time_ms"], last["time_ms"]
        )
    elif not leaving:
        yield "Ended      by the venue, or by somebody else; the bot had not cancelled it"


def _why_cancelled(run: Run, row: Row) -> str:
    decided_ms, decided = _decision_at(run, row["time_ms"], with_beside=True)
    cancelled = decided.decision.plan.cancel if decided else ()
    for order in cancelled:
        if decided and order.client_oid == row["client_oid"]:
            return f"by the decision at {_time(decided_ms)}: {why_unwanted(order, decided)}"
    tick = run.last("ticks", until_ms=row["time_ms"] + 1000)
    if tick and tick["state"] not in QUOTING:
        return f"pulled: {tick['state']}, {tick['reason']}"
    if not run.rows("ticks", since_ms=row["time_ms"])[1:] and run.row["how"]:
        return f"as the run ended: {run.row['how']}"
    return "not by a decision: the strategy asked for it"


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%F %T.%f}"[:-3]
