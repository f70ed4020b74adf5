"""Versions that will not do are named at the start, with the way out."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from market_maker import PYTHON
from market_maker.app import versions
from market_maker.errors import SettingsError

ROOT = Path(__file__).parents[2]


def test_what_is_installed_here_will_do() -> None:
    versions.check()


@pytest.mark.parametrize("name", versions.PACKAGES)
def test_an_old_or_a_missing_package_is_named_with_the_way_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda n: "1.5.9" if n == name else real(n))
    with pytest.raises(SettingsError, match=re.escape(f"{name} 1.5.9 is too old: pip install")):
        versions.check()

    def missing(wanted: str) -> str:
        if wanted == name:
            raise versions.PackageNotFoundError
        return real(wanted)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        versions.check()


@pytest.mark.parametrize(
    ("patch", "line"),
    [
        ("sys.version_info, sys.version = (3, 10, 4), '3.10.4 (main)'", r"Python 3\.10\.4 is too"),
        ("sys.platform = 'win32'", "Windows"),
    ],
)
@pytest.mark.parametrize("entry", ["market_maker.run()", "runpy.run_path('marketmaker')['run']()"])
def test_an_old_python_and_windows_end_with_2_and_one_line(
    patch: str, line: str, entry: str
) -> None:
    program = f"import sys, runpy, market_maker; {patch}; raise SystemExit({entry})"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert re.match(line, run.stderr) or line in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["marketmaker", "market_maker/__init__.py"])
def test_an_old_python_can_parse_what_checks_it(name: str) -> None:
    ast.parse((ROOT / name).read_text("utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("newer", ["2.32.4", "2.32.10", "2.100.0", "3.0.0rc1"])
def test_versions_are_compared_by_number(newer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda n: newer if n == "requests" else real(n))
    versions.check()


def test_setup_asks_for_the_versions_that_the_start_checks() -> None:
    text = (ROOT / "setup.py").read_text("utf-8")
    for name, oldest in versions.PACKAGES.items():
        if name != "urllib3":  # requests brings it
            assert f'"{name}>={oldest.removesuffix(".0")}' in text
    assert ".".join(map(str, PYTHON)) in text
