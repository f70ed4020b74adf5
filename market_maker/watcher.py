"""Files that change while we run."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path


class FileWatcher:
    """Tells which of some files have changed, once their new content has stood still for two looks.

    Content counts, not time stamps: a touch, or an old file moved back into place, is what it
    holds. A file that is away for a moment, as editors do when they save, has not changed.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._seen = {path: _digest(path) for path in paths}
        self._last = dict(self._seen)
        self._missing: set[Path] = set()

    def changed(self) -> list[Path]:
        """Look, and return the files whose content is new and the same as at the last look."""
        found = []
        for path, seen in self._seen.items():
            now = _digest(path)
            if now is not None and now != seen and now == self._last[path]:
                self._seen[path] = now
                found.append(path)
            self._last[path] = now
        return found

    def newly_missing(self) -> list[Path]:
        """Return the files that have been taken away, as of the last look; each absence once."""
        missing = {path for path, seen in self._seen.items() if seen and self._last[path] is None}
        found = sorted(missing - self._missing)
        self._missing = missing
        return found


def read(path: Path) -> bytes:
    """Return what a file holds; raise OSError at once for a pipe, which could keep us waiting."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no regular file")
        return file.read()


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(read(path)).digest()
    except OSError:
        return None
