"""The README names every setting, in both languages, and the commands that CI runs."""

import re
from pathlib import Path

import pytest

from market_maker.settings.schema import FIELDS

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = (ROOT / "README.md").read_text("utf-8").split("\n## 中文\n")


TABLE = ENGLISH[ENGLISH.index("\n## Settings\n") :]


@pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_every_setting_has_a_row_in_the_table(language: str) -> None:
    row = r"^\| ([A-Z_, ]+, )?{}(, [A-Z_, ]+)? \|"
    missing = [name for name in FIELDS if not re.search(row.format(name), language, re.MULTILINE)]
    assert missing == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "pip install -e '.[test]' && pytest"
    assert command in ENGLISH
    assert command in CHINESE
    assert command in (ROOT / ".ci/run").read_text("utf-8")


def test_the_settings_table_tells_the_defaults() -> None:
    for name, field in FIELDS.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            row = next(line for line in TABLE.splitlines() if re.match(rf"\|.*\b{name}\b", line))
            assert f"`{field.default}`" in row
