"""Authentication: API keys, signatures, expiry and rate limits.

This shares no code with the bot's own signer, so that each checks the other.
"""

import hmac
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from market_maker.paper.exchange.errors import ApiError, Code

WEBSOCKET_TEXT = "GET/ws"
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}
HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key pair, the owner of its account, and whether it may trade or only read."""

    key: str
    secret: str
    owner: str
    may_trade: bool = True

    def __repr__(self) -> str:
        return f"ApiKey(owner={self.owner!r})"


def check_loopback(host: str) -> None:
    """Raise ValueError for an address that other machines could reach."""
    if host not in LOOPBACK_NAMES:
        raise ValueError(f"the paper exchange serves loopback only, not {host!r}")


def foreign_header(headers: Mapping[str, str]) -> str:
    """Return the header that shows a web page elsewhere behind a request, "" if none does.

    A browser sends the name that it knows us by as Host, and where the page is from as Origin.
    """
    host, origin = headers.get("Host", ""), headers.get("Origin")
    if not HOST.fullmatch(host):
        return "Host"
    return "" if origin in (None, f"http://{host}") else "Origin"


def signable_texts(params: Mapping[str, str], body: Mapping[str, Any] | None) -> list[str]:
    """Return every parameter text that a client may have signed correctly (design: The wire)."""
    given = sorted((name, value) for name, value in params.items() if value)
    plain = "{" + ",".join(f'"{name}":"{value}"' for name, value in given) + "}"
    texts = [plain, plain.replace(" ", "").replace("\\", "")]
    if body:
        dumped = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        texts.append(dumped.replace("\\", ""))
    if not given:
        texts += ["", "{}"]
    return texts


class Auth:
    """Checks the signature, the expiry and the rate of requests. It never looks at rights.

    A request is accepted until `grace_ms` after its expiry, because the documents tell users to
    sign with the current time.
    """

    def __init__(self, keys: list[ApiKey], grace_ms: int) -> None:
        self._keys = {known.key: known for known in keys}
        self._grace = grace_ms
        self._arrivals: dict[tuple[str, str], deque[int]] = {}

    def authenticate(self, headers: Mapping[str, str], texts: list[str], now: int) -> ApiKey:
        """Return the API key that signed a request, or raise ApiError; `now` is ms UTC."""
        key = headers.get("api-key", "")
        expires = headers.get("api-expires", "")
        signature = headers.get("api-signature", "")
        return self._check(key, expires, signature, [key + expires + text for text in texts], now)

    def authenticate_socket(self, args: Mapping[str, object], now: int) -> ApiKey:
        """Return the API key that signed an `auth_key_expires` message, or raise ApiError."""
        key, expires, signature = (
            str(args.get(name) or "") for name in ("api_key", "expires", "signature")
        )
        return self._check(key, expires, signature, [WEBSOCKET_TEXT + expires], now)

    def _check(
        self, key: str, expires: str, signature: str, messages: list[str], now: int
    ) -> ApiKey:
        for name, value in (("key", key), ("expires", expires), ("signature", signature)):
            if not value:
                raise ApiError(Code.PARAM_EMPTY, f"api-{name}")
        known = self._keys.get(key)
        if known is None:
            raise ApiError(Code.UNKNOWN_KEY)
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 16):
            raise ApiError(Code.PARAM_TYPE, "api-expires")
        given = signature.encode("utf-8", "replace")
        if not any(hmac.compare_digest(given, _sign(known, text)) for text in messages):
            raise ApiError(Code.BAD_SIGNATURE)
        if int(expires) < now - self._grace:
            raise ApiError(Code.EXPIRED)
        return known

    def count(self, who: str, endpoint: str, *, limit: int, window: int, now: int) -> None:
        """Count a request, or raise ApiError if it is one above `limit` in the last `window` ms."""
        arrivals = self._arrivals.setdefault((who, endpoint), deque())
        while arrivals and arrivals[0] <= now - window:
            arrivals.popleft()
        if len(arrivals) >= limit:
            raise ApiError(Code.TOO_FREQUENT)
        arrivals.append(now)


def _sign(known: ApiKey, message: str) -> bytes:
    return (
        hmac.new(known.secret.encode(), message.encode("utf-8", "replace"), "sha256")
        .hexdigest()
        .encode()
    )
