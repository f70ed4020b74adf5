"""The dialogue of `setup` on a terminal, and the plain copy where there is none."""

import errno
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bot import ENVIRONMENT, ROOT
from conftest import wait_until

from market_maker.settings import example_text
from market_maker.settings.store import Settings

Typist = Callable[..., "Terminal"]


class Terminal:
    """A `setup` on a terminal of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        state = {"XDG_STATE_HOME": str(directory / "state"), "PYTHONIOENCODING": "utf-8"}
        self._ours = ours
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "marketmaker"), "setup", *arguments],
            cwd=directory,
            env=ENVIRONMENT | state,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(ours, False)

    def wait_for(self, pattern: str) -> None:
        """Wait until this has been printed since the last answer."""
        wait_until(lambda: self._read() and re.search(pattern, self.text), 20)

    def answer(self, text: str) -> None:
        """Type a line."""
        self.text = ""
        os.write(self._ours, text.encode() + b"\n")

    def type(self, keys: bytes) -> None:
        """Type keys."""
        os.write(self._ours, keys)

    def status(self) -> int:
        """Wait for the end, and return the exit status."""
        wait_until(lambda: self._read() and self.process.poll() is not None, 20)
        self._read()
        return self.process.returncode

    def _read(self) -> bool:
        try:
            while data := os.read(self._ours, 65536):
                self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno != errno.EIO:  # nobody has the other end any more
                raise
        return True

    def close(self) -> None:
        """End everything."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Typist]:
    made = []

    def start(*arguments: str) -> Terminal:
        made.append(Terminal(tmp_path, *arguments))
        return made[-1]

    yield start
    for each in made:
        each.close()


def loaded(path: Path) -> Settings:
    found = Settings()
    found.load(path / "settings.py")
    return found


def test_enter_alone_writes_a_cautious_ladder_and_shows_its_plan(
    terminal: Typist, tmp_path: Path
) -> None:
    typed = terminal()
    for name in ("SYMBOL", "SETTLECURRENCY", "ORDER_PAIRS", "ORDER_START_SIZE", "MIN_SPREAD"):
        typed.wait_for(rf"{name}: [^\[]*\[[^\]]+\] $")
        typed.answer("")
    for name in ("MAX_POSITION", "MAX_LOSS"):
        typed.wait_for(rf"{name}: [^\[]*\[[^\]]+\] $")
        typed.answer("")
    typed.wait_for(r"Write settings.py\? \[Y/n\] $")
    assert "5 buys of 250, 5 sells of 250 contracts" in typed.text
    assert "DOUBTFUL" not in typed.text
    assert "API_KEY" not in typed.text
    typed.answer("maybe")
    typed.wait_for(r"maybe\s+Write settings.py\? \[Y/n\] $")
    typed.answer("")
    assert typed.status() == 0
    assert "Wrote settings.py. It is a dry run" in typed.text
    found = loaded(tmp_path)
    assert (found.ORDER_PAIRS, found.ORDER_START_SIZE, found.ORDER_STEP_SIZE) == (5, 50, 0)
    assert (found.MIN_POSITION, found.MAX_POSITION) == (-250, 250)
    assert found.CHECK_POSITION_LIMITS
    assert found.DRY_RUN
    assert 0 < found.MAX_LOSS < 0.01
    assert found.RELIST_INTERVAL < found.INTERVAL < found.MIN_SPREAD
    assert (tmp_path / "settings.py").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_wrong_answer_is_asked_again_with_the_reason_and_no_is_no(
    terminal: Typist, tmp_path: Path
) -> None:
    typed = terminal("--lang", "zh")
    typed.wait_for(r"按 Ctrl-C 结束，什么也不写")
    typed.wait_for(r"SYMBOL: 合约[^\[]*\[BTC_USD\] $")
    typed.answer("btc-usd")
    typed.wait_for(r"不能这样填：SYMBOL must look like")
    typed.answer("doge/usdt")
    typed.wait_for(r"不能这样填：SYMBOL: GTE has no DOGE/USDT in USDT; it has BTC/USDT")
    typed.answer("btc/usdt")
    typed.wait_for(r"ORDER_PAIRS: 每一侧的档数")
    typed.answer("0")
    typed.wait_for(r"不能这样填：ORDER_PAIRS must be at least 1, not 0。")
    typed.answer("many")
    typed.wait_for(r"不能这样填：ORDER_PAIRS must be a whole number, not 'many'")
    typed.answer("3")
    typed.wait_for(r"ORDER_START_SIZE: 每一单的数量，单位：BTC")
    typed.answer("0.00001")
    typed.wait_for(r"ORDER_START_SIZE 1e-05 is less than the lot 0.0001")
    for _ in range(4):
        typed.answer("")
        typed.wait_for(r"\] $")
    assert "3 buys of 0.015, 3 sells of 0.015 BTC" in typed.text
    typed.answer("n")
    assert typed.status() == 0
    assert "什么也没有写。" in typed.text
    assert not (tmp_path / "settings.py").exists()


@pytest.mark.parametrize(
    "keys", [b"\x03", pytest.param(b"\x04", marks=pytest.mark.slow)], ids=["Ctrl-C", "Ctrl-D"]
)
def test_ctrl_c_writes_nothing_and_ends_with_130(
    terminal: Typist, tmp_path: Path, keys: bytes
) -> None:
    typed = terminal()
    typed.wait_for(r"\[BTC_USD\] $")
    typed.answer("")
    typed.wait_for(r"\[BTC\] $")
    if keys == b"\x03":
        typed.process.send_signal(signal.SIGINT)
    else:
        typed.type(keys)
    assert typed.status() == 130
    assert "Traceback" not in typed.text
    assert not (tmp_path / "settings.py").exists()


def test_nothing_is_asked_where_a_file_is_here_or_with_plain(
    terminal: Typist, tmp_path: Path
) -> None:
    plain = terminal("--plain")
    assert plain.status() == 0
    assert (tmp_path / "settings.py").read_text() == example_text()
    (tmp_path / "settings.py").write_text("mine")
    again = terminal()
    assert again.status() == 2
    assert "settings.py is here already" in again.text
    assert (tmp_path / "settings.py").read_text() == "mine"


def test_a_pipe_gets_the_plain_copy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "marketmaker"), "setup"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        input="BTC_USD\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "Wrote settings.py" in done.stdout
    assert (tmp_path / "settings.py").read_text() == example_text()
