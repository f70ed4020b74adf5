"""One REST request: paced by the budget, signed, sent once, and classified; never retried.

It ends with an answer, a refusal, a failed read (`Temporary`) or a write of unknown outcome.
"""

import logging
import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from market_maker import __version__, auth
from market_maker.account import ANSWER_SECONDS, Account
from market_maker.clock import Clock
from market_maker.errors import (
    AuthError,
    BadData,
    Blocked,
    HeldBack,
    NotSent,
    OutcomeUnknown,
    RequestError,
    Temporary,
    TooFrequent,
)
from market_maker.wire import codes, endpoints, fields, tls
from market_maker.wire.blocks import Blocks
from market_maker.wire.endpoints import Endpoint
from market_maker.wire.failures import in_words, reason_of
from market_maker.wire.protocol import Params
from market_maker.wire.throttle import LONGEST_PAUSE, Throttle
from market_maker.wire.tls import Connections
from market_maker.wire.venue_clock import VenueClock

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
LOOK_AGAIN = 0.05
"""Seconds between two checks whether a request that waits for the budget is still wanted."""
CHUNK = 65_536
OnCall = Callable[[str, str, int, float, int, str], None]
LONGEST_REST = 1.0
"""The longest wait of a rate-limited request in seconds: the tick goes on without it."""


