"""`setup --from`: our settings from those of a bot of the BitMEX sample's family."""

from pathlib import Path

import pytest

from market_maker.app.cli import main
from market_maker.errors import SettingsError
from market_maker.settings import chinese, take_over
from market_maker.settings.schema import FIELDS
from market_maker.settings.store import Settings

THEIRS = """
from os.path import join
import logging
BASE_URL = "https://testnet.bitmex.com/api/v1/"
API_KEY = "their-key"
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
    assert loaded.MAX_POSITION == 10_000
    assert loaded.SKEW_PER_LOT == 0.0005
    assert loaded.PAIR_NAMES == ["a", "b"]
    assert "bitmex.com" not in text
    assert "their-" not in text + told
    for words in (
        "SYMBOL: BTC_USD for XBTUSD",
        "BASE_URL: left out; here the addresses are API_URL_BASE and WS_URL",
        "CONTRACTS: left out; a bot trades one contract",
        "API_KEY: not copied",
        "MAX_POSITION: left at its default; MAX_POSITION must be a number",
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
