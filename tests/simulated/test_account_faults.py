"""The account, the position and the risk are not what the bot thinks."""

import logging
import random
import re
from decimal import Decimal

import pytest

from market_maker.errors import Temporary
from market_maker.models import Margin, OrderState
from market_maker.paper.exchange.account import Contract, Mode, Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import SPOT, Key
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER, still_book
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from tests.world.feed_scene import creates, epoch, hit, quoting, reason
from tests.world.oracle import assert_sound, assert_well
from tests.world.scene import CREATE, free_a_slot, state, unknown
from tests.world.world import World

ACTIVE, REDUCING, PAUSED, HALTED = TradingState
PC = Contract("BTC", "BTC_USD")
VANISH = Quirks(flat_position="vanish")


def lift(world: World) -> None:
    """Let somebody buy through the others' asks to our best one, whose others come back then."""
    best = min(order.price for order in world.orders() if order.side is Side.SELL)
    world.take("buy", str(best), 10**6)
    world.play(still_book())


def shown(world: World) -> tuple[Decimal, Decimal]:
    """Return the position as the bot knows it."""
    assert world.bot
    position = world.bot.exchange.snapshot().position
    return position.long.qty, position.short.qty


def by_hand(world: World, qty: int = 50, *, side: str = "buy", close: bool = False) -> None:
    """Let the owner of the account trade with the others."""
    world.foreign_order(side, "8497.5" if side == "buy" else "8490", qty, close=close)


def assert_halted_for_good(world: World) -> None:
    assert (state(world), world.ladder()) == (HALTED, [])
    before = creates(world)
    world.run(120)
    assert (state(world), world.ladder(), creates(world)) == (HALTED, [], before)


@pytest.mark.parametrize("every", [1, 3])
def test_somebody_who_trades_on_and_on_is_noticed_while_it_goes_on(every: int) -> None:
    with quoting() as world:
        for second in range(0, 60, every):
            world.timeline.after(second, lambda: by_hand(world, 10))
        world.run(20)
        for _ in range(40):
            world.run(1)
            assert state(world) in (REDUCING, PAUSED), "it reconnects to verify"


UNSHOWN = (
    *("no position update", "does not match own fills", "feed not connected"),
    *("no data yet for position", "no data yet for order, position"),
)
"""It differs from our fills first, and is then waited for on a new connection."""


@pytest.mark.parametrize("seconds", [5, 20, 29])
@pytest.mark.parametrize("how", ["mute", "frame_late"])
def test_a_position_that_comes_late_adds_no_size(how: str, seconds: int) -> None:
    with quoting(MIN_POSITION=-900, MAX_POSITION=900) as world:
        value = str(seconds * 1000) if how == "frame_late" else ""
        world.fault(how, match="position", value=value, for_ms=seconds * 1000)
        hit(world)
        for _ in range(seconds):
            world.run(1)
            assert_sound(world)
            assert state(world) is ACTIVE or any(each in reason(world) for each in UNSHOWN)
        world.run(60)
        assert_well(world)


