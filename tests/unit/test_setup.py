"""`setup --from`: our settings from those of a bot of the BitMEX sample's family."""

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from market_maker.app.cli import main
from market_maker.errors import SettingsError
from market_maker.settings import chinese, take_over
from market_maker.settings.sample import FAMILY
from market_maker.settings.schema import FIELDS
from market_maker.settings.store import Settings

THEIRS = """
from os.path import join
import logging
BASE_URL = "https://testnet.bitmex.com/api/v1/"
key = api_key = "their-key"
API_KEY = key
API_SECRET = "their-secret"
SYMBOL = "XBTUSD"
ORDER_PAIRS = 6
ORDER_START_SIZE = 100
INTERVAL = 0.02
RELIST_INTERVAL = 0.005
MIN_POSITION = -5000
MAX_POSITION = "many"
CHECK_POSITION_LIMITS = True
DRY_RUN = False
LOG_LEVEL = logging.INFO
ORDERID_PREFIX = "mm_bitmex_"
CONTRACTS = ["XBTUSD"]
WATCHED_FILES = [join("market_maker", "bitmex.py"), "settings.py"]
SKEW_PER_LOT = 0.0005
PAIR_NAMES = ["a", "b"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with their settings."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "theirs.py"
    file.write_text(THEIRS)
    file.chmod(0o600)
    return tmp_path


def test_what_fits_is_taken_over_and_each_line_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["setup", "--from", "theirs.py"]) == 0
    told = capsys.readouterr().out
    text = (folder / "settings.py").read_text()
    loaded = Settings()
    loaded.load(folder / "settings.py")
    assert (loaded.SYMBOL, loaded.ORDER_PAIRS, loaded.INTERVAL) == ("BTC_USD", 6, 0.02)
    assert (loaded.MIN_POSITION, loaded.ORDERID_PREFIX) == (-5000, "mm_bitmex_")
    assert loaded.DRY_RUN is True
    assert loaded.MAX_POSITION == 0
    assert loaded.SKEW_PER_LOT == 0.0005
    assert loaded.PAIR_NAMES == ["a", "b"]
    assert "bitmex.com" not in text
    assert "their-" not in text + told
    for words in (
        "SYMBOL: BTC_USD for XBTUSD",
        "BASE_URL: left out; here the addresses are API_URL_BASE and WS_URL",
        "CONTRACTS: left out; a bot trades one contract",
        "API_KEY: not copied; GTE's own",
        "\nkey: not copied; it is a key",
        "\napi_key: not copied; it is a key",
        "MAX_POSITION: 0 until you set it, and nothing adds to the position; MAX_POSITION must be",
        "DRY_RUN: True, until you have looked",
        "SKEW_PER_LOT: kept for your strategy, in STRATEGY_SETTINGS",
        "ORDER_PAIRS: 6",
    ):
        assert words in told


def test_what_another_bot_does_not_name_has_the_safe_default_and_not_what_the_example_has(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "theirs.py").write_text("ORDER_PAIRS = 6\n")
    assert main(["setup", "--from", "theirs.py"]) == 0
    assert "What it does not name has its default" in capsys.readouterr().out
    loaded = Settings()
    loaded.load(folder / "settings.py")
    assert loaded.ORDER_PAIRS == 6
    for name in FIELDS.keys() - {"ORDER_PAIRS"}:
        assert getattr(loaded, name) == getattr(Settings(), name)


def set_up_from(folder: Path, text: str) -> Settings | None:
    """Run `setup --from` with a file of this text; None: refused, and nothing is written."""
    (folder / "theirs.py").write_text(text, "utf-8")
    (folder / "settings.py").unlink(missing_ok=True)
    status = main(["setup", "--from", "theirs.py"])
    if status == 2:
        assert not (folder / "settings.py").exists()
        return None
    assert status == 0
    loaded = Settings()
    loaded.load(folder / "settings.py")
    return loaded


IMPORTS = """
import enum, logging, os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
class Colour(enum.IntEnum):
    RED = 1
class Odd:
    def __repr__(self): raise KeyError
    def __eq__(self, other): raise KeyError
