"""Blocks: which endpoints the venue, or a firewall before it, answers with 403."""

from market_maker.wire.endpoints import Endpoint

TRY_EVERY = 60.0
"""Seconds between two requests that test whether a block is still there."""
TRY_FIRST = 10.0
"""Seconds until the first of them where one endpoint alone is blocked: it may be a single 403, and
without the list of orders no way out can be proven clean."""


class Blocks:
    """A 403 blocks the endpoint that said it; said by two with no answer between, the whole venue.

    A blocked endpoint is tried after ten seconds and then once a minute, a blocked venue once a
    minute by a read. Cancels are never held back. Time is in seconds of a steady clock.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._try_at: dict[str, float] = {}
        self._alike: set[str] = set()
        """The endpoints that have said 403 since any of them last answered."""

    def may_leave(self, endpoint: Endpoint, now: float) -> bool:
        """Return whether a request may leave."""
        held_by = self._held_by(endpoint)
        if held_by and self._is_venue() and endpoint.method != "GET":
            return False
        return all(now >= self._try_at[path] for path in held_by)

    def leaves(self, endpoint: Endpoint, now: float) -> None:
        """Record that a request leaves. If it is a try, none is for the next minute."""
        if held_by := self._held_by(endpoint):
            self._try_at |= dict.fromkeys([endpoint.path, *held_by], now + TRY_EVERY)

    def refused(self, endpoint: Endpoint, now: float) -> None:
        """Record a 403."""
        is_first = endpoint.path not in self._since
        self._since.setdefault(endpoint.path, now)
        self._alike.add(endpoint.path)
        is_alone = is_first and not self._is_venue()
        self._try_at[endpoint.path] = now + (TRY_FIRST if is_alone else TRY_EVERY)

    def answered(self, endpoint: Endpoint) -> None:
        """Record an answer of the venue itself: it is not blocked as a whole."""
        self._alike.clear()
        self._since.pop(endpoint.path, None)

    def blocked_for(self, endpoint: Endpoint, now: float) -> float | None:
        """Return for how many seconds an endpoint is blocked; None if it is not, or may be tried.

        A blocked venue is tried by reads, so it counts until one of them is answered.
        """
        if self._is_venue():
            return now - min(self._since[path] for path in self._alike)
        if endpoint.path not in self._since or now >= self._try_at[endpoint.path]:
            return None
        return now - self._since[endpoint.path]

    def _held_by(self, endpoint: Endpoint) -> set[str]:
        """Return the paths whose 403 holds an endpoint back."""
        if endpoint.is_cancel:
            return set()
        return self._alike if self._is_venue() else self._since.keys() & {endpoint.path}

    def _is_venue(self) -> bool:
        return len(self._alike) > 1
