"""Faults of market data: what the feed says of the market is odd, late, lost or false."""

import json
from decimal import Decimal
from typing import Any

import pytest

from market_maker.errors import VenueUnreachable
from market_maker.models import Exposure, Instrument, OrderRequest, Position, Side, Snapshot, Ticker
from market_maker.paper.api.levels import book_side
from market_maker.paper.exchange.engine import Side as BookSide
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety import book_audit
from market_maker.safety.trading_state import TradingState
from market_maker.strategy import ladder, risk
from market_maker.ws.tables import NEWS, TRADES
from tests.world.feed_scene import creates, epoch, hit, quoting, reason
from tests.world.oracle import assert_sound, assert_well
from tests.world.scene import state
from tests.world.world import World

ACTIVE, REDUCING, PAUSED, HALTED = TradingState
CANCELS = ("pc/order/cancel", "pc/order/cancel_batch")
LADDER = [
    *("SELL 446 @ 8625", "SELL 273 @ 8582", "SELL 100 @ 8539.5"),
    *("BUY 100 @ 8448", "BUY 273 @ 8406", "BUY 446 @ 8364"),
]
PLACE = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}


def counts(world: World) -> dict[str, int]:
    assert world.bot
    return world.bot.exchange.feed._tables.counts


def is_book_true(world: World) -> bool:
    """Say whether the bot sees the book as it is at the venue, our own quantity included."""
    assert world.bot
    listing = world.exchange.listing(BTC_USD)
    told = {side: book_side(listing, side, 50) for side in BookSide}
    true = book_audit.levels_of({"bids": told[BookSide.BUY], "asks": told[BookSide.SELL]})
    return book_audit.levels_of(world.bot.exchange.feed.market_depth(50)) == true


def assert_all_well(world: World, seconds: float = 30) -> None:
    """Let the world run on without the fault; then all has to be as it was before."""
    world.run(seconds)
    assert_well(world)
    assert is_book_true(world)


# --- the order of frames --------------------------------------------------------------------------


def test_rows_before_the_first_image_are_dropped_until_it_comes() -> None:
    with quoting() as world:
        world.fault("no_partial", match="order_book", times=1)
        world.network.drop_all()
        world.run_until(lambda: state(world) is PAUSED and "order_book" in reason(world))
        before = creates(world)
        world.put("buy", "8491", 7)
        world.put("buy", "8490", 0)
        world.run(5)
        assert counts(world)["before partial"] >= 2
        assert state(world) is PAUSED
        assert creates(world) == before
        assert_all_well(world)


@pytest.mark.parametrize("table", ["order_book", "order", "position", "margin", "instrument"])
def test_a_first_image_that_is_sent_again_replaces_the_table(table: str) -> None:
    with quoting() as world:
        world.fault("frame_twice", match=table, for_ms=5_000)
        world.network.drop_all()
        world.run_until(lambda: epoch(world) == 2 and state(world) is ACTIVE)
        assert_all_well(world)
        assert world.ladder() == LADDER


def test_a_frame_that_comes_twice_changes_nothing_twice() -> None:
    with quoting() as world:
        for table in ("order_book", "order", "position", "execution"):
            world.fault("frame_twice", match=table, for_ms=20_000)
        world.put("buy", "8491", 30)
        world.put("sell", "8497", 20)
        world.run(3)
        assert is_book_true(world)
        hit(world)
        world.run(10)
        assert world.bot
        assert world.bot.exchange.money.trades.bought == world.report.bought > 0
        assert is_book_true(world)
        assert_all_well(world)


def test_what_arrives_later_is_newer_and_the_audit_finds_a_level_that_came_too_late() -> None:
    with quoting() as world:
        world.fault("frame_late", match="order_book", value="4000", times=1)
        world.put("buy", "8480", 5)
        world.run(1)
        world.put("buy", "8480", 77)
        world.run(1)
        assert is_book_true(world)
        world.run(5)  # the late frame comes in
        assert not is_book_true(world)
        world.run(40)
        assert is_book_true(world)
        assert_all_well(world)


