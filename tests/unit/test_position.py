"""The position seen twice: as the venue shows it, and as our own fills make it."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import Exposure, Fill, Leg, OpenOrder, Position, Side
from market_maker.money.position import (
    CHANGING_SECONDS,
    FLAT_STALE,
    LEG_STALE,
    LIVELY,
    SETTLE,
    Jump,
    PositionLedger,
)

BUY, SELL = Side.BUY, Side.SELL


def fill(side: Side, qty: int, *, close: bool = False, arrival: int = 0) -> Fill:
    """A fill that was told when so many frames had arrived."""
    before = OpenOrder(side=side, price=Decimal(8000), qty=Decimal(qty), close=close)
    after = OpenOrder(
        side=side, price=Decimal(8000), qty=Decimal(qty), filled=Decimal(qty), close=close
    )
    return Fill(side=side, qty=Decimal(qty), before=before, order=after, arrival=arrival)


def legs(
    long: int, short: int = 0, *, arrival: int = 1, at: float = 0.0, frame: float | None = None
) -> Position:
    """A position whose legs came with that frame, at that time; `frame` is the latest's time."""
    return Position(
        long=Leg(qty=Decimal(long), arrival=arrival, at=at, liquidation_price=Decimal(7000)),
        short=Leg(qty=Decimal(short), arrival=arrival, at=at, liquidation_price=Decimal(9000)),
        at=at if frame is None else frame,
    )


def ledger_of(position: Position, *booked: Fill) -> PositionLedger:
    """A ledger whose base is this position, and that has booked fills since."""
    ledger = PositionLedger()
    ledger.see(position, 0.0)
    for each in booked:
        ledger.book(each)
    return ledger


def needs_new_image(ledger: PositionLedger, position: Position, *times: float) -> list[bool]:
    """See a position again and again, with our orders looked up each time."""
    found = []
    for time in times:
        ledger.see(position, time)
        found.append(ledger.needs_new_image(time, known_at=time))
    return found


def views(exposure: Exposure) -> tuple[tuple[Decimal, Decimal], ...]:
    """The lowest and the highest of the long leg, of the short one, and of long - short."""
    return (
        (exposure.long_low, exposure.long_high),
        (exposure.short_low, exposure.short_high),
        (exposure.net_low, exposure.net_high),
    )


# --- what differs, and what does not --------------------------------------------------------------


def test_what_was_there_before_us_is_the_base() -> None:
    ledger = PositionLedger()
    assert needs_new_image(ledger, legs(70, 30), 0, 10, 20, 60) == [False] * 4
    assert not ledger.has_mismatch()


def test_what_was_booked_before_the_first_row_is_in_it() -> None:
    ledger = PositionLedger()
    ledger.book(fill(BUY, 10))
    assert needs_new_image(ledger, legs(80), 0, 60) == [False, False]
    ledger.see(legs(70), 61)
    assert ledger.has_mismatch()


@pytest.mark.parametrize(
    ("booked", "position"),
    [
        (fill(BUY, 10), legs(80, 30)),
        (fill(SELL, 10), legs(70, 40)),
        (fill(SELL, 10, close=True), legs(60, 30)),
        (fill(BUY, 10, close=True), legs(70, 20)),
    ],
)
def test_what_our_fills_explain_is_no_difference(booked: Fill, position: Position) -> None:
    ledger = ledger_of(legs(70, 30), booked)
    assert needs_new_image(ledger, position, 1, 10, 20, 60) == [False] * 4
    assert not ledger.has_mismatch()
    assert ledger.mismatch_for(60) == 0


@pytest.mark.parametrize(
    ("position", "said"), [(legs(75), "long +5"), (legs(0), "long -70"), (legs(70, 9), "short +9")]
)
def test_a_difference_is_looked_into_when_it_has_stood_and_told_once(
    position: Position, said: str
) -> None:
    ledger = ledger_of(legs(70))
    assert needs_new_image(ledger, position, 1, 1 + SETTLE - 0.1) == [False, False]
    assert ledger.has_mismatch()
    assert ledger.mismatch_for(4) == 3
    assert needs_new_image(ledger, position, 1 + SETTLE) == [True]
    assert ledger.propose_base(position) is None
    assert [str(jump) for jump in ledger.propose_base(position) or ()] == [said]
    assert needs_new_image(ledger, position, 2 + SETTLE, 100) == [False, False]
    assert not ledger.has_mismatch()
    assert [ledger.propose_base(position) for _ in range(2)] == [None, []]


def test_a_difference_that_goes_back_in_time_is_none() -> None:
    ledger = PositionLedger()
    for time, qty in ((0, 70), (1, 75), (5, 75), (5.9, 70), (7, 75), (11, 75)):
        assert needs_new_image(ledger, legs(qty), time) == [False]


