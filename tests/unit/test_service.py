"""What the service manager is told: only where there is one, and never at the loop's expense."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from market_maker.bot import Runtime
from market_maker.bot.audience import Audience
from market_maker.clock import Clock
from market_maker.control import Control
from market_maker.guard.service import Service
from market_maker.safety import Health, TradingState
from market_maker.secrecy import Secret


class Still(Clock):
    """A steady clock that a test moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "socket"))
        made.setblocking(False)
        yield made


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def service(manager: socket.socket, clock: Clock | None = None, **variables: str) -> Service:
    given = {"NOTIFY_SOCKET": manager.getsockname(), **variables}
    return Service(given, clock or Clock())


def test_it_takes_its_variables_out_of_the_environment_and_hands_them_on() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "7", "TZ": "UTC"}
    made = Service(environment)
    assert environment == {"TZ": "UTC"}
    assert made.environment() == {
        "NOTIFY_SOCKET": "@x",
        "WATCHDOG_USEC": "5",
        "WATCHDOG_PID": "7",
    }


@pytest.mark.parametrize("address", ["", "/nowhere/socket", "@nobody", "vsock:2:1", "@", "a\0b"])
def test_without_a_manager_that_listens_nothing_happens(address: str) -> None:
    made = Service({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    made.show("ACTIVE: quoting")
    made.beat()
    made.stop("SIGTERM")


def test_the_state_is_told_when_it_changes_in_one_line(manager: socket.socket) -> None:
    made = service(manager)
    for state in ("ACTIVE: quoting", "ACTIVE: quoting", "PAUSED: a\nREADY=1", "ACTIVE: quoting"):
        made.show(state)
    made.stop("SIGTERM")
    assert heard(manager) == [
        "READY=1\nSTATUS=ACTIVE: quoting",
        "STATUS=PAUSED: a READY=1",
        "STATUS=ACTIVE: quoting",
        "STOPPING=1\nSTATUS=Stopping: SIGTERM",
    ]


WATCHED = {
    "asked for": ({"WATCHDOG_USEC": "8000000"}, True),
    "asked for by this number": (
        {"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": str(os.getpid())},
        True,
    ),
    "of another process": ({"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "1"}, False),
    "not asked for": ({}, False),
    "no number": ({"WATCHDOG_USEC": "8 s"}, False),
    "zero": ({"WATCHDOG_USEC": "0"}, False),
}


@pytest.mark.parametrize("case", WATCHED)
def test_it_says_that_it_is_alive_where_that_is_asked_of_this_process(
    manager: socket.socket, case: str
) -> None:
    variables, is_watched = WATCHED[case]
    made = service(manager, **variables)
    made.beat()
    assert heard(manager) == (["WATCHDOG=1"] if is_watched else [])


def test_it_says_so_four_times_in_the_time_it_has(manager: socket.socket) -> None:
    clock = Still()
    made = service(manager, clock, WATCHDOG_USEC="8000000")
    for _ in range(80):
        made.beat()
        clock.now += 0.1
    assert heard(manager) == ["WATCHDOG=1"] * 4


def test_ready_is_told_again_when_the_manager_could_not_take_it(tmp_path: Path) -> None:
    made = Service({"NOTIFY_SOCKET": str(tmp_path / "socket")})
    made.show("ACTIVE: quoting")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as late:
        late.bind(str(tmp_path / "socket"))
        late.setblocking(False)
        made.show("ACTIVE: quoting")
        assert heard(late) == ["READY=1\nSTATUS=ACTIVE: quoting"]


def test_a_manager_that_reads_nothing_makes_nobody_wait(manager: socket.socket) -> None:
    clock = Still()
    made = service(manager, clock, WATCHDOG_USEC="4")
    for _ in range(5000):
        made.beat()
        clock.now += 1
    assert 0 < len(heard(manager)) < 5000


def test_who_follows_a_run_takes_nothing_from_its_guard(manager: socket.socket) -> None:
    seen: list[Health] = []
    loop = SimpleNamespace(on_state=seen.append, on_heartbeat=lambda: "no guard", on_leave=None)
    made = service(manager, WATCHDOG_USEC="8000000")
    audience = Audience(Runtime(service=lambda: made), Secret(""))
    audience.connect(SimpleNamespace(loop=loop, control=Control()))
    health = Health(TradingState.PAUSED, "feed silent")
    loop.on_state(health)
    assert loop.on_heartbeat() == "no guard"
    assert seen == [health]
    assert heard(manager) == ["READY=1\nSTATUS=PAUSED: feed silent", "WATCHDOG=1"]


def test_the_reasons_of_stops_and_halts_hold_no_secret() -> None:
    secret, control = Secret("c4nary-of-a-strategy"), Control()
    control.stop(f"done with {secret.reveal()}")
    control.halt(f"lost {secret.reveal()}")
    assert (control.stop_reason, control.halt_reason) == ("done with ***", "lost ***")
