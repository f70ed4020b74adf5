"""The settings: one object, replaced whole or not at all."""

import dataclasses
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from market_maker.account import Account, is_paper_key
from market_maker.errors import SettingsError
from market_maker.secrecy import Secret
from market_maker.settings.assignments import Assigned
from market_maker.settings.checks import Own, given_names, is_here, near_names, problem, unknown
from market_maker.settings.schema import FIELDS, NEED_RESTART, SECRETS, SettingsBase
from market_maker.settings.sources import (
    ENVIRONMENT,
    Found,
    Sources,
    covered,
    find,
    listed,
    overlay,
)

logger = logging.getLogger(__name__)

FILE = Path("settings.py")
IN_WORDS = {
    "DRY RUN": "Dry run: no order is sent.",
    "PAPER": "Paper run: orders go to the paper exchange.",
    "": "Live run: orders are sent.",
}
"""Where the orders of each kind of run go."""


class Settings(SettingsBase):
    """The settings of this process. Nothing is read until `load()`.

    Every load reads all sources into new values and checks them; only a whole and valid set takes
    the place of the old.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sources = Sources()
        self._named: set[str] = set()
        self._environment: dict[str, Secret] = {}
        self.loaded = False

    def __setattr__(self, name: str, value: Any) -> None:
        """Take a value that a strategy sets while it runs, checked as one of a file.

        Raises ValueError for a wrong value, for a setting that is decided before a run begins, and
        for a name that looks like a misspelt one.
        """
        if vars(self).get("loaded") and name.isupper() and value != vars(self).get(name):
            own = self._sources.own
            fixed = NEED_RESTART | {each for each in own if own[each].metadata["needs_restart"]}
            if name in fixed | {"DRY_RUN"}:
                raise ValueError(
                    f"{name} is decided before a run begins, by the settings file or the command "
                    "line: a strategy cannot change it"
                )
            if name in FIELDS or name in own:
                if wrong := problem(name, value, own):
                    raise ValueError(wrong)
            elif near_names(name, own):
                raise ValueError(unknown(name, own))
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # a misspelt name in this package is to be found by mypy

        def __getattr__(self, name: str) -> NoReturn:
            """Say what to do about a name that no setting has. Raises AttributeError."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if name in given_names(vars(self)):
                raise AttributeError(
                    f"{name} has no value: STRATEGY_SETTINGS names it, but no line sets it"
                )
            raise AttributeError(unknown(name))

    @property
    def path(self) -> Path | None:
        """The settings file; None without one."""
        return self._sources.path

    def load(
        self,
        path: Path | None = None,
        *,
        symbol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        only: Collection[str] = (),
        is_strict: bool = True,
        files: Assigned | None = None,
    ) -> None:
        """Read the settings: defaults, then the file, its settings-SYMBOL.py, the environment.

        `path` None means that there is no file. `overrides` (of the command line) win over all.
        With `only`, all other names have their defaults, whatever the files say of them, and a
        file that others can read or write is no obstacle. With `is_strict` False, names that no
        setting has are kept until `declare()`. `files` is what the files said earlier, in place of
        what they say now. Raises SettingsError with every problem found. The
        key pair is taken out of `os.environ`, and kept for later loads.
        """
        hidden = {name: covered(name, value) for name, value in (overrides or {}).items()}
        keys = self._keys()
        sources = Sources(path, keys, symbol, hidden, only, is_strict=is_strict, files=files)
        found = _found(sources)
        for text in found.warnings:
            logger.warning("%s", text)
        self._sources = sources
        self._take(found)

    def declare(self, own: Own) -> None:
        """Take the settings that a strategy declares, and refuse other names that none is.

        Reads settings.py first where nothing was read. Raises SettingsError with every problem.
        """
        if not isinstance(own, Mapping):
            raise SettingsError("SETTINGS of the strategy: a dict of names and setting() is wanted")
        odd = [name for name, each in own.items() if not isinstance(each, dataclasses.Field)]
        if odd:
            raise SettingsError(f"SETTINGS of the strategy: {odd[0]} must be made by setting()")
        if not self.loaded:
            self.load(FILE, is_strict=False)
        sources = dataclasses.replace(self._sources, keys=self._keys(), own=own, is_strict=True)
        found = _found(sources)
        self._sources = sources
        self._named = found.named
        values = found.values
        self.__dict__.update({name: values[name] for name in values if name not in FIELDS})

    def reload(self) -> dict[str, tuple[Any, Any]]:
        """Read all again and return what has changed, as name -> (old, new).

        Raises SettingsError as `check_reload()` does, and keeps the old settings whole.
        """
        found = self.check_reload()
        old = {name: getattr(self, name, None) for name in found.values}
        self._take(found)
        return {name: (old[name], new) for name, new in found.values.items() if old[name] != new}

    def check_reload(self) -> Found:
        """Read all again and return it.

        Raises SettingsError for a file that is not valid, that has lost a name (half-written), or
        that changes what needs a restart.
        """
        found = _found(dataclasses.replace(self._sources, keys=self._keys(), only=()))
        changed = {name for name, new in found.values.items() if getattr(self, name, None) != new}
        problems = [f"{name} is gone from the file" for name in sorted(self._named - found.named)]
        own = self._sources.own.items()
        fixed = NEED_RESTART | {name for name, each in own if each.metadata["needs_restart"]}
        problems += [f"{name} needs a restart by hand" for name in sorted(fixed & changed)]
        if self.DRY_RUN and not found.values["DRY_RUN"]:
            problems.append("DRY_RUN = False needs a restart by hand")
        if problems:
            raise SettingsError(listed("the old settings stay", problems))
        return found

    def watched(self) -> list[Path]:
        """Return the settings files, whether they exist or not."""
        if self.path is None:
            return []
        return [self.path.absolute(), overlay(self.path, self.SYMBOL).absolute()]

    def environment(self) -> dict[str, str]:
        """Return the environment as it was, key pair included: for a process that takes over."""
        kept = {variable: value.reveal() for variable, value in self._environment.items()}
        return {**os.environ, **kept}

    def account(self, *, with_key: bool = True) -> Account:
        """Return whose orders these settings are about; for a dry run without the key pair."""
        return Account(
            base_url=self.API_URL_BASE,
            ws_url=self.WS_URL,
            symbol=self.SYMBOL,
            settle_currency=self.SETTLECURRENCY,
            instrument_type=self.INSTRUMENTTYPE,
            api_key=covered("API_KEY", self.API_KEY if with_key else ""),
            api_secret=covered("API_SECRET", self.API_SECRET if with_key else ""),
            prefix=self.ORDERID_PREFIX,
            timeout=self.TIMEOUT,
        )

    def shown(self) -> dict[str, Any]:
        """Return all settings but the secret ones."""
        return {name: getattr(self, name) for name in FIELDS if name not in SECRETS}

    def kind_of_run(self) -> str:
        """Return DRY RUN, PAPER, or empty text for a live run."""
        if self.DRY_RUN:
            return "DRY RUN"
        return "PAPER" if is_paper_key(self.API_KEY) else ""

    @contextmanager
    def still(self, **values: Any) -> Iterator[None]:
        """Let settings have these values once more, while what began with them ends.

        Where an exception shows that it has not ended, they keep them.
        """
        changed = {name: getattr(self, name) for name in values}
        vars(self).update(values)
        yield
        vars(self).update(changed)

    def run_in_words(self) -> str:
        """Return where the orders of a run go."""
        return IN_WORDS[self.kind_of_run()]

    def is_on_this_machine(self) -> bool:
        """Return whether the venue of these settings is on this machine, a paper exchange."""
        return self.loaded and is_here(self.API_URL_BASE)

    def log_level(self) -> int:
        """Return LOG_LEVEL as a number."""
        level = self.LOG_LEVEL
        return level if isinstance(level, int) else logging.getLevelNamesMapping()[level]

    def _keys(self) -> Mapping[str, Secret]:
        """Take the key pair out of the environment; return it, or what was taken out before."""
        for name, variable in ENVIRONMENT.items():
            if value := os.environ.pop(variable, None):
                self._environment[variable] = covered(name, value)
        return self._environment

    def _take(self, found: Found) -> None:
        self.__dict__.update(found.values)
        self._named = found.named
        self.loaded = True


settings = Settings()
TAKEN = {*dir(settings)} - FIELDS.keys()
"""Names that the settings object uses itself, so that no setting can have them."""


def _found(sources: Sources) -> Found:
    """Return what the sources say. Raises SettingsError as `find()`, and for a name of `TAKEN`."""
    found = find(sources)
    if taken := sorted(TAKEN & found.values.keys()):
        problems = [
            f"{name} cannot be the name of a setting, as `settings.{name}` is something else: "
            "take another name"
            for name in taken
        ]
        raise SettingsError(listed(f"{sources.path or 'settings'}", problems))
    return found


def environment_without_keys() -> dict[str, str]:
    """Return the environment for a process that needs no key."""
    return {name: value for name, value in os.environ.items() if name not in ENVIRONMENT.values()}
