"""A run and its journal: what the report tells is what the exchange knows."""

import json
import zlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.clock import SYSTEM
from market_maker.journal import Run, files_in, runs_in
from market_maker.paper.exchange.instrument import CONTRACT, SPOT
from market_maker.paper.market.tape import BTC_USD
from market_maker.report import csv_of, in_json, in_text, report_of
from market_maker.settings import settings
from tests.simulated.test_run_money import MARKETS, Truth, market_stands_still, money_of
from tests.world.lively import Lively
from tests.world.world import World

UNIT = Decimal("1e-6")


pytestmark = pytest.mark.usefixtures("restored")


def recorded(world: World, directory: Path) -> World:
    world.journals = directory / "journals"
    return world


def last_run(world: World) -> Run:
    assert world.journals
    return max((run for path in files_in(world.journals) for run in runs_in(path)), key=number_of)


def number_of(run: Run) -> int:
    return run.number


@pytest.mark.parametrize("market", [CONTRACT, SPOT])
def test_the_report_of_a_run_tells_what_the_exchange_knows(market: str, tmp_path: Path) -> None:
    world = recorded(World(still=False, **MARKETS[market]), tmp_path)
    Lively(world, market)
    truth = Truth(world, market)
    bot = world.start()
    world.run(120)
    market_stands_still(world)
    snapshot = bot.exchange.snapshot()
    money, instrument = money_of(world), snapshot.instrument
    marks = {CONTRACT: instrument.mark_price, SPOT: snapshot.ticker.mid}
    assert instrument.valuation_price == marks[market]
    bot.control.stop("the test is over")
    bot.exit()
    run = last_run(world)
    found = report_of(run)
    assert (run.row["kind"], run.row["how"], run.row["proven"]) == ("paper", "the test is over", 1)
    assert (run.row["dropped"], run.row["lost"]) == (0, 0)
    assert (found.fills, found.bought, found.sold) == (
        *(money.trades.fills, money.trades.bought),
        money.trades.sold,
    )
    assert found.profit
    assert found.profit.without_mid == 0
    assert found.profit.spread > 0
    assert found.mark
    assert abs(found.profit.total - money.profit(instrument, found.mark)) < UNIT
    world.exchange.listing(BTC_USD).index = found.mark
    assert abs(found.profit.total - truth.profit(found.mark)) < UNIT
    assert found.net == money.trades.net
    assert {fill["level"] for fill in run.rows("fills")} <= {1, 2}
    assert found.uptimes[""].both > Decimal("0.3")
    assert found.states[0].state == "ACTIVE"
    assert sum(state.ms for state in found.states) == found.end_ms - run.row["begun_ms"]
    assert [each.n for each in found.markouts if each.seconds == 5] != [0, 0]
    assert found.balance
    assert abs(found.balance["residual"]) < UNIT
    assert (found.base_balance is None) == (market == CONTRACT)
    if found.base_balance:
        assert found.base_balance["currency"] == "BTC"
        assert abs(found.base_balance["residual"]) < UNIT
    assert len(in_text(found).splitlines()) <= 30
    assert json.loads(in_json(found))["run"]["settings"]["ORDER_PAIRS"] == 2
    for name in ("fills", "orders", "equity"):
        assert len(csv_of(run, name).splitlines()) > 5


