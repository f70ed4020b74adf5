"""The life of our own orders: nothing ends, and no fill is told, without evidence."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.client_oid import new_oid
from market_maker.clock import Clock
from market_maker.models import OpenOrder, OrderRequest, OrderState, Side
from market_maker.orders.notes import Notes, claimed
from market_maker.orders.taker_reports import WAIT_SECONDS, TakerReports
from market_maker.orders.tracker import LIST_LAG, REMEMBER, SCANS_APART, OrderTracker

REQUEST = OrderRequest(
    side=Side.BUY, price=Decimal(1000), qty=Decimal(100), client_oid=new_oid("mm_", "run000", 1)
)


def row(
    filled: int = 0, state: OrderState = OrderState.OPEN, oid: str = REQUEST.client_oid
) -> OpenOrder:
    return OpenOrder(
        side=Side.BUY,
        price=Decimal(1000),
        qty=Decimal(100),
        filled=Decimal(filled),
        client_oid=oid,
        order_id="17",
        state=state,
    )


def sent() -> OrderTracker:
    own = OrderTracker("mm_")
    own.sending(REQUEST)
    return own


def accepted() -> OrderTracker:
    own = sent()
    own.accepted(REQUEST.client_oid, "17")
    return own


def never_late(since: float) -> bool:
    """Say that no order can arrive any more, whenever its answer was given up."""
    return False


def state(own: OrderTracker) -> OrderState:
    return own.live()[0].state


@pytest.mark.parametrize("ended", [False, True])
def test_no_row_fills_an_order_beyond_its_quantity(ended: bool) -> None:
    own = accepted()
    state = OrderState.DONE if ended else OrderState.OPEN
    strange = replace(row(30, state), qty=Decimal(900), filled=Decimal(150))
    for _ in range(3):
        own.observe(strange)
    assert own.live() == ()
    assert own.find(strange).filled == 100  # type: ignore[union-attr]
    assert list(own.overfilled.values()) == [strange], "told once"


def test_a_row_of_the_other_side_decides_nothing_by_it() -> None:
    own = accepted()
    fill = own.observe(replace(row(30), side=Side.SELL))
    assert fill
    assert (fill.side, own.live()[0].side) == (Side.BUY, Side.BUY)


def test_an_order_counts_from_before_its_first_byte_leaves() -> None:
    assert state(sent()) is OrderState.SENT


def test_an_accepted_order_is_open_under_its_id() -> None:
    assert accepted().live()[0].order_id == "17"
    assert state(accepted()) is OrderState.OPEN


def test_a_refused_order_is_gone() -> None:
    own = sent()
    own.refused(REQUEST.client_oid)
    assert own.live() == ()


def test_a_row_that_overtakes_the_answer_to_its_create_is_the_same_order() -> None:
    own = sent()
    assert own.observe(row(filled=30)).qty == 30  # type: ignore[union-attr]
    own.accepted(REQUEST.client_oid, "17")
    assert len(own.live()) == 1
    assert own.live()[0].filled == 30


def test_an_order_that_the_guard_has_pulled_was_not_ended_by_the_venue() -> None:
    own = accepted()
    own.all_pulled()
    assert state(own) is OrderState.OPEN
    own.observe(row(state=OrderState.DONE))
    assert own.ended_by_venue == 0


def test_each_fill_is_booked_once_whatever_repeats_it() -> None:
    own = accepted()
    fills = [own.observe(row(filled)) for filled in (0, 30, 30, 20, 100, 100)]
    assert [fill.qty if fill else 0 for fill in fills] == [0, 30, 0, 0, 70, 0]


def test_a_fill_holds_the_order_before_and_after_and_how_many_frames_had_arrived() -> None:
    own = accepted()
    own.observe(row(filled=30), 5)
    fill = own.observe(replace(row(filled=70), avg_price=Decimal(999)), 7)
    assert fill
    assert (fill.side, fill.qty, fill.arrival) == (Side.BUY, 40, 7)
    assert (fill.before.filled, fill.order.filled, fill.order.avg_price) == (30, 70, 999)


def test_an_order_holds_how_many_frames_had_arrived_when_it_was_first_acknowledged() -> None:
    own = sent()
    own.accepted(REQUEST.client_oid, "17", 4)
    own.observe(row(), 9)
    assert own.live()[0].arrival == 4
    own = sent()
    own.observe(row(), 9)
    own.accepted(REQUEST.client_oid, "17", 12)
    assert own.live()[0].arrival == 9


def test_a_row_without_client_oid_is_known_by_its_order_id() -> None:
    own = accepted()
    assert own.observe(row(filled=30, oid=""))
    assert own.live()[0].client_oid == REQUEST.client_oid


def test_an_ended_order_does_not_come_back() -> None:
    own = accepted()
    own.observe(row(state=OrderState.DONE))
    own.observe(row())
    assert own.live() == ()


def test_a_filled_order_has_ended_whatever_its_status_says() -> None:
    own = accepted()
    own.observe(row(filled=100))
    assert own.live() == ()


def test_orders_of_others_are_never_taken_for_ours() -> None:
    own = OrderTracker("mm_")
    for oid in ("someone_else", ""):
        assert own.observe(row(filled=10, oid=oid)) is None
    assert own.live() == ()


def test_an_unknown_order_of_a_known_run_is_taken_over() -> None:
    own = OrderTracker("mm_")
    own.known_runs.add("run000")
    own.observe(row())
    assert len(own.live()) == 1
    assert not own.foreign_runs


def test_an_order_of_an_unknown_run_with_our_prefix_is_a_strangers() -> None:
    own = OrderTracker("mm_")
    own.observe(row())
    assert own.live() == ()
    assert own.foreign_runs == {"run000"}


def test_an_id_that_was_cut_or_altered_is_not_ours() -> None:
    own = OrderTracker("mm_")
    own.known_runs.add("run000")
    own.observe(row(oid=REQUEST.client_oid[:-1]))
    own.observe(row(oid=REQUEST.client_oid.replace("run000", "run001")))
    assert own.live() == ()
    assert not own.foreign_runs


def test_an_order_that_turns_up_after_a_refusal_is_a_ghost_and_is_taken_back() -> None:
    own = sent()
    own.refused(REQUEST.client_oid)
    own.observe(row())
    assert len(own.live()) == len(own.late_orders) == 1


def test_of_more_refused_orders_than_are_remembered_the_latest_may_still_come() -> None:
    own = OrderTracker("mm_")
    for number in range(REMEMBER + 2):
        order = replace(REQUEST, client_oid=new_oid("mm_", "run001", number))
        own.sending(order)
        own.refused(order.client_oid)
    own.observe(row(oid=order.client_oid))
    assert [late.client_oid for late in own.late_orders] == [order.client_oid]


def test_what_the_venue_itself_ends_is_counted_and_what_we_cancel_is_not() -> None:
    own = accepted()
    own.cancelling(REQUEST.client_oid)
    own.observe(row(state=OrderState.DONE))
    assert own.ended_by_venue == 0
    own = accepted()
    own.observe(row(state=OrderState.DONE))
    assert own.ended_by_venue == 1


class Hand(Clock):
    """A clock that a test moves by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def report(filled: int) -> tuple[OpenOrder, int]:
    return replace(row(filled=filled, oid=""), is_taker=True), filled


