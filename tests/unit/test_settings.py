"""Settings: all problems at once, safe when a line is missing, replaced whole or not at all."""

import ast
import codecs
import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from market_maker.app.cli import CANCEL_NEEDS
from market_maker.errors import SettingsError
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings import (
    checks,
    defaults,
    environment_without_keys,
    example_text,
    setting,
)
from market_maker.settings.checks import PAPER
from market_maker.settings.files import IGNORED
from market_maker.settings.schema import FIELDS, NEED_RESTART
from market_maker.settings.store import Settings

ROOT = Path(__file__).parents[2]

OLD_SAMPLE = """API_URL_BASE WS_URL API_KEY API_SECRET SETTLECURRENCY INSTRUMENTTYPE SYMBOL
ORDER_PAIRS ORDER_START_SIZE ORDER_STEP_SIZE INTERVAL MIN_SPREAD
MAINTAIN_SPREADS RELIST_INTERVAL RANDOM_ORDER_SIZE MIN_ORDER_SIZE MAX_ORDER_SIZE
CHECK_POSITION_LIMITS MIN_POSITION MAX_POSITION POST_ONLY DRY_RUN LOOP_INTERVAL
API_REST_INTERVAL API_ERROR_INTERVAL TIMEOUT DRY_BTC LOG_LEVEL ORDERID_PREFIX
WATCHED_FILES"""


VENUE = "API_URL_BASE = 'api.example.org'\nWS_URL = 'ws.example.org'\n"


def load(path: Path, text: str, **options: Any) -> Settings:
    path.write_text(text)
    loaded = Settings()
    loaded.load(path, **options)
    return loaded


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.py"


def test_the_example_in_the_repository_is_the_one_that_setup_writes() -> None:
    assert (ROOT / "settings.py.example").read_text() == example_text()


