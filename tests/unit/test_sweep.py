"""The sweep: what it cancels and when it takes it for proven that nothing is left."""

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import pytest
from conftest import account

from market_maker.client_oid import new_oid
from market_maker.errors import AuthError, Fatal, NotSent, OrdersLeft, RequestError, Temporary
from market_maker.gte import Outcome
from market_maker.models import OpenOrder, Side
from market_maker.orders import sweep
from market_maker.orders.sweep import ASK_AGAIN, LATE_SECONDS, Sweep, prove_none_left
from tests.world.timeline import Timeline

OTHERS = "manual"


def order(number: int, run: str = "run000", oid: str | None = None) -> OpenOrder:
    return OpenOrder(
        side=Side.BUY,
        price=Decimal(8000 + number),
        qty=Decimal(10),
        client_oid=new_oid("mm_", run, number) if oid is None else oid,
        order_id=str(number),
    )


class Venue:
    """A venue of few words on simulated time: it lists, cancels, and fails when it is told to."""

    def __init__(self, *orders: OpenOrder) -> None:
        self.account = account(base_url="", symbol="BTC_USD", settle_currency="BTC")
        self.timeline = Timeline()
        self.orders = list(orders)
        self.ignores_cancels = False
        self.failing: dict[int, RequestError] = {}
        """What becomes of the n-th list that is asked for, from 1."""
        self.down: tuple[float, float] = (math.inf, math.inf)
        """From when to when no list can be had."""
        self.asked: list[float] = []
        self.cancelled: list[tuple[float, str]] = []
        self.refusal: RequestError | None = None

    def query_orders(self) -> list[OpenOrder]:
        now = self.timeline.monotonic()
        self.asked.append(now)
        if error := self.failing.get(len(self.asked)):
            raise error
        if self.down[0] <= now < self.down[1]:
            raise Temporary("HTTP 503")
        return list(self.orders)

    def cancel_bulk_orders(self, orders: Sequence[OpenOrder]) -> list[Outcome]:
        now = self.timeline.monotonic()
        self.cancelled += [(now, each.order_id) for each in orders]
        if not self.ignores_cancels and not self.refusal:
            self.orders = [each for each in self.orders if each not in orders]
        return [Outcome(each.client_oid, each.order_id, self.refusal) for each in orders]


def test_it_cancels_ours_by_prefix_or_id_and_spares_others() -> None:
    nameless, strange, theirs = order(3, oid=""), order(4, oid=""), order(5, oid=OTHERS)
    twin = order(6, run="thetwn")
    venue = Venue(order(1), order(2), nameless, strange, theirs, twin)
    sweep.run(Sweep(venue, ids={"3"}, excluded_runs={"thetwn"}), venue.timeline, 5)
    assert venue.orders == [strange, theirs, twin]


def test_of_given_runs_alone_it_cancels_no_other_one_with_our_prefix() -> None:
    twin = order(6, run="thetwn")
    venue = Venue(order(1), twin, order(7, run="run001"))
    sweep.run(Sweep(venue, runs={"run000", "run001"}), venue.timeline, 5)
    assert venue.orders == [twin]


def test_what_is_known_goes_first_in_its_order_and_also_while_no_list_can_be_had() -> None:
    venue = Venue(order(1), order(2), order(3))
    sweep.run(Sweep(venue, known=[order(3), order(1)]), venue.timeline, 5)
    assert [number for _, number in venue.cancelled] == ["3", "1", "2"]
    venue = Venue(order(1), order(2))
    venue.failing = {1: Temporary("HTTP 503")}
    sweep.run(Sweep(venue, known=[order(2)]), venue.timeline, 5)
    assert [number for _, number in venue.cancelled] == ["2", "1"]


def test_without_a_connection_no_cancel_is_tried() -> None:
    venue = Venue(order(1))
    venue.failing = {1: NotSent("no connection")}
    sweep.run(Sweep(venue, known=[order(1)]), venue.timeline, 5)
    assert [at > 0 for at, _ in venue.cancelled] == [True]


