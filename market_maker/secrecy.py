"""Secrets that do not show, and the log without them.

A `Secret` looks like `***` to everything but `reveal()`. `Redacting` is a log formatter that takes
out of each line what got there all the same, tracebacks included.
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
SHORTEST = 6
"""Shorter secrets are not looked for in the log: they would be found in every word."""

_HEADER = re.compile(
    r"(?i)\b(api[-_][a-z]+)(\\?[\"']?\s*[:=,]\s*b?\\?[\"']?)(?:(?!\\[rn])[^\s\"',;&{}])+"
)
_SIGNATURE = re.compile(r"[0-9a-fA-F]{64,}")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Secret(str):
    """Text that shows as `***`, whoever looks; copies and pickles of it hold nothing else.

    `reveal()` is for a signature or a header only, never for a message.
    `tail` characters at the end may be shown in the log, as of a key, to tell it from another.
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
        """Return a text without this secret, in whatever usual form it is written there."""
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
        """What `vars()` shows."""
        return {"value": str(self)}


_lock = threading.RLock()
_known: "WeakValueDictionary[int, Secret]" = WeakValueDictionary()
"""Every secret that somebody still holds."""


def revealed(text: str) -> str:
    """Return the text of a secret, or plain text as it is."""
    return text.reveal() if isinstance(text, Secret) else text


# --- the log ------------------------------------------------------------------------------------


def fit(text: str) -> str:
    """Return text fit for a log or a terminal.

    Without known secrets in any usual form, signatures and `api-*` headers; control characters
    but newline and tab are escaped.
    """
    with _lock:
        known = {secret.reveal(): secret for secret in _known.values()}
    for value in sorted(known, key=len, reverse=True):
        text = known[value].redact(text)
    text = _SIGNATURE.sub(MASK, text)
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class Redacting(logging.Formatter):
    """Formats with another formatter, then makes the whole of it fit for the log."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback if there is one."""
        try:
            return fit(self._inner.format(record))
        except Exception as error:  # else `logging` would print the arguments as they are
            shown = f"{record.name}:{record.lineno}: {record.msg!r} with {record.args!r}"
            return fit(f"{shown} cannot be formatted: {error}")


def install() -> None:
    """Keep secrets out of what this process prints by itself.

    That is every handler of the root logger, errors that nobody catches, in threads too, and core
    dumps.
    """
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, Redacting):
            handler.setFormatter(Redacting(handler.formatter))
    sys.excepthook = lambda _, error, trace: _print(error.with_traceback(trace))
    threading.excepthook = lambda died: _print(died.exc_value)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _print(error: BaseException | None) -> None:
    if sys.stderr and error and not isinstance(error, SystemExit):
        sys.stderr.write(fit("".join(traceback.format_exception(error))))


def _forms(value: str) -> Iterator[str]:
    """Yield the ways in which a secret may be written, the longest first."""
    raw = value.encode(errors="replace")
    forms = {value, ascii(value)[1:-1], repr(value)[1:-1], json.dumps(value)[1:-1]}
    forms |= {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    for ahead in range(3):  # in base64 of a longer text it looks one of three ways
        text = base64.b64encode(bytes(ahead) + raw).decode()
        whole = text[-(-ahead * 8 // 6) : (ahead + len(raw)) * 8 // 6]
        forms |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    yield from sorted(forms, key=len, reverse=True)
