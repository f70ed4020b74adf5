"""What orders that are not of the run have filled: told once, and only since it has begun."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import OpenOrder, OrderState, Side
from market_maker.orders.others import Others

BEGUN = 100
"""The highest order_id when the run began."""


def row(order_id: int, filled: int, avg: str = "8500", **about: str) -> OpenOrder:
    return OpenOrder(
        side=Side.BUY,
        price=Decimal(8510),
        qty=Decimal(50),
        filled=Decimal(filled),
        avg_price=Decimal(avg if filled else 0),
        order_id=str(order_id),
        **about,
    )


def told(*rows: OpenOrder, others: Others | None = None) -> list[Decimal]:
    others = others or begun()
    for number, each in enumerate(rows):
        others.see(each, number)
    return [fill.qty for fill in others.take(lambda order: order.client_oid == "ours")]


def begun() -> Others:
    others = Others()
    others.begin([], BEGUN)
    return others


def test_an_order_that_is_seen_first_when_it_has_filled_has_filled_in_this_run() -> None:
    assert told(row(101, 20)) == [20]


def test_what_an_order_of_before_had_filled_when_it_is_seen_first_does_not_count() -> None:
    others = begun()
    assert told(row(99, 20), others=others) == []
    assert told(row(99, 35), others=others) == [15]


def test_an_order_that_rested_at_the_start_counts_from_its_row_of_then() -> None:
    others = Others()
    others.begin([row(99, 0), row(98, 20)], BEGUN)
    assert told(row(99, 20), row(98, 50), others=others) == [20, 30]


def test_an_order_that_rests_is_remembered_longer_than_any_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("market_maker.orders.others.REMEMBER", 3)
    others = begun()
    assert told(row(101, 20), others=others) == [20]
    ended = [replace(row(number, 50), state=OrderState.DONE) for number in range(102, 110)]
    assert told(*ended, others=others) == [50] * 8
    assert told(row(101, 35), others=others) == [15]


def test_nothing_is_kept_before_the_run_has_begun() -> None:
    others = Others()
    assert told(row(101, 20), others=others) == []
    others.begin([], 101)
    assert told(others=others) == []


def test_an_order_of_ours_is_none_of_others_though_its_row_came_first() -> None:
    assert told(row(101, 20, client_oid="ours")) == []


def test_a_report_without_an_average_price_tells_nothing_but_the_row_after_it_does() -> None:
    others = begun()
    assert told(row(101, 20, avg="0"), others=others) == []
    assert told(row(101, 20), others=others) == [20]


@given(st.lists(st.tuples(st.integers(95, 105), st.integers(0, 50)), max_size=40))
def test_each_fill_is_told_once_in_whatever_order_rows_come(
    seen: list[tuple[int, int]],
) -> None:
    others, total = begun(), Decimal(0)
    for number, filled in seen:
        total += sum(told(row(number, filled), others=others))
    first = dict(reversed(seen))
    most = {number: max(f for n, f in seen if n == number) for number in first}
    right = sum(most[n] - (first[n] if n <= BEGUN else 0) for n in first)
    assert total == right