def test_the_example_is_valid_and_names_every_setting(file: Path) -> None:
    load(file, example_text())
    assigned = {
        target.id
        for node in ast.parse(example_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert assigned == set(FIELDS)


def test_every_name_of_the_old_sample_is_accepted() -> None:
    assert set(OLD_SAMPLE.split()) <= set(FIELDS)


def test_a_missing_line_means_the_safe_value(file: Path) -> None:
    loaded = load(file, "")
    assert loaded.DRY_RUN is True
    assert loaded.CHECK_POSITION_LIMITS is True


def test_without_a_file_the_values_are_those_of_the_example() -> None:
    loaded = Settings()
    loaded.load(None)
    assert vars(loaded).items() >= defaults(example=True).items()


def test_settings_of_the_family_with_imports_and_constants_work(file: Path) -> None:
    loaded = load(
        file,
        "import logging\nfrom os.path import join\n"
        "LOG_LEVEL = logging.DEBUG\nWATCHED_FILES = [join('market_maker', 'gte.py')]\n",
    )
    assert loaded.log_level() == 10
    assert loaded.WATCHED_FILES == ["market_maker/gte.py"]


def test_a_file_beside_the_settings_may_be_imported_and_is_read_anew(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = file.parent / "shared_values.py"
    monkeypatch.chdir("/")
    path, modules = list(sys.path), set(sys.modules)
    for pairs in (4, 5):
        beside.write_text(f"ORDER_PAIRS = {pairs}\n")
        beside.chmod(0o600)
        found = load(file, "from shared_values import *\nINTERVAL = 0.02\n")
        assert pairs == found.ORDER_PAIRS
        assert found.INTERVAL == 0.02
    assert sys.path == path
    assert "shared_values" not in set(sys.modules) - modules
    assert not (file.parent / "__pycache__").exists(), "it may hold a key"


def test_a_file_beside_the_settings_that_others_can_write_is_not_trusted(file: Path) -> None:
    beside = file.parent / "shared_values.py"
    beside.write_text("ORDER_PAIRS = 4\n")
    beside.chmod(0o666)
    live = "from shared_values import *\nDRY_RUN = False\nAPI_KEY = API_SECRET = 'k'\n"
    with pytest.raises(SettingsError, match=r"others can write .*shared_values\.py"):
        load(file, live)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ORDER_PAIRS = '6'", "ORDER_PAIRS must be a whole number"),
        ("ORDER_PAIRS = True", "ORDER_PAIRS must be a whole number"),
        ("ORDER_PAIRS = 0", "ORDER_PAIRS must be at least 1"),
        ("DRY_RUN = 'False'", "DRY_RUN must be True or False"),
        ("DRY_RUN = 0", "DRY_RUN must be True or False"),
        ("INTERVAL = float('nan')", "INTERVAL must be a number"),
        ("INTERVAL = float('inf')", "INTERVAL must be a number"),
        (
            "MIN_POSITION = -1e300",
            "MIN_POSITION must be a number between -1e15 and 1e15, not -1e+300",
        ),
        ("API_ERROR_INTERVAL = 1e308", "API_ERROR_INTERVAL must be a number between -1e15 and"),
        ("INTERVAL = 5", "INTERVAL must be at most 0.5"),
        ("MIN_SPREAD = -0.01", "MIN_SPREAD must be at least 0"),
        ("ODER_PAIRS = 6", "did you mean ORDER_PAIRS?"),
        ("Max_Position = 100", "Max_Position is not a setting; did you mean MAX_POSITION?"),
        ("dry_run = False", "dry_run is not a setting; did you mean DRY_RUN?"),
        ("HIGHEST_PRICE = 6", "HIGHEST_PRICE is not a setting"),
        ("ORDER_PAIRS = 10**5000", "ORDER_PAIRS must be"),
        (
            "class A:\n    def __repr__(self): raise KeyError\nORDER_PAIRS = A()",
            "ORDER_PAIRS must be",
        ),
        ("class A(BaseException): pass\nraise A", "settings.py:2: A"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("INSTRUMENTTYPE = 'spot'", "INSTRUMENTTYPE must be one of pc, bb"),
        ("POSITION_MODE = 'gross'", "POSITION_MODE must be one of net, hedge"),
        ("ORDERID_PREFIX = 'mm/gte='", "ORDERID_PREFIX must look like"),
        ("ORDERID_PREFIX = 'fourteen_chars'", "ORDERID_PREFIX must look like"),
        ("ORDERID_PREFIX = ''", "ORDERID_PREFIX must look like"),
        ("SYMBOL = '../BTC_USD'", "SYMBOL must look like"),
        ("LOG_LEVEL = 'LOUD'", "LOG_LEVEL: no such level 'LOUD'"),
        ("WATCHED_FILES = 'settings.py'", "WATCHED_FILES must be a list of texts"),
        ("MIN_ORDER_SIZE = 600", "MIN_ORDER_SIZE is more than MAX_ORDER_SIZE"),
        ("ORDER_PAIRS = 6\nMAX_OPEN_ORDERS = 11", "needs MAX_OPEN_ORDERS = 12 or more"),
        ("MIN_POSITION = 5", "MIN_POSITION must be at most 0"),
        ("API_KEY = 'k'", "API_KEY and API_SECRET go together"),
        ("DRY_RUN = False", "DRY_RUN = False needs a key"),
        ("API_URL_BASE = 'http://example.org'", "API_URL_BASE must begin with https://"),
        ("WS_URL = 'ws://example.org'", "WS_URL must begin with wss://"),
        ("TIMEOUT = 1\nTIMEOUT = 2", "TIMEOUT is set twice (line 2)"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(file: Path, line: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, line)
    assert problem in str(raised.value)


@pytest.mark.parametrize("end", ["low", "high"])
def test_a_setting_may_be_at_either_end_of_its_range(end: str) -> None:
    bounds = {name: field.metadata[end] for name, field in FIELDS.items()}
    found = [checks.problem(name, at) for name, at in bounds.items() if at is not None]
    assert len(found) > 10
    assert not any(found), found


def test_as_many_orders_may_be_open_as_the_ladder_has(file: Path) -> None:
    load(file, "ORDER_PAIRS = 6\nMAX_OPEN_ORDERS = 12")


def test_all_problems_are_listed_at_once(file: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, "ORDER_PAIRS = 0\nINTERVAL = 'x'\nUNKNOWN_NAME = 1")
    for name in ("ORDER_PAIRS", "INTERVAL", "UNKNOWN_NAME"):
        assert name in str(raised.value)


def test_settings_that_contradict_each_other_are_listed_with_the_rest(file: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(
            file,
            "ORDER_PAIRS = 60\nMIN_ORDER_SIZE = 600\nINTERVAL = 'x'\nAPI_SECRET = 's'\n"
            "WS_URL = 'ws://ws.example.org'\nTIMEOUT = 1\nTIMEOUT = 2\nUNKNOWN_NAME = 1",
        )
    for words in (
        "ORDER_PAIRS = 60 needs MAX_OPEN_ORDERS = 120",
        "MIN_ORDER_SIZE is more than",
        "INTERVAL must be",
        "API_KEY and API_SECRET go together",
        "WS_URL must begin with wss://",
        "TIMEOUT is set twice",
        "UNKNOWN_NAME is not a setting",
    ):
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ORDER_PAIRS = 'x'\nMAX_OPEN_ORDERS = 1", "ORDER_PAIRS must be"),
        ("MIN_ORDER_SIZE = 600\nMAX_ORDER_SIZE = 'x'", "MAX_ORDER_SIZE must be"),
        ("API_KEY = 'paper-k'\nAPI_SECRET = 5", "API_SECRET must be"),
        ("API_KEY = 5\nAPI_SECRET = 's'", "API_KEY must be"),
        ("DRY_RUN = 0", "DRY_RUN must be"),
        ("DRY_RUN = False\nAPI_KEY = None", "API_KEY must be"),
        ("API_URL_BASE = 5\nWS_URL = 'ws.example.org'", "API_URL_BASE must be"),
    ],
)
def test_a_wrong_setting_contradicts_no_other(file: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, text)
    assert str(raised.value).startswith(f"{file}: {problem}"), "one problem, so on one line"


def test_a_key_is_never_shown_in_an_error(file: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, "API_SECRET = ['hunter2hunter2']\nAPI_KEY = 77777777")
    assert "hunter2" not in str(raised.value)
    assert "7777" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "where"),
    [("A = (", ":1: "), ("x = 1\nORDER_PAIRS = 1/0", ":2: ZeroDivisionError")],
)
def test_a_file_that_does_not_run_is_an_error_with_its_line(
    file: Path, text: str, where: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, text)
    assert f"settings.py{where}" in str(raised.value)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings().load(Path("/nowhere/settings.py"))


def test_a_pipe_in_the_place_of_a_file_is_an_error_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "settings.py"
    os.mkfifo(pipe)
    with pytest.raises(SettingsError, match="it is not a regular file"):
        Settings().load(pipe)


def test_the_environment_wins_over_the_file_for_the_key_pair(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GTE_API_KEY", "from-environment")
    monkeypatch.setenv("GTE_API_SECRET", "secret-from-environment")
    loaded = load(file, VENUE + "API_KEY = 'a'\nAPI_SECRET = 'b'")
    assert (loaded.API_KEY, loaded.API_SECRET) == ("from-environment", "secret-from-environment")


def test_the_file_of_the_symbol_is_read_on_top(file: Path) -> None:
    file.with_name("settings-ETH_USD.py").write_text("ORDER_PAIRS = 3")
    assert load(file, "ORDER_PAIRS = 5").ORDER_PAIRS == 5
    assert load(file, "ORDER_PAIRS = 5\nSYMBOL = 'ETH_USD'").ORDER_PAIRS == 3
    other = load(file, "ORDER_PAIRS = 5", symbol="ETH_USD")
    assert (other.SYMBOL, other.ORDER_PAIRS) == ("ETH_USD", 3)


def test_hosts_may_be_given_without_a_scheme_and_with_a_slash(file: Path) -> None:
    loaded = load(file, "API_URL_BASE = 'api.example.org/'\nWS_URL = 'ws.example.org/ws'")
    assert loaded.API_URL_BASE == "https://api.example.org"
    assert loaded.WS_URL == "wss://ws.example.org/ws"


def test_a_reload_tells_what_has_changed_in_place(file: Path) -> None:
    loaded = load(file, "ORDER_PAIRS = 5\nINTERVAL = 0.01")
    file.write_text("ORDER_PAIRS = 6\nINTERVAL = 0.01")
    assert loaded.reload() == {"ORDER_PAIRS": (5, 6)}
    assert loaded.ORDER_PAIRS == 6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ORDER_PAIRS = 5", "INTERVAL is gone"),
        ("ORDER_PAIRS = (", "settings.py:1"),
        ("ORDER_PAIRS = 0\nINTERVAL = 0.01", "ORDER_PAIRS"),
        ("ORDER_PAIRS = 9\nINTERVAL = 0.01\nSYMBOL = 'ETH_USD'", "SYMBOL needs a restart"),
        (
            "ORDER_PAIRS = 9\nINTERVAL = 0.01\nORDERID_PREFIX = 'x'",
            "ORDERID_PREFIX needs a restart",
        ),
        (
            "ORDER_PAIRS = 9\nINTERVAL = 0.01\nDRY_RUN = False\n"
            "API_KEY = 'paper-k'\nAPI_SECRET = 's'",
            "DRY_RUN = False needs a restart",
        ),
    ],
)
def test_a_reload_that_is_not_sound_changes_nothing(file: Path, text: str, problem: str) -> None:
    loaded = load(file, "ORDER_PAIRS = 5\nINTERVAL = 0.01")
    before = dict(vars(loaded))
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        loaded.reload()
    assert problem in str(raised.value)
    assert vars(loaded) == before


def sent(loaded: Settings) -> Settings:
    """Return settings as another process receives them."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(copy.copy, loaded).result()


def lines(values: dict[str, Any]) -> str:
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "ORDER_PAIRS = 6  # 六".encode(),
        "# -*- coding: gbk -*-\nORDER_PAIRS = 6  # 六".encode("gbk"),
    ],
    ids=["byte order mark", "coding line"],
)
def test_a_file_is_read_in_the_encoding_that_python_reads_it_in(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    loaded = Settings()
    loaded.load(file)
    assert loaded.ORDER_PAIRS == 6


@pytest.mark.parametrize("encoding", ["utf-16", "gbk"])
def test_a_file_in_another_encoding_says_how_to_save_it(file: Path, encoding: str) -> None:
    file.write_bytes("LOG_LEVEL = '六'".encode(encoding))
    with pytest.raises(SettingsError, match="save it as UTF-8"):
        Settings().load(file)


@pytest.mark.parametrize("name", sorted(NEED_RESTART))
def test_a_reload_does_not_change_what_needs_a_restart(file: Path, name: str) -> None:
    other = {"LOG_LEVEL": "DEBUG", "TIMEOUT": 3, "WATCHED_FILES": ["mine.py"], "SYMBOL": "ETH_USD"}
    other |= {"JOURNAL_DAYS": 3, "JOURNAL_MB": 5, "NOTIFY_URL": "https://example.org/hook"}
    other |= {"SETTLECURRENCY": "ETH", "INSTRUMENTTYPE": "bb", "WITHDRAW_PATH": "/v1/x"}
    other |= {"API_URL_BASE": "http://127.0.0.1:1", "WS_URL": "ws://127.0.0.1:1"}
    other |= {"USE_HOSTS_OF_2020": True, "STRATEGY_SETTINGS": ["FAR"]}
    other |= {"ORDERID_PREFIX": "mm_x", "API_KEY": "paper-x", "API_SECRET": "x"}
    given = {"API_KEY": "paper-k", "API_SECRET": "s"}
    loaded = load(file, lines(given))
    before = dict(vars(loaded))
    file.write_text(lines(given | {name: other[name]}))
    with pytest.raises(SettingsError, match=f"{name} needs a restart by hand"):
        loaded.reload()
    assert vars(loaded) == before


def test_nor_what_a_strategy_has_declared_to_need_one(file: Path) -> None:
    loaded = load(file, "FAR = 1", is_strict=False)
    loaded.declare({"FAR": setting(1, "How far.", needs_restart=True), "NEAR": setting(1, "")})
    file.write_text("FAR = 1\nNEAR = 2")
    assert loaded.reload() == {"NEAR": (1, 2)}
    file.write_text("FAR = 2\nNEAR = 2")
    with pytest.raises(SettingsError, match="FAR needs a restart by hand"):
        loaded.reload()


WAY = "if your strategy reads it, name it in STRATEGY_SETTINGS in the settings file, or declare it"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BASE_SIZE", f"BASE_SIZE is not a setting; {WAY}"),
        ("ORDER_PAIR", "ORDER_PAIR is not a setting; did you mean ORDER_PAIRS? If your strategy"),
        ("CONTRACTS", "CONTRACTS is a setting of the BitMEX sample: a bot trades one contract"),
        ("BASE_URL", "BASE_URL is a setting of the BitMEX sample: here the addresses are"),
    ],
)
def test_a_name_that_is_no_setting_says_the_way_out_in_the_file_and_when_it_is_read(
    file: Path, name: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        load(file, f"{name} = 50")
    with pytest.raises(AttributeError, match=re.escape(words)):
        getattr(load(file, ""), name)


def test_a_name_of_the_strategy_that_no_line_sets_is_told_when_it_is_read(file: Path) -> None:
    loaded = load(file, "STRATEGY_SETTINGS = ['BASE_SIZE']")
    with pytest.raises(AttributeError, match="STRATEGY_SETTINGS names it, but no line sets it"):
        _ = loaded.BASE_SIZE


def test_settings_can_be_copied_sent_and_asked_for_names(file: Path) -> None:
    loaded = load(file, "STRATEGY_SETTINGS = ['FAR']\nFAR = 5")
    for other in (copy.copy(loaded), copy.deepcopy(loaded), sent(loaded)):
        assert vars(other) == vars(loaded)
        assert hasattr(other, "FAR")
        assert not hasattr(other, "NEAR")
        assert getattr(other, "NEAR", 3) == 3
    with pytest.raises(AttributeError):
        _ = Settings.__new__(Settings).NEAR


@pytest.mark.parametrize(
    ("text", "declared"),
    [("STRATEGY_SETTINGS = ['skew']\nskew = 5", ""), ("skew = 5", "skew")],
)
def test_a_setting_of_a_strategy_may_be_in_small_letters(
    file: Path, text: str, declared: str
) -> None:
    loaded = load(file, f"import os\n_x = other = 3\n{text}", is_strict=False)
    own = {declared: setting(1, "How far.", low=1)} if declared else {}
    loaded.declare(own)
    assert loaded.skew == 5
    assert not hasattr(loaded, "other")
    file.write_text(text.replace("5", "6"))
    assert loaded.reload() == {"skew": (5, 6)}
    file.write_text(text.replace("skew = 5", ""))
    with pytest.raises(SettingsError, match="skew is gone from the file"):
        loaded.reload()
    if declared:
        file.write_text("skew = 0")
        with pytest.raises(SettingsError, match="skew must be at least 1, not 0"):
            loaded.reload()


def test_a_setting_of_the_strategy_in_the_wrong_letters_is_an_error(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"far is not a setting; did you mean FAR\?"):
        load(file, "STRATEGY_SETTINGS = ['FAR']\nfar = 5")
    loaded = load(file, "far = 5", is_strict=False)
    with pytest.raises(SettingsError, match=r"far is not a setting; did you mean FAR\?"):
        loaded.declare({"FAR": setting(1, "How far.")})


@pytest.mark.parametrize("name", ["load", "path", "loaded", "_sources"])
def test_no_setting_takes_the_place_of_what_the_settings_have_themselves(
    file: Path, name: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name} cannot be the name of a setting"):
        load(file, f"STRATEGY_SETTINGS = ['{name}']\n{name} = 5")
    loaded = load(file, f"{name} = 5")
    with pytest.raises(SettingsError, match=f"{name} cannot be the name of a setting"):
        loaded.declare({name: setting(1, "")})


def test_names_of_a_strategy_that_are_no_texts_are_an_error(file: Path) -> None:
    with pytest.raises(SettingsError, match="STRATEGY_SETTINGS must be a list of texts"):
        load(file, "STRATEGY_SETTINGS = [['A'], 5]\nA = 1")


@pytest.mark.parametrize(
    ("default", "limits", "words"),
    [
        (0.5, {"low": 1}, "must be at least 1, not 0.5"),
        (5, {"high": 1}, "must be at most 1, not 5"),
        ("up", {"choices": ("left", "right")}, "must be one of left, right, not 'up'"),
        ("up", {"pattern": "[0-9]"}, r"must look like \[0-9\], not 'up'"),
        (float("nan"), {}, "must be a number, not nan"),
        (float("inf"), {"low": 1}, "must be a number, not inf"),
    ],
)
def test_a_default_out_of_its_own_range_is_an_error_where_it_is_declared(
    default: Any, limits: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=f"the default of a setting {words}"):
        setting(default, "How far.", **limits)


def test_a_reload_may_turn_a_live_run_into_a_dry_one(file: Path) -> None:
    key = "API_KEY = 'paper-k'\nAPI_SECRET = 's'\n"
    loaded = load(file, key + "DRY_RUN = False")
    file.write_text(key + "DRY_RUN = True")
    assert loaded.reload() == {"DRY_RUN": (False, True)}


LIVE = "API_KEY = 'paper-k'\nAPI_SECRET = 's'\nDRY_RUN = True\nMAX_POSITION = 50\nORDER_PAIRS = 5\n"


@given(st.integers(0, len(LIVE)))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_never_trades_and_never_loses_its_limits(file: Path, cut: int) -> None:
    try:
        loaded = load(file, LIVE[:cut])
    except SettingsError:
        return
    assert loaded.DRY_RUN is True
    assert loaded.CHECK_POSITION_LIMITS is True


def test_no_secret_is_in_the_representation(file: Path) -> None:
    assert "hunter2" not in repr(load(file, "API_KEY = 'paper-hunter2k'\nAPI_SECRET = 'hunter2'"))


# --- where keys may live ------------------------------------------------------------------------

LIVE_VENUE = VENUE + "DRY_RUN = False\n"
PAIR = {"GTE_API_KEY": "key-from-environment", "GTE_API_SECRET": "secret-from-environment"}


@pytest.fixture
def key_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A key pair in files, named by the environment."""
    files = {}
    for name in ("API_KEY", "API_SECRET"):
        files[name] = tmp_path / name.lower()
        files[name].write_text(f"{name.lower()}-from-file\n")
        files[name].chmod(0o600)
        monkeypatch.setenv(f"GTE_{name}_FILE", str(files[name]))
    return files


def set_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PAIR.items():
        monkeypatch.setenv(name, value)


def test_files_win_over_the_environment_and_that_over_settings(
    file: Path, key_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_settings = LIVE_VENUE + "API_KEY = 'a'\nAPI_SECRET = 'b'\n"
    set_pair(monkeypatch)
    assert load(file, in_settings).API_KEY == "api_key-from-file"
    assert load(file, in_settings).API_SECRET == "api_secret-from-file"
    for name in key_files:
        monkeypatch.delenv(f"GTE_{name}_FILE")
    set_pair(monkeypatch)
    assert load(file, in_settings).API_KEY == "key-from-environment"
    assert load(file, in_settings).API_KEY == "a"  # nothing is left in the environment


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.chmod(0o640), "chmod 600"),
        (lambda file: file.chmod(0o604), "chmod 600"),
        (lambda file: file.chmod(0o620), "chmod 600"),
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.write_text(""), "holds no key"),
        (lambda file: file.write_text("x" * 5000), "holds no key"),
        (lambda file: file.write_text("é"), "holds no key"),
        (lambda file: file.write_text("two\nlines"), "holds a space, a line break"),
        (lambda file: file.write_text("'from-file'"), "has quotes round it"),
        (lambda file: file.write_text('"from-file"'), "has quotes round it"),
        (lambda file: (file.unlink(), file.mkdir()), "API_KEY|api_key"),
    ],
)
def test_a_key_file_that_others_may_know_is_refused_by_name(
    file: Path, key_files: dict[str, Path], spoil: Callable[[Path], object], words: str
) -> None:
    spoil(key_files["API_KEY"])
    with pytest.raises(SettingsError, match=words) as raised:
        load(file, VENUE)
    assert "api_key" in str(raised.value).lower()
    assert "from-file" not in str(raised.value)


