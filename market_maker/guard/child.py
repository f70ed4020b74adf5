"""A child process: a program of this package, in a session of its own, tied to us by a pipe."""

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
    """A running child; `fd` is our end of its standard input.

    That pipe closes when this process ends, in whatever way, and so the child learns of it. Both
    numbers stay valid when this process is replaced by a new program.
    """

    pid: int
    fd: int

    def end(self, seconds: float) -> bool:
        """Close the pipe and wait for the child to end; return whether it has in time."""
        os.close(self.fd)
        deadline = SYSTEM.monotonic() + seconds
        while not self.has_ended():
            if SYSTEM.monotonic() >= deadline:
                return False
            SYSTEM.sleep(LOOK_AGAIN)
        return True

    def kill(self) -> None:
        """End the child at once."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Return whether the child has ended, and reap it if so."""
        try:
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            return True


def start(
    program: str,
    *arguments: str,
    keep: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    answer: bool = False,
) -> tuple[Child, IO[bytes] | None]:
    """Start `main()` of a module; return the child, and its output to read if asked.

    It gets the file descriptors to keep and no other ones, and our environment unless another is
    given. Ctrl-C at our terminal does not reach it. Raises OSError when it cannot be started.
    """
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from {program} import main; "
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
