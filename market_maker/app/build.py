"""Which program this is: a digest of the files that it is made of."""

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent
DIGITS = 12


def digest(package: Path = PACKAGE) -> str:
    """Return the first digits of the SHA-256 of all Python files of the package, as on disk now.

    A file that is away at the moment, as while a new version is being installed, counts as empty.
    """
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        whole.update(f"{path.relative_to(package)} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:DIGITS]
