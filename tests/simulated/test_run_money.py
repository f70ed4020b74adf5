"""Fees, funding and balance of a run, judged by the exchange's own ledger."""

import logging
from decimal import Decimal
from typing import Any

import pytest

from market_maker.money import Money, StepKind
from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange import settlement
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.blotter import Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.settings import settings
from market_maker.simulation.timeline import START_MS
from tests.world.lively import Lively
from tests.world.scene import said
from tests.world.world import World

ATOM = Decimal("1e-18")
UNIT = Decimal("1e-6")
EIGHT_HOURS = 8 * 3_600_000
LADDER = {"ORDER_PAIRS": 2, "ORDER_START_SIZE": 100, "ORDER_STEP_SIZE": 50, "INTERVAL": 0.001}
LADDER |= {"MIN_SPREAD": 0.0005, "RELIST_INTERVAL": 0.0004, "LOOP_INTERVAL": 1}
MARKETS: dict[str, dict[str, Any]] = {
    CONTRACT: LADDER,
    SPOT: LADDER
    | {"INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT", "SYMBOL": "BTC/USDT"}
    | {"ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0.005},
}


class Truth:
    """What the ledger of the exchange knows of the account since a moment."""

    def __init__(self, world: World, market: str) -> None:
        self.world = world
        self.is_contract = market == CONTRACT
        self.wallet, self.area = (
            (Wallet.CONTRACT, "BTC") if self.is_contract else (Wallet.SPOT, "USDT")
        )
        self._start = self._now()

    def _now(self) -> tuple[Decimal, Decimal, Decimal]:
        return self._total(self.area), self._total("BTC"), self._unrealised()

    def _total(self, asset: str) -> Decimal:
        return self.world.exchange.ledger.accounts[OWNER].balance(self.wallet, asset).total

    def _unrealised(self) -> Decimal:
        account = self.world.exchange.ledger.accounts[OWNER]
        return sum(
            (
                leg.profit(self.world.exchange.marks()[key.contract])
                for key, leg in account.legs_in("BTC")
            ),
            Decimal(0),
        )

    def fees(self) -> dict[bool, Decimal]:
        """Return the fees of all own orders; by whether they are of buys."""
        found = {True: Decimal(0), False: Decimal(0)}
        for order in self.world.exchange.blotter.all(OWNER, set(Status)):
            found[order.side.name == "BUY"] += order.fee
        return found

    def change(self) -> Decimal:
        """Return by how much the balance of the area has changed."""
        return self._total(self.area) - self._start[0]

    def base_change(self) -> Decimal:
        """Return the same of the base currency of a pair."""
        return self._total("BTC") - self._start[1]

    def profit(self, mark: Decimal) -> Decimal:
        """Return the change of equity, coins of a pair at `mark`."""
        if self.is_contract:
            return self.change() + self._unrealised() - self._start[2]
        return self.change() + self.base_change() * mark


def contracts(world: World) -> Decimal:
    trades = money_of(world).trades
    return trades.bought + trades.sold + 1


def money_of(world: World) -> Money:
    assert world.bot
    return world.bot.exchange.money


def market_stands_still(world: World) -> None:
    """Let own orders go, so that nothing fills, until the balance has been shown again."""
    world.run(0)
    settings.MAX_ORDER_QTY = 1e-12
    world.run(30)


def mark_of(world: World) -> Decimal:
    assert world.bot
    price = world.bot.exchange.snapshot().instrument.valuation_price
    assert price
    return price


def lively(market: str, **options: Any) -> World:
    return World(still=False, **(MARKETS[market] | options))


@pytest.fixture(params=[CONTRACT, SPOT])
def market(request: pytest.FixtureRequest) -> str:
    return str(request.param)


pytestmark = pytest.mark.usefixtures("restored")


def test_fees_and_profit_are_those_of_the_ledger(market: str) -> None:
    world = lively(market)
    Lively(world, market)
    truth = Truth(world, market)
    world.start()
    world.run(120)
    money = money_of(world)
    assert money.trades.fills > 20
    near = contracts(world) * ATOM if market == CONTRACT else UNIT / 100
    fees = truth.fees()
    if market == CONTRACT:
        assert abs(money.fees.paid - sum(fees.values())) <= near
    else:
        assert abs(money.fees.paid - fees[False]) <= near
        assert abs(money.fees.paid_base - fees[True]) <= near
    mark = mark_of(world)
    instrument = world.bot.exchange.snapshot().instrument  # type: ignore[union-attr]
    assert abs(money.profit(instrument, mark) - truth.profit(mark)) <= near
    assert money.fees.contradiction == ""


def test_the_change_of_the_balance_is_explained_to_the_last_printed_digit(market: str) -> None:
    world = lively(market)
    Lively(world, market, takes=7)
    truth = Truth(world, market)
    world.start()
    world.run(120)
    market_stands_still(world)
    money, found = money_of(world), money_of(world).balance
    assert money.trades.fills > 5
    assert abs(found.change - found.explained - found.residual) <= Decimal("1e-24")
    assert found.steps[StepKind.UNEXPLAINED] == 0
    assert abs(found.residual) < UNIT
    near = contracts(world) * ATOM if market == CONTRACT else UNIT / 100
    assert abs(found.explained - truth.change()) <= near
    base = money.base
    assert (base.total is None) == (market == CONTRACT)
    if market == SPOT:
        assert abs(base.change - base.explained - base.residual) <= Decimal("1e-24")
        assert base.steps[StepKind.UNEXPLAINED] == 0
        assert abs(base.residual) < UNIT
        assert abs(base.explained - truth.base_change()) <= UNIT / 100


def test_the_balance_of_a_pair_is_read_once_more_when_its_fills_have_settled() -> None:
    world = lively(SPOT)
    Lively(world, SPOT, takes=7)
    world.start()
    audited = 0
    for _ in range(60):
        world.run(1)
        money = money_of(world)
        audited += (
            abs(money.base.fills.realised - money.trades.net) < UNIT and money.trades.fills > 0
        )
    assert audited > 20, "of a market that fills every seven seconds"


STILL = {"ORDER_PAIRS": 1, "ORDER_START_SIZE": 900, "LOOP_INTERVAL": 1}
MINUTE_BEFORE = (START_MS // EIGHT_HOURS + 1) * EIGHT_HOURS - 60_000
"""A minute before funding is due."""


def still(**options: Any) -> tuple[World, Truth]:
    """Return a still market with one level a side, of 900 contracts."""
    world = World(**(STILL | options))
    world.timeline.every(2, lambda: world.index(str(world.exchange.listing(BTC_USD).index)))
    return world, Truth(world, CONTRACT)


def sell(world: World, qty: int) -> None:
    """Let our sell at 8539.5 fill by so much."""
    listing = world.exchange.listing(BTC_USD)
    prices = {ticks: listing.instrument.price(ticks) for ticks in listing.book.prices(Side.SELL)}
    before = [ticks for ticks, price in prices.items() if price < Decimal("8539.5")]
    others = sum(listing.book.size(Side.SELL, ticks) for ticks in before)
    world.take("buy", "8539.5", others + qty)


@pytest.mark.parametrize("rate", ["0.0001", "-0.0003", "0.002"])
def test_funding_is_booked_when_the_balance_agrees_with_what_was_due(
    rate: str, log: pytest.LogCaptureFixture
) -> None:
    world, truth = still(start_ms=MINUTE_BEFORE)
    world.exchange.listing(BTC_USD).funding_rate = Decimal(rate)
    world.start()
    world.run(10)
    sell(world, 900)
    world.run(120)
    found = money_of(world).balance
    account = world.exchange.ledger.accounts[OWNER]
    paid = 900 * world.exchange.marks()[next(iter(account.legs)).contract] * Decimal(rate)
    assert abs(found.steps[StepKind.FUNDING] - paid) <= 900 * ATOM
    assert found.steps[StepKind.UNEXPLAINED] == 0
    assert abs(found.residual) < UNIT
    assert said(log, "Funding: ") == 1
    mark = mark_of(world)
    instrument = world.bot.exchange.snapshot().instrument  # type: ignore[union-attr]
    assert abs(money_of(world).profit(instrument, mark) - truth.profit(mark)) <= 10_000 * ATOM


def test_no_funding_and_nothing_unexplained_is_found_in_a_quiet_run() -> None:
    world, _ = still(start_ms=MINUTE_BEFORE)
    world.start()
    world.run(120)
    found = money_of(world).balance
    assert (found.change, found.residual, set(found.steps.values())) == (0, 0, {0})


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["net", "hedge"])
def test_a_position_of_an_earlier_run_is_flipped_through_zero_and_explained(mode: str) -> None:
    limits = {"CHECK_POSITION_LIMITS": True, "MIN_POSITION": -600, "MAX_POSITION": 600}
    world = lively(CONTRACT, POSITION_MODE=mode, **limits)
    Lively(world, CONTRACT, wave=(0, 9, 18, 30, 24, 12, 3, -9, -21, -12), takes=2)
    world.start()
    world.run(40)
    assert world.bot
    world.bot.exit()
    earlier = world.position()
    assert earlier != (0, 0)
    truth = Truth(world, CONTRACT)
    world.start()
    seen = set()
    for _ in range(100):
        world.run(3)
        long, short = world.position()
        seen.add((long > short) - (long < short))
    assert seen >= {1, -1}
    market_stands_still(world)
    found = money_of(world).balance
    assert found.steps[StepKind.UNEXPLAINED] == 0
    assert abs(found.residual) < 2 * UNIT
    assert abs(found.explained - truth.change()) < UNIT


def test_max_loss_counts_fees() -> None:
    world, _ = still(MAX_LOSS=0.00002)
    world.start()
    world.run(10)
    sell(world, 900)
    world.index("8539.5")
    world.run(10)
    money = money_of(world)
    instrument = world.bot.exchange.snapshot().instrument  # type: ignore[union-attr]
    assert abs(money.trades.profit(instrument, mark_of(world))) < UNIT
    assert world.bot
    assert world.bot.control.is_halted


def test_a_run_goes_on_after_a_restart_with_fees_and_funding() -> None:
    world, _ = still(start_ms=MINUTE_BEFORE)
    world.start()
    world.run(10)
    sell(world, 900)
    world.run(120)
    before = money_of(world)
    assert before.funding
    after = Money()
    after.resume_from(before.as_text())
    assert after.as_text() == before.as_text()
    instrument = world.bot.exchange.snapshot().instrument  # type: ignore[union-attr]
    mark = mark_of(world)
    assert after.profit(instrument, mark) == before.profit(instrument, mark)


def test_a_rate_other_than_expected_is_said_once_and_counted_as_printed(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "MAKER_FEE", Decimal("0.002"))
    world = lively(CONTRACT)
    Lively(world, CONTRACT)
    truth = Truth(world, CONTRACT)
    world.start()
    world.run(60)
    money = money_of(world)
    assert money.trades.fills > 10
    assert said(log, "Fees are not as expected", logging.WARNING) == 1
    assert abs(money.fees.paid - sum(truth.fees().values())) <= UNIT * money.trades.fills


@pytest.mark.parametrize("late_ms", [0, 300, 900])
@pytest.mark.parametrize("qty", [900, 350])
def test_an_order_that_finds_a_better_price_is_booked_at_that_price(qty: int, late_ms: int) -> None:
    """The report of the fill, which has no price, may come before the row of the order."""
    world, truth = still(POST_ONLY=False)
    if late_ms:
        world.fault("frame_late", match="order", value=str(late_ms), for_ms=60_000)
    found: list[str] = []

    def meet(asked: RawRequest) -> None:
        given = dict(asked.query)
        if asked.path.endswith("order/create") and given["side"] == "1" and not found:
            found.append(given["price"])
            world.put("sell", f"{Decimal(given['price']) - 20:f}", qty)

    world.network.watchers.append(meet)
    world.start()
    world.run(20)
    (fill,) = world.report.fills
    assert (fill.maker, fill.price) == (False, Decimal(found[0]) - 20)
    money, mark = money_of(world), mark_of(world)
    instrument = world.bot.exchange.snapshot().instrument  # type: ignore[union-attr]
    assert money.trades.fills == 1
    assert abs(money.profit(instrument, mark) - truth.profit(mark)) <= qty * ATOM
    assert money.pnl_difference == ""
    assert world.bot
    assert world.bot.exchange.orders.reconciler.taker_reports.count == 1