def test_a_cancel_is_asked_for_again_only_after_a_while() -> None:
    venue = Venue(order(1))
    venue.ignores_cancels = True
    with pytest.raises(OrdersLeft):
        sweep.run(Sweep(venue), venue.timeline, 12)
    times = [at for at, _ in venue.cancelled]
    assert len(times) == 3
    assert all(ASK_AGAIN <= later - earlier < ASK_AGAIN + 1 for earlier, later in pairwise(times))


def test_it_gives_up_after_so_long_without_progress_and_lists_what_is_left() -> None:
    venue = Venue(order(1), order(2), order(3))
    venue.ignores_cancels = True
    for number, second in ((1, 4), (2, 8)):
        venue.timeline.after(second, lambda number=number: venue.orders.remove(order(number)))  # type: ignore[misc]
    with pytest.raises(OrdersLeft) as left:
        sweep.run(Sweep(venue), venue.timeline, 5)
    assert left.value.orders == (order(3).full,)
    assert 13 <= venue.timeline.monotonic() <= 14


def test_when_it_is_to_hurry_there_is_one_round_of_cancels_and_one_more_look() -> None:
    venue = Venue(order(1))
    venue.ignores_cancels = True
    with pytest.raises(OrdersLeft):
        sweep.run(Sweep(venue), venue.timeline, 20, lambda: False)
    assert (len(venue.asked), len(venue.cancelled)) == (2, 1)
    venue = Venue(order(1))
    sweep.run(Sweep(venue), venue.timeline, 20, lambda: False)
    assert venue.orders == []


@pytest.mark.parametrize("where", ["list", "cancel"])
def test_a_key_that_is_refused_ends_it_after_one_attempt_to_cancel(where: str) -> None:
    venue = Venue(order(1))
    if where == "list":
        venue.failing = {1: AuthError("refused")}
    else:
        venue.refusal = AuthError("refused")
    with pytest.raises(Fatal):
        sweep.run(Sweep(venue, known=[order(1)]), venue.timeline, 20)
    assert len(venue.cancelled) == 1


# --- orders that may be late --------------------------------------------------------------------


def test_a_list_is_a_proof_only_when_no_order_can_arrive_any_more() -> None:
    venue = Venue(order(1))
    venue.timeline.after(9, lambda: venue.orders.append(order(2)))
    prove_none_left(venue, venue.timeline, 3, ids=(), may_be_late=True)
    assert venue.orders == []
    assert venue.timeline.monotonic() >= LATE_SECONDS
    gaps = [later - earlier for earlier, later in pairwise(venue.asked)]
    assert max(gaps) < 1.01, "it looks every second"


def test_where_none_can_be_late_one_list_is_enough() -> None:
    venue = Venue(order(1, oid=OTHERS))
    prove_none_left(venue, venue.timeline, 3, ids=(), may_be_late=False)
    assert venue.timeline.monotonic() == 0
    assert venue.cancelled == []


@pytest.mark.parametrize("second", [0.0, 2.9, 3.1, 6.0, 9.9, 10.2])
def test_a_list_that_fails_once_is_asked_for_again_at_any_time_of_the_wait(second: float) -> None:
    venue = Venue(order(1))
    venue.down = (second, second + 1.0)
    prove_none_left(venue, venue.timeline, 3, ids=(), may_be_late=True)
    assert venue.orders == []
    assert venue.timeline.monotonic() >= LATE_SECONDS


def test_a_venue_that_goes_away_during_the_wait_leaves_nothing_proven() -> None:
    venue = Venue(order(1))
    venue.down = (5.0, math.inf)
    with pytest.raises(OrdersLeft, match="503"):
        prove_none_left(venue, venue.timeline, 3, ids=(), may_be_late=True)
    assert 7 <= venue.timeline.monotonic() <= 9
