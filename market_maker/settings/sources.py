"""Where settings come from: files that are Python, the environment, the command line."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from market_maker.account import is_paper_key
from market_maker.errors import SettingsError
from market_maker.secrecy import Secret
from market_maker.settings.assignments import Assigned, execute
from market_maker.settings.checks import (
    SCHEMES,
    Own,
    contradictions,
    default,
    free_names,
    given_names,
    hosts_of_2020,
    misdirected,
    problem,
)
from market_maker.settings.files import KEY_LOG, ignored_variables, logs_tls_keys, read_key
from market_maker.settings.schema import FIELDS, SECRETS, SettingsBase, defaults

ENVIRONMENT = {name: f"GTE_{name}" for name in SECRETS}
"""Variables that hold what is secret; the same names with _FILE name files that hold it."""

LIVE = {"DRY_RUN": False, "API_KEY": ""}
"""The least that makes a run a live one."""


@dataclass(frozen=True)
class Sources:
    """Where to read settings: each wins over those before it, defaults come first.

    `path` None means that there is no file. `keys` are what the environment has held. With `only`,
    all other names have their defaults, whatever the files say of them, and a file that others can
    read or write is no obstacle.
    """

    path: Path | None = None
    keys: Mapping[str, Secret] = field(default_factory=dict)
    symbol: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    only: Collection[str] = ()
    own: Own = field(default_factory=dict)
    """What the strategy declares."""
    is_strict: bool = True
    """Whether a name that nobody has declared is an error; not before the strategy is known."""
    files: Assigned | None = None
    """What the files said when they were read; None: they are read now."""

    def has(self, name: str) -> bool:
        """Return whether a name is read at all."""
        return not self.only or name in self.only


@dataclass(frozen=True)
class Found:
    """What all sources say: all values, the names that the files set, and warnings."""

    values: dict[str, Any]
    named: set[str]
    warnings: list[str]


def find(sources: Sources) -> Found:
    """Read all sources and check what they say. Raises SettingsError with every problem."""
    return checked(sources, _read_files(sources) if sources.files is None else sources.files.copy())


def checked(sources: Sources, assigned: Assigned) -> Found:
    """Check what all sources say, where the files say this. Raises SettingsError as `find()`."""
    given = _given(sources, assigned)
    keys, unsafe = _read_keys(sources)
    values = _laid_over(sources, given, keys)
    problems = [] if sources.only else assigned.problems + _odd(sources, assigned, given) + unsafe
    free = free_names(values, sources.own, is_strict=sources.is_strict)
    wrong = {
        name: text
        for name, value in values.items()
        if name not in free and (text := problem(name, value, sources.own))
    }
    problems += [*wrong.values(), *contradictions(values, wrong)]
    old_hosts = []
    if wrong.keys().isdisjoint({"API_KEY", *SCHEMES}):
        values = _completed(values)
        problems += misdirected(values, filter(sources.has, SCHEMES))
        old_hosts = hosts_of_2020(values, filter(sources.has, SCHEMES))
    if values["API_KEY"] and not (values["USE_HOSTS_OF_2020"] or sources.only):
        problems += old_hosts
    doubts = assigned.open + (unsafe if sources.only else [])
    if logs_tls_keys():
        doubts.append(f"{KEY_LOG} is set, which gives connections away: unset it")
    if values["DRY_RUN"] and values["API_KEY"] and not sources.only:
        old_hosts.append("a key is set, but DRY_RUN is True: a run sends no order")
    if _is_live(values):
        problems += doubts
        doubts = _keys_in_files(sources, set(given) - set(keys))
    if problems:
        raise SettingsError(listed(f"{sources.path or 'settings'}", problems))
    if ignored := ignored_variables():
        doubts.append(f"ignored in the environment: {', '.join(ignored)}")
    return Found(values, set(given), doubts + old_hosts)


def _read_files(sources: Sources) -> Assigned:
    """Execute the settings file, and the one of the symbol on top of it.

    Raises SettingsError for a file that others can write, unless the command line says that no
    order goes to the venue: what such a file says itself is no reason to execute it.
    """
    path = sources.path
    if path is None:
        return Assigned()
    may_be_open = bool(sources.only) or not _is_live({**LIVE, **sources.overrides})
    assigned = execute(path, may_be_open=may_be_open)
    wanted = sources.symbol or assigned.values.get("SYMBOL", SettingsBase.SYMBOL)
    of_symbol = overlay(path, wanted)
    if problem("SYMBOL", wanted) or not of_symbol.exists():
        return assigned
    return assigned + execute(of_symbol, may_be_open=may_be_open)


def files_of(path: Path | None, overrides: Mapping[str, Any]) -> Assigned:
    """Return what the files of these settings say now, for `Settings.load()`."""
    return _read_files(Sources(path, overrides=overrides))


def overlay(path: Path, symbol: object) -> Path:
    """Return the settings-SYMBOL.py beside a settings file."""
    return path.with_name(f"settings-{str(symbol).replace('/', '_')}.py")


def covered(name: str, value: Any) -> Any:
    """Return the value of a setting; a `Secret` for a secret one."""
    is_secret = name in SECRETS and isinstance(value, str)
    return Secret(value, tail=SECRETS[name]) if is_secret else value


def listed(what: str, problems: list[str]) -> str:
    """Return one text for all problems of something."""
    return f"{what}: " + (problems[0] if len(problems) == 1 else "\n  " + "\n  ".join(problems))


# --- the steps ----------------------------------------------------------------------------------


def _given(sources: Sources, assigned: Assigned) -> dict[str, Any]:
    """Return what files set: names in capitals, and others that are settings of the strategy."""
    named = given_names({**assigned.values, **sources.overrides}) | set(sources.own)
    return assigned.values | {name: assigned.others[name] for name in named & set(assigned.others)}


def _odd(sources: Sources, assigned: Assigned, given: Mapping[str, Any]) -> list[str]:
    """Return what to say of names that are those of settings but for capitals."""
    known = {*FIELDS, *sources.own, *given_names(given)}
    odd = [name for name in assigned.others if name.upper() in known and name not in given]
    return [f"{name} is not a setting; did you mean {name.upper()}?" for name in odd]


def _read_keys(sources: Sources) -> tuple[dict[str, str], list[str]]:
    """Return the key pair as far as files or the environment hold it, and what is unsafe there."""
    found: dict[str, str] = {}
    unsafe = []
    for name, variable in ENVIRONMENT.items():
        if name in sources.overrides or not sources.has(name):
            continue
        if file := os.environ.get(f"{variable}_FILE"):
            found[name], trouble = read_key(Path(file))
            unsafe += [trouble] if trouble else []
        elif variable in sources.keys:
            found[name] = sources.keys[variable].reveal()
    return found, unsafe


def _laid_over(
    sources: Sources, assigned: Mapping[str, Any], keys: Mapping[str, str]
) -> dict[str, Any]:
    """Return all values, where each source wins over those before it."""
    symbol = {"SYMBOL": sources.symbol} if sources.symbol else {}
    values = defaults(example=sources.path is None)
    values |= {name: default(about) for name, about in sources.own.items()}
    values |= {**assigned, **keys, **symbol, **sources.overrides}
    if sources.only:
        return defaults() | {name: values[name] for name in sources.only}
    return values


def _completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid values with secrets covered and addresses whole."""
    whole = {name: covered(name, value) for name, value in values.items()}
    for name, (secure, _) in SCHEMES.items():
        address = whole[name] if "://" in whole[name] else f"{secure}://{whole[name]}"
        whole[name] = address.rstrip("/")
    return whole


def _is_live(values: Mapping[str, Any]) -> bool:
    """Return whether orders go to the venue itself."""
    key = values["API_KEY"]
    return values["DRY_RUN"] is False and not (isinstance(key, str) and is_paper_key(key))


def _keys_in_files(sources: Sources, names: Collection[str]) -> list[str]:
    return [
        f"{name} is in {sources.path}: a file that GTE_{name}_FILE names is a better place"
        for name in SECRETS
        if name in names and name not in sources.overrides
    ]
