"""Who else can write or read a file, and which variables of the environment matter.

What is refused and what is a warning is decided by the caller.
"""

import codecs
import os
import shlex
import stat
from pathlib import Path

from market_maker.errors import SettingsError

KEY_FILE_BYTES = 4096
IGNORED = {
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    "WEBSOCKET_CLIENT_CA_BUNDLE",
}
"""Variables that other programs obey and that would lead us elsewhere."""
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
KEY_LOG = "SSLKEYLOGFILE"


def read_checked(path: Path) -> tuple[bytes, str]:
    """Return what a file holds, and who else could have written that, with what to type.

    The text is empty for nobody. File and check are of one descriptor, so that it cannot change in
    between. The superuser and a sticky directory such as /tmp are no danger; links are followed.
    Raises OSError as `read()` does.
    """
    data, about = _read(path)
    name = shlex.quote(str(path))
    if about.st_uid not in (os.geteuid(), 0):
        return data, f"{path} belongs to another user: chown {os.geteuid()} {name}"
    if about.st_mode & WRITABLE:
        return data, f"others can write {path}: chmod go-w {name}"
    return data, _open_way(path)


def read_key(path: Path) -> tuple[str, str]:
    """Return the key in a file, and why the file is not a safe place for it, or empty text.

    Safe is a file of ours that nobody else can read, itself or linked to inside its directory, in
    directories that others cannot write. Raises SettingsError when it holds no key.
    """
    try:
        real = path.resolve()
        data, about = _read(real, KEY_FILE_BYTES + 1, os.O_NOFOLLOW)
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise SettingsError(f"{path} cannot be read: {why}") from None
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(data) > KEY_FILE_BYTES:
        raise SettingsError(f"{path} holds no key: it must be a file of one line")
    return text, _open_key(path, real, about)


def read(path: Path) -> bytes:
    """Return what a file holds. Raises OSError at once for a pipe, which could block.

    And for a name that no file can have.
    """
    return _read(path)[0]


def ignored_variables() -> list[str]:
    """Return the variables of the environment that are set and have no effect on us."""
    return sorted(name for name, value in os.environ.items() if value and name.upper() in IGNORED)


def logs_tls_keys() -> bool:
    """Return whether the environment asks TLS libraries to write their keys to a file."""
    return bool(os.environ.get(KEY_LOG))


def _read(path: Path, limit: int = -1, how: int = 0) -> tuple[bytes, os.stat_result]:
    """Return what a file holds, and what the system says of it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | how)
    except ValueError:
        raise OSError(0, "it is no path") from None
    with open(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(0, "it is not a regular file")
        return file.read(limit), about


def _open_key(path: Path, real: Path, about: os.stat_result) -> str:
    name = shlex.quote(str(path))
    if not real.is_relative_to(path.parent.resolve()):
        return f"{path} is a link to another directory: name the file itself, and chmod 600 it"
    if about.st_uid != os.geteuid():
        return f"{path} belongs to another user: chown {os.geteuid()} {name}; chmod 600 {name}"
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"others can read or write {path}: chmod 600 {name}"
    return _open_way(path)


def _open_way(path: Path) -> str:
    """Return what others could change on the way to a file, through links too; or empty text."""
    here = Path(path.absolute().anchor)
    names = [*reversed(path.absolute().parts[1:])]
    while names:
        if trouble := _trouble(here):
            return trouble
        name = names.pop()
        step = here.parent if name == ".." else here / name
        if step.is_symlink():
            if step.lstat().st_uid not in (os.geteuid(), 0):
                return f"the link {step} belongs to another user: name the file itself"
            target = here / step.readlink()
            here = Path(target.anchor)
            names += reversed(target.parts[1:])
        else:
            here = step
    return ""


def _trouble(directory: Path) -> str:
    about = directory.stat()
    if about.st_uid not in (os.geteuid(), 0):
        return f"{directory} belongs to another user: move the file to a directory of your own"
    if about.st_mode & WRITABLE and not about.st_mode & stat.S_ISVTX:
        return f"others can write {directory}: chmod go-w {shlex.quote(str(directory))}"
    return ""
