"""What moves an account beside own fills, in orders of events that are rarer."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from market_maker.money import StepKind
from market_maker.paper.exchange.account import Contract, Leg, LegKey, Mode, Wallet
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.report import in_text, report_of
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
STILL = {"ORDER_PAIRS": 1, "ORDER_START_SIZE": 700, "LOOP_INTERVAL": 1}


pytestmark = [pytest.mark.usefixtures("restored"), pytest.mark.slow, pytest.mark.sampled]


class Lab:
    """A bot in a market, its journal, and what the exchange's own ledger knows of the account."""

    def __init__(
        self,
        directory: Path,
        *,
        takes: int | None = None,
        start_ms: int = START_MS,
        quirks: Quirks = DEFAULTS,
        **given: Any,
    ) -> None:
        """`takes` as of `Lively`; None: the market stands still."""
        base = STILL if takes is None else MARKETS[CONTRACT]
        world = World(
            still=takes is None, seed=7, start_ms=start_ms, quirks=quirks, **(base | given)
        )
        self.world = recorded(world, directory)
        if takes is None:
            world.timeline.every(2, lambda: world.index(str(self.index)))
        else:
            Lively(world, CONTRACT, takes=takes)
        self.begin()

    @property
    def index(self) -> Decimal:
        return self.world.exchange.listing(BTC_USD).index

    def begin(self) -> None:
        """Let the truth count from now on."""
        self.truth = Truth(self.world, CONTRACT)

    def start(self, seconds: float) -> None:
        self.bot = self.world.start()
        self.world.run(seconds)

    def leg(self, *, is_long: bool) -> Leg:
        account = self.world.exchange.ledger.accounts[OWNER]
        return account.leg(LegKey("BTC", "BTC_USD", is_long))

    def quote(self, side: str) -> Order:
        (found,) = [order for order in self.world.orders() if order.side.name == side]
        return found

    def fill(self, side: str, price: Decimal | None = None) -> None:
        """Let others fill the own order of a side, and all before it."""
        taken = "sell" if side == "BUY" else "buy"
        self.world.take(taken, f"{price or self.quote(side).price:f}", 500_000)

    def hand(
        self, side: str, qty: int, *, close: bool = False, client_oid: str | None = None
    ) -> None:
        """Take what the book has, by hand."""
        beyond = Decimal("0.03" if close else "0.3")
        far = self.index * (1 + beyond if side == "buy" else 1 - beyond)
        price = f"{round(far * 2) / Decimal(2):f}"
        order_id = self.world.foreign_order(side, price, qty, close=close, client_oid=client_oid)
        if order_id in {order.order_id for order in self.world.exchange.blotter.live(OWNER)}:
            self.cancel(order_id)

    def cancel(self, order_id: int) -> None:
        now = self.world.venue.time(self.world._clock())
        self.world.exchange.cancel(OWNER, BTC_USD, order_id, now)
        self.world.venue.publish(self.world._clock())

    def move(self, source: Wallet, target: Wallet, amount: str) -> None:
        moved = Decimal(amount)
        self.world.exchange.transfer(OWNER, "BTC", source=source, target=target, amount=moved)

    def isolate(self, leverage: int) -> None:
        contract = Contract("BTC", "BTC_USD")
        for long in (True, False):
            self.world.exchange.change_leverage(
                OWNER, contract, mode=Mode.ISOLATED, long=long, leverage=Decimal(leverage)
            )

    def until_funding(self) -> float:
        return (MINUTE_BEFORE + 60_000 - self.world._clock()) / 1000

    def profit_at(self, mark: str) -> Decimal:
        instrument = self.bot.exchange.snapshot().instrument
        return money_of(self.world).profit(instrument, Decimal(mark))

    def end_sound(self, *kinds: StepKind) -> None:
        """End the run; fail unless its parts sum up and only these kinds of steps were booked."""
        market_stands_still(self.world)
        self.world.run(20)
        found = money_of(self.world).balance
        self.bot.control.stop("the test is over")
        self.bot.exit()
        report = report_of(last_run(self.world))
        assert report.profit
        assert report.mark
        assert report.shown
        self.world.exchange.listing(BTC_USD).index = report.mark
        equity = report.profit.total + report.profit.beside + report.profit.transfers
        text = in_text(report)
        assert report.net == report.shown[0] - report.shown[1], text
        assert abs(equity - self.truth.profit(report.mark)) < 4 * UNIT, text
        assert abs(found.residual) < 2 * UNIT, text
        assert not report.has_unexplained_position, text
        assert {kind for kind, amount in found.steps.items() if amount} == set(kinds), text


# --- funding --------------------------------------------------------------------------------------


@pytest.mark.parametrize("takes", [2, 5, 6, 7])
def test_funding_is_named_while_own_quotes_fill(takes: int, tmp_path: Path) -> None:
    lab = Lab(tmp_path, start_ms=MINUTE_BEFORE, takes=takes)
    lab.hand("buy", 3000)
    lab.start(0)
    lab.begin()
    lab.world.run(120)
    lab.end_sound(StepKind.FUNDING)