@pytest.mark.parametrize("seconds", [20, 60, 97.3])
@pytest.mark.parametrize("market", [CONTRACT, SPOT])
def test_the_last_lines_of_a_run_and_its_report_agree_whatever_fills_on_the_way_out(
    market: str, seconds: float, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    world = recorded(World(still=False, **MARKETS[market]), tmp_path)
    Lively(world, market)
    truth = Truth(world, market)
    bot = world.start()
    world.run(seconds)
    fills = money_of(world).trades.fills
    world.run_until(lambda: len(world.report.fills) > fills)
    money = money_of(world)
    bot.exit()
    found = report_of(last_run(world))
    assert found.profit
    assert found.mark
    assert found.balance
    assert f"Profit of this run after fees: {found.profit.total:.6f}" in log.text
    assert abs(found.balance["residual"]) < UNIT
    assert abs(money.balance.change - truth.change()) < UNIT
    assert not money.is_behind
    assert "from before the last fills" not in log.text
    assert (found.base_balance is None) == (market == CONTRACT)
    if found.base_balance:
        assert abs(found.base_balance["residual"]) < UNIT
        assert abs(money.base.change - truth.base_change()) < UNIT


def test_an_order_leaves_each_of_its_steps(tmp_path: Path) -> None:
    world = recorded(World(ORDER_PAIRS=1), tmp_path)
    bot = world.start()
    world.run(5)
    bot.exit()
    steps: dict[str, list[str]] = {}
    for row in last_run(world).rows("orders"):
        steps.setdefault(row["client_oid"], []).append(row["step"])
    assert list(steps.values()) == [["sent", "open", "cancelling", "done"]] * 2


def test_each_decision_is_recorded_with_its_inputs_and_a_repeated_one_refers_to_it(
    tmp_path: Path,
) -> None:
    world = recorded(World(still=False, **MARKETS[CONTRACT]), tmp_path)
    Lively(world, CONTRACT)
    bot = world.start()
    world.run(60)
    bot.exit()
    run = last_run(world)
    found = run.rows("decisions")
    ticks = [row for row in run.rows("ticks") if row["state"] == "ACTIVE"]
    assert len(found) >= len(ticks) > 5
    full = {row["time_ms"]: json.loads(zlib.decompress(row["detail"])) for row in found[:1]}
    for row in found:
        if row["detail"]:
            full[row["time_ms"]] = json.loads(zlib.decompress(row["detail"]))
        else:
            assert row["same_as"] in full
    assert 1 < len(full) <= len(found)
    first = next(iter(full.values()))
    names = {"wanted", "snapshot", "limits", "relist", "decision", "seen", "is_beside"}
    assert set(first) == names | {"given", "notes", "held"}
    assert len(first["wanted"]) == len(first["decision"]["plan"]["create"]) == 4
    assert Decimal(first["wanted"][0]["price"]) > 0
    assert first["snapshot"]["instrument"]["symbol"] == "BTC_USD"


def test_each_request_is_recorded_with_its_outcome(tmp_path: Path) -> None:
    world = recorded(World(ORDER_PAIRS=2), tmp_path)
    bot = world.start()
    world.run(20)
    bot.exit()
    found = report_of(last_run(world))
    counts = {each.path.partition("/api/")[2]: each for each in found.requests}
    assert counts["pc/order/create"].count == 4
    assert counts["pc/order/create"].failed == 0
    assert 1 <= counts["pc/order/create"].busiest <= counts["pc/order/create"].calls == 20
    assert [(each.level, each.orders) for each in found.levels] == [(1, 2), (2, 2)]


def test_a_killed_run_is_told_from_one_that_has_ended(tmp_path: Path) -> None:
    world = recorded(World(start_ms=SYSTEM.now_ms() + 60_000), tmp_path)
    world.start()
    world.run(20)
    assert "Ended      not yet: it runs" in in_text(report_of(last_run(world)))
    killed = replace(last_run(world), row=dict(last_run(world).row) | {"pid": 0})
    assert "Ended      not recorded: killed, or not to be written, after" in in_text(
        report_of(killed)
    )


@pytest.mark.parametrize("market", [CONTRACT, SPOT])
def test_a_dry_run_is_recorded_with_its_virtual_fills_by_both_models(
    market: str, tmp_path: Path
) -> None:
    given = MARKETS[market] | {"CHECK_POSITION_LIMITS": True}
    world = recorded(World(still=False, DRY_RUN=True, **given), tmp_path)
    Lively(world, market)
    bot = world.start()
    worst = []
    for _ in range(60):
        world.run(5)
        found = bot.exchange.snapshot().exposure
        worst += [abs(found.net_low), abs(found.net_high)]
    market_stands_still(world)
    touch, through = bot.exchange.moneys()
    instrument = bot.exchange.snapshot().instrument
    bot.exit()
    run = last_run(world)
    found = report_of(run)
    assert through
    assert run.path.name.startswith("dry-")
    assert (run.row["kind"], found.balance) == ("dry", None)
    assert found.fills == touch.trades.fills > 10
    assert found.through
    assert 0 < found.through.fills <= found.fills
    assert (found.through.bought, found.through.sold) == (
        *(through.trades.bought, through.trades.sold),
    )
    assert found.through.bought <= found.bought
    assert found.mark
    assert found.profit
    assert found.through.profit
    for told, money in ((found.profit, touch), (found.through.profit, through)):
        assert abs(told.total - money.profit(instrument, found.mark)) < UNIT
    limit = max(settings.MAX_POSITION, -settings.MIN_POSITION)
    assert 0 < max(worst) <= Decimal(str(limit))
    assert f"By through    {found.through.profit.total:+.8f}" in in_text(found)
    assert {row["model"] for row in run.rows("fills")} == {"touch", "through"}
    assert found.uptimes[""].both > Decimal("0.3")


def test_a_run_that_becomes_dry_ends_in_its_journal_and_the_dry_run_is_another(
    tmp_path: Path,
) -> None:
    world = recorded(World(still=False, **MARKETS[CONTRACT]), tmp_path)
    Lively(world, CONTRACT)
    bot = world.start()
    world.run(60)
    bot.exchange.go_dry()
    real = world.position()
    fills = bot.exchange.money.trades.fills
    vars(settings)["DRY_RUN"] = True
    world.run(60)
    bot.exit()
    assert world.journals
    runs = sorted(
        (run for path in files_in(world.journals) for run in runs_in(path)), key=number_of
    )
    first, second = (run.row for run in runs)
    assert (first["kind"], first["how"], second["kind"]) == ("paper", "became a dry run", "dry")
    live, dry = (report_of(run) for run in runs)
    assert live.fills == fills
    assert (live.shown, live.through) == (real, None)
    assert {row["model"] for row in runs[0].rows("fills")} == {""}
    assert {row["model"] for row in runs[1].rows("fills")} <= {"touch", "through"}
    assert dry.fills == bot.exchange.moneys()[0].trades.fills > 0
    assert bot.exchange.money.trades.fills == fills


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    canaries = {"API_KEY": "paper-canary-of-the-key", "API_SECRET": "canary-of-the-secret"}
    world = recorded(World(), tmp_path)
    world.settings |= {**canaries, "DRY_RUN": True}
    bot = world.start()
    world.run(10)
    bot.exit()
    assert world.journals
    for path in world.journals.iterdir():
        content = path.read_bytes()
        assert b"ORDER_PAIRS" in content or path.suffix != ".journal"
        for secret in canaries.values():
            assert secret.encode() not in content


def test_a_journal_that_cannot_be_written_stops_no_quoting(tmp_path: Path) -> None:
    world = World(ORDER_PAIRS=1)
    world.journals = tmp_path / "journals"
    world.journals.mkdir(0o700)
    (world.journals / "paper-pc-BTC.journal").write_bytes(b"garbage" * 1000)
    bot = world.start()
    world.run(10)
    assert len(world.orders()) == 2
    bot.exit()
    assert world.orders() == []
