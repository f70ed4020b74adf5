"""Sends notifications from a thread of its own: who hands one over never waits."""

import logging
import threading
from collections import deque

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError

from market_maker import __version__
from market_maker.clock import SYSTEM
from market_maker.errors import MarketMakerError
from market_maker.notify.address import Address, address_of, content
from market_maker.notify.flood import Flood
from market_maker.notify.message import Message
from market_maker.secrecy import Secret
from market_maker.wire import fields, tls
from market_maker.wire.failures import in_words, reason_of

logger = logging.getLogger(__name__)

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 4.0
TRY_AGAIN = 30.0
"""Seconds after which a message that could not be sent is tried again."""
GIVE_UP = 3600.0
"""Seconds after which one that could not be sent is given up."""
MOST = 100
"""Messages that wait for an address at most; the oldest ones go."""
ANSWER_BYTES = 300
"""What is read of an answer: it is shown where it is a refusal."""
FOR_NOW = (408, 425, 429)
"""Refusals that may end by themselves, as those from 500 on may."""


class NotDelivered(MarketMakerError):
    """A notification could not be sent.

    Look at the address in NOTIFY_URL: `check --notify` sends a test message.
    """

    def __init__(self, why: str, *, is_final: bool) -> None:
        super().__init__(why)
        self.is_final = is_final
        """Whether another try would end the same."""


def deliver(address: Address, message: Message) -> None:
    """Post a message, once, bounded in time and bytes. Raises NotDelivered.

    TLS is verified, redirects are not followed, and the environment's proxies and .netrc are
    ignored, as in all connections of this program.
    """
    body, headers = content(address, message)
    with requests.Session() as session:
        session.trust_env = False
        for scheme in ("https://", "http://"):
            session.mount(scheme, tls.Connections().adapter())
        session.headers["user-agent"] = f"gte-market-maker/{__version__}"
        login = [each.reveal() for each in address.login or ()]
        try:
            with session.post(
                address.url.reveal(),
                data=body,
                headers=dict(headers),
                auth=HTTPBasicAuth(*login) if login else None,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                _check(response)
        except (requests.RequestException, HTTPError, OSError) as error:
            reason = reason_of(error)
            words = reason.words if isinstance(reason, tls.TLSRefused) else in_words(error)
            text = f"{address}: {fields.escaped(words)}"
            raise NotDelivered(text, is_final=False) from None
        except NotDelivered as refused:
            text = f"{address}: {refused}"
            raise NotDelivered(text, is_final=refused.is_final) from None


def _check(response: requests.Response) -> None:
    """Raise NotDelivered for an answer that is no success."""
    status = response.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotDelivered(f"HTTP {status}, a redirect, not followed", is_final=True)
    said = response.raw.read(ANSWER_BYTES, decode_content=False).decode(errors="replace")
    text = f"HTTP {status}, {fields.escaped(' '.join(said.split()))}" if said else f"HTTP {status}"
    raise NotDelivered(text, is_final=status < 500 and status not in FOR_NOW)


class Sender:
    """Sends messages to one address, as flood control lets them leave. It never raises.

    Nothing is started until there is a message. One that cannot be sent is tried again for an hour,
    and the others wait behind it.
    """

    def __init__(self, url: Secret) -> None:
        """`url` is NOTIFY_URL. Raises ValueError where that is not well-formed."""
        self._address = address_of(url)
        self._flood = Flood()
        self._changed = threading.Condition()
        self._queue: deque[tuple[Message, float]] = deque(maxlen=MOST)
        """What may leave, and when it was handed over."""
        self._try_at = 0.0
        self._end_at: float | None = None
        """By when the thread ends; None until that is asked for."""
        self._thread: threading.Thread | None = None

    def tell(self, message: Message) -> None:
        """Hand a message over; never waits for the address."""
        with self._changed:
            self._flood.put(message, SYSTEM.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Try what waits once more, for so many seconds at most; what flood control holds goes."""
        with self._changed:
            self._end_at = SYSTEM.monotonic() + seconds
            self._changed.notify()
        if self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            message, since = job
            try:
                deliver(self._address, message)
            except NotDelivered as error:
                self._failed(message, since, error)
            except Exception:
                logger.exception("A notification cannot be sent.")
            else:
                self._try_at = 0.0
                logger.info("Notified: %s.", message.kind.value)

    def _next(self) -> tuple[Message, float] | None:
        """Wait for the next message that is to be sent; return None at the end."""
        with self._changed:
            while True:
                now = SYSTEM.monotonic()
                self._queue.extend((message, now) for message in self._flood.take(now))
                end_at = self._end_at
                if end_at is not None and (not self._queue or now >= end_at):
                    return None
                if self._queue and (now >= self._try_at or end_at is not None):
                    return self._queue.popleft()
                due = self._try_at if self._queue else self._flood.next_at(now)
                SYSTEM.wait_on(self._changed, GIVE_UP if due is None else due - now)

    def _failed(self, message: Message, since: float, error: NotDelivered) -> None:
        now = SYSTEM.monotonic()
        if error.is_final or self._end_at is not None or now - since >= GIVE_UP:
            words = "Notification given up: %s: %s."
            logger.warning(words, message.kind.value, error)
            return
        if not self._try_at:
            logger.warning("Notification not sent, tried again for an hour: %s.", error)
        with self._changed:
            self._queue.appendleft((message, since))
            self._try_at = now + TRY_AGAIN
