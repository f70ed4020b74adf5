"""A bot as the first process of a container: the guard outlives it, and the container the guard."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bot import ENVIRONMENT, ROOT, settings_for
from conftest import wait_until

from market_maker.guard import container
from market_maker.paper.server.in_process import PaperExchange

INSIDE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PROGRAM = (sys.executable, str(ROOT / "marketmaker"))


def can_unshare() -> bool:
    return bool(
        shutil.which("unshare")
        and subprocess.run([*INSIDE, "true"], check=False, capture_output=True).returncode == 0
    )


needs_unshare = pytest.mark.skipif(not can_unshare(), reason="needs PID namespaces of its own")


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@needs_unshare
@pytest.mark.parametrize(
    ("command", "signal_", "status"),
    [
        (PROGRAM, signal.SIGTERM, 0),
        pytest.param(PROGRAM, signal.SIGKILL, 137, marks=pytest.mark.slow),
        pytest.param(
            ("sh", "-c", f"{' '.join(PROGRAM)}; exit $?"),
            signal.SIGKILL,
            137,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["stopped", "killed", "killed under a shell"],
)
def test_the_guard_of_a_bot_in_a_container_outlives_it(
    venue: PaperExchange,
    tmp_path: Path,
    command: tuple[str, ...],
    signal_: signal.Signals,
    status: int,
) -> None:
    settings_for(venue, tmp_path)
    with (tmp_path / "log").open("w") as log:
        inside = subprocess.Popen(
            [*INSIDE, *command],
            cwd=tmp_path,
            env=ENVIRONMENT | {"XDG_STATE_HOME": str(tmp_path / "state")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: len(venue.open_orders()) == 6, 30)
        front = children(inside.pid)[0]
        if command[0] == "sh":
            front = children(front)[0]
        # a stop reaches the first process, an out-of-memory kill the largest one
        os.kill(front if signal_ == signal.SIGTERM else children(front)[0], signal_)
        assert inside.wait(25) == status
    finally:
        inside.kill()
        inside.wait()
    said = (tmp_path / "log").read_text()
    assert venue.open_orders() == []
    assert container.WARNING in said
    assert ("guard: clean" in said) is (signal_ == signal.SIGKILL)


FRONT = """
import os, sys
from market_maker.guard import container
bot = os.fork()
if bot == 0:
    {does}
sys.exit(container._wait_for_all(bot))
"""


@pytest.mark.parametrize(
    ("does", "status"),
    [("os.kill(os.getpid(), 9)", 137), ("os.kill(os.getpid(), 15)", 143), ("os._exit(3)", 3)],
)
def test_what_waits_in_front_ends_with_the_status_of_the_bot_as_a_shell_tells_it(
    does: str, status: int
) -> None:
    command = [sys.executable, "-c", FRONT.format(does=does)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == status


def test_elsewhere_nobody_waits_in_front() -> None:
    if not container.is_inside():
        assert container.wait_in_front() is None
