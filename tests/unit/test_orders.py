"""The life of our own orders: nothing ends, and nothing is booked, without evidence."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market_maker.client_oid import new_oid
from market_maker.models import Leg, OpenOrder, OrderRequest, OrderState, Position, Side
from market_maker.orders.tracker import LIST_LAG, SCANS_APART, OrderTracker

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


def state(own: OrderTracker) -> OrderState:
    return own.live()[0].state


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
    assert own.observe(row(filled=30), time=1).qty == 30  # type: ignore[union-attr]
    own.accepted(REQUEST.client_oid, "17")
    assert len(own.live()) == 1
    assert own.live()[0].filled == 30


def test_an_order_that_the_guard_has_pulled_was_not_ended_by_the_venue() -> None:
    own = accepted()
    own.all_pulled()
    assert state(own) is OrderState.OPEN
    own.observe(row(state=OrderState.DONE), time=1)
    assert own.ended_by_venue == 0


def test_a_process_that_takes_over_counts_on_with_what_has_filled_meanwhile() -> None:
    before = accepted()
    before.observe(row(filled=30), time=1)
    after = OrderTracker("mm_")
    after.go_on(before.trades(), [row(filled=70)])
    assert (after.bought, after.sold) == (70, 0)
    assert after.adopt([row(filled=70, oid="")]) == 1, "a spot row shows no client_oid"
    assert after.live()[0].client_oid == REQUEST.client_oid
    after.observe(row(filled=100, oid=""), time=2)
    assert after.bought == 100


def test_each_fill_is_booked_once_whatever_repeats_it() -> None:
    own = accepted()
    fills = [own.observe(row(filled), time=1) for filled in (0, 30, 30, 20, 100, 100)]
    assert [fill.qty if fill else 0 for fill in fills] == [0, 30, 0, 0, 70, 0]
    assert (own.bought, own.sold, own.fill_count) == (100, 0, 2)


def test_a_row_without_client_oid_is_known_by_its_order_id() -> None:
    own = accepted()
    assert own.observe(row(filled=30, oid=""), time=1)
    assert own.live()[0].client_oid == REQUEST.client_oid


def test_an_ended_order_does_not_come_back() -> None:
    own = accepted()
    own.observe(row(state=OrderState.DONE), time=1)
    own.observe(row(), time=2)
    assert own.live() == ()


def test_a_filled_order_has_ended_whatever_its_status_says() -> None:
    own = accepted()
    own.observe(row(filled=100), time=1)
    assert own.live() == ()


def test_orders_of_others_are_never_taken_for_ours() -> None:
    own = OrderTracker("mm_")
    assert own.observe(row(filled=10, oid="someone_else"), time=1) is None
    assert own.adopt([row(oid="someone_else"), row(oid="")]) == 0
    assert own.live() == ()


def test_an_unknown_order_of_a_known_run_is_taken_over() -> None:
    own = OrderTracker("mm_")
    own.known_runs.add("run000")
    own.observe(row(), time=1)
    assert len(own.live()) == 1
    assert not own.strange_runs


def test_an_order_of_an_unknown_run_with_our_prefix_is_a_strangers() -> None:
    own = OrderTracker("mm_")
    own.observe(row(), time=1)
    assert own.live() == ()
    assert own.strange_runs == {"run000"}


def test_an_id_that_was_cut_or_altered_is_not_ours() -> None:
    own = OrderTracker("mm_")
    own.known_runs.add("run000")
    own.observe(row(oid=REQUEST.client_oid[:-1]), time=1)
    own.observe(row(oid=REQUEST.client_oid.replace("run000", "run001")), time=1)
    assert own.live() == ()
    assert not own.strange_runs


def test_an_order_that_turns_up_after_a_refusal_is_a_ghost_and_is_taken_back() -> None:
    own = sent()
    own.refused(REQUEST.client_oid)
    own.observe(row(), time=1)
    assert len(own.live()) == len(own.ghosts) == 1


def test_what_the_venue_itself_ends_is_counted_and_what_we_cancel_is_not() -> None:
    own = accepted()
    own.cancelling(REQUEST.client_oid)
    own.observe(row(state=OrderState.DONE), time=1)
    assert own.ended_by_venue == 0
    own = accepted()
    own.observe(row(state=OrderState.DONE), time=1)
    assert own.ended_by_venue == 1


def test_a_fill_that_took_liquidity_is_counted_once_whatever_repeats_it() -> None:
    own = accepted()
    for _ in range(3):
        own.observe(replace(row(filled=40), took=True), time=1)
    assert own.taker_fills == 1


def test_leftovers_are_adopted_with_what_they_have_filled_and_that_is_not_booked_again() -> None:
    own = OrderTracker("mm_")
    assert own.adopt([row(filled=40)]) == 1
    assert own.observe(row(filled=40), time=1) is None
    assert own.observe(row(filled=50), time=2).qty == 10  # type: ignore[union-attr]


def test_an_order_being_cancelled_stays_until_its_row_says_that_it_has_ended() -> None:
    own = accepted()
    own.cancelling(REQUEST.client_oid)
    own.observe(row(), time=1)
    assert state(own) is OrderState.CANCELLING
    own.observe(row(state=OrderState.DONE), time=2)
    assert own.live() == ()


def test_a_cancel_that_failed_leaves_the_order_open_to_be_cancelled_again() -> None:
    own = accepted()
    own.cancelling(REQUEST.client_oid)
    own.cancel_failed(REQUEST.client_oid)
    assert state(own) is OrderState.OPEN


def test_a_lost_answer_leaves_the_order_in_doubt_until_a_row_shows_it() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, expires=5_000)
    assert own.unknown()
    own.observe(row(), time=1)
    assert state(own) is OrderState.OPEN


def test_absence_takes_two_scans_apart_begun_after_the_request_can_arrive_no_more() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, expires=5_000)
    late = 5_000 + 5_200
    assert not own.missed(REQUEST.client_oid, begun=4_000)
    assert not own.missed(REQUEST.client_oid, begun=late)
    assert not own.missed(REQUEST.client_oid, begun=late + 1)
    assert not own.missed(REQUEST.client_oid, begun=late + SCANS_APART)
    assert own.unknown()
    assert own.missed(REQUEST.client_oid, begun=late + 1 + SCANS_APART)
    assert own.live() == ()


def history(ids: list[int]) -> list[OpenOrder]:
    """Orders of others with these ids, one a second."""
    rows = [replace(row(oid="someone_else"), order_id=str(number)) for number in ids]
    return [replace(each, ctime=1000 * second) for second, each in enumerate(rows)]


def test_while_ids_are_not_known_to_rise_all_is_searched_for_an_order_in_doubt() -> None:
    for ids in ([], [5, 6, 7], [9, *range(20, 31), 8]):
        own = OrderTracker("mm_")
        own.learn(history(list(ids)))
        own.sending(REQUEST)
        own.lost(REQUEST.client_oid, expires=1)
        assert own.born_after() == ""


def test_a_row_without_client_oid_that_may_be_the_order_in_doubt_keeps_it_from_being_absent() -> (
    None
):
    own = sent()
    own.lost(REQUEST.client_oid, expires=0)
    own.claim([row(oid="")])
    late = 5_200 + 1
    assert not any(own.missed(REQUEST.client_oid, late + second) for second in (0, 1000, 60_000))
    assert state(own) is OrderState.UNKNOWN


def test_the_search_for_an_order_in_doubt_begins_at_the_last_id_before_it_was_sent() -> None:
    own = OrderTracker("mm_")
    own.learn(history(list(range(20, 40))))
    own.observe(replace(row(oid="someone_else"), order_id="99"), time=1)
    own.sending(REQUEST)
    own.observe(replace(row(oid="someone_else"), order_id="120"), time=1)
    own.lost(REQUEST.client_oid, expires=1)
    assert own.born_after() == "99"


def test_a_fill_is_unseen_until_its_leg_is_shown_at_a_later_time() -> None:
    own = accepted()
    own.observe(row(filled=30), time=1_000)

    def position(long: int, short: int) -> Position:
        return Position(long=Leg(time=long), short=Leg(time=short))

    assert own.unseen(position(long=1_000, short=1_000)) == (30, 0)
    assert own.unseen(position(long=1_000, short=5_000)) == (30, 0)
    assert own.unseen(position(long=1_001, short=900)) == (0, 0)


def test_an_order_thought_absent_that_shows_up_after_all_is_taken_back_and_booked() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, expires=0)
    own.missed(REQUEST.client_oid, begun=10_000)
    assert own.missed(REQUEST.client_oid, begun=20_000)
    assert own.observe(row(filled=30), time=1).qty == 30  # type: ignore[union-attr]
    assert len(own.live()) == 1


def test_an_order_that_was_seen_ends_by_absence_only_when_lists_cannot_lag_any_more() -> None:
    own = accepted()
    assert not own.missed(REQUEST.client_oid, begun=0)
    assert not own.missed(REQUEST.client_oid, begun=LIST_LAG - 1)
    assert own.missed(REQUEST.client_oid, begun=LIST_LAG)


def test_a_filled_order_of_an_earlier_run_is_no_fill_of_this_one() -> None:
    own = OrderTracker("mm_")
    assert own.observe(row(filled=100, state=OrderState.DONE), time=1) is None
    assert (own.bought, own.live()) == (0, ())


def test_on_a_venue_that_forgets_client_oids_an_order_in_doubt_is_known_by_its_shape() -> None:
    own = accepted()
    second = replace(REQUEST, client_oid=new_oid("mm_", "run000", 2))
    own.sending(second)
    own.lost(second.client_oid, expires=1)
    listed = [row(oid=""), replace(row(oid=""), order_id="18")]
    own.claim(listed)
    for each in listed:
        own.observe(each, time=1)
    assert [order.order_id for order in own.live()] == ["17", "18"]
    assert not own.unknown()


def test_on_a_venue_that_keeps_them_a_nameless_order_is_somebody_elses() -> None:
    own = sent()
    own.lost(REQUEST.client_oid, expires=1)
    nameless = row(oid="")
    own.claim([nameless])
    own.observe(nameless, time=1)
    assert own.unknown()


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
            if seen is not OrderState.UNKNOWN and (fill := own.observe(row(filled, seen), time=1))
        ),
        Decimal(0),
    )
    assert booked == own.bought <= 100
    for order in own.live():
        assert order.filled == own.bought