def test_a_row_that_lacks_a_fill_is_looked_into_too_as_no_time_tells_which_is_newer() -> None:
    ledger = ledger_of(legs(70, arrival=1), fill(BUY, 10, arrival=5))
    assert needs_new_image(ledger, legs(70, arrival=4), 1, 5, 6, 30) == [False, False, True, True]
    assert needs_new_image(ledger, legs(80, arrival=6), 31, 60) == [False, False]


def test_a_difference_is_not_anothers_before_our_orders_have_been_looked_up() -> None:
    ledger = ledger_of(legs(0))
    for time in (1.0, 20.0, 40.0):
        ledger.see(legs(10), time)
        assert not ledger.needs_new_image(time, known_at=0.5)
    assert ledger.needs_new_image(41.0, known_at=40.5)


def test_a_difference_that_never_stands_still_is_looked_into_after_a_while() -> None:
    ledger = ledger_of(legs(0))
    found = [needs_new_image(ledger, legs(10 * second), second)[0] for second in range(2, 17)]
    assert found == [False] * 12 + [True] * 3


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40))
def test_a_difference_has_stood_or_gone_on_for_its_time(quantities: list[int]) -> None:
    ledger = PositionLedger()
    base = quantities[0]
    for second, qty in enumerate(quantities):
        (needs,) = needs_new_image(ledger, legs(qty), second)
        stood = quantities[max(0, second - int(SETTLE)) : second + 1]
        away = quantities[max(0, second - int(CHANGING_SECONDS)) : second + 1]
        has_stood = len(stood) > SETTLE and set(stood) == {qty}
        has_gone_on = len(away) > CHANGING_SECONDS and base not in away
        assert needs == (qty != base and (has_stood or has_gone_on))


# --- a base set anew ------------------------------------------------------------------------------


def test_the_base_is_set_anew_only_by_the_same_difference_twice_running() -> None:
    ledger = ledger_of(legs(70))
    for time, qty in enumerate((75, 76, 75, 75)):
        ledger.see(legs(qty), time)
        found = ledger.propose_base(legs(qty))
        assert (found is None) == (time < 3)
    assert found == [Jump(True, Decimal(5))]
    assert not ledger.has_mismatch()


def test_a_connection_that_is_gone_takes_its_proposal_along() -> None:
    ledger = ledger_of(legs(70))
    ledger.see(legs(75), 1)
    assert ledger.propose_base(legs(75)) is None
    ledger.withdraw_proposal()
    assert ledger.propose_base(legs(75)) is None
    assert ledger.propose_base(legs(75))


def test_both_legs_are_set_anew_together_and_fills_count_on_from_there() -> None:
    ledger = ledger_of(legs(70, 30), fill(BUY, 10))
    ledger.see(legs(100, 0), 1)
    found = [ledger.propose_base(legs(100, 0)) for _ in range(2)][1]
    assert found == [Jump(True, Decimal(20)), Jump(False, Decimal(-30))]
    ledger.book(fill(SELL, 40, close=True))
    ledger.book(fill(SELL, 5))
    assert needs_new_image(ledger, legs(60, 5), 2, 60) == [False, False]


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1000)), max_size=30))
def test_time_alone_never_sets_the_base(seen: list[tuple[int, float]]) -> None:
    ledger = ledger_of(legs(70))
    time = 0.0
    for qty, passes in seen:
        time += passes
        ledger.see(legs(qty), time)
        ledger.needs_new_image(time, known_at=time)
    ledger.see(legs(70), time)
    assert not ledger.has_mismatch()
    ledger.see(legs(71), time)
    assert ledger.has_mismatch()


@pytest.mark.parametrize(
    ("mark", "after", "liquidated"),
    [
        (7000, legs(0), True),
        (7035, legs(0), True),
        (7036, legs(0), False),
        (7000, legs(10), False),
        (8000, legs(0), False),
        (None, legs(0), False),
    ],
)
def test_a_leg_that_ends_near_its_liquidation_price_was_liquidated(
    mark: int | None, after: Position, liquidated: bool
) -> None:
    ledger = ledger_of(legs(70))
    ledger.see(after, 1, None if mark is None else Decimal(mark))
    ledger.see(after, 2, Decimal(8000))  # it may have come back by then
    (jump,) = [ledger.propose_base(after) for _ in range(2)][1] or ()
    assert jump.liquidated is liquidated