def test_a_key_file_may_be_a_link_within_its_directory_only(
    file: Path, key_files: dict[str, Path], tmp_path: Path
) -> None:
    key = key_files["API_KEY"]
    inside = tmp_path / "..data"
    inside.mkdir()
    moved = key.rename(inside / "key")
    key.symlink_to(moved)
    assert load(file, VENUE).API_KEY == "api_key-from-file"
    with TemporaryDirectory() as elsewhere:
        key.unlink()
        key.symlink_to(moved.rename(Path(elsewhere) / "key"))
        with pytest.raises(SettingsError, match="link to another directory"):
            load(file, VENUE)


def test_a_key_file_in_a_directory_that_others_write_is_refused(
    file: Path, key_files: dict[str, Path], tmp_path: Path
) -> None:
    for mode in (0o707, 0o770):
        key_files["API_KEY"].parent.chmod(mode)
        with pytest.raises(SettingsError, match="chmod go-w"):
            load(file, VENUE)
    tmp_path.chmod(0o1777)
    assert load(file, VENUE).API_KEY


def test_a_key_file_of_another_user_is_refused(
    file: Path, key_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(SettingsError, match="belongs to another user"):
        load(file, VENUE)


def test_the_environment_is_wiped_and_yet_a_reload_and_a_successor_have_the_keys(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_pair(monkeypatch)
    loaded = load(file, LIVE_VENUE + "ORDER_PAIRS = 5")
    assert not set(PAIR) & set(os.environ)
    child = subprocess.run(["env"], capture_output=True, text=True, check=True)
    assert "from-environment" not in child.stdout
    file.write_text(LIVE_VENUE + "ORDER_PAIRS = 6")
    assert loaded.reload() == {"ORDER_PAIRS": (5, 6)}
    assert loaded.API_SECRET == "secret-from-environment"
    assert loaded.environment().items() >= PAIR.items()
    assert not set(PAIR) & set(os.environ)


def test_a_process_that_needs_no_key_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    set_pair(monkeypatch)
    assert not set(PAIR) & set(environment_without_keys())
    assert "PATH" in environment_without_keys()


def test_a_key_in_the_settings_is_warned_of_when_live(
    file: Path, log: pytest.LogCaptureFixture
) -> None:
    load(file, VENUE + "API_KEY = 'a'\nAPI_SECRET = 'b'\n")
    assert "better place" not in log.text
    load(file, LIVE_VENUE + "API_KEY = 'a'\nAPI_SECRET = 'b'\n")
    assert "API_SECRET is in" in log.text
    assert "better place" in log.text


def test_a_key_in_a_dry_run_is_told_to_be_of_no_use(
    file: Path, log: pytest.LogCaptureFixture
) -> None:
    load(file, LIVE_PAIR)
    load(file, VENUE)
    load(file, LIVE_PAIR.replace("DRY_RUN = False", "DRY_RUN = True"), only=CANCEL_NEEDS)
    assert "DRY_RUN is True" not in log.text
    load(file, LIVE_PAIR.replace("DRY_RUN = False", "DRY_RUN = True"))
    assert log.text.count("a key is set, but DRY_RUN is True: a run sends no order") == 1


def test_the_settings_hold_no_plain_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pair(monkeypatch)
    for loaded in (
        load(file, VENUE),
        load(file, VENUE + "API_KEY = 'key-from-environment'\nAPI_SECRET = 'x-from-environment'"),
        load(file, VENUE, overrides={"API_KEY": "from-environment", "API_SECRET": "x"}),
    ):
        assert loaded.API_KEY
        for shown in (
            repr(vars(loaded)),
            json.dumps({"a": loaded.API_KEY}),
            str(loaded.API_SECRET),
        ):
            assert "from-environment" not in shown
    assert not load(file, "").API_KEY


@pytest.mark.parametrize(
    "text",
    [
        "API_SECRET = hunter2hunter2",
        "API_KEY = 'paper-k'\nAPI_SECRET = (\n    hunter2hunter2\n)",
        "API_SECRET = 'hunter2hunter2",
        "API_SECRET = hunter2hunter2'",
        "API_SECRET = 'hunter2\\dhunter2'\nAPI_KEY = 5",
        "API_SECRET = 'hunter2hunter2 with space'",
        "API_SECRET = {'hunter2hunter2'}",
        "API_SECRET = 'hunter2hunter2' + 5",
        "API_SECRET = 0hunter2hunter2",
        "API_SECRETT = 'hunter2hunter2'",
        "API_SECRET = 'hunter2hunter2'\nAPI_SECRET = 'hunter2hunter2'",
        "API_SECRET = int('hunter2hunter2')",
    ],
)
def test_no_mistake_shows_a_key(file: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, text)
    assert "hunter2" not in str(raised.value) + capfd.readouterr().err


# --- files that others can write ----------------------------------------------------------------

LIVE_PAIR = LIVE_VENUE + "API_KEY = 'a'\nAPI_SECRET = 'b'\n"
DRY = {"overrides": {"DRY_RUN": True}}
PAPER_RUN = {
    "overrides": {
        "API_URL_BASE": "http://127.0.0.1:1",
        "WS_URL": "ws://127.0.0.1:1",
        "API_KEY": "paper-k",
        "API_SECRET": "s",
        "DRY_RUN": False,
    }
}
MARK = "\n(lambda: open(__file__ + '.ran', 'w').close())()\n"
"""A line of settings that tells when it is executed."""


def in_a_directory_of_another(file: Path) -> None:
    os.chown(file.parent, 12345, -1)


OPEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "group": (lambda file: file.chmod(0o660), "chmod go-w"),
    "others": (lambda file: file.chmod(0o602), "chmod go-w"),
    "another's file": (lambda file: os.chown(file, 12345, -1), "belongs to another user"),
    "directory of others": (lambda file: file.parent.chmod(0o707), "chmod go-w"),
    "directory of a group": (lambda file: file.parent.chmod(0o770), "chmod go-w"),
    "another's directory": (in_a_directory_of_another, "belongs to another user"),
    "another's file in a sticky directory": (
        lambda file: (file.parent.chmod(0o1777), os.chown(file, 12345, -1)),
        "belongs to another user",
    ),
}
WAYS = ["plain", "link to it", "link to its directory", "overlay"]


def led_to(file: Path, way: str) -> Path:
    """Return the path by which a run is told of settings that lie elsewhere, or of an overlay."""
    beside = file.parent.parent / "beside"
    beside.mkdir()
    if way == "link to its directory":
        (beside / "there").symlink_to(file.parent)
        return beside / "there" / file.name
    path = beside / "settings.py"
    if way == "overlay":
        path.write_text(VENUE)
        path.with_name("settings-BTC_USD.py").symlink_to(file)
    elif way == "link to it":
        path.symlink_to(file)
    return file if way == "plain" else path


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", OPEN)
def test_settings_that_others_can_write_are_not_executed(
    tmp_path: Path, how: str, way: str, log: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "theirs" / "mine.py"
    file.parent.mkdir(mode=0o700)
    file.write_text(LIVE_PAIR + "import os\nos.chmod(__file__, 0o600)" + MARK)
    told = led_to(file, way)
    spoil, way_out = OPEN[how]
    spoil(file)
    with pytest.raises(SettingsError, match=f"is not executed: .*{way_out}"):
        Settings().load(told)
    assert not list(tmp_path.rglob("*.ran"))
    for options in (DRY, PAPER_RUN, {"only": CANCEL_NEEDS}):
        log.clear()
        spoil(file)
        Settings().load(told, **options)  # type: ignore[arg-type]
        assert way_out in log.text


def test_a_sticky_directory_is_no_danger_to_a_file_of_ours(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert load(file, LIVE_PAIR).DRY_RUN is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")
def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(LIVE_PAIR)
    link = tmp_path / "settings.py"
    link.symlink_to(mine)
    os.chown(link, 12345, -1, follow_symlinks=False)
    with pytest.raises(SettingsError, match=r"the link .* belongs to another user"):
        Settings().load(link)


def test_the_file_of_the_symbol_is_looked_at_too(file: Path) -> None:
    overlay = file.with_name("settings-BTC_USD.py")
    overlay.write_text("")
    overlay.chmod(0o666)
    with pytest.raises(SettingsError, match=r"settings-BTC_USD\.py"):
        load(file, LIVE_PAIR)


def test_settings_of_the_superuser_are_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = file.parent.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner:
        with pytest.raises(SettingsError, match="belongs to another user"):
            load(file, LIVE_PAIR)
    else:
        assert load(file, LIVE_PAIR).DRY_RUN is False


def test_a_reload_from_a_file_that_others_can_write_by_now_changes_nothing(file: Path) -> None:
    loaded = load(file, LIVE_PAIR + "ORDER_PAIRS = 5")
    file.write_text(LIVE_PAIR + "ORDER_PAIRS = 6")
    file.chmod(0o666)
    with pytest.raises(SettingsError, match="chmod go-w"):
        loaded.reload()
    assert loaded.ORDER_PAIRS == 5


@pytest.mark.parametrize("symbol", ["../../x", "..", "/etc/x", "A" * 5000, "\0", "BTC_USD/../x"])
def test_no_symbol_leads_out_of_the_directory(file: Path, symbol: str) -> None:
    outside = file.parent.parent / "x.py"
    outside.write_text("raise RuntimeError('executed')")
    for options in ({"symbol": symbol}, {}):
        with pytest.raises(SettingsError, match="SYMBOL must look like"):
            load(file, f"SYMBOL = {symbol!r}", **options)


# --- addresses and keys -------------------------------------------------------------------------

HERE = "API_URL_BASE = 'http://127.0.0.1:1'\nWS_URL = 'ws://127.0.0.1:1'\n"
PAPER_PAIR = "API_KEY = 'paper-k'\nAPI_SECRET = 's'\n"
REAL_PAIR = "API_KEY = 'real'\nAPI_SECRET = 's'\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (VENUE + PAPER_PAIR, "API_KEY is of the paper exchange"),
        (HERE + REAL_PAIR, "API_KEY is not of the paper exchange"),
        (HERE.replace("127.0.0.1", "localhost") + REAL_PAIR, "API_KEY is not of the paper"),
        (HERE.replace("127.0.0.1", "[::1]") + REAL_PAIR, "API_KEY is not of the paper"),
        (HERE.replace("127.0.0.1", "127.8.9.1") + REAL_PAIR, "API_KEY is not of the paper"),
        (HERE + "WS_URL = 'wss://ws.example.org'", "one is this machine and the other is not"),
        (HERE + "API_URL_BASE = 'api.example.org'", "one is this machine and the other is not"),
        (VENUE + "WS_URL = 'wss://me:pw@ws.example.org'", "without user"),
        (VENUE + "API_URL_BASE = 'https://api.example.org?x=1'", "without user"),
        (VENUE + "API_URL_BASE = 'https://api.example.org/v1/api'", "leave out '/v1/api'"),
        (VENUE + "API_URL_BASE = 'https://api.example.org:99999'", "no host name"),
        (VENUE + "API_URL_BASE = 'https://[api'", "no host name"),
        (VENUE + "API_URL_BASE = 'https://127.0.0.1.example.org\\n.x'", "no host name"),
        (VENUE + "API_URL_BASE = 'http://127.0.0.1.example.org'", "must begin with https://"),
        (VENUE + "API_URL_BASE = 'http://localhost.example.org'", "must begin with https://"),
        (VENUE + "API_URL_BASE = 'ftp://api.example.org'", "must begin with https://"),
        (VENUE + "WITHDRAW_PATH = '@elsewhere.invalid/'", "WITHDRAW_PATH must look like"),
    ],
)
def test_keys_and_hosts_that_do_not_go_together_are_refused(
    file: Path, text: str, problem: str
) -> None:
    lines = dict(line.split(" = ") for line in text.splitlines())  # the last one counts
    with pytest.raises(SettingsError) as raised:
        load(file, "\n".join(f"{name} = {value}" for name, value in lines.items()))
    assert problem in str(raised.value)


@pytest.mark.parametrize("host", ["gte.io", "API.GTE.IO", "td.gte.io.", "x.lianhj.com"])
def test_no_key_goes_to_the_hosts_of_2020_unless_somebody_says_so(
    file: Path, host: str, log: pytest.LogCaptureFixture
) -> None:
    text = f"API_URL_BASE = 'https://{host}'\nWS_URL = 'wss://{host}'\n"
    with pytest.raises(SettingsError, match=r"(?s)API_URL_BASE: .* 2020 .*WS_URL: .* 2020 "):
        load(file, text + REAL_PAIR + "DRY_RUN = False\n")
    with pytest.raises(SettingsError, match="2020"):
        load(file, text + REAL_PAIR)  # `check` would show the key
    for taken in (text, text + REAL_PAIR + "DRY_RUN = False\nUSE_HOSTS_OF_2020 = True\n"):
        log.clear()
        assert load(file, taken).API_URL_BASE
        assert "may be somebody else's today" in log.text
    assert load(file, text + REAL_PAIR, only=CANCEL_NEEDS).API_KEY == "real"


def test_other_hosts_are_none_of_2020(file: Path, log: pytest.LogCaptureFixture) -> None:
    load(file, "API_URL_BASE = 'notgte.io'\nWS_URL = 'gte.io.example.org'\n" + REAL_PAIR)
    assert "2020" not in log.text


def test_keys_and_hosts_that_go_together_are_taken(file: Path) -> None:
    for text in (HERE + PAPER_PAIR, VENUE + REAL_PAIR, HERE, VENUE):
        assert load(file, text).API_URL_BASE


def test_the_paper_key_is_known_by_how_it_begins() -> None:
    assert PaperExchange.key.startswith(PAPER)


def test_cancel_minds_the_key_and_its_own_address_only(file: Path) -> None:
    """The feed's address, which cancel does not need, may be anything."""
    assert load(file, LIVE_PAIR + "WS_URL_ = 1\n", only=CANCEL_NEEDS).API_KEY == "a"
    with pytest.raises(SettingsError, match="not of the paper exchange"):
        load(file, HERE + REAL_PAIR, only=CANCEL_NEEDS)


# --- the environment ----------------------------------------------------------------------------


def test_a_log_of_connection_keys_is_refused_live(
    file: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    with pytest.raises(SettingsError, match="SSLKEYLOGFILE is set"):
        load(file, LIVE_PAIR)
    assert load(file, VENUE).DRY_RUN is True
    assert load(file, LIVE_PAIR, only=CANCEL_NEEDS).API_KEY
    assert log.text.count("SSLKEYLOGFILE is set") == 2


def test_what_is_ignored_of_the_environment_is_said_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    for name in IGNORED:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    loaded = load(file, VENUE)
    assert "ignored" not in log.text
    monkeypatch.setenv("https_proxy", "http://user:hunter2@proxy.example.org")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    loaded = load(file, VENUE)
    loaded.reload()
    assert log.text.count("ignored in the environment: REQUESTS_CA_BUNDLE, https_proxy") == 1
    assert "hunter2" not in log.text


# --- every cut and every changed byte -----------------------------------------------------------

COMPACT = (
    "\n".join(line for line in example_text().splitlines() if line and not line.startswith("#"))
    + "\n"
)
LIVE_FILE = (
    COMPACT.replace('API_URL_BASE = "http://127.0.0.1:8420"', 'API_URL_BASE = "api.example.org"')
    .replace('WS_URL = "ws://127.0.0.1:8420"', 'WS_URL = "ws.example.org"')
    .replace('API_KEY = ""', 'API_KEY = "real"')
    .replace('API_SECRET = ""', 'API_SECRET = "s"')
    .replace("CHECK_POSITION_LIMITS = False", "CHECK_POSITION_LIMITS = True")
    .replace("DRY_RUN = True", "DRY_RUN = False")
)
LIMITS = ("CHECK_POSITION_LIMITS", "MIN_POSITION", "MAX_POSITION", "ORDERID_PREFIX", "API_URL_BASE")


def outcome(file: Path, data: bytes) -> Settings | None:
    """Load a file; None: it was refused. Any other error fails the test."""
    file.write_bytes(data)
    loaded = Settings()
    try:
        loaded.load(file)
    except SettingsError:
        return None
    return loaded


def test_a_file_that_does_not_parse_is_refused_with_its_line(file: Path) -> None:
    for text in ("DRY_RUN = (", "x = 1\n  y = 2", "(" * 5000, "-" * 100_000 + "1", "a\0b"):
        with pytest.raises(SettingsError, match=r"settings\.py"):
            load(file, text)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="save it as UTF-8"):
        Settings().load(file)


def test_a_dry_file_cut_anywhere_stays_dry(file: Path) -> None:
    data = COMPACT.encode()
    for cut in range(len(data)):
        loaded = outcome(file, data[:cut])
        assert loaded is None or loaded.DRY_RUN is True


def test_a_live_file_cut_anywhere_is_dry_or_has_all_its_limits(file: Path) -> None:
    data = LIVE_FILE.encode()
    whole = outcome(file, data)
    assert whole
    assert whole.DRY_RUN is False
    for cut in range(len(data)):
        loaded = outcome(file, data[:cut])
        if loaded and not loaded.DRY_RUN:
            assert all(getattr(loaded, name) == getattr(whole, name) for name in LIMITS)


@pytest.mark.slow
@given(st.integers(0, len(COMPACT) - 1), st.integers(0, 255))
@hypothesis_settings(
    max_examples=1000, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_changed_byte_makes_a_dry_file_live(file: Path, place: int, byte: int) -> None:
    data = bytearray(COMPACT.encode())
    data[place] = byte
    loaded = outcome(file, bytes(data))
    assert loaded is None or loaded.DRY_RUN is True


@pytest.mark.slow
def test_every_changed_byte_of_the_line_that_matters_leaves_it_dry(file: Path) -> None:
    line = b"API_KEY = 'paper-k'\nAPI_SECRET = 's'\n", b"DRY_RUN = True", b"\nTIMEOUT = 5\n"
    for place in range(len(line[1])):
        for byte in range(256):
            changed = bytearray(line[1])
            changed[place] = byte
            loaded = outcome(file, line[0] + bytes(changed) + line[2])
            assert loaded is None or loaded.DRY_RUN is True


@given(st.integers(0, len(LIVE_FILE) - 1), st.integers(0, 255))
@hypothesis_settings(
    max_examples=500, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_changed_byte_takes_the_check_of_limits_away(file: Path, place: int, byte: int) -> None:
    data = bytearray(LIVE_FILE.encode())
    data[place] = byte
    loaded = outcome(file, bytes(data))
    assert loaded is None or loaded.CHECK_POSITION_LIMITS is True


def test_all_sorts_of_problems_are_listed_at_once(file: Path) -> None:
    text = (
        "DRY_RUN = 'False'\nORDER_PAIRS = 0\nINTERVAL = float('nan')\nUNKNOWN = 1\n"
        "TIMEOUT = 1\nTIMEOUT = 2\nAPI_KEY = 5\n"
    )
    with pytest.raises(SettingsError) as raised:
        load(file, text)
    for name in ("DRY_RUN", "ORDER_PAIRS", "INTERVAL", "UNKNOWN", "TIMEOUT", "API_KEY"):
        assert name in str(raised.value)
    text = HERE + REAL_PAIR + "MIN_ORDER_SIZE = 9000\n"
    with pytest.raises(SettingsError) as raised:
        load(file, text.replace("ws://127.0.0.1:1", "ws.example.org"))
    for words in ("MIN_ORDER_SIZE", "one is this machine", "API_KEY is not of the paper"):
        assert words in str(raised.value)


# --- what a strategy sets while it runs -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DRY_RUN", False, "DRY_RUN is decided before a run begins"),
        ("SYMBOL", "ETH_USD", "SYMBOL is decided before a run begins"),
        ("API_KEY", "other", "API_KEY is decided before a run begins"),
        ("ORDER_PAIRS", -3, "ORDER_PAIRS must be at least 1, not -3"),
        ("ORDER_PAIRS", "two", "ORDER_PAIRS must be a whole number, not 'two'"),
        ("MAX_LOSS", -5, "MAX_LOSS must be at least 0, not -5"),
        ("ORDER_PAIR", 1, "ORDER_PAIR is not a setting; did you mean ORDER_PAIRS"),
    ],
)
def test_what_a_strategy_sets_while_it_runs_is_checked_as_a_file_is(
    name: str, value: object, words: str
) -> None:
    loaded = Settings()
    loaded.load(None)
    before = dict(vars(loaded))
    with pytest.raises(ValueError, match=words):
        setattr(loaded, name, value)
    assert vars(loaded) == before


def test_a_strategy_may_set_other_settings_and_names_of_its_own() -> None:
    loaded = Settings()
    loaded.load(None)
    loaded.ORDER_PAIRS, loaded.MIN_SPREAD = 2, 0.002
    loaded.DRY_RUN = loaded.DRY_RUN  # no change
    loaded.SKEW_NOW = 0.5  # type: ignore[attr-defined]
    assert (loaded.ORDER_PAIRS, loaded.SKEW_NOW) == (2, 0.5)