def told(filled: int) -> tuple[OpenOrder, int]:
    return replace(row(filled=filled), avg_price=Decimal(990)), filled + 1


def through(own: OrderTracker, clock: Hand) -> TakerReports:
    own.record_id("17")
    return TakerReports(clock, own.find)


def test_a_fill_that_took_liquidity_is_counted_once_whatever_repeats_it() -> None:
    own = accepted()
    reports = through(own, Hand())
    for _ in range(3):
        reports.join([report(40), told(40), report(40)])
    assert reports.count == 1


def test_the_report_of_an_order_that_its_row_has_ended_counts_too() -> None:
    own = accepted()
    reports = through(own, Hand())
    for each in reports.join([told(100)]):
        own.observe(*each)
    assert own.live() == ()
    reports.join([report(100)])
    assert reports.count == 1


def test_the_report_of_a_fill_that_took_liquidity_waits_for_the_row_that_tells_its_price() -> None:
    own, clock = accepted(), Hand()
    reports = through(own, clock)
    assert reports.join([report(40), report(60)]) == []
    assert reports.join([told(40)]) == [(replace(told(40)[0], is_taker=True), 41)]
    (joined,) = reports.join([told(60)])
    assert joined == (replace(told(60)[0], is_taker=True), 61)
    clock.now += WAIT_SECONDS
    assert reports.join([]) == []


