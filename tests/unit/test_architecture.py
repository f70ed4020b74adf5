"""The rooms of the package: every file is in one, imports go down and end at doors.

A room is a folder; the ground is the loose files that all others stand on, the faces are those that
a user imports by name. Rooms are listed from the ground up: a room imports only rooms above it in
this table, and of another room only its doors.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.sources import PACKAGE, tree_of

LINES = 300
LONGER = {"gte": 400}
"""Files that may have more lines, and how many."""


@dataclass(frozen=True, slots=True)
class Room:
    """A folder, or some files beside each other."""

    name: str
    doors: str = ""
    """What others may import of it; an empty name is the folder itself."""
    pure: bool = False
    files: str = ""
    """The files of a room that is no folder."""
    uses: str = "*"
    """Which rooms below it a room may import, but for the ground; all if not said."""


ROOMS = [
    Room(
        "ground",
        files="instead errors clock secrecy account client_oid decimals symbol models control "
        "private_files auth",
    ),
    Room("sample", files="bitmex _settings_base", doors="bitmex _settings_base", uses=""),
    Room("utils", doors="constants errors family log math progress", uses="sample"),
    Room("money", doors=".", pure=True, uses=""),
    Room("strategy", doors=".", pure=True, uses="money"),
    Room("safety", doors=".", pure=True, uses="money"),
    Room("outlook", doors=".", pure=True, uses="money strategy"),
    Room(
        "wire",
        doors="addresses codes endpoints failures fields protocol rest shared transport tls "
        "venue_clock",
        uses="",
    ),
    Room("ws", doors="ws_thread book", uses="wire"),
    Room("gte", files="gte", doors="gte", uses="wire ws"),
    Room("notify", doors=".", uses="wire"),
    Room("settings", doors=". reload", uses="notify"),
    Room("orders", doors="orders notes sweep", uses="ws gte"),
    Room(
        "guard",
        doors="session service signals watch child runfiles container",
        uses="notify gte orders",
    ),
    Room("journal", doors=".", uses=""),
    Room("report", doors=". live sweep heat moment why", pure=True, uses="strategy journal"),
    Room(
        "trading",
        doors=".",
        uses="money strategy safety ws gte settings orders journal",
    ),
    Room("bot", doors=".", uses="safety notify settings orders guard journal trading"),
    Room(
        "market_maker",
        files="market_maker custom_strategy",
        doors="market_maker",
        uses="utils strategy safety settings trading bot",
    ),
    Room(
        "strategies.models",
        files="strategies.models strategies.glft_model strategies.microprice_model "
        "strategies.estimate strategies.intensity strategies.linear "
        "strategies.market_orders strategies.own_quotes strategies.parts "
        "strategies.microprice_table",
        doors="*",
        pure=True,
        uses="",
    ),
    Room("strategies", doors=".", uses="settings market_maker strategies.models"),
    Room("tapes", doors=".", uses="utils"),
    Room("paper.exchange", doors="*", uses=""),
    Room("paper.market", doors="*", uses="paper.exchange tapes"),
    Room("paper.faults", doors="*", uses="paper.exchange paper.market"),
    Room("paper.api", doors="*", uses="paper.exchange paper.market paper.faults"),
    Room("paper.server", doors="*", uses="paper.exchange paper.market paper.faults paper.api"),
    Room(
        "simulation",
        doors="*",
        uses="strategy safety ws gte wire settings orders journal report trading bot market_maker "
        "tapes paper.exchange paper.market paper.faults paper.api paper.server",
    ),
    Room("app"),
    Room("main", files="__main__"),
]
PLACE = {room.name: place for place, room in enumerate(ROOMS)}
MAY_USE_PAPER = {"app", "simulation"}
IMPURE = set("time random threading queue logging socket os io pathlib asyncio".split())
RUN_TIME_PACKAGES = {"requests", "urllib3", "websocket"}
PAPER_PACKAGES = {"aiohttp"}
EXTRA_PACKAGES = {"tapes.files": {"zstandard"}, "app.workers": {"distributed"}}
ENDS_THE_PROCESS = {"sys.exit", "exit", "quit", "os._exit", "logging.basicConfig", "os.execve"}


def name_of(path: Path) -> str:
    """Return the dotted name of a module below the package; of a folder's door, the folder's."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in PACKAGE.rglob("*.py")}
