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
    """The files of one name, which differ by their suffix; only we can read or write them.

    It never follows a symbolic link or waits for a pipe. A file that cannot be written whole is
    logged, but by `append()`, and stops nothing here. Raises SettingsError when others could change
    the directory.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._base = str(directory / name)
        self._is_usable = True
        try:
            _make(directory)
        except OSError as error:
            self._is_usable = False
            trouble = f"{directory} cannot be used: {error.strerror}"
            logger.error("No run files, so no lock and no halt latch: %s.", trouble)

    def is_there(self) -> bool:
        """Return whether the directory is there and can be used."""
        return self._is_usable and os.path.isdir(os.path.dirname(self._base))

    def path(self, suffix: str) -> Path:
        """Return where a file is."""
        return Path(self._base + suffix)

    def open(self, suffix: str, flags: int) -> int:
        """Return a descriptor of a file. Raises OSError for one that is not a regular file."""
        if not self._is_usable:
            raise FileNotFoundError(errno.ENOENT, "there is no directory for it")
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(self.path(suffix), flags, 0o600)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "it is not a regular file")
        return fd

    def read(self, suffix: str, limit: int = -1) -> str:
        """Return the text of a file, or its first characters. Raises OSError when that fails."""
        with open(self.open(suffix, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
            return file.read(limit)

    def read_json(self, suffix: str) -> dict[str, Any] | None:
        """Return the object in a JSON file; empty if it cannot be read, None without a file."""
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

        Without `sync` it survives this process, but maybe not a crash of the machine.
        """
        new = suffix + ".new"
        try:
            self.path(new).unlink(missing_ok=True)
            with open(self.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
                file.write(text)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            self.path(new).rename(self.path(suffix))
        except OSError as error:
            self._cannot("written", suffix, error)
            return False
        return True

    def append(self, suffix: str, line: str) -> str:
        """Write a line at the end of a file, after one that may be torn; from any thread.

        Returns why that cannot be done, or empty text; nothing is logged.
        """
        text = f"\n{line}\n".encode()
        try:
            fd = self.open(suffix, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                if os.write(fd, text) < len(text):
                    raise OSError(errno.ENOSPC, "it was written in part")
            finally:
                os.close(fd)
        except OSError as error:
            return f"{self.path(suffix)} cannot be written: {error.strerror}"
        return ""

    def remove(self, suffix: str) -> None:
        """Remove a file, if there is one."""
        try:
            self.path(suffix).unlink()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            self._cannot("removed", suffix, error)

    def _cannot(self, what: str, suffix: str, error: OSError) -> None:
        logger.error("%s cannot be %s: %s.", self.path(suffix), what, error.strerror)


def default_directory() -> Path:
    """Return where run files are: under XDG_STATE_HOME, else under ~/.local/state."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = given if given.startswith("/") else os.path.expanduser("~/.local/state")
    return Path(base) / DIRECTORY


def _make(directory: Path) -> None:
    """Make the directory if need be, and keep others out of it.

    Raises SettingsError when others could change it, and OSError when it cannot be made.
    """
    if not directory.is_absolute():
        raise OSError(errno.ENOENT, "there is no home directory")
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        directory.mkdir(0o700)
    about = directory.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise SettingsError(f"{directory} is not a directory of its own: take it away")
    if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(f"{directory} must belong to you, and nobody else may write into it")
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        with suppress(OSError):
            directory.chmod(0o700)
