"""Creates are held back when orders churn, and never a cancel."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import OpenOrder, OrderRequest, Plan, Side
from market_maker.trading.create_brake import CHURN, MINUTE, CreateBrake

WANTED = OrderRequest(side=Side.BUY, price=Decimal(8000), qty=Decimal(1), client_oid="")
OPEN = OpenOrder(side=Side.BUY, price=Decimal(8000), qty=Decimal(1), order_id="1")


def plan(creates: int) -> Plan:
    return Plan(cancel=(OPEN,), create=(WANTED,) * creates, keep=(), deferred=())


def created(brake: CreateBrake, creates: int, wanted: int, now: float) -> int:
    held, reason = brake.hold_back(plan(creates), wanted, now)
    assert held.cancel == (OPEN,)
    assert len(held.create) + len(held.deferred) == creates
    assert bool(held.deferred) == bool(reason)
    brake.record(len(held.create), now)
    return len(held.create)


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 20)), min_size=1, max_size=60),
)
def test_no_minute_has_more_creates_than_sixty_for_each_wanted_order(
    wanted: int, steps: list[tuple[int, float]]
) -> None:
    brake, now, done = CreateBrake(), 0.0, []
    for creates, seconds in steps:
        now += seconds
        last_minute = sum(count for at, count in done if now - at <= MINUTE)
        made = created(brake, creates, wanted, now)
        assert made == (creates if last_minute + creates <= CHURN * wanted else 0)
        done.append((now, made))


@pytest.mark.parametrize(("after", "made"), [(MINUTE, 0), (MINUTE + 0.1, 1)])
def test_what_was_created_over_a_minute_ago_counts_no_longer(after: float, made: int) -> None:
    brake = CreateBrake()
    assert created(brake, CHURN, 1, 0.0) == CHURN
    assert created(brake, 1, 1, 1.0) == 0
    assert created(brake, 1, 1, after) == made


def test_creates_that_were_not_recorded_are_no_churn() -> None:
    brake = CreateBrake()
    for tick in range(10 * CHURN):
        held, reason = brake.hold_back(plan(1), 1, tick / 100)
        assert held.create
        assert not reason


def test_refused_creates_rest_for_a_while() -> None:
    brake = CreateBrake()
    brake.rest(100.0, 5.0)
    assert created(brake, 3, 3, 104.9) == 0
    assert created(brake, 3, 3, 105.0) == 3