del FILES["__init__"]


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield the name of each module with its tree."""
    yield from ((name, tree_of(path)) for name, path in FILES.items())


def room_of(module: str) -> Room | None:
    """Return the room that a module is in."""
    for room in ROOMS:
        if module in room.files.split():
            return room
        if not room.files and (module == room.name or module.startswith(f"{room.name}.")):
            return room
    return None


def imported(tree: ast.AST) -> set[str]:
    """Return all imported names, `from a import b` as a.b."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(tree: ast.AST) -> set[str]:
    """Return the modules of this package that a module imports."""
    found = set()
    for name in imported(tree):
        path = name.removeprefix("market_maker.") if name.startswith("market_maker.") else ""
        while path and path not in FILES:
            path = path.rpartition(".")[0]
        found |= {path} if path else set()
    return found


def arrows() -> set[tuple[str, str]]:
    """Return (module, module that it imports) where that is in another room."""
    return {
        (name, other)
        for name, tree in trees()
        for other in own_imports(tree)
        if room_of(name) is not room_of(other)
    }


def test_every_file_is_in_one_room() -> None:
    outside = {name for name in FILES if room_of(name) is None} - {"paper"}
    assert not outside


def test_arrows_between_rooms_go_down() -> None:
    up = set()
    for name, other in arrows():
        room, below = room_of(name), room_of(other)
        if not room or not below:
            continue
        if below.name == "ground" and not name.startswith("paper."):
            continue
        allowed = room.uses.split() if room.uses != "*" else [r.name for r in ROOMS]
        if PLACE[below.name] >= PLACE[room.name] or below.name not in allowed:
            up.add(f"{name} -> {other}")
        if below.name.startswith("paper.") and not room.name.startswith("paper."):
            if room.name not in MAY_USE_PAPER:
                up.add(f"{name} -> {other}")
    assert not up


def test_arrows_between_rooms_end_at_doors() -> None:
    windows = set()
    for name, other in arrows():
        below = room_of(other)
        if below and below.name != "ground" and below.doors != "*":
            doors = {
                below.name if door == "." else door if below.files else f"{below.name}.{door}"
                for door in below.doors.split()
            }
            if other not in doors and other != below.name:
                windows.add(f"{name} -> {other}")
    assert not windows


def test_files_of_the_ground_stand_on_those_before_them() -> None:
    order = ROOMS[0].files.split()
    for place, name in enumerate(order):
        if name in FILES:
            assert own_imports(tree_of(FILES[name])) <= set(order[:place])


def test_pure_rooms_import_no_time_chance_threads_logging_or_files() -> None:
    for name, tree in trees():
        room = room_of(name)
        if room and room.pure:
            assert not {each.split(".")[0] for each in imported(tree)} & IMPURE, name


def test_only_clock_imports_time() -> None:
    used = {name for name, tree in trees() if "time" in imported(tree)}
    assert used == {"clock"}


def test_only_the_application_ends_the_process_and_sets_up_the_log() -> None:
    for name, tree in trees():
        if name.startswith("app.") or name == "__main__":
            continue
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert called & ENDS_THE_PROCESS == set(), name
        raised = {ast.unparse(n.exc) for n in ast.walk(tree) if isinstance(n, ast.Raise) and n.exc}
        assert not any("SystemExit" in each for each in raised), name


def test_no_package_beyond_the_declared_ones() -> None:
    for name, tree in trees():
        allowed = set(sys.stdlib_module_names) | RUN_TIME_PACKAGES | {"market_maker"}
        if name.startswith("paper.") or name == "app.web":
            allowed |= PAPER_PACKAGES
        allowed |= EXTRA_PACKAGES.get(name, set())
        assert {each.split(".")[0] for each in imported(tree)} <= allowed, name


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    too_long = {name for name, n in lines.items() if n > LONGER.get(name, LINES)}
    assert too_long == set()


def test_importing_the_package_imports_nothing() -> None:
    tree = tree_of(PACKAGE / "__init__.py")
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
