"""One connection of the feed: its socket, its login, its heartbeat, and what it receives."""

import logging
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import websocket

from market_maker import auth
from market_maker.account import Account
from market_maker.clock import Clock
from market_maker.errors import AuthError, BadData
from market_maker.secrecy import Secret
from market_maker.wire import codes, fields, protocol
from market_maker.wire.tls import Bounded, Connections
from market_maker.ws.vitals import Vitals

logger = logging.getLogger(__name__)

GZIP, PACKED = b"\x1f\x8b", ": they are compressed (gzip), which GTE's feed is not"
PING_EVERY = 5.0
"""Seconds; the venue asks for 20 s or less. More often, so that a dead feed is noticed soon."""
WAIT_SECONDS = 1.0
"""The longest wait for the beginning of a message; it must end within twice as many."""
HEARTBEAT_EVERY = 0.1
"""Seconds between heartbeats: one for each frame would be a fifth of an idle bot's work."""
CONNECT_TIMEOUT = 5.0
MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes of one message; a longer one ends the connection before it is read whole."""
LOGIN_ANSWER = 2.0
"""Seconds to wait for the answer to a login, which no document promises."""
LOGINS = 2
"""So many logins on one connection, the first included, but for those that had expired."""
EXPIRED_AGAIN = 1.0
"""Seconds from the answer that a login had expired to the next: REST learns the venue's clock."""

Credentials = tuple[Secret, Secret]


