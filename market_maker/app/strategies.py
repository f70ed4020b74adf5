"""The strategy that `--strategy` names: a ready one, MODULE:CLASS or FILE.py:CLASS.

CLASS may be left out. A ready one's name means that one, whatever modules the user has.
"""

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import market_maker
from market_maker.errors import MarketMakerError, SettingsError, in_users_words
from market_maker.settings import own_text
from market_maker.settings.reload import sources_of
from market_maker.strategies import READY

if TYPE_CHECKING:
    from market_maker.market_maker import OrderManager

TAKEN = sys.stdlib_module_names | {market_maker.__name__}
"""Names of modules that no strategy's file takes."""
INSTALLED = {"site-packages", "dist-packages"}


def load_strategy(name: str) -> "type[OrderManager]":
    """Return the class that a name means.

    Raises SettingsError, with the user's file and line, when it cannot be imported or is none.
    """
    from market_maker.market_maker import OrderManager

    place, _, class_name = _whole(name).partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        module = _module_of_file(Path(place)) if place.endswith(".py") else _module(place)
    except MarketMakerError:
        raise
    except Exception as error:
        way_out = _way_out(error)
        raise SettingsError(f"--strategy {name}: {in_users_words(error)}{way_out}") from error
    if not class_name:
        return _only_strategy(module, name)
    found = getattr(module, class_name, None)
    if found is None:
        raise SettingsError(f"--strategy {name}: {_has(module, place)}")
    if not (isinstance(found, type) and issubclass(found, OrderManager)):
        raise SettingsError(f"--strategy {name}: {class_name} is not a subclass of OrderManager")
    return found


def load_anew(name: str) -> "type[OrderManager]":
    """Return the class as it is when it has just been imported; see `load_strategy()`.

    Nothing that a run of it has left in its module is there.
    """
    place = _whole(name).partition(":")[0]
    if not place.endswith(".py") and not place.startswith(market_maker.__name__):
        sys.modules.pop(place, None)
    return load_strategy(name)


def code_of(strategy: type) -> list[Path]:
    """Return the files of a strategy's classes, and of the modules beside them that are imported.

    What is installed, and this package, is not among them but for the classes' own files.
    """
    own = inspect.getsourcefile(strategy)
    known = [*sources_of(strategy), *([Path(own).absolute()] if own else [])]
    files = {file: None for file in known if file.suffix == ".py"}
    ours = Path(market_maker.__file__).parent
    places = {file.parent for file in files if ours not in file.parents}
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or "").absolute()
        is_beside = places & {*file.parents} and not INSTALLED & {*file.parts}
        if is_beside and file.suffix == ".py" and ours not in file.parents:
            files[file] = None
    return sorted(files)


def settings_text(name: str) -> str:
    """Return the settings that a strategy declares, as lines for settings.py; nothing is run."""
    from market_maker.bot import Runtime
    from market_maker.market_maker import OrderManager

    OrderManager.runtime = Runtime(client=refuse_to_run)
    own = load_strategy(name).SETTINGS
    if not own:
        return f"{name} declares no settings of its own; settings.py.example has all others."
    return own_text(own)


def refuse_to_run(*_: object, **__: object) -> NoReturn:
    """Raise SettingsError: in place of the client of a bot that is not to run."""
    raise SettingsError(
        "the strategy's file runs a bot when it is imported, and this command runs none: put that "
        'below if __name__ == "__main__"'
    )


def _whole(name: str) -> str:
    """Return the module of a ready strategy; any other name as it is."""
    return f"{market_maker.__name__}.strategies.{name}" if name in READY else name


def _way_out(error: Exception) -> str:
    """Return what to do about an import that cannot be as it is written; empty for others."""
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "; name a file of a package by its module, from the folder above: PACKAGE.MODULE"
    name = str(getattr(error, "name", ""))
    if isinstance(error, ModuleNotFoundError) and name.startswith(f"{market_maker.__name__}."):
        file = name.rpartition(".")[2]
        return f"; {market_maker.__name__} is this bot's package: put {file}.py beside the strategy"
    return ""


def _module(name: str) -> ModuleType:
    ours = Path(market_maker.__file__).parent
    file = Path(name.replace(".", "/") + ".py")
    is_same = name.startswith(f"{ours.name}.") and file.is_file()
    if is_same and ours not in file.resolve().parents:
        raise SettingsError(
            f"--strategy {name}: {ours.name} is this bot's package; to run yours, name its file: "
            f"--strategy {file}"
        )
    try:
        return importlib.import_module(name)
    except (ValueError, ModuleNotFoundError) as error:
        if getattr(error, "name", name) not in (name, name.partition(".")[0]):
            raise  # the strategy itself needs a module that is not there
        raise SettingsError(
            f"--strategy {name}: no such module; it is one of {', '.join(READY)}, or MODULE:CLASS, "
            "such as mine:Mine for the class Mine of mine.py, or the file: mine.py"
        ) from error


def _module_of_file(path: Path) -> ModuleType:
    """Import a file under its own name, with its folder on the path.

    A name that another module has is left to that one: others import it.
    """
    if not path.is_file():
        raise SettingsError(f"--strategy {path}: no such file")
    sys.path.insert(0, str(path.parent.absolute()))
    known = sys.modules.get(path.stem)
    is_taken = known is not None and getattr(known, "__file__", None) != str(path.absolute())
    name = f"strategy_{path.stem}" if is_taken or path.stem in TAKEN else path.stem
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _strategies(module: ModuleType) -> "list[type[OrderManager]]":
    """Return the strategies that a module defines itself and extends no further, in order."""
    from market_maker.market_maker import OrderManager

    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, OrderManager)
        and each.__module__ == module.__name__
    ]
    extended = {base for each in found for base in each.__mro__[1:]}
    return [each for each in dict.fromkeys(found) if each not in extended]


def _only_strategy(module: ModuleType, name: str) -> "type[OrderManager]":
    found = _strategies(module)
    if len(found) != 1:
        raise SettingsError(f"--strategy {name}: {_has(module, name)}")
    return found[0]


def _has(module: ModuleType, place: str) -> str:
    names = [each.__name__ for each in _strategies(module)]
    if not names:
        return (
            f"{place} defines no subclass of OrderManager, the one in market_maker.market_maker: "
            "import it, and write class Mine(OrderManager) with its place_orders()"
        )
    return f"which one? {place} defines " + ", ".join(f"{place}:{each}" for each in names)
