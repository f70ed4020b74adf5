"""The settings: defaults, the user's file, the environment; replaced whole or not at all."""

import ast
import dataclasses
import logging
import os
import warnings
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from market_maker.errors import SettingsError
from market_maker.models import Account
from market_maker.secrecy import Secret, revealed
from market_maker.settings.checks import (
    FIELDS,
    PAPER,
    SCHEMES,
    SECRET,
    contradictions,
    misdirected,
    problem,
)
from market_maker.settings.files import (
    KEY_LOG,
    ignored_variables,
    logs_tls_keys,
    read,
    read_key,
    writable_by_others,
)
from market_maker.settings.schema import SettingsBase

logger = logging.getLogger(__name__)

FILE = Path("settings.py")
ENVIRONMENT = {"API_KEY": "GTE_API_KEY", "API_SECRET": "GTE_API_SECRET"}
"""Variables that hold the key pair; the same names with _FILE name files that hold it."""
NEED_RESTART = {
    *("API_URL_BASE", "WS_URL", "API_KEY", "API_SECRET", "SETTLECURRENCY", "INSTRUMENTTYPE"),
    *("SYMBOL", "ORDERID_PREFIX", "TIMEOUT", "LOG_LEVEL", "WATCHED_FILES", "WITHDRAW_PATH"),
}


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
        self._environment: dict[str, Secret] = {}
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
        With `only`, all other names have their defaults, whatever the files say of them, and a
        file that others can read or write is no obstacle. Raises SettingsError with every problem
        found. The key pair is taken out of `os.environ`, and kept for later loads.
        """
        decided = {name: _covered(name, value) for name, value in (overrides or {}).items()}
        found = _read(path, symbol, decided, self._keys(), only)
        for text in found.warnings:
            logger.warning("%s", text)
        self.path, self._symbol, self._overrides = path, symbol, decided
        self._take(found.values, found.named)

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
        found = _read(self.path, self._symbol, self._overrides, self._keys())
        values, named = found.values, found.named
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
        return [self.path.absolute(), _overlay(self.path, self.SYMBOL).absolute()]

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
            api_key=Secret(self.API_KEY if with_key else "", tail=4),
            api_secret=Secret(self.API_SECRET if with_key else ""),
            prefix=self.ORDERID_PREFIX,
            timeout=self.TIMEOUT,
        )

    def log_level(self) -> int:
        """Return LOG_LEVEL as a number."""
        level = self.LOG_LEVEL
        return level if isinstance(level, int) else logging.getLevelNamesMapping()[level]

    def _keys(self) -> Mapping[str, Secret]:
        """Take the key pair out of the environment; return it, or what was taken out before."""
        for name, variable in ENVIRONMENT.items():
            if value := os.environ.pop(variable, None):
                self._environment[variable] = _covered(name, value)
        return self._environment

    def _take(self, values: Mapping[str, Any], named: set[str]) -> None:
        self.__dict__.update(values)
        self._named = named
        self.loaded = True


settings = Settings()


def environment_without_keys() -> dict[str, str]:
    """Return the environment for a process that needs no key."""
    return {name: value for name, value in os.environ.items() if name not in ENVIRONMENT.values()}


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


@dataclasses.dataclass(frozen=True)
class _Found:
    """What a reading has found: all values, the names that the files set, and words of warning."""

    values: dict[str, Any]
    named: set[str]
    warnings: list[str]


def _read(
    path: Path | None,
    symbol: str | None,
    overrides: Mapping[str, Any],
    environment: Mapping[str, Secret],
    only: Collection[str] = (),
) -> _Found:
    """Read all sources, or raise with every problem."""
    problems: list[str] = []
    given: dict[str, Any] = {}
    files: list[Path] = []
    if path is not None:
        files.append(path)
        given |= _execute(path, problems)
        wanted = symbol or given.get("SYMBOL", SettingsBase.SYMBOL)
        overlay = _overlay(path, wanted)
        if not problem("SYMBOL", wanted, ()) and overlay.exists():
            files.append(overlay)
            given |= _execute(overlay, problems)
    named = set(given)
    values = defaults(example=path is None) | given
    keys, unsafe = _keys(environment, [name for name in ENVIRONMENT if name not in overrides])
    values |= keys
    if symbol:
        values["SYMBOL"] = symbol
    values |= overrides
    if only:
        values, problems = defaults() | {name: values[name] for name in only}, []
    levels = logging.getLevelNamesMapping()
    problems += [text for name, value in values.items() if (text := problem(name, value, levels))]
    warned = [text for file in files if (text := writable_by_others(file))]
    (warned if only else problems).extend(unsafe)
    if not problems:
        values = {name: _covered(name, value) for name, value in values.items()}
        values["API_URL_BASE"] = _with_scheme(values["API_URL_BASE"], "https://")
        values["WS_URL"] = _with_scheme(values["WS_URL"], "wss://")
        problems += contradictions(values)
        problems += misdirected(values, [name for name in SCHEMES if not only or name in only])
    if logs_tls_keys():
        warned.append(f"{KEY_LOG} is set, which gives connections away: unset it")
    if values["DRY_RUN"] is False and not str(revealed(values["API_KEY"])).startswith(PAPER):
        problems += warned
        warned = [
            f"{name} is in {path}: a file that GTE_{name}_FILE names is a better place"
            for name in SECRET
            if name in named and name not in keys and name not in overrides
        ]
    if problems:
        raise SettingsError(_listed(f"{path or 'settings'}", problems))
    if ignored := ignored_variables():
        warned.append(f"ignored in the environment: {', '.join(ignored)}")
    return _Found(values, named, warned)


def _covered(name: str, value: Any) -> Any:
    is_secret = name in SECRET and isinstance(value, str)
    return Secret(value, tail=SECRET[name]) if is_secret else value


def _keys(
    environment: Mapping[str, Secret], names: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the key pair as far as files or the environment hold it, and what is unsafe there."""
    found: dict[str, str] = {}
    unsafe = []
    for name in names:
        variable = ENVIRONMENT[name]
        if file := os.environ.get(f"{variable}_FILE"):
            found[name], problem = read_key(Path(file))
            unsafe += [problem] if problem else []
        elif variable in environment:
            found[name] = environment[variable].reveal()
    return found, unsafe


