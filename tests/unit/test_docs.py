"""The pages of the documentation: complete, alike in both languages; links and commands hold.

The README is held to the same rules of links and commands.
"""

import ast
import dataclasses
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from market_maker.app import docs
from market_maker.app.arguments import parse
from market_maker.app.dialogue_words import IN, UNIT
from market_maker.app.strategies import load_strategy
from market_maker.errors import SettingsError
from market_maker.guard.runfiles import KILL_SWITCH
from market_maker.journal import schema
from market_maker.models import Instrument, Ticker
from market_maker.paper.exchange.instrument import listed
from market_maker.paper.faults.reading import read_faults
from market_maker.report import figures
from market_maker.safety import Facts
from market_maker.safety.breakers import EVENTS
from market_maker.safety.trading_state import RULES, TradingState
from market_maker.settings.pairs import doubtful_pairs
from market_maker.settings.schema import FIELDS, NEED_RESTART
from market_maker.settings.store import Settings
from market_maker.strategies import READY
from tests import settings_page
from tests.sources import PACKAGE, ROOT, tree_of

PAGES = {
    language: {path.name: path for path in sorted((docs.ROOT / language).glob("*.md"))}
    for language in ("en", "zh")
}
README = ROOT / "README.md"
SITES = [README, *PAGES["en"].values(), *PAGES["zh"].values()]
MARKDOWN = MarkdownIt().enable("table")
CODE = ("fence", "code_block")


@cache
def tokens_of(path: Path) -> list[Token]:
    return MARKDOWN.parse(path.read_text("utf-8"))


