"""What can go wrong, one class for each thing that the operator or the loop does about it."""


class MarketMakerError(Exception):
    """The base of all errors raised on purpose; its text is fit for the log."""


class SettingsError(MarketMakerError):
    """The settings or the command line are wrong.

    Mend them, all problems are listed. Exit status 2.
    """


class VenueUnreachable(MarketMakerError):
    """The venue did not answer, or sent no data, at start.

    Check hosts and network. Exit status 4.
    """


class OrdersLeft(MarketMakerError):
    """Own orders may still rest at the venue.

    Look at them yourself, they are listed. Exit status 3.
    """

    def __init__(self, message: str, orders: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.orders = orders


class AlreadyRunning(MarketMakerError):
    """Another process trades with this account, symbol and prefix.

    End it first, or take another ORDERID_PREFIX. Exit status 5.
    """


class InvalidOrder(MarketMakerError):
    """An order that a strategy asked for makes no sense (price, size or side).

    Mend the strategy.
    """


class BadData(MarketMakerError):
    """Text from the wire that is not what it should be.

    It is refused and counted, never guessed.
    """


class RequestError(MarketMakerError):
    """A request to the venue did not succeed.

    `code` is the venue's error code (gte-api §9), or None when the failure is the transport's.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Temporary(RequestError):
    """It usually resolves itself: a question was not answered. The next tick asks again."""


class NotSent(Temporary):
    """No byte of the request left this machine (no connection).

    Nothing has happened at the venue.
    """


class TooFrequent(Temporary):
    """The venue says that we ask too often (-10053): the budget slows down by itself."""


class Blocked(Temporary):
    """The venue answers 403 and nothing else: it is asked once a minute whether it still does."""


class VenueFault(Temporary):
    """The venue says that it is out of order itself (-10002, -16001 to -16003): wait."""


class MetadataFault(VenueFault):
    """The venue says that the data of the symbol or its area is not in order: wait."""


class OutcomeUnknown(RequestError):
    """A write may have reached the venue, and its answer is lost: find out, never send it again.

    `cause` is what the venue said, where it said something.
    """

    cause: RequestError | None = None


class Refused(RequestError):
    """The venue says no to this one request; nothing has happened. It is dropped and counted."""


class BadParameter(Refused):
    """The venue cannot read a parameter: our error, or the venue has changed its rules."""


class OrderGone(Refused):
    """The order is already cancelled, filled or ended: look up which."""


class NoFunds(Refused):
    """The balance or margin does not suffice: add funds, or quote less."""


class NotClosable(Refused):
    """More than what can be closed, or at a price beyond bankruptcy: refresh the position."""


class LeverageRefused(Refused):
    """Leverage or margin cannot be changed so: cancel the orders or ask for less."""


class Fatal(RequestError):
    """Trading stops and a person must look."""


class AuthError(Fatal):
    """The key, its secret, its rights or this machine's clock are not accepted.

    Check the key pair.
    """


class Liquidated(Fatal):
    """The venue is liquidating or has liquidated the position: look at the account."""
