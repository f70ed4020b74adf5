"""The settings: defaults, the user's file, the environment; replaced whole or not at all."""

import ast
import dataclasses
import difflib
import logging
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

from market_maker._settings_base import SettingsBase
from market_maker.errors import SettingsError

FILE = Path("settings.py")
ENVIRONMENT = {"API_KEY": "GTE_API_KEY", "API_SECRET": "GTE_API_SECRET"}
SECRET = {"API_KEY", "API_SECRET"}
FIELDS = {field.name: field for field in dataclasses.fields(SettingsBase)}
NEED_RESTART = {
    *("API_URL_BASE", "WS_URL", "API_KEY", "API_SECRET", "SETTLECURRENCY", "INSTRUMENTTYPE"),
    *("SYMBOL", "ORDERID_PREFIX", "TIMEOUT", "LOG_LEVEL", "WATCHED_FILES", "WITHDRAW_PATH"),
}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_TYPES = get_type_hints(SettingsBase)


class Settings(SettingsBase):
    """The settings of this process. Nothing is read until `load()`.

    Every load reads all sources into a new object and checks it; only a whole and valid one takes
    the place of the old.
    """

    def __init__(self) -> None:
        super().__init__()
        self.path: Path | None = None
        self._symbol: str | None = None
        self._overrides: dict[str, Any] = {}
        self._named: set[str] = set()
        self.loaded = False

    def load(
        self,
        path: Path | None = None,
        *,
        symbol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        only: Collection[str] = (),
    ) -> None:
        """Read the settings: defaults, then the file, its settings-SYMBOL.py, the environment.

        `path` None means that there is no file. `overrides` (of the command line) win over all.
        With `only`, all other names have their defaults, whatever the files say of them. Raises
        SettingsError with every problem found.
        """
        values, named = _read(path, symbol, overrides or {}, only)
        self.path, self._symbol, self._overrides = path, symbol, dict(overrides or {})
        self._take(values, named)

    def reload(self) -> dict[str, tuple[Any, Any]]:
        """Read all again and return what has changed, as name -> (old, new).

        Raises SettingsError as `check_reload()` does, and keeps the old settings whole.
        """
        values, named = self.check_reload()
        old = {name: getattr(self, name) for name in values}
        self._take(values, named)
        return {name: (old[name], new) for name, new in values.items() if old[name] != new}

    def check_reload(self) -> tuple[dict[str, Any], set[str]]:
        """Read all again; return the values, and the names that the files set.

        Raises SettingsError for a file that is not valid, that has lost a name (half-written), or
        that changes what needs a restart.
        """
        values, named = _read(self.path, self._symbol, self._overrides)
        changed = {name for name, new in values.items() if getattr(self, name) != new}
        problems = [f"{name} is gone from the file" for name in sorted(self._named - named)]
        problems += [f"{name} needs a restart by hand" for name in sorted(NEED_RESTART & changed)]
        if self.DRY_RUN and not values["DRY_RUN"]:
            problems.append("DRY_RUN = False needs a restart by hand")
        if problems:
            raise SettingsError(_listed("the old settings stay", problems))
        return values, named

    def watched(self) -> list[Path]:
        """Return the settings files, whether they exist or not."""
        if self.path is None:
            return []
        return [self.path.resolve(), _overlay(self.path, self.SYMBOL).resolve()]

    def log_level(self) -> int:
        """Return LOG_LEVEL as a number."""
        level = self.LOG_LEVEL
        return level if isinstance(level, int) else logging.getLevelNamesMapping()[level]

    def _take(self, values: Mapping[str, Any], named: set[str]) -> None:
        self.__dict__.update(values)
        self._named = named
        self.loaded = True


settings = Settings()


def defaults(*, example: bool = False) -> dict[str, Any]:
    """Return the value that each name has when no file names it, or in settings.py.example."""
    if example:
        return {name: field.metadata["example"] for name, field in FIELDS.items()}
    return dict(vars(SettingsBase()))


