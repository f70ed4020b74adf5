"""The audit of the book: which levels it calls wrong, and when it speaks of drift."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import Side
from market_maker.safety.book_audit import (
    LEVELS,
    PATIENCE,
    Audit,
    Level,
    Levels,
    compare,
    follow,
    levels_of,
)

BUY, SELL = Side.BUY, Side.SELL


def book(bids: dict[int, int], asks: dict[int, int]) -> dict[Level, Decimal]:
    return {
        (side, Decimal(price)): Decimal(size)
        for side, levels in ((BUY, bids), (SELL, asks))
        for price, size in levels.items()
    }


FINE = book({99: 5, 98: 6, 97: 7}, {101: 5, 102: 6, 103: 7})


def without(side: Side, price: int) -> Levels:
    return {level: size for level, size in FINE.items() if level != (side, Decimal(price))}


def with_level(side: Side, price: int, size: int) -> Levels:
    return FINE | {(side, Decimal(price)): Decimal(size)}


@pytest.mark.parametrize(
    ("before", "rest", "after", "wrong"),
    [
        (FINE, FINE, FINE, []),
        (FINE, with_level(BUY, 98, 9), FINE, [(BUY, 98)]),
        (FINE, without(SELL, 102), FINE, [(SELL, 102)]),
        (FINE, with_level(SELL, 100, 1), FINE, [(SELL, 100)]),
        (FINE, with_level(BUY, 98, 9), with_level(BUY, 98, 9), []),  # it changed on the way
        (FINE, with_level(BUY, 98, 9), with_level(BUY, 98, 8), []),
        (FINE, with_level(BUY, 90, 1), FINE, []),  # deeper than the feed shows
        (with_level(SELL, 110, 1), FINE, with_level(SELL, 110, 1), []),
        (FINE, book({99: 5, 98: 6, 97: 7}, {}), FINE, [(SELL, 0)]),
        (book({}, {}), FINE, book({}, {}), [(BUY, 0), (SELL, 0)]),
        (book({}, {}), book({}, {}), book({}, {}), []),
    ],
)
def test_a_level_is_wrong_when_the_feed_held_it_so_all_along(
    before: Levels, rest: Levels, after: Levels, wrong: list[tuple[Side, int]]
) -> None:
    assert compare(before, rest, after) == {(side, Decimal(price)) for side, price in wrong}


def test_drift_is_the_same_level_wrong_again_and_again() -> None:
    one, other = frozenset({(BUY, Decimal(98))}), frozenset({(SELL, Decimal(102))})
    audit = Audit()
    for look in range(PATIENCE):
        assert not audit.is_drift
        audit = follow(audit, one | other if look else one)
    assert audit.is_drift
    assert audit.wrong == one
    assert follow(audit, frozenset()) == Audit()
    assert follow(follow(Audit(), one), other) == Audit(other, 1)


def test_levels_are_the_best_ones_alone() -> None:
    depth = {"bids": [[str(100 - n), "1"] for n in range(40)], "asks": [["101", "2", "more"]]}
    levels = levels_of(depth)
    assert len(levels) == LEVELS + 1
    assert levels[SELL, Decimal(101)] == 2


books = st.builds(
    book,
    st.dictionaries(st.integers(90, 99), st.integers(1, 9)),
    st.dictionaries(st.integers(101, 110), st.integers(1, 9)),
)


@given(books)
def test_a_book_that_is_right_is_never_wrong(levels: dict[Level, Decimal]) -> None:
    assert compare(levels, levels, levels) == frozenset()


@given(books, books, books)
def test_what_the_feed_changed_on_the_way_is_never_wrong(
    before: dict[Level, Decimal], rest: dict[Level, Decimal], after: dict[Level, Decimal]
) -> None:
    for level in compare(before, rest, after):
        assert level[1] == 0 or before.get(level) == after.get(level) != rest.get(level)
