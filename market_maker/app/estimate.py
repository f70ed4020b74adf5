"""`marketmaker tape estimate`: volatility, A and k, and the micro-price, of tapes or of a run."""

import argparse
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from market_maker.app.report import BROKEN, check_page, find_run, write_page
from market_maker.app.tapes import tape_of
from market_maker.decimals import plain
from market_maker.errors import SettingsError
from market_maker.journal import Run
from market_maker.strategies.estimate import NS, Estimate, MidSteps, NoEstimate
from market_maker.strategies.intensity import Intensity, fit
from market_maker.strategies.market_orders import MarketOrders
from market_maker.strategies.microprice_model import Table, text_of
from market_maker.strategies.microprice_table import MicropriceTable, Moves
from market_maker.strategies.own_quotes import watched
from market_maker.tapes import Best, Gap, Image, Side, Tape, TapeError, Trades
from market_maker.utils.progress import Progress

LONGER_STEPS = (1, 5, 30)
"""Volatility is also estimated over so many times the step: one that falls with longer steps is in
part a bounce between bid and ask."""
DEEPEST = (1.0, 0.5, 0.25, 0.1, 0.05, 0.01)
"""Measured and fitted intensities are shown at the depths that such parts of the orders reach."""


@dataclass(slots=True)
class Row:
    """How often a second orders reach a depth on one side, measured and as A exp(-k depth)."""

    ticks: float
    measured: float
    fitted: float
    off: float
    """By how many standard errors of a count they differ."""


@dataclass(slots=True)
class Found:
    """What a tape or a run tells; None, and the reason in `missing`, for what it does not tell."""

    what: str
    symbol: str
    volatility: list[tuple[float, Estimate]] = field(default_factory=list)
    """By step in s, the step of the command line first."""
    steps_left_out: int = 0
    intensity: Intensity | None = None
    left_out: int = 0
    """Trades that met no known book, or market orders at own quotes that count for nothing."""
    rows: list[Row] = field(default_factory=list)
    depths: tuple[float, float | None] | None = None
    """Ticks from the mid between which quotes were thought of; None for those of a run."""
    mid: float | None = None
    """In ticks, on average; None where the tick is not known."""
    tick: str = ""
    microprice: MicropriceTable | None = None
    missing: dict[str, str] = field(default_factory=dict)


def estimate(arguments: argparse.Namespace) -> Found:
    """Return what the tapes, or the run, of the command line tell. Raises SettingsError."""
    if bool(arguments.files) == bool(arguments.run):
        raise SettingsError("name tapes, or a run by --run, but not both")
    if arguments.microprice:
        check_page(arguments.microprice)
    try:
        if arguments.run:
            if arguments.microprice or arguments.depths:
                raise SettingsError("--microprice and --depths need a tape: a run has no book")
            return of_run(find_run(arguments.run), arguments.step)
        return of_tape(tape_of(arguments), arguments)
    except TapeError as error:
        raise SettingsError(str(error)) from None
    except BROKEN as error:
        raise SettingsError(f"run {arguments.run}: {error}") from None


# --- a tape -------------------------------------------------------------------------------------


class Reading:
    """Hands the records of a tape to what counts them."""

    def __init__(self, step_seconds: float, buckets: int) -> None:
        self.steps = [MidSteps(step_seconds * times) for times in LONGER_STEPS]
        self.orders = MarketOrders()
        self.moves = Moves(buckets)
        self.trades = self.books = 0
        self._book = Best()

    def read(self, tape: Tape) -> None:
        """Read a tape to its end. Raises TapeError at a bad line."""
        for record in tape.watched("Reading the tape"):
            if isinstance(record, Gap):
                self._lose()
                continue
            if isinstance(record, Trades):
                self.trades += 1
                for side, price, _ in record.levels:
                    self.orders.trade(record.time_ns, side.sign, price)
            else:
                self.books += 1
                self._book.apply(record.levels, is_whole=isinstance(record, Image))
                self._look(record.time_ns)

    def _lose(self) -> None:
        self.orders.lose()
        self.moves.lose()
        for steps in self.steps:
            steps.lose()

    def _look(self, time_ns: int) -> None:
        """Take the best levels after news of the book."""
        bid, ask = (self._book.of(side) for side in Side)
        mid = None
        if bid is None or ask is None or bid.price >= ask.price:
            self.orders.book(time_ns, None, None)
            self.moves.lose()
        else:
            mid = (bid.price + ask.price) / 2
            self.orders.book(time_ns, bid.price, ask.price)
            self.moves.add(bid=bid.price, ask=ask.price, bid_qty=bid.size, ask_qty=ask.size)
        for steps in self.steps:
            steps.add(time_ns, mid)


