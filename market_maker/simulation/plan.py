"""The plan of a sweep: a TOML file that says which settings are tried, and by which fill models."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, get_type_hints

from market_maker.errors import SettingsError
from market_maker.settings import defaults, settings
from market_maker.simulation.draws import Drawn, drawn, drawn_from

Own = Mapping[str, Field[Any]]
"""The settings that a strategy declares."""
Settings = Mapping[str, Any]

MOST = 100_000
"""Combinations of a plan at most."""
TABLES = {
    "settings": None,
    "grid": None,
    "random": ("trials", "seed", "settings"),
    "models": ("fills",),
    "heat": ("x", "y"),
}
"""The tables of a plan, and what they hold; None: settings."""
OUTSIDE = {
    *("API_URL_BASE", "WS_URL", "USE_HOSTS_OF_2020", "API_KEY", "API_SECRET", "DRY_RUN"),
    *("SETTLECURRENCY", "INSTRUMENTTYPE", "SYMBOL", "LOG_LEVEL", "WATCHED_FILES"),
    *("STRATEGY_SETTINGS", "JOURNAL_DAYS", "JOURNAL_MB", "NOTIFY_URL", "WITHDRAW_PATH"),
}
"""Settings that no back-test depends on, or that the tape decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep tries."""

    combinations: tuple[Settings, ...]
    """The settings of each, those that all share among them; no two are equal."""
    varying: tuple[str, ...]
    """The settings in which they differ, in the order of the plan."""
    fills: tuple[str, ...]
    """The fill models; empty: those that suit the tape."""
    heat: tuple[str, ...]
    """The settings of the heat map, x and y; one or none where no more vary."""


def read_plan(path: Path, own: Own, free: Sequence[str] = ()) -> Plan:
    """Return the plan in a file.

    `own` are the settings that the strategy declares, `free` the names of others that it reads.
    Raises SettingsError, naming the file, the table and the name, for a plan that cannot be run.
    Whether each value is in its range is not looked at here.
    """
    try:
        return _plan(_tables(path), own, free)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{path}: {words}") from None


def _tables(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        found = tomllib.load(file)
    for name, value in found.items():
        if name not in TABLES:
            raise ValueError(f"{name} is not known here: a plan has {_listed(TABLES)}")
        if not isinstance(value, dict):
            raise ValueError(f"{name} must be a table: write [{name}]")
        known = TABLES[name]
        for each in value if known else ():
            if each not in (known or ()):
                raise ValueError(f"[{name}] {each} is not known: it has {', '.join(known or ())}")
    return found


def _plan(tables: Mapping[str, Any], own: Own, free: Sequence[str]) -> Plan:
    if "grid" in tables and "random" in tables:
        raise ValueError("[grid] and [random] do not go together: take one of them out")
    if not tables.get("grid") and "random" not in tables:
        raise ValueError("nothing varies: give [grid] or [random]")
    fixed = tables.get("settings", {})
    of_random = tables.get("random", {}).get("settings", {})
    if not isinstance(of_random, dict):
        raise ValueError("[random] settings must be a table: write [random.settings]")
    varied = tables.get("grid") or of_random
    where = "grid" if "grid" in tables else "random.settings"
    for table, names in (("settings", fixed), (where, varied)):
        for name in names:
            if problem := _problem(name, own, free):
                raise ValueError(f"[{table}] {name} {problem}")
    for name in varied:
        if name in fixed:
            raise ValueError(f"{name} is both in [settings] and in [{where}]: take one out")
    found = _grid(varied) if "grid" in tables else _random(tables["random"], own)
    varying = tuple(name for name in varied if _varies(name, found))
    return Plan(
        combinations=tuple({**fixed, **each} for each in found),
        varying=varying,
        fills=_fills(tables.get("models", {}).get("fills")),
        heat=_heat(tables.get("heat", {}), varying),
    )


def _problem(name: str, own: Own, free: Sequence[str]) -> str:
    known = [*defaults(), *own, *free]
    if name in OUTSIDE:
        return "is not for a sweep: the tape and the command line decide, or nothing depends on it"
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, 1, 0.7)
    hint = f"; did you mean {near[0]}?" if near else ": a strategy names its own in SETTINGS"
    return f"is not a setting{hint}"


def _grid(varied: Mapping[str, Any]) -> list[Settings]:
    for name, values in varied.items():
        _check_list(f"[grid] {name}", values)
    count = prod(len(values) for values in varied.values())
    if count > MOST:
        raise ValueError(f"[grid] has {count:,} combinations, {MOST:,} at most: take [random]")
    return [dict(zip(varied, values, strict=True)) for values in product(*varied.values())]


def _random(table: Mapping[str, Any], own: Own) -> list[Settings]:
    trials, seed = table.get("trials"), table.get("seed", 1)
    if not isinstance(trials, int) or isinstance(trials, bool) or not 1 <= trials <= MOST:
        raise ValueError(f"[random] trials must be a whole number from 1 to {MOST}, not {trials!r}")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"[random] seed must be a whole number, not {seed!r}")
    if not table.get("settings"):
        raise ValueError("nothing varies: [random.settings] is missing or empty")
    kinds = _kinds(own)
    ways: dict[str, Drawn] = {}
    for name, about in table["settings"].items():
        where = f"[random.settings] {name}"
        if isinstance(about, dict):
            ways[name] = drawn_from(about, where, is_whole=kinds.get(name) is int)
        else:
            _check_list(where, about)
            ways[name] = Drawn(choices=tuple(about))
    found: list[Settings] = [*drawn(ways, trials=trials, seed=seed)]
    if len(found) < trials:
        raise ValueError(
            f"[random] trials = {trials}, and there are about {len(found)} different combinations: "
            "ask for fewer, or take [grid]"
        )
    return found


def _check_list(where: str, values: Any) -> None:
    if not isinstance(values, list):
        raise ValueError(f"{where} must be a list such as [1, 2], not {values!r}")
    if not values:
        raise ValueError(f"{where} is an empty list: give values, or take the line out")
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"{where} has {value!r} twice")


def _kinds(own: Own) -> dict[str, Any]:
    """Return the type of each setting."""
    values = {
        name: each.default if each.default_factory is MISSING else each.default_factory()
        for name, each in own.items()
    }
    return get_type_hints(type(settings)) | {name: type(value) for name, value in values.items()}


def _varies(name: str, found: Sequence[Settings]) -> bool:
    return any(each[name] != found[0][name] for each in found)


def _fills(names: Any) -> tuple[str, ...]:
    if names is None:
        return ()
    _check_list("[models] fills", names)
    if not all(isinstance(name, str) for name in names):
        raise ValueError('[models] fills must be a list of names such as ["touch", "safe"]')
    return tuple(names)


def _heat(table: Mapping[str, Any], varying: tuple[str, ...]) -> tuple[str, ...]:
    for axis, name in table.items():
        if name not in varying:
            raise ValueError(f"[heat] {axis} = {name!r} does not vary: {_listed(varying)} does")
    if len(set(table.values())) < len(table):
        raise ValueError("[heat] x and y are the same setting")
    asked = [table.get(axis) for axis in ("x", "y")]
    others: Iterator[str] = (name for name in varying if name not in asked)
    return tuple(each for each in (name or next(others, None) for name in asked) if each)


def _listed(names: Any) -> str:
    *first, last = names or ("nothing",)
    return f"{', '.join(first)} or {last}" if first else str(last)