def test_an_older_row_of_an_order_does_not_bring_it_back() -> None:
    with quoting() as world:
        world.fault("frame_late", match="order", value="4000", times=1)  # a part of it has filled
        hit(world, 40)
        world.run(1)
        hit(world, 60)  # the rest has, and is told at once
        world.run(10)
        assert world.bot
        assert world.bot.exchange.money.trades.bought == world.report.bought > 0
        assert_all_well(world)


# --- levels that are not known --------------------------------------------------------------------


@pytest.mark.parametrize("ids_only", [False, True])
def test_a_delete_of_an_unknown_level_is_ignored(ids_only: bool) -> None:
    with quoting(quirks=Quirks(id_only_deltas=ids_only)) as world:
        for price in ("8491", "8491.5", "8492", "8492.5", "8493", "8493.5", "8494"):
            world.fault("frame_lost", match="order_book", times=1)
            world.put("buy", price, 5)
            world.put("buy", price, 0)
            world.run(1)
            assert is_book_true(world)
        assert epoch(world) == 1
        assert_all_well(world)


def test_an_update_of_an_unknown_level_that_says_all_sets_it() -> None:
    with quoting() as world:
        world.fault("frame_lost", match="order_book", times=1)
        world.put("buy", "8491", 5)
        world.put("buy", "8491", 6)
        world.run(1)
        assert is_book_true(world)
        assert_all_well(world)


def test_an_update_by_an_unknown_id_alone_changes_no_level_and_the_audit_finds_it() -> None:
    with quoting(quirks=Quirks(id_only_deltas=True)) as world:
        assert world.bot
        before = world.bot.exchange.feed.market_depth(50)
        world.fault("frame_lost", match="order_book", times=1)
        world.put("buy", "8491", 5)
        world.put("buy", "8491", 6)
        world.run(1)
        assert world.bot.exchange.feed.market_depth(50) == before
        world.run_until(lambda: epoch(world) == 2, 15)
        assert_all_well(world)


@pytest.mark.parametrize("level", range(0, 15, 7))
def test_a_lost_update_is_found_by_the_audit(level: int, log: pytest.LogCaptureFixture) -> None:
    with quoting(ORDER_PAIRS=1) as world:
        world.fault("frame_lost", match="order_book", times=1)
        world.put("sell", str(Decimal("8497.5") + Decimal("2.5") * level), 3)
        world.run(1)
        assert not is_book_true(world)
        world.run_until(lambda: epoch(world) == 2, 15)
        assert "Order book has drifted from REST" in log.text
        assert_all_well(world)


def test_a_book_that_moves_while_it_is_audited_is_not_taken_for_drift() -> None:
    with quoting() as world:
        for turn in range(200):
            world.put("buy", "8491", 5 + turn)
            world.put("sell", "8497", 5 + turn)
            world.run(0.3)
        assert epoch(world) == 1
        assert_all_well(world)


# --- books that are no market ---------------------------------------------------------------------


