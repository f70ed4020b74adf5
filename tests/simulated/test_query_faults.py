"""Faults of order entry: lists that are wrong, fills, refusals, and crossing prices."""

from decimal import Decimal

import pytest

from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange.account import LegKey, Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER
from market_maker.safety.trading_state import TradingState
from tests.world.oracle import assert_agrees, assert_well
from tests.world.scene import (
    BATCH,
    CANCEL,
    CREATE,
    FINE,
    QUERY,
    every_venue,
    free_a_slot,
    move_bids,
    quoting,
    said,
    state,
    watch,
    when,
)
from tests.world.world import World

MANY = {"ORDER_PAIRS": 60, "ORDER_STEP_SIZE": 0, "INTERVAL": 0.001, "ORDER_START_SIZE": 10}
MANY |= {"MAX_OPEN_ORDERS": 300}
INSIDE = {"MIN_SPREAD": 0.0, "INTERVAL": 0.005}
"""The innermost orders stand alone at the best prices, so that takers meet them first."""


def quote_all(world: World) -> None:
    """Let the bot place all that it wants; the venue takes so many orders only in some seconds."""
    world.run_until(lambda: len(world.orders()) == 120, 10)
    world.run(3)


def refuse(
    world: World, path: str, code: int, times: int = 10**6, **params: str
) -> list[RawRequest]:
    """Refuse the next requests to an endpoint with these parameters; return a list of them."""
    refused: list[RawRequest] = []

    def strike(asked: RawRequest) -> None:
        given = dict(asked.query)
        if asked.path.endswith(path) and params.items() <= given.items() and len(refused) < times:
            refused.append(asked)
            world.fault("code", match=path, value=str(code), times=1)

    world.network.watchers.append(strike)
    return refused


def take_sells(world: World, qty: int) -> None:
    """Let somebody buy at our best sell."""
    world.take("buy", str(min(o.price for o in world.orders() if o.side is Side.SELL)), qty)


def take_buys(world: World, qty: int) -> None:
    """Let somebody sell at our best buy."""
    world.take("sell", str(max(o.price for o in world.orders() if o.side is Side.BUY)), qty)


@every_venue
def test_more_than_a_hundred_orders_are_listed_page_by_page(quirks: Quirks) -> None:
    with quoting(quirks=quirks, **MANY) as world:
        quote_all(world)
        assert len(world.orders()) == 120
        queries = watch(world, QUERY)
        world.fault("lost", match=CREATE, done=True, times=1)
        free_a_slot(world)
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 120
        pages = [asked for asked in queries if {"gt_order_id", "filter"} <= set(dict(asked.query))]
        assert pages


@every_venue
def test_a_row_left_out_and_one_repeated_end_and_double_nothing(quirks: Quirks) -> None:
    with quoting(quirks=quirks, **MANY) as world:
        quote_all(world)
        before, creates = {o.order_id for o in world.orders()}, watch(world, CREATE)
        world.fault("query_churn", match=QUERY, for_ms=60_000)
        world.run(60)
        assert {o.order_id for o in world.orders()} == before
        assert creates == []
        world.run(30)
        assert_well(world)


def test_a_failed_second_page_voids_the_scan() -> None:
    with quoting(**MANY) as world:
        quote_all(world)
        before, creates = {o.order_id for o in world.orders()}, watch(world, CREATE)

        def fail(asked: RawRequest) -> None:
            if asked.path.endswith(QUERY) and "gt_order_id" in dict(asked.query):
                world.fault("status", match=QUERY, value="502", times=1)

        world.network.watchers.append(fail)
        world.run(14)
        assert {o.order_id for o in world.orders()} == before
        assert creates == []
        world.network.watchers.remove(fail)
        world.run(30)
        assert_well(world)


@every_venue
@pytest.mark.parametrize("lag_ms", [1000, 3000, 4900])
def test_a_list_that_lags_ends_no_order_that_lives(quirks: Quirks, lag_ms: int) -> None:
    with quoting(quirks=quirks, **FINE) as world:
        creates = watch(world, CREATE)
        world.fault("query_lag", match=QUERY, value=str(lag_ms), for_ms=40_000)
        world.fault("mute", match="order", for_ms=4_000)  # the feed does not help either
        for bid in ("8491", "8492", "8493"):
            move_bids(world, bid)
            world.run(10)
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 6
        assert len(creates) <= 12