def _execute(path: Path, problems: list[str]) -> dict[str, Any]:
    """Run a settings file in a namespace of its own; return what it assigns in capitals."""
    try:
        source = read(path).decode("utf-8")
        with warnings.catch_warnings(action="ignore"):  # they would show the line, a key's too
            tree = ast.parse(source, str(path))
            code = compile(tree, str(path), "exec")
    except SyntaxError as error:
        raise SettingsError(f"{path}:{error.lineno}: {error.msg}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SettingsError(f"{path} cannot be read: {type(error).__name__}") from None
    assigned: set[str] = set()
    secret_lines: set[int] = set()
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Name) and target.id.isupper():
                if target.id in assigned:
                    problems.append(f"{target.id} is set twice (line {target.lineno})")
                assigned.add(target.id)
                if target.id in SECRET:
                    secret_lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    namespace: dict[str, Any] = {"__file__": str(path), "__name__": "settings"}
    try:
        exec(code, namespace)
    except (Exception, SystemExit) as error:
        line = _line_of(error, path)
        text = "" if line in secret_lines else f": {error}"
        where = f":{line}" if line else ""
        raise SettingsError(f"{path}{where}: {type(error).__name__}{text}") from None
    return {name: value for name, value in namespace.items() if name.isupper()}


def _line_of(error: BaseException, path: Path) -> int:
    step, line = error.__traceback__, 0
    while step:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return line


def _overlay(path: Path, symbol: object) -> Path:
    return path.with_name(f"settings-{str(symbol).replace('/', '_')}.py")


def _with_scheme(url: str, scheme: str) -> str:
    return (url if "://" in url else scheme + url).rstrip("/")


def _listed(what: str, problems: list[str]) -> str:
    return f"{what}: " + (problems[0] if len(problems) == 1 else "\n  " + "\n  ".join(problems))
