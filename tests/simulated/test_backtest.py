"""Back-tests: the same bot on a recorded market, on simulated time; and what it did, once more."""

import json
import math
import random
import re
import sqlite3
import zlib
from contextlib import closing
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from market_maker.errors import MarketMakerError, SettingsError
from market_maker.journal import Run, Unreadable, schema
from market_maker.market_maker import OrderManager
from market_maker.report import in_text, report_of
from market_maker.settings import files_of
from market_maker.simulation.backtest import Assumptions, Trial, back_test
from market_maker.simulation.check import check
from market_maker.simulation.latency import LEAST, Latency, measured
from market_maker.simulation.replay import replay
from market_maker.simulation.restage import restage
from market_maker.simulation.timeline import Timeline
from market_maker.tapes import (
    Gap,
    Image,
    MadeTape,
    Options,
    Trades,
    Update,
    open_tape,
    write_records,
)

QUOTES: dict[str, Any] = {
    "ORDER_PAIRS": 3,
    "LOOP_INTERVAL": 1,
    "INTERVAL": 0.0002,
    "MIN_SPREAD": 0.0004,
    "RELIST_INTERVAL": 0.0002,
    "MAX_FILLS": 100_000,
}
UNIT = Decimal("1e-6")


@pytest.fixture(scope="module")
def tape_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = MadeTape(seed=3, seconds=40)
    path = tmp_path_factory.mktemp("tapes") / "made.tape"
    write_records(made.records(), made.market, path)
    return path


pytestmark = pytest.mark.usefixtures("restored")


def trial(tape: Path, **changed: Any) -> Trial:
    """Return a trial; what is changed is of its assumptions, or of itself."""
    names = {each.name for each in fields(Assumptions)}
    assumed = Assumptions(**{name: changed.pop(name) for name in names & {*changed}})
    opened = open_tape([tape])
    return Trial(tape=opened, strategy=OrderManager, overrides=QUOTES, assumed=assumed, **changed)