def test_a_trade_by_hand_is_accepted_and_only_reduced_for_a_minute(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        by_hand(world)
        before = creates(world)
        world.run_until(lambda: "Position changed without an own fill: long +50" in log.text, 12)
        assert state(world) is REDUCING
        assert shown(world) == world.position() == (50, 0)
        world.run(45)
        assert state(world) is REDUCING
        assert "limit reached" not in log.text
        assert creates(world) == before, "it corrects what is not its own"
        world.run(45)
        assert_well(world)
        assert log.text.count("Position changed without an own fill") == 1


def test_a_trade_by_hand_is_not_accepted_while_the_outcome_of_a_create_is_unknown(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        world.fault("lost", match=CREATE, times=1)
        free_a_slot(world)
        world.run_until(lambda: unknown(world))
        by_hand(world)
        begun = world.timeline.monotonic()
        while unknown(world):
            world.run(0.5)
            assert "Position base reset" not in log.text or not unknown(world)
        assert world.timeline.monotonic() - begun > 9, "else this proves nothing"
        world.run(20)
        assert "Position base reset" in log.text


@pytest.mark.parametrize(("side", "low", "high"), [("buy", 0, 900), ("sell", -900, 0)])
def test_with_one_limit_at_zero_a_position_within_the_other_is_plausible(
    side: str, low: int, high: int
) -> None:
    world = World(CHECK_POSITION_LIMITS=True, MIN_POSITION=low, MAX_POSITION=high)
    with world.installed():
        world.start()
        world.run(5)
        by_hand(world, side=side)
        for _ in range(4):
            world.run(1)
            assert state(world) in (ACTIVE, REDUCING)
        assert state(world) is REDUCING


@pytest.mark.parametrize("push", ["changed", "full"])
def test_both_legs_are_kept_apart(push: str) -> None:
    quirks = Quirks(position_push=push)  # type: ignore[arg-type]
    with quoting(quirks=quirks, POSITION_MODE="hedge") as world:
        hit(world, 60)
        world.run(5)
        lift(world)
        world.run(10)
        long, short = world.position()
        assert long == 60
        assert short > 0
        assert shown(world) == (long, short)
        assert_well(world)


HEDGE = {"CHECK_POSITION_LIMITS": True, "POSITION_MODE": "hedge"}


def test_in_hedge_mode_full_legs_are_closed_by_the_quotes_of_the_other_side() -> None:
    limits = {"MAX_POSITION": 100, "MIN_POSITION": -100}
    world = World(ORDER_PAIRS=1, **HEDGE, **limits)
    with world.installed():
        world.start()
        world.run_until(lambda: len(world.orders()) == 2)
        hit(world)
        world.run(10)
        lift(world)
        world.run(10)
        assert world.position() == (100, 100)
        assert [order.close for order in world.orders()] == [True, True]
        hit(world)
        world.run(10)
        lift(world)
        world.run_until(lambda: world.position() == (0, 0))
        world.run(10)
        assert [order.close for order in world.orders()] == [False, False]
        assert_well(world)


@pytest.mark.parametrize("seed", range(4))
def test_in_hedge_mode_the_bot_goes_on_quoting_within_the_limits_of_both_legs(seed: int) -> None:
    chance = random.Random(seed)
    most = chance.choice([100, 250, 400])
    world = World(ORDER_PAIRS=30, MAX_POSITION=most, MIN_POSITION=-most, **HEDGE)
    with world.installed():
        world.start()
        world.run(10)
        for _ in range(12):
            sides = {order.side for order in world.orders()}
            assert sides, "a full leg must not end the quoting"
            hit(world, 150) if chance.choice([*sides]) is Side.BUY else lift(world)
            world.run(10)
            assert max(world.position()) <= most
        assert_well(world)


@pytest.mark.parametrize("push", ["changed", "full"])
def test_a_leg_that_is_shown_no_more_is_asked_about_and_then_flat(
    push: str, log: pytest.LogCaptureFixture
) -> None:
    quirks = Quirks(flat_position="vanish", position_push=push)  # type: ignore[arg-type]
    with quoting(quirks=quirks, ORDER_PAIRS=1) as world:
        hit(world)
        world.run(5)
        world.venue_cancels(next(o for o in world.orders() if o.side is Side.SELL))
        world.run(10)  # the new one closes
        assert shown(world) == world.position() == (100, 0)
        lift(world)
        assert world.position()[0] == 0
        world.run(1)
        assert shown(world)[0] == 100, "silence alone says nothing"
        world.run(4)
        assert shown(world) == world.position(), "own fills have closed it: ask at once"
        assert epoch(world) == 2
        assert "reconnecting to verify" in log.text
        assert "without an own fill" not in log.text
        world.run(30)
        assert epoch(world) == 2
        assert_well(world)


def test_a_leg_that_somebody_else_has_closed_does_not_stay_either(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting(quirks=VANISH) as world:
        by_hand(world)
        world.run(90)
        assert shown(world) == (50, 0)
        log.clear()
        by_hand(world, side="sell", close=True)
        world.run(15)
        assert world.position() == shown(world) == (0, 0)
        assert "Position no longer updated; reconnecting to verify." in log.text
        world.run(90)
        assert_well(world)


def test_a_quiet_leg_that_is_still_there_is_asked_about_once() -> None:
    with quoting(LOOP_INTERVAL=0.5) as world:
        hit(world)
        world.run(5)
        hidden = 'symbol="ETH_USD"'
        world.fault("frame_field", match="position", value=hidden, times=5)
        world.run_until(lambda: epoch(world) == 2, 10)
        world.run(3)
        world.fault("frame_field", match="position", value=hidden, times=20)
        world.run(20)
        assert shown(world) == world.position() == (100, 0)
        assert epoch(world) == 2
        world.run(30)
        assert_well(world)


def test_a_liquidation_ends_the_trading(log: pytest.LogCaptureFixture) -> None:
    world = World(CHECK_POSITION_LIMITS=True, ORDER_PAIRS=1, ORDER_START_SIZE=5000)
    with world.installed():
        for long in (True, False):
            world.exchange.change_leverage(
                OWNER, PC, mode=Mode.ISOLATED, long=long, leverage=Decimal(20)
            )
        world.start()
        world.run_until(lambda: len(world.orders()) == 2)
        hit(world, 5000)
        world.run(5)
        assert world.position()[0] == 5000
        for price in (8400, 8300, 8200, 8150, 8100, 8080, 8060, 8040, 8020, 8000):
            world.index(str(price))
            world.run(1)
        assert world.report.liquidations == 1
        world.run(10)
        assert "HALTED until a person has looked: position is being or was liq" in log.text
        assert_halted_for_good(world)
        assert_sound(world)


@pytest.mark.parametrize("qty", ['"-100"', '"1000000"'])
def test_an_impossible_position_is_not_traded_on(qty: str, log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        hit(world)
        world.run(5)
        world.fault("frame_field", match="position", value=f"qty={qty}", for_ms=10_000)
        world.run(5)
        before = creates(world)
        assert state(world) is PAUSED
        assert "invalid order or position rows" in log.text or "10 times the limit" in log.text
        assert shown(world)[0] >= 0
        world.run(5)
        assert creates(world) == before
        world.run(100)
        assert_well(world)


def test_when_the_margin_falls_nothing_is_opened(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        world.run(5)
        world.exchange.transfer(
            OWNER, "BTC", source=Wallet.CONTRACT, target=Wallet.FUNDING, amount=Decimal(45)
        )
        world.run(4)
        assert state(world) is REDUCING
        assert world.ladder() == []
        assert "free margin fell by over 80% within a minute" in log.text
        world.run(150)
        assert_well(world)


def test_own_orders_that_bind_most_of_the_free_margin_are_no_alarm() -> None:
    size = {"ORDER_PAIRS": 2, "ORDER_START_SIZE": 1_000_000, "ORDER_STEP_SIZE": 0}
    world = World(CHECK_POSITION_LIMITS=False, MAX_ORDER_QTY=1_000_000, **size)
    with world.installed():
        bot = world.start()
        world.run_until(lambda: len(world.orders()) == 4)
        world.run(5)
        margin = bot.exchange.monitor.account.margin()
        assert margin
        assert margin.available < margin.total / 10
        assert state(world) is ACTIVE


@pytest.mark.parametrize("changed", ["leverage", "mode"])
def test_a_leverage_that_was_changed_outside_pauses_until_it_is_as_it_was(
    changed: str, log: pytest.LogCaptureFixture
) -> None:
    world = World(CHECK_POSITION_LIMITS=True)

    def choose(leverage: int, mode: Mode = Mode.ISOLATED) -> None:
        world.exchange.change_leverage(OWNER, PC, mode=mode, long=True, leverage=Decimal(leverage))

    with world.installed():
        choose(10)
        world.start()
        world.fault("book_empty", after_ms=20_000, for_ms=30_000)  # no order may rest then
        world.run(40)
        assert world.orders() == []
        if changed == "leverage":
            choose(20)
        else:
            choose(10, Mode.CROSS)
        world.run(65)
        before = creates(world)
        assert state(world) is PAUSED
        name = "bid_leverage 10 -> 20" if changed == "leverage" else "margin_mode 2 -> 1"
        assert f"changed outside the bot: {name}" in log.text
        world.run(60)
        assert (creates(world), state(world)) == (before, PAUSED)
        choose(10)
        world.run(75)
        assert world.report.requests["pc/leverage/change"] == 0
        assert_well(world)


def test_an_execution_that_comes_again_is_counted_once() -> None:
    with quoting() as world:
        assert world.bot
        world.fault("frame_twice", match="execution", for_ms=60_000)
        world.fault("frame_twice", match="order", for_ms=60_000)
        hit(world, 40)
        world.run(5)
        world.network.drop_all()
        world.run(5)
        hit(world, 60)
        world.run(5)
        lift(world)
        world.run(20)
        own = world.bot.exchange.money.trades
        assert (own.bought, own.sold) == (world.report.bought, world.report.sold)
        assert own.bought >= 100
        assert own.sold > 0
        world.run(60)
        assert_well(world)


def test_executions_that_were_lost_are_found_and_counted_once(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        assert world.bot
        for table in ("execution", "order"):
            world.fault("frame_late", match=table, value="25000", for_ms=3_000)
        hit(world, 40)
        world.run(15)
        own = world.bot.exchange.money.trades
        assert own.bought == world.report.bought == 40  # REST has told of it
        world.run(30)  # and the feed now has, too
        assert own.bought == world.report.bought == 40
        assert log.text.count("Bought 40") == 1
        world.network.cut_off = True
        world.network.drop_all()
        hit(world, 60)
        world.run(5)
        world.network.cut_off = False
        world.run(60)
        assert own.bought == world.report.bought == 100
        assert_well(world)


def test_a_loss_beyond_the_limit_ends_the_trading(log: pytest.LogCaptureFixture) -> None:
    with quoting(MAX_LOSS=0.0002) as world:
        hit(world)
        world.run(5)
        assert state(world) is ACTIVE
        world.index("8300")
        world.run(3)
        halted = r"looked: loss of this run exceeds MAX_LOSS: 0\.\d+ of [0-9.]+ BTC\. Own orders"
        assert re.search(halted, log.text)
        log.clear()
        world.run(125)
        assert "Current Contract Position" in log.text, "its status is told while it is halted"
        assert_halted_for_good(world)
        world.index("8493.5")  # nor does a better price end it
        world.run(10)
        assert_halted_for_good(world)
        assert_sound(world)


def test_a_storm_of_fills_ends_the_trading(log: pytest.LogCaptureFixture) -> None:
    with quoting(MAX_FILLS=5) as world:
        for _ in range(6):
            assert state(world) is ACTIVE
            hit(world, 10)
            world.run(0.1)
        world.run(3)
        assert "more than MAX_FILLS" in log.text
        assert_halted_for_good(world)
        assert_sound(world)


def test_funding_is_no_loss() -> None:
    world = World(start_ms=1_577_865_600_000 - 60_000, CHECK_POSITION_LIMITS=True, MAX_LOSS=1e-6)
    with world.installed():
        world.start()
        world.run_until(lambda: len(world.orders()) == 6)
        hit(world)
        world.run(20)
        total = world.exchange.ledger.accounts[OWNER].balance(Wallet.CONTRACT, "BTC").total
        world.run(60)
        paid = total - world.exchange.ledger.accounts[OWNER].balance(Wallet.CONTRACT, "BTC").total
        assert paid > Decimal("0.000001")
        assert_well(world)


def test_a_position_that_the_venue_reduces_is_accepted(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        hit(world)
        world.run(5)
        for order in world.orders():  # what closes our long would be in the way
            if order.close:
                world.venue_cancels(order)
        by_hand(world, 30, side="sell", close=True)
        world.run_until(lambda: "without an own fill: long -30" in log.text, 12)
        assert state(world) is REDUCING
        assert shown(world) == world.position() == (70, 0)
        world.run(100)
        assert_well(world)


def test_at_the_limit_exactly_that_side_stops() -> None:
    world = World(CHECK_POSITION_LIMITS=True, MAX_POSITION=100, MIN_POSITION=-900)
    with world.installed():
        world.start()
        world.run_until(lambda: len(world.orders()) == 4)
        hit(world)
        world.run(10)
        assert world.position()[0] == 100
        assert not [o for o in world.orders() if o.side is Side.BUY]
        world.run(20)
        assert_well(world)


def worst_long(world: World) -> Decimal:
    """Return the position when every buy that rests now fills."""
    long, short = world.position()
    return long - short + sum(o.left for o in world.orders() if o.side is Side.BUY)


@pytest.mark.parametrize("push", ["full", "changed"])
def test_a_limit_that_is_lowered_holds_within_five_seconds(push: str) -> None:
    with quoting(quirks=Quirks(position_push=push)) as world:  # type: ignore[arg-type]
        hit(world)
        world.run(5)
        assert worst_long(world) > 150
        settings.load(None, overrides=world.settings | {"MAX_POSITION": 150})
        world.run(5)
        assert worst_long(world) <= 150
        settings.load(None, overrides=world.settings | {"MAX_POSITION": 50})
        world.run(5)
        assert worst_long(world) <= 100  # what is held already
        assert not [o for o in world.orders() if o.side is Side.BUY]
        assert [o for o in world.orders() if o.side is Side.SELL]
        world.run(30)
        assert_well(world, exposure=False)


def test_the_same_wish_on_the_same_market_is_planned_anew_when_a_limit_has_changed() -> None:
    with quoting() as world:
        assert world.bot
        world.run(5)
        wish = [{"price": 8448, "orderQty": 100, "side": "Buy"}]
        world.bot.converge_orders(wish, [])
        world.timeline.sleep(0.1)
        world.bot.exchange.orders.take_news()
        for most, count in ((100, 1), (99, 0)):
            settings.load(None, overrides=world.settings | {"MAX_POSITION": most})
            for _ in range(2):
                world.bot.converge_orders(wish, [])
            live = world.bot.exchange.orders.live()
            assert sum(order.state is OrderState.OPEN for order in live) == count


@pytest.mark.parametrize("limit", [0, 5])
def test_limits_far_below_the_position_quote_it_away_and_nothing_else(limit: int) -> None:
    with quoting() as world:
        hit(world)
        world.run(5)
        changed = {"MAX_POSITION": limit, "MIN_POSITION": -limit}
        settings.load(None, overrides=world.settings | changed)
        world.run(5)
        assert state(world) is ACTIVE
        assert not [o for o in world.orders() if o.side is Side.BUY]
        assert [o for o in world.orders() if o.side is Side.SELL]


def test_orders_that_max_open_value_keeps_away_are_said(log: pytest.LogCaptureFixture) -> None:
    world = World(MAX_OPEN_VALUE=1e-12)
    with world.installed():
        world.start()
        world.run(10)
        assert world.orders() == []
        assert "Not placed: 6 orders, MAX_OPEN_VALUE" in log.text


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({}, ACTIVE), ({"MAX_LOSS": 1.0}, PAUSED), ({"MAX_OPEN_VALUE": 10.0}, PAUSED)],
)
def test_where_the_venue_values_contracts_by_another_rule_no_profit_is_shown_and_no_limit_trusts_it(
    limits: dict[str, float], expected: TradingState, log: pytest.LogCaptureFixture
) -> None:
    with quoting(**limits) as world:
        hit(world, 40)
        world.run(5)
        wrong = 'pos_margin_ratio="0.000001"'
        world.fault("frame_field", match="position", value=wrong, for_ms=9_000)
        world.run(5)
        assert state(world) is expected
        assert "Profit is not shown: the venue values 40 contracts at " in log.text
        log.clear()
        log.set_level(logging.DEBUG)
        world.run(2)
        assert "Profit of this run" not in log.text
        assert expected is PAUSED or "Profit and delta not shown: the venue values" in log.text
        world.run(20)
        assert state(world) is ACTIVE
        assert "Profit of this run" in log.text


@pytest.mark.parametrize("lost", [("", "BTC"), ("BTC",)], ids=["both", "base"])
def test_a_pair_is_not_quoted_on_balances_that_cannot_be_read_any_more(
    lost: tuple[str, ...],
) -> None:
    pair = Key(SPOT, "USDT", "BTC/USDT")
    world = World(key=pair, still=False, ORDER_START_SIZE=0.01, ORDER_STEP_SIZE=0)
    with world.installed():
        world.put("buy", "8490", 10_000)
        world.put("sell", "8497.5", 10_000)
        world.start()
        world.run(20)
        assert state(world) is ACTIVE
        assert world.bot
        client, fails = world.bot.exchange.client, [True]
        query = client.account_query

        def account_query(asset: str = "") -> list[Margin]:
            if fails and asset in lost:
                raise Temporary("no answer")
            return query(asset)

        client.account_query = account_query  # type: ignore[method-assign]
        world.run(45)
        assert state(world) is ACTIVE
        world.run(35)
        assert reason(world) == "balance not read for over a minute"
        assert world.orders() == []
        fails.clear()
        world.run(30)
        assert state(world) is ACTIVE
