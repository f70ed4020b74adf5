"""Commands in this process: what `cancel`, `check` and a restart do, and the exit status."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from bot import settings_for
from conftest import account_of

from market_maker.app import cancel, check, cli, run
from market_maker.app.arguments import parse
from market_maker.clock import Clock
from market_maker.errors import AuthError, MarketMakerError, OrdersLeft, VenueUnreachable
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.signals import HALT_SIGNAL, STOP_SIGNALS
from market_maker.market_maker import OrderManager
from market_maker.models import CreateEvent, OrderRequest, Side
from market_maker.orders import sweep
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings import settings

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Give signals, the log and the module path back as they were."""
    numbers = (*STOP_SIGNALS, HALT_SIGNAL)
    handlers = [signal.getsignal(number) for number in numbers]
    root, path = logging.getLogger(), [*sys.path]
    before = [*root.handlers], root.level
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    root.handlers[:], sys.path[:] = before[0], path
    root.setLevel(before[1])


# --- cancel -------------------------------------------------------------------------------------


@pytest.fixture
def holder(gte: GTE) -> Iterator[RunFiles]:
    """The run files of a bot that runs: this process."""
    files = RunFiles(gte.account)
    files.lock.take()
    yield files
    files.lock.release()


def test_without_a_record_of_earlier_runs_it_waits_for_what_may_be_late(
    gte: GTE, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LATE_SECONDS", 0.05)
    cancel.run(gte.account, and_halt=False)
    assert "An order may be in flight" in log.text
    log.clear()
    cancel.run(gte.account, and_halt=False)
    assert "An order may be in flight" not in log.text, "the first one has proven it"


def test_a_running_bot_is_told_to_halt_before_its_orders_are_cancelled(
    venue: PaperExchange, gte: GTE, holder: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LATE_SECONDS", 0.05)
    gte.buy(10, 8000)
    told: list[int] = []
    signal.signal(HALT_SIGNAL, lambda *_: told.append(len(venue.open_orders())))
    cancel.run(gte.account, and_halt=True)
    assert told == [1]
    assert venue.open_orders() == []
    assert holder.halted()


def test_the_notes_of_a_bot_that_runs_stay(
    gte: GTE, holder: RunFiles, log: pytest.LogCaptureFixture
) -> None:
    holder.note_start()
    order = OrderRequest(side=Side.BUY, price=Decimal(8000), qty=Decimal(1), client_oid="mm_1")
    holder.note_create(CreateEvent.CREATED, order, "17")
    cancel.run(gte.account, and_halt=False)
    assert holder.notes().ids == {"17"}
    assert "may place orders again" in log.text


def test_a_bot_that_came_and_went_meanwhile_leaves_nothing_either(
    venue: PaperExchange, gte: GTE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LATE_SECONDS", 0.05)
    prove, proofs = sweep.prove_none_left, count(1)

    def prove_late(*given: Any, **named: Any) -> None:
        prove(*given, **named)
        if next(proofs) == 1:
            RunFiles(gte.account).note_run("meanwhile")
            gte.buy(10, 8000)

    monkeypatch.setattr(sweep, "prove_none_left", prove_late)
    cancel.run(gte.account, and_halt=False)
    assert venue.open_orders() == []
    assert next(proofs) == 3
    assert RunFiles(gte.account).may_be_late() is False


def test_orders_that_may_be_left_make_the_exit_status_3(
    venue: PaperExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise OrdersLeft("own orders may be left", ("Buy 1 @ 2",))

    monkeypatch.setattr(sweep, "prove_none_left", cannot)
    assert (
        cli.main(["cancel", "--settings", str(settings_for(venue, tmp_path, LOOP_INTERVAL=0.1))])
        == 3
    )


# --- check --------------------------------------------------------------------------------------


class Off(Clock):
    """A machine's clock that is so many ms off."""

    def __init__(self, by_ms: int) -> None:
        self._by_ms = by_ms

    def now_ms(self) -> int:
        return super().now_ms() + self._by_ms


@pytest.mark.parametrize(("by_ms", "is_right"), [(0, True), (10_000, False), (-10_000, False)])
def test_a_clock_that_is_off_fails_on_either_side(
    venue: PaperExchange, configure: Configure, by_ms: int, is_right: bool
) -> None:
    configure()
    client = GTE(account_of(venue), clock=Off(by_ms))
    found = dict(islice(check.run(client), 3))
    client.exit()
    assert isinstance(found["clock"], str) is is_right


@pytest.mark.parametrize("by_ms", [900, -900, 10_000, -10_000])
def test_a_clock_is_shown_as_ahead_with_plus_and_behind_with_minus(
    venue: PaperExchange, configure: Configure, by_ms: int
) -> None:
    configure()
    client = GTE(account_of(venue), clock=Off(by_ms))
    found = dict(islice(check.run(client), 3))
    client.exit()
    shown, *_ = str(found["clock"]).split(" ms off the venue's")
    assert int(shown) == pytest.approx(by_ms, abs=500)


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([VenueUnreachable("no connection")], 4),
        ([VenueUnreachable("no connection"), AuthError("key rejected")], 4),
        ([AuthError("key rejected"), VenueUnreachable("no connection")], 4),
        ([AuthError("key rejected")], 1),
    ],
)
def test_what_cannot_be_reached_makes_the_exit_status_4_whatever_else_fails(
    venue: PaperExchange,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[MarketMakerError],
    status: int,
) -> None:
    found = [(f"check {number}", error) for number, error in enumerate(errors)]
    monkeypatch.setattr(check, "run", lambda *_, **__: iter(found))
    path = settings_for(venue, tmp_path)
    assert cli.main(["check", "--settings", str(path)]) == status


# --- a restart ----------------------------------------------------------------------------------


@pytest.fixture
def start(
    venue: PaperExchange, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., bool]:
    """Run `marketmaker` with a strategy; return whether it was replaced by a new program."""
    configure()  # so that the settings are put back at the end
    monkeypatch.chdir(tmp_path)
    replaced: list[str] = []
    numbers = count()
    monkeypatch.setattr(os, "execve", lambda *_: replaced.append("yes"))

    def begin(*argv: str, does: str = "pass") -> bool:
        OrderManager.latest = None
        name = f"strategy_{tmp_path.name}_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(
            "from market_maker.market_maker import OrderManager\n"
            "class Mine(OrderManager):\n"
            f"    def place_orders(self):\n        {does}\n"
        )
        path = str(settings_for(venue, tmp_path, LOOP_INTERVAL=0.1))
        given = [*argv, "--settings", path, "--strategy", f"{name}:Mine", "--no-guard"]
        run.run(cli.parse(given))
        return bool(replaced)

    return begin


def test_a_stop_overrides_a_restart(start: Callable[..., bool]) -> None:
    assert not start(does="self.restart(); self.stop('told to')")
    assert start(does="self.restart()")


def test_a_restarted_program_does_not_clear_a_halt_again(
    start: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RunFiles(settings.account())
    files.halt("kill switch")
    monkeypatch.setenv(run.RESTARTED, "1")
    start("--clear-halt", "--loops", "1")
    assert files.halted()
    start("--clear-halt", "--loops", "1")
    assert not files.halted()


@pytest.mark.parametrize(
    ("command", "name"), [(["why", "--at"], "at"), (["runs", "--since"], "since")]
)
@pytest.mark.parametrize("text", ["2020-02-01T08:20:30", "2020-02-01T10:20:30+02:00"])
def test_a_moment_with_a_time_zone_is_taken_to_utc(
    command: list[str], name: str, text: str
) -> None:
    given = getattr(parse([*command, text]), name)
    assert (given, given.tzinfo) == (datetime(2020, 2, 1, 8, 20, 30, tzinfo=UTC), UTC)
