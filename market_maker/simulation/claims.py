"""Claims: who runs which trial, so that processes of several machines may share a directory.

A claim is a file that is created exclusively, with host, process and expiry. Its holder renews it
while the trial runs, so only that of a process or machine that has gone expires. Whoever finds it
expired renames it away first, under a lock: only one can. Where the file system knows no locks, or
clocks differ by minutes, a trial may run twice; that costs time, and the results are the same.
"""

import errno
import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from market_maker.clock import SYSTEM, Clock

EXPIRES = 600.0
"""Seconds after which a claim that is not renewed has expired."""
MOST = 4096  # bytes of a claim that are read
LOCK = ".lock"


class Claims:
    """The claims of a directory, which must exist."""

    def __init__(self, directory: Path, *, expires: float = EXPIRES, clock: Clock = SYSTEM) -> None:
        """`expires` is in seconds; `clock` is the wall clock of this machine."""
        self._directory, self._expires, self._clock = directory, expires, clock
        self._host = socket.gethostname()

    def take(self, key: str) -> "Claim | str":
        """Return the claim on a trial, now ours; or, in words, who holds it.

        Raises OSError where the directory cannot be written.
        """
        path = self._directory / key
        if claim := self._new(path):
            return claim
        found = _read(path)
        if found is not None and not self._is_over(found):
            return f"process {found['pid']} of {found['host']}"
        with self._lock() as is_ours:
            if is_ours:
                self._rename_away(path)
                if claim := self._new(path):
                    return claim
        return "another process, just now"

    def _new(self, path: Path) -> "Claim | None":
        """Return a claim that nobody had; None if somebody has it."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            return None
        return Claim(path, fd, self._host, self._expires, self._clock)

    def _is_over(self, found: dict[str, Any]) -> bool:
        is_dead = found["host"] == self._host and not _lives(found["pid"])
        return is_dead or bool(found["expires_ms"] < self._clock.now_ms())

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Give whether we may take a claim over, which one process may at a time."""
        fd = os.open(self._directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield _locks(fd)
        finally:
            os.close(fd)

    def _rename_away(self, path: Path) -> None:
        """Rename a claim away if it is over, still or by now."""
        found = _read(path)
        if found is not None and self._is_over(found):
            aside = path.with_name(f".{path.name}.{self._host}.{os.getpid()}")
            with suppress(FileNotFoundError):
                path.rename(aside)
                aside.unlink()


class Claim:
    """A claim of ours: renewed as long as its `with` lasts, then gone."""

    def __init__(self, path: Path, fd: int, host: str, expires: float, clock: Clock) -> None:
        self._path, self._fd, self._host = path, fd, host
        self._expires, self._clock = expires, clock
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="claim", daemon=True)
        self._inode = os.fstat(fd).st_ino
        try:
            self.write()
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Self:
        self._renewer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._renewer.join()
        os.close(self._fd)
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # else it has expired, and is another's
                self._path.unlink()

    def write(self) -> None:
        """Write it with a new expiry: into our own file, wherever that has been renamed to."""
        expires_ms = self._clock.now_ms() + round(self._expires * 1000)
        about = {"host": self._host, "pid": os.getpid(), "expires_ms": expires_ms}
        os.pwrite(self._fd, (json.dumps(about, sort_keys=True) + "\n").encode(), 0)

    def _renew(self) -> None:
        while not self._ended.wait(self._expires / 4):
            with suppress(OSError):  # the trial goes on; at worst it runs twice
                self.write()


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a claim says; None where it is gone.

    One that is being written counts from the time of its file.
    """
    try:
        with path.open("rb") as file:
            data, modified = file.read(MOST), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    try:
        found = json.loads(data)
        return {"host": str(found["host"]), **{n: int(found[n]) for n in ("pid", "expires_ms")}}
    except (ValueError, TypeError, KeyError):
        return {"host": "?", "pid": 0, "expires_ms": round((modified + EXPIRES) * 1000)}


def _locks(fd: int) -> bool:
    """Lock a file, and return whether that was done or is not possible at all."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    return True


def _lives(pid: int) -> bool:
    """Return whether a process is there, and no zombie that nobody has waited for."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return state[:1] != ["Z"]
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's, or no Linux
        return True
