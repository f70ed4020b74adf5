"""What a bot keeps on this machine: lock, halt, starts, runs, ids of orders, orders left."""

import errno
import fcntl
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from market_maker import clock
from market_maker.errors import AlreadyRunning, SettingsError

logger = logging.getLogger(__name__)

DIRECTORY = "gte-marketmaker"
KILL_SWITCH = "kill switch"
"""The reason of a halt that a person asks for."""
GUARD_SECONDS = 15.0
"""How long a start waits for the guard of an earlier run to finish."""
LOOK_AGAIN = 0.1
HOLDER_WIDTH = 32
KEPT_RUNS = 100
KEPT_IDS = 10_000
STARTS, STARTS_MS = 5, 600_000
"""More starts than this within so many ms, none of which has ended cleanly, are a crash loop."""
TEXT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, as the lock file names it; pid 0: it cannot be read."""

    pid: int
    is_guard: bool = False


class RunFiles:
    """The files of one account, symbol and prefix, in a directory that only we can enter.

    What cannot be written is logged, and stops nothing: to cancel, no file is needed. The key is
    never written, only a short hash of host and key in the names.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        symbol: str,
        prefix: str,
        directory: Path | None = None,
    ) -> None:
        account = hashlib.sha256(f"{urlsplit(base_url).netloc}\n{api_key}".encode()).hexdigest()
        self.name = f"{account[:12]}-{symbol.replace('/', '_')}-{prefix}"
        self._trouble = ""
        self._at = -1
        self._lock = -1
        self._noted = 0
        self.directory = directory or default_directory()
        try:
            self._at = _opened(self.directory)
        except OSError as error:
            self._trouble = f"{self.directory} cannot be used: {error.strerror}"
            logger.error("No run files, so no lock and no halt latch: %s.", self._trouble)

    def close(self) -> None:
        """Close what is open. A lock that nobody has inherited ends with it."""
        for fd in (self._at, self._lock):
            if fd >= 0:
                os.close(fd)
        self._at = self._lock = -1

    # --- the instance lock ----------------------------------------------------------------------

    @property
    def lock_fd(self) -> int:
        """The open lock file, which keeps the lock for whoever inherits it; -1 without one."""
        return self._lock

    def lock(self, inherited: int = -1) -> None:
        """Become the only instance, or take over the lock that we had before a restart.

        Waits a while for the guard of an earlier run, which is still canceling. Raises
        AlreadyRunning when another bot runs. Where no file can be locked, we go on without.
        """
        if inherited >= 0:
            os.set_inheritable(inherited, False)
            self._lock = inherited
            return
        try:
            fd = self._open(".lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            logger.error("No lock against a second instance: %s.", error.strerror)
            return
        try:
            self._wait_for_lock(fd)
        except BaseException as error:
            os.close(fd)
            if not isinstance(error, OSError):
                raise
            logger.error("No lock against a second instance: %s.", error.strerror)
            return
        self._lock = fd
        self.sign()

    def sign(self, *, lock: int = -1, is_guard: bool = False) -> None:
        """Put our pid into the lock file, so that others can name or signal us."""
        fd = lock if lock >= 0 else self._lock
        text = f"{os.getpid()}{' guard' if is_guard else ''}"
        if fd >= 0:
            try:
                os.pwrite(fd, f"{text:<{HOLDER_WIDTH - 1}}\n".encode(), 0)
            except OSError as error:
                logger.error("The lock does not name us: %s.", error.strerror)

    def unlock(self) -> None:
        """Let another instance start, even while a child of ours has the lock file open."""
        if self._lock >= 0:
            with suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = -1

    def outlive_restart(self) -> int:
        """Keep the lock when this process is replaced by a new program; return what it inherits."""
        if self._lock >= 0:
            os.set_inheritable(self._lock, True)
        return self._lock

    def holder(self) -> Holder | None:
        """Return who holds the lock now, None when nobody does."""
        try:
            fd = self._open(".lock", os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(fd)
        except OSError:
            return None
        finally:
            os.close(fd)
        return None

    # --- the halt latch -------------------------------------------------------------------------

    def halt(self, reason: str) -> bool:
        """Latch a halt, unless there is one; return whether there is one now."""
        time = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        return bool(self.halted()) or self._write(".halt", f"{reason} ({time:%F %T} UTC)\n")

    def halted(self) -> str:
        """Return why no bot may quote, with the time; nothing when they may."""
        try:
            os.stat(self._file(".halt"), dir_fd=self._place(), follow_symlinks=False)
        except OSError:
            return ""
        try:
            with open(self._open(".halt", os.O_RDONLY), encoding="utf-8", errors="replace") as file:
                text = file.read(TEXT_LIMIT)
        except OSError as error:
            return f"the halt file cannot be read: {error.strerror}"
        return "".join(c for c in text if c.isprintable()).strip() or "the halt file says no reason"

    def clear_halt(self) -> None:
        """Take the halt latch away, and count starts anew.

        Raises SettingsError when it cannot be taken away.
        """
        self._remove(".halt")
        self._update(starts=[])
        if self.halted():
            raise SettingsError(f"the halt stays: take {self._path('.halt')} away yourself")

    # --- starts and runs ------------------------------------------------------------------------

    def note_start(self) -> str:
        """Count a start; return what is wrong when they follow too fast on one another."""
        now = clock.now_ms()
        starts = [at for at in self._list("starts", int) if 0 <= now - at <= STARTS_MS] + [now]
        self._update(starts=starts[-10 * STARTS :])
        if len(starts) <= STARTS:
            return ""
        return f"crash loop: {len(starts)} starts in {STARTS_MS // 60_000} min ended uncleanly"

    def note_clean_end(self) -> None:
        """Take back the count of our start: it is no crash."""
        self._update(starts=self._list("starts", int)[:-1])

    def note_run(self, run: str) -> None:
        """Remember the id of a run of this machine, which may send orders from now on."""
        runs = [*(known for known in self.runs() if known != run), run][-KEPT_RUNS:]
        self._update(runs=runs, sends=True)

    def may_be_late(self) -> bool | None:
        """Say whether an order of a run may still arrive that nobody has seen the end of.

        None when no run of this machine is on record. A record that cannot be read vouches for
        nothing.
        """
        found = self._read(".json")
        return None if found is None else found.get("sends") is not False

    def runs(self) -> tuple[str, ...]:
        """Return the ids of the latest runs of this machine, oldest first.

        An order of ours with another one is another machine's.
        """
        return tuple(self._list("runs", str))

    def known_runs(self) -> frozenset[str] | None:
        """Return the same as a set; None when there is a record that does not tell."""
        found = self._read(".json")
        return None if found == {} else frozenset(self.runs())

    # --- ids of orders --------------------------------------------------------------------------

    def note_order(self, order_id: str) -> None:
        """Remember the id of an order as soon as the venue has given it; from any thread.

        A venue whose rows show no client_oid (spot) tells by nothing else which orders are ours.
        """
        try:
            fd = self._open(".ids", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                os.write(fd, f"{order_id}\n".encode())
            finally:
                os.close(fd)
        except OSError as error:
            logger.error("%s cannot be written: %s.", self._path(".ids"), error.strerror)
        self._noted += 1

    def order_ids(self) -> frozenset[str]:
        """Return the ids that were noted since all was last proven clean."""
        try:
            with open(self._open(".ids", os.O_RDONLY), encoding="ascii", errors="replace") as file:
                return frozenset(line for line in file.read().split() if line.isdecimal())
        except OSError:
            return frozenset()

    def keep_orders(self, live: Iterable[str]) -> None:
        """Forget all ids but these, once many have been noted. Not while orders are being sent."""
        if self._noted > KEPT_IDS:
            self._noted = 0
            self._write(".ids", "".join(f"{order_id}\n" for order_id in live))

    # --- orders left ----------------------------------------------------------------------------

    def write_orders_left(self, reason: str, orders: Sequence[str]) -> None:
        """List the orders that may be left, for a person."""
        time = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        found = {"time": f"{time:%F %T} UTC", "reason": reason, "orders": list(orders)}
        self._write(".orders_left.json", json.dumps(found, indent=1) + "\n")

    def orders_left(self) -> tuple[str, ...] | None:
        """Return the orders that may be left, as far as they are known; None when proven clean."""
        found = self._read(".orders_left.json")
        if found is None:
            return None
        orders = found.get("orders")
        return tuple(map(str, orders)) if isinstance(orders, list) else ()

    def clear_orders_left(self) -> None:
        """Take the list away: none is left."""
        self._remove(".orders_left.json")

    def note_proven_clean(self) -> None:
        """Note that no order is left, and that none can arrive any more: the run has ended."""
        self.clear_orders_left()
        self._remove(".ids")
        self._update(sends=False)

    def discard(self) -> None:
        """Take all files away, for an account that nobody will ever use again."""
        for suffix in (".lock", ".json", ".halt", ".ids", ".orders_left.json"):
            self._remove(suffix)

    # --- inside ---------------------------------------------------------------------------------

    def _wait_for_lock(self, fd: int) -> None:
        deadline = clock.monotonic() + GUARD_SECONDS
        told = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(fd)
            else:
                return
            if not holder.is_guard and _is_alive(holder.pid):
                raise AlreadyRunning(
                    f"another instance is running with this account, symbol and prefix: "
                    f"process {holder.pid or 'not named'} holds {self._path('.lock')}"
                )
            if clock.monotonic() >= deadline:
                raise AlreadyRunning(
                    f"the guard of an earlier run is still canceling its orders: process "
                    f"{holder.pid} holds {self._path('.lock')}"
                )
            if not told:
                told = True
                logger.warning("Waiting for the guard of an earlier run, which is canceling.")
            clock.sleep(LOOK_AGAIN)

    def _list(self, name: str, kind: type) -> list[Any]:
        found = (self._read(".json") or {}).get(name)
        items = found if isinstance(found, list) else []
        return [item for item in items if type(item) is kind]

    def _update(self, **changed: object) -> None:
        found = self._read(".json")
        vouched = {"sends": False} if found is None else {"sends": True} | found
        if vouched | changed != found:
            self._write(".json", json.dumps(vouched | changed) + "\n")

    def _read(self, suffix: str) -> dict[str, Any] | None:
        """Return what a JSON file holds; nothing of one that cannot be read, None without one."""
        try:
            with open(self._open(suffix, os.O_RDONLY), encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            logger.error("%s cannot be read: %s.", self._path(suffix), error)
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, suffix: str, text: str) -> bool:
        """Write a file whole or not at all; return whether that was done."""
        new = self._file(suffix + ".new")
        try:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=self._place())
            with open(self._open(suffix + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as f:
                f.write(text)
                f.flush()
                os.fsync(f.fileno())
            os.rename(new, self._file(suffix), src_dir_fd=self._at, dst_dir_fd=self._at)
        except OSError as error:
            logger.error("%s cannot be written: %s.", self._path(suffix), error.strerror)
            return False
        return True

    def _remove(self, suffix: str) -> None:
        try:
            os.unlink(self._file(suffix), dir_fd=self._place())
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("%s cannot be removed: %s.", self._path(suffix), error.strerror)

    def _open(self, suffix: str, flags: int) -> int:
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(self._file(suffix), flags, 0o600, dir_fd=self._place())
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "it is no regular file")
        return fd

    def _place(self) -> int:
        if self._at < 0:
            raise FileNotFoundError(0, self._trouble or "closed")
        return self._at

    def _file(self, suffix: str) -> str:
        return self.name + suffix

    def _path(self, suffix: str) -> Path:
        return self.directory / self._file(suffix)


def default_directory() -> Path:
    """Return where run files are: under XDG_STATE_HOME, else under ~/.local/state."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = given if given.startswith("/") else os.path.expanduser("~/.local/state")
    return Path(base) / DIRECTORY


def _opened(directory: Path) -> int:
    """Make the directory if need be and open it; raise SettingsError when others could change it.

    Raises OSError when it cannot be made or opened.
    """
    if not directory.is_absolute():
        raise OSError(0, "there is no home directory")
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    if directory.is_symlink() or not directory.is_dir():
        raise SettingsError(f"{directory} is no directory of its own: take it away")
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    about = os.fstat(fd)
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid != os.geteuid() or mode & 0o022:
        os.close(fd)
        raise SettingsError(f"{directory} must belong to you, and nobody else may write into it")
    if mode & 0o077:
        with suppress(OSError):
            os.fchmod(fd, 0o700)
    return fd


def _holder(lock: int) -> Holder:
    try:
        words = os.pread(lock, HOLDER_WIDTH, 0).decode("ascii", "replace").split()
    except OSError:
        words = []
    if not words or not words[0].isdecimal():
        return Holder(0)
    return Holder(int(words[0]), is_guard="guard" in words)


def _is_alive(pid: int) -> bool:
    """Say whether a process lives. One that cannot be named counts as living."""
    try:
        if pid:
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
