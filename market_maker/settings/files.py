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
KEY_LOG = "SSLKEYLOGFILE"


def writable_by_others(path: Path) -> str:
    """Return who else could have written a file, and what to type; empty text for nobody.

    The superuser and a sticky directory such as /tmp are no danger; links are followed.
    """
    try:
        real = path.resolve()
        about = real.stat()
        if not {about.st_uid, path.lstat().st_uid} <= {os.geteuid(), 0}:
            return f"{path} belongs to another user: chown {os.geteuid()} {shlex.quote(str(path))}"
        if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"others can write {path}: chmod go-w {shlex.quote(str(path))}"
        return _open_directory(path, real)
    except (OSError, RuntimeError) as error:
        return f"who can write {path} cannot be told: {error}"


def read_key(path: Path) -> tuple[str, str]:
    """Return the key in a file, and why the file is not a safe place for it, or empty text.

    Safe is a file of ours that nobody else can read, itself or linked to inside its directory, in
    directories that others cannot write. Raises SettingsError when it holds no key.
    """
    try:
        real = path.resolve()
        opened = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(opened, "rb") as file:
            about = os.fstat(opened)
            data = file.read(KEY_FILE_BYTES + 1) if stat.S_ISREG(about.st_mode) else b""
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise SettingsError(f"{path} cannot be read: {reason}") from None
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
    if "\0" in str(path):
        raise OSError(0, "its name holds a null byte")
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is not a regular file")
        return file.read()


def ignored_variables() -> list[str]:
    """Return the variables of the environment that are set and have no effect on us."""
    return sorted(name for name, value in os.environ.items() if value and name.upper() in IGNORED)


def logs_tls_keys() -> bool:
    """Return whether the environment asks TLS libraries to write their keys to a file."""
    return bool(os.environ.get(KEY_LOG))


def _open_key(path: Path, real: Path, about: os.stat_result) -> str:
    name = shlex.quote(str(path))
    if not real.is_relative_to(path.parent.resolve()):
        return f"{path} is a link to another directory: name the file itself, and chmod 600 it"
    if about.st_uid != os.geteuid():
        return f"{path} belongs to another user: chown {os.geteuid()} {name}; chmod 600 {name}"
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"others can read or write {path}: chmod 600 {name}"
    return _open_directory(path, real)


def _open_directory(path: Path, real: Path) -> str:
    """Return which directory above a path, or above what it links to, others can write."""
    for directory in (*real.parents, *path.absolute().parents):
        mode = directory.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"others can write {directory}: chmod o-w {shlex.quote(str(directory))}"
    return ""