@pytest.mark.parametrize(("mark", "liquidated"), [(9000, True), (8955, True), (8954, False)])
def test_so_was_a_short_one(mark: int, liquidated: bool) -> None:
    ledger = ledger_of(legs(0, 70))
    ledger.see(legs(0), 1, Decimal(mark))
    (jump,) = [ledger.propose_base(legs(0)) for _ in range(2)][1] or ()
    assert jump.liquidated is liquidated


# --- the worst of the views -----------------------------------------------------------------------


def test_without_a_base_what_is_shown_counts() -> None:
    assert views(PositionLedger().exposure(legs(7, 3))) == ((7, 7), (3, 3), (4, 4))


def test_a_fill_counts_on_top_of_a_leg_that_was_shown_before_it() -> None:
    ledger = ledger_of(legs(70, 30, arrival=1), fill(BUY, 10, arrival=5))
    for arrival in (1, 4, 5):
        assert views(ledger.exposure(legs(70, 30, arrival=arrival))) == (
            (70, 80),
            (30, 30),
            (40, 50),
        )
    assert views(ledger.exposure(legs(80, 30, arrival=6))) == ((80, 80), (30, 30), (50, 50))


def test_a_fill_that_a_leg_shows_early_is_counted_twice_rather_than_not_at_all() -> None:
    ledger = ledger_of(legs(70, arrival=1), fill(BUY, 10, arrival=5))
    assert views(ledger.exposure(legs(80, arrival=5)))[0] == (80, 90)


def test_each_leg_has_its_own_fills_and_its_own_frame() -> None:
    ledger = ledger_of(legs(70, 30), fill(BUY, 10, arrival=5), fill(SELL, 10, arrival=5))
    shown = Position(
        long=Leg(qty=Decimal(80), arrival=6), short=Leg(qty=Decimal(30), arrival=4), at=0.0
    )
    assert views(ledger.exposure(shown)) == ((80, 80), (30, 40), (40, 50))


@pytest.mark.parametrize(
    ("base", "shown", "booked", "held"),
    [
        (legs(300), legs(300, arrival=2), [fill(BUY, 50, arrival=3)], (350, 0)),
        (legs(300), legs(300, arrival=2), [fill(SELL, 50, close=True, arrival=3)], (250, 0)),
        (
            legs(0),
            legs(0, arrival=2),
            [fill(SELL, 7, arrival=2), fill(SELL, 5, arrival=3)],
            (0, 12),
        ),
        (legs(300), legs(350, arrival=2), [fill(BUY, 50, arrival=3)], (350, 0)),
        (legs(300), legs(350, arrival=4), [fill(BUY, 50, arrival=3)], (350, 0)),
        (legs(300), legs(200, arrival=2), [fill(BUY, 50, arrival=3)], (250, 0)),
        (legs(300), legs(200, arrival=4), [], (200, 0)),
        (legs(10), legs(4, arrival=2), [fill(SELL, 10, close=True, arrival=3)], (0, 0)),
    ],
    ids=[
        *("a fill before its row", "a close before its row", "two fills before their row"),
        *("a row before its fill", "a row after its fill"),
        *("a fill amid a trade by hand", "a trade by hand", "never below flat"),
    ],
)
def test_the_position_with_fills_has_each_of_them_once_whichever_came_first(
    base: Position, shown: Position, booked: list[Fill], held: tuple[int, int]
) -> None:
    ledger = ledger_of(base, *booked)
    found = ledger.with_fills(shown) or shown
    assert (found.long.qty, found.short.qty) == held
    assert (ledger.with_fills(shown) is None) == ((shown.long.qty, shown.short.qty) == held)


def test_what_our_fills_make_of_the_position_counts_whatever_is_shown() -> None:
    ledger = ledger_of(legs(70), fill(BUY, 10, arrival=2))
    assert views(ledger.exposure(legs(20, arrival=9))) == ((20, 80), (0, 0), (20, 80))
    assert views(ledger.exposure(legs(500, arrival=9))) == ((80, 500), (0, 0), (80, 500))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(product(Side, (False, True)))),
            st.integers(1, 50),
            st.integers(0, 9),
        ),
        max_size=8,
    ),
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
    st.integers(0, 10),
)
def test_no_view_is_better_than_the_exposure(
    fills: list[tuple[tuple[Side, bool], int, int]], shown: tuple[int, int], arrival: int
) -> None:
    fills = sorted(fills, key=lambda each: each[2])
    booked = [fill(side, qty, close=c, arrival=a) for (side, c), qty, a in fills]
    ledger = ledger_of(legs(100, 100, arrival=0), *booked)
    found = ledger.exposure(legs(*shown, arrival=arrival))

    def with_fills(base: tuple[int, int], after: int) -> tuple[Decimal, Decimal]:
        long, short = map(Decimal, base)
        for each in booked:
            if each.arrival >= after:
                change = -each.qty if each.order.close else each.qty
                long, short = (long + change, short) if each.is_long else (long, short + change)
        return long, short

    known = [with_fills(shown, 99), with_fills(shown, arrival), with_fills((100, 100), 0)]
    assert found == Exposure.of(*known)
    for long, short in known:
        assert found.long_low <= long <= found.long_high
        assert found.short_low <= short <= found.short_high
        assert found.net_low <= long - short <= found.net_high


