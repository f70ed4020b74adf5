"""The order book, against the plainest book there could be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.errors import BadData
from market_maker.models import Side
from market_maker.ws.book import Book

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 40),
        st.integers(0, 3),
    ),
    max_size=200,
)


@given(CHANGES)
def test_it_holds_what_the_latest_row_of_each_level_says(
    changes: list[tuple[str, str, int, int]],
) -> None:
    book = Book()
    plain: dict[tuple[str, int], int] = {}
    for action, side, near, size in changes:
        price = near + 100 * (side == "sell")  # both sides at one price are a test of their own
        getattr(book, action)(
            {"id": str(price), "side": side, "price": str(price), "size": str(size)}
        )
        plain[side, price] = size if action == "put" else 0
    for side, word in ((Side.BUY, "buy"), (Side.SELL, "sell")):
        left = {price: size for (s, price), size in plain.items() if s == word and size}
        best_first = sorted(left.items(), reverse=side is Side.BUY)
        assert list(book.levels(side)) == best_first


def test_a_spelling_that_was_checked_is_checked_again_when_ids_mean_something_else() -> None:
    asked = []
    book = Book(lambda row: asked.append(row["price"]))  # type: ignore[func-returns-value]
    row = {"id": "17", "side": "buy", "price": "100", "size": "5"}
    book.put(row)
    book.put(row)
    assert asked == ["100"]
    book.check_again()
    book.put(row)
    assert asked == ["100", "100"]


def test_what_arrives_later_is_newer_and_an_id_stands_for_one_level() -> None:
    book = Book()
    book.put({"id": "1", "side": "buy", "price": "100", "size": "5"})
    book.put({"id": "1", "side": "sell", "price": "100", "size": "7"})
    assert list(book.levels(Side.SELL)) == [(100, 7)]
    assert list(book.levels(Side.BUY)) == []
    book.put({"id": "1", "side": "buy", "price": "100", "size": "4"})
    assert list(book.levels(Side.BUY)) == [(100, 4)]
    assert list(book.levels(Side.SELL)) == []
    book.delete({"id": "1", "side": "buy", "price": "100"})
    assert list(book.levels(Side.BUY)) == []


def test_levels_that_come_and_go_leave_nothing_behind() -> None:
    book = Book()
    for number in range(1, 1_000):
        row = {"id": str(number), "side": "buy", "price": str(number), "size": "5"}
        book.put(row)
        book.put(row | {"size": "0"})
    assert not book._by_id
    assert not book._levels[Side.BUY]


def test_a_price_that_changes_its_id_without_end_leaves_nothing_behind() -> None:
    book = Book()
    for number in range(1_000):
        book.put({"id": str(number), "side": "buy", "price": "100", "size": "5"})
    assert list(book._by_id) == ["999"]
    assert list(book.levels(Side.BUY)) == [(100, 5)]


def test_a_row_without_side_and_price_is_found_by_its_id_while_its_level_is_there() -> None:
    book = Book()
    book.put({"id": "17", "side": "buy", "price": "100", "size": "5"})
    book.put({"id": "17", "size": "7"})
    assert list(book.levels(Side.BUY)) == [(100, 7)]
    book.delete({"id": "17"})
    book.delete({"id": "17"})
    with pytest.raises(BadData, match="unknown level"):
        book.put({"id": "17", "size": "7"})


@pytest.mark.parametrize("wrong", [["7"], {}, 7, None, True, ""])
@pytest.mark.parametrize("field", ["side", "price", "size"])
def test_a_row_that_holds_something_else_is_refused(field: str, wrong: object) -> None:
    book = Book()
    row = {"id": "17", "side": "buy", "price": "100", "size": "5"}
    book.put(row)
    with pytest.raises(BadData):
        book.put({**row, field: wrong})
    assert list(book.levels(Side.BUY)) == [(100, 5)]


def test_a_price_that_changes_sides_keeps_its_id_whichever_row_comes_first() -> None:
    ask = {"id": "17", "side": "sell", "price": "100", "size": "5"}
    bid = {"id": "17", "side": "buy", "price": "100", "size": "7"}
    for rows in ([bid, {**ask, "size": "0"}], [{**ask, "size": "0"}, bid]):
        book = Book()
        for row in (ask, *rows):
            book.put(row)
        assert list(book.levels(Side.BUY)) == [(100, 7)]
        assert list(book.levels(Side.SELL)) == []


def test_a_removal_is_heeded_though_its_price_is_the_other_sides_now() -> None:
    book = Book()
    book.put({"side": "buy", "price": "100", "size": "5"})
    book.put({"side": "sell", "price": "100", "size": "7"})
    book.put({"side": "buy", "price": "100", "size": "0"})
    assert list(book.levels(Side.BUY)) == []
    assert list(book.levels(Side.SELL)) == [(Decimal(100), Decimal(7))]


def test_an_empty_price_is_refused_when_ids_are_to_be_checked_anew() -> None:
    book = Book()
    book.put({"id": "1", "side": "buy", "price": "100", "size": "5"})
    book.check_again()
    with pytest.raises(BadData):
        book.put({"id": "1", "side": "buy", "price": "", "size": "77"})


@pytest.mark.parametrize(
    ("prices", "tick"),
    [
        ([f"{8490 + level / 2:.1f}" for level in range(12)], "0.5"),
        ([str(8490 + 3 * level) for level in range(12)], "3"),
        ([f"{8490 + level / 10:.1f}" for level in range(12)], "0.1"),
        ([str(8490 + 3 * level) for level in range(9)], "0.1"),  # too few
        ([*(str(8490 + level) for level in range(12)), "8500.25"], "0.1"),  # cannot be
    ],
)
def test_the_learned_tick_is_the_largest_step_to_every_price(prices: list[str], tick: str) -> None:
    book = Book()
    for price in prices:
        book.put({"side": "sell", "price": price, "size": "1"})
    assert book.learned_tick(Decimal("0.1")) == Decimal(tick)


def test_a_learned_tick_stays_as_fine_as_the_finest_price_that_was_ever_shown() -> None:
    book = Book()
    for price in range(8490, 8502):
        book.put({"side": "sell", "price": str(price), "size": "1"})
    assert book.learned_tick(Decimal("0.1")) == 1
    fine = {"side": "sell", "price": "8490.5", "size": "1"}
    book.put(fine)
    assert book.learned_tick(Decimal("0.1")) == Decimal("0.5")
    book.delete(fine)
    assert book.learned_tick(Decimal("0.1")) == Decimal("0.5")
