"""Progress: on a terminal and after a while, and never in the way."""

import io
import sys

import pytest

from market_maker.clock import Clock
from market_maker.utils.progress import AFTER, ERASE, Progress


class Steady(Clock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps_taken(stream: io.StringIO, seconds: float, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what eight steps have shown, each of so many seconds."""
    monkeypatch.setattr(sys, "stderr", stream)
    clock = Steady()
    with Progress("Reading run 12", 8, clock) as progress:
        for _ in range(8):
            progress.step()
            clock.seconds += seconds
    return stream.getvalue()


def test_what_takes_long_shows_how_far_it_is_and_leaves_no_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = steps_taken(Terminal(), AFTER / 2, monkeypatch)
    assert shown.startswith(f"{ERASE}Reading run 12: 25%{ERASE}Reading run 12: 38%")
    assert shown.endswith(f"Reading run 12: 88%{ERASE}")


def test_what_is_quick_or_goes_to_a_file_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps_taken(Terminal(), AFTER / 20, monkeypatch) == ""
    assert steps_taken(io.StringIO(), AFTER, monkeypatch) == ""


def test_a_closed_or_missing_terminal_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Terminal()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        clock = Steady()
        with Progress("x", 2, clock) as progress:
            clock.seconds += 2 * AFTER
            progress.step()
