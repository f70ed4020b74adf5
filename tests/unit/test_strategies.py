"""What `--strategy` may name, and what is said of what cannot be loaded."""

import re
import sys
from pathlib import Path

import pytest

from market_maker.app.strategies import load_strategy, settings_text
from market_maker.errors import SettingsError

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


def test_a_file_in_another_folder_finds_its_neighbours(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "helper_here.py").write_text(ONE)
    text = "from helper_here import Mine\nclass Own(Mine): pass\n"
    (other / "mine_here.py").write_text(text)
    assert load_strategy("other/mine_here.py").__name__ == "Own"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (ONE + "x = 1 / 0\n", "mine_here.py", "ZeroDivisionError: division by zero (.*line 4)"),
        (ONE + "def (:\n", "mine_here", "SyntaxError: invalid syntax (.*mine_here.py, line 4)"),
        ("import no_such_thing\n", "mine_here:Mine", "No module named 'no_such_thing' (.*line 1)"),
        (HEAD, "mine_here.py", "defines no subclass of OrderManager"),
        (ONE + "class Two(Mine): pass\n", "mine_here.py", "which one? .*:Mine, .*:Two"),
        (ONE, "mine_here:Nine", "which one? .*mine_here:Mine"),
        ("Mine = 1\n", "mine_here:Mine", "Mine is not a subclass of OrderManager"),
        (ONE, "there.py", "no such file"),
        (ONE, "no_such_module_here:Mine", "no such module; it is MODULE:CLASS"),
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
