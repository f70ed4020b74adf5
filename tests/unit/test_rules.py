"""Rules of security that hold over the whole tree, where ruff has none.

Those that ruff has are in .ruff.toml: `S`, and what TID251 bans. A test here looks at every file.
"""

import ast
import importlib
from collections.abc import Callable, Iterator

import pytest

from market_maker.market_maker import OrderManager
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings.schema import FIELDS, NEED_RESTART
from tests.seeded.bugs import BUGS
from tests.sources import PACKAGE, ROOT, tree_of

SOURCES = [*sorted(PACKAGE.rglob("*.py")), ROOT / "marketmaker", ROOT / "setup.py"]


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield the name of each source file with its tree."""
    yield from ((str(path.relative_to(ROOT)), tree_of(path)) for path in SOURCES)


def names_in(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield each name, attribute, part of an import and keyword, with its node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node
        elif isinstance(node, ast.Attribute):
            yield node.attr, node
        elif isinstance(node, ast.alias):
            yield from ((part, node) for part in node.name.split("."))
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node


def uses(words: set[str], *, outside: Callable[[str], bool] = lambda _: False) -> list[str]:
    """Return where these words are used, but for the files that may."""
    return [
        f"{name}:{getattr(node, 'lineno', '')} {found}"
        for name, tree in trees()
        if not outside(name)
        for found, node in names_in(tree)
        if found in words
    ]


def is_paper(name: str) -> bool:
    return name.startswith("market_maker/paper/")


def test_nothing_turns_verifying_off() -> None:
    words = {"CERT_NONE", "CERT_OPTIONAL", "disable_warnings", "_create_unverified_context"}
    words |= {"_create_stdlib_context", "_create_default_https_context", "wrap_ssl"}
    assert uses(words) == []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in ("verify", "check_hostname"):
                assert isinstance(node.value, ast.Constant), f"{name}:{node.lineno}"
                assert node.value.value is True, f"{name}:{node.lineno}"
            if isinstance(node, ast.Assign):
                shown = [ast.unparse(target) for target in node.targets]
                ends = (".verify", ".check_hostname", ".verify_mode")
                assert not [s for s in shown if s.endswith(ends)], f"{name}:{node.lineno}"
            if isinstance(node, ast.Constant):
                assert node.value != "CERT_NONE", f"{name}:{node.lineno}"


def test_no_name_brings_back_what_turns_data_into_code() -> None:
    """Ruff finds the calls and imports; this finds the names, called or not."""
    words = {"pickle", "marshal", "shelve", "dill", "yaml", "eval", "__import__", "shell"}
    assert uses(words) == []
    executing = {
        name
        for name, tree in trees()
        for found, node in names_in(tree)
        if found == "exec" and not isinstance(node, ast.Attribute)
    }
    assert executing == {"market_maker/settings/assignments.py"}


def test_code_is_imported_by_name_only_where_the_command_line_names_it() -> None:
    importing = {
        name for name, tree in trees() if "import_module" in {f for f, _ in names_in(tree)}
    }
    assert importing == {"market_maker/app/strategies.py"}


def test_nothing_makes_a_library_print_its_traffic() -> None:
    assert uses({"enableTrace", "debuglevel", "set_debuglevel", "keylog_filename"}) == []


def test_no_program_is_started_but_the_paper_exchange_and_ourselves() -> None:
    starters = {"subprocess", "Popen", "execv", "execve", "execvp", "spawnv", "fork", "pty"}
    ours = {"app/run.py", "guard/child.py", "guard/container.py"}
    may = {f"market_maker/{name}" for name in ours}
    assert uses(starters, outside=may.__contains__) == []
    assert uses({"getoutput", "which"}, outside=lambda name: name not in may) == []


def test_connections_are_made_in_one_place() -> None:
    words = {"ssl", "wrap_socket", "proxies", "HTTPAdapter", "PoolManager"}
    assert uses(words, outside=lambda n: is_paper(n) or n == "market_maker/wire/tls.py") == []


# --- money ----------------------------------------------------------------------------------------

MONEY_MOVERS = {
    *("transfer", "withdraw", "change_leverage", "isolate_margin", "increase_margin"),
    *("auto_margin", "TRANSFER", "LEVERAGE_CHANGE", "MARGIN_INCREASE", "MARGIN_AUTO"),
}


def test_only_the_venue_s_own_methods_move_money_or_leverage() -> None:
    client, wire = "market_maker/gte.py", "market_maker/wire/endpoints.py"
    family = "market_maker/trading/bitmex.py"
    assert uses(MONEY_MOVERS, outside=lambda n: is_paper(n) or n in (client, wire, family)) == []
    methods = {word for word in MONEY_MOVERS if not word.isupper()}
    assert uses(methods, outside=lambda name: name != wire) == []


def test_inside_the_client_each_of_them_is_used_by_its_own_method_alone() -> None:
    users: dict[str, set[str]] = {}
    for node in ast.walk(tree_of(PACKAGE / "gte.py")):
        if isinstance(node, ast.FunctionDef):
            for found, _ in names_in(node):
                if found in MONEY_MOVERS or found == "_withdraw_path":
                    users.setdefault(found, set()).add(node.name)
    assert users == {
        "TRANSFER": {"transfer"},
        "LEVERAGE_CHANGE": {"change_leverage"},
        "change_leverage": {"isolate_margin"},
        "MARGIN_INCREASE": {"increase_margin"},
        "MARGIN_AUTO": {"auto_margin"},
        "_withdraw_path": {"__init__", "withdraw"},
    }


ASKED_BY_THE_LOOP = {
    *("pc/instrument/query", "pc/order/query", "pc/order/create", "pc/order/cancel"),
    *("pc/order/cancel_batch", "account/pc/query", "pc/setting/query", "pc/order/book/query"),
}


def test_a_run_asks_for_nothing_but_orders_and_the_instrument(
    venue: PaperExchange, configure: Callable[..., None]
) -> None:
    configure(WITHDRAW_PATH="/v1/api/account/withdraw")
    bot = OrderManager()
    for price in ("8491", "8489", "8492"):
        venue.put("buy", price, 5)
        bot.tick()
    bot.exit()
    assert set(venue.judge().requests) <= ASKED_BY_THE_LOOP


def test_no_setting_that_a_reload_changes_is_read_once_for_all() -> None:
    """In a constructor it would be: the log would say that it has changed, and nothing else."""
    found = {
        (name, node.attr)
        for name, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr in FIELDS and node.attr.isupper()
    }
    assert {each for _, each in found} <= NEED_RESTART | {"DRY_RUN"}, found


# peer_*: of another interpreter
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "tests").rglob("*.py"))
    if not path.name.startswith(("test_", "conftest", "__main__", "peer_"))
]


@pytest.mark.parametrize("name", MODULES)
def test_what_runs_only_as_a_command_can_be_imported(name: str) -> None:
    importlib.import_module(name)


def test_each_seeded_bug_has_a_place_in_the_code() -> None:
    """One whose text has moved would be tried by nobody, and thought to be caught."""
    places = {bug.name: (PACKAGE / bug.file).read_text("utf-8").count(bug.old) for bug in BUGS}
    assert [name for name, count in places.items() if count != 1] == []