@pytest.mark.parametrize("way", ["halt", "exit"])
def test_orders_of_others_stay_whatever_the_bot_does(way: str) -> None:
    with quoting() as world:
        other = world.exchange.create(
            OWNER,
            world.orders()[0].instrument.key,
            side=Side.BUY,
            close=False,
            price=Decimal(8100),
            qty=Decimal(5),
            client_oid="mm_gte",  # begins like ours, and is not
            now=world.timeline.true_ms(),
        )
        world.venue.publish(world.timeline.true_ms())
        world.run(15)
        assert_well_but_one(world, other)
        if way == "halt":
            world.bot.halt("a test")
            world.run(20)
        else:
            world.bot.exit()
        mine = [
            o for o in world.exchange.blotter.live(OWNER) if o.client_oid not in (None, "mm_gte")
        ]
        assert mine == []
        assert world.exchange.blotter.find(OWNER, other).resting == 5


def assert_well_but_one(world: World, other: int) -> None:
    """All is well beside an order whose id begins like ours."""
    known = {int(order.order_id) for order in world.bot.exchange.orders.tracker.live()}
    assert known == {o.order_id for o in world.orders()} - {other}
    assert state(world) is TradingState.ACTIVE


@every_venue
@pytest.mark.parametrize("stale", ['filled_qty="0"', 'status="2"', 'status="1"'])
def test_rows_older_than_what_is_known_change_nothing(quirks: Quirks, stale: str) -> None:
    with quoting(quirks=quirks, **INSIDE) as world:
        world.fault("reply_field", match=QUERY, value=stale, for_ms=30_000)
        take_buys(world, 40)  # in part
        take_sells(world, 100)  # to the end
        world.run(60)
        assert_well(world)
        assert (world.report.bought, world.report.sold) == (40, 100)


@every_venue
def test_frames_that_come_late_bring_no_ended_order_back(quirks: Quirks) -> None:
    with quoting(quirks=quirks, **INSIDE) as world:
        world.fault("frame_late", match="order", value="3000", chance=0.5, for_ms=20_000)
        for _ in range(4):
            take_buys(world, 60)
            take_sells(world, 60)
            world.run(5)
        world.run(30)
        assert_well(world)


