"""A child process: this program again, in a session of its own, tied to us by a pipe."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from market_maker.clock import SYSTEM

LOOK_AGAIN = 0.01


@dataclass(frozen=True, slots=True)
class Child:
    """A running child; `fd` is the end of its standard input that we hold.

    That pipe closes when this process ends, in whatever way, and so the child learns of it. Both
    numbers outlive a restart of this program in place, which an object does not.
    """

    pid: int
    fd: int

    def outlive_restart(self) -> None:
        """Keep the pipe open when this process is replaced by a new program."""
        os.set_inheritable(self.fd, True)

    def take_over(self) -> None:
        """Hold the pipe as our own again, after a restart: no further child gets it."""
        os.set_inheritable(self.fd, False)

    def end(self, seconds: float) -> bool:
        """Close the pipe, and wait so long for the child to end; return whether it has."""
        os.close(self.fd)
        deadline = SYSTEM.monotonic() + seconds
        while not self.has_ended():
            if SYSTEM.monotonic() >= deadline:
                return False
            SYSTEM.sleep(LOOK_AGAIN)
        return True

    def kill(self) -> None:
        """End the child at once, whatever it does."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Say whether the child has ended, and bury it if so."""
        try:
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            return True


def start(
    *arguments: str,
    keep: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    answer: bool = False,
) -> tuple[Child, IO[bytes] | None]:
    """Start this program with these arguments; return the child, and its output to read if asked.

    It gets the file descriptors to keep and no other ones, and our environment unless another is
    given. Ctrl-C at our terminal does not reach it. Raises OSError when it cannot be started.
    """
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from market_maker.app.cli import main; "
    command = [sys.executable, "-P", "-c", code + "raise SystemExit(main())", *arguments]
    theirs, ours = os.pipe()
    try:
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=subprocess.PIPE if answer else None,
            env=environment,
            pass_fds=keep,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    process.returncode = 0  # it is watched by its pid from here on
    return Child(process.pid, ours), process.stdout
