"""A live run's session: what it lets go of at the end, and what it keeps."""

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from conftest import account

from market_maker.account import Account
from market_maker.control import Control
from market_maker.errors import OrdersLeft, VenueUnreachable
from market_maker.gte import GTE
from market_maker.guard import guard as guarding
from market_maker.guard.guard import Guard
from market_maker.guard.runfiles import STARTS, RunFiles
from market_maker.guard.session import Session
from market_maker.guard.signals import HALT_SIGNAL, STOP_SIGNALS, Signals
from market_maker.paper.server.in_process import PaperExchange


@pytest.fixture
def ours() -> Account:
    return account(base_url="https://api.example.org", symbol="BTC_USD", settle_currency="BTC")


def bot(*, left_clean: bool = True) -> SimpleNamespace:
    """The part of a bot that a session looks at when it has ended."""
    return SimpleNamespace(
        control=Control(), loop=SimpleNamespace(left_clean=left_clean, leave_by=0.0)
    )


def test_a_clean_end_frees_the_lock_and_lists_nothing(ours: Account) -> None:
    with Session(ours, has_guard=False).watch(bot()):
        pass
    assert RunFiles(ours).lock.holder() is None
    assert RunFiles(ours).orders_left() is None


def test_while_orders_may_be_left_the_lock_is_kept_and_they_are_listed(ours: Account) -> None:
    session = Session(ours, has_guard=False)
    with pytest.raises(OrdersLeft), session.watch(bot(left_clean=False)):
        raise OrdersLeft("own orders may be left", ("Buy 1 @ 2",))
    assert RunFiles(ours).orders_left() == ("Buy 1 @ 2",)
    assert RunFiles(ours).lock.holder() is not None
    session.files.close()


def test_a_halt_that_comes_after_the_last_tick_is_latched(ours: Account) -> None:
    halted = bot()
    with Session(ours, has_guard=False).watch(halted):
        halted.control.halt("kill switch")
    assert RunFiles(ours).halted().startswith("kill switch")


def test_a_halt_is_latched_with_its_first_reason(ours: Account) -> None:
    halted = bot()
    with Session(ours, has_guard=False).watch(halted):
        halted.control.halt("loss of this run exceeds MAX_LOSS")
        halted.control.halt("kill switch")
    assert RunFiles(ours).halted().startswith("loss of this run")


def test_starts_that_a_person_stops_are_no_crash_loop(venue: PaperExchange, gte: GTE) -> None:
    for _ in range(3 * STARTS):
        session = Session(gte.account, has_guard=False)
        session.end_start(KeyboardInterrupt())
    session = Session(gte.account, has_guard=False)
    held = bot()
    held.exchange = SimpleNamespace(client=SimpleNamespace(run="thisrun"))
    session.connect(held)
    assert not held.control.is_halted
    session.files.close()


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_start_that_finds_no_venue_says_that_orders_of_the_run_before_may_be_left(
    ours: Account, is_clean: bool, log: pytest.LogCaptureFixture
) -> None:
    before = RunFiles(ours)
    before.note_run("before")
    if is_clean:
        before.note_proven_clean()
    Session(ours, has_guard=False).end_start(VenueUnreachable("no instrument"))
    assert ("Orders of the previous run may be left" in log.text) is not is_clean


# --- signals ------------------------------------------------------------------------------------


@pytest.fixture
def signals(not_under_nohup: None) -> Iterator[Signals]:
    """Signals that are handled as in a run, until the test has ended."""
    numbers = (*STOP_SIGNALS, HALT_SIGNAL)
    before = [signal.getsignal(number) for number in numbers]
    made = Signals(end_at_once=lambda: pytest.fail("ended at once"))
    made.install()
    yield made
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_one_signal_stops_and_takes_its_time_to_cancel(signals: Signals, number: int) -> None:
    control = Control()
    signals.pass_to(control)
    signal.raise_signal(number)
    assert control.is_stopping
    assert not control.is_hurried


def test_a_second_ctrl_c_hurries_and_a_second_sigterm_does_not(signals: Signals) -> None:
    control = Control()
    signals.pass_to(control)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(number)
    assert not control.is_hurried
    signal.raise_signal(signal.SIGINT)
    assert control.is_hurried


# --- the guard ----------------------------------------------------------------------------------


def test_a_guard_that_does_not_read_is_replaced(
    ours: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(guarding, "START_SECONDS", 0.0)
    monkeypatch.setattr(guarding, "UNREAD_SECONDS", 0.0)
    guard = Guard(ours, directory=RunFiles(ours).directory)
    deaf = guard.pid
    os.kill(deaf, signal.SIGSTOP)
    guard.beat()
    assert guard.pid != deaf
    guard.goodbye()
