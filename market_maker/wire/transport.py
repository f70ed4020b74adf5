"""One REST request: paced by the budget, signed, sent once, and classified.

Its end is an answer, a refusal, a question that was not answered (`Temporary`), or a write whose
fate is not known (`OutcomeUnknown`). Nothing is tried again here: the tick is the retry loop.
"""

import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from statistics import median_low
from typing import Any

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from market_maker import __version__, auth, clock
from market_maker.errors import (
    AuthError,
    BadData,
    Blocked,
    NotSent,
    OutcomeUnknown,
    RequestError,
    Temporary,
    TooFrequent,
)
from market_maker.wire import protocol, tls
from market_maker.wire.protocol import Endpoint, Params
from market_maker.wire.throttle import Throttle

logger = logging.getLogger(__name__)

CONNECTIONS = 8
CONNECT_SECONDS = 2.0
LOOK_AGAIN = 0.05
"""Seconds between two looks whether a request that waits for the budget is still wanted."""
WRITE_SECONDS = 4.0
"""The longest wait for the answer to a write: short, so that its fate is looked up soon."""
CHUNK = 65_536
TIMES = 9
"""So many of the venue's latest times are compared."""
LONGEST_REST = 1.0
"""Seconds that a request waits at most when the venue has said "too frequent": the tick goes on."""
CLOCK_MS = 2_000
"""This machine's clock should not be further off the venue's."""
PROBE_EVERY = 60.0
"""Seconds between two looks whether a venue that blocks us still does."""


