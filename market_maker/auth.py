"""Signatures of REST requests and of the WebSocket login (design: The wire)."""

import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from market_maker import instead
from market_maker.clock import SYSTEM
from market_maker.secrecy import Secret, revealed

instead.tell(__name__)
for _name in ("APIKeyAuthWithExpires", "APIKeyAuth", "AccessTokenAuth"):
    sys.modules[f"{__name__}.{_name}"] = sys.modules[__name__]  # the sample has a module of each

EXPIRES_AFTER_MS = 5_000
"""Validity of a signed request in ms; it bounds how late an order may arrive (design: The wire)."""


def params_string(params: Mapping[str, object]) -> str:
    """Return the parameters as the venue signs them: sorted, quoted, inner quotes not escaped.

    Parameters that are None or empty are left out. Raises ValueError for a value with a space, a
    backslash or a character that is not printable ASCII, which would break the signature (-10051).

    >>> params_string({"filter": '{"status":["2"]}', "asset": "BTC", "count": None})
    '{"asset":"BTC","filter":"{"status":["2"]}"}'
    """
    items = sorted((name, str(value)) for name, value in params.items() if value not in (None, ""))
    for name, value in items:
        if not (value.isascii() and value.isprintable()) or " " in value or "\\" in value:
            raise ValueError(f"parameter {name} holds a character that cannot be signed")
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in items) + "}"


def sign(secret: str, message: str) -> str:
    """Return the HMAC-SHA256 of the message in lower-case hex."""
    return hmac.new(revealed(secret).encode(), message.encode(), hashlib.sha256).hexdigest()


def websocket_login(key: str, secret: str, expires: int) -> str:
    """Return the text frame that authenticates a WebSocket; `expires` in ms."""
    signature = sign(secret, f"GET/ws{expires}")
    args = {"api_key": revealed(key), "expires": str(expires), "signature": signature}
    return json.dumps({"op": "auth_key_expires", "args": args}, separators=(",", ":"))


class APIKeyAuthWithExpires(AuthBase):
    """Signs a `requests` request over its query string, which is where GTE reads parameters.

    `now()` returns the venue's time in ms. The secret leaves this object only as a signature.
    """

    def __init__(self, key: str, secret: str, now: Callable[[], int] = SYSTEM.now_ms) -> None:
        self._key = Secret(key, tail=4)
        self._secret = Secret(secret)
        self._now = now

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        expires = str(self._now() + EXPIRES_AFTER_MS)
        params = dict(parse_qsl(urlsplit(str(request.url)).query))
        key = self._key.reveal()
        message = key + expires + params_string(params)
        request.headers["api-key"] = key
        request.headers["api-expires"] = expires
        request.headers["api-signature"] = sign(self._secret, message)
        return request
