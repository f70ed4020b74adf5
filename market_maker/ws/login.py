"""The login of one connection of the feed, and when its private tables are asked for."""

import re
from typing import Any

from market_maker import auth, protocol
from market_maker.errors import AuthError, BadData
from market_maker.secrecy import Secret

LOGIN_ANSWER = 2.0
"""Seconds to wait for the answer to a login, which no document promises."""
LOGINS = 2

Credentials = tuple[Secret, Secret]


class Login:
    """Says what is to be sent, and takes the answers; it sends nothing itself.

    Without credentials (key and secret) nothing is due. The private tables are asked for when the
    login has been answered, or LOGIN_ANSWER later. `now` is seconds on a steady clock. `is_refused`
    says whether the venue has refused the login for good.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._sent = 0
        self._subscribe_at: float | None = None
        self.is_due = credentials is not None
        self.is_refused = False

    def begin(self, now: float, now_ms: int) -> str:
        """Return the text of the login to send now; `now_ms` is the venue's time."""
        assert self._credentials
        self._sent += 1
        self.is_due = False
        self._subscribe_at = now + LOGIN_ANSWER
        return auth.websocket_login(*self._credentials, now_ms + auth.EXPIRES_AFTER_MS)

    def take_subscription_due(self, now: float) -> bool:
        """Say whether to subscribe the private tables now; it is not due any more after that."""
        if self._subscribe_at is None or now < self._subscribe_at:
            return False
        self._subscribe_at = None
        return True

    def take_answer(self, frame: dict[str, Any], now: float) -> str:
        """Take the answer to a login or a subscription: status "0", or the code of an error.

        Returns the error in words, or empty text when all is well or the login is to be sent again.
        """
        status = str(frame["status"])
        code = int(status) if re.fullmatch(r"-?[0-9]{1,6}", status) else None
        request = protocol.printable(_operation(frame.get("request")))
        if code in (0, protocol.ALREADY_SUBSCRIBED):
            if "auth" in request:
                self._subscribe_at = now
            return ""
        if code == protocol.NOT_AUTHENTICATED:
            is_under_way = self.is_due or self._subscribe_at is not None
            if is_under_way or self._sent < LOGINS:
                self.is_due = self.is_due or not is_under_way
                return ""
        error = protocol.error_of(code, f"feed {request}") if code else None
        self.is_refused = isinstance(error, AuthError)
        return str(error) if error else f"feed {request}: status {protocol.printable(status)}"


def _operation(request: object) -> object:
    """Return what a status frame answers, without the arguments of a login."""
    try:
        asked = protocol.parse_json(request) if isinstance(request, str) else request
    except BadData:
        return "request"
    if not isinstance(asked, dict):
        return "request"
    args = asked.get("args")
    table = args.get("table") if isinstance(args, dict) else None
    return f"{asked.get('op')} {table}" if table else asked.get("op")
