"""Which versions of Python and of the packages are needed, and which are here."""

import re
import sys
from importlib.metadata import PackageNotFoundError, version

from market_maker.errors import SettingsError

PYTHON = (3, 11)
PACKAGES = {"requests": "2.32.4", "urllib3": "2.6.0", "websocket-client": "1.9.0"}
"""The oldest that will do; `requests` brings urllib3.

Older ones leak what they should keep, or take what they should not: requests gives a password of
.netrc away (CVE-2024-47081) and keeps an unverified connection for later calls (CVE-2024-35195),
urllib3 unpacks an answer whole before it can be counted (CVE-2025-66471), and websocket-client
before 1.9 leaks threads.
"""


def check() -> None:
    """Raise SettingsError, with all versions that will not do and what to type."""
    problems = []
    if sys.version_info[:2] < PYTHON:
        here = ".".join(map(str, sys.version_info[:3]))
        problems.append(f"Python {here} is too old: 3.11 or newer is needed")
    for name, oldest in PACKAGES.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = ""
        if _numbers(found) < _numbers(oldest):
            here = f"{found} is too old" if found else "is missing"
            problems.append(f"{name} {here}: pip install -U '{name}>={oldest}'")
    if problems:
        raise SettingsError("this cannot run here: " + "; ".join(problems))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", text)[:3])
