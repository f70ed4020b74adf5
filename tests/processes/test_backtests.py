"""Back-tests from the command line: Ctrl-C, what a strategy leaves behind, pages."""

import json
import re
import signal
from pathlib import Path

import pytest
from bot import Bot
from conftest import wait_until

from market_maker.tapes import MadeTape, write_records

QUOTES = "ORDER_PAIRS = 2\nINTERVAL = 0.0002\nMIN_SPREAD = 0.0004\nRELIST_INTERVAL = 0.0002\n"
COUNTS = """\
from market_maker.market_maker import OrderManager

class Counts(OrderManager):
    ticks = 0

    def place_orders(self):
        type(self).ticks += 1
        if type(self).ticks < 20:
            super().place_orders()
        else:
            self.converge_orders([], [])
"""


def place(tmp_path: Path, seconds: float) -> Path:
    made = MadeTape(seed=3, seconds=seconds)
    write_records(made.records(), made.market, tmp_path / "made.tape")
    (tmp_path / "settings.py").write_text(QUOTES)
    (tmp_path / "settings.py").chmod(0o600)
    (tmp_path / "counts.py").write_text(COUNTS)
    return tmp_path


def journals(directory: Path) -> list[Path]:
    return sorted((directory / "state").rglob("backtests/*.journal"))


@pytest.mark.parametrize(
    "option", [[], pytest.param(["--check"], marks=pytest.mark.slow)], ids=["a range", "--check"]
)
def test_ctrl_c_ends_a_back_test_without_a_verdict(tmp_path: Path, option: list[str]) -> None:
    bot = Bot(place(tmp_path, 1200), "backtest", "made.tape", *option, TMPDIR=str(tmp_path))
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.rglob("*.journal-wal")), 30)
    assert bot.end(signal.SIGINT) == 130
    assert not re.search("Fill model|No quote depends", bot.text)
    assert "Traceback" not in bot.text
    assert journals(tmp_path) == []


@pytest.mark.slow
def test_each_fill_model_begins_with_the_strategy_as_it_is_imported(tmp_path: Path) -> None:
    directory = place(tmp_path, 60)
    both = Bot(directory, "backtest", "made.tape", "--strategy", "counts.py", "--json")
    assert both.process.wait(60) == 0
    alone = Bot(directory, "backtest", "made.tape", "--strategy", "counts:Counts", "--json")
    assert alone.process.wait(60) == 0
    found = [json.loads(bot.text[bot.text.index("{") :])["safe"] for bot in (both, alone)]
    assert found[0]["levels"] == found[1]["levels"] != []
    assert found[0]["profit"] == found[1]["profit"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--html", "nowhere/page.html"], "nowhere/page.html cannot be written"),
        (["--balance", "1e30"], "above 0 and below 1e9"),
        (["--log-level", "LOUD"], "invalid choice: 'LOUD'"),
        (["--fills", "hope"], "there is no fill model 'hope'"),
        (["--check", "--json"], "--check makes no report"),
        (["--strategy", "nowhere.py"], "no such file"),
        (["--position", "90000000"], "needs a margin of"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path, options: list[str], words: str
) -> None:
    bot = Bot(place(tmp_path, 5), "backtest", "made.tape", *options)
    assert bot.process.wait(30) == 2
    assert words in bot.text
    assert "Traceback" not in bot.text
    assert journals(tmp_path) == []


def test_a_strategy_that_ends_the_program_ends_its_back_test(tmp_path: Path) -> None:
    directory = place(tmp_path, 30)
    (directory / "ends.py").write_text(
        "import sys\nfrom market_maker.market_maker import OrderManager\n"
        "class Ends(OrderManager):\n    def place_orders(self):\n        sys.exit(3)\n"
    )
    bot = Bot(directory, "backtest", "made.tape", "--strategy", "ends.py", "--fills", "safe")
    assert bot.process.wait(60) == 0
    assert "Fills      0" in bot.text


EDITS = """\
from pathlib import Path

from market_maker.market_maker import OrderManager
from market_maker.settings import setting, settings

class Edits(OrderManager):
    SETTINGS = {"WIDTH": setting(1.0, "ticks")}

    def place_orders(self):
        Path("settings.py").write_text("ORDER_PAIRS = 1\\nWIDTH = 9.0\\n")
        assert settings.WIDTH == 1.0, "another model has other settings"
        super().place_orders()
"""


@pytest.mark.parametrize("option", [[], ["--check"]], ids=["a range", "--check"])
def test_all_models_and_cuts_have_the_settings_of_the_beginning(
    tmp_path: Path, option: list[str]
) -> None:
    (place(tmp_path, 20) / "edits.py").write_text(EDITS)
    bot = Bot(tmp_path, "backtest", "made.tape", "--strategy", "edits.py", *option)
    assert bot.process.wait(60) == 0
    assert "No quote depends" in bot.text if option else "Fill model" in bot.text


@pytest.mark.parametrize("file", ["__file__", "'edge.py'"], ids=["its own", "one beside it"])
def test_a_strategy_that_was_edited_between_two_models_is_not_compared(
    file: str, tmp_path: Path
) -> None:
    (place(tmp_path, 20) / "edge.py").write_text("EDGE = 1\n")
    edited = f"Path({file}).open('a').write('# edited\\n')"
    (tmp_path / "edits.py").write_text(
        "import edge\n"
        + EDITS.replace('Path("settings.py")', f'{edited}\n        Path("settings.py")')
    )
    bot = Bot(tmp_path, "backtest", "made.tape", "--strategy", "edits.py")
    assert bot.process.wait(60) == 2
    assert "the strategy was edited while the back-tests ran" in bot.text
    assert "Fill model" not in bot.text


def test_a_replay_says_where_another_strategy_wants_other_orders(tmp_path: Path) -> None:
    back_test = Bot(place(tmp_path, 20), "backtest", "made.tape", "--fills", "safe")
    assert back_test.process.wait(60) == 0
    number = re.search(r"([0-9a-f]{6,}-\d+)", back_test.text)
    assert number
    bot = Bot(tmp_path, "replay", number[1], "--strategy", "skew")
    assert bot.process.wait(60) == 1
    assert "all come out the same today, bit for bit." in bot.text
    assert "skew wants other orders in" in bot.text
    assert re.search(r"then .*\n +now ", bot.text)
