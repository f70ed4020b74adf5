"""GTE's error codes, and the error that each of them is (design: The wire)."""

from collections.abc import Mapping

from market_maker.errors import (
    AuthError,
    BadParameter,
    Liquidated,
    MetadataFault,
    NoFunds,
    NotClosable,
    NotSent,
    OrderGone,
    OutcomeUnknown,
    Refused,
    RequestError,
    Temporary,
    TooFrequent,
)
from market_maker.wire.fields import printable

ERRORS: dict[int, tuple[type[RequestError], str]] = {
    -10002: (Temporary, "server exception"),
    -10011: (BadParameter, "a required parameter is empty"),
    -10012: (BadParameter, "a parameter has the wrong type"),
    -10013: (BadParameter, "a parameter's value is invalid"),
    -10051: (AuthError, "the signature is wrong: check the secret"),
    -10052: (Temporary, "the request had expired on arrival: check this machine's clock"),
    -10053: (TooFrequent, "too frequent"),
    -10054: (AuthError, "the API key is unknown"),
    -10055: (AuthError, "the API key lacks the permission"),
    -10201: (Refused, "already subscribed"),
    -10202: (AuthError, "not authenticated"),
    -11001: (Refused, "record type error"),
    -11002: (Refused, "request inconsistent"),
    -11003: (NoFunds, "the balance does not suffice"),
    -11004: (Refused, "the amount must be positive"),
    -11051: (Refused, "both account types are the same"),
    -11060: (BadParameter, "a required parameter is missing"),
    -11061: (AuthError, "the account does not exist"),
    -11062: (Refused, "the order could not be handed to the payment provider"),
    -11063: (Refused, "payment callback with a bad signature"),
    -11064: (Refused, "payment callback failed"),
    -11065: (NoFunds, "the balance does not suffice"),
    -11066: (OrderGone, "the order does not exist"),
    -11067: (Refused, "the order could not be updated"),
    -13001: (Refused, "the order has been created already"),
    -13002: (OrderGone, "the order is cancelled already"),
    -13003: (OrderGone, "the order is filled already"),
    -13004: (OrderGone, "the order has ended already"),
    -13005: (NotClosable, "the closing price is beyond the bankruptcy price"),
    -13006: (OrderGone, "cancelled twice"),
    -13007: (OrderGone, "the order is in another state"),
    -13101: (NotClosable, "more than the closable position"),
    -13102: (Refused, "orders are resting, so the leverage cannot change"),
    -13103: (Refused, "more than the margin that can be removed"),
    -13104: (Refused, "more than the maximum leverage"),
    -13105: (Liquidated, "the position is being liquidated"),
    -13106: (Liquidated, "the position has been liquidated"),
    -13201: (Refused, "record type error"),
    -13202: (Refused, "request inconsistent"),
    -13203: (NoFunds, "the balance does not suffice"),
    -16001: (MetadataFault, "metadata fault"),
    -16002: (MetadataFault, "asset metadata fault"),
    -16003: (MetadataFault, "contract metadata fault"),
}

EXPIRED = -10052
CREATED_ALREADY = -13001
ALREADY_SUBSCRIBED = -10201
NOT_AUTHENTICATED = -10202


def error_of(code: int, what: str, detail: object = None) -> RequestError:
    """Return the error for a code that is not 0.

    `what` names the call, and `detail` is the `error` field of the answer, which may name the
    parameter at fault.
    """
    kind, meaning = ERRORS.get(code, (RequestError, "a code that the venue does not document"))
    name = detail.get("data") if isinstance(detail, Mapping) else None
    param = name.get("paramName") if isinstance(name, Mapping) else None
    about = f" ({printable(param)})" if param else ""
    return kind(f"{what}: {meaning}{about} (code {code})", code)


def error_of_create(error: RequestError) -> RequestError:
    """Return the error of a create: OutcomeUnknown unless it proves that no order was made.

    A code that is not documented, "created already" (-13001), a fault of the venue and "too
    frequent" prove nothing (design: The wire).
    """
    if isinstance(error, NotSent) or error.code == EXPIRED:
        return error
    is_undecided = isinstance(error, Temporary) or type(error) is RequestError
    if is_undecided or error.code == CREATED_ALREADY:
        unknown = OutcomeUnknown(str(error), error.code)
        unknown.cause = error
        return unknown
    return error
