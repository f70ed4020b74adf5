"""What moves the account beside own fills: each is named, and the parts sum to the equity."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.money import StepKind
from market_maker.money.balance import BalanceLedger
from market_maker.paper.exchange.account import Contract, LegKey, Mode, Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.moves import Depth
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.report import Report, in_text, report_of
from market_maker.settings import settings
from market_maker.simulation.timeline import START_MS
from tests.simulated.test_run_journal import last_run, recorded
from tests.simulated.test_run_money import (
    MARKETS,
    MINUTE_BEFORE,
    Truth,
    market_stands_still,
    money_of,
)
from tests.world.lively import Lively
from tests.world.scene import said
from tests.world.world import World

UNIT = Decimal("1e-6")
Act = Callable[[World], None]


pytestmark = pytest.mark.usefixtures("restored")


def trade(world: World, side: str, qty: int, *, key: Key = BTC_USD, close: bool = False) -> None:
    """Let the owner of the account take what the book has on the other side."""
    listing = world.exchange.listing(key)
    beyond = Decimal("0.03" if close else "0.5")  # a close may not be beyond its bankruptcy price
    far = listing.index * (1 + beyond if side == "buy" else 1 - beyond)
    ours, world.key = world.key, key
    price = listing.instrument.price(int(far / listing.instrument.tick))
    order_id = world.foreign_order(side, f"{price:f}", qty, close=close)
    live = {order.order_id for order in world.exchange.blotter.live(OWNER)}
    if order_id in live:
        world.exchange.cancel(OWNER, key, order_id, world.venue.time(world._clock()))
    world.key = ours


def by_hand(world: World) -> None:
    trade(world, "buy", 250)
    world.run(1)
    trade(world, "buy", 350)
    world.run(60)
    account = world.exchange.ledger.accounts[OWNER]
    leg = account.leg(LegKey("BTC", "BTC_USD", True))
    trade(world, "sell", max(leg.qty - leg.bound, 1), close=True)


def by_hand_and_flipped(world: World) -> None:
    trade(world, "sell", 300)
    world.run(60)
    trade(world, "buy", 500)
    trade(world, "buy", 100, close=True)


def resting_by_hand(world: World) -> None:
    listing = world.exchange.listing(BTC_USD)
    world.foreign_order("sell", f"{listing.index + 2:f}", 200)


def transferred(world: World) -> None:
    for source, target, amount in (
        (Wallet.FUNDING, Wallet.CONTRACT, "0.75"),
        (Wallet.CONTRACT, Wallet.FUNDING, "0.2"),
        (Wallet.CONTRACT, Wallet.SPOT, "0.031416"),
    ):
        moved = Decimal(amount)
        world.exchange.transfer(OWNER, "BTC", source=source, target=target, amount=moved)
        world.run(25)


def deposited(world: World) -> None:
    world.exchange.ledger.deposit(OWNER, Wallet.CONTRACT, "BTC", Decimal("0.5"))


def traded_elsewhere(world: World) -> None:
    key = Key(CONTRACT, "BTC", "ETH_USD")
    ticks = int(world.exchange.listing(key).index / world.exchange.listing(key).instrument.tick)
    levels = ((Side.BUY, ticks - 5), (Side.SELL, ticks + 5))
    world.venue.play(key, [Depth(*level, 1000) for level in levels], world._clock())
    trade(world, "buy", 400, key=key)
    world.run(30)
    trade(world, "sell", 400, key=key, close=True)


def nothing(_: World) -> None:
    pass


def ran(
    act: Act, directory: Path, *, mode: str = "net", start_ms: int = START_MS, seed: int = 1
) -> tuple[Report, Truth, BalanceLedger]:
    """Run a bot in a lively market for some minutes while something happens to its account."""
    given = MARKETS[CONTRACT] | {"POSITION_MODE": mode}
    world = recorded(World(still=False, start_ms=start_ms, seed=seed, **given), directory)
    Lively(world, CONTRACT)
    truth = Truth(world, CONTRACT)
    bot = world.start()
    world.run(50)
    act(world)
    world.run(40)
    market_stands_still(world)
    found = money_of(world).balance
    bot.control.stop("the test is over")
    bot.exit()
    report = report_of(last_run(world))
    assert report.mark
    world.exchange.listing(BTC_USD).index = report.mark
    return report, truth, found


CASES = {
    "nothing": (nothing, set()),
    "by hand": (by_hand, set()),
    "by hand, flipped": (by_hand_and_flipped, set()),
    "by hand, resting": (resting_by_hand, set()),
    "transferred": (transferred, {StepKind.TRANSFERRED}),
    "deposited": (deposited, {StepKind.UNEXPLAINED}),
    "traded elsewhere": (traded_elsewhere, {StepKind.UNEXPLAINED}),
}


@pytest.mark.parametrize("mode", ["net", pytest.param("hedge", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CASES)
def test_the_parts_of_the_profit_sum_to_the_change_of_the_equity(
    name: str, mode: str, tmp_path: Path
) -> None:
    act, kinds = CASES[name]
    report, truth, found = ran(act, tmp_path, mode=mode)
    assert report.profit
    assert report.profit.total != 0
    assert {kind for kind, amount in found.steps.items() if amount} == kinds
    assert abs(found.residual) < 2 * UNIT
    assert (report.profit.by_hand != 0) == name.startswith("by hand")
    equity = report.profit.total + report.profit.beside + report.profit.transfers
    assert abs(equity - truth.profit(report.mark or Decimal(0))) < 4 * UNIT
    assert report.shown
    assert report.net == report.shown[0] - report.shown[1]


def test_a_fill_by_hand_is_counted_to_the_digit(tmp_path: Path) -> None:
    report, truth, found = ran(by_hand, tmp_path)
    assert report.balance
    assert abs(found.explained - truth.change()) < UNIT
    assert report.balance["by_hand"] == found.fills.by_hand != 0
    text = in_text(report)
    assert "  by hand  " in text
    assert "Equity  " in text
    assert "The account is not reconciled" not in text


def test_what_another_symbol_does_to_the_account_is_said_and_this_symbol_is_reconciled(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    report, _, _ = ran(traded_elsewhere, tmp_path)
    said_so = "(ETH_USD traded in this account, too). The position in BTC_USD is"
    assert f"The account is not reconciled: nothing explains a part {said_so}\n" in in_text(report)
    assert said(log, "that nothing explains (ETH_USD traded in this account, too)") >= 1


def test_a_transfer_is_no_profit_and_is_named(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    report, _, found = ran(transferred, tmp_path)
    assert found.steps[StepKind.TRANSFERRED] == Decimal("0.518584")
    assert said(log, "Transfer: ") == 3
    assert "transfers of +0.51858400 left out" in in_text(report)


@pytest.mark.parametrize("asset", ["BTC", "USDT"])
@pytest.mark.parametrize("seconds", [40, pytest.param(700, marks=pytest.mark.slow)])
def test_a_transfer_of_either_currency_of_a_pair_is_named_in_that_currency(
    asset: str, seconds: int, log: pytest.LogCaptureFixture
) -> None:
    world = World(still=False, **MARKETS[SPOT])
    Lively(world, SPOT, takes=7)
    world.start()
    world.run(seconds)
    amount = Decimal("1.25")
    world.exchange.transfer(OWNER, asset, source=Wallet.SPOT, target=Wallet.FUNDING, amount=amount)
    world.run(60)
    market_stands_still(world)
    money = money_of(world)
    found = {"BTC": money.base, "USDT": money.balance}
    assert found.pop(asset).steps[StepKind.TRANSFERRED] == -amount
    (other,) = found.values()
    assert set(other.steps.values()) == {0}
    assert said(log, "Transfer: -1.2") == said(log, f" {asset}.") == 1
    assert said(log, "that nothing explains") == 0


@pytest.mark.parametrize("path", ["account/fund/query", "account/bb/query"])
def test_without_a_look_at_the_wallets_a_transfer_is_unexplained(
    path: str, log: pytest.LogCaptureFixture
) -> None:
    world = World(still=False, **MARKETS[CONTRACT])
    Lively(world, CONTRACT)
    world.start()
    world.fault("status", match=path, value="502", times=10_000)
    world.run(40)
    transferred(world)
    world.run(40)
    found = money_of(world).balance
    assert abs(found.steps[StepKind.UNEXPLAINED] - Decimal("0.518584")) < 4 * UNIT
    assert found.steps[StepKind.TRANSFERRED] == 0
    assert said(log, "so as to tell transfers") >= 1


def test_coins_that_come_from_outside_while_as_many_go_elsewhere_are_told_by_their_amount() -> None:
    world = World(still=False, **MARKETS[CONTRACT])
    Lively(world, CONTRACT)
    world.start()
    world.run(40)
    ledger = world.exchange.ledger
    ledger.deposit(OWNER, Wallet.CONTRACT, "BTC", Decimal("0.3"))
    ledger.deposit(OWNER, Wallet.FUNDING, "BTC", Decimal("0.3"))
    world.run(60)
    steps = money_of(world).balance.steps
    assert abs(steps[StepKind.UNEXPLAINED] - Decimal("0.3")) < 2 * UNIT
    assert steps[StepKind.TRANSFERRED] == 0


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_liquidation_is_a_term_of_its_own(side: str, tmp_path: Path) -> None:
    given = {"ORDER_PAIRS": 1, "ORDER_START_SIZE": 5000, "LOOP_INTERVAL": 1}
    world = recorded(World(**given), tmp_path)
    for long in (True, False):
        world.exchange.change_leverage(
            OWNER, Contract("BTC", "BTC_USD"), mode=Mode.ISOLATED, long=long, leverage=Decimal(20)
        )
    world.timeline.every(2, lambda: world.index(str(world.exchange.listing(BTC_USD).index)))
    truth = Truth(world, CONTRACT)
    bot = world.start()
    world.run_until(lambda: len(world.orders()) == 2)
    (quote,) = [order for order in world.orders() if order.side.name.lower() == side]
    best = f"{quote.price:f}"
    world.take("sell" if side == "buy" else "buy", best, 50_000)
    world.run(20)
    assert sum(world.position()) == 5000
    falls = (1, -1)[side == "sell"]
    for step in range(12):
        world.index(str(8494 - falls * 60 * step))
        world.run(2)
    assert world.report.liquidations == 1
    world.run(120)
    money = money_of(world)
    assert money.balance.steps[StepKind.LIQUIDATION] < 0
    assert money.balance.steps[StepKind.UNEXPLAINED] == 0
    assert abs(money.balance.residual) < UNIT
    instrument = bot.exchange.snapshot().instrument
    shown = money.profit(instrument, instrument.mark_price or Decimal(0))
    bot.control.stop("the test is over")
    bot.exit()
    report = report_of(last_run(world))
    assert report.profit
    assert report.mark
    world.exchange.listing(BTC_USD).index = report.mark
    assert report.profit.beside == 0
    assert report.profit.liquidation < 0
    assert abs(report.profit.total - truth.profit(report.mark)) < 2 * UNIT
    assert abs(report.profit.total - shown) < 2 * UNIT
    assert report.net == 0
    assert "  liquidation" in in_text(report)


def sold_out(world: World) -> None:
    """Let what the run holds short be bought back by hand."""
    account = world.exchange.ledger.accounts[OWNER]
    leg = account.leg(LegKey("BTC", "BTC_USD", False))
    for order in world.orders():
        if order.close:
            world.venue_cancels(order)
    trade(world, "buy", leg.qty, close=True)


def test_what_is_closed_by_hand_gains_nothing_any_more(tmp_path: Path) -> None:
    """Not for MAX_LOSS, and not in the report."""
    world = recorded(World(ORDER_PAIRS=1, ORDER_START_SIZE=900, LOOP_INTERVAL=1), tmp_path)
    world.timeline.every(2, lambda: world.index(str(world.exchange.listing(BTC_USD).index)))
    truth = Truth(world, CONTRACT)
    bot = world.start()
    world.run(10)
    world.take("buy", "8539.5", 50_000)
    world.run(5)
    assert world.position() == (0, 900)
    trade(world, "sell", 100)  # so that the leg is not the run's alone
    world.run(5)
    settings.MAX_ORDER_QTY = 1e-12
    world.run(10)
    sold_out(world)
    world.run(60)
    assert world.position() == (0, 0)
    profits = []
    for price in ("8494", "8300"):
        world.index(price)
        world.run(5)
        snapshot = bot.exchange.snapshot()
        profits.append(money_of(world).profit(snapshot.instrument, Decimal(price)))
    assert abs(profits[0] - profits[1]) < UNIT / 100
    bot.control.stop("the test is over")
    bot.exit()
    report = report_of(last_run(world))
    assert report.profit
    assert abs(report.profit.total - profits[1]) < UNIT
    equity = report.profit.total + report.profit.beside
    assert abs(equity - truth.profit(Decimal(8300))) < 3 * UNIT
    assert report.net == 0


def test_margin_that_is_transferred_before_a_liquidation_is_no_gain_of_it() -> None:
    world = World(ORDER_PAIRS=1, ORDER_START_SIZE=5000, LOOP_INTERVAL=1)
    world.exchange.change_leverage(
        OWNER, Contract("BTC", "BTC_USD"), mode=Mode.ISOLATED, long=True, leverage=Decimal(20)
    )
    world.timeline.every(2, lambda: world.index(str(world.exchange.listing(BTC_USD).index)))
    world.start()
    world.run(60)
    world.take("sell", "8448", 50_000)
    world.run(20)
    assert world.position() == (5000, 0)
    for price in (8400, 8300, 8200, 8150):
        world.index(str(price))
        world.run(2)
    world.exchange.transfer(
        OWNER, "BTC", source=Wallet.FUNDING, target=Wallet.CONTRACT, amount=Decimal("0.5")
    )
    world.run(1)
    for price in (8080, 8040, 8000):
        world.index(str(price))
        world.run(1)
    assert world.report.liquidations == 1
    world.run(120)
    steps = money_of(world).balance.steps
    assert steps[StepKind.TRANSFERRED] == Decimal("0.5")
    assert -Decimal("0.1") < steps[StepKind.LIQUIDATION] < 0
    assert steps[StepKind.UNEXPLAINED] == 0


def test_several_transfers_within_seconds_are_each_named() -> None:
    world = World(still=False, **MARKETS[CONTRACT])
    Lively(world, CONTRACT)
    world.start()
    world.run(60)
    for _ in range(4):
        world.exchange.transfer(
            OWNER, "BTC", source=Wallet.FUNDING, target=Wallet.CONTRACT, amount=Decimal("0.1")
        )
        world.run(17)
    world.run(60)
    steps = money_of(world).balance.steps
    assert steps[StepKind.TRANSFERRED] == Decimal("0.4")
    assert steps[StepKind.UNEXPLAINED] == 0


def test_a_position_that_has_just_begun_to_differ_is_looked_at_again_soon() -> None:
    world = World(LOOP_INTERVAL=5)
    exchange = world.start().exchange
    world.run(10)
    assert not exchange.monitor.has_mismatch()
    shown = exchange.feed.position()
    other = replace(shown, long=replace(shown.long, qty=shown.long.qty + 1))
    exchange.money.position.see(other, world.timeline.monotonic())
    assert exchange.monitor.has_mismatch(), "for no time yet, but it does"


def short_of_900(interval: float) -> World:
    """Have a bot that looks each `interval` seconds, is short 900 contracts, and has lost."""
    world = World(ORDER_PAIRS=1, ORDER_START_SIZE=900, LOOP_INTERVAL=interval)
    world.start()
    world.run(10)
    world.take("buy", "8539.5", 50_000)
    world.index("8520")
    return world


def test_what_open_legs_gain_is_compared_with_what_the_venue_prints(
    log: pytest.LogCaptureFixture,
) -> None:
    world = short_of_900(interval=1)
    world.run(30)
    money = money_of(world)
    account = world.exchange.ledger.accounts[OWNER]
    marks = world.exchange.marks()
    held = sum(leg.profit(marks[key.contract]) for key, leg in account.legs_in("BTC"))
    assert money.unrealised
    assert abs(money.unrealised - held) < UNIT / 100
    assert money.pnl_difference == ""
    world.fault("frame_field", match="position", value="pnl=null", for_ms=10_000)
    world.run(11)
    assert "Traceback" not in log.text, "a row may tell no gain"
    assert money.pnl_difference == ""
    world.fault("frame_field", match="position", value='pnl="0.5"', times=2)
    world.run(10)
    assert said(log, "Unrealised profit is not as the venue's") == 0, "two rows may be wrong"
    world.fault("frame_field", match="position", value='pnl="0.5"', times=10_000)
    world.run(30)
    assert money.pnl_difference.startswith("the venue shows 0.5 for the short leg of 900, we count")
    assert said(log, "Unrealised profit is not as the venue's") == 1


def test_a_row_from_between_two_looks_at_the_same_mark_tells_of_another(
    log: pytest.LogCaptureFixture,
) -> None:
    world = short_of_900(interval=5)
    world.run(10)
    for second in range(60):
        for after, price in ((0.1, "8530"), (0.6, "8520")):  # a row comes each second
            world.timeline.after(second + after, lambda price=price: world.index(price))
    world.run(61)
    assert money_of(world).unrealised
    assert said(log, "Unrealised profit is not as the venue's") == 0
    assert money_of(world).pnl_difference == ""


def test_funding_is_in_the_equity(tmp_path: Path) -> None:
    report, truth, found = ran(nothing, tmp_path, start_ms=MINUTE_BEFORE)
    assert report.profit
    assert found.steps[StepKind.UNEXPLAINED] == 0
    equity = report.profit.total + report.profit.beside
    assert abs(equity - truth.profit(report.mark or Decimal(0))) < 4 * UNIT
