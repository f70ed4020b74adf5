"""The live tables: what each kind of frame does to them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import PRICE_OLD, OrderState, Side
from market_maker.ws.tables import Tables

PLACE = {"instrument_type": "pc", "settle_currency": "BTC", "symbol": "BTC_USD"}
ORDER = PLACE | {
    "order_id": "132392387870752768",
    "client_oid": "mm-000017",
    "side": "1",
    "close_flag": "0",
    "price": "7250.5",
    "qty": "40",
    "filled_qty": "0",
    "avg_price": "0",
    "order_type": "1",
    "status": "2",
    "ctime": "1577836805000",
}
LONG = PLACE | {"side": "1", "qty": "120", "avail_qty": "120", "entry_price": "7198.4"}
SHORT = PLACE | {"side": "0", "qty": "75", "avail_qty": "50", "entry_price": "7301"}
NONE: dict[tuple[Side, Decimal], Decimal] = {}


def tables() -> Tables:
    return Tables("pc", "BTC", "BTC_USD")


def frame(
    table: str, action: str, *rows: dict[str, Any], time: int = 1577836805013
) -> dict[str, Any]:
    return {"table": table, "action": action, "data": list(rows), "time": str(time)}


def level(side: str, price: str, size: str, **extra: str) -> dict[str, Any]:
    return PLACE | {"side": side, "price": price, "size": size} | extra


def fed(*frames: dict[str, Any]) -> Tables:
    made = tables()
    for arrival, each in enumerate(frames, 1):
        made.apply(each, arrival, arrival / 10)
    return made


BOOK = frame(
    "order_book",
    "partial",
    level("sell", "7252", "25", id="399927480"),
    level("sell", "7253", "5", id="399927470"),
    level("buy", "7250.5", "40", id="399927495"),
)


def test_a_partial_replaces_the_table() -> None:
    again = frame("order_book", "partial", level("buy", "7000", "1"), level("sell", "7001", "1"))
    assert fed(BOOK, BOOK).book.best(NONE) == (Decimal("7250.5"), Decimal("7252"))
    assert fed(BOOK, again).book.best(NONE) == (7000, 7001)


def test_a_second_partial_replaces_orders_and_legs_too() -> None:
    made = fed(
        frame("order", "partial", ORDER),
        frame("position", "partial", LONG, SHORT),
        frame("order", "partial"),
        frame("position", "partial", SHORT),
    )
    assert made.orders() == ()
    assert (made.position().long.qty, made.position().short.qty) == (0, 75)


def test_a_price_that_was_not_told_again_is_old_after_so_many_seconds() -> None:
    prices = {"last_price": "8490", "mark_price": "8491", "index_price": "8492"}
    made = fed(
        frame("instrument", "partial", PLACE | {"tick_size": "0.5", "lot_size": "1"} | prices),
        frame("instrument", "update", PLACE | {"mark_price": "8493"}),
    )

    def known(now: float) -> list[object]:
        found = made.instrument(now)
        assert found
        assert made.prices(now) == (None, None, found.mark_price)
        return [found.last_price, found.mark_price, found.index_price]

    assert known(0.1 + PRICE_OLD) == [8490, 8493, 8492]
    assert known(0.15 + PRICE_OLD) == [None, 8493, None]
    assert known(0.25 + PRICE_OLD) == [None] * 3


def test_rows_before_the_partial_are_dropped() -> None:
    early = fed(frame("order_book", "insert", level("buy", "7251", "1")))
    assert early.book.best(NONE) == (None, None)
    assert early.counts["before partial"] == 1
    assert early.heard == {}


def test_insert_update_and_delete_move_levels() -> None:
    after = fed(
        BOOK,
        frame("order_book", "insert", level("buy", "7251", "12", id="399927490")),
        frame("order_book", "update", level("buy", "7250.5", "25", id="399927495")),
        frame("order_book", "delete", level("sell", "7252", "0", id="399927480")),
    )
    assert after.book.best(NONE) == (7251, 7253)
    assert list(after.book.levels(Side.BUY, NONE)) == [(7251, 12), (Decimal("7250.5"), 25)]


def test_rows_with_only_an_id_find_their_level() -> None:
    update = PLACE | {"id": "399927480", "size": "7"}
    after = fed(BOOK, frame("order_book", "update", update))
    assert next(after.book.levels(Side.SELL, NONE)) == (7252, 7)
    after.apply(frame("order_book", "delete", PLACE | {"id": "399927480"}))
    assert after.book.best(NONE)[1] == 7253


def test_a_level_that_changes_sides_under_one_id_leaves_the_old_side() -> None:
    flipped = level("buy", "7252", "3", id="399927480")
    after = fed(BOOK, frame("order_book", "update", flipped))
    assert after.book.best(NONE) == (7252, 7253)


def test_a_late_delete_of_the_old_side_leaves_the_new_side_under_the_same_id() -> None:
    flipped = frame("order_book", "insert", level("buy", "7252", "3", id="399927480"))
    late = frame("order_book", "delete", level("sell", "7252", "0", id="399927480"))
    assert fed(BOOK, flipped, late).book.best(NONE) == (7252, 7253)


def test_the_best_prices_are_those_of_others() -> None:
    book = fed(BOOK).book
    all_ours = {(Side.SELL, Decimal("7252")): Decimal(25)}
    some_ours = {(Side.SELL, Decimal("7252")): Decimal(24)}
    assert book.best(all_ours)[1] == 7253
    assert book.best(some_ours)[1] == 7252


def test_deleting_what_is_not_there_is_harmless() -> None:
    after = fed(BOOK, frame("order_book", "delete", level("buy", "1", "0", id="77")))
    assert after.book.best(NONE) == (Decimal("7250.5"), 7252)


def test_both_legs_of_a_position_are_held_at_once() -> None:
    moved = LONG | {"qty": "130"}
    after = fed(frame("position", "partial", LONG, SHORT), frame("position", "update", moved))
    position = after.position()
    assert (position.long.qty, position.short.qty, position.net) == (130, 75, 55)


def test_each_leg_has_number_and_time_of_the_frame_that_showed_it_whatever_that_says() -> None:
    after = fed(
        frame("position", "partial", LONG, SHORT, time=1577836805013),
        frame("position", "update", LONG, time=1577836801013),
        frame("order", "partial"),
    )
    position = after.position()
    assert (position.long.arrival, position.long.at) == (2, 0.2)
    assert (position.short.arrival, position.short.at) == (1, 0.1)
    assert position.at == 0.2


def test_a_leg_without_a_row_is_as_new_as_the_latest_frame_of_the_table() -> None:
    after = fed(frame("position", "partial", LONG), frame("position", "update", LONG))
    assert (after.position().short.arrival, after.position().short.at) == (2, 0.2)


def test_a_first_image_of_the_position_with_a_row_that_is_refused_is_none() -> None:
    """Else a leg that could not be read would be taken for none, and be traded upon."""
    spoilt = frame("position", "partial", LONG, SHORT | {"side": ""})
    assert "position" not in fed(spoilt).heard
    assert "position" in fed(spoilt, frame("position", "partial", LONG, SHORT)).heard


def test_no_position_row_means_no_position() -> None:
    assert fed(frame("position", "partial")).position().long.qty == 0


def test_an_update_merges_into_the_row_it_names() -> None:
    part = PLACE | {"order_id": ORDER["order_id"], "filled_qty": "15", "status": "16"}
    after = fed(frame("order", "partial", ORDER), frame("order", "update", part))
    order = after.orders()[0]
    assert (order.price, order.filled, order.state) == (Decimal("7250.5"), 15, OrderState.OPEN)


@pytest.mark.parametrize("status", ["8", "32"])
def test_an_ended_order_leaves_the_table_and_is_news(status: str) -> None:
    made = fed(frame("order", "partial", ORDER))
    made.drain_news()
    end = PLACE | {"order_id": ORDER["order_id"], "status": status}
    assert made.apply(frame("order", "update", end), 7)
    assert made.orders() == ()
    (row, arrival), *_ = made.drain_news()
    assert row.state is OrderState.DONE
    assert arrival == 7
    assert made.drain_news() == []


def test_an_execution_tells_of_its_order_by_cum_qty() -> None:
    report = PLACE | {
        **{"exec_id": "1", "exec_type": "8", "order_id": ORDER["order_id"], "side": "1"},
        **{"order_price": "7250.5", "order_qty": "40", "order_status": "32", "close_flag": "0"},
        **{"cum_qty": "40", "last_qty": "2", "leaves_qty": "0", "ctime": "1577836809250"},
    }
    made = tables()
    assert made.apply(frame("execution", "insert", report))
    (row, _), *_ = made.drain_news()
    assert (row.filled, row.state) == (40, OrderState.DONE)


@pytest.mark.parametrize(
    ("exec_type", "maker_flag", "cum_qty", "took"),
    [
        *(("4", "0", "15", True), ("8", "0", "40", True)),
        *(("4", "1", "15", False), ("8", "1", "40", False)),
        *(("1", "0", "0", False), ("2", "0", "15", False), ("16", "0", "15", False)),
        *((None, "0", "15", False), (4, "0", "15", False), ("4", None, "15", False)),
    ],
)
def test_only_the_report_of_a_trade_tells_that_an_order_took_liquidity(
    exec_type: object, maker_flag: object, cum_qty: str, took: bool
) -> None:
    report = PLACE | {
        **{"exec_id": "1", "exec_type": exec_type, "order_id": ORDER["order_id"], "side": "1"},
        **{"order_price": "7250.5", "order_qty": "40", "order_status": "16", "close_flag": "0"},
        **{"cum_qty": cum_qty, "ctime": "1577836809250", "maker_flag": maker_flag},
    }
    made = tables()
    made.apply(frame("execution", "insert", report))
    (row, _), *_ = made.drain_news()
    assert row.is_taker is took


@pytest.mark.parametrize(("side", "kept"), [("sell", "sell"), ("Buy", "buy"), ("none", None)])
def test_a_trade_whose_taker_has_no_side_is_refused(side: str, kept: str | None) -> None:
    """A dry run fills by it: what is no sell is not therefore a buy."""
    trade = PLACE | {"trade_time": "1577836809250", "side": side, "price": "7250.5", "qty": "15"}
    made = tables()
    made.apply({"table": "trade", "data": [trade], "time": "1577836809255"})
    assert [each["side"] for each in made.trades] == ([kept] if kept else [])
    assert made.counts["row refused: trade"] == (kept is None)


def test_a_trade_frame_needs_no_action_and_no_partial() -> None:
    trade = PLACE | {"trade_time": "1577836809250", "side": "sell", "price": "7250.5", "qty": "15"}
    made = tables()
    made.apply({"table": "trade", "data": [trade], "time": "1577836809255"})
    assert made.trades[-1] == {
        "time": "1577836809250",
        "side": "sell",
        "price": "7250.5",
        "qty": "15",
    }


def test_rows_of_other_symbols_and_areas_are_left_out() -> None:
    other = ORDER | {"symbol": "ETH_USD", "order_id": "5"}
    elsewhere = ORDER | {"settle_currency": "ETH", "order_id": "6"}
    after = fed(frame("order", "partial", ORDER, other, elsewhere))
    assert len(after.orders()) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"qty": "NaN"},
        {"qty": "Infinity"},
        {"qty": "1e3"},
        {"qty": ""},
        {"qty": None},
        {"qty": 40},
        {"qty": "+40"},
        {"qty": "４０"},
        {"qty": "1_000"},
        {"price": "-1"},
        {"price": "0"},
        {"side": "2"},
        {"order_id": ""},
        {"filled_qty": "41"},
    ],
)
def test_a_row_that_does_not_parse_is_refused_and_changes_nothing(bad: dict[str, Any]) -> None:
    made = fed(frame("order", "partial", ORDER))
    made.apply(frame("order", "update", ORDER | bad))
    assert made.counts["row refused"] == 1
    assert [order.qty for order in made.orders()] == [40]


@pytest.mark.parametrize(
    "odd",
    [
        {"table": "chat", "action": "insert", "data": [{}]},
        {"table": "order", "action": "replace", "data": [ORDER]},
        {"table": "order", "action": "partial", "data": {}},
        {"table": "order", "action": "partial", "data": [7]},
        {"table": "order", "action": ["partial"], "data": [ORDER]},
        {"table": {}, "action": "partial", "data": [ORDER]},
        {"table": "order", "action": "partial"},
    ],
)
def test_unknown_tables_actions_and_shapes_are_counted_and_harmless(odd: dict[str, Any]) -> None:
    made = fed(odd)
    assert made.counts.total() == 1
    assert made.orders() == ()


# --- against a plain model ------------------------------------------------------------------------

books = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "delete", "partial"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 9),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(books)
def test_the_book_equals_a_plain_dictionary_after_any_frames(
    steps: list[tuple[str, str, int, int]],
) -> None:
    made, model = fed(BOOK), {("sell", 7252): 25, ("sell", 7253): 5, ("buy", 7250.5): 40}
    for action, side, price, size in steps:
        made.apply(frame("order_book", action, level(side, str(price), str(size))))
        if action == "partial":
            model = {}
        if action == "delete" or not size:
            model.pop((side, price), None)
        else:
            model[side, price] = size
    for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell")):
        levels = dict(made.book.levels(side, NONE))
        assert levels == {price: size for (on, price), size in model.items() if on == name}
        assert list(levels) == sorted(levels, reverse=side is Side.BUY)
    ticker = made.ticker(NONE)
    assert (ticker.bid, ticker.ask) == made.book.best() == made.prices(0.0)[:2]
    bids, asks = ([p for on, p in model if on == name] for name in ("buy", "sell"))
    assert (ticker.bid, ticker.ask) == (max(bids, default=None), min(asks, default=None))


def test_an_id_that_names_two_orders_of_ours_needs_a_new_image() -> None:
    first = frame("order", "partial", ORDER)
    second = frame("order", "insert", ORDER | {"client_oid": "mm-000018", "side": "0"})
    assert not fed(first, frame("order", "update", ORDER)).broken
    assert "names two orders" in fed(first, second).broken
    unnamed = {name: value for name, value in ORDER.items() if name != "client_oid"}
    for row in (unnamed, ORDER | {"client_oid": None}, ORDER | {"client_oid": ""}):
        assert not fed(first, frame("order", "update", row)).broken


@pytest.mark.parametrize("order_id", ["0", "007", "-1", "1e3", ""])
def test_an_order_id_is_a_number_above_zero(order_id: str) -> None:
    fed_tables = fed(
        frame("order", "partial"), frame("order", "insert", ORDER | {"order_id": order_id})
    )
    assert fed_tables.orders() == ()
    assert fed_tables.bad_private_rows() == 1


@pytest.mark.parametrize("field", ["settle_currency", "symbol"])
@pytest.mark.parametrize("name", [None, "", "0", "999999", "NaN", "abc", "1E-7", 7, True, [], {}])
def test_an_image_of_the_position_whose_rows_cannot_be_placed_shows_no_flat_one(
    field: str, name: object
) -> None:
    unplaced = fed(frame("position", "partial", LONG | {field: name}))
    assert "position" not in unplaced.heard
    other = {"settle_currency": "ETH", "symbol": "ETH_USD"}[field]
    assert "position" in fed(frame("position", "partial", LONG | {field: other})).heard
