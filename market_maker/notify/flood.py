"""Flood control: how many notifications may leave. Pure: times are arguments."""

from collections import deque
from dataclasses import replace

from market_maker.notify.message import Kind, Message

HOUR = 3600.0
OF_A_KIND, OF_ALL = 4, 20
"""So many of one kind, and of all kinds together, leave within an hour."""


class Flood:
    """Lets 4 of one kind leave within an hour, then one an hour with the count of the others.

    All kinds together are at most 20 an hour. Of those that wait, the latest of each kind is kept.
    Kinds that always pass are never held back; they count among the 20. `now` is in seconds of a
    steady clock, and never falls.
    """

    def __init__(self) -> None:
        self._sent: dict[Kind, deque[float]] = {kind: deque() for kind in Kind}
        """When those of each kind left, within the last hour."""
        self._waiting: dict[Kind, Message] = {}
        self._flooding: set[Kind] = set()
        """The kinds of which one an hour leaves, until none has waited for that."""
        self._urgent: list[Message] = []

    def put(self, message: Message, now: float) -> None:
        """Take a message, to leave when it may."""
        kind = message.kind
        if kind.always_passes:
            self._urgent.append(message)
            return
        self._forget(now)
        if before := self._waiting.get(kind):
            message = replace(message, others=before.others + 1)
        elif not self._sent[kind]:
            self._flooding.discard(kind)
        if len(self._sent[kind]) >= OF_A_KIND:
            self._flooding.add(kind)
        self._waiting[kind] = message

    def take(self, now: float) -> list[Message]:
        """Return the messages that leave now: first those that always pass."""
        self._forget(now)
        leaving, self._urgent = self._urgent, []
        for message in leaving:
            self._sent[message.kind].append(now)
        for kind in [kind for kind in self._waiting if self._may_leave_at(kind, now) <= now]:
            if self._total() < OF_ALL:
                self._sent[kind].append(now)
                leaving.append(self._waiting.pop(kind))
        return leaving

    def next_at(self, now: float) -> float | None:
        """Return when to take again, in the same seconds; None while nothing waits."""
        if self._urgent:
            return now
        self._forget(now)
        times = [self._may_leave_at(kind, now) for kind in self._waiting]
        if not times:
            return None
        sent = sorted(at for each in self._sent.values() for at in each)
        has_room_at = sent[-OF_ALL] + HOUR if len(sent) >= OF_ALL else now
        return max(min(times), has_room_at)

    def _may_leave_at(self, kind: Kind, now: float) -> float:
        sent = self._sent[kind]
        if kind in self._flooding and sent:
            return sent[-1] + HOUR
        return now

    def _total(self) -> int:
        return sum(map(len, self._sent.values()))

    def _forget(self, now: float) -> None:
        for sent in self._sent.values():
            while sent and sent[0] + HOUR <= now:
                sent.popleft()
