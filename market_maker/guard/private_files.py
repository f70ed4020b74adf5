"""Small files of one name, in a directory that only we can enter."""

import errno
import json
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from market_maker.errors import SettingsError

logger = logging.getLogger(__name__)

DIRECTORY = "gte-marketmaker"


class PrivateFiles:
    """The files of one name, which differ by their suffix.

    None is followed through a symbolic link, waited for, or readable by others; what cannot be
    written is logged, and stops nothing. Raises SettingsError when others could change the
    directory.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self._trouble = ""
        self._at = -1
        try:
            self._at = _opened(directory)
        except OSError as error:
            self._trouble = f"{directory} cannot be used: {error.strerror}"
            logger.error("No run files, so no lock and no halt latch: %s.", self._trouble)

    def close(self) -> None:
        """Close the directory."""
        if self._at >= 0:
            os.close(self._at)
        self._at = -1

    def path(self, suffix: str) -> Path:
        """Return where a file is, for a person."""
        return self.directory / self._file(suffix)

    def exists(self, suffix: str) -> bool:
        """Say whether there is such a file, of whatever kind."""
        try:
            os.stat(self._file(suffix), dir_fd=self._place(), follow_symlinks=False)
        except OSError:
            return False
        return True

    def read(self, suffix: str, limit: int = -1) -> str:
        """Return what a file holds, or its first characters. Raises OSError when that fails."""
        with open(self.open(suffix, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
            return file.read(limit)

    def read_json(self, suffix: str) -> dict[str, Any] | None:
        """Return what a JSON file holds; nothing of one that cannot be read, None without one."""
        try:
            found = json.loads(self.read(suffix))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            logger.error("%s cannot be read: %s.", self.path(suffix), error)
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, suffix: str, text: str, *, sync: bool = True) -> bool:
        """Write a file whole or not at all; return whether that was done.

        Without `sync` it outlives this process, but maybe not the machine.
        """
        new = self._file(suffix + ".new")
        try:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=self._place())
            with open(self.open(suffix + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as f:
                f.write(text)
                f.flush()
                if sync:
                    os.fsync(f.fileno())
            os.rename(new, self._file(suffix), src_dir_fd=self._at, dst_dir_fd=self._at)
        except OSError as error:
            logger.error("%s cannot be written: %s.", self.path(suffix), error.strerror)
            return False
        return True

    def append(self, suffix: str, line: str) -> None:
        """Write a line at the end of a file; from any thread. It ends one that was torn."""
        try:
            fd = self.open(suffix, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                text = f"\n{line}\n".encode()
                if os.write(fd, text) < len(text):
                    raise OSError(errno.ENOSPC, "it was written in part")
            finally:
                os.close(fd)
        except OSError as error:
            logger.error("%s cannot be written: %s.", self.path(suffix), error.strerror)

    def remove(self, suffix: str) -> None:
        """Take a file away, if there is one."""
        try:
            os.unlink(self._file(suffix), dir_fd=self._place())
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("%s cannot be removed: %s.", self.path(suffix), error.strerror)

    def open(self, suffix: str, flags: int) -> int:
        """Return a descriptor of a file. Raises OSError for one that is not a regular file."""
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