def headings(path: Path) -> list[tuple[str, str]]:
    """Return (level, text) of each heading."""
    tokens = tokens_of(path)
    return [
        (token.tag, tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def tables(path: Path) -> list[tuple[str, list[list[str]]]]:
    """Return each table with the heading above it, as rows of cells without the head."""
    found: list[tuple[str, list[list[str]]]] = []
    tokens, heading = tokens_of(path), ""
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[place + 1].content
        elif token.type == "tbody_open":
            found.append((heading, []))
        elif token.type == "tr_open" and found:
            found[-1][1].append([])
        elif token.type == "td_open":
            found[-1][1][-1].append(tokens[place + 1].content)
        elif token.type == "thead_open":
            found.append((heading, []))
        elif token.type == "thead_close":
            found.pop()
    return found


def blocks(path: Path) -> list[str]:
    """Return the code blocks, without comments."""
    texts = [t.content for t in tokens_of(path) if t.type in CODE]
    return [re.sub(r" *(?<!\S)#(?= ).*", "", text) for text in texts]


def blocks_by_language(path: Path) -> list[str]:
    """Return the code blocks; of one that is marked as of the page's language, what it shows.

    That is the name before each colon, and what stands in brackets.
    """
    marked = [t.info == path.parent.name for t in tokens_of(path) if t.type in CODE]
    return [
        "".join(re.findall(r"^(?:\w+:|  \[.*\]\n)", text, re.MULTILINE)) if is_own else text
        for text, is_own in zip(blocks(path), marked, strict=True)
    ]


def names_in(cell: str) -> list[str]:
    """Return what of a cell is the same in each language: code, and names in capitals."""
    return re.findall(r"`([^`]+)`", cell) or re.findall(r"\b[A-Z_0-9]{3,}\b", cell)


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def spans(path: Path) -> list[Token]:
    """Return the tokens of the running text."""
    return [each for token in tokens_of(path) for each in token.children or ()]


# --- the two languages ----------------------------------------------------------------------------


def test_both_languages_have_the_same_pages() -> None:
    assert PAGES["en"].keys() == PAGES["zh"].keys()


@pytest.mark.parametrize("name", PAGES["en"])
def test_a_page_has_the_same_sections_tables_and_code_in_both(name: str) -> None:
    english, chinese = PAGES["en"][name], PAGES["zh"][name]
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(chinese)]
    assert blocks_by_language(english) == blocks_by_language(chinese)
    for (about, ours), (_, theirs) in zip(tables(english), tables(chinese), strict=True):
        firsts = [[names_in(row[0]) for row in rows] for rows in (ours, theirs)]
        assert firsts[0] == firsts[1], about


@pytest.mark.parametrize("language", PAGES)
def test_the_dialogue_shown_is_that_of_setup_in_the_language_of_the_page(language: str) -> None:
    marked = [
        (path.name, token.content)
        for path in PAGES[language].values()
        for token in tokens_of(path)
        if token.info in PAGES
    ]
    asked = [
        f"{name}: {words.format(unit=UNIT[language], currency='BTC')}"
        for name, words in IN[language].about.items()
    ]
    assert [name for name, _ in marked] == ["first-hour.md"]
    assert [line for line in marked[0][1].splitlines() if not line.startswith(" ")] == asked


@pytest.mark.parametrize("path", SITES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_to_be_written(path: Path) -> None:
    assert not re.search("TODO|TBD|FIXME|XXX", path.read_text("utf-8"))


def test_the_chinese_pages_are_chinese() -> None:
    for path in PAGES["zh"].values():
        letters = re.findall(r"[一-鿿]", path.read_text("utf-8"))
        assert len(letters) > 300, path.name


# --- links and commands ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", SITES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    links = [str(token.attrGet("href")) for token in spans(path) if token.type == "link_open"]
    links += [str(token.attrGet("src")) for token in spans(path) if token.type == "image"]
    for link in links:
        assert not link.startswith("http"), "a page needs no network"
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            made = {slug(text) for _, text in headings(target)}
            assert unquote(anchor) in made, link


@pytest.mark.parametrize("path", SITES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_one_that_the_program_has(path: Path) -> None:
    lines = [line.strip() for block in blocks(path) for line in block.splitlines()]
    lines += [token.content for token in spans(path) if token.type == "code_inline"]
    for line in lines:
        found = re.match(r"(?:nohup )?python marketmaker\b([^&|;]*)", line)
        if found and "[" not in line:
            parse(shlex.split(re.sub(r"2?>.*", "", found[1])))


def test_every_test_that_a_promise_names_is_there() -> None:
    told = re.findall(r"`(\w+/test_\w+\.py)::(\w+)`", (ROOT / "tests/promises.md").read_text())
    assert len(told) > 300
    for file, test in told:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"{file}::{test}"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "pip install -e '.[test]' && pytest"
    assert README.read_text("utf-8").count(command) == 2
    assert command in (ROOT / ".ci/run").read_text("utf-8")


def test_the_readme_stays_short_and_half_of_it_is_chinese() -> None:
    english, chinese = README.read_text("utf-8").split("\n## 中文\n")
    assert len(README.read_text("utf-8").splitlines()) <= 150
    assert len(chinese.splitlines()) > len(english.splitlines()) / 2
    assert len(re.findall(r"[一-鿿]", chinese)) > 500
    assert not re.search(r"[一-鿿]", english.replace("[中文](#中文)", ""))
    for language, half in (("en", english), ("zh", chinese)):
        links = set(re.findall(rf"market_maker/docs/{language}/([a-z-]+\.md)", half))
        assert links == PAGES[language].keys()


# --- the command ----------------------------------------------------------------------------------


def test_the_pages_are_listed_and_shown() -> None:
    for language, pages in PAGES.items():
        listed = docs.text_of("", language)
        for path in pages.values():
            assert f"{path.stem} " in listed
            assert headings(path)[0][1] in listed
            assert docs.text_of(path.stem, language) == path.read_text("utf-8")
    with pytest.raises(SettingsError, match="there are api"):
        docs.text_of("nothing", "en")


def test_docs_prints_a_page_in_the_language_of_the_locale_whatever_that_can_print() -> None:
    command = [sys.executable, "-m", "market_maker", "docs", "keys"]
    environment = os.environ | {"LC_ALL": "zh_CN.UTF-8", "PYTHONIOENCODING": "ascii"}
    shown = subprocess.check_output(command, env=environment, cwd=ROOT, timeout=30)
    assert shown.decode() == PAGES["zh"]["keys.md"].read_text("utf-8")


def test_the_language_is_that_of_the_locale() -> None:
    assert docs.language_of({}) == "en"
    assert docs.language_of({"LANG": "zh_TW.UTF-8"}) == "zh"
    assert docs.language_of({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}) == "en"


def test_the_pages_are_part_of_the_package() -> None:
    assert '["docs/*/*.md", "docs/en/*.png"]' in (ROOT / "setup.py").read_text("utf-8")


@pytest.mark.parametrize("language", PAGES)
def test_the_page_tells_every_option_of_a_run(
    language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    lines = capsys.readouterr().out
    known = set(re.findall(r"^ +(--[a-z-]+)", lines, re.MULTILINE))
    rows = tables(PAGES[language]["operate.md"])[0][1]
    assert set(re.findall(r"`(--[a-z-]+)", "".join("".join(row) for row in rows))) == known


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", PAGES)
def test_the_tables_of_the_settings_are_made_of_their_descriptions(language: str) -> None:
    text = PAGES[language]["settings.md"].read_text("utf-8")
    assert text == settings_page.with_tables(language), "python -m tests.settings_page writes them"
    rows = {row[0]: row[1:] for _, rows in tables(PAGES[language]["settings.md"]) for row in rows}
    assert rows.keys() == FIELDS.keys()
    assert {name for name, (_, _, _, restart) in rows.items() if restart} == NEED_RESTART
    assert all(meaning for meaning, *_ in rows.values())


def python_blocks() -> list[tuple[str, str]]:
    """Return (page, text) of each block of Python in English; the other language has the same."""
    return [
        (path.name, token.content)
        for path in (README, *PAGES["en"].values())
        for token in tokens_of(path)
        if token.type == "fence" and token.info == "python"
    ]


@pytest.mark.parametrize(("page", "text"), python_blocks())
def test_every_block_of_python_compiles_and_every_recipe_is_valid(
    page: str, text: str, tmp_path: Path
) -> None:
    body = ast.parse(text).body
    names = [ast.unparse(t) for node in body if isinstance(node, ast.Assign) for t in node.targets]
    if len(names) == len(body) and all(name.isupper() for name in names):
        (tmp_path / "settings.py").write_text(text, "utf-8")
        recipe = Settings()
        recipe.load(tmp_path / "settings.py")
        tick = 0.01 if recipe.INSTRUMENTTYPE == "bb" else 0.05
        doubts = doubtful_pairs(recipe, tick=tick, price=165.0)
        assert len(names) < 4 or doubts == [], page


# --- the report -----------------------------------------------------------------------------------


def named_by(value: object) -> set[str]:
    """Return the names of fields of a dataclass, or of the dataclasses that its fields hold."""
    found = {each.name for each in dataclasses.fields(value)}  # type: ignore[arg-type]
    hints = get_type_hints(value, vars(figures))
    kinds = [kind for hint in hints.values() for kind in (hint, *get_args(hint))]
    for kind in kinds:
        found |= named_by(kind) if dataclasses.is_dataclass(kind) else set()
    return found


@pytest.mark.parametrize("language", PAGES)
def test_the_page_tells_every_field_of_the_json(language: str) -> None:
    rows = next(rows for _, rows in tables(PAGES[language]["report.md"]) if rows[0][0] == "`run`")
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", "".join(row))}
    of_run = set(schema.COLUMNS["balances"]) | {"run"} | columns_of_runs()
    derived = {"total", "impact", "fill_ratio", "wait_seconds"}
    assert told == (named_by(figures.Report) | of_run | derived) - {"waited_ms"}


def columns_of_runs() -> set[str]:
    return set(re.findall(r"(\w+) (?:INTEGER|TEXT)", schema.TABLES["runs"]))


# --- the paper exchange -----------------------------------------------------------------------


@pytest.mark.parametrize("language", PAGES)
def test_the_page_tells_the_instruments_of_the_paper_exchange(language: str) -> None:
    rows = tables(PAGES[language]["paper.md"])[0][1]
    told = {(names_in(row[0])[0], row[1], row[2], row[3].split()[0], row[4]) for row in rows}
    known = {
        (each.key.symbol, each.key.area, *map(str, (each.tick, each.lot, each.start)))
        for each in listed()
    }
    assert told == known


def test_the_schedule_of_faults_on_the_page_is_one() -> None:
    fences = [t for t in tokens_of(PAGES["en"]["paper.md"]) if t.info == "json"]
    assert [len(read_faults(json.loads(each.content))) for each in fences] == [2]


# --- incidents ------------------------------------------------------------------------------------

BOOK = Ticker(bid=Decimal(100), ask=Decimal(101), last=Decimal(100))
CONTRACT = Instrument(
    symbol="BTC_USD",
    instrument_type="pc",
    settle_currency="BTC",
    tick=Decimal("0.5"),
    lot=Decimal(1),
    face_value=Decimal(1),
    last_price=Decimal(100),
)
SOUND = Facts(connected=True, ticker=BOOK)
TROUBLES = [
    {"halt_reason": "kill switch"},
    {"unknown_for": 121.0},
    {"unknown_for": 31.0},
    {"blocked_for": 601.0},
    {"blocked_for": 0.0},
    {"connected": False},
    {"lost_in_a_row": 5},
    {"missing": ("position",)},
    {"silent_for": 11.0},
    {"ticker": Ticker(bid=None, ask=None, last=None)},
    {"ticker": Ticker(bid=Decimal(101), ask=Decimal(100), last=None)},
    {"lag_ms": 2001},
    {"unconfirmed_for": 13.0},
    {"position_stale_for": 61.0},
    {"position_stale_for": 16.0},
    {"orders_stale_for": 31.0},
    {"orders_stale_for": 16.0},
    {"cancelling_for": 31.0},
    {"clock_offset_ms": 31_000},
    {"mismatch_for": 1.0, "position": Decimal(2000), "position_limit": Decimal(100)},
    {"instrument": CONTRACT},
    {"orders_known": False},
    {"unprotected": "no guard process: 2 guards have died within 60 s"},
    {"unprotected": "orders cannot be noted: /x.notes cannot be written: No space left on device"},
    {"mismatch_for": 3.0},
    {"instrument": dataclasses.replace(CONTRACT, mark_price=Decimal(50))},
]
"""At least one fact for each rule of `RULES`."""


def reasons() -> dict[TradingState, set[str]]:
    """Return every reason that rules and circuit breakers can give, by its state."""
    found: dict[TradingState, set[str]] = {state: set() for state in TradingState}
    for state, rule in RULES:
        given = {rule(dataclasses.replace(SOUND, **facts)) for facts in TROUBLES} - {""}
        assert given, f"no fact of TROUBLES leads to a rule of {state}"
        found[state] |= given
    for rule in EVENTS.values():
        found[rule.state].add(rule.reason)
    for state, texts in reasons_from_outside():
        found[state] |= texts
    return found


LATCHED = [("guard/runfiles.py", "halted"), ("guard/runfiles.py", "note_start")]
"""Where a halt that was found at the start gets its reason."""
PASSED_ON = {
    *("self.halt: reason", "control.halt: reason", "self.control.halt: reason"),
    *("self._control.halt: found.reason", "self.files.halt: reason"),
    *("control.halt: self._halted", "files.halt: KILL_SWITCH", "control.halt: KILL_SWITCH"),
    *(
        "self._control.halt: KILL_SWITCH",
        "Health: rule.reason + (f': {figures}' if figures else '')",
    ),
    *("Health: words", "Health: ''"),
}
"""Reasons that are made elsewhere: by rules, breakers, `LATCHED`, or a strategy."""


def reasons_from_outside() -> Iterator[tuple[TradingState, set[str]]]:
    """Yield each state that is demanded beside rules and circuit breakers, and why."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if not isinstance(node, ast.Call) or not re.search(r"\bHealth$|\.halt$", name):
                continue
            if len(node.args) < (2 if name == "Health" else 1):
                continue
            text = filled(node.args[-1])
            if not text:
                assert f"{name}: {ast.unparse(node.args[-1])}" in PASSED_ON
                continue
            state = ast.unparse(node.args[0]).rpartition(".")[2] if name == "Health" else "HALTED"
            yield TradingState[state], {text}
    yield TradingState.HALTED, {KILL_SWITCH, *(t for place in LATCHED for t in lines_of(place))}
    yield TradingState.PAUSED, texts_of(("trading/account_watch.py", "states"))


def described(language: str) -> dict[TradingState, list[str]]:
    """Return the patterns of the page's reasons, by the state whose section they are in."""
    found: dict[TradingState, list[str]] = {state: [] for state in TradingState}
    for heading, rows in tables(PAGES[language]["incidents.md"]):
        if state := state_of(heading):
            found[state] += [names_in(row[0])[0] for row in rows]
    return found


def state_of(heading: str) -> TradingState | None:
    """Return the trading state that a section is about."""
    return next((state for state in TradingState if heading.startswith(state.value)), None)


@pytest.mark.parametrize("language", PAGES)
def test_every_reason_of_a_state_is_told_with_its_way_out(language: str) -> None:
    known = described(language)
    for state, texts in reasons().items():
        for text in texts:
            patterns = [re.escape(each).replace("…", ".*") for each in known[state]]
            assert any(re.fullmatch(each, text) for each in patterns), f"{state.value}: {text}"


@pytest.mark.parametrize("language", PAGES)
def test_each_reason_has_a_meaning_or_a_way_out(language: str) -> None:
    for heading, rows in tables(PAGES[language]["incidents.md"]):
        if state_of(heading):
            assert all(row[3] for row in rows), heading


# --- the log --------------------------------------------------------------------------------------

LEVELS = ("info", "warning", "error", "critical", "exception", "log")
TOLD_APART = {
    *("… … orders: …", "…, not quoting: ….", "guard: ….", "…: … ……."),
    "… … @ … (… of … filled, order …)",
    "… made up from seed …: … times as volatile as a real market, at speed …."
    " An answer takes … ms.",
}
"""Texts that are nearly all filled in: the page tells one by one what they become."""
REQUEST = [
    *(("wire/transport.py", name) for name in ("send", "_start", "_of_status")),
    *(("wire/transport.py", name) for name in ("_start", "_classify")),
    ("wire/codes.py", "error_of"),
]
"""Where the errors of requests get their words."""
FILLED_IN: dict[str, list[tuple[str, str]]] = {
    "app/cancel.py: error": [],
    "app/cli.py: error": [],
    "app/cli.py: order": [],
    "app/close.py: error": REQUEST,
    "guard/watch.py: order": [],
    "market_maker.py: error": [("orders/executor.py", "own orders may be left: …")],
    "orders/executor.py: error": REQUEST,
    "orders/executor.py: trouble": REQUEST,
    "orders/startup.py: error": REQUEST,
    "paper/server/service.py: market.about": [("paper/market/tape.py", "The tape plays as …")],
    "settings/store.py: text": [
        ("settings/sources.py", "checked"),
        ("settings/sources.py", "_keys_in_files"),
        ("settings/checks.py", "hosts_of_2020"),
        *(("settings/files.py", name) for name in ("read_checked", "_open_key", "_open_way")),
        ("settings/files.py", "_trouble"),
    ],
    "trading/exchange.py: error": REQUEST,
    "trading/exchange.py: self.quote_time.so_far()": [("trading/quote_time.py", "__str__")],
    "trading/loop.py: error": REQUEST,
    "trading/pull.py: error, left": [("orders/executor.py", "own orders may be left: …")],
    "trading/status.py: _profit(money, instrument, instrument.valuation_price)": [
        ("trading/status.py", "_profit")
    ],
    "trading/status.py: line": [
        ("trading/status.py", name) for name in ("_market", "_account", "_trades", "_through")
    ],
    "trading/status.py: words, figures": [
        ("trading/converger.py", "Long position limit reached, no more buys: …"),
        ("trading/converger.py", "Short position limit reached, no more sells: …"),
    ],
    "ws/ws_thread.py: error": [("ws/session.py", "feed …: …")],
}
"""Lines of the log that are filled in whole, as file and arguments, and where their words are.

That is a function of a file, or a text whose beginning is in it. The errors of a command need
none: they say what to do, and the page of the exit statuses tells the rest.
"""
SHOWN_AGAIN = ("app/logs.py", "_show_counts"), ("app/logs.py", "emit")
"""Where lines that repeat get their words."""


def filled(node: ast.AST) -> str | None:
    """Return a text, or the words of an f-string, with … for what differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-+.*0-9]*[a-z]", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(filled(part) or "…" for part in node.values)
    return None


def texts_in(node: ast.AST) -> Iterator[str]:
    if (text := filled(node)) is not None:
        yield text
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "logger.debug":
        return
    for child in ast.iter_child_nodes(node):
        yield from texts_in(child)


def function_of(place: tuple[str, str]) -> ast.FunctionDef | None:
    """Return a function, as file and name."""
    nodes = ast.walk(tree_of(PACKAGE / place[0]))
    return next((n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == place[1]), None)


def texts_of(place: tuple[str, str]) -> set[str]:
    """Return the texts of a function but for its docstring; pieces of texts are left out."""
    function = function_of(place)
    assert function, place
    about = ast.get_docstring(function, clean=False)
    texts = {text for text in texts_in(function) if text != about}
    return {text for text in texts if re.match("[A-Za-z…]", text) and re.search("[a-zA-Z]", text)}


def lines_of(place: tuple[str, str]) -> set[str]:
    """Return the lines of the log that have their words there."""
    name, text = place
    if function_of(place):
        begin = "…: " if name.startswith("wire/") else "."  # there, the others are pieces
        found = {text for text in texts_of(place) if " " in text and re.match(begin, text)}
        assert found, f"{place} has no text any more"
        return found
    assert text.partition("…")[0].removesuffix(": ") in (PACKAGE / name).read_text("utf-8"), place
    return {text}


def logged() -> Iterator[tuple[str, ast.expr, list[ast.expr], dict[str, set[str]]]]:
    """Yield each call that logs above DEBUG: file, text, arguments, and the file's constants."""
    for path in PACKAGE.rglob("*.py"):
        tree = tree_of(path)
        named = named_texts(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in LEVELS and ast.unparse(node.func.value) in ("logger", "ending"):
                given = node.args[1:] if node.func.attr == "log" else node.args
                yield str(path.relative_to(PACKAGE)), given[0], given[1:], named


def named_texts(tree: ast.AST) -> dict[str, set[str]]:
    """Return the texts that each name is set to."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (text := filled(node.value)) is not None:
            for target in node.targets:
                found.setdefault(ast.unparse(target), set()).add(text)
    return found


@cache
def log_texts() -> tuple[set[str], set[str]]:
    """Return the texts of all lines above DEBUG, with … for what differs, and the calls without.

    Those are filled in whole.
    """
    everywhere: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for name, texts in named_texts(tree_of(path)).items():
            everywhere.setdefault(name, set()).update(texts)
    found, whole = set(), set()
    for file, given, arguments, named in logged():
        name = ast.unparse(given).rpartition(".")[2]
        text = filled(given)
        texts = {text} if text is not None else named.get(name) or everywhere[name]
        has_words = {text for text in texts if re.search("[a-zA-Z]", text)}
        found |= has_words
        if not has_words and not texts <= TOLD_APART:
            whole.add(f"{file}: {', '.join(ast.unparse(each) for each in arguments)}")
    return found - TOLD_APART, whole


def patterns_of(language: str) -> list[str]:
    """Return a pattern for each line that the page of the log tells."""
    told = {
        name
        for _, rows in tables(PAGES[language]["log.md"])
        for row in rows
        for name in names_in(row[0])
    }
    return [re.escape(each).replace("…", ".*") for each in told]


def is_told(text: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(each, text) for each in patterns)


@pytest.mark.parametrize("language", PAGES)
def test_every_line_of_the_log_is_told(language: str) -> None:
    patterns = patterns_of(language)
    assert not is_told("…", patterns), "a line of the page matches everything"
    texts = {*log_texts()[0]}
    for place in itertools.chain(SHOWN_AGAIN, *FILLED_IN.values()):
        texts |= lines_of(place)
    assert sorted(t for t in texts - TOLD_APART if not is_told(t, patterns)) == []


def test_it_is_known_what_fills_in_a_line_of_the_log() -> None:
    assert log_texts()[1] == FILLED_IN.keys()


REASONS = [
    *(("strategy/risk.py", name) for name in ("trim", "conflict", "take", "_beyond_caps")),
    ("strategy/risk.py", "_fault"),
    ("strategy/decision.py", "decide_more"),
]
"""Where a wanted order gets the reason why it is not placed."""


@pytest.mark.parametrize("language", PAGES)
def test_every_reason_why_an_order_is_not_placed_is_told(language: str) -> None:
    [rows] = [rows for _, rows in tables(PAGES[language]["log.md"]) if len(rows[0]) == 2][:1]
    told = [re.escape(n).replace("…", ".*") for row in rows for n in names_in(row[0])]
    reasons = {text for place in REASONS for text in texts_of(place)}
    assert len(reasons) > 10
    assert sorted(text for text in reasons if not is_told(text, told)) == []


def test_the_way_from_one_page_to_each_other_is_there() -> None:
    """Each page is linked to by another one, in its own language."""
    for pages in PAGES.values():
        texts = {name: path.read_text("utf-8") for name, path in pages.items()}
        linked = {
            other for name, other in itertools.permutations(texts, 2) if f"]({other}" in texts[name]
        }
        assert linked == texts.keys()


# --- ready strategies -----------------------------------------------------------------------------


@pytest.mark.parametrize("language", PAGES)
def test_the_page_tells_every_setting_of_every_ready_strategy(language: str) -> None:
    known = {
        setting: about.default
        for name in READY
        for setting, about in load_strategy(name).SETTINGS.items()
    }
    rows = [row for _, rows in tables(PAGES[language]["strategies.md"]) for row in rows]
    told = {names_in(row[0])[0]: row[2] for row in rows if len(row) == 4}
    assert told.keys() == known.keys()
    for setting, default in known.items():
        assert told[setting] == str(default) or default == "", setting
    sections = {text for _, text in headings(PAGES[language]["strategies.md"])}
    assert sections >= {*READY}
