"""Settings: all problems at once, safe when a line is missing, replaced whole or not at all."""

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from market_maker.errors import SettingsError
from market_maker.settings import FIELDS, Settings, defaults, example_text

ROOT = Path(__file__).parents[1]

OLD_SAMPLE = """API_URL_BASE WS_URL API_KEY API_SECRET SETTLECURRENCY INSTRUMENTTYPE SYMBOL
ORDER_PAIRS ORDER_START_SIZE ORDER_STEP_SIZE INTERVAL MIN_SPREAD
MAINTAIN_SPREADS RELIST_INTERVAL RANDOM_ORDER_SIZE MIN_ORDER_SIZE MAX_ORDER_SIZE
CHECK_POSITION_LIMITS MIN_POSITION MAX_POSITION POST_ONLY DRY_RUN LOOP_INTERVAL
API_REST_INTERVAL API_ERROR_INTERVAL TIMEOUT DRY_BTC LOG_LEVEL ORDERID_PREFIX
WATCHED_FILES"""


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
        ("INTERVAL = 5", "INTERVAL must be at most 0.5"),
        ("MIN_SPREAD = -0.01", "MIN_SPREAD must be at least 0"),
        ("ODER_PAIRS = 6", "did you mean ORDER_PAIRS?"),
        ("HIGHEST_PRICE = 6", "HIGHEST_PRICE is not a setting"),
        ("POSITION_MODE = 'gross'", "POSITION_MODE must be one of net, hedge"),
        ("ORDERID_PREFIX = 'mm/gte='", "ORDERID_PREFIX must look like"),
        ("ORDERID_PREFIX = 'fourteen_chars'", "ORDERID_PREFIX must look like"),
        ("ORDERID_PREFIX = ''", "ORDERID_PREFIX must look like"),
        ("SYMBOL = '../BTC_USD'", "SYMBOL must look like"),
        ("LOG_LEVEL = 'LOUD'", "LOG_LEVEL: no such level 'LOUD'"),
        ("WATCHED_FILES = 'settings.py'", "WATCHED_FILES must be a list of texts"),
        ("MIN_ORDER_SIZE = 600", "MIN_ORDER_SIZE is more than MAX_ORDER_SIZE"),
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


def test_all_problems_are_listed_at_once(file: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, "ORDER_PAIRS = 0\nINTERVAL = 'x'\nUNKNOWN_NAME = 1")
    for name in ("ORDER_PAIRS", "INTERVAL", "UNKNOWN_NAME"):
        assert name in str(raised.value)


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


def test_the_environment_wins_over_the_file_for_the_key_pair(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GTE_API_KEY", "from-environment")
    monkeypatch.setenv("GTE_API_SECRET", "secret-from-environment")
    loaded = load(file, "API_KEY = 'a'\nAPI_SECRET = 'b'")
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
            "ORDER_PAIRS = 9\nINTERVAL = 0.01\nDRY_RUN = False\nAPI_KEY = 'k'\nAPI_SECRET = 's'",
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


def test_a_reload_may_turn_a_live_run_into_a_dry_one(file: Path) -> None:
    key = "API_KEY = 'k'\nAPI_SECRET = 's'\n"
    loaded = load(file, key + "DRY_RUN = False")
    file.write_text(key + "DRY_RUN = True")
    assert loaded.reload() == {"DRY_RUN": (False, True)}


LIVE = "API_KEY = 'k'\nAPI_SECRET = 's'\nDRY_RUN = True\nMAX_POSITION = 50\nORDER_PAIRS = 5\n"


@given(st.integers(0, len(LIVE)))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_never_trades_and_never_loses_its_limits(file: Path, cut: int) -> None:
    try:
        loaded = load(file, LIVE[:cut])
    except SettingsError:
        return
    assert loaded.DRY_RUN is True
    assert loaded.CHECK_POSITION_LIMITS is True


def test_no_secret_is_in_the_representation(file: Path) -> None:
    assert "hunter2" not in repr(load(file, "API_KEY = 'hunter2k'\nAPI_SECRET = 'hunter2'"))