ROUND = []
ROUND.append(ROUND)
"""
PLAIN = [
    *("5", "-0.5", "True", "None", "b'x'", "1j", "(1, 'a')", "{'a': [1, {2}]}", "set()", "'六'"),
    *(repr("He said \"x\" and 'y' \\ \n \ud800"), "[[], [['a']]]"),
]
NOT_PLAIN = [
    *("float('nan')", "-float('inf')", "[float('nan')]", "10 ** 5000", "Decimal('1.5')", "..."),
    *("lambda: 0", "Odd", "Odd()", "logging.getLogger()", "Path('x')", "timedelta(1)", "len"),
    *("Colour.RED", "os", "range(3)", "ROUND", "object()", "frozenset()"),
]


@pytest.mark.parametrize("name", ["SKEW", "skew"])
@pytest.mark.parametrize("value", PLAIN)
def test_a_plain_value_of_a_strategy_is_kept_as_it_is(
    folder: Path, value: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = set_up_from(folder, f"{name} = {value}")
    assert f"{name}: kept for your strategy, in STRATEGY_SETTINGS\n" in capsys.readouterr().out
    assert loaded
    assert getattr(loaded, name) == ast.literal_eval(value)


@pytest.mark.parametrize("name", ["SKEW", "skew"])
@pytest.mark.parametrize("value", NOT_PLAIN)
def test_what_is_no_plain_value_is_left_out_with_a_line(
    folder: Path, value: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = set_up_from(folder, IMPORTS + f"{name} = {value}")
    words = f"{name}: left out; it is no plain value: put it into the strategy's file\n"
    assert words in capsys.readouterr().out
    assert not hasattr(loaded, name)


@pytest.mark.parametrize(
    ("text", "words", "values"),
    [
        (
            "ORDER_PAIRS = 60",
            ["ORDER_PAIRS: 60\n", "MAX_OPEN_ORDERS: 120, which ORDER_PAIRS = 60 needs\n"],
            {"ORDER_PAIRS": 60, "MAX_OPEN_ORDERS": 120},
        ),
        (
            "MIN_ORDER_SIZE = 300\nMAX_ORDER_SIZE = 200",
            [
                "MIN_ORDER_SIZE: left at its default, 50; MIN_ORDER_SIZE = 300 is more than",
                "MAX_ORDER_SIZE: left at its default, 500; MIN_ORDER_SIZE = 300 is more than",
            ],
            {"MIN_ORDER_SIZE": 50, "MAX_ORDER_SIZE": 500},
        ),
        (
            "MIN_ORDER_SIZE = 600",
            ["MIN_ORDER_SIZE: left at its default, 50; MIN_ORDER_SIZE = 600 is more than"],
            {"MIN_ORDER_SIZE": 50, "MAX_ORDER_SIZE": 500},
        ),
        ("SYMBOL = ['XBTUSD']", ["SYMBOL: left at its default, 'BTC_USD'; SYMBOL must be"], {}),
        (
            IMPORTS + "LOG_LEVEL = Colour.RED",
            ["LOG_LEVEL: left at its default, 'INFO'; it is no plain value"],
            {"LOG_LEVEL": "INFO"},
        ),
        (
            "from decimal import Decimal\n"
            "ORDER_PAIRS = 4.0\nORDER_STEP_SIZE = Decimal('50')\nMIN_SPREAD = '0.01'\n"
            "MIN_POSITION = 5",
            ["ORDER_PAIRS: 4\n", "ORDER_STEP_SIZE: 50\n", "MIN_SPREAD: 0.01\n", "MIN_POSITION: 0 "],
            {"ORDER_PAIRS": 4, "ORDER_STEP_SIZE": 50, "MIN_SPREAD": 0.01, "MIN_POSITION": 0},
        ),
        ("path = 'x'", ["path: left out; settings have something else of that name"], {}),
        ("def skew(i): pass", ["skew: left out; it is no plain value"], {}),
        (
            "STRATEGY_SETTINGS = ['ORDER_PAIR', 'LATER']\nORDER_PAIR = 6",
            ["ORDER_PAIR: kept for your strategy"],
            {"ORDER_PAIR": 6, "STRATEGY_SETTINGS": ["LATER", "ORDER_PAIR"]},
        ),
        ("interval = 0.02\nINTERVAL = interval", ["INTERVAL: 0.02"], {"INTERVAL": 0.02}),
    ],
)
def test_what_cannot_be_taken_as_it_is_is_changed_and_told(
    folder: Path,
    text: str,
    words: list[str],
    values: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = set_up_from(folder, text)
    told = capsys.readouterr().out
    for each in words:
        assert each in told
    for name, value in values.items():
        assert getattr(loaded, name) == value


@pytest.mark.parametrize("text", ['{"ORDER_PAIRS": 6}', "", "_x = 1", "import os"])
def test_a_file_without_a_setting_writes_nothing(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up_from(folder, text) is None
    assert "theirs.py assigns no setting" in capsys.readouterr().err


def test_a_helper_of_the_file_is_no_setting(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up_from(folder, "import os.path\nfrom math import pi as PIE, e as lower\n_x = 5")
    told = capsys.readouterr().out
    for name in ("os", "lower", "_x"):
        assert f"{name}:" not in told


def test_the_sizes_and_limits_that_the_file_does_not_name_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_from(folder, "ORDER_PAIRS = 6\nMAX_POSITION = 'many'")
    last = capsys.readouterr().out.splitlines()[-2]
    assert last.startswith("What it does not name has its default, as a missing line has: ORDER_ST")
    assert "ORDER_START_SIZE = 100, ORDER_STEP_SIZE = 173, INTERVAL = 0.005" in last
    assert "MIN_POSITION = -10000, MAX_LOSS = 0." in last
    assert "ORDER_PAIRS" not in last


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ORDER_PAIR = 6\nF = 1", ["ORDER_PAIR is not a setting; did you mean ORDER_PAIRS?"]),
        ("INTERVALL = 6", ["did you mean INTERVAL?", "name it in STRATEGY_SETTINGS"]),
        ("MAX_POSITIONS = 6\nORDER_PAIR = 2", ["MAX_POSITION?", "ORDER_PAIRS?"]),
        ("dry_run = False", ["dry_run is not a setting; did you mean DRY_RUN?"]),
        ("MAX_OPEN_ORDERS = 10", ["ORDER_PAIRS = 30 needs MAX_OPEN_ORDERS = 60 or more"]),
        ("globals()['A B'] = 5", ["settings.py:", "syntax"]),
    ],
)
def test_a_name_that_looks_misspelt_and_a_file_that_could_not_be_loaded_write_nothing(
    folder: Path, text: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up_from(folder, text) is None
    told = capsys.readouterr().err
    assert told.count("ERROR") == 1
    for each in words:
        assert each in told


def test_keys_in_the_environment_do_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GTE_API_KEY_FILE", "/nowhere")
    monkeypatch.setenv("GTE_API_KEY", "real")
    assert main(["setup", "--from", "theirs.py"]) == 0


NAMES = [*FIELDS, *FAMILY, "SKEW", "skew", "_x", "_X", "F", "path", "load", "loaded", "Ä"]
NAMES += ["ORDER_PAIR", "MAX_POSITIONS", "dry_run", "interval", "XBTUSD", "MAX_SPREAD"]
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([1, 45, 46, 60, 500, 0.5]))
VALUES = st.one_of(
    st.sampled_from([*PLAIN, *NOT_PLAIN, "'XBTUSD'", "['SKEW', 'skew']", "logging.INFO"]),
    NUMBERS.map(lambda number: f"float('{number}')" if "n" in repr(number) else repr(number)),
    st.text().map(repr),
)


@given(lines=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8))
@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_the_file_holds_ours_can_be_loaded_or_there_is_none(
    folder: Path,
    lines: list[tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = set_up_from(folder, IMPORTS + "\n".join(f"{name} = {value}" for name, value in lines))
    told, said = capsys.readouterr()
    if loaded is None:
        assert said.count("ERROR") == 1
        assert "Traceback" not in said
        return
    assert loaded.DRY_RUN is True
    for name, _ in lines:
        assert name == "_x" or f"{name}: " in told


def test_setup_writes_chinese_comments_where_they_are_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    for arguments in (["--plain"], ["--lang", "zh"], ["--lang", "zh", "--from", "theirs.py"]):
        (folder / "settings.py").unlink(missing_ok=True)
        assert main(["setup", *arguments]) == 0
        assert "已写入 settings.py" in capsys.readouterr().out
        text = (folder / "settings.py").read_text("utf-8")
        assert "# 每侧的档数。\nORDER_PAIRS = " in text
        for line in text.splitlines():
            assert not line.startswith("#") or not line.isascii(), line
        Settings().load(folder / "settings.py")
    assert main(["setup", "--lang", "en"]) == 2
    (folder / "settings.py").unlink()
    assert main(["setup", "--lang", "en"]) == 0
    assert (folder / "settings.py").read_text("utf-8").isascii()


def test_each_setting_has_a_comment_in_both_languages() -> None:
    assert list(chinese.MEANINGS) == list(FIELDS)
    for name, field in FIELDS.items():
        assert bool(chinese.MEANINGS[name]) == bool(field.metadata["meaning"])
        assert all(len(line) <= 96 for line in chinese.MEANINGS[name].splitlines())


def test_neither_file_is_lost(folder: Path) -> None:
    (folder / "settings.py").write_text("SYMBOL = 'BTC_USD'")
    assert main(["setup", "--from", "theirs.py"]) == 2
    assert (folder / "settings.py").read_text() == "SYMBOL = 'BTC_USD'"
    assert (folder / "theirs.py").read_text() == THEIRS


@pytest.mark.parametrize("text", ["BASE_URL = (", "x = 1 / 0"])
def test_a_file_that_cannot_be_read_leaves_no_settings(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "theirs.py").write_text(text)
    with pytest.raises(SettingsError, match=r"theirs\.py:1"):
        take_over(folder / "theirs.py")
    assert main(["setup", "--from", "theirs.py"]) == 2
    assert not (folder / "settings.py").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("BASE_URL = 'https://www.bitmex.com/api/v1/'", "a setting of the BitMEX sample: here the"),
        ("CONTRACTS = ['XBTUSD']", "a bot trades one contract"),
        ("SYMBOL = 'XBTUSD'", "not 'XBTUSD'; the contract of GTE like it is BTC_USD"),
    ],
)
def test_a_setting_of_the_sample_is_explained(folder: Path, line: str, words: str) -> None:
    file = folder / "settings.py"
    file.write_text(line)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match=words):
        Settings().load(file)