class Transport:
    """Speaks to one venue with one key; may be used by many threads at once.

    TLS is always verified, redirects are not followed, and the environment's proxies and .netrc are
    not used: each would take the key elsewhere. An answer is bounded in time and in size.
    """

    def __init__(
        self, base_url: str, *, api_key: str, api_secret: str, timeout: float, read_only: bool
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._read_only = read_only
        self._auth = auth.APIKeyAuthWithExpires(api_key, api_secret, self.now) if api_key else None
        self._throttle = Throttle()
        self._budget = threading.Condition()
        self._expect_use_by_another(protocol.ORDER_CANCEL_BATCH)
        self._ahead: deque[int] = deque(maxlen=TIMES)
        """The venue's clock less our steady one, in ms, by its latest answers."""
        self._ahead_by: int | None = None
        """The median of these."""
        self._blocked_since: float | None = None
        self._probe_due = 0.0
        self._clock_told = False
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.adapters.clear()  # of other hosts
        adapter = tls.Adapter(pool_connections=1, pool_maxsize=CONNECTIONS, max_retries=0)
        self._session.mount(self._base_url, adapter)
        self._session.headers.update(
            {
                "user-agent": f"gte-market-maker/{__version__}",
                "accept": "application/json",
                "content-type": "application/json",
            }
        )

    def _expect_use_by_another(self, endpoint: Endpoint) -> None:
        """Wait a window before the first call: a process before this one may have made one."""
        self._throttle.start(endpoint.path)
        self._finish(endpoint)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def now(self) -> int:
        """Return the venue's time in ms, as far as its answers tell; our own before the first.

        It goes on by our steady clock, so that nobody's setting of ours can move it; of what the
        answers say the median counts, so that no single one can.
        """
        return clock.now_ms() if self._ahead_by is None else self._ahead_by + _steady_ms()

    def believe_latest_time(self) -> None:
        """Of what the answers have told of the venue's time, believe the latest only."""
        latest = list(self._ahead)[-1:]
        self._ahead = deque(latest, maxlen=TIMES)
        self._ahead_by = latest[0] if latest else None

    def clock_offset(self) -> int | None:
        """Return how many ms the venue's clock is ahead of ours; None before its first answer."""
        return None if self._ahead_by is None else self.now() - clock.now_ms()

    def blocked_for(self) -> float | None:
        """Return the seconds since the venue began to answer 403 to all; None when it does not."""
        return None if self._blocked_since is None else clock.monotonic() - self._blocked_since

    def is_free(self, endpoint: Endpoint) -> bool:
        """Say whether a call could leave at once."""
        with self._budget:
            return self._wait(endpoint) == 0

    def make_read_only(self) -> None:
        """Send nothing but questions from now on."""
        self._read_only = True

    def send(
        self,
        endpoint: Endpoint,
        params: Params,
        *,
        path: str,
        what: str,
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> Any:
        """Send one request when the budget allows it, and return the `data` of the answer.

        `what` names the request in errors; `still_wanted` is asked until the request leaves. Raises
        the RequestError that tells what became of it.
        """
        if self._read_only and endpoint.method != "GET":
            raise NotSent(f"{what}: a dry run sends nothing")
        if endpoint.signed and self._auth is None:
            raise NotSent(f"{what}: this needs an API key")
        self._check_block(endpoint, what)
        self._start(endpoint, what, still_wanted)
        begun, expires = _steady_ms(), self.now() + auth.EXPIRES_AFTER_MS
        try:
            reply = self._exchange(endpoint, self._base_url + path, params)
        except _Status as status:
            raise _expiring(self._of_status(status, endpoint, what), expires) from None
        except (requests.RequestException, HTTPError, BadData, OSError) as error:
            raise _expiring(self._classify(error, endpoint, what), expires) from None
        finally:
            self._finish(endpoint)
        self._blocked_since = None
        self._learn_time(begun, reply.get("time"))
        self._tell_of_clock()
        if code := reply["code"]:
            refusal = protocol.error_of(code, what, reply.get("error"))
            if isinstance(refusal, TooFrequent):
                self._slow_down(endpoint)
            if code == protocol.EXPIRED:
                self.believe_latest_time()
            raise refusal
        return reply.get("data")

    def _check_block(self, endpoint: Endpoint, what: str) -> None:
        """While the venue blocks us let one question a minute through, and nothing else."""
        if self._blocked_since is None:
            return
        now = clock.monotonic()
        if endpoint.method != "GET" or now < self._probe_due:
            raise NotSent(f"{what}: not sent, the venue is blocking us (403)")
        self._probe_due = now + PROBE_EVERY

    def _of_status(self, status: "_Status", endpoint: Endpoint, what: str) -> RequestError:
        """Say what an answer means that has nothing but its HTTP status to tell."""
        if status.number == HTTPStatus.FORBIDDEN:
            now = clock.monotonic()
            self._blocked_since = self._blocked_since or now
            self._probe_due = now + PROBE_EVERY
            return Blocked(f"{what}: the venue keeps us out ({status})")
        if status.number == HTTPStatus.UNAUTHORIZED:
            return AuthError(f"{what}: the venue does not accept our key ({status})")
        if status.number == HTTPStatus.TOO_MANY_REQUESTS:
            self._slow_down(endpoint, status.retry_after)
            return TooFrequent(f"{what}: too frequent ({status})")
        if endpoint.method == "GET":
            return Temporary(f"{what}: {status}")
        return OutcomeUnknown(f"{what}: {status}")

    def _slow_down(self, endpoint: Endpoint, asked_for: float = 0.0) -> None:
        with self._budget:
            self._throttle.slow_down(
                endpoint.path, calls=endpoint.calls, now=clock.monotonic(), asked_for=asked_for
            )

    def _start(self, endpoint: Endpoint, what: str, still_wanted: Callable[[], bool]) -> None:
        """Wait for a place in the budget and take it."""
        with self._budget:
            while still_wanted():
                pause = self._throttle.pause(endpoint.path, clock.monotonic())
                if pause > LONGEST_REST:
                    raise NotSent(f"{what}: not sent, the venue wants a rest of {pause:.0f} s more")
                wait = self._wait(endpoint)
                if wait == 0:
                    self._throttle.start(endpoint.path)
                    return
                clock.wait_on(self._budget, min(wait, LOOK_AGAIN))
        raise NotSent(f"{what}: not sent, it is not wanted any more")

    def _finish(self, endpoint: Endpoint) -> None:
        with self._budget:
            now = clock.monotonic()
            self._throttle.finish(endpoint.path, calls=endpoint.calls, now=now)
            self._budget.notify_all()

    def _wait(self, endpoint: Endpoint) -> float:
        return self._throttle.wait(
            endpoint.path,
            calls=endpoint.calls,
            seconds=endpoint.seconds,
            now=clock.monotonic(),
        )

    def _exchange(self, endpoint: Endpoint, url: str, params: Params) -> dict[str, Any]:
        is_read = endpoint.method == "GET"
        with self._session.request(
            endpoint.method,
            url,
            params=params,
            auth=self._auth if endpoint.signed else None,
            timeout=(
                CONNECT_SECONDS,
                self._timeout if is_read else min(self._timeout, WRITE_SECONDS),
            ),
            allow_redirects=False,
            stream=True,
        ) as response:
            if response.is_redirect:
                raise BadData(f"HTTP {response.status_code}, a redirect, which is not followed")
            body = _read(response)
        try:
            reply = protocol.parse_json(body)
        except BadData as error:
            raise _Status(response, str(error)) from None
        if not isinstance(reply, dict) or type(reply.get("code")) is not int:
            raise _Status(response, "no code in the answer")
        return reply

    def _classify(self, error: Exception, endpoint: Endpoint, what: str) -> RequestError:
        """Say what a failure means: never sent, a question not answered, or a write in doubt."""
        reason = _reason(error)
        if isinstance(error, BadData):
            text = str(error)
        elif isinstance(reason, tls.TLSRefused):
            text = f"{protocol.escaped(reason.words)}, at {self._base_url}"
        else:
            text = f"{type(error).__name__} at {self._base_url}"
        if isinstance(error, requests.ConnectTimeout) or isinstance(
            reason, NewConnectionError | ConnectTimeoutError
        ):
            return NotSent(f"{what}: no connection ({text})")
        if endpoint.method == "GET":
            return Temporary(f"{what}: {text}")
        return OutcomeUnknown(f"{what}: {text}")

    def _learn_time(self, begun: int, theirs: object) -> None:
        done = _steady_ms()
        if type(theirs) is int and 10**12 <= theirs < 10**14:
            self._ahead.append(theirs - (begun + done) // 2)
            self._ahead_by = median_low(self._ahead)

    def _tell_of_clock(self) -> None:
        """Warn once when this machine's clock is off the venue's, and again after it was right."""
        offset = self.clock_offset() or 0
        is_off = abs(offset) > CLOCK_MS
        if is_off and not self._clock_told:
            logger.warning("This machine's clock is %.1f s off the venue's.", -offset / 1000)
        self._clock_told = is_off


class _Status(Exception):
    """An answer that says nothing but its HTTP status, and why it says no more."""

    def __init__(self, response: requests.Response, why: str) -> None:
        super().__init__(f"HTTP {response.status_code}, {why}")
        self.number = response.status_code
        header = response.headers.get("retry-after", "")
        self.retry_after = float(header) if re.fullmatch(r"[0-9]{1,6}", header, re.ASCII) else 0.0


def _expiring(error: RequestError, expires: int) -> RequestError:
    if isinstance(error, OutcomeUnknown):
        error.expires = expires
    return error


def _steady_ms() -> int:
    return round(clock.monotonic() * 1000)


def _read(response: requests.Response) -> bytes:
    """Return the body, if it is not too long unpacked; the socket bounds its time."""
    body = b""
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > tls.BODY_LIMIT:
            raise BadData(f"more than {tls.BODY_LIMIT} bytes")
    return body


def _reason(error: Exception) -> object:
    """Return what lies under an error of `requests`.

    NewConnectionError, TLSRefused too, comes while connecting, before the first byte of a request
    is written: it proves that nothing was sent. No other failure of TLS does.
    """
    cause = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else None
    return cause.reason if isinstance(cause, MaxRetryError) else cause
