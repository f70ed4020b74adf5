"""The pure parts of the feed: when a connection is given up, and when it logs in."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from market_maker import auth
from market_maker.secrecy import Secret
from market_maker.ws.back_off import FAILED, SPACING, STABLE, BackOff
from market_maker.ws.session import EXPIRED_AGAIN, LOGIN_ANSWER, PACKED, Login
from market_maker.ws.vitals import News, Vitals

BEGAN = 100.0
"""Seconds; the tables below count from here."""

Step = tuple[float, Callable[[Vitals, float], None]]


# --- when the connection is given up ------------------------------------------------------------


def heartbeat(vitals: Vitals, now: float) -> None:
    vitals.record_heartbeat(now)


def hear(vitals: Vitals, now: float) -> None:
    vitals.record_frame(now)


def bad(vitals: Vitals, now: float) -> None:
    vitals.record_bad_frame(now)


def packed(vitals: Vitals, now: float) -> None:
    vitals.record_bad_frame(now, PACKED)


def position(vitals: Vitals, now: float) -> None:
    vitals.record_table("position", now)


def book(lag_ms: int) -> Callable[[Vitals, float], None]:
    def note(vitals: Vitals, now: float) -> None:
        vitals.record_table("order_book", now)
        vitals.record_lag(lag_ms)

    return note


def examine(**changed: Any) -> Callable[[Vitals, float], None]:
    facts: dict[str, Any] = {"is_crossed": False, "missing": (), "needs_position": False}
    return lambda vitals, now: vitals.examine(now, **(facts | changed))


fine = examine()
crossed = examine(is_crossed=True)
without_order = examine(missing=["order", "position"])
with_account = examine(needs_position=True)

CASES: dict[str, tuple[list[Step], str]] = {
    "new": ([(0, fine)], ""),
    "heartbeats in time": ([(5, heartbeat), (10, heartbeat)], ""),
    "stalled at first": ([(5.1, heartbeat)], "feed thread stalled for 5 s"),
    "stalled later": ([(5, heartbeat), (12, heartbeat)], "feed thread stalled for 7 s"),
    "silent, not yet long": ([(15, fine)], ""),
    "silent": ([(15.1, fine)], "no frame for 15 s"),
    "silent since a frame": ([(10, hear), (25, fine)], ""),
    "silent for long since a frame": ([(10, hear), (25.1, fine)], "no frame"),
    "tables missing, still young": ([(15, hear), (15, without_order)], ""),
    "tables missing": ([(15, hear), (15.1, without_order)], "no order, position in 15 s"),
    "no position yet": ([(30, hear), (30, with_account)], ""),
    "no position": ([(30, hear), (30.1, with_account)], "no position for 30 s"),
    "no position any more": ([(9, position), (39, hear), (39.1, with_account)], "no position"),
    "position is there": ([(9, position), (39, hear), (39, with_account)], ""),
    "no account, no position": ([(99, hear), (99, fine)], ""),
    "crossed while young": ([(1, crossed), (9.9, crossed)], ""),
    "crossed since it was young": ([(1, crossed), (10, crossed)], "stays crossed"),
    "crossed for a moment": ([(11, crossed), (12, crossed)], ""),
    "crossed": ([(11, crossed), (12.1, crossed)], "stays crossed"),
    "crossed twice": ([(11, crossed), (11.5, fine), (12, crossed), (12.6, crossed)], ""),
    "late while young": ([(9, book(10_001)), (9.9, fine)], ""),
    "late": ([(9, book(10_001)), (10, fine)], "lags by 10 s"),
    "not so late": ([(10, book(10_000)), (10, fine)], ""),
    "late, but quiet since": ([(10, book(10_001)), (15, fine)], ""),
    "late, then in time": ([(10, book(10_001)), (10, book(3)), (10, fine)], ""),
    "absurdly late": ([(10, book(600_000)), (10, fine)], ""),
    "few bad frames": ([(n, bad) for n in range(4)], ""),
    "many bad frames": ([(n, bad) for n in range(5)], "5 bad frames in a minute"),
    "packed frames": ([(n, packed) for n in range(5)], "in a minute: they are compressed"),
    "bad frames now and then": ([(n * 15, bad) for n in range(9)], ""),
}


@pytest.mark.parametrize("name", CASES)
def test_a_connection_is_given_up_for_a_reason(name: str) -> None:
    """Each step comes so many seconds after the beginning; only the last one may raise."""
    steps, reason = CASES[name]
    vitals = Vitals(BEGAN)
    for after, step in steps[:-1]:
        step(vitals, BEGAN + after)
    after, last = steps[-1]
    if not reason:
        last(vitals, BEGAN + after)
    else:
        with pytest.raises(ConnectionError, match=reason):
            last(vitals, BEGAN + after)


def test_silence_about_a_table_counts_from_the_beginning_or_from_its_last_frame() -> None:
    vitals = Vitals(BEGAN)
    assert not vitals.has_received("order")
    assert vitals.silent_for(BEGAN + 3, "order") == 3
    vitals.record_table("order", BEGAN + 4)
    assert vitals.has_received("order")
    assert vitals.silent_for(BEGAN + 6, "order") == 2


@pytest.mark.parametrize(
    ("told", "after", "lag"),
    [(2_500, 4.9, 2_500), (2_500, 5, 0), (-1, 0, 0), (599_999, 0, 599_999), (600_000, 0, 0)],
)
def test_the_lag_is_that_of_a_book_heard_of_lately(told: int, after: float, lag: int) -> None:
    vitals = Vitals(BEGAN)
    book(told)(vitals, BEGAN)
    assert vitals.lag_ms(BEGAN + after) == lag


# --- when it logs in ----------------------------------------------------------------------------

KEY = (Secret("key-of-vitals"), Secret("secret-of-vitals"))
LOGIN = {"op": "auth_key_expires"}
ORDERS = {"op": "sub", "args": {"table": "order"}}


def begun() -> Login:
    login = Login(KEY)
    login.begin(BEGAN, 1_000)
    return login


def test_without_a_key_nothing_is_due() -> None:
    login = Login(None)
    assert not login.is_due(BEGAN)
    assert not login.take_subscription_due(BEGAN + 99)


def test_a_login_is_due_once_and_is_signed_for_a_short_time() -> None:
    login = Login(KEY)
    assert login.is_due(BEGAN)
    frame = json.loads(login.begin(BEGAN, 1_000))
    assert frame["args"]["expires"] == str(1_000 + auth.EXPIRES_AFTER_MS)
    assert not login.is_due(BEGAN)


def test_an_answer_or_a_while_without_one_lets_subscribe_once() -> None:
    login = begun()
    assert not login.take_subscription_due(BEGAN + LOGIN_ANSWER - 0.1)
    assert login.take_subscription_due(BEGAN + LOGIN_ANSWER)
    assert not login.take_subscription_due(BEGAN + 99)
    login = begun()
    assert login.take_answer({"status": "0", "request": LOGIN}, BEGAN + 0.1) == ""
    assert login.take_subscription_due(BEGAN + 0.1)


def test_not_authenticated_brings_one_more_login_and_then_an_error() -> None:
    answer = {"status": "-10202", "request": ORDERS}
    login = begun()
    assert login.take_answer(answer, BEGAN) == ""
    assert not login.is_due(BEGAN)  # the first one is still under way
    assert login.take_subscription_due(BEGAN + LOGIN_ANSWER)
    assert login.take_answer(answer, BEGAN + 3) == ""
    assert login.is_due(BEGAN + 3)
    login.begin(BEGAN + 3, 4_000)
    assert login.take_subscription_due(BEGAN + 3 + LOGIN_ANSWER)
    assert "not authenticated" in login.take_answer(answer, BEGAN + 6)
    assert login.is_refused
    assert not login.is_due(BEGAN + 99)


def test_a_login_that_had_expired_is_sent_again_until_the_clock_is_right() -> None:
    login, now = Login(KEY), BEGAN
    for _ in range(10):
        login.begin(now, 1_000)
        expired = {"status": "-10052", "request": json.dumps(LOGIN)}
        assert "expired" in login.take_answer(expired, now)
        assert login.take_answer({"status": "-10202", "request": ORDERS}, now) == ""
        assert not login.is_due(now)
        assert not login.take_subscription_due(now + LOGIN_ANSWER)
        now += EXPIRED_AGAIN
        assert login.is_due(now)
    assert not login.is_refused


def test_a_login_after_one_that_had_expired_has_its_second_try_too() -> None:
    login, now = begun(), BEGAN
    login.take_answer({"status": "-10052", "request": json.dumps(LOGIN)}, now)
    now += EXPIRED_AGAIN
    login.begin(now, 2_000)
    now += LOGIN_ANSWER
    assert login.take_subscription_due(now)
    assert login.take_answer({"status": "-10202", "request": ORDERS}, now) == ""
    assert not login.is_refused
    assert login.is_due(now)


@pytest.mark.parametrize(
    ("answer", "words", "is_refused"),
    [
        ({"status": "0", "request": ORDERS}, "", False),
        ({"status": "-10201", "request": ORDERS}, "", False),
        ({"status": "-10051", "request": json.dumps(LOGIN)}, "auth_key_expires", True),
        ({"status": "-99999", "request": ORDERS}, "'sub order'", False),
        ({"status": "--5"}, "status '--5'", False),
        ({"status": [], "request": "{"}, "feed 'request'", False),
        ({"status": "7", "request": {"op": 7}}, "feed 7", False),
    ],
)
def test_an_answer_is_told_in_words(answer: dict[str, Any], words: str, is_refused: bool) -> None:
    login = begun()
    error = login.take_answer(answer, BEGAN)
    assert words in error
    assert bool(error) is bool(words)
    assert login.is_refused is is_refused


# --- good news ----------------------------------------------------------------------------------


def test_frames_confirm_nothing_before_every_needed_table_was_shown() -> None:
    news = News(BEGAN)
    for second in (1, 2, 3):
        news.record("trade", BEGAN + second, good=False)
    news.record(None, BEGAN + 4, good=False)
    assert news.silent_for(BEGAN + 5, "", BEGAN) == 5
    assert news.silent_for(BEGAN + 5, "trade", BEGAN) == 2
    news.record(None, BEGAN + 6, good=True)
    assert news.silent_for(BEGAN + 7, "", BEGAN) == 1


# --- the back-off -------------------------------------------------------------------------------


LOST = ConnectionResetError("gone")


def test_a_connection_that_stood_makes_the_next_failure_the_first_again() -> None:
    back_off = BackOff(random.Random(1))
    for _ in range(10):
        back_off.record(None, BEGAN, LOST, False)
    assert back_off.pause >= FAILED[-1] / 2
    stood = Vitals(BEGAN)
    stood.complete_at = BEGAN + 1
    back_off.record(stood, BEGAN + 1 + STABLE, LOST, False)
    assert back_off.pause <= SPACING[0]
    back_off.record(None, BEGAN + 40, LOST, False)
    assert back_off.pause <= FAILED[0]