class Session:
    """One connection of the feed, from `open()` to `close()`: sends, receives, finds it dead.

    It keeps no tables: it hands its frames to `GTEWebsocket`, which owns it. All methods but
    `abort()` are for the feed thread. `now` returns the venue's time in ms.
    """

    def __init__(
        self,
        account: Account,
        *,
        connections: Connections,
        clock: Clock,
        now: Callable[[], int],
    ) -> None:
        self._account = account
        self._connections = connections
        self._clock = clock
        self._now = now
        self.is_private = bool(account.api_key) and account.is_contract  # design: The wire
        """Whether it logs in and subscribes the tables of the account."""
        self.is_open = False
        """Whether the connection stands; `GTEWebsocket` clears it, under its lock."""
        self.vitals = Vitals(0.0)  # before `open()` only the silence counts
        self.vitals.record_frame(clock.monotonic())
        self._login = Login((account.api_key, account.api_secret) if self.is_private else None)
        self._socket: websocket.WebSocket | None = None
        self._line: Bounded | None = None
        self._ping_due = self._heartbeat_due = 0.0

    @property
    def is_refused(self) -> bool:
        """Whether the venue has refused the login for good."""
        return self._login.is_refused

    # --- life -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect. Raises ConnectionError and whatever else the network raises."""
        address = self._account.ws_url
        self._socket, self._line = self._connections.open_feed(address, CONNECT_TIMEOUT)
        self._line.allowance = MESSAGE_LIMIT
        self._line.settimeout(WAIT_SECONDS)
        self.vitals = Vitals(self._clock.monotonic())
        self._ping_due = self._heartbeat_due = self.vitals.began
        self.is_open = True

    def abort(self) -> None:
        """Break the connection, from any thread; the feed thread then gets an error."""
        if self._socket:
            self._socket.abort()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let the connection go, without a closing handshake, which could hang."""
        if self._socket:
            self._socket.shutdown()  # type: ignore[no-untyped-call]

    # --- out ------------------------------------------------------------------------------------

    def subscribe(self, tables: Sequence[str]) -> None:
        """Subscribe tables by name. Raises what the network raises."""
        assert self._socket
        account = self._account
        place = account.settle_currency, account.symbol
        for table in tables:
            self._socket.send(protocol.subscription(account.instrument_type, table, *place))

    def heartbeat(self) -> bool:
        """Ping, log in and subscribe as far as each is due; return False for too early a call.

        Raises ConnectionError when the thread stalled, and what the network raises.
        """
        assert self._socket
        now = self._clock.monotonic()
        if now < self._heartbeat_due:
            return False
        self._heartbeat_due = now + HEARTBEAT_EVERY
        self.vitals.record_heartbeat(now)
        if now >= self._ping_due:
            self._socket.send(protocol.PING)
            self._ping_due = now + PING_EVERY
        if self._login.is_due(now):
            self._socket.send(self._login.begin(now, self._now()))
        if self._login.take_subscription_due(now):
            self.subscribe(protocol.PRIVATE_TABLES)
        return True

    def examine(self, *, is_crossed: bool, missing: Sequence[str]) -> None:
        """Raise ConnectionError if the connection must be given up: see `Vitals.examine`."""
        self.vitals.examine(
            self._clock.monotonic(),
            is_crossed=is_crossed,
            missing=missing,
            needs_position=self.is_private,
        )

    # --- in -------------------------------------------------------------------------------------

    def receive(self) -> bytes | None:
        """Return the next message; None for a ping or pong, or if none begins in WAIT_SECONDS.

        The library answers a ping; neither that nor its own pong shows that the venue lives. Raises
        ConnectionError for a close frame or a message that is too long, and what the network
        raises.
        """
        assert self._socket
        assert self._line
        self._line.deadline = self._clock.monotonic() + 2 * WAIT_SECONDS
        try:
            opcode, data = self._socket.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            return None
        self._line.allowance = MESSAGE_LIMIT
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise ConnectionResetError(f"the venue closed the connection{_close_reason(data)}")
        is_control = opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG)
        return None if is_control else bytes(data)

    def parse(self, data: bytes) -> dict[str, Any] | None:
        """Return the frame of a message, and record what it shows of the connection.

        Returns None for a message that is no JSON object; raises ConnectionError after too many.
        """
        now = self._clock.monotonic()
        try:
            frame = fields.parse_json(data.decode())
        except (BadData, UnicodeDecodeError):
            frame = None
        if not isinstance(frame, dict):
            self.vitals.record_bad_frame(now, PACKED if data.startswith(GZIP) else "")
            return None
        self.vitals.record_frame(now)
        if "table" in frame:  # any other may repeat our login
            logger.debug("Frame: %.300s", data)
        self._see(frame, now)
        return frame

    def see_levels(self, time: int, now: float) -> None:
        """Record what changes of the book show of the connection that come without a message."""
        self.vitals.record_frame(now)
        self.vitals.record_table("order_book", now)
        self.vitals.record_lag(self._now() - time)

    def _see(self, frame: dict[str, Any], now: float) -> None:
        if "table" not in frame:
            return
        table = str(frame["table"])
        self.vitals.record_table(table, now)
        time = fields.millis(frame, "time")
        if table == "order_book" and time:
            self.vitals.record_lag(self._now() - time)

    def take_status(self, frame: dict[str, Any]) -> str:
        """Process the answer to a login or a subscription; return its error, or empty text."""
        now = self._heartbeat_due = self._clock.monotonic()  # a login's next step does not wait
        return self._login.take_answer(frame, now)


class Login:
    """What is to be sent to log in, and what the answers mean; it sends nothing itself.

    Without credentials (key and secret) nothing is due. The private tables are subscribed when the
    login has been answered, or LOGIN_ANSWER later. `now` is seconds on a steady clock. `is_refused`
    is whether the venue has refused the login for good.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._sent = 0
        self._subscribe_at: float | None = None
        self._due_at: float | None = None if credentials is None else -math.inf
        self.is_refused = False

    def is_due(self, now: float) -> bool:
        """Return whether to log in now."""
        return self._due_at is not None and now >= self._due_at

    def begin(self, now: float, now_ms: int) -> str:
        """Return the text of the login to send now; `now_ms` is the venue's time."""
        assert self._credentials
        self._sent += 1
        self._due_at = None
        self._subscribe_at = now + LOGIN_ANSWER
        return auth.websocket_login(*self._credentials, now_ms + auth.EXPIRES_AFTER_MS)

    def take_subscription_due(self, now: float) -> bool:
        """Return whether to subscribe the private tables now; after that it is no longer due."""
        if self._subscribe_at is None or now < self._subscribe_at:
            return False
        self._subscribe_at = None
        return True

    def take_answer(self, frame: dict[str, Any], now: float) -> str:
        """Process the answer to a login or a subscription: status "0", or the code of an error.

        Returns the error in words, or empty text when all is well or the login is to be sent again.
        """
        status = str(frame["status"])
        code = int(status) if re.fullmatch(r"-?[0-9]{1,6}", status) else None
        request = fields.printable(_operation(frame.get("request")))
        if code in (0, codes.ALREADY_SUBSCRIBED):
            if "auth" in request:
                self._subscribe_at = now
            return ""
        if code == codes.NOT_AUTHENTICATED:
            is_pending = self._due_at is not None or self._subscribe_at is not None
            if is_pending or self._sent < LOGINS:
                self._due_at = self._due_at if is_pending else now
                return ""
        if code == codes.EXPIRED and "auth" in request:  # of the clock it tells, not of the key
            self._sent, self._subscribe_at, self._due_at = 0, None, now + EXPIRED_AGAIN
        error = codes.error_of(code, f"feed {request}") if code else None
        self.is_refused = isinstance(error, AuthError)
        return str(error) if error else f"feed {request}: status {fields.printable(status)}"


def _operation(request: object) -> object:
    """Return what a status frame answers, without the arguments of a login."""
    try:
        asked = fields.parse_json(request) if isinstance(request, str) else request
    except BadData:
        return "request"
    if not isinstance(asked, dict):
        return "request"
    args = asked.get("args")
    table = args.get("table") if isinstance(args, dict) else None
    return f"{asked.get('op')} {table}" if table else asked.get("op")


def _close_reason(data: bytes) -> str:
    """Return code and text of a close frame in brackets, if it has them."""
    if len(data) < 2:
        return ""
    text = fields.printable(data[2:].decode("ascii", "replace")) if data[2:] else ""
    return f" (code {int.from_bytes(data[:2], 'big')}{', ' + text if text else ''})"