@pytest.mark.parametrize("told_first", [False, True])
def test_what_took_liquidity_is_told_from_what_rested_then_in_whatever_order_frames_come(
    told_first: bool,
) -> None:
    own = accepted()
    pairs = [[report(20), told(20)], [report(40), told(40)]]
    frames = [each for pair in pairs for each in (reversed(pair) if told_first else pair)]
    joined = through(own, Hand()).join([*frames, told(60)])
    fills = [fill for each in joined if (fill := own.observe(*each))]
    assert [(fill.qty, fill.order.is_taker) for fill in fills] == [
        (20, True),
        (20, True),
        (20, False),
    ]


def test_a_report_whose_row_does_not_come_counts_alone_after_a_while() -> None:
    own, clock = accepted(), Hand()
    reports = through(own, clock)
    assert reports.join([report(40)]) == []
    clock.now += WAIT_SECONDS
    assert reports.join([]) == [report(40)]
    assert reports.join([]) == []


def test_what_a_row_tells_of_an_earlier_fill_is_not_told_of_a_later_one() -> None:
    told = {"avg_price": Decimal(999), "fee": Decimal("0.000001")}
    own = accepted()
    own.observe(replace(row(), fee=Decimal(0)))
    first = own.observe(row(filled=30))  # an execution report, which has neither
    assert first
    assert (first.order.avg_price, first.order.fee) == (0, None)
    own.observe(replace(row(filled=30), **told))
    own.observe(row(filled=30))
    assert (own.live()[0].avg_price, own.live()[0].fee) == tuple(told.values())
    own.observe(replace(row(filled=10), avg_price=Decimal(998), fee=Decimal(0)))
    assert (own.live()[0].avg_price, own.live()[0].fee) == tuple(told.values())
    second = own.observe(row(filled=100))
    assert second
    assert (second.before.avg_price, second.order.avg_price) == (999, 0)
    assert second.order.fee is None


def test_leftovers_are_taken_over_with_what_they_have_filled_and_that_is_not_booked_again() -> None:
    own = OrderTracker("mm_")
    own.known_runs.add("run000")
    assert own.observe(row(filled=40)) is None
    assert own.observe(row(filled=40)) is None
    assert own.observe(row(filled=50)).qty == 10  # type: ignore[union-attr]


def test_an_order_being_cancelled_stays_until_its_row_says_that_it_has_ended() -> None:
    own = accepted()
    own.cancelling(REQUEST.client_oid)
    own.observe(row())
    assert state(own) is OrderState.CANCELLING
    own.observe(row(state=OrderState.DONE))
    assert own.live() == ()


def test_a_cancel_that_failed_leaves_the_order_open_to_be_cancelled_again() -> None:
    own = accepted()
    own.cancelling(REQUEST.client_oid)
    own.cancel_failed(REQUEST.client_oid)
    assert state(own) is OrderState.OPEN


