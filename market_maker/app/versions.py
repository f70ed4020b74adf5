"""Which versions of the packages are needed, and which are here."""

import re
from importlib.metadata import PackageNotFoundError, version

from market_maker.errors import SettingsError

PACKAGES = {"requests": "2.32.4", "urllib3": "2.6.0", "websocket-client": "1.9.0"}
"""The oldest that will do; `requests` brings urllib3.

Older ones have known faults: requests sends a password of .netrc to others (CVE-2024-47081) and
keeps an unverified connection for later calls (CVE-2024-35195), urllib3 unpacks an answer whole
before it can be counted (CVE-2025-66471), and websocket-client before 1.9 leaks threads.
"""


def check() -> None:
    """Raise SettingsError with all packages that are missing or too old, and what to type."""
    problems = []
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
