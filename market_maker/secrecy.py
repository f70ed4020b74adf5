"""Secrets, and their redaction from the log.

A `Secret` shows as `***` everywhere but in `reveal()`. `Redacting` is a log formatter that removes
secrets from each line all the same, tracebacks included.
"""

import base64
import hmac
import json
import logging
import re
import resource
import sys
import threading
import traceback
from collections.abc import Iterator
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

MASK = "***"
NO_CORE = 1
"""Bytes of a core dump: too few for a file. Linux pipes a dump to a program whatever the limit is,
but for this one (do_coredump() in fs/coredump.c)."""
SHORTEST = 6
"""Shorter secrets are not redacted: they would match parts of words."""

_HEADER = re.compile(
    r"(?i)\b(api[-_][a-z]+)(\\?[\"']?\s*[:=,]\s*b?\\?[\"']?)(?:(?!\\[rn])[^\s\"',;&{}])+"
)
_SIGNATURE = re.compile(r"[0-9a-fA-F]{64,}")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Secret(str):
    """Text that shows as `***`; copies and pickles of it hold nothing else.

    `reveal()` is for a signature or a header only, never for a message. The last `tail` characters
    may be logged, to tell one key from another.
    """

    __slots__ = ("__weakref__", "_look", "_revealed", "_shown")
    _look: re.Pattern[str]
    _revealed: str
    _shown: str

    def __new__(cls, value: str, *, tail: int = 0) -> "Secret":
        if isinstance(value, Secret):
            return value
        made = super().__new__(cls, MASK if value else "")
        made._revealed = value
        made._shown = MASK + (value[-tail:] if tail else "")
        if len(value) >= SHORTEST:
            made._look = re.compile("|".join(map(re.escape, _forms(value))), re.IGNORECASE)
            with _lock:
                _known[id(made)] = made
        return made

    def reveal(self) -> str:
        """Return the text itself."""
        return self._revealed

    def redact(self, text: str) -> str:
        """Return a text without this secret, in any usual encoding."""
        return self._look.sub(lambda _: self._shown, text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        ours, theirs = self._revealed, revealed(other)
        return hmac.compare_digest(ours.encode(errors="replace"), theirs.encode(errors="replace"))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._revealed)

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return Secret, (str(self),)

    @property
    def __dict__(self) -> dict[str, str]:  # type: ignore[override]
        """The value of `vars()`."""
        return {"value": str(self)}


_lock = threading.RLock()
_known: "WeakValueDictionary[int, Secret]" = WeakValueDictionary()
"""Every secret still in use."""


def revealed(text: str) -> str:
    """Return the text of a secret; plain text unchanged."""
    return text.reveal() if isinstance(text, Secret) else text


# --- the log ------------------------------------------------------------------------------------


def fit(text: str) -> str:
    """Return text that is safe for a log or a terminal.

    Known secrets in any usual encoding, signatures and `api-*` headers are masked; control
    characters except newline and tab are escaped.
    """
    with _lock:
        known = {secret.reveal(): secret for secret in _known.values()}
    for value in sorted(known, key=len, reverse=True):
        text = known[value].redact(text)
    text = _SIGNATURE.sub(MASK, text)
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class Redacting(logging.Formatter):
    """Formats with another formatter, then redacts the whole text."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the redacted line, with its traceback, if any."""
        try:
            return fit(self._inner.format(record))
        except Exception as error:  # else `logging` would print the raw arguments
            shown = f"{record.name}:{record.lineno}: {record.msg!r} with {record.args!r}"
            return fit(f"{shown} cannot be formatted: {error}")


def install() -> None:
    """Redact everything that this process prints by itself.

    That is every handler of the root logger, and uncaught errors, also in threads. Core dumps are
    disabled.
    """
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, Redacting):
            handler.setFormatter(Redacting(handler.formatter))
    sys.excepthook = lambda _, error, trace: _print(error.with_traceback(trace))
    threading.excepthook = lambda died: _print(died.exc_value)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (NO_CORE if hard else 0, hard))


def _print(error: BaseException | None) -> None:
    if sys.stderr and error and not isinstance(error, SystemExit):
        sys.stderr.write(fit("".join(traceback.format_exception(error))))


def _forms(value: str) -> Iterator[str]:
    """Yield the usual encodings of a secret, the longest first."""
    raw = value.encode(errors="replace")
    forms = {value, ascii(value)[1:-1], repr(value)[1:-1], json.dumps(value)[1:-1]}
    forms |= {quote(raw), quote(raw, safe=""), quote_plus(raw), raw.hex(), raw.hex(" ")}
    for ahead in range(3):  # in base64 of a longer text it has one of three forms
        text = base64.b64encode(bytes(ahead) + raw).decode()
        whole = text[-(-ahead * 8 // 6) : (ahead + len(raw)) * 8 // 6]
        forms |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    yield from sorted(forms, key=len, reverse=True)
