"""The import rules of the package: imports point down, and pure modules stay pure."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "market_maker"

LAYERS = [
    "paper.refusal paper.engine paper.instrument paper.switches",
    "errors models clock watcher _settings_base build resources",
    "secrecy trust versions link child private_files",
    "instance_lock",
    "runfiles",
    "_settings_checks",
    "protocol auth settings throttle identity ladder risk convergence health family "
    "ledger audit sizes quiet "
    "paper.account paper.blotter paper.history paper.market paper.gate paper.faults "
    "paper.others",
    "decision orders alarms twins ws.book paper.ledger paper.listing paper.tape",
    "paper.clearing paper.events paper.parameters",
    "paper.news",
    "paper.exchange",
    "paper.wire paper.judge paper.stage",
    "paper.rest paper.feed",
    "paper.desk paper.trouble paper.route",
    "paper.house paper.line",
    "transport ws.tables ws.vitals ws.login paper.control",
    "paper.server",
    "paper.venue paper.process",
    "ws.ws_thread rest",
    "gte",
    "reconciler guard",
    "monitor executor",
    "exchange_interface check reloader cancel arguments upkeep",
    "loop",
    "market_maker",
    "safeguards",
    "cli",
    "custom_strategy",
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}

PURE = set(
    "models protocol ws.book throttle orders ladder risk convergence decision health family "
    "identity ledger audit alarms twins ws.vitals ws.login _settings_checks "
    "paper.engine paper.account paper.market paper.exchange".split()
)
IMPURE_IMPORTS = set("time random threading queue logging socket os io pathlib asyncio".split())

RUN_TIME_PACKAGES = {"requests", "urllib3", "websocket"}
PAPER_PACKAGES = {"aiohttp"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {
    module_name(path): ast.parse(path.read_text("utf-8"))
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
}


def imports(tree: ast.AST) -> list[str]:
    """All imported names, `from a import b` as `a.b` when it could be a module."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def own_imports(tree: ast.AST) -> set[str]:
    """The modules of this package that a module imports."""
    names = set()
    for name in imports(tree):
        if name.startswith("market_maker."):
            path = name.removeprefix("market_maker.")
            while path and path not in LEVEL:
                path = path.rpartition(".")[0]
            if path:
                names.add(path)
    return names


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_module_has_a_place_in_the_layout(name: str) -> None:
    assert name in LEVEL


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    upward = {other for other in own_imports(MODULES[name]) if LEVEL[other] >= LEVEL[name]}
    assert not upward


@pytest.mark.parametrize("name", sorted(MODULES))
def test_pure_modules_import_no_time_chance_threads_logging_or_files(name: str) -> None:
    if name in PURE:
        used = {imported.split(".")[0] for imported in imports(MODULES[name])}
        assert not used & IMPURE_IMPORTS


@pytest.mark.parametrize("name", sorted(MODULES))
def test_only_clock_imports_time(name: str) -> None:
    if name != "clock":
        assert "time" not in {imported.split(".")[0] for imported in imports(MODULES[name])}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_settings_are_read_at_the_top_only(name: str) -> None:
    if LEVEL[name] < LEVEL["exchange_interface"] and name != "settings":
        assert "settings" not in own_imports(MODULES[name])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_live_bot_does_not_import_the_paper_exchange(name: str) -> None:
    if not name.startswith("paper.") and name != "cli":
        assert not {other for other in own_imports(MODULES[name]) if other.startswith("paper.")}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_only_cli_exits_and_installs_signal_handlers(name: str) -> None:
    if name == "cli":
        return
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"sys.exit", "exit", "quit", "os._exit", "signal.signal", "print"}
            assert called not in {"logging.basicConfig", "os.execv", "os.execve"}
        if isinstance(node, ast.Raise) and node.exc:
            assert "SystemExit" not in ast.unparse(node.exc)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_package_beyond_the_declared_ones(name: str) -> None:
    import sys

    allowed = set(sys.stdlib_module_names) | RUN_TIME_PACKAGES | {"market_maker"}
    if name.startswith("paper."):
        allowed |= PAPER_PACKAGES
    used = {imported.split(".")[0] for imported in imports(MODULES[name])}
    assert used <= allowed


def test_importing_the_package_imports_nothing() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