def of_tape(tape: Tape, arguments: argparse.Namespace) -> Found:
    """Return what a tape tells. Raises TapeError and SettingsError."""
    if arguments.microprice and arguments.microprice.absolute() in [
        path.absolute() for path in tape.paths
    ]:
        raise SettingsError(f"{arguments.microprice} is a file of the tape itself")
    reading = Reading(arguments.step, arguments.buckets)
    reading.read(tape)
    if not reading.books:
        raise SettingsError("the tape has trades only: all estimates need the book, or its quotes")
    market, orders = tape.market, reading.orders
    what = ", ".join(path.name for path in tape.paths)
    found = Found(what, market.symbol, left_out=orders.left_out, tick=plain(market.tick))
    _add_volatility(found, reading.steps)
    try:
        if not reading.trades:
            raise NoEstimate("the tape has no trades")
        found.mid = orders.mid()
        _add_intensity(found, orders, arguments.depths)
    except NoEstimate as error:
        found.missing["intensity"] = str(error)
    if arguments.microprice:
        try:
            found.microprice = reading.moves.table()
        except NoEstimate as error:
            raise SettingsError(f"no micro-price: {error}") from None
    return found


def _add_volatility(found: Found, steps: list[MidSteps]) -> None:
    try:
        found.volatility = [(steps[0].step_seconds, steps[0].estimate())]
    except NoEstimate as error:
        found.missing["volatility"] = str(error)
        return
    finally:
        found.steps_left_out = max(steps[0].left_out, 0)
    for each in steps[1:]:
        try:
            found.volatility.append((each.step_seconds, each.estimate()))
        except NoEstimate:
            return


def _add_intensity(
    found: Found, orders: MarketOrders, wanted: tuple[float, float | None] | None
) -> None:
    assert found.mid is not None
    if wanted:
        nearest = round(2 * wanted[0])
        farthest = None if wanted[1] is None else round(2 * wanted[1])
    else:
        nearest, farthest = orders.usual_depth(), None
    found.depths = nearest / 2, None if farthest is None else farthest / 2
    found.intensity = fit(orders.samples(nearest, farthest))
    deep = [depth for depth in sorted(orders.depths().elements()) if depth >= nearest]
    wanted_places = {deep[min(int((1 - part) * len(deep)), len(deep) - 1)] for part in DEEPEST}
    places = sorted(each for each in wanted_places if farthest is None or each <= farthest)
    sides = 2 * orders.seconds
    for depth in places:
        n, far = sum(each >= depth for each in deep), depth / 2 / found.mid
        fitted = found.intensity.at(far)
        off = (n - fitted * sides) / max(fitted * sides, 1) ** 0.5
        found.rows.append(Row(depth / 2, n / sides, fitted, off))


def write_microprice(file: Path, found: Found) -> None:
    """Write the table as JSON, adjustments in ticks. Raises SettingsError."""
    table = found.microprice
    assert table is not None
    told = Table(found.symbol, float(found.tick), table.spreads, table.adjustment)
    write_page(file, text_of(told))


# --- a run --------------------------------------------------------------------------------------


def of_run(run: Run, step_seconds: float) -> Found:
    """Return what the journal of a run tells. Raises Unreadable."""
    row = run.row
    found = Found(f"run {run.number} ({row['kind']})", row["symbol"])
    model = "touch" if row["kind"] == "dry" else ""
    since_ms = row.get("thinned_ms") or 0
    with Progress(f"Reading run {run.number}", 4) as progress:
        progress.step()
        prices = run.raw("prices", "time_ms", "bid", "ask")
        progress.step()
        steps = [MidSteps(step_seconds * times) for times in LONGER_STEPS]
        for each in prices:
            is_known = each["bid"] is not None and each["ask"] is not None
            mid = (float(each["bid"]) + float(each["ask"])) / 2 if is_known else None
            for one in steps:
                one.add(each["time_ms"] * (NS // 1000), mid)
        _add_volatility(found, steps)
        progress.step()
        names = ("time_ms", "client_oid", "side", "price")
        orders = run.raw("orders", *names, "step")
        fills = [
            each
            for each in run.raw("fills", *names, "bid", "ask", "model")
            if (each["model"] or "") == model and each["time_ms"] >= since_ms
        ]
        progress.step()
        try:
            if row["dropped"] or row["lost"]:
                missing = row["dropped"] + row["lost"]
                raise NoEstimate(f"the journal is incomplete: {missing:,} rows are missing")
            quotes = watched(orders, prices, fills)
            found.intensity = fit(quotes.samples())
            found.left_out = quotes.left_out
        except NoEstimate as error:
            found.missing["intensity"] = str(error)
    return found


def in_json(found: Found) -> str:
    """Return the estimates as JSON."""
    content: dict[str, Any] = asdict(found)
    content["volatility"] = [
        {"step_seconds": step, **asdict(each)} for step, each in found.volatility
    ]
    content["intensity"] = asdict(found.intensity) if found.intensity else None
    return json.dumps(content, indent=1) + "\n"
