"""What changed files do: settings are taken over, and code calls for a restart."""

import logging
from pathlib import Path

from market_maker import clock, watcher
from market_maker.errors import SettingsError
from market_maker.settings import settings
from market_maker.watcher import FileWatcher

logger = logging.getLogger(__name__)

REMIND_EVERY = 60.0
"""Seconds between two reminders that a settings file cannot be taken over."""


class Reloader:
    """Looks at the watched files. It restarts nothing itself."""

    def __init__(self) -> None:
        watched = [*settings.watched(), *map(_located, settings.WATCHED_FILES)]
        self._watcher = FileWatcher(watched)
        self._problem = ""
        self._remind_at = 0.0

    def look(self) -> tuple[set[str], list[str]]:
        """Return the settings that have changed, and the code files that have and compile."""
        changed = set(self._watcher.changed())
        for path in self._watcher.newly_missing():
            logger.warning("%s is gone; what was read from it stays in force.", path)
        files = {path.resolve() for path in settings.watched()}
        code = {path for path in changed if path.resolve() not in files}
        names = self._reload_settings() if changed - code else set()
        self._remind()
        if code and all(map(_compiles, code)) and self._settings_allow_restart():
            return names, sorted(path.name for path in code)
        return names, []

    def _reload_settings(self) -> set[str]:
        try:
            changed = settings.reload()
        except SettingsError as error:
            self._problem = str(error)
            self._remind_at = clock.monotonic()
            return set()
        self._problem = ""
        for name, (old, new) in changed.items():
            logger.info("Setting %s: %r -> %r", name, old, new)
        return set(changed)

    def _remind(self) -> None:
        now = clock.monotonic()
        if self._problem and now >= self._remind_at:
            self._remind_at = now + REMIND_EVERY
            logger.error("Settings not reloaded: %s", self._problem)

    def _settings_allow_restart(self) -> bool:
        """Say whether a new process would find the settings that this one runs on, or fit ones."""
        try:
            settings.check_reload()
        except SettingsError as error:
            logger.error("Not restarting: %s", error)
            return False
        return True


def _located(name: str) -> Path:
    """Return a watched file: relative to where we are, else to the repository."""
    path = Path(name)
    return (path if path.exists() else Path(__file__).parents[1] / path).absolute()


def _compiles(path: Path) -> bool:
    try:
        compile(watcher.read(path), str(path), "exec")
    except (OSError, SyntaxError, ValueError) as error:
        logger.error("Not restarting: %s does not compile: %s", path, error)
        return False
    return True