def example_text() -> str:
    """Return the text of settings.py.example."""
    lines = [
        "# Settings of the GTE market maker; `python marketmaker setup` makes settings.py of this.",
        "# It is Python and is executed: keep it where only you can write. A line may be left out;",
        "# its default is then the safe one.",
    ]
    for name, field in FIELDS.items():
        about = field.metadata
        if about["section"]:
            lines += ["", f"# --- {about['section']} ".ljust(100, "-")]
        if about["meaning"]:
            lines += ["", *(f"# {line}" for line in about["meaning"].splitlines())]
        lines.append(f"{name} = {_literal(about['example'])}")
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + "".join(f"    {_literal(item)},\n" for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


# --- reading ------------------------------------------------------------------------------------


def _read(
    path: Path | None,
    symbol: str | None,
    overrides: Mapping[str, Any],
    only: Collection[str] = (),
) -> tuple[dict[str, Any], set[str]]:
    """Return all values and the names that the files set, or raise with every problem."""
    problems: list[str] = []
    given: dict[str, Any] = {}
    if path is not None:
        given |= _execute(path, problems)
        overlay = _overlay(path, symbol or given.get("SYMBOL", SettingsBase.SYMBOL))
        if overlay.exists():
            given |= _execute(overlay, problems)
    named = set(given)
    values = defaults(example=path is None) | given
    for name, variable in ENVIRONMENT.items():
        if os.environ.get(variable):
            values[name] = os.environ[variable]
    if symbol:
        values["SYMBOL"] = symbol
    values |= overrides
    if only:
        values, problems = defaults() | {name: values[name] for name in only}, []
    problems += [text for name, value in values.items() if (text := _problem(name, value))]
    if not problems:
        values["API_URL_BASE"] = _with_scheme(values["API_URL_BASE"], "https://")
        values["WS_URL"] = _with_scheme(values["WS_URL"], "wss://")
        problems += _contradictions(values)
    if problems:
        raise SettingsError(_listed(f"{path or 'settings'}", problems))
    return values, named


def _execute(path: Path, problems: list[str]) -> dict[str, Any]:
    """Run a settings file in a namespace of its own; return what it assigns in capitals."""
    try:
        source = path.read_text("utf-8")
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        raise SettingsError(f"{path}:{error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    assigned: set[str] = set()
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Name) and target.id.isupper():
                if target.id in assigned:
                    problems.append(f"{target.id} is set twice (line {target.lineno})")
                assigned.add(target.id)
    namespace: dict[str, Any] = {"__file__": str(path), "__name__": "settings"}
    try:
        exec(compile(tree, str(path), "exec"), namespace)
    except (Exception, SystemExit) as error:
        line = _line_of(error, path)
        raise SettingsError(f"{path}{line}: {type(error).__name__}: {error}") from None
    return {name: value for name, value in namespace.items() if name.isupper()}


def _line_of(error: BaseException, path: Path) -> str:
    step, line = error.__traceback__, ""
    while step:
        if step.tb_frame.f_code.co_filename == str(path):
            line = f":{step.tb_lineno}"
        step = step.tb_next
    return line


def _overlay(path: Path, symbol: object) -> Path:
    return path.with_name(f"settings-{str(symbol).replace('/', '_')}.py")


# --- checking -----------------------------------------------------------------------------------


def _problem(name: str, value: Any) -> str:
    """Return what is wrong with one setting, or nothing. Never shows a key."""
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, 1, 0.7)
        return f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")
    shown = "the value" if name in SECRET else repr(value)
    if not _is_a(value, _TYPES[name]):
        return f"{name} must be {_type_name(_TYPES[name])}, not {shown}"
    about = FIELDS[name].metadata
    if about["choices"] and value not in about["choices"]:
        return f"{name} must be one of {', '.join(about['choices'])}, not {shown}"
    if about["pattern"] and not re.fullmatch(about["pattern"], value, re.ASCII):
        return f"{name} must look like {about['pattern']}, not {shown}"
    if about["low"] is not None and value < about["low"]:
        return f"{name} must be at least {about['low']}, not {shown}"
    if about["high"] is not None and value > about["high"]:
        return f"{name} must be at most {about['high']}, not {shown}"
    if name == "LOG_LEVEL" and isinstance(value, str):
        return "" if value in logging.getLevelNamesMapping() else f"{name}: no such level {shown}"
    return ""


def _is_a(value: Any, kind: Any) -> bool:
    if isinstance(kind, UnionType):
        return any(_is_a(value, each) for each in get_args(kind))
    if kind is float:
        finite = isinstance(value, int | float) and abs(value) < 1e15
        return finite and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_args(kind):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind)


def _type_name(kind: Any) -> str:
    if isinstance(kind, UnionType):
        return " or ".join(_type_name(each) for each in get_args(kind))
    names = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
    return names.get(kind, "a list of texts")


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with settings that are each right by themselves."""
    found = []
    if values["MIN_ORDER_SIZE"] > values["MAX_ORDER_SIZE"]:
        found.append("MIN_ORDER_SIZE is more than MAX_ORDER_SIZE")
    if 2 * values["ORDER_PAIRS"] > values["MAX_OPEN_ORDERS"]:
        found.append(
            f"ORDER_PAIRS = {values['ORDER_PAIRS']} needs MAX_OPEN_ORDERS = "
            f"{2 * values['ORDER_PAIRS']} or more"
        )
    if bool(values["API_KEY"]) != bool(values["API_SECRET"]):
        found.append("API_KEY and API_SECRET go together: set both or none")
    if not values["DRY_RUN"] and not values["API_KEY"]:
        found.append(
            "DRY_RUN = False needs a key: set GTE_API_KEY and GTE_API_SECRET in the environment"
        )
    for name, secure, plain in (("API_URL_BASE", "https", "http"), ("WS_URL", "wss", "ws")):
        url = urlsplit(values[name])
        if not url.hostname:
            found.append(f"{name} holds no host name: {values[name]!r}")
        elif url.scheme != secure and not (url.scheme == plain and url.hostname in LOOPBACK):
            found.append(f"{name} must begin with {secure}:// (only this machine may do without)")
    return found


def _with_scheme(url: str, scheme: str) -> str:
    return (url if "://" in url else scheme + url).rstrip("/")


def _listed(what: str, problems: list[str]) -> str:
    return f"{what}: " + (problems[0] if len(problems) == 1 else "\n  " + "\n  ".join(problems))