def test_a_lost_answer_leaves_the_order_in_doubt_until_a_row_shows_it() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, now=5.0)
    assert own.unknown()
    own.observe(row())
    assert state(own) is OrderState.OPEN


def test_absence_takes_two_scans_apart_begun_after_the_request_can_arrive_no_more() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, now=5.0)
    given_up: list[float] = []

    def missed(begun: float, *, may_be_late: bool = False) -> bool:
        def is_late(since: float) -> bool:
            given_up.append(since)
            return may_be_late

        return own.missed(REQUEST.client_oid, begun, is_late)

    assert not missed(4.0, may_be_late=True)
    assert not missed(5.0 + 2 * SCANS_APART, may_be_late=True)
    assert not missed(15.3)
    assert not missed(15.2 + SCANS_APART)
    assert own.unknown()
    assert missed(15.3 + SCANS_APART)
    assert own.live() == ()
    assert set(given_up) == {5.0}


def test_without_an_order_in_doubt_there_is_nothing_to_search_from() -> None:
    own = accepted()
    assert own.id_floor() == ""
    own.sending(replace(REQUEST, client_oid=new_oid("mm_", "run000", 2)))
    assert own.id_floor() == "", "it is still being sent"


def test_more_rows_without_client_oid_than_orders_in_doubt_prove_nothing_but_not_absence() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, now=0.0)
    own.claim([row(oid=""), replace(row(oid=""), order_id="18")])
    assert not any(
        own.missed(REQUEST.client_oid, begun, never_late) for begun in (11.0, 12.0, 70.0)
    )
    assert state(own) is OrderState.UNKNOWN


def test_the_only_row_that_an_order_in_doubt_can_be_is_that_order() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, now=1.0)
    nameless = row(oid="")
    own.claim([nameless])
    own.observe(nameless)
    assert [(order.order_id, order.state) for order in own.live()] == [("17", OrderState.OPEN)]


def test_the_search_for_an_order_in_doubt_begins_at_the_last_id_before_it_was_sent() -> None:
    own = OrderTracker("mm_")
    for number in ("20", "99", "39"):
        own.record_id(number)
    own.observe(replace(row(oid="someone_else"), order_id="100"))
    own.sending(REQUEST)
    own.observe(replace(row(oid="someone_else"), order_id="120"))
    own.lost(REQUEST.client_oid, now=1.0)
    assert own.id_floor() == "100"
    second = replace(REQUEST, client_oid=new_oid("mm_", "run000", 2))
    own.sending(second)
    own.lost(second.client_oid, now=2.0)
    assert own.id_floor() == "100", "of the oldest"


def test_an_order_thought_absent_that_shows_up_after_all_is_taken_back_and_booked() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, now=0.0)
    own.missed(REQUEST.client_oid, 10.0, never_late)
    assert own.missed(REQUEST.client_oid, 20.0, never_late)
    assert own.observe(row(filled=30)).qty == 30  # type: ignore[union-attr]
    assert len(own.live()) == 1


def test_an_order_that_was_seen_ends_by_absence_only_when_lists_cannot_lag_any_more() -> None:
    own = accepted()
    assert not own.missed(REQUEST.client_oid, 0.0, never_late)
    assert not own.missed(REQUEST.client_oid, LIST_LAG - 0.1, never_late)
    assert own.missed(REQUEST.client_oid, LIST_LAG, never_late)


def test_an_order_that_lists_show_as_live_rests_only_when_they_cannot_lag_any_more() -> None:
    own = accepted()
    own.observe(row(state=OrderState.DONE))
    listed = [replace(row(oid="somebody"), order_id="16"), row()]
    assert own.listed(listed, 0.0) == []
    assert own.listed(listed, LIST_LAG) == []
    assert own.live() == ()
    assert own.listed(listed, LIST_LAG + 0.1) == listed[1:]
    assert state(own) is OrderState.OPEN


