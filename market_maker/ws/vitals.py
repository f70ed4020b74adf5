"""The vital signs of one connection of the feed, and when it must be given up."""

from collections import deque
from collections.abc import Sequence

from market_maker.models import POSITION_STALE
from market_maker.wire.protocol import PRIVATE_TABLES, PUBLIC_TABLES

TABLES = PUBLIC_TABLES + PRIVATE_TABLES
DEAD_AFTER = 15.0
"""Seconds without a frame, pong included, or without a needed table."""
CROSSED_FOR = 1.0
"""Seconds that a book may be crossed, as it is between two frames that belong together."""
GRACE = 10.0
"""Seconds that a new connection has for a book that is neither crossed nor late."""
MAX_LAG_MS = 10_000
LAG_COUNTS = 5.0
"""Seconds that the lag of a frame counts; after that the book is quiet, and audited over REST."""
IMPLAUSIBLE_LAG_MS = 600_000
"""A venue time that is further off is not a lag."""
BAD_FRAMES = 5
"""So many invalid frames in a minute end the connection."""
STALLED_AFTER = 5.0
"""Seconds between two heartbeats of the feed thread; what arrived meanwhile is stale."""


class Vitals:
    """What one connection has shown of itself, from `began` on. It never reconnects by itself.

    All times are seconds on one steady clock, `now` is the present one, and `last_frame` is when
    the last frame arrived. A connection is given up later than trading pauses for the same fact
    (`safety.trading_state`), because a pause ends by itself, while a reconnect throws all tables
    away. Only a stale position does both at once: nothing but a new first image can mend it.
    """

    def __init__(self, now: float) -> None:
        self.began = self.last_frame = self._last_beat = now
        self.complete_at: float | None = None
        """When all needed tables had arrived; None while they have not."""
        self.bad_frames: deque[float] = deque(maxlen=BAD_FRAMES)
        self._last_of: dict[str, float] = {}
        self._lag_ms = 0
        self._crossed_since: float | None = None

    # --- record ---------------------------------------------------------------------------------

    def record_heartbeat(self, now: float) -> None:
        """Record a heartbeat of the feed thread; raise ConnectionError if the thread stalled."""
        before, self._last_beat = self._last_beat, now
        if now - before > STALLED_AFTER:
            raise ConnectionError(f"feed thread stalled for {now - before:.0f} s")

    def record_frame(self, now: float) -> None:
        """Record a frame of any kind that can be read."""
        self.last_frame = now

    def record_table(self, table: str, now: float) -> None:
        """Record a frame of a table."""
        self._last_of[table] = now

    def record_lag(self, lag_ms: int) -> None:
        """Record how far a frame of the book was behind the venue's clock; 0 if implausible."""
        self._lag_ms = lag_ms if 0 < lag_ms < IMPLAUSIBLE_LAG_MS else 0

    def record_bad_frame(self, now: float, why: str = "") -> None:
        """Record an invalid frame; raise ConnectionError, with `why`, for too many in a minute."""
        self.bad_frames.append(now)
        if len(self.bad_frames) == BAD_FRAMES and now - self.bad_frames[0] < 60:
            raise ConnectionError(f"{BAD_FRAMES} bad frames in a minute{why}")

    # --- read -----------------------------------------------------------------------------------

    def has_received(self, table: str) -> bool:
        """Return whether a frame of the table has arrived."""
        return table in self._last_of

    def silent_for(self, now: float, table: str = "") -> float:
        """Return the seconds since the last frame; with a `table`, since the last one of it.

        For a table without a frame, since the connection began.
        """
        return now - (self._last_of.get(table, self.began) if table else self.last_frame)

    def lag_ms(self, now: float) -> int:
        """Return the lag of the latest frame of the book in ms, 0 when that frame is old."""
        return self._lag_ms if self.silent_for(now, "order_book") < LAG_COUNTS else 0

    def examine(
        self, now: float, *, is_crossed: bool, missing: Sequence[str], needs_position: bool
    ) -> None:
        """Raise ConnectionError, with the reason, if the connection must be given up.

        `is_crossed` is the state of the book, `missing` are the needed tables without a first
        image, and `needs_position` says that the venue pushes the position on this connection.
        """
        if self.silent_for(now) > DEAD_AFTER:
            raise ConnectionError(f"no frame for {DEAD_AFTER:.0f} s")
        if needs_position and self.silent_for(now, "position") > POSITION_STALE:
            raise ConnectionError(f"no position for {POSITION_STALE:.0f} s")
        self._examine_book(now, is_crossed)
        if now - self.began > DEAD_AFTER and missing:
            raise ConnectionError(f"no {', '.join(missing)} in {DEAD_AFTER:.0f} s")

    def _examine_book(self, now: float, is_crossed: bool) -> None:
        if not is_crossed:
            self._crossed_since = None
        elif self._crossed_since is None:
            self._crossed_since = now
        if now - self.began < GRACE:
            return
        if self._crossed_since is not None and now - self._crossed_since > CROSSED_FOR:
            raise ConnectionError("the order book stays crossed")
        if (lag := self.lag_ms(now)) > MAX_LAG_MS:
            raise ConnectionError(f"the feed lags by {lag / 1000:.0f} s")


class News:
    """When the last good news came, whichever connection brought it. `now` is in steady seconds.

    A new connection is no news by itself, and a frame on it is good only once every needed table
    has been shown: what rests at the venue is not confirmed by a connection that shows nothing.
    """

    def __init__(self, now: float) -> None:
        self._good_at = now
        self._last_of: dict[str, float] = {}

    def record(self, table: object, now: float, *, good: bool) -> None:
        """Record a frame of a table, or of none; `good`: every needed table was shown."""
        if table in TABLES:
            self._last_of[str(table)] = now
        if good:
            self._good_at = now

    def has_received(self, table: str) -> bool:
        """Return whether a frame of the table has ever arrived."""
        return table in self._last_of

    def silent_for(self, now: float, table: str, began: float) -> float:
        """Return the seconds since the last good frame; with a `table`, since the last one of it.

        For a table that never came, since the connection `began`.
        """
        return now - (self._last_of.get(table, began) if table else self._good_at)
