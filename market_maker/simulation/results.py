"""The directory of a sweep: what has finished, in one file for each trial."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_maker.clock import Clock
from market_maker.errors import SettingsError
from market_maker.simulation.claims import Claims

SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Directory:
    """Where a sweep keeps its results, its claims and, if asked, its journals."""

    path: Path

    def make(self, *, keep: bool) -> None:
        """Make it where it is missing. Raises SettingsError where it cannot be."""
        try:
            for name in ("results", "claims"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            if keep:
                (self.path / "journals").mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be used: {error.strerror}: --out") from None

    def keys(self) -> set[str]:
        """Return the keys of the trials that have finished."""
        try:
            names = os.listdir(self.path / "results")
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be used: {error.strerror}: --out") from None
        return {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)}

    def has(self, key: str) -> bool:
        """Return whether a trial has finished."""
        return self._result(key).exists()

    def read(self, key: str) -> dict[str, Any]:
        """Return the result of a trial that has finished.

        Raises SettingsError for a file that somebody has changed.
        """
        path = self._result(key)
        try:
            found = json.loads(path.read_text("ascii"))
            if found["key"] == key and ("figures" in found or "failed" in found):
                return dict(found)
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise SettingsError(f"{path} is no result of this trial: remove it, and --resume")

    def write(self, key: str, text: str) -> None:
        """Write a result aside and rename it. Raises OSError."""
        path = self._result(key)
        aside = path.with_name(f".{key}.{os.uname().nodename}.{os.getpid()}.part")
        try:
            with aside.open("w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def journal(self, key: str) -> Path:
        """Return where the journal of a trial is kept."""
        return self.path / "journals" / f"{key}.journal"

    def claims(self, *, expires: float, clock: Clock) -> Claims:
        """Return the claims of it."""
        return Claims(self.path / "claims", expires=expires, clock=clock)

    def _result(self, key: str) -> Path:
        return self.path / "results" / f"{key}{SUFFIX}"


def refuse_others(directory: Directory, keys: set[str], *, resume: bool) -> None:
    """Raise SettingsError where a directory has results of other trials, unless `resume`."""
    others = len(directory.keys() - keys)
    if others and not resume:
        raise SettingsError(
            f"{directory.path} holds {others} results of another plan, other tapes or another "
            "strategy: --out DIR takes another directory, --resume goes on in this one"
        )
