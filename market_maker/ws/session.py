"""One connection of the feed: its socket, its login, and when it must be given up."""

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import websocket

from market_maker import auth
from market_maker.clock import Clock
from market_maker.errors import AuthError, BadData
from market_maker.models import Account
from market_maker.secrecy import Secret
from market_maker.wire import protocol
from market_maker.wire.tls import Bounded, Connections

PING_EVERY = 5.0
"""Seconds; the venue asks for 20 s or less. More often, so that a dead feed is noticed soon."""
WAIT_SECONDS = 1.0
BEAT_SECONDS = 0.1
"""The least time from beat to beat: once for each frame would be a fifth of an idle bot's work."""
CONNECT_TIMEOUT = 5.0
MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes of one message; a longer one ends the connection before it is read whole."""

DEAD_AFTER = 15.0
"""Seconds without a frame, pong included, or without a needed table: then it connects anew."""
POSITION_AFTER = 30.0
"""Seconds without the position, which the venue pushes all the time; then it connects anew."""
CROSSED_FOR = 1.0
"""Seconds that a book may be crossed, as it is between two frames that belong together."""
PATIENCE = 10.0
"""Seconds that a new connection has for a book that is neither crossed nor late."""
GIVE_UP_LAG_MS = 10_000
LAG_COUNTS = 5.0
"""Seconds that a late frame counts; of a book that is quiet since, the audit over REST tells."""
UNBELIEVABLE_MS = 600_000
"""A time of the venue that is further off says nothing."""
BAD_FRAMES = 5
"""So many frames in a minute that cannot be read, and it connects anew."""
STOOD_STILL = 5.0
"""A turn of the thread that takes so many seconds: what has come meanwhile is old."""


class Vitals:
    """What one connection has shown of itself, from `began` on.

    All times are seconds on one steady clock; `now` is the present one. `heard` is when the last
    frame came. A method that finds that the connection must be given up raises ConnectionError with
    the reason.
    """

    def __init__(self, now: float) -> None:
        self.began = self.heard = self._turned = now
        self.bad_frames: deque[float] = deque(maxlen=BAD_FRAMES)
        self._heard_of: dict[str, float] = {}
        self._lag_ms = 0
        self._crossed_since: float | None = None

    # --- what is noted --------------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Note a turn of the thread; raise ConnectionError when the last one is too long ago."""
        before, self._turned = self._turned, now
        if now - before > STOOD_STILL:
            raise ConnectionError(f"its thread had no turn for {now - before:.0f} s")

    def hear(self, now: float) -> None:
        """Note a frame of any kind."""
        self.heard = now

    def hear_of(self, table: str, now: float) -> None:
        """Note a frame of a table."""
        self._heard_of[table] = now

    def note_lag(self, lag_ms: int) -> None:
        """Note how far a frame of the book was behind the venue's clock; 0 if not believable."""
        self._lag_ms = lag_ms if 0 < lag_ms < UNBELIEVABLE_MS else 0

    def note_bad_frame(self, now: float) -> None:
        """Note a frame that cannot be read; raise ConnectionError for too many in a minute."""
        self.bad_frames.append(now)
        if len(self.bad_frames) == BAD_FRAMES and now - self.bad_frames[0] < 60:
            raise ConnectionError(f"{BAD_FRAMES} bad frames in a minute")

    # --- what is asked --------------------------------------------------------------------------

    def has_heard_of(self, table: str) -> bool:
        """Say whether a frame of the table has come."""
        return table in self._heard_of

    def silent_about(self, table: str, now: float) -> float:
        """Return the seconds since the last frame of a table, or since the connection began."""
        return now - self._heard_of.get(table, self.began)

    def lag_ms(self, now: float) -> int:
        """Return the lag of the latest frame of the book in ms, 0 when that frame is old."""
        return self._lag_ms if self.silent_about("order_book", now) < LAG_COUNTS else 0

    def examine(
        self, now: float, *, is_crossed: bool, missing: Sequence[str], needs_position: bool
    ) -> None:
        """Raise ConnectionError if the connection must be given up.

        `is_crossed` is the book's state, `missing` are the needed tables that have not come, and
        `needs_position` says whether the venue is to push the position.
        """
        if now - self.heard > DEAD_AFTER:
            raise ConnectionError(f"nothing heard for {DEAD_AFTER:.0f} s")
        if needs_position and self.silent_about("position", now) > POSITION_AFTER:
            raise ConnectionError(f"no position for {POSITION_AFTER:.0f} s")
        self._examine_book(now, is_crossed)
        if now - self.began > DEAD_AFTER and missing:
            raise ConnectionError(f"no {', '.join(missing)} in {DEAD_AFTER:.0f} s")

    def _examine_book(self, now: float, is_crossed: bool) -> None:
        if not is_crossed:
            self._crossed_since = None
        elif self._crossed_since is None:
            self._crossed_since = now
        if now - self.began < PATIENCE:
            return
        if self._crossed_since is not None and now - self._crossed_since > CROSSED_FOR:
            raise ConnectionError("the order book stays crossed")
        if (lag := self.lag_ms(now)) > GIVE_UP_LAG_MS:
            raise ConnectionError(f"the feed lags by {lag / 1000:.0f} s")


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


