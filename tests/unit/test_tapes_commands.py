"""`marketmaker tape` and `record`: what they return, and that a mistake is one clear line."""

import argparse
from pathlib import Path

import pytest

from market_maker.app.tapes import keep, tape_convert, tape_info, tape_make
from market_maker.clock import Clock
from market_maker.errors import SettingsError
from market_maker.tapes import Recorder, examine, open_tape


def arguments(*files: Path, **given: object) -> argparse.Namespace:
    usual = {"format": "", "symbol": "", "tick": None, "lot": None, "face": None}
    return argparse.Namespace(files=[*files], **{**usual, **given})


@pytest.fixture
def made(tmp_path: Path) -> Path:
    out = tmp_path / "made.tape.gz"
    told = tape_make(argparse.Namespace(seed=1, seconds=60.0, adverse=False, out=out))
    assert told.endswith(f"of pc/BTC/BTC_USD, tick 0.5, lot 1, face 1 (made up) to {out}.\n")
    return out


def test_a_tape_is_made_told_of_and_converted(made: Path, tmp_path: Path) -> None:
    told = tape_info(arguments(made))
    assert "market      MADE, here pc/BTC/BTC_USD, tick 0.5" in told
    assert "span        2020-01-01 00:00:00 to 2020-01-01 00:0" in told
    assert "crossed     none" in told
    out = tmp_path / "out.npz"
    assert tape_convert(arguments(made, out=out)).endswith(f"(from the tape's header) to {out}.\n")
    about = arguments(out, symbol="BTC/BTC_USD")
    assert "format      hftbacktest npz, times in ns, venue's and receive time" in tape_info(about)


def test_mistakes_are_settings_errors(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere cannot be read: No such file"):
        tape_info(arguments(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="it is a file of the tape itself"):
        tape_convert(arguments(made, out=made))
    nowhere = tmp_path / "nowhere" / "out.tape"
    with pytest.raises(SettingsError, match=r"out.tape cannot be written: No such file"):
        tape_make(argparse.Namespace(seed=1, seconds=1.0, adverse=False, out=nowhere))


class Slept(Clock):
    """A clock on which sleeping takes no time; it is interrupted after so many seconds."""

    def __init__(self, interrupted_after: float) -> None:
        self.slept, self._end = 0.0, interrupted_after

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        if self.slept + seconds > self._end:
            raise KeyboardInterrupt
        self.slept += seconds


@pytest.mark.parametrize(("seconds", "slept"), [(2.5, 2.5), (None, 10), (90.0, 10)])
def test_recording_ends_after_its_time_or_by_ctrl_c(
    tmp_path: Path, seconds: float | None, slept: float
) -> None:
    clock = Slept(interrupted_after=10)
    recorder = Recorder(tmp_path, clock)
    keep(recorder, seconds, clock)
    assert clock.slept == slept


def test_a_made_market_is_sound(made: Path) -> None:
    facts = examine(open_tape(made))
    assert (facts.crossed, facts.gaps, facts.silences) == (0, [], [])


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        out = tmp_path / f"{name}.tape.gz"
        tape_make(argparse.Namespace(seed=4, seconds=20.0, adverse=True, out=out))
    one, two = ((tmp_path / f"{name}.tape.gz").read_bytes() for name in ("one", "two"))
    assert one == two