def test_an_answer_about_an_order_that_nobody_knows_changes_nothing() -> None:
    own = OrderTracker("mm_")
    own.refused(REQUEST.client_oid)
    own.lost(REQUEST.client_oid, now=0.0)
    assert own.live() == ()


def test_a_filled_order_of_an_earlier_run_is_no_fill_of_this_one() -> None:
    own = OrderTracker("mm_")
    assert own.observe(row(filled=100, state=OrderState.DONE)) is None
    assert own.live() == ()


def test_on_a_venue_that_forgets_client_oids_an_order_in_doubt_is_known_by_its_shape() -> None:
    own = accepted()
    second = replace(REQUEST, client_oid=new_oid("mm_", "run000", 2))
    own.sending(second)
    own.lost(second.client_oid, now=1.0)
    listed = [row(oid=""), replace(row(oid=""), order_id="18")]
    own.claim(listed)
    for each in listed:
        own.observe(each)
    assert [order.order_id for order in own.live()] == ["17", "18"]
    assert not own.unknown()


def test_on_a_venue_that_keeps_them_a_nameless_order_is_somebody_elses() -> None:
    own = accepted()
    second = replace(REQUEST, client_oid=new_oid("mm_", "run000", 2))
    own.sending(second)
    own.lost(second.client_oid, now=1.0)
    nameless = replace(row(oid=""), order_id="18")
    own.claim([row(), nameless])
    own.observe(nameless)
    assert [order.client_oid for order in own.unknown()] == [second.client_oid]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from(list(OrderState)[1:])), max_size=20),
)
def test_whatever_rows_come_fills_only_rise_and_add_up(
    rows: list[tuple[int, OrderState]],
) -> None:
    own = accepted()
    booked = sum(
        (
            fill.qty
            for filled, seen in rows
            if seen is not OrderState.UNKNOWN and (fill := own.observe(row(filled, seen)))
        ),
        Decimal(0),
    )
    order = own.find(row())
    assert order
    assert booked == order.filled <= 100


def test_a_row_is_about_the_order_that_its_client_oid_names_whatever_id_it_shows() -> None:
    other = replace(REQUEST, side=Side.SELL, client_oid=new_oid("mm_", "run000", 2))
    own = accepted()
    own.sending(other)
    own.accepted(other.client_oid, "18")
    sold = replace(row(100, OrderState.DONE, other.client_oid), side=Side.SELL, order_id="17")
    fill = own.observe(sold)
    assert fill is not None
    assert fill.side is Side.SELL
    [left] = own.live()
    assert (left.client_oid, left.order_id, left.filled) == (REQUEST.client_oid, "17", 0)


@pytest.mark.parametrize(
    ("older_ms", "whose"),
    [
        *((-1, "ours"), (30_000, "ours"), (60_000, "ours")),
        *((61_000, "unknown"), (3_660_000, "unknown"), (3_661_000, "another's")),
        *((1_580_545_105_000, "unknown"),),  # its time could not be read
    ],
)
def test_a_row_is_ours_by_its_note_though_the_clock_of_the_venue_was_set_back_by_a_minute(
    older_ms: int, whose: str
) -> None:
    noted = replace(row(state=OrderState.UNKNOWN), order_id="", ctime=1_580_545_105_000)
    nameless = replace(row(oid=""), ctime=noted.ctime - older_ms)
    ours, ambiguous = claimed([nameless], Notes(open_creates=(noted,)))
    assert ours == ({"17"} if whose == "ours" else set())
    assert ambiguous == ((nameless,) if whose == "unknown" else ())


def test_a_row_whose_time_cannot_be_read_is_not_ours_where_another_is() -> None:
    noted = replace(row(state=OrderState.UNKNOWN), order_id="", ctime=1_580_545_105_000)
    found = replace(row(oid=""), ctime=noted.ctime)
    untimed = replace(found, order_id="18", ctime=0)
    assert claimed([untimed, found], Notes(open_creates=(noted,))) == ({"17"}, ())