def test_funding_is_named_after_a_trade_by_hand_some_seconds_before(tmp_path: Path) -> None:
    lab = Lab(tmp_path, start_ms=MINUTE_BEFORE)
    lab.start(56)
    lab.hand("buy", 900)
    lab.world.run(60)
    lab.end_sound(StepKind.FUNDING)


def test_funding_is_that_of_the_position_before_a_fill_that_comes_with_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path, start_ms=MINUTE_BEFORE, ORDER_START_SIZE=4000, POSITION_MODE="hedge")
    lab.start(10)
    lab.fill("BUY")
    lab.world.put("buy", "8490", 1000)
    lab.world.run(15)
    ask = lab.quote("SELL").price
    lab.world.timeline.after(lab.until_funding() + 0.05, lambda: lab.fill("SELL", ask))
    lab.world.run(60)
    lab.end_sound(StepKind.FUNDING)


def test_funding_and_a_transfer_in_the_same_second_are_both_named(tmp_path: Path) -> None:
    lab = Lab(tmp_path, start_ms=MINUTE_BEFORE)
    lab.hand("buy", 4000)
    lab.begin()
    lab.start(40)
    into = Wallet.FUNDING, Wallet.CONTRACT, "0.25"
    lab.world.timeline.after(lab.until_funding() + 1, lambda: lab.move(*into))
    lab.world.run(90)
    lab.end_sound(StepKind.FUNDING, StepKind.TRANSFERRED)


