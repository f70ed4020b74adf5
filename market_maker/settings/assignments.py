"""What a settings file assigns; it is Python and is executed."""

import ast
import importlib
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType
from typing import Any

from market_maker.errors import SettingsError
from market_maker.settings.files import read_checked
from market_maker.settings.schema import SECRETS


@dataclass(frozen=True)
class Assigned:
    """What files assign, what is wrong with how they do it, and who else may write them."""

    values: dict[str, Any] = field(default_factory=dict)
    """In capitals."""
    others: dict[str, Any] = field(default_factory=dict)
    """Not in capitals: helpers of the file, unless a strategy has a setting of that name."""
    imported: set[str] = field(default_factory=set)
    """Names that an import statement binds."""
    problems: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def copy(self) -> "Assigned":
        """Return the same with values of its own, where they can be copied."""
        return replace(self, values={name: _copy(each) for name, each in self.values.items()})

    def __add__(self, later: "Assigned") -> "Assigned":
        return Assigned(
            values=self.values | later.values,
            others=self.others | later.others,
            imported=self.imported | later.imported,
            problems=self.problems + later.problems,
            open=self.open + later.open,
        )


def _copy(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # what a file of the user makes may be anything
        return value


def execute(path: Path, *, may_be_open: bool) -> Assigned:
    """Execute a settings file in a namespace of its own; return what it assigns.

    Raises SettingsError for a file that cannot be read or executed, and unless it `may_be_open`
    for one that others can write.
    """
    source, who = _read(path)
    if who and not may_be_open:
        raise SettingsError(f"{path} is not executed: {who}")
    found = executed(source, path)
    if found.open and not may_be_open:
        raise SettingsError(f"{path} is not taken: {found.open[0]}")
    return found + Assigned(open=[who] if who else [])


def executed(source: bytes, path: Path) -> Assigned:
    """Execute what a settings file holds, or is to hold; return what it assigns.

    It may import files beside it. Raises SettingsError, with the line, where that fails.
    """
    tree, code = _parsed(path, source)
    assignments = _assignments(tree)
    namespace: dict[str, Any] = {"__file__": str(path), "__name__": "settings"}
    beside: list[Path] = []
    try:
        with _importing(path.parent.absolute(), beside):
            exec(code, namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        line = _line_of(error, path)
        text = "" if line in _secret_lines(assignments) else f": {error}"
        where = f":{line}" if line else ""
        raise SettingsError(f"{path}{where}: {type(error).__name__}{text}") from None
    named = {name: value for name, value in namespace.items() if not name.startswith("__")}
    return Assigned(
        values={name: value for name, value in named.items() if name.isupper()},
        others={name: value for name, value in named.items() if not name.isupper()},
        imported=_imported(tree),
        problems=_set_twice(assignments),
        open=[who for each in beside if (who := _read(each)[1])],
    )


@contextmanager
def _importing(folder: Path, found: list[Path]) -> Iterator[None]:
    """Let files of a folder be imported, anew each time; those that were are `found` afterwards.

    Nothing of them is left on the disk: they may hold keys.
    """
    known, writes_nothing = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = writes_nothing
        for name in sys.modules.keys() - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == folder:
                found.append(Path(file))
                del sys.modules[name]


def _read(path: Path) -> tuple[bytes, str]:
    try:
        return read_checked(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _parsed(path: Path, source: bytes) -> tuple[ast.Module, CodeType]:
    """Compile bytes, so that Python minds a byte order mark and a coding line."""
    try:
        with warnings.catch_warnings(action="ignore"):  # they would show the line, a key's too
            tree = ast.parse(source, str(path))
            return tree, compile(tree, str(path), "exec")
    except SyntaxError as error:
        where = f":{error.lineno}" if error.lineno else ""
        encoding = "; save it as UTF-8" if not where or "codec" in error.msg else ""
        raise SettingsError(f"{path}{where}: {error.msg}{encoding}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        words = f"{path} cannot be read: {type(error).__name__}; save it as UTF-8"
        raise SettingsError(words) from None


def _assignments(tree: ast.Module) -> list[tuple[str, ast.Assign]]:
    """Return the names in capitals that a file assigns at its top level, in order."""
    return [
        (target.id, node)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    ]


def _imported(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _set_twice(assignments: Iterable[tuple[str, ast.Assign]]) -> list[str]:
    seen: set[str] = set()
    found = []
    for name, node in assignments:
        if name in seen:
            found.append(f"{name} is set twice (line {node.lineno})")
        seen.add(name)
    return found


def _secret_lines(assignments: Iterable[tuple[str, ast.Assign]]) -> set[int]:
    return {
        line
        for name, node in assignments
        if name in SECRETS
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _line_of(error: BaseException, path: Path) -> int:
    """Return the line of a file in which an error was raised; 0 if in none."""
    step, line = error.__traceback__, 0
    while step:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return line
