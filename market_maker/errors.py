"""Errors, one class for each reaction of the operator or the loop."""

import traceback
from pathlib import Path

OURS = str(Path(__file__).parent)
"""Where our own code is: what is elsewhere is the user's, or a library's."""


class MarketMakerError(Exception):
    """Base of all errors raised on purpose. Its text may be logged."""


class SettingsError(MarketMakerError):
    """The settings or the command line are wrong.

    Correct them; all problems are listed. Exit status 2.
    """


class VenueUnreachable(MarketMakerError):
    """The venue did not answer, or sent no data, at startup.

    Check hosts and network. Exit status 4.
    """


class OrdersLeft(MarketMakerError):
    """Own orders may still rest at the venue.

    Check them at the venue; they are listed. Exit status 3.
    """

    def __init__(self, message: str, orders: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.orders = orders


class PositionLeft(MarketMakerError):
    """A position that was to be closed is left, or may be.

    Look at the venue, and close it there or with another `cancel --close`. Exit status 3.
    """


class AlreadyRunning(MarketMakerError):
    """Another process trades with this account, symbol and prefix.

    Stop it first, or set another ORDERID_PREFIX. Exit status 5.
    """


class InvalidOrder(MarketMakerError):
    """A strategy wants what makes no order, or names none, or asks in a thread of its own.

    Correct the strategy: the text says what. Nothing was sent.
    """


class BadData(MarketMakerError):
    """Invalid data from the wire.

    It is rejected and counted, never guessed.
    """


class RequestError(MarketMakerError):
    """A request to the venue did not succeed.

    `code` is the venue's error code (design: The wire); None for a failure of the transport.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Temporary(RequestError):
    """A failed read, or a request that did not leave. The next tick tries again."""


class MarketClosedError(Temporary):
    """The market does not trade; for strategies of the BitMEX sample's family."""


class MarketEmptyError(Temporary):
    """A side of the order book is empty; for strategies of the BitMEX sample's family."""


class NotSent(Temporary):
    """No byte of the request left this machine (no connection).

    Nothing has happened at the venue.
    """


class NotNoted(NotSent):
    """Not tried: the create cannot be noted, and no later process would know the order as ours."""


class HeldBack(NotSent):
    """Not tried: the venue has just said "too frequent" or 403."""


class TooFrequent(Temporary):
    """The venue reports too many requests (-10053): the throttle slows down by itself."""


class Blocked(Temporary):
    """The venue answers 403: tried again once a minute; cancels are sent all the same."""


class MetadataFault(Temporary):
    """The venue reports faulty data of the symbol or its area: wait."""


class OutcomeUnknown(RequestError):
    """A write may have reached the venue, and its answer is lost: reconcile, never send it again.

    `cause` is the venue's error, if it sent one.
    """

    cause: RequestError | None = None


class Refused(RequestError):
    """The venue rejected this request; nothing has happened. It is dropped and counted."""


class BadParameter(Refused):
    """The venue rejected a parameter: our bug, or the venue has changed its rules."""


class OrderGone(Refused):
    """The order has already been cancelled, filled or ended: reconcile."""


class NoFunds(Refused):
    """Insufficient balance or margin: add funds, or quote less."""


class NotClosable(Refused):
    """A close exceeds the position, or its price is beyond bankruptcy: refresh the position."""


class Fatal(RequestError):
    """Trading stops, and a person must look."""


class AuthError(Fatal):
    """The venue rejects the key, its secret, its rights or this machine's clock.

    Check the key pair.
    """


class Liquidated(Fatal):
    """The venue is liquidating or has liquidated the position: check the account."""


def in_users_words(error: BaseException) -> str:
    """Return what the user's code has raised, with file and line of the last of it that ran."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith(("<", OURS)) and "importlib" not in frame.filename:
            where = f" ({frame.filename}, line {frame.lineno})"
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    return f"{type(error).__name__}: {error}{where}"
