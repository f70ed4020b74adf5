"""The lock against a second instance, which names the process that holds it."""

import fcntl
import logging
import os
from contextlib import suppress
from dataclasses import dataclass

from market_maker.clock import SYSTEM, Clock
from market_maker.errors import AlreadyRunning
from market_maker.private_files import PrivateFiles

logger = logging.getLogger(__name__)

GUARD_SECONDS = 15.0
"""How long a start waits for the guard of an earlier run to finish."""
UNNAMED_SECONDS = 1.0
"""How long the holder may be unnamed: one that has just begun, or somebody who looks who it is."""
LOOK_AGAIN = 0.1
HOLDER_WIDTH = 32
SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, as the lock file names it; pid 0: it is not named."""

    pid: int
    is_guard: bool = False


class InstanceLock:
    """The lock of one account, symbol and prefix. It ends with the last process that has it open.

    `fd` is the open lock file, which keeps the lock for whoever inherits it; -1 without one.
    """

    def __init__(self, files: PrivateFiles, clock: Clock = SYSTEM) -> None:
        self._files = files
        self._clock = clock
        self.fd = -1

    def take(self) -> None:
        """Become the only instance.

        Waits a while for the guard of an earlier run, which is still cancelling. Raises
        AlreadyRunning when another bot runs. Where no file can be locked, it goes on without.
        """
        try:
            self.fd = self._files.open(SUFFIX, os.O_RDWR | os.O_CREAT)
            self._wait_for_lock()
        except OSError as error:
            self.close()
            logger.error("No lock against a second instance: %s.", error.strerror)
        except BaseException:
            self.close()
            raise
        self.sign()

    def inherit(self, fd: int) -> None:
        """Hold the lock of the process that has started this one; -1: it has none."""
        if fd >= 0:
            os.set_inheritable(fd, False)
        self.fd = fd

    def sign(self, *, is_guard: bool = False) -> None:
        """Write our pid into the lock file, so that others can name or signal us."""
        text = f"{os.getpid()}{' guard' if is_guard else ''}"
        if self.fd >= 0:
            try:
                os.pwrite(self.fd, f"{text:<{HOLDER_WIDTH - 1}}\n".encode(), 0)
            except OSError as error:
                logger.error("The lock does not name us: %s.", error.strerror)

    def release(self) -> None:
        """Let another instance start, even while a child of ours has the lock file open."""
        if self.fd >= 0:
            with suppress(OSError):
                fcntl.flock(self.fd, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close the lock file; whoever has inherited it still holds the lock."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def holder(self) -> Holder | None:
        """Return who holds the lock now, None when nobody does."""
        try:
            fd = self._files.open(SUFFIX, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _named(fd)
        except OSError:
            return None
        finally:
            os.close(fd)
        return None

    def _wait_for_lock(self) -> None:
        begun = self._clock.monotonic()
        is_told = False
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = _named(self.fd)
            waited = self._clock.monotonic() - begun
            if not holder.pid and waited < UNNAMED_SECONDS:
                self._clock.sleep(LOOK_AGAIN)
                continue
            where = f"process {holder.pid or 'not named'} holds {self._files.path(SUFFIX)}"
            if not holder.is_guard and _is_alive(holder.pid):
                raise AlreadyRunning(
                    f"another instance is running with this account, symbol and prefix: {where}; "
                    "stop that one first"
                )
            if waited >= GUARD_SECONDS:
                raise AlreadyRunning(
                    f"the guard of an earlier run is still cancelling its orders: {where}"
                )
            if not is_told:
                is_told = True
                logger.warning("Waiting for the guard of an earlier run, which is cancelling.")
            self._clock.sleep(LOOK_AGAIN)


def _named(lock: int) -> Holder:
    """Return the process that a lock file names."""
    try:
        words = os.pread(lock, HOLDER_WIDTH, 0).decode("ascii", "replace").split()
    except OSError:
        words = []
    if not words or not words[0].isdecimal():
        return Holder(0)
    return Holder(int(words[0]), is_guard="guard" in words)


def _is_alive(pid: int) -> bool:
    """Return whether a process lives. One that is not named counts as living."""
    try:
        if pid:
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
