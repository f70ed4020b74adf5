"""Why a connection failed, in the words of the field."""

import socket
from collections.abc import Iterator

import requests
from urllib3.exceptions import MaxRetryError, ProtocolError

WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((socket.gaierror,), "host name unresolved"),
    ((ConnectionRefusedError,), "connection refused"),
    ((ConnectionResetError, BrokenPipeError, ConnectionAbortedError), "connection reset"),
    ((TimeoutError,), "timed out"),
    ((ProtocolError,), "connection broken"),
)


def in_words(error: BaseException, otherwise: str = "") -> str:
    """Return what happened: refused, unresolved, reset, timed out, or what the system says.

    For anything else it is the type of the error, or what is given: its text may hold a signature.
    """
    for kinds, words in WORDS:
        if any(isinstance(each, kinds) for each in _causes(error)):
            return words
    if any("Timeout" in type(each).__name__ for each in _causes(error)):
        return "timed out"
    said = (each.strerror for each in _causes(error) if isinstance(each, OSError))
    return next((text.lower() for text in said if text), otherwise or type(error).__name__)


def of_feed(error: BaseException) -> str:
    """Return the same for the feed, whose own errors say in their text what happened."""
    is_told = isinstance(error, ConnectionResetError) and error.errno is None  # by a close frame
    if type(error) is ConnectionError or is_told:
        return str(error)
    return in_words(error, f"{type(error).__name__}: {error}".splitlines()[0])


def reason_of(error: Exception) -> object:
    """Return the cause of an error of `requests`.

    NewConnectionError, which TLSRefused is too, is raised while connecting, before the first byte
    of a request: it proves that nothing was sent. No other failure of TLS does.
    """
    cause = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else None
    return cause.reason if isinstance(cause, MaxRetryError) else cause


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that have caused it, of whichever library, the first one first."""
    to_see = [error]
    for each in to_see:
        yield each
        found = (*each.args, getattr(each, "reason", None), each.__cause__)
        to_see += [one for one in found if isinstance(one, BaseException) and one not in to_see]