def test_nothing_is_quoted_off_a_crossed_book(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        world.fault("book_cross", for_ms=20_000)
        before = creates(world)
        world.run(4)
        assert state(world) is PAUSED
        assert "order book crossed: bid 8498, ask 8497.5" in log.text
        world.run(15)
        assert creates(world) == before
        assert epoch(world) > 1  # it looks anew, for it could be the feed's own fault
        world.run(15)
        assert_all_well(world)


def test_a_locked_book_is_quoted_one_tick_away() -> None:
    start = ladder.start_prices(bid=8490.0, ask=8490.0, tick=0.5, min_spread=0.0)
    assert (start.buy, start.sell) == (8490.0, 8490.0)
    snapshot = Snapshot(
        instrument=Instrument(
            instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
        ),
        ticker=Ticker(bid=Decimal(8490), ask=Decimal(8490)),
        orders=(),
        position=Position(),
        exposure=Exposure.of((Decimal(0), Decimal(0))),
    )
    wanted = [
        OrderRequest(side=side, price=Decimal(price), qty=Decimal(1))
        for side, price in (
            *((Side.BUY, "8490"), (Side.BUY, "8489.5")),
            *((Side.SELL, "8490"), (Side.SELL, "8490.5")),
        )
    ]
    limits = risk.Limits(check=False, min_position=Decimal(0), max_position=Decimal(0))
    assert set(risk.trim(wanted, snapshot, limits).orders) == {wanted[1], wanted[3]}


def test_a_locked_book_stops_nothing() -> None:
    world = World(CHECK_POSITION_LIMITS=True)
    world.fault("frame_lost", match="order_book", after_ms=20_000, times=1)
    world.fault("frame_field", match="order_book", value="id=")
    with world.installed():
        world.start()
        world.run(21)
        assert world.bot
        world.put("sell", "8497.5", 0)  # which is lost
        world.put("buy", "8497.5", 50)
        world.run(1)
        ticker = world.bot.exchange.snapshot().ticker
        assert ticker.bid == ticker.ask == Decimal("8497.5")
        world.run(3)
        assert state(world) is ACTIVE
        assert_all_well(world)


def test_nothing_is_quoted_without_a_book_and_the_quotes_are_pulled(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        world.fault("book_empty", for_ms=60_000)
        world.run(3)
        before = creates(world)
        assert state(world) is PAUSED
        assert "order book empty on one side or both" in log.text
        assert world.ladder() == LADDER  # they may stay for QUOTE_TTL
        world.run(13)
        assert world.ladder() == []
        world.run(40)
        assert creates(world) == before
        assert_all_well(world)
        assert world.ladder() == LADDER


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_side_that_is_missing_is_not_made_up(side: str) -> None:
    with quoting() as world:
        sign, best = (-1, Decimal(8490)) if side == "buy" else (1, Decimal("8497.5"))
        prices = [str(best + sign * Decimal("2.5") * level) for level in range(25)]
        for price in prices:
            world.put(side, price, 0)
        before = creates(world)
        world.run(16)
        assert state(world) is PAUSED
        assert world.ladder() == []
        assert creates(world) == before
        for price in prices:
            world.put(side, price, 1000)
        assert_all_well(world)


# --- values that are none -------------------------------------------------------------------------

ODD = {
    "lacking": [""],
    "empty": ["null", '""', '"null"'],
    "no plain number": [
        *("NaN", "Infinity", "1e999", '"NaN"', '"Infinity"', '"1e3"', '"-1"'),
        *(f'"{"9" * 400}"', '"0.0000000000000000000000001"'),
    ],
    "wrong type": ["[]", "true", "{}", "8490.5", '["8490"]'],
    "odd numeral": [
        '"1_000"',
        '"\uff18\uff14\uff19\uff10"',
        '"+5"',
        '" 5 "',
        '"5."',
        '".5"',
        '"05"',
    ],
}
FIELDS = {
    "order_book": ["price", "size"],
    "instrument": ["tick_size", "mark_price", "lot_size"],
    "order": ["price", "qty", "filled_qty"],
    "position": ["qty", "avail_qty"],
    "margin": ["total"],
}
OPTIONAL = {"tick_size", "mark_price", "lot_size"}
"""Fields of the instrument that only one venue or endpoint has (design: The wire)."""


def refused(world: World) -> int:
    return sum(
        count
        for words, count in counts(world).items()
        if words.startswith(("row refused", "bad frame", "field of"))
    )


def _odd(row: str) -> list[tuple[str, str, str]]:
    return [
        (table, field, value)
        for table, fields in FIELDS.items()
        for field in fields
        for value in ODD[row]
        if not (value == "" and field in OPTIONAL)
        and (field, value) != ("total", '"-1"')  # an account may owe
    ]


def feed_odd(table: str, field: str, value: str, log: pytest.LogCaptureFixture) -> None:
    """Let one frame of a table have an odd value, and see that nothing came of it."""
    with quoting() as world:
        assert world.bot
        if table == "position":
            hit(world)  # before there is one, its frames have no rows
            world.run(3)
        before = world.bot.exchange.snapshot()
        world.fault("frame_field", match=table, value=f"{field}={value}", times=1)
        if value == "":  # later frames may tell of what has changed alone
            world.network.drop_all()
        elif table == "instrument":
            world.index("8494")
        elif table == "order_book":
            world.put("buy", "8491", 7)
        elif table == "order":
            hit(world)
        world.run(1.5)
        after = world.bot.exchange.snapshot() if table != "position" else before
        if epoch(world) == 2 and value:  # a row of the instrument may have told of another tick
            assert table == "instrument"
            assert f"invalid row of instrument: {field}" in log.text
            assert after.instrument.tick == before.instrument.tick
            assert_all_well(world, 20)
            return
        assert refused(world) >= 1
        if table == "order_book" and value:
            assert after.ticker == before.ticker
        if table == "instrument":
            assert after.instrument.tick == before.instrument.tick
            assert after.instrument.mark_price == before.instrument.mark_price
        assert_all_well(world, 20)
        assert log.text.count("Dropped invalid feed data") == 1


@pytest.mark.parametrize(("table", "field", "value"), _odd("lacking"))
def test_a_row_that_lacks_a_field_is_refused(
    table: str, field: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    feed_odd(table, field, value, log)


def test_a_tick_that_no_row_tells_is_learned_from_the_book(log: pytest.LogCaptureFixture) -> None:
    with quoting(quirks=Quirks(withhold_tick_size=True)) as world:
        assert world.bot
        assert world.bot.exchange.snapshot().instrument.tick == Decimal("2.5")  # of a round book
        world.put("buy", "8470.5", 7)
        world.run(10)
        assert world.bot.exchange.snapshot().instrument.tick == Decimal("0.5")
        world.put("buy", "8470.5", 0)
        assert_all_well(world)
        assert world.bot.exchange.snapshot().instrument.tick == Decimal("0.5")
        assert "parameter" not in log.text


def test_without_tick_and_precision_nothing_is_started() -> None:
    world = World(quirks=Quirks(withhold_tick_size=True))
    world.fault("frame_field", match="instrument", value="price_precision=")
    with world.installed():
        with pytest.raises(VenueUnreachable, match="instrument"):
            world.start()
        assert creates(world) == 0


@pytest.mark.parametrize(("table", "field", "value"), _odd("empty"))
def test_a_field_without_a_value_is_refused_and_is_not_zero(
    table: str, field: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    feed_odd(table, field, value, log)


@pytest.mark.parametrize(("table", "field", "value"), _odd("no plain number"))
def test_what_is_no_plain_number_is_refused(
    table: str, field: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    feed_odd(table, field, value, log)


@pytest.mark.parametrize(
    ("table", "field"),
    [("order_book", "price"), ("instrument", "mark_price"), ("instrument", "tick_size")],
)
def test_a_price_of_zero_is_refused(table: str, field: str, log: pytest.LogCaptureFixture) -> None:
    feed_odd(table, field, '"0"', log)


@pytest.mark.parametrize(("table", "field", "value"), _odd("wrong type"))
def test_a_value_of_the_wrong_type_is_refused(
    table: str, field: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    feed_odd(table, field, value, log)


@pytest.mark.parametrize("value", ["[1]", "{}", "7", "true"])
@pytest.mark.parametrize("field", ["client_oid", "close_flag", "order_id", "side", "status"])
def test_a_word_of_an_order_that_has_the_wrong_type_is_refused(
    field: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    feed_odd("order", field, value, log)


@pytest.mark.parametrize("value", ["[1]", "{}", "7"])
@pytest.mark.parametrize("field", ["client_oid", "close_flag", "order_id", "side", "status"])
def test_so_it_is_in_an_answer_of_rest(field: str, value: str) -> None:
    with quoting() as world:
        world.fault("reply_field", match="pc/order/query", value=f"{field}={value}", times=2)
        world.run(25)
        assert_all_well(world)


@pytest.mark.parametrize(("table", "field", "value"), _odd("odd numeral"))
def test_odd_numerals_are_refused(
    table: str, field: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    feed_odd(table, field, value, log)


# --- frames that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("frame_half", ""), ("frame_raw", "not_json"), ("frame_raw", "binary")]
)
def test_what_cannot_be_read_is_dropped_and_too_much_of_it_ends_the_connection(
    name: str, value: str, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        world.fault(name, match="margin", value=value, times=4)
        world.run(10)
        assert counts(world)["bad frame"] == 4
        assert (epoch(world), state(world)) == (1, ACTIVE)
        world.fault(name, match="margin", value=value, times=1)
        world.run(10)
        assert epoch(world) == 2
        assert "5 bad frames in a minute" in log.text
        assert "\x1b" not in log.text
        assert_all_well(world)


@pytest.mark.parametrize("how", ["nested", "long_number", "named_twice", "bad_utf8"])
def test_what_json_allows_and_nobody_means_is_dropped(
    how: str, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        world.fault("frame_raw", match="margin", value=how, times=3)
        world.run(10)
        assert counts(world)["bad frame"] == 3
        assert "Dropped invalid feed data" in log.text
        assert_all_well(world)


def test_an_unknown_table_is_ignored_and_said_once(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        world.fault("frame_raw", match="margin", value="unknown_table", times=20)
        world.run(30)
        assert counts(world)["unknown table"] == 20
        assert log.text.count("unknown table") == 1
        assert epoch(world) == 1
        assert_all_well(world)


@pytest.mark.parametrize("table", ["order_book", "order", "position"])
def test_an_unknown_action_makes_the_tables_unbelievable(
    table: str, log: pytest.LogCaptureFixture
) -> None:
    with quoting() as world:
        world.fault("frame_raw", match=table, value="unknown_action", times=1)
        world.put("buy", "8491", 7)
        hit(world)
        world.run_until(lambda: epoch(world) == 2, 5)
        assert f"an unknown action in table {table}" in log.text
        assert_all_well(world)


@pytest.mark.parametrize("table", ["order_book", "order", "position", "instrument"])
def test_rows_of_another_symbol_are_ignored(table: str) -> None:
    with quoting() as world:
        assert world.bot
        before = world.bot.exchange.snapshot()
        world.fault("frame_raw", match=table, value="other_symbol", times=1)
        world.put("buy", "8496", 7)
        world.put("buy", "8496", 0)
        world.index("8494")
        world.run(1)
        assert world.bot.exchange.snapshot().ticker.bid == before.ticker.bid
        assert_all_well(world)


def test_a_level_whose_id_does_not_fit_its_price_is_refused(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        assert world.bot
        before = world.bot.exchange.feed.market_depth(50)
        world.fault("frame_field", match="order_book", value='id="399990000"', times=1)
        world.put("buy", "8491", 7)
        world.run(1)
        assert world.bot.exchange.feed.market_depth(50) == before  # neither value is used
        world.fault("frame_field", match="order_book", value='id="399990000"', times=2)
        world.put("buy", "8492", 7)
        world.put("buy", "8493", 7)
        world.run_until(lambda: epoch(world) == 2, 5)
        assert "levels of the book whose id does not fit their price" in log.text
        assert_all_well(world)


# --- prices that jump -----------------------------------------------------------------------------


def move_market(world: World, to: str, *, index: bool = True) -> None:
    """Let the whole market be elsewhere in one moment."""
    centre = Decimal(to)
    for level in range(25):
        off = Decimal("2.5") * level
        world.put("buy", str(8490 - off), 0)
        world.put("sell", str(Decimal("8497.5") + off), 0)
    if index:
        world.index(to)
    for level in range(1, 5):
        world.put("buy", str(centre - 4 * level), 1000)
        world.put("sell", str(centre + 4 * level), 1000)
    world.take("sell", str(centre - 4), 1)


def test_a_jump_of_a_fifth_is_waited_for_and_then_believed(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        before = creates(world)
        move_market(world, "6700")
        world.run(2)
        assert state(world) is PAUSED
        assert creates(world) == before
        assert "price jumped by over 20%" in log.text
        world.run_until(lambda: state(world) is ACTIVE, 10)
        assert_sound(world)
        world.run(30)
        assert all(6000 < order.price < 7400 for order in world.orders())


def test_a_book_that_jumps_alone_is_not_followed(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        move_market(world, "10500", index=False)
        world.run(20)
        assert state(world) is REDUCING
        assert "from the mark price" in log.text
        assert not [o for o in world.orders() if o.side is BookSide.BUY and o.price > 9000]
        assert_sound(world)


def test_a_jump_of_a_half_is_for_a_person(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        move_market(world, "17000")
        world.run(5)
        assert state(world) is HALTED
        assert world.ladder() == []
        assert "price jumped by over 50%" in log.text
        before = creates(world)
        world.run(60)
        assert (state(world), creates(world)) == (HALTED, before)
        assert_sound(world)


def test_with_mark_and_last_apart_nothing_is_opened(log: pytest.LogCaptureFixture) -> None:
    with quoting() as world:
        world.index("9100")
        world.run(3)
        assert state(world) is REDUCING
        assert "deviates by more than 5% from the mark price 9100" in log.text
        assert world.ladder() == []  # it holds nothing that could be reduced
        world.index("8493.5")
        assert_all_well(world)
        assert world.ladder() == LADDER


def test_when_the_tick_changes_all_is_pulled_and_placed_on_the_new_grid(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        old = {order.order_id for order in world.orders()}
        world.fault("tick_change", value="2.5", for_ms=60_000)
        world.run_until(
            lambda: len(world.orders()) == 6 and not old & {o.order_id for o in world.orders()}, 10
        )
        assert all(order.price % Decimal("2.5") == 0 for order in world.orders())
        assert "Venue changed tick and lot size" in log.text
        assert -10013 not in world.report.refusals
        assert_well(world)
        world.run(60)
        assert_well(world)
        assert -10013 not in world.report.refusals


def test_a_new_tick_is_said_once_though_no_cancel_gets_through(
    log: pytest.LogCaptureFixture,
) -> None:
    with quoting() as world:
        old = {order.order_id for order in world.orders()}
        for endpoint in ("pc/order/cancel", "pc/order/cancel_batch"):
            world.fault("code", match=endpoint, value="-10002", for_ms=12_000)
        world.fault("tick_change", value="2.5", for_ms=60_000)
        world.run(10)
        assert {order.order_id for order in world.orders()} == old
        assert state(world) is ACTIVE
        world.run(15)
        assert not old & {order.order_id for order in world.orders()}
        assert log.text.count("Venue changed tick and lot size") == 1
        assert_well(world)


def test_a_symbol_that_is_not_in_order_ends_the_trading(log: pytest.LogCaptureFixture) -> None:
    with quoting(API_ERROR_INTERVAL=1) as world:
        world.fault("suspend")
        hit(world)
        world.run(90)
        assert state(world) is HALTED
        assert "HALTED until a person has looked: venue reported faulty symbol data" in log.text
        assert world.ladder() == []
        before = creates(world)
        assert world.report.refusals[-16003] <= 6
        world.run(120)
        assert creates(world) == before
        assert_sound(world)


@pytest.mark.parametrize("how", ["time_seconds", "time_zero", "time_future", "time_past"])
@pytest.mark.parametrize("table", ["order_book", "position", "order"])
def test_a_time_that_cannot_be_is_ignored_and_the_rows_are_kept(how: str, table: str) -> None:
    with quoting() as world:
        world.fault("frame_raw", match=table, value=how, for_ms=30_000)
        world.put("buy", "8491", 7)
        hit(world)
        world.run(4)
        assert is_book_true(world)
        assert world.bot
        position = world.bot.exchange.feed.position()
        assert (position.long.qty, position.short.qty) == world.position()
        world.run(20)
        assert state(world) is ACTIVE
        world.fault("mute", match=table, for_ms=40_000)  # nor is it fresh for ever
        world.run(10)
        hit(world)
        world.put("buy", "8492", 7)
        world.run(25)
        assert table == "order" or epoch(world) > 1 or state(world) is not ACTIVE
        assert_all_well(world, 60)


def test_the_instrument_does_not_stand_in_for_a_stale_book() -> None:
    with quoting() as world:
        world.fault("mute", match="order_book", for_ms=60_000)
        world.put("buy", "8491", 7)
        before = creates(world)
        for turn in range(12):
            world.index(str(8490 + turn))  # the instrument is as fresh as can be
            world.run(1)
        world.run_until(lambda: state(world) is PAUSED, 15)
        world.run(16)
        assert creates(world) == before
        world.run(30)
        assert_all_well(world)


# --- a flood --------------------------------------------------------------------------------------


def flood(world: World, seconds: int, rows: list[dict[str, Any]], table: str, action: str) -> None:
    """Send 2,000 frames a second."""
    assert world.bot
    for second in range(seconds):
        for number in range(2_000):
            more = {"exec_id": str(second * 2_000 + number), "trade_time": "1577836805000"}
            data = [PLACE | row | more for row in rows]
            frame = {"table": table, "data": data, "time": str(world.timeline.true_ms())}
            world.network.push(json.dumps(frame | ({"action": action} if action else {})))
        world.run(1)


@pytest.mark.slow
def test_a_flood_fills_no_memory_and_displaces_no_order() -> None:
    with quoting() as world:
        assert world.bot
        tables = world.bot.exchange.feed._tables
        flood(world, 3, [{"side": "buy", "price": "8490", "qty": "1"}], "trade", "")
        assert len(tables.trades) == TRADES
        report = {
            **{"order_id": "9", "side": "1", "order_price": "8000", "order_qty": "5"},
            **{"order_status": "2", "cum_qty": "0", "client_oid": None},
        }
        world.bot.exchange.orders.take_news = lambda: False  # type: ignore[method-assign]
        flood(world, 6, [report], "execution", "insert")
        del world.bot.exchange.orders.take_news
        assert len(tables.news) <= NEWS
        assert len(world.bot.exchange.feed.open_orders()) == 6
        levels = [PLACE | {"side": "buy", "size": "0", "price": str(7000 + n)} for n in range(2)]
        flood(world, 1, levels, "order_book", "update")
        assert_all_well(world)


def test_levels_that_come_and_go_leave_nothing_behind() -> None:
    with quoting() as world:
        assert world.bot
        book = world.bot.exchange.feed._tables.book
        for tick in range(4_000):
            price = 7000 + tick % 2_900 / Decimal(2)
            level = PLACE | {
                "side": "buy",
                "price": str(price),
                "id": str(400_000_000 - int(2 * price)),
            }
            for action, size in (("insert", "1"), ("update", "0")):
                data = [level | {"size": size}]
                frame = {"table": "order_book", "action": action, "data": data}
                world.network.push(json.dumps(frame | {"time": str(world.timeline.true_ms())}))
        world.run(2)
        levels = sum(map(len, book._levels.values()))
        assert max(levels, len(book._by_id)) <= 60


@pytest.mark.parametrize("away", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("interval", [0.5, 1, 5])
def test_prices_that_nobody_tells_anew_are_read_before_they_are_too_old(
    interval: float, away: float, log: pytest.LogCaptureFixture
) -> None:
    world = World(LOOP_INTERVAL=interval, CHECK_POSITION_LIMITS=True)
    world.network.latency = (away, away)
    with world.installed():
        world.start()
        world.run(200)
    assert "PAUSED" not in log.text
