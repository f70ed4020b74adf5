"""The examples in docstrings are right."""

import doctest
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_examples_in_docstrings_are_right() -> None:
    tried = 0
    for path in sorted((ROOT / "market_maker").rglob("*.py")):
        if ">>> " in path.read_text("utf-8"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found = doctest.testmod(import_module(name))
            assert found.failed == 0, name
            tried += found.attempted
    assert tried >= 5