# --- a leg that is shown no more ------------------------------------------------------------------


def test_a_leg_that_is_shown_no_more_is_asked_about_once() -> None:
    ledger = PositionLedger()
    quiet = legs(70, at=1.0, frame=1.0 + LEG_STALE)
    assert not ledger.has_vanished(legs(70, at=1.0, frame=0.9 + LEG_STALE))
    assert ledger.has_vanished(quiet)
    assert not ledger.has_vanished(quiet)
    assert not ledger.has_vanished(legs(0, at=1.0, frame=1.0 + LEG_STALE))
    assert ledger.has_vanished(quiet)
    assert ledger.has_vanished(legs(71, at=1.0, frame=1.0 + LEG_STALE))


def test_a_leg_whose_rows_came_steadily_again_is_asked_about_at_the_next_pause() -> None:
    ledger = PositionLedger()

    def is_asked_about(at: float, frame: float) -> bool:
        return ledger.has_vanished(legs(70, arrival=int(at), at=at, frame=frame))

    assert is_asked_about(1, 1 + LEG_STALE)
    assert not is_asked_about(7, 7 + LEG_STALE), "verified, and its rows are rare"
    assert not any(is_asked_about(at, at + 0.5) for at in range(13, 13 + int(LIVELY) + 1))
    assert is_asked_about(13 + LIVELY, 13 + LIVELY + LEG_STALE)
    assert not is_asked_about(30 + LIVELY, 30 + LIVELY + LEG_STALE)


def test_a_leg_that_own_fills_closed_and_that_is_shown_no_more_is_asked_about_sooner() -> None:
    def is_asked_about(closed: int, frame: float) -> bool:
        ledger = ledger_of(legs(70, at=1.0), fill(SELL, closed, close=True))
        ledger.see(legs(70, at=1.0), 2.0)
        quiet = legs(70, at=1.0, frame=frame)
        found = ledger.has_vanished(quiet)
        assert not ledger.has_vanished(quiet)
        return found

    assert is_asked_about(70, 2.0 + FLAT_STALE)
    assert not is_asked_about(70, 1.9 + FLAT_STALE)
    assert not is_asked_about(69, 2.0 + FLAT_STALE)


def test_a_leg_that_may_be_flat_counts_as_both_until_a_new_row_verifies_it() -> None:
    ledger = PositionLedger()
    quiet = legs(70, 200, at=1.0, frame=1.0 + LEG_STALE)
    quiet = replace(quiet, short=replace(quiet.short, at=quiet.at))
    before = ledger.exposure(quiet)
    assert (before.long_low, before.long_high, before.net_low) == (0, 70, -200)
    assert ledger.has_vanished(quiet)
    assert ledger.exposure(quiet) == before, "asking is no answer"
    fresh = replace(quiet, long=replace(quiet.long, arrival=99))
    assert ledger.exposure(fresh).net_low == -130


@pytest.mark.parametrize("is_long", [True, False])
def test_a_leg_whose_rows_came_steadily_counts_as_flat_too_before_it_is_asked_about(
    is_long: bool,
) -> None:
    """It may have been liquidated, on a venue that shows no flat leg."""
    ledger = PositionLedger()

    def shown(at: float, frame: float) -> Position:
        found = legs(70, 200, at=at, frame=frame)
        other = "short" if is_long else "long"
        return replace(found, **{other: replace(getattr(found, other), at=frame)})

    for second in range(int(LIVELY) + 2):
        ledger.has_vanished(shown(second, second))
    now = LIVELY + 1
    calm = ledger.exposure(shown(now, now + FLAT_STALE - 0.1))
    assert (calm.net_low, calm.net_high) == (-130, -130)
    bounds = ledger.exposure(shown(now, now + FLAT_STALE))
    assert (bounds.net_low, bounds.net_high) == ((-200, -130) if is_long else (-130, 70))
    assert not ledger.has_vanished(shown(now, now + FLAT_STALE))


def test_a_leg_whose_rows_are_rare_counts_as_shown() -> None:
    ledger = PositionLedger()
    quiet = legs(70, 200, at=1.0, frame=1.0 + FLAT_STALE)
    assert ledger.exposure(quiet).net_low == -130