# --- transfers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [False, True])
def test_two_transfers_a_quarter_of_a_minute_apart_are_both_named(
    back: bool, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    lab = Lab(tmp_path)
    lab.start(60)
    lab.move(Wallet.FUNDING, Wallet.CONTRACT, "0.7")
    lab.world.run(15)
    lab.move(
        *((Wallet.CONTRACT, Wallet.FUNDING) if back else (Wallet.FUNDING, Wallet.CONTRACT)), "0.3"
    )
    lab.world.run(60)
    assert said(log, "Transfer: ") == 2
    lab.end_sound(StepKind.TRANSFERRED)


def test_a_transfer_is_named_though_the_first_look_at_the_wallets_has_failed(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path)
    lab.world.fault("status", match="account/fund/query", value="502", times=1)
    lab.start(120)
    lab.move(Wallet.FUNDING, Wallet.CONTRACT, "0.7")
    lab.world.run(60)
    lab.end_sound(StepKind.TRANSFERRED)


def test_a_transfer_of_what_came_to_the_funding_account_minutes_before_is_named(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path)
    lab.start(60)
    lab.world.exchange.ledger.deposit(OWNER, Wallet.FUNDING, "BTC", Decimal(1))
    lab.world.run(180)
    lab.move(Wallet.FUNDING, Wallet.CONTRACT, "1")
    lab.world.run(60)
    lab.end_sound(StepKind.TRANSFERRED)


def test_wallets_that_do_not_answer_take_less_than_half_of_the_time(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start(40)
    for path in ("account/fund/query", "account/bb/query"):
        lab.world.fault("lost", match=path)
    clock, spent = lab.world.timeline, []
    read = lab.bot.exchange.audit.read

    def measured() -> None:
        begun = clock.monotonic()
        read()
        spent.append(clock.monotonic() - begun)

    lab.bot.exchange.audit.read = measured  # type: ignore[method-assign]
    lab.world.exchange.ledger.deposit(OWNER, Wallet.CONTRACT, "BTC", Decimal("0.7"))
    lab.world.run(30)
    assert sum(spent) < 15


# --- orders by hand -------------------------------------------------------------------------------


def test_what_an_order_by_hand_has_filled_before_the_start_is_charged_to_nobody(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path)
    order_id = lab.world.foreign_order("buy", "8500", 4000)
    lab.begin()
    lab.start(10)
    lab.world.put("sell", "8500", 300)
    lab.world.run(40)
    lab.cancel(order_id)
    lab.end_sound()


def test_what_an_order_by_hand_fills_while_a_start_waits_counts_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start(30)
    lab.world.kill_bot()

    def act() -> None:
        lab.world.foreign_order("buy", "8500", 5000)

    lab.world.timeline.after(4, act)
    lab.start(0)
    lab.begin()
    lab.world.run(60)
    lab.end_sound()


@pytest.mark.parametrize("after", [0.2, 0.6, 0.8, 1.0, 1.2, 1.5])
def test_so_does_what_it_fills_while_a_start_takes_orders_away(
    after: float, tmp_path: Path
) -> None:
    lab = Lab(tmp_path)
    order_id = lab.world.foreign_order("buy", "8495", 4000)
    lab.start(30)
    lab.world.kill_bot()
    lab.world.has_crashed = False
    lab.world.timeline.after(after, lambda: lab.world.put("sell", "8495", 300))
    lab.start(0)
    lab.begin()
    lab.world.put("sell", "8495", 200)
    lab.world.run(60)
    lab.cancel(order_id)
    lab.end_sound()


@pytest.mark.parametrize("mode", ["net", "hedge"])
def test_a_close_by_hand_that_takes_an_own_quote_is_counted_in_its_order(
    mode: str, tmp_path: Path
) -> None:
    lab = Lab(tmp_path, POSITION_MODE=mode)
    lab.start(10)
    lab.fill("SELL")
    lab.world.run(30)
    for level in range(30):
        lab.world.put("sell", f"{8497.5 + 2.5 * level}", 0)
    lab.world.put("sell", "8630", 1000)
    lab.world.index("8560")
    lab.world.run(20)
    assert lab.quote("SELL").price < 8630
    lab.hand("buy", 600, close=True)
    lab.world.run(60)
    lab.end_sound()


def test_a_close_by_hand_just_before_an_own_fill_is_counted_before_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path, POSITION_MODE="hedge", LOOP_INTERVAL=3)
    lab.start(10)
    lab.fill("SELL")
    lab.world.run(30)
    lab.world.index("8420")
    lab.world.run(20)
    ask = lab.quote("SELL").price

    def act() -> None:
        lab.hand("buy", 600, close=True)
        lab.fill("SELL", ask)

    lab.world.timeline.after(1.2, act)
    lab.world.run(60)
    lab.end_sound()


def test_small_orders_by_hand_pay_a_taker_s_fee(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start(30)
    for _ in range(30):
        lab.hand("buy", 7)
        lab.world.run(3)
    lab.end_sound()


def test_orders_by_hand_that_share_a_client_oid_are_told_apart(tmp_path: Path) -> None:
    lab = Lab(tmp_path, quirks=Quirks(oid_unique="none"))
    lab.start(30)
    for qty in (300, 500, 200):
        lab.hand("buy", qty, client_oid="mine")
        lab.world.run(45)
    lab.end_sound()


def test_orders_by_hand_twenty_seconds_apart_are_all_counted(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start(30)
    for qty in (300, 500, 200):
        lab.hand("buy", qty)
        lab.world.run(20)
    lab.end_sound()


def test_an_order_by_hand_is_counted_though_ids_do_not_grow(tmp_path: Path) -> None:
    lab = Lab(tmp_path, quirks=Quirks(ids_grow=False))
    lab.start(30)
    for qty in (300, 500, 200, 450):
        lab.hand("buy", qty)
        lab.world.run(30)
    lab.end_sound()


def test_an_order_by_hand_that_fills_while_the_feed_reconnects_is_counted(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start(30)
    lab.world.network.drop_all()
    lab.hand("buy", 400)
    lab.world.run(60)
    lab.end_sound()


# --- liquidation ----------------------------------------------------------------------------------


def test_a_run_that_is_flat_after_a_liquidation_earns_nothing_from_the_mark(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ORDER_START_SIZE=2000)
    lab.isolate(20)
    lab.hand("buy", 3000)
    lab.begin()
    lab.start(40)
    lab.fill("BUY")
    lab.world.run(20)
    for step in range(13):
        lab.world.index(str(8494 - 60 * step))
        lab.world.run(2)
    lab.world.run(40)
    assert lab.world.position() == (0, 0)
    assert abs(lab.profit_at("8300") - lab.profit_at("9300")) < UNIT
    lab.end_sound(StepKind.LIQUIDATION)


def test_a_liquidation_is_known_after_the_mark_has_come_back(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ORDER_START_SIZE=5000)
    lab.isolate(20)
    lab.start(10)
    lab.fill("BUY")
    lab.world.run(20)
    for mark in (8400, 8300, 8200, 8120, 8050, 8000, 8150, 8250, 8300, 8350):
        lab.world.index(str(mark))
        lab.world.run(2)
    lab.world.run(40)
    assert lab.world.report.liquidations == 1
    found = money_of(lab.world).balance.steps
    assert found[StepKind.LIQUIDATION] < 0
    assert found[StepKind.UNEXPLAINED] == 0


# --- memory ---------------------------------------------------------------------------------------


def test_rows_of_other_orders_of_a_pair_are_not_kept_for_ever() -> None:
    market = MARKETS[SPOT] | {"ORDER_PAIRS": 1}
    names = ("INSTRUMENTTYPE", "SETTLECURRENCY", "SYMBOL")
    given = {name: value for name, value in market.items() if name not in names}
    world = World(still=False, key=Key(SPOT, "USDT", "BTC/USDT"), **given)
    Lively(world, SPOT, takes=7)
    bot = world.start()
    world.run(10)
    for _ in range(40):
        order_id = world.foreign_order("buy", "7000", Decimal("0.01"))
        world.run(2)
        now = world.venue.time(world._clock())
        world.exchange.cancel(OWNER, world.key, order_id, now)
    assert len(bot.exchange.orders.reconciler.others._new) < 10
