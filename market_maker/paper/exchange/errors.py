"""Errors: the error numbers of GTE (list of 2020-01-17), and the exception that carries one."""

from enum import IntEnum


class Code(IntEnum):
    """The error numbers of this venue, in REST `code` and in WebSocket `status` alike."""

    SERVER_ERROR = -10002
    PARAM_EMPTY = -10011
    PARAM_TYPE = -10012
    PARAM_VALUE = -10013
    BAD_SIGNATURE = -10051
    EXPIRED = -10052
    TOO_FREQUENT = -10053
    UNKNOWN_KEY = -10054
    NO_RIGHT = -10055
    ALREADY_SUBSCRIBED = -10201
    NOT_AUTHENTICATED = -10202
    BALANCE_INSUFFICIENT = -11003
    AMOUNT_NOT_POSITIVE = -11004
    SAME_ACCOUNT = -11051
    ORDER_UNKNOWN = -11066
    ALREADY_CREATED = -13001
    ALREADY_CANCELLED = -13002
    ALREADY_FILLED = -13003
    ALREADY_FINISHED = -13004
    BEYOND_BANKRUPTCY = -13005
    NOT_CLOSABLE = -13101
    ORDERS_REST = -13102
    MARGIN_NOT_REMOVABLE = -13103
    LEVERAGE_TOO_HIGH = -13104
    LIQUIDATING = -13105
    LIQUIDATED = -13106
    MARGIN_INSUFFICIENT = -13203
    METADATA = -16001
    UNKNOWN_ASSET = -16002
    UNKNOWN_SYMBOL = -16003

    @property
    def pattern(self) -> str:
        """Return the `patternName` of the error; only that of -10012 is documented."""
        return f"{'VALIDATE_' if self.name.startswith('PARAM_') else ''}{self.name}_ERROR"


class ApiError(Exception):
    """A request failed and changed nothing; `subject` names the parameter at fault, if one is."""

    def __init__(self, code: Code, subject: str = "") -> None:
        super().__init__(f"{code.name} {subject}".rstrip())
        self.code = code
        self.subject = subject