class Transport:
    """Sends the requests of one account to its venue. Many threads may use it at once.

    TLS is always verified, redirects are not followed, and proxies and .netrc of the environment
    are ignored: each could take the key elsewhere. Answers are bounded in time and size.
    """

    def __init__(
        self,
        account: Account,
        *,
        read_only: bool,
        clock: Clock,
        venue_clock: VenueClock,
        connections: Connections,
    ) -> None:
        self._base_url = account.base_url.rstrip("/")
        self._timeout = account.timeout
        self._read_only = read_only
        self._clock = clock
        self._venue_clock = venue_clock
        key, secret = account.api_key, account.api_secret
        self._auth = auth.APIKeyAuthWithExpires(key, secret, venue_clock.now) if key else None
        self._throttle = Throttle()
        self._budget = threading.Condition()
        self._shared = connections.shared
        if self._shared is None or not self._shared.is_usable:
            self._expect_use_by_another(endpoints.ORDER_CANCEL_BATCH)
        self._blocks = Blocks()
        self.on_call: OnCall = lambda *_: None
        """Called after each call: method, path, its limit (calls, seconds), ms it took, outcome."""
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.adapters.clear()  # of other hosts
        self._session.mount(self._base_url, connections.adapter())
        self._session.headers.update(
            {
                "user-agent": f"gte-market-maker/{__version__}",
                "accept": "application/json",
                "content-type": "application/json",
            }
        )

    def _expect_use_by_another(self, endpoint: Endpoint) -> None:
        """Wait a window before the first call: an earlier process may have used it up."""
        self._throttle.start(endpoint.path)
        self._finish(endpoint)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def blocked_for(self, endpoint: Endpoint) -> float | None:
        """Return for how many seconds 403 has held an endpoint back; None while it does not."""
        with self._budget:
            return self._blocks.blocked_for(endpoint, self._clock.monotonic())

    def is_free(self, endpoint: Endpoint) -> bool:
        """Return whether a call could leave at once, within the budget."""
        with self._budget:
            return self._wait(endpoint) == 0

    def make_read_only(self) -> None:
        """Send only reads (GET) from now on."""
        self._read_only = True

    def send(
        self,
        endpoint: Endpoint,
        params: Params,
        *,
        path: str,
        what: str,
        still_wanted: Callable[[], bool] = lambda: True,
        leaving: Callable[[], None] = lambda: None,
    ) -> Any:
        """Send one request when the budget allows it, and return the `data` of the answer.

        `what` names the request in errors; `still_wanted` is asked until the request leaves, and
        `leaving` is called just before its first byte does, and keeps it back by raising NotSent.
        Raises the RequestError that tells what became of it.
        """
        if self._read_only and endpoint.method != "GET":
            raise NotSent(f"{what}: a dry run sends nothing")
        if endpoint.signed and self._auth is None:
            raise NotSent(f"{what}: this needs an API key")
        place = self._start(endpoint, what, still_wanted)
        theirs = self._venue_clock
        begun = theirs.steady_ms()
        given_up, outcome = False, "not sent"
        try:
            leaving()
            outcome = "done"
            reply = self._exchange(endpoint, self._base_url + path, params)
            outcome = f"code {reply['code']}" if reply["code"] else "done"
        except _Status as status:
            outcome = f"HTTP {status.number}"
            raise self._of_status(status, endpoint, what) from None
        except (requests.RequestException, HTTPError, BadData, OSError) as error:
            found = self._classify(error, endpoint, what)
            given_up = not isinstance(found, NotSent)
            outcome = "no answer" if given_up else "not sent"
            raise found from None
        finally:
            self._finish(endpoint, endpoint.seconds if given_up else 0.0)
            took = theirs.steady_ms() - begun
            logger.debug("%s: %s %s, %d ms", what, endpoint.method, path, took)
            limit = endpoint.calls, endpoint.seconds
            self.on_call(endpoint.method, path, *limit, took, outcome)
            if self._shared:
                self._shared.answered(endpoint.path, place, self._clock.monotonic())
        with self._budget:
            self._blocks.answered(endpoint)
        theirs.learn(begun, reply.get("time"))
        if code := reply["code"]:
            refusal = codes.error_of(code, what, reply.get("error"))
            if isinstance(refusal, TooFrequent):
                self._slow_down(endpoint)
            if code == codes.EXPIRED:
                theirs.reset_to_latest()
            raise refusal
        return reply.get("data")

    def _of_status(self, status: "_Status", endpoint: Endpoint, what: str) -> RequestError:
        """Map a bare HTTP status to an error."""
        if status.number == HTTPStatus.FORBIDDEN:
            with self._budget:
                self._blocks.refused(endpoint, self._clock.monotonic())
            return Blocked(f"{what}: blocked by the venue ({status})")
        if status.number == HTTPStatus.UNAUTHORIZED:
            return AuthError(f"{what}: the venue refuses the API key ({status})")
        if status.number == HTTPStatus.TOO_MANY_REQUESTS:
            self._slow_down(endpoint, status.retry_after)
            return TooFrequent(f"{what}: too frequent ({status})")
        if endpoint.method == "GET":
            return Temporary(f"{what}: {status}")
        return OutcomeUnknown(f"{what}: {status}")

    def _slow_down(self, endpoint: Endpoint, asked_for: float = 0.0) -> None:
        """Pause after "too frequent"; a cancel for a moment only, whatever the venue asks for."""
        with self._budget:
            self._throttle.slow_down(
                endpoint.path,
                calls=endpoint.calls,
                now=self._clock.monotonic(),
                asked_for=0.0 if endpoint.is_cancel else asked_for,
                longest=LONGEST_REST if endpoint.is_cancel else LONGEST_PAUSE,
            )

    def _start(self, endpoint: Endpoint, what: str, still_wanted: Callable[[], bool]) -> int:
        """Wait for a place in the budget and take it, or raise NotSent; return its record."""
        with self._budget:
            while still_wanted():
                if not self._blocks.may_leave(endpoint, self._clock.monotonic()):
                    raise HeldBack(f"{what}: not sent: blocked by the venue (403)")
                pause = self._throttle.pause(endpoint.path, self._clock.monotonic())
                if pause > LONGEST_REST:
                    raise HeldBack(f"{what}: not sent: rate-limited for another {pause:.0f} s")
                with self._shared.alone() if self._shared else nullcontext():
                    wait = self._wait(endpoint)
                    if wait == 0:
                        now = self._clock.monotonic()
                        self._throttle.start(endpoint.path)
                        self._blocks.leaves(endpoint, now)
                        return self._shared.use(endpoint.path, now) if self._shared else 0
                self._clock.wait_on(self._budget, min(wait, LOOK_AGAIN))
        raise NotSent(f"{what}: not sent: no longer wanted")

    def _finish(self, endpoint: Endpoint, later: float = 0.0) -> None:
        with self._budget:
            at = self._clock.monotonic() + later
            self._throttle.finish(endpoint.path, calls=endpoint.calls, at=at)
            self._budget.notify_all()

    def _wait(self, endpoint: Endpoint) -> float:
        now, others = self._clock.monotonic(), self._shared
        return self._throttle.wait(
            endpoint.path,
            calls=endpoint.calls,
            seconds=endpoint.seconds,
            now=now,
            by_others=others.used_by_others(endpoint.path, now) if others else (),
        )

    def _exchange(self, endpoint: Endpoint, url: str, params: Params) -> dict[str, Any]:
        with self._session.request(
            endpoint.method,
            url,
            params=params,
            auth=self._auth if endpoint.signed else None,
            timeout=(CONNECT_SECONDS, min(self._timeout, ANSWER_SECONDS)),
            allow_redirects=False,
            stream=True,
        ) as response:
            if response.is_redirect:
                raise BadData(f"HTTP {response.status_code}, a redirect, not followed")
            body = _read(response)
        try:
            reply = fields.parse_json(body)
        except BadData as error:
            raise _Status(response, str(error)) from None
        if not isinstance(reply, dict) or type(reply.get("code")) is not int:
            raise _Status(response, "no code in the answer")
        return reply

    def _classify(self, error: Exception, endpoint: Endpoint, what: str) -> RequestError:
        """Map a failure to an error: never sent, a failed read, or a write of unknown outcome."""
        reason = reason_of(error)
        if isinstance(error, BadData):
            text = str(error)
        elif isinstance(reason, tls.TLSRefused):
            text = f"{fields.escaped(reason.words)}, at {self._base_url}"
        else:
            text = f"{in_words(error)} at {self._base_url}"
        if isinstance(error, requests.ConnectTimeout) or isinstance(
            reason, NewConnectionError | ConnectTimeoutError
        ):
            return NotSent(f"{what}: no connection ({text})")
        if endpoint.method == "GET":
            return Temporary(f"{what}: {text}")
        return OutcomeUnknown(f"{what}: {text}")


class _Status(Exception):
    """An answer of which only the HTTP status counts, and why."""

    def __init__(self, response: requests.Response, why: str) -> None:
        super().__init__(f"HTTP {response.status_code}, {why}")
        self.number = response.status_code
        header = response.headers.get("retry-after", "")
        self.retry_after = float(header) if re.fullmatch(r"[0-9]{1,6}", header, re.ASCII) else 0.0


def _read(response: requests.Response) -> bytes:
    """Return the unpacked body; BadData if it is too long. The socket bounds its time."""
    body = b""
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > tls.BODY_LIMIT:
            raise BadData(f"more than {tls.BODY_LIMIT} bytes")
    return body
