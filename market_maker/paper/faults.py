"""Faults: what can go wrong at the venue on request, and the schedule by which it does.

Nothing here does harm: the desk, the lines to the clients and the trouble-maker ask whether a fault
strikes, and act. The same chances, schedule and requests give the same run.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol


class Where(Enum):
    """What a fault is about, and so what its `match` is compared with."""

    REPLY = "endpoint"
    FRAME = "table"
    STATE = "symbol"


class Kind(NamedTuple):
    """A sort of fault. `done` faults strike after the request took effect, or before it."""

    where: Where
    text: str
    value: str = ""  # what `value` means, if anything


VALUE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
CATALOGUE = {
    "reset": Kind(Where.REPLY, "reset the connection instead of answering"),
    "lost": Kind(Where.REPLY, "never answer"),
    "late": Kind(Where.REPLY, "answer late; not done: act late too", "milliseconds"),
    "code": Kind(Where.REPLY, "answer with an error code such as -10002, -10052, -10053", "code"),
    "status": Kind(Where.REPLY, "answer with an HTTP status such as 503 and a page", "status"),
    "html": Kind(Where.REPLY, "answer 200 with an HTML page"),
    "truncated": Kind(Where.REPLY, "answer with half of the JSON"),
    "empty": Kind(Where.REPLY, "answer 200 with nothing"),
    "batch_half": Kind(Where.REPLY, "cancel only every second order of a batch"),
    "cancel_pending": Kind(Where.REPLY, "keep a cancel pending (status 4)", "milliseconds"),
    "query_lag": Kind(Where.REPLY, "leave out orders younger than this", "milliseconds"),
    "query_churn": Kind(Where.REPLY, "leave one row of a page out and repeat another"),
    "mute": Kind(Where.FRAME, "send no frames of a table"),
    "frame_lost": Kind(Where.FRAME, "drop a frame"),
    "frame_twice": Kind(Where.FRAME, "send a frame twice"),
    "frame_swap": Kind(Where.FRAME, "send a frame after the one that follows it"),
    "frame_late": Kind(Where.FRAME, "send a frame late, out of order", "milliseconds"),
    "frame_half": Kind(Where.FRAME, "send half of a frame"),
    "cut": Kind(Where.FRAME, "cut the connection instead of sending a frame"),
    "refuse": Kind(Where.STATE, "cut all connections and refuse new ones"),
    "clock_skew": Kind(Where.STATE, "the venue's clock is ahead by this", "milliseconds"),
    "book_cross": Kind(Where.STATE, "a buy rests above the best sell"),
    "book_empty": Kind(Where.STATE, "the others withdraw all they rest"),
    "tick_change": Kind(Where.STATE, "another tick size, a multiple of the usual one", "tick"),
    "suspend": Kind(Where.STATE, "no new orders in a symbol (-16003)"),
    "forget_client_oid": Kind(Where.STATE, "show every client_oid as null"),
}


def listed() -> list[tuple[str, str]]:
    """Return the name and the description of every fault."""
    return [
        (name, f"{kind.text}{f'; value: {kind.value}' if kind.value else ''}")
        for name, kind in CATALOGUE.items()
    ]


TRANSPORT = {"reset", "lost", "late", "status", "html", "truncated", "empty"}
"""Faults of replies that are about the way and not about what is said."""


class Chance(Protocol):
    """The part of `random.Random` that faults draw from."""

    def random(self) -> float:
        """Return a uniform draw from [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault on a schedule; ValueError when it makes no sense.

    It begins `after_ms` from when it is planned and lasts `for_ms`, or for ever. In that time it
    strikes with a `chance`, at most `times`, what its `match` names: an endpoint such as
    `pc/order/create`, a table, a symbol, or all.
    """

    name: str
    match: str = ""
    done: bool = False
    value: str = ""
    after_ms: int = 0
    for_ms: int | None = None
    times: int | None = None
    chance: float = 1.0

    def __post_init__(self) -> None:
        kind = CATALOGUE.get(self.name)
        if kind is None:
            raise ValueError(f"there is no fault {self.name!r}")
        if kind.value and not VALUE.fullmatch(self.value):
            raise ValueError(f"fault {self.name} needs a value: {kind.value}")
        if not 0 <= self.chance <= 1 or self.after_ms < 0:
            raise ValueError("a chance is from 0 to 1, and what is over cannot be planned")

    @property
    def number(self) -> int:
        """Return the value as a whole number."""
        return int(float(self.value))


@dataclass(slots=True)
class _Planned:
    fault: Fault
    begin: int
    end: int | None
    left: int | None

    def runs(self, now: int) -> bool:
        return self.begin <= now and (self.end is None or now < self.end) and self.left != 0


class Faults:
    """The schedule. It knows nothing of what it is about."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._planned: list[_Planned] = []

    def plan(self, fault: Fault, now: int) -> None:
        """Put a fault on the schedule."""
        begin = now + fault.after_ms
        end = None if fault.for_ms is None else begin + fault.for_ms
        self._planned.append(_Planned(fault, begin, end, fault.times))

    def clear(self) -> None:
        """End all faults."""
        self._planned.clear()

    def planned(self) -> list[Fault]:
        """Return what is on the schedule, over or not."""
        return [planned.fault for planned in self._planned]

    def strike(self, where: Where, target: str, now: int) -> Fault | None:
        """Return the fault that strikes a target now, if one does."""
        for planned in self._planned:
            fault = planned.fault
            if (
                CATALOGUE[fault.name].where is where
                and fault.match in ("", target)
                and planned.runs(now)
                and (fault.chance >= 1 or self._chance.random() < fault.chance)
            ):
                if planned.left is not None:
                    planned.left -= 1
                return fault
        return None

    def states(self, now: int) -> list[Fault]:
        """Return the faults of state that last now."""
        return [
            planned.fault
            for planned in self._planned
            if CATALOGUE[planned.fault.name].where is Where.STATE and planned.runs(now)
        ]
