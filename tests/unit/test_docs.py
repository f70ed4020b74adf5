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
from decimal import Decimal
from pathlib import Path
from typing import get_args, get_type_hints
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from market_maker.app import docs
from market_maker.app.arguments import parse
from market_maker.app.strategies import load_strategy
from market_maker.errors import SettingsError
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

ROOT = Path(__file__).parents[2]
PAGES = {
    language: {path.name: path for path in sorted((docs.ROOT / language).glob("*.md"))}
    for language in ("en", "zh")
}
README = ROOT / "README.md"
SITES = [README, *PAGES["en"].values(), *PAGES["zh"].values()]
MARKDOWN = MarkdownIt().enable("table")


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
    texts = [t.content for t in tokens_of(path) if t.type in ("fence", "code_block")]
    return [re.sub(r" *(?<!\S)#(?= ).*", "", text) for text in texts]


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
    assert blocks(english) == blocks(chinese)
    for (about, ours), (_, theirs) in zip(tables(english), tables(chinese), strict=True):
        firsts = [[names_in(row[0]) for row in rows] for rows in (ours, theirs)]
        assert firsts[0] == firsts[1], about


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


# --- settings -------------------------------------------------------------------------------------


def settings_rows(language: str) -> dict[str, list[str]]:
    """Return by name of a setting: meaning, default, range, example; each the name's own."""
    found = {}
    for _, rows in tables(PAGES[language]["settings.md"]):
        for row in rows:
            for place, name in enumerate(names := row[0].split(", ")):
                found[name] = [own(cell, place, len(names)) for cell in row[1:]]
    return found


def own(cell: str, place: int, count: int) -> str:
    """Return the part of a cell that is one name's, where several names share a row."""
    parts = cell.split(", ")
    return parts[place] if len(parts) == count else cell


def limits_of(name: str) -> str:
    about = FIELDS[name].metadata
    low, high = about["low"], about["high"]
    if about["choices"]:
        return " ".join(f"`{choice}`" for choice in about["choices"])
    if low is not None and high is not None:
        return f"`{low:g} .. {high:g}`"
    return f"`>= {low:g}`" if low is not None else f"`<= {high:g}`" if high is not None else ""


@pytest.mark.parametrize("language", PAGES)
def test_the_table_tells_every_setting_with_its_default_and_range(language: str) -> None:
    rows = settings_rows(language)
    assert rows.keys() == FIELDS.keys()
    for name, field in FIELDS.items():
        _, default, limits, _ = rows[name]
        assert limits == limits_of(name), name
        if field.default is not dataclasses.MISSING:
            assert default.startswith(f"`{shown(field.default)}`"), name


def shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.mark.parametrize("language", PAGES)
def test_the_page_tells_which_settings_need_a_restart(language: str) -> None:
    text = PAGES[language]["settings.md"].read_text("utf-8").replace("\n", " ")
    lists = [set(re.findall(r"[A-Z_0-9]{3,}", part)) for part in re.split("[.。:：]", text)]
    assert NEED_RESTART in lists


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
    {"guard_trouble": "2 guards have died within 60 s"},
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
    return found


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

TOLD_APART = {
    *("…", "  …", "……", "…: …", "… … orders: …", "…, not quoting: ….", "guard: …."),
    "… … @ … (… of … filled, order …)",
    "… made up from seed …: … times as volatile as a real market, at speed …."
    " An answer takes … ms.",
}
"""Texts that are all or nearly all filled in: the page tells one by one what they become."""


def log_texts() -> set[str]:
    """Return the texts of all lines above DEBUG, with … for what differs."""
    found = set()
    for path in (ROOT / "market_maker").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in LOGS and node.args:
                given = node.args[0]
                text = given.value if isinstance(given, ast.Constant) else None
                text = constants.get(given.id) if isinstance(given, ast.Name) else text
                if isinstance(text, str):
                    found.add(re.sub(r"%[-+.*0-9]*[a-z]", "…", text))
    return found - TOLD_APART


LOGS = {f"logger.{level}" for level in ("info", "warning", "error", "critical", "exception")}


@pytest.mark.parametrize("language", PAGES)
def test_every_line_of_the_log_is_told(language: str) -> None:
    told = {
        name
        for _, rows in tables(PAGES[language]["log.md"])
        for row in rows
        for name in names_in(row[0])
    }
    patterns = [re.escape(each).replace("…", ".*") for each in told]
    missing = [t for t in log_texts() if not any(re.fullmatch(each, t) for each in patterns)]
    assert missing == []


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