def rows_of(run: Run) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a run but what names the process."""
    return {
        table: [tuple(row) for row in run.raw(table, *schema.COLUMNS[table])]
        for table in schema.TABLES
        if table != "runs"
    }


def test_the_same_trial_leaves_the_same_journal_twice(tape_file: Path, tmp_path: Path) -> None:
    first, second = (
        back_test(trial(tape_file), tmp_path / name / "it.journal") for name in ("one", "two")
    )
    assert rows_of(first) == rows_of(second)
    assert len(first.rows("fills")) > 5
    assert first.row["market"] == second.row["market"]


def test_values_and_the_format_of_the_wire_leave_the_same_journal(
    tape_file: Path, tmp_path: Path
) -> None:
    direct, over_the_wire = (
        back_test(trial(tape_file, is_direct=way), tmp_path / str(way) / "it.journal")
        for way in (True, False)
    )
    assert rows_of(direct) == rows_of(over_the_wire)


class Edits(OrderManager):
    """A strategy under which somebody edits the settings file at each tick."""

    FILE: ClassVar[Path]

    def place_orders(self) -> None:
        self.FILE.write_text("ORDER_START_SIZE = 7\n")
        super().place_orders()


def test_an_edit_while_a_back_test_runs_changes_nothing_of_it(
    tape_file: Path, tmp_path: Path
) -> None:
    Edits.FILE = tmp_path / "settings.py"
    Edits.FILE.write_text("")
    asked = replace(trial(tape_file, settings_file=Edits.FILE), strategy=Edits)
    run = back_test(asked, tmp_path / "edited" / "it.journal")
    undisturbed = back_test(trial(tape_file), tmp_path / "as it is" / "it.journal")
    assert rows_of(run)["orders"] == rows_of(undisturbed)["orders"]


def test_settings_that_were_read_before_are_those_of_each_back_test(
    tape_file: Path, tmp_path: Path
) -> None:
    Edits.FILE = tmp_path / "settings.py"
    Edits.FILE.write_text("ORDER_START_SIZE = 50\n")
    asked = trial(tape_file, settings_file=Edits.FILE, settings_said=files_of(Edits.FILE, {}))
    asked = replace(asked, strategy=Edits)
    first, second = (back_test(asked, tmp_path / name / "it.journal") for name in ("one", "two"))
    assert rows_of(first)["orders"] == rows_of(second)["orders"]
    assert {row["qty"] for row in first.rows("orders")} >= {50}


@pytest.mark.slow
def test_another_seed_of_the_market_is_another_market(tape_file: Path, tmp_path: Path) -> None:
    made = MadeTape(seed=4, seconds=60)
    write_records(made.records(), made.market, tmp_path / "other.tape")
    runs = [
        back_test(trial(tape), tmp_path / f"{tape.stem}.journal")
        for tape in (tape_file, tmp_path / "other.tape")
    ]
    assert rows_of(runs[0])["fills"] != rows_of(runs[1])["fills"]


SELDOM = [pytest.param(name, marks=pytest.mark.slow) for name in ("log", "power:2", "through")]


@pytest.mark.parametrize("fills", ["touch", "safe", *SELDOM])
def test_the_profit_of_a_back_test_is_what_the_exchange_has_booked(
    fills: str, tape_file: Path, tmp_path: Path
) -> None:
    run = back_test(trial(tape_file, fills=fills), tmp_path / "it.journal")
    found = report_of(run)
    assert (run.row["kind"], run.row["how"], run.row["proven"]) == (
        *("backtest", "the tape has ended"),
        1,
    )
    assert found.fills
    assert found.balance
    assert abs(found.balance["residual"]) < UNIT
    assert found.balance["unexplained"] == 0
    assert found.profit
    assert found.profit.without_mid == 0
    text = in_text(found)
    assert f"fills by {fills}; requests 10 ms each way" in text
    assert "made.tape: frames of GTE's tables" in text
    assert "0 gaps, 0 silences, 0 clock jumps" in text


def test_fees_balance_position_and_latency_are_those_asked_for(
    tape_file: Path, tmp_path: Path
) -> None:
    rates = Decimal("-0.0001"), Decimal("0.0004")
    asked = trial(
        tape_file, fees=rates, balance=Decimal(3), position=-200, latency=Latency(0.2), seed=5
    )
    run = back_test(asked, tmp_path / "it.journal")
    assert (run.row["long"], run.row["short"], run.row["balance"]) == (0, 200, 3)
    fills = run.rows("fills")
    assert fills
    for fill in fills:
        paid = fill["qty"] / fill["price"] * rates[0]
        assert abs(fill["fee"] - paid) < UNIT
    assert min(row["took_ms"] for row in run.raw("requests", "took_ms")) == 400


def test_requests_travel_side_by_side_as_those_of_a_live_bot(
    tape_file: Path, tmp_path: Path
) -> None:
    far = trial(tape_file, latency=Latency(0.5))
    more = replace(far, overrides={**QUOTES, "ORDER_PAIRS": 8})
    rows = back_test(more, tmp_path / "it.journal").raw("requests", "time_ms", "path")
    creates = [row["time_ms"] for row in rows if row["path"].endswith("order/create")][:16]
    assert len(creates) == 16
    assert creates[-1] - creates[0] < 1000, "one after the other they would take 16 s"


def test_a_position_that_the_balance_cannot_hold_is_refused(
    tape_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="--position 9000000 needs a margin of"):
        back_test(trial(tape_file, position=9_000_000), tmp_path / "it.journal")


def test_best_prices_alone_allow_no_model_that_needs_queues(tmp_path: Path) -> None:
    (tmp_path / "quote.csv").write_text(
        "timestamp,symbol,bidSize,bidPrice,askPrice,askSize\n"
        "2023-11-14D22:13:20.000000000,XBTUSD,500,60000,60000.5,300\n"
        "2023-11-14D22:13:30.000000000,XBTUSD,400,60000.5,60001,300\n"
    )
    quotes = open_tape([tmp_path / "quote.csv"], about=Options(symbol="XBTUSD"))
    asked = Trial(tape=quotes, strategy=OrderManager, overrides=QUOTES)
    with pytest.raises(
        SettingsError, match=r"this tape has the best prices only.*touch and through"
    ):
        back_test(asked, tmp_path / "it.journal")
    run = back_test(replace(asked, fills="through"), tmp_path / "it.journal")
    assert "best prices only" in in_text(report_of(run))


def test_no_funding_is_paid_as_no_tape_has_rates(tmp_path: Path) -> None:
    half_a_minute_before_eight = 1_577_865_570_000_000_000
    made = MadeTape(seed=3, seconds=60, begins_ns=half_a_minute_before_eight)
    write_records(made.records(), made.market, tmp_path / "made.tape")
    run = back_test(trial(tmp_path / "made.tape", position=1000), tmp_path / "it.journal")
    found = report_of(run)
    assert found.balance
    assert (run.rows("payments"), found.balance["funding"]) == ([], 0)
    assert abs(found.balance["residual"]) < UNIT


# --- peeking --------------------------------------------------------------------------------------


class Peeks(OrderManager):
    """Quotes by what its clock is about to let happen."""

    def place_orders(self) -> None:
        clock = self.clock
        assert isinstance(clock, Timeline)
        closures = [getattr(act, "__closure__", None) or () for _, _, act in clock._due]
        soon = any("Update(" in repr(cell.cell_contents) for each in closures for cell in each)
        price = self.exchange.get_ticker()["buy"] - 1 - soon
        self.converge_orders([{"price": price, "orderQty": 10, "side": "Buy"}], [])


@pytest.mark.slow
def test_a_strategy_that_looks_at_what_it_is_given_does_not_know_what_comes(
    tape_file: Path,
) -> None:
    words = check(trial(tape_file))
    assert "the tape was cut at 5 moments" in words


def test_a_strategy_that_peeks_into_its_clock_is_found_out(tape_file: Path) -> None:
    with pytest.raises(MarketMakerError, match="the strategy knows what comes later"):
        check(replace(trial(tape_file), strategy=Peeks))


class Draws(OrderManager):
    """Draws its price anew each tick, without a seed of its own."""

    def place_orders(self) -> None:
        price = self.exchange.get_ticker()["buy"] - random.randint(1, 9)
        self.converge_orders([{"price": price, "orderQty": 10, "side": "Buy"}], [])


class Never(OrderManager):
    """Quotes nothing."""

    def place_orders(self) -> None:
        self.converge_orders([], [])


@pytest.mark.slow
def test_chance_and_silences_are_no_peeking(tmp_path: Path) -> None:
    made = MadeTape(seed=3, seconds=30)
    silent_ns = 40_000_000_000
    records = [
        each if each.time_ns < made.begins_ns + 15_000_000_000 else moved(each, silent_ns)
        for each in made.records()
        if not isinstance(each, Gap)
    ]
    write_records(records, made.market, tmp_path / "silent.tape")
    asked = replace(trial(tmp_path / "silent.tape"), strategy=Draws)
    assert "at 5 moments" in check(asked)


def moved(record: Image | Update | Trades, by_ns: int) -> Image | Update | Trades:
    assert record.received_ns is not None
    later = record.received_ns + by_ns
    return record._replace(time_ns=record.time_ns + by_ns, received_ns=later)


@pytest.mark.parametrize(
    ("venue_s", "recorder_s"), [(-15, 0), (-15, -15), (0, 20), (0, -20)], ids=str
)
def test_where_a_clock_steps_frames_take_no_longer_than_before(
    venue_s: int, recorder_s: int, tmp_path: Path
) -> None:
    made = MadeTape(seed=3, seconds=40)
    records = []
    for each in made.records():
        if not isinstance(each, Gap):
            is_late = each.time_ns >= made.begins_ns + 20 * 10**9
            stamps = each.time_ns, each.received_ns or 0
            moved_by = (venue_s * 10**9, recorder_s * 10**9) if is_late else (0, 0)
            time_ns, received_ns = map(sum, zip(stamps, moved_by, strict=True))
            records.append(each._replace(time_ns=time_ns, received_ns=received_ns))
    write_records(records, made.market, tmp_path / "stepped.tape")
    market = json.loads(
        back_test(trial(tmp_path / "stepped.tape"), tmp_path / "a.journal").row["market"]
    )
    assert market["clock_jumps"] == 1
    assert market["gaps"] == 0
    assert market["feed_spread_ms"] < 100


def test_without_a_quote_there_is_nothing_to_check(tape_file: Path) -> None:
    with pytest.raises(MarketMakerError, match="nothing was quoted"):
        check(replace(trial(tape_file), strategy=Never))


def test_answers_that_never_come_are_unknown_outcomes_and_cost_no_report(
    tape_file: Path, tmp_path: Path
) -> None:
    mostly = Latency(measured={"": [0.05] * 20 + [math.inf]})
    run = back_test(trial(tape_file, latency=mostly), tmp_path / "it.journal")
    outcomes = {row["outcome"] for row in run.raw("requests", "outcome")}
    assert {"done", "no answer"} <= outcomes
    assert in_text(report_of(run)).startswith("Back-test, BTC_USD")


# --- measured latency -----------------------------------------------------------------------------


def test_latency_is_drawn_from_recorded_round_trips(tape_file: Path, tmp_path: Path) -> None:
    recorded = back_test(trial(tape_file, latency=Latency(0.05)), tmp_path / "one.journal")
    found = measured([recorded] * 20)
    assert len(found.measured[""]) >= LEAST
    assert set(found.measured["pc/order/create"]) == {0.1}
    assert list(found.journeys(1)("v1/api/pc/order/create")) == [0.05, 0.05]
    assert "measured round trips" in found.words
    assert re.search(r"\(.*pc/order/create.* from their own\)", found.words)
    few = measured([recorded] * 3)
    assert len(few.measured[""]) >= LEAST
    assert "pc/order/create" not in few.measured, "one that was slow would make all slow"


def test_too_few_recorded_round_trips_are_refused(tape_file: Path, tmp_path: Path) -> None:
    asked = replace(trial(tape_file), until_ns=1_577_836_805_000_000_000)
    run = back_test(asked, tmp_path / "one.journal")
    with pytest.raises(SettingsError, match=f"needs at least {LEAST} requests.*there are "):
        measured([run])


# --- replay ---------------------------------------------------------------------------------------


def test_every_decision_of_a_run_comes_out_the_same_again(tape_file: Path, tmp_path: Path) -> None:
    run = back_test(trial(tape_file), tmp_path / "it.journal")
    found = replay(run)
    assert found.decided > 30
    assert (found.differences, found.missing) == ([], 0)


def test_a_decision_that_comes_out_another_way_is_told(tape_file: Path, tmp_path: Path) -> None:
    run = back_test(trial(tape_file), tmp_path / "it.journal")
    row = run.raw("decisions", "time_ms", "detail", where="detail IS NOT NULL")[0]
    told = json.loads(zlib.decompress(row["detail"]))
    told["wanted"][0]["price"] = "1234.5"
    _put(run, row["time_ms"], zlib.compress(json.dumps(told).encode()))
    (difference,) = replay(run).differences
    assert difference.time_ms == row["time_ms"]
    assert difference.then != difference.now


def test_a_decision_that_cannot_be_understood_is_said(tape_file: Path, tmp_path: Path) -> None:
    run = back_test(trial(tape_file), tmp_path / "it.journal")
    row = run.raw("decisions", "time_ms", where="detail IS NOT NULL")[0]
    _put(run, row["time_ms"], zlib.compress(b'{"wanted": 7}'))
    with pytest.raises(Unreadable, match="cannot be understood"):
        replay(run)


class Counts(OrderManager):
    """A strategy that remembers how many ticks it has had, and returns its orders."""

    def place_orders(self) -> Any:
        self.ticks = getattr(self, "ticks", 0) + 1
        bid = self.exchange.get_ticker()["buy"]
        return [{"price": bid - 5 - self.ticks % 7, "orderQty": 10 + self.ticks, "side": "Buy"}]


@pytest.mark.parametrize("kind", [OrderManager, Counts])
def test_a_strategy_wants_the_same_on_the_same_facts(
    kind: type[OrderManager], tape_file: Path, tmp_path: Path
) -> None:
    run = back_test(replace(trial(tape_file), strategy=kind), tmp_path / "it.journal")
    wishes = restage(run, kind)
    assert len(wishes) > 30
    assert [wish for wish in wishes if not wish.is_same] == []


def test_what_a_strategy_makes_of_chance_is_its_own(tape_file: Path, tmp_path: Path) -> None:
    run = back_test(replace(trial(tape_file), strategy=Draws), tmp_path / "it.journal")
    assert any(not wish.is_same for wish in restage(run, Draws))


def _put(run: Run, time_ms: int, detail: bytes) -> None:
    with closing(sqlite3.connect(run.path)) as db, db:
        db.execute("UPDATE decisions SET detail = ? WHERE time_ms = ?", (detail, time_ms))