def test_while_no_list_can_be_had_nothing_is_concluded_and_quotes_are_pulled(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        lost = when(world, lambda: len(world.orders()) < 6)
        begun = world.timeline.monotonic()
        world.fault("status", match=QUERY, value="503", for_ms=300_000)
        world.run_until(lambda: state(world) is TradingState.REDUCING, 40)
        assert 15 <= world.timeline.monotonic() - begun <= 28
        # flat, so that no order may rest which only brings the position nearer to zero
        world.run_until(lambda: state(world) is TradingState.PAUSED, 30)
        assert 30 <= world.timeline.monotonic() - begun <= 43
        assert world.orders() == []
        assert lost[0] - begun > 15
        world.run(300 - (world.timeline.monotonic() - begun))
        assert world.orders() == []
        world.run(30)
        assert_well(world)
        assert len(world.orders()) == 6
    assert said(log, "Could not read own orders over REST") == 1


def test_quotes_that_others_forbid_to_list_are_cancelled_by_their_ids() -> None:
    with quoting() as world:
        world.fault("status", match=QUERY, value="503", for_ms=60_000)
        world.bot.halt("a test")
        world.run(10)
        assert world.orders() == []


@every_venue
def test_each_part_of_a_fill_is_booked_once_and_the_slot_stays_taken(
    quirks: Quirks,
) -> None:
    with quoting(quirks=quirks, **INSIDE) as world:
        creates = watch(world, CREATE)
        for part in (10, 1, 29, 30):
            take_buys(world, part)
            world.run(3)
            assert_agrees(world)
        assert creates == []
        assert world.bot.exchange.money.trades.bought == 70
        take_buys(world, 30)
        world.run(30)
        assert_well(world)
        assert world.bot.exchange.money.trades.bought == 100
        assert len(creates) >= 1


@pytest.mark.parametrize("source", ["frames", "replies"])
@pytest.mark.parametrize("value", ['filled_qty="99999"', 'filled_qty="-5"', 'cum_qty="99999"'])
def test_an_impossible_row_is_refused(source: str, value: str) -> None:
    with quoting(**INSIDE) as world:
        if source == "replies":
            world.fault("reply_field", match=QUERY, value=value, for_ms=20_000)
        else:
            table = "execution" if value.startswith("cum") else "order"
            world.fault("frame_field", match=table, value=value, for_ms=20_000)
        take_buys(world, 40)
        world.run(25)
        assert all(order.remaining >= 0 for order in world.bot.exchange.orders.tracker.live())
        world.run(60)
        assert_well(world)
        assert world.bot.exchange.money.trades.bought == world.report.bought


def long_position(world: World, qty: int) -> None:
    """Give the account a long leg, bought by hand."""
    world.foreign_order("buy", "8500", qty)


def test_no_close_is_asked_for_beyond_what_can_be_closed() -> None:
    # An order opens where not all of it can close. So it is for the order that is wanted, but the
    # same order is not sent twice.
    world = World(
        CHECK_POSITION_LIMITS=True, **(INSIDE | {"MIN_POSITION": -1500, "MAX_POSITION": 1500})
    )
    with world.installed():
        long_position(world, 150)
        by_hand = world.foreign_order("sell", "9000", 60, close=True)
        world.start()
        world.run(30)
        assert world.report.refusals[-13101] == 0
        leg = LegKey("BTC", "BTC_USD", True)
        closes = sum(o.left for o in world.orders() if o.close)
        assert closes <= 90
        assert world.exchange.ledger.accounts[OWNER].leg(leg).qty == 150
        for _ in range(6):
            take_sells(world, 30)
            world.run(5)
        world.run(30)
        assert world.report.refusals[-13101] == 0
        assert world.exchange.blotter.find(OWNER, by_hand).resting == 60


@pytest.mark.parametrize("code", [-13005, -13101])
def test_a_close_that_is_refused_is_left_out_at_that_price_for_a_minute(
    code: int, log: pytest.LogCaptureFixture
) -> None:
    world = World(CHECK_POSITION_LIMITS=True, MIN_POSITION=-1500, MAX_POSITION=1500)
    with world.installed():
        long_position(world, 150)
        refused = refuse(world, CREATE, code, close_flag="1")
        world.start()
        world.run(55)
        prices = [dict(asked.query)["price"] for asked in refused]
        assert len(prices) == len(set(prices)) >= 1
        assert world.bot.health.state is TradingState.ACTIVE
        assert len(world.orders()) == 5
        world.network.watchers.clear()
        world.run(60)
        assert_well(world)
        assert len(world.orders()) == 6
        assert any(order.close for order in world.orders())
    assert str(code) in log.text


@pytest.mark.parametrize("levels", [2, 4])
def test_too_little_margin_costs_the_outermost_levels_for_a_minute(
    levels: int, log: pytest.LogCaptureFixture
) -> None:
    given = {"ORDER_STEP_SIZE": 0, "ORDER_START_SIZE": 10_000, "CHECK_POSITION_LIMITS": False}
    world = World(**given)
    with world.installed():
        each = Decimal(10_000) / 8490 / 10
        free = (each * levels * Decimal("1.06")).quantize(Decimal("0.0001"))
        everything = world.exchange.ledger.accounts[OWNER].balance(Wallet.CONTRACT, "BTC").total
        world.exchange.transfer(
            OWNER, "BTC", source=Wallet.CONTRACT, target=Wallet.FUNDING, amount=everything - free
        )
        creates = watch(world, CREATE)
        world.start()
        world.run(50)
        sides = [order.side for order in world.orders()]
        assert sides.count(Side.BUY) == sides.count(Side.SELL) == levels // 2
        assert len(creates) <= 6  # and not again at each tick
        inner = {Decimal(8448), Decimal("8539.5")}
        assert inner <= {order.price for order in world.orders()}
        world.exchange.transfer(
            OWNER, "BTC", source=Wallet.FUNDING, target=Wallet.CONTRACT, amount=everything - free
        )
        world.run(130)
        assert_agrees(world)
        assert len(world.orders()) == 6
        assert state(world) is TradingState.ACTIVE
    assert "-13203" in log.text or "-11003" in log.text


@pytest.mark.parametrize("code", [-10011, -10012, -10013])
def test_three_parameters_refused_in_a_row_halt_the_bot(
    code: int, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        refused = refuse(world, CREATE, code)
        free_a_slot(world)
        world.run(120)
        assert state(world) is TradingState.HALTED
        assert (len(refused), world.orders()) == (3, [])
    assert (
        said(log, "HALTED until a person has looked: venue rejected the parameters of 3 creates")
        == 1
    )


def test_two_refusals_with_a_success_after_them_halt_nothing() -> None:
    with quoting() as world:
        refuse(world, CREATE, -10013, times=2)
        free_a_slot(world)
        world.run(60)
        assert_well(world)
        assert len(world.orders()) == 6


def test_a_new_tick_is_learnt_from_the_feed_before_anything_is_refused() -> None:
    with quoting() as world:
        world.fault("tick_change", value="2.5", for_ms=60_000)
        world.run(40)
        assert state(world) is TradingState.ACTIVE
        assert all(order.price % Decimal("2.5") == 0 for order in world.orders())
        assert len(world.orders()) == 6
        assert world.report.refusals[-10013] <= 2
        world.run(60)
        assert_well(world)


@pytest.mark.parametrize("post_only", [True, False])
def test_no_price_is_sent_at_or_through_the_known_other_side(post_only: bool) -> None:
    with quoting(POST_ONLY=post_only, **(INSIDE | FINE)) as world:
        crossing: list[dict[str, str]] = []

        def look(asked: RawRequest) -> None:
            if asked.path.endswith(CREATE):
                given, ticker = dict(asked.query), world.bot.exchange.feed.get_ticker()
                price = Decimal(given["price"])
                known = ticker.ask if given["side"] == "1" else ticker.bid
                if known and (price >= known if given["side"] == "1" else price <= known):
                    crossing.append(given)

        world.network.watchers.append(look)
        for number in range(20):
            world.put("buy", str(8485 + world.chance.randrange(12)), 500)
            world.put("sell", str(8494 + world.chance.randrange(12)), 500)
            world.run(1 + number % 3)
        assert crossing == []


def test_orders_that_keep_taking_are_booked_counted_and_pause_the_bot(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting(**(INSIDE | {"MIN_POSITION": -50_000, "MAX_POSITION": 50_000})) as world:

        def meet(asked: RawRequest) -> None:
            given = dict(asked.query)
            if asked.path.endswith(CREATE) and given["side"] == "1":
                world.put("sell", given["price"], 10)

        world.network.watchers.append(meet)
        while state(world) is not TradingState.PAUSED:
            assert len(world.report.fills) < 30
            take_buys(world, 100)
            world.run(4)
        taken = [fill for fill in world.report.fills if not fill.maker]
        assert world.bot.exchange.orders.reconciler.taker_reports.count == len(taken) >= 5
        world.network.watchers.clear()
        world.run(120)
        assert state(world) is TradingState.ACTIVE
        assert_agrees(world)
    assert said(log, "5 own orders took liquidity within 60 s") >= 1


@every_venue
@pytest.mark.parametrize("to", ["up", "down"])
@pytest.mark.parametrize("fault", ["pending", "lost", "in doubt"])
def test_own_orders_never_meet_while_they_are_repriced(quirks: Quirks, to: str, fault: str) -> None:
    # Buys are wanted where sells rest, and these cannot be got out of the way at once.
    wide = {"MIN_POSITION": -5000, "MAX_POSITION": 5000}
    with quoting(quirks=quirks, PRICE_COLLAR=0.05, **(INSIDE | wide)) as world:
        if fault == "pending":
            for path in (CANCEL, BATCH):
                world.fault("cancel_pending", match=path, value="6000", for_ms=10_000)
        elif fault == "lost":
            for path in (CANCEL, BATCH):
                world.fault("lost", match=path, for_ms=10_000)
        else:
            world.fault("lost", match=CREATE, done=True, times=1)
            free_a_slot(world)
        side, other = ("sell", "buy") if to == "up" else ("buy", "sell")
        for level in range(25):  # the market leaves our orders behind
            price = 8497.5 + 2.5 * level if to == "up" else 8490 - 2.5 * level
            world.put(side, str(price), 0)
        best = 8600 if to == "up" else 8385
        world.put(side, str(best), 5000)
        world.put(other, str(best - 1 if to == "up" else best + 1), 5000)
        world.index(str(best))
        world.run(75)
        assert world.report.self_trades == 0
        assert_well(world)
        buys = [order.price for order in world.orders() if order.side is Side.BUY]
        sells = [order.price for order in world.orders() if order.side is Side.SELL]
        assert max(buys) < min(sells)


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(forget_client_oid=True)])
def test_an_order_whose_row_says_that_it_has_ended_while_it_rests_is_taken_back(
    quirks: Quirks, log: pytest.LogCaptureFixture
) -> None:
    world = World(quirks=quirks)  # for a while two orders rest at one price: the row was wrong
    with world.installed():
        world.start()
        world.run(8)
        best = max((o for o in world.orders() if o.side is Side.BUY), key=lambda o: o.price)
        world.fault("frame_field", match="order", value='status="8"', for_ms=100)
        world.take("sell", str(best.price), 60_000 + 40)
        world.run(60)
        assert said(log, "Order rests, though its row said that it had ended") == 1
        assert state(world) is TradingState.ACTIVE
        assert len({(o.side, o.price) for o in world.orders()}) == len(world.orders()) == 6
        assert_agrees(world)
