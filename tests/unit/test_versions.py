"""Versions that will not do are named at the start, with the way out."""

import re
import sys
from pathlib import Path

import pytest

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


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(SettingsError, match=r"Python 3\.10\.4 is too old"):
        versions.check()


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
    assert ".".join(map(str, versions.PYTHON)) in text
