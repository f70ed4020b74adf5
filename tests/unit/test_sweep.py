"""The sweep: what it cancels and when it takes it for proven that nothing is left."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from conftest import account

from market_maker.client_oid import new_oid
from market_maker.errors import AuthError, Fatal, NotSent, OrdersLeft, RequestError, Temporary
from market_maker.gte import Outcome
from market_maker.models import OpenOrder, OrderState, Side
from market_maker.orders import sweep
from market_maker.orders.notes import CLOCK_TOLERANCE_MS, STEP_MS, Notes, claimed
from market_maker.orders.sweep import (
    ASK_AGAIN,
    LATE_SECONDS,
    OWNER_UNKNOWN,
    SLICE_SECONDS,
    TRY_AGAIN,
    Sweep,
    prove_none_left,
)
from market_maker.simulation.timeline import Timeline
from market_maker.wire.venue_clock import VenueClock

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
        self.list_takes = 0.0
        self.cancel_takes = 0.0
        """Seconds that each cancel takes to leave."""
        self.clock = VenueClock(self.timeline)

    def query_orders(self) -> list[OpenOrder]:
        now = self.timeline.monotonic()
        self.asked.append(now)
        found = list(self.orders)
        self.timeline.sleep(self.list_takes)
        if error := self.failing.get(len(self.asked)):
            raise error
        if self.down[0] <= now < self.down[1]:
            raise Temporary("HTTP 503")
        return found

    def cancel_bulk_orders(
        self, orders: Sequence[OpenOrder], still_wanted: Callable[[], bool]
    ) -> list[Outcome]:
        now = self.timeline.monotonic()
        sent = []
        for each in orders:
            if not still_wanted():
                break
            sent.append(each)
            self.timeline.sleep(self.cancel_takes)
        self.cancelled += [(now, each.order_id) for each in sent]
        if not self.ignores_cancels and not self.refusal:
            self.orders = [each for each in self.orders if each not in sent]
        return [
            Outcome(
                each.client_oid,
                each.order_id,
                self.refusal if each in sent else NotSent("too late"),
            )
            for each in orders
        ]


def test_it_cancels_ours_by_prefix_or_id_and_spares_others() -> None:
    nameless, strange, theirs = order(3, oid=""), order(4, oid=""), order(5, oid=OTHERS)
    twin = order(6, run="thetwn")
    venue = Venue(order(1), order(2), nameless, strange, theirs, twin)
    sweep.run(
        Sweep(venue, notes=Notes(frozenset({"3"})), excluded_runs={"thetwn"}), venue.timeline, 5
    )
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


def test_known_orders_are_cancelled_before_the_list_which_may_take_as_long_as_an_answer_may() -> (
    None
):
    venue = Venue(order(1), order(2))
    venue.list_takes = 4.0
    sweep.run(Sweep(venue, known=[order(1)]), venue.timeline, 20)
    assert venue.cancelled == [(0.0, "1"), (4.0, "2")]


def test_without_a_connection_the_list_is_tried_again_before_a_further_cancel() -> None:
    venue = Venue(order(1))
    venue.refusal = NotSent("no connection")
    venue.failing = dict.fromkeys((1, 2, 3), venue.refusal)
    with pytest.raises(OrdersLeft):
        sweep.run(Sweep(venue, known=[order(1)]), venue.timeline, 5)
    assert [at for at, _ in venue.cancelled][:2] == [0.0, 3 * TRY_AGAIN]


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


def test_cancels_leave_for_a_slice_of_time_and_then_it_looks_anew() -> None:
    venue = Venue(*(order(number) for number in range(1, 31)))
    venue.cancel_takes = 0.1
    sweep.run(Sweep(venue), venue.timeline, 5)
    assert venue.orders == []
    rounds = [at for at, _ in dict(reversed(venue.cancelled)).items()]
    assert len(rounds) == 3
    assert all(later - earlier >= SLICE_SECONDS for earlier, later in pairwise(sorted(rounds)))
    assert len(venue.cancelled) == 30, "none is asked for twice"


# --- orders that show no client_oid -------------------------------------------------------------


def nameless(number: int, *, like: int = 1, ctime: int = 10**12) -> OpenOrder:
    """A row without client_oid, alike in shape to the order with another number."""
    return replace(order(like, oid=""), order_id=str(number), ctime=ctime)


def noted(like: int = 1, ctime: int = 10**12) -> OpenOrder:
    """A create whose answer was not noted."""
    return replace(order(like), order_id="", state=OrderState.UNKNOWN, ctime=ctime)


@pytest.mark.parametrize(
    ("rows", "creates", "ours", "doubtful"),
    [
        ([nameless(11)], [noted()], {"11"}, set()),
        ([nameless(11), nameless(12)], [noted(), noted()], {"11", "12"}, set()),
        ([nameless(11)], [noted(), noted()], {"11"}, set()),
        ([nameless(11), nameless(12)], [noted()], set(), {"11", "12"}),
        ([nameless(11, like=2)], [noted()], set(), set()),
        ([replace(nameless(11), client_oid=OTHERS)], [noted()], set(), set()),
        ([nameless(11, ctime=10**12 - CLOCK_TOLERANCE_MS)], [noted()], {"11"}, set()),
        ([nameless(11, ctime=10**12 - CLOCK_TOLERANCE_MS - 1)], [noted()], set(), {"11"}),
        ([nameless(11, ctime=10**12 - STEP_MS - 1)], [noted()], set(), set()),
        ([nameless(11)], [], set(), set()),
        ([nameless(7), nameless(11)], [noted()], {"7", "11"}, set()),  # 7 is a noted id
        (
            [nameless(11), nameless(21, like=2), nameless(22, like=2)],
            [noted(), noted(2)],
            {"11"},
            {"21", "22"},
        ),
    ],
)
def test_a_nameless_row_is_ours_when_no_more_are_alike_than_creates_are_open(
    rows: list[OpenOrder], creates: list[OpenOrder], ours: set[str], doubtful: set[str]
) -> None:
    found, unclear = claimed(rows, Notes(frozenset({"7"}), tuple(creates)))
    assert found == ours
    assert {each.order_id for each in unclear} == doubtful


def test_rows_whose_owner_cannot_be_told_are_not_cancelled_and_keep_all_from_being_proven() -> None:
    venue = Venue(order(1), nameless(11), nameless(12))
    with pytest.raises(OrdersLeft, match=OWNER_UNKNOWN) as left:
        sweep.run(Sweep(venue, notes=Notes(open_creates=(noted(),))), venue.timeline, 3)
    assert [each.order_id for each in venue.orders] == ["11", "12"]
    assert len(left.value.orders) == 2
    venue.orders.pop()
    sweep.run(Sweep(venue, notes=Notes(open_creates=(noted(),))), venue.timeline, 3)
    assert venue.orders == []


def test_where_notes_cannot_be_read_every_nameless_row_keeps_all_from_being_proven() -> None:
    venue = Venue(order(1), nameless(11), nameless(12))
    with pytest.raises(OrdersLeft, match=OWNER_UNKNOWN):
        sweep.run(Sweep(venue, notes=Notes(frozenset({"11"}), is_whole=False)), venue.timeline, 3)
    assert [each.order_id for each in venue.orders] == ["12"]


# --- orders that may be late --------------------------------------------------------------------


def test_a_list_is_a_proof_only_when_no_order_can_arrive_any_more() -> None:
    venue = Venue(order(1))
    venue.timeline.after(9, lambda: venue.orders.append(order(2)))
    prove_none_left(venue, venue.timeline, 3, notes=Notes(), may_be_late=True)
    assert venue.orders == []
    assert venue.timeline.monotonic() >= LATE_SECONDS
    gaps = [later - earlier for earlier, later in pairwise(venue.asked)]
    assert max(gaps) < 1.01, "it looks every second"


@pytest.mark.parametrize("takes", [0.5, 2.0, 3.5])
def test_a_list_proves_what_was_so_when_it_was_asked_for(takes: float) -> None:
    venue = Venue(order(1))
    venue.list_takes = takes
    venue.timeline.after(LATE_SECONDS - 0.1, lambda: venue.orders.append(order(2)))
    prove_none_left(venue, venue.timeline, 24, notes=Notes(), may_be_late=True)
    assert venue.orders == []


def test_a_step_back_of_the_venue_s_clock_begins_the_wait_anew() -> None:
    venue = Venue(order(1))

    def step_back() -> None:
        venue.clock.stepped_back_at = venue.timeline.monotonic()

    venue.timeline.after(6, step_back)
    venue.timeline.after(15, lambda: venue.orders.append(order(2)))
    prove_none_left(venue, venue.timeline, 3, notes=Notes(), may_be_late=True)
    assert venue.orders == []
    assert venue.timeline.monotonic() >= 6 + LATE_SECONDS


@pytest.mark.parametrize("seconds", [3.0, 24.0])
def test_a_clock_that_steps_back_for_ever_does_not_keep_the_proof_from_ending(
    seconds: float,
) -> None:
    """Two servers of the venue behind one address, half a second apart, look like that."""
    venue = Venue(order(1, oid=OTHERS))

    def step_back() -> None:
        venue.clock.stepped_back_at = venue.timeline.monotonic()

    venue.timeline.every(0.5, step_back)
    with pytest.raises(OrdersLeft, match="may still arrive"):
        prove_none_left(venue, venue.timeline, seconds, notes=Notes(), may_be_late=True)
    assert venue.timeline.monotonic() <= seconds + 2 * LATE_SECONDS + 1


def test_where_none_can_be_late_one_list_is_enough() -> None:
    venue = Venue(order(1, oid=OTHERS))
    prove_none_left(venue, venue.timeline, 3, notes=Notes(), may_be_late=False)
    assert venue.timeline.monotonic() == 0
    assert venue.cancelled == []


def test_nothing_that_is_read_after_a_proof_can_take_it_back() -> None:
    venue = Venue(order(1, oid=""))
    venue.failing[2] = Temporary("HTTP 503")
    prove_none_left(venue, venue.timeline, 3, notes=Notes(), may_be_late=False)
    assert len(venue.asked) == 1


@pytest.mark.parametrize("second", [0.0, 2.9, 3.1, 6.0, 9.9, 10.2])
def test_a_list_that_fails_once_is_asked_for_again_at_any_time_of_the_wait(second: float) -> None:
    venue = Venue(order(1))
    venue.down = (second, second + 1.0)
    prove_none_left(venue, venue.timeline, 3, notes=Notes(), may_be_late=True)
    assert venue.orders == []
    assert venue.timeline.monotonic() >= LATE_SECONDS


def test_a_venue_that_goes_away_during_the_wait_leaves_nothing_proven() -> None:
    venue = Venue(order(1))
    venue.down = (5.0, math.inf)
    with pytest.raises(OrdersLeft, match="503"):
        prove_none_left(venue, venue.timeline, 3, notes=Notes(), may_be_late=True)
    assert 7 <= venue.timeline.monotonic() <= 9


def test_open_orders_without_client_oid_and_without_a_note_are_said_and_left(
    log: pytest.LogCaptureFixture,
) -> None:
    venue = Venue(order(1), order(2, oid=""))
    prove_none_left(venue, venue.timeline, 20, notes=Notes(), may_be_late=False)
    assert [each.order_id for each in venue.orders] == ["2"]
    assert "1 open orders have no client_oid; owner unknown." in log.text
