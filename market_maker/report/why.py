"""Why quotes of a run stood where they stood, and why others are missing: as text."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.journal import Row, Run
from market_maker.models import Side
from market_maker.report.moment import DONE, QUOTING, Moment, created, decision_at, logged
from market_maker.report.quotes import Quote, why_unwanted
from market_maker.report.times import clock_time, duration


def overview(moment: Moment, *, only_missing: bool) -> str:
    """Return a line on each quote, and on each that is missing, with the rule that decided."""
    lines = [*_head(moment)]
    quotes = [quote for quote in moment.quotes if quote.is_missing or not only_missing]
    if not moment.is_quoting:
        quotes = [] if only_missing else [quote for quote in quotes if _is_open(quote, moment)]
    lines += [
        f"{_name(quote):<24} {_word(quote, moment):<8} {_level(quote):<9} {_deciding(quote)}"
        for quote in quotes
    ]
    sides = [*_empty_sides(moment)] if moment.is_quoting else []
    if moment.decided and not quotes and not sides:
        lines.append("Missing: none." if only_missing and moment.is_quoting else "No own order.")
    return "\n".join([*lines, *sides]) + "\n"


def at_price(moment: Moment, price: Decimal) -> str:
    """Return all rules of the quotes at a price; without any, of the nearest of each side."""
    lines = [*_head(moment)]
    found = [
        quote
        for quote in moment.quotes
        if price in (quote.price, quote.given, quote.create and quote.create.price)
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
    decided_ms, decided = decision_at(run, first["time_ms"], with_beside=True)
    quote = created(decided, first) if decided else None
    if quote:
        lines.append(f"Placed by the decision at {clock_time(decided_ms)}:")
        lines += [f"  {rule:<9} {text}" for rule, text in quote.steps]
        lines += [f"  said      {note}" for note in decided.notes] if decided else []
    else:
        lines.append("The decision that placed it is not recorded.")
    for row in steps:
        lines.append(f"{clock_time(row['time_ms'])}  {row['step']}{_filled(row)}")
    lines += _end_of(run, steps)
    return "\n".join(lines) + "\n"


# --- in words -----------------------------------------------------------------------------------


def _head(moment: Moment) -> Iterator[str]:
    run, tick, decided = moment.run.row, moment.tick, moment.decided
    yield f"Run {run['number']}: {run['kind']}, {run['symbol']}, at {clock_time(moment.at_ms)} UTC"
    if run["ended_ms"] and moment.is_over:
        yield f"Ended      {clock_time(run['ended_ms'])}: {run['how'] or 'failed'}"
    elif moment.is_over:
        yield "Ended      not recorded: it was killed; below is what was last recorded"
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
    yield f"Decided    {clock_time(moment.decided_ms)}, {ago} before"
    yield (
        f"Seen       bid {bid}, ask {ask} of others, mark {'-' if mark is None else plain(mark)}, "
        f"position {plain(position.net)}"
    )
    for note in decided.notes:
        yield f"Strategy   {note}"


def _empty_sides(moment: Moment) -> Iterator[str]:
    """Yield the sides of which the strategy wanted nothing; it may have said why."""
    for side in Side if moment.decided and not moment.decided.is_beside else ():
        if not any(quote.level and quote.side is side for quote in moment.quotes):
            yield f"{side.value:<24} missing            the strategy wanted none"


def _word(quote: Quote, moment: Moment) -> str:
    """Return what became of a quote: missing, open, filled or gone."""
    row = moment.last.get(quote.client_oid)
    if quote.is_missing or not (row or quote.order):
        return "missing"
    if not row:  # its rows are no longer recorded
        return "open"
    if _is_open(quote, moment):
        return "open"
    return "filled" if row["filled"] == row["qty"] else "gone"


def _level(quote: Quote) -> str:
    return f"level {quote.level}" if quote.level else ""


def _chain(quote: Quote, moment: Moment) -> Iterator[str]:
    yield f"{_name(quote)}" + (f", order {quote.order.order_id}" if quote.order else "")
    for rule, text in quote.steps:
        yield f"  {rule:<9} {text}"
    if not moment.is_quoting and moment.tick:
        yield f"  state     {moment.tick['state']}: {moment.tick['reason']}: no quotes"
    elif quote.client_oid:
        yield f"  now       {_now(quote, moment)}"


def _now(quote: Quote, moment: Moment) -> str:
    row = moment.orders.get(quote.client_oid)
    row = row or moment.last.get(quote.client_oid)
    return f"{row['step']} since {clock_time(row['time_ms'])}{_filled(row)}" if row else "ended"


def _is_open(quote: Quote, moment: Moment) -> bool:
    return quote.client_oid in moment.orders


def _deciding(quote: Quote) -> str:
    """Return the last step, and the rounding where there was some."""
    steps = [text for rule, text in quote.steps if rule == "rounding"]
    return "; ".join([*steps, quote.steps[-1][1]])


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
        yield "Ended      refused by the venue, or not sent" + logged(
            run, steps[0]["time_ms"], last["time_ms"]
        )
    elif not leaving:
        yield "Ended      by the venue, or by somebody else; the bot had not cancelled it"


def _why_cancelled(run: Run, row: Row) -> str:
    decided_ms, decided = decision_at(run, row["time_ms"], with_beside=True)
    cancelled = decided.decision.plan.cancel if decided else ()
    for order in cancelled:
        if decided and order.client_oid == row["client_oid"]:
            return f"by the decision at {clock_time(decided_ms)}: {why_unwanted(order, decided)}"
    tick = run.last("ticks", until_ms=row["time_ms"] + 1000)
    if tick and tick["state"] not in QUOTING:
        return f"pulled: {tick['state']}, {tick['reason']}"
    if not run.rows("ticks", since_ms=row["time_ms"])[1:] and run.row["how"]:
        return f"as the run ended: {run.row['how']}"
    return "not by a decision: the strategy asked for it"