class Session:
    """One connection of the feed, from `open()` to `close()`: what is sent, and when it is dead.

    It keeps no tables: `receive()` and `read()` hand the frames to `GTEWebsocket`, which owns it.
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
        self.is_private = bool(account.api_key) and account.is_contract  # gte-api §6.8
        """Whether it logs in and subscribes the account's tables."""
        self._login = Login((account.api_key, account.api_secret) if self.is_private else None)
        self.vitals = Vitals(0.0)  # before `open()` only the silence counts
        self.vitals.hear(clock.monotonic())
        self._line: Bounded | None = None
        self._socket: websocket.WebSocket | None = None
        self._ping_due = self._beat_due = 0.0
        self.is_open = False

    @property
    def is_refused(self) -> bool:
        """Whether the venue has refused the login for good."""
        return self._login.is_refused

    def open(self) -> None:
        """Connect. Raises what the network raises."""
        self._socket, self._line = self._connections.open_feed(
            self._account.ws_url, CONNECT_TIMEOUT
        )
        self._line.allowance = MESSAGE_LIMIT
        self._line.settimeout(WAIT_SECONDS)
        self.vitals = Vitals(self._clock.monotonic())
        self._ping_due = self._beat_due = self.vitals.began
        self.is_open = True

    def abort(self) -> None:
        """Break the connection; the thread that receives notices. Any thread may call it."""
        if self._socket:
            self._socket.abort()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let the connection go, without a closing handshake, which could hang."""
        if self._socket:
            self._socket.shutdown()  # type: ignore[no-untyped-call]

    def subscribe(self, tables: Sequence[str]) -> None:
        """Subscribe tables. Raises what the network raises."""
        assert self._socket
        account = self._account
        for table in tables:
            self._socket.send(
                protocol.subscription(
                    account.instrument_type, table, account.settle_currency, account.symbol
                )
            )

    def beat(self) -> bool:
        """Ping, log in and subscribe when due; return whether a heartbeat was due at all.

        Raises ConnectionError when the thread has stalled, and what the network raises.
        """
        assert self._socket
        now = self._clock.monotonic()
        if now < self._beat_due:
            return False
        self._beat_due = now + BEAT_SECONDS
        self.vitals.turn(now)
        if now >= self._ping_due:
            self._socket.send(protocol.PING)
            self._ping_due = now + PING_EVERY
        if self._login.is_due:
            self._socket.send(self._login.begin(now, self._now()))
        if self._login.take_subscription_due(now):
            self.subscribe(protocol.PRIVATE_TABLES)
        return True

    def examine(self, *, is_crossed: bool, missing: Sequence[str]) -> None:
        """Raise ConnectionError if the connection must be given up (see `Vitals.examine`)."""
        self.vitals.examine(
            self._clock.monotonic(),
            is_crossed=is_crossed,
            missing=missing,
            needs_position=self.is_private,
        )

    def receive(self) -> bytes | None:
        """Return the next message; None for a ping or pong, or if none begins in WAIT_SECONDS.

        A message must end within twice WAIT_SECONDS. The library answers a ping; neither that nor
        its own pong says that the venue lives. Raises ConnectionError for a close frame, and what
        the network raises.
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
            raise ConnectionError(f"the venue closed the connection{_why_closed(data)}")
        is_control = opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG)
        return None if is_control else bytes(data)

    def read(self, data: bytes) -> dict[str, Any] | None:
        """Return the frame of a message, and record what it tells of the connection.

        Returns None for a message that is no frame; raises ConnectionError after too many of them.
        """
        now = self._clock.monotonic()
        self.vitals.hear(now)
        try:
            frame = protocol.parse_json(data.decode())
        except (BadData, UnicodeDecodeError):
            frame = None
        if not isinstance(frame, dict):
            self.vitals.note_bad_frame(now)
            return None
        if "table" in frame:
            table = str(frame["table"])
            self.vitals.hear_of(table, now)
            time = protocol.millis(frame, "time")
            if table == "order_book" and time:
                self.vitals.note_lag(self._now() - time)
        return frame

    def take_status(self, frame: dict[str, Any]) -> str:
        """Take the answer to a login or a subscription; return its error, or empty text."""
        now = self._beat_due = self._clock.monotonic()  # the next step of a login does not wait
        return self._login.take_answer(frame, now)


def _why_closed(data: bytes) -> str:
    """Return the code and the text of a close frame, if it has them."""
    if len(data) < 2:
        return ""
    text = protocol.printable(data[2:].decode("ascii", "replace")) if data[2:] else ""
    return f" (code {int.from_bytes(data[:2], 'big')}{', ' + text if text else ''})"
