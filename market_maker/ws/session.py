"""One connection of the feed: its login, its signs of life, and when it must be given up."""

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

from market_maker import auth
from market_maker.errors import AuthError, BadData
from market_maker.secrecy import Secret
from market_maker.wire import protocol

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
