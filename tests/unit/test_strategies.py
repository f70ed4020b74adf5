"""What `--strategy` may name, and what is said of what cannot be loaded."""

import re
import sys
from pathlib import Path

import pytest

import market_maker
from market_maker.app.strategies import load_anew, load_strategy, settings_text
from market_maker.errors import SettingsError
from market_maker.settings.reload import sources_of
from market_maker.strategies import READY

HEAD = "from market_maker.market_maker import OrderManager\n"
ONE = HEAD + "class Mine(OrderManager):\n    pass\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and the modules as they were at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("mine_here", "helper_here"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path  # type: ignore[misc]
    for name in ("mine_here", "helper_here"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "name", ["mine_here:Mine", "mine_here", "mine_here.py:Mine", "mine_here.py", "./mine_here.py"]
)
def test_a_strategy_is_named_by_module_or_file_and_by_class_where_there_are_several(
    folder: Path, name: str
) -> None:
    (folder / "mine_here.py").write_text(ONE)
    assert load_strategy(name).__name__ == "Mine"


def test_of_a_class_and_what_extends_it_the_latter_is_meant(folder: Path) -> None:
    more = "class Two(Mine): pass\nStrategy, TABLE = Two, {}\n"
    (folder / "mine_here.py").write_text(ONE + more)
    assert load_strategy("mine_here.py").__name__ == "Two"
    assert load_strategy("mine_here:Mine").__name__ == "Mine"


def test_a_package_of_the_users_with_our_name_is_told_from_ours(folder: Path) -> None:
    (folder / "market_maker").mkdir()
    (folder / "market_maker" / "custom_strategy.py").write_text(ONE)
    for name in ("market_maker.custom_strategy:CustomOrderManager", "market_maker.custom_strategy"):
        with pytest.raises(
            SettingsError, match=r"name its file: --strategy market_maker/custom_strategy\.py$"
        ):
            load_strategy(name)
    assert load_strategy("market_maker/custom_strategy.py").__name__ == "Mine"
    assert load_strategy("market_maker.strategies.skew").__name__ == "Skew"


def test_a_file_in_another_folder_finds_its_neighbours(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "helper_here.py").write_text(ONE)
    text = "from helper_here import Mine\nclass Own(Mine): pass\n"
    (other / "mine_here.py").write_text(text)
    assert load_strategy("other/mine_here.py").__name__ == "Own"


@pytest.mark.parametrize("name", ["queue", "json", "market_maker", "conftest"])
def test_a_file_with_the_name_of_another_module_takes_nothing_from_it(
    folder: Path, name: str
) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / f"{name}.py").write_text(ONE)
    before = sys.modules.get(name)
    for _ in range(2):
        assert load_strategy(f"mine/{name}.py").__name__ == "Mine"
    assert sys.modules.get(name) is before
    assert sources_of(load_strategy(f"mine/{name}.py"))[0] == folder / "mine" / f"{name}.py"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (ONE + "x = 1 / 0\n", "mine_here.py", "ZeroDivisionError: division by zero (.*line 4)"),
        (ONE + "def (:\n", "mine_here", "SyntaxError: invalid syntax (.*mine_here.py, line 4)"),
        ("import no_such_thing\n", "mine_here:Mine", "No module named 'no_such_thing' (.*line 1)"),
        (HEAD, "mine_here.py", "defines no subclass of OrderManager"),
        (ONE + ONE.replace("Mine", "Two"), "mine_here.py", "which one? .*:Mine, .*:Two"),
        ("from . import helper_here\n", "mine_here.py", "from the folder above: PACKAGE.MODULE"),
        ("import market_maker.signals\n", "mine_here.py", "put signals.py beside the strategy"),
        (ONE, "mine_here:Nine", "which one? .*mine_here:Mine"),
        ("Mine = 1\n", "mine_here:Mine", "Mine is not a subclass of OrderManager"),
        (ONE, "there.py", "no such file"),
        (ONE, "no_such_module_here:Mine", "no such module; it is one of .* or MODULE:CLASS"),
        (ONE, ":Mine", "no such module"),
    ],
)
def test_what_cannot_be_loaded_is_said_with_file_and_line(
    folder: Path, text: str, name: str, words: str
) -> None:
    (folder / "mine_here.py").write_text(text)
    pattern = words.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")
    with pytest.raises(SettingsError) as raised:
        load_strategy(name)
    assert re.search(pattern, str(raised.value)), str(raised.value)


def test_the_settings_of_a_strategys_own_are_shown(folder: Path) -> None:
    (folder / "mine_here.py").write_text(
        HEAD
        + "from market_maker.settings import setting\n"
        + "class Mine(OrderManager):\n    SETTINGS = {\n"
        + "'FAR': setting(0.01, 'How far from the mid,\\nas a fraction.', low=0, high=0.1),\n"
        + "'SIDE': setting('Buy', 'Which side.', choices=('Buy', 'Sell'))}\n"
    )
    assert settings_text("mine_here.py").splitlines() == [
        "# How far from the mid,",
        "# as a fraction.",
        "FAR = 0.01  # 0 to 0.1",
        "",
        "# Which side.",
        "SIDE = \"Buy\"  # 'Buy' or 'Sell'",
    ]
    (folder / "helper_here.py").write_text(ONE)
    assert "declares no settings of its own" in settings_text("helper_here.py")


# --- the ready ones -------------------------------------------------------------------------------

STRATEGIES = Path(market_maker.__file__).parent / "strategies"


@pytest.mark.parametrize("name", READY)
def test_a_ready_strategy_needs_no_more_than_its_name(folder: Path, name: str) -> None:
    found = load_strategy(name)
    assert found.__module__ == f"market_maker.strategies.{name}"
    assert load_anew(name) is found
    assert found.__doc__
    for about in found.SETTINGS.values():
        assert about.metadata["meaning"]


def test_every_file_that_quotes_is_ready_and_short_enough_to_be_read() -> None:
    lines = {path.stem: path.read_text("utf-8").splitlines() for path in STRATEGIES.glob("*.py")}
    quoting = {
        name
        for name, text in lines.items()
        if any(re.match(r"class \w+\((Quoting|Skew|Volatility)\):", line) for line in text)
    }
    assert quoting == set(READY)
    assert all(len(lines[name]) <= 70 for name in READY)


def test_a_file_of_ones_own_by_the_name_of_a_ready_one_is_named_as_a_file(folder: Path) -> None:
    (folder / "skew.py").write_text(ONE)
    try:
        assert load_strategy("skew").__name__ == "Skew"
        assert load_strategy("skew:Mine").__name__ == "Mine"
        assert load_strategy("skew.py").__name__ == "Mine"
    finally:
        sys.modules.pop("skew", None)


def test_an_unknown_name_is_told_the_ready_ones() -> None:
    with pytest.raises(SettingsError, match=f"no such module; it is one of {', '.join(READY)}, or"):
        load_strategy("no_such_strategy_here")


def test_the_settings_of_a_ready_strategy_are_shown_with_their_units() -> None:
    text = settings_text("glft")
    assert "RISK_AVERSION = 200.0  # 1e-12 to 1000000000000.0" in text
    assert "1 / coin" in text
    assert "FUNDING_HOLDING" in text


def test_a_copy_of_a_ready_strategy_is_a_strategy_of_ones_own(folder: Path) -> None:
    """Its files are watched: changed code is taken over by a restart."""
    (folder / "mine_here.py").write_text((STRATEGIES / "glft.py").read_text("utf-8"))
    watched = sources_of(load_strategy("mine_here.py"))
    assert [path.name for path in watched] == ["mine_here.py", "quoting.py"]
