"""A `python marketmaker` in a process of its own, for the tests that need real ones."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from conftest import wait_until

from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings.files import IGNORED, KEY_LOG

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("GTE_") and name.upper() not in {*IGNORED, KEY_LOG}
} | {"PYTHONUNBUFFERED": "1"}


class Bot:
    """A running `python marketmaker`, and what it printed. Its run files are in its directory.

    `program` is a script to run in place of it.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        program: Path = ROOT / "marketmaker",
        **environment: str,
    ) -> None:
        state = {"XDG_STATE_HOME": str(directory / "state")}
        self.process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            cwd=directory,
            env=ENVIRONMENT | state | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def guards(self) -> list[int]:
        """The processes that have guarded it and still live."""
        found = map(int, re.findall(r"Guarded by process (\d+)\.", self.text))
        return [pid for pid in found if is_guard(pid)]

    def wait_for(self, pattern: str, seconds: float = 15) -> None:
        def printed() -> bool:
            return bool(re.search(pattern, self.text)) or self.process.poll() is not None

        wait_until(printed, seconds)
        wait_until(lambda: re.search(pattern, self.text) or not self._reader.is_alive(), seconds)
        assert re.search(pattern, self.text), self.text

    def end(self, number: int | None = None) -> int:
        """Send a signal if asked, wait for the end, and return the exit status.

        A guard that goes on keeps the output open; it is not waited for.
        """
        if number:
            self.process.send_signal(number)
        status = self.process.wait(timeout=40)
        self._reader.join(timeout=0.5)
        if not self.guards:
            self._reader.join(timeout=10)
        return status

    def kill(self) -> None:
        """End everything at once: nothing outlives a test."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=0.2)
        for pid in self.guards:
            os.kill(pid, signal.SIGKILL)


def is_guard(pid: int) -> bool:
    """Say whether a process is a living guard."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0guard\0")
    except OSError:
        return False


def ended(pid: int) -> bool:
    """Say whether a process is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def settings_for(venue: PaperExchange, directory: Path, **changed: object) -> Path:
    """Write a settings.py for a paper exchange in this process, and return it."""
    given: dict[str, object] = {
        "API_URL_BASE": venue.rest_url,
        "WS_URL": venue.ws_url,
        "API_KEY": venue.key,
        "API_SECRET": venue.secret,
        "DRY_RUN": False,
        "ORDER_PAIRS": 3,
        "LOOP_INTERVAL": 0.5,
    }
    text = "\n".join(f"{name} = {value!r}" for name, value in (given | changed).items())
    path = directory / "settings.py"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def watched_code(venue: PaperExchange, directory: Path, **changed: object) -> Path:
    """Write settings that watch a file of code, and that file; return it, to be changed."""
    settings_for(venue, directory, WATCHED_FILES=["watched.py"], **changed)
    code = directory / "watched.py"
    code.write_text("A = 1\n")
    return code
