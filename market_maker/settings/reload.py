"""Changed files: settings are reloaded, and code needs a restart."""

import hashlib
import logging
import stat
import sys
from collections.abc import Iterable
from os.path import realpath
from pathlib import Path

from market_maker.clock import Clock
from market_maker.errors import SettingsError
from market_maker.settings import settings
from market_maker.settings.files import read

logger = logging.getLogger(__name__)

REMIND_EVERY = 60.0
"""Seconds between two reminders that the settings cannot be reloaded."""


class FileWatcher:
    """Finds which of some files have changed, once two looks have seen the same new content.

    Content counts, not time stamps. A file that is missing for a moment, as when an editor saves
    it, has not changed.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._seen = {path: _digest(path) for path in paths}
        self._last = dict(self._seen)
        self._missing: set[Path] = set()

    def changed(self) -> list[Path]:
        """Look, and return the files whose content is new, and the same as at the last look."""
        found = []
        for path, seen in self._seen.items():
            now = _digest(path)
            if now is not None and now != seen and now == self._last[path]:
                self._seen[path] = now
                found.append(path)
            self._last[path] = now
        return found

    def newly_missing(self) -> list[Path]:
        """Return the files that were no files at the last look, each once while it is so."""
        missing = {
            path
            for path, seen in self._seen.items()
            if seen and self._last[path] is None and _missing(path)  # else not to be read just then
        }
        found = sorted(missing - self._missing)
        self._missing = missing
        return found


class Reloader:
    """Reloads settings whose files have changed. It restarts nothing itself.

    It watches the files of the settings, WATCHED_FILES, and the `code` of the strategy.
    """

    def __init__(self, clock: Clock, code: Iterable[Path]) -> None:
        self._clock = clock
        named = map(_located, settings.WATCHED_FILES)
        self._watcher = FileWatcher({*settings.watched(), *named, *code})
        self._waiting: set[Path] = set()
        """Changed code that cannot be started yet: looked at again with the next change."""
        self._problem = ""
        self._remind_at = 0.0

    def look(self) -> tuple[set[str], list[str]]:
        """Reload changed settings; return their names, and the changed code files.

        While code does not compile, or a new process would refuse the settings, it waits.
        """
        changed = set(self._watcher.changed())
        for path in self._watcher.newly_missing():
            logger.warning("%s %s; what was read from it stays in force.", path, _missing(path))
        files = {realpath(path) for path in settings.watched()}
        code = {path for path in changed if realpath(path) not in files}
        names = self._reload_settings() if changed - code else set()
        self._remind()
        self._waiting |= code
        if not (changed and self._waiting):
            return names, []
        if not all(map(_compiles, self._waiting)) or not self._settings_allow_restart():
            return names, []
        ready, self._waiting = self._waiting, set()
        return names, sorted(path.name for path in ready)

    def _reload_settings(self) -> set[str]:
        try:
            changed = settings.reload()
        except SettingsError as error:
            self._problem = str(error)
            self._remind_at = self._clock.monotonic()
            return set()
        self._problem = ""
        for name, (old, new) in changed.items():
            logger.info("Setting %s: %r -> %r", name, old, new)
        return set(changed)

    def _remind(self) -> None:
        now = self._clock.monotonic()
        if self._problem and now >= self._remind_at:
            self._remind_at = now + REMIND_EVERY
            logger.error("Settings not reloaded: %s", self._problem)

    def _settings_allow_restart(self) -> bool:
        """Return whether the settings files are valid for a new process."""
        try:
            settings.check_reload()
        except SettingsError as error:
            logger.error("Not restarting: %s", error)
            return False
        return True


def sources_of(strategy: type) -> list[Path]:
    """Return the files of a strategy's classes, down to the one that it is based on."""
    ours = ("builtins", "market_maker.market_maker")
    modules = [cls.__module__ for cls in strategy.__mro__ if cls.__module__ not in ours]
    files = [getattr(sys.modules.get(module), "__file__", None) for module in modules]
    return [Path(file).absolute() for file in files if file]


def _located(name: str) -> Path:
    """Return a watched file: relative to the working directory, else to the repository."""
    path = Path(name)
    return (path if path.exists() else Path(__file__).parents[2] / path).absolute()


def _compiles(path: Path) -> bool:
    try:
        compile(read(path), str(path), "exec")
    except (OSError, SyntaxError, ValueError) as error:
        logger.error("Not restarting: %s does not compile: %s", path, error)
        return False
    return True


def _missing(path: Path) -> str:
    """Return what has become of a file, in words; empty where it is one."""
    try:
        return "" if stat.S_ISREG(path.stat().st_mode) else "is no regular file"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(read(path)).digest()
    except OSError:
        return None
