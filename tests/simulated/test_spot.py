"""A bot of a pair: spot has no private tables, so its position is what the run has traded."""

from decimal import Decimal

import pytest

from market_maker.errors import OrdersLeft
from market_maker.money.balance import StepKind
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import SPOT, Key
from market_maker.paper.market.setup import DEPOSITS, OWNER
from market_maker.safety import TradingState
from market_maker.trading.account_watch import MARGIN_EVERY
from tests.world.scene import state
from tests.world.world import World

GIVEN = {"ORDER_PAIRS": 1, "ORDER_START_SIZE": 0.1, "CHECK_POSITION_LIMITS": True}


def pair() -> World:
    """Have a market of BTC/USDT with one order of others on each side."""
    world = World(
        key=Key(SPOT, "USDT", "BTC/USDT"), still=False, MIN_POSITION=-1, MAX_POSITION=0.3, **GIVEN
    )
    world.put("buy", "8490", 10_000)
    world.put("sell", "8497.5", 10_000)
    return world


def leave(world: World, currency: str, amount: str) -> None:
    """Take all but so much of a currency from the account."""
    more = Decimal(DEPOSITS[Wallet.SPOT][currency]) - Decimal(amount)
    world.exchange.transfer(OWNER, currency, source=Wallet.SPOT, target=Wallet.FUNDING, amount=more)


def bids(world: World) -> list[Decimal]:
    return [order.qty for order in world.orders() if order.side is Side.BUY]


def fill_best_bid(world: World) -> None:
    """Let somebody sell through the others' bid to our best one, which comes back then."""
    best = max(order.price for order in world.orders() if order.side is Side.BUY)
    world.take("sell", str(best), 11_000)
    world.put("buy", "8490", 10_000)


def test_a_fill_counts_once_against_the_limits() -> None:
    """0.3 are allowed in bids of 0.1: the third one still stands, a fourth never does."""
    world = pair()
    with world.installed():
        world.start()
        for held in range(3):
            world.run_until(lambda: bids(world) == [Decimal("0.1")])
            assert world.report.coins == {} or world.report.coins[world.key].bought * 10 == held
            fill_best_bid(world)
        world.run(20)
        assert bids(world) == []
        assert world.report.coins[world.key].bought == Decimal("0.3")


def test_a_buy_that_spends_most_of_the_money_is_no_alarm() -> None:
    """Spot has no margin: the money of each side limits what it may spend (see `room`)."""
    world = pair()
    leave(world, "USDT", "900")
    with world.installed():
        world.start()
        world.run_until(lambda: bids(world) == [Decimal("0.1")])
        fill_best_bid(world)
        world.run(90)
        assert world.report.coins[world.key].bought == Decimal("0.1")
        assert state(world) is TradingState.ACTIVE
        assert bids(world) == [], "no money is left"
        assert len(world.orders()) == 1


def test_orders_that_bind_most_of_the_money_stay() -> None:
    """What they bind is not available at the venue, but theirs all the same."""
    world = pair()
    leave(world, "USDT", "900")
    leave(world, "BTC", "0.15")
    with world.installed():
        world.start()
        world.run_until(lambda: len(world.orders()) == 2)
        placed = world.orders()
        world.run(3 * MARGIN_EVERY)
        assert world.orders() == placed


def test_a_balance_that_could_not_be_read_is_compared_with_nothing(
    log: pytest.LogCaptureFixture,
) -> None:
    world = pair()
    with world.installed():
        bot = world.start()
        world.run(20)
        asked = world.report.requests["account/bb/query"]
        world.fault("status", match="account/bb/query", value="503", for_ms=40_000)
        fill_best_bid(world)
        world.run(39)
        assert bot.exchange.money.trades.fills == 1
        assert world.report.requests["account/bb/query"] - asked < 30
        world.run(30)
        assert "that nothing explains" not in log.text
        balance, base = bot.exchange.money.balance, bot.exchange.money.base
        assert balance.change
        assert base.change
        assert balance.steps[StepKind.UNEXPLAINED] == base.steps[StepKind.UNEXPLAINED] == 0


def test_each_order_that_may_be_left_is_listed_once() -> None:
    """The rows of a pair show no client_oid, what the bot knows of them does."""
    world = pair()
    with world.installed():
        bot = world.start()
        world.run_until(lambda: len(world.orders()) == 2)
        world.fault("code", match="bb/order/cancel", value="-10002", for_ms=60_000)
        with pytest.raises(OrdersLeft) as left:
            bot.exchange.cancel_all_orders(1.0)
    assert len(left.value.orders) == 2
