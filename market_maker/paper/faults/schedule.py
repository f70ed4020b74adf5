"""The schedule of faults: what can go wrong at the venue on request, and when it does.

Nothing here acts: the dispatcher, the connections and the state faults ask whether a fault strikes,
and apply it. The same seed, schedule and requests give the same run.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol


class Where(Enum):
    """What a fault applies to; the value is what its `match` names."""

    REPLY = "endpoint"
    FRAME = "table"
    STATE = "symbol"


NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
FIELD = re.compile(r"[a-z_]{1,30}=.{0,500}", re.ASCII)
RAW = (
    *("binary", "bad_utf8", "not_json", "nested", "long_number", "named_twice", "huge"),
    *("unknown_table", "unknown_action", "other_symbol", "no_data", "odd_rows"),
    *("time_seconds", "time_zero", "time_future", "time_past"),
)


class Kind(NamedTuple):
    """A kind of fault in the catalogue."""

    where: Where
    text: str
    value: str = ""  # the meaning of the value, "" if it has none
    about: tuple[str, ...] = ("",)  # endings of the endpoints that it can strike
    everywhere: bool = False  # it applies to the whole venue, and has no `match`
    form: re.Pattern[str] = NUMBER  # of the value


A_FIELD = "name=JSON, or name= to leave it out"
CATALOGUE = {
    "reset": Kind(Where.REPLY, "reset the connection instead of answering"),
    "lost": Kind(Where.REPLY, "never answer"),
    "late": Kind(Where.REPLY, "answer late; not done: act late too", "milliseconds"),
    "code": Kind(Where.REPLY, "answer with an error code such as -10002, -10052, -10053", "code"),
    "status": Kind(Where.REPLY, "answer with an HTTP status such as 503 and a page", "status"),
    "html": Kind(Where.REPLY, "answer 200 with an HTML page"),
    "truncated": Kind(Where.REPLY, "answer with half of the JSON"),
    "empty": Kind(Where.REPLY, "answer 200 with nothing"),
    "trickle": Kind(Where.REPLY, "answer one byte a second"),
    "huge": Kind(Where.REPLY, "answer without end"),
    "reply_field": Kind(Where.REPLY, "change a field of each row", A_FIELD, form=FIELD),
    "batch_half": Kind(
        Where.REPLY, "cancel only every second order of a batch", about=("order/cancel_batch",)
    ),
    "cancel_pending": Kind(
        Where.REPLY,
        "keep a cancel pending (status 4)",
        "milliseconds",
        ("order/cancel", "order/cancel_batch"),
    ),
    "query_lag": Kind(
        Where.REPLY, "leave out orders younger than this", "milliseconds", ("order/query",)
    ),
    "query_churn": Kind(
        Where.REPLY, "leave one row of a page out and repeat another", about=("order/query",)
    ),
    "mute": Kind(Where.FRAME, "send no frames of a table"),
    "no_partial": Kind(Where.FRAME, "send no first image of a table"),
    "frame_lost": Kind(Where.FRAME, "drop a frame"),
    "frame_twice": Kind(Where.FRAME, "send a frame twice"),
    "frame_swap": Kind(Where.FRAME, "send a frame after the one that follows it"),
    "frame_late": Kind(Where.FRAME, "send a frame late, out of order", "milliseconds"),
    "frame_half": Kind(Where.FRAME, "send half of a frame"),
    "frame_field": Kind(Where.FRAME, "change a field of each row", A_FIELD, form=FIELD),
    "frame_raw": Kind(
        Where.FRAME, "spoil a frame", f"one of {', '.join(RAW)}", form=re.compile("|".join(RAW))
    ),
    "cut": Kind(Where.FRAME, "cut the connection instead of sending a frame"),
    "close": Kind(Where.FRAME, "close the connection instead of sending a frame", "close code"),
    "refuse": Kind(Where.STATE, "cut all connections and refuse new ones", everywhere=True),
    "clock_skew": Kind(
        Where.STATE, "the venue's clock is ahead by this", "milliseconds", everywhere=True
    ),
    "book_cross": Kind(Where.STATE, "a buy rests above the best sell"),
    "book_empty": Kind(Where.STATE, "all background orders are withdrawn"),
    "tick_change": Kind(Where.STATE, "another tick size, a multiple of the usual one", "tick"),
    "suspend": Kind(Where.STATE, "no new orders in a symbol (-16003)"),
    "forget_client_oid": Kind(Where.STATE, "show every client_oid as null", everywhere=True),
}


def listed() -> list[tuple[str, str]]:
    """Return (name, description) of every kind of fault."""
    return [
        (name, f"{kind.text}{f'; value: {kind.value}' if kind.value else ''}")
        for name, kind in CATALOGUE.items()
    ]


TRANSPORT = {
    *("reset", "lost", "late", "status", "html", "truncated", "empty", "trickle", "huge"),
}
"""Faults of the transport of a reply, not of its content."""


class Chance(Protocol):
    """The part of `random.Random` that faults draw from."""

    def random(self) -> float:
        """Return a uniform draw from [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault on the schedule. An invalid one raises ValueError.

    It begins `after_ms` after it is planned and lasts `for_ms`, or for ever. In that time it
    strikes with probability `chance`, at most `times` times. `match` is an endpoint such as
    `pc/order/create`, a table or a symbol; "" matches all. A fault of a reply strikes before the
    request takes effect, or after it if `done`. A state fault lasts: it has no chance and no times.
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
        kind = CATALOGUE.get(self.name) if isinstance(self.name, str) else None
        if kind is None:
            raise ValueError(f"name: there is no fault {self.name!r}; --list-faults shows them")
        for name, text in (("match", self.match), ("value", self.value)):
            if not isinstance(text, str):
                raise ValueError(f'{name}: expected a text such as "{text}", not {text!r}')
        if not isinstance(self.done, bool):
            raise ValueError(f"done: expected true or false, not {self.done!r}")
        self._check_value(kind)
        if not _is_whole(self.after_ms, 0):
            raise ValueError(f"after_ms: expected a whole number from 0, not {self.after_ms!r}")
        for name, number in (("for_ms", self.for_ms), ("times", self.times)):
            if number is not None and not _is_whole(number, 1):
                raise ValueError(f"{name}: expected a whole number from 1, or null, not {number!r}")
        chance = self.chance
        if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
            raise ValueError(f"chance: expected a number from 0 to 1, not {chance!r}")
        if kind.where is Where.STATE and (self.times is not None or chance != 1):
            raise ValueError(f"fault {self.name} lasts: it has for_ms, but no times and no chance")
        if kind.everywhere and self.match:
            raise ValueError(f"match: {self.name} is about the whole venue and has none")

    def _check_value(self, kind: Kind) -> None:
        if kind.value and not kind.form.fullmatch(self.value):
            raise ValueError(f"value: {self.name} needs {kind.value}, not {self.value!r}")
        if self.name == "status" and not 200 <= self.number <= 599:
            raise ValueError(f"value: a status is from 200 to 599, not {self.value}")
        if self.name == "close" and not 1000 <= self.number <= 4999:
            raise ValueError(f"value: a close code is from 1000 to 4999, not {self.value}")
        if kind.form is FIELD and self.value.partition("=")[2]:
            try:
                json.loads(self.value.partition("=")[2])
            except (ValueError, RecursionError):
                raise ValueError(f"value: what follows = in {self.value!r} is not JSON") from None

    @property
    def number(self) -> int:
        """Return the value as a whole number; ValueError if it is not a number."""
        return int(float(self.value))


def _is_whole(value: object, low: int) -> bool:
    return type(value) is int and low <= value <= 10**12


@dataclass(slots=True)
class _Planned:
    fault: Fault
    chance: Chance
    begin: int
    end: int | None
    left: int | None

    def runs(self, now: int) -> bool:
        return self.begin <= now and (self.end is None or now < self.end) and self.left != 0


class Faults:
    """The schedule. It never applies a fault."""

    def __init__(self, chance: Callable[[int], Chance]) -> None:
        """`chance` returns the random draws of a fault, by its number on the schedule."""
        self._chance = chance
        self._count = 0
        self._planned: list[_Planned] = []

    def plan(self, fault: Fault, now: int) -> None:
        """Add a fault to the schedule; `now` is ms UTC."""
        begin = now + fault.after_ms
        end = None if fault.for_ms is None else begin + fault.for_ms
        self._count += 1
        chance = self._chance(self._count)
        self._planned.append(_Planned(fault, chance, begin, end, fault.times))

    def clear(self) -> None:
        """Remove all faults."""
        self._planned.clear()

    def planned(self) -> list[Fault]:
        """Return the faults on the schedule, ended ones too."""
        return [planned.fault for planned in self._planned]

    def strike(
        self, where: Where, target: str, now: int, *, is_image: bool = False
    ) -> Fault | None:
        """Return the fault that strikes an endpoint or table now, None if none does.

        `is_image` marks a frame that is a first image.
        """
        for planned in self._planned:
            fault = planned.fault
            kind = CATALOGUE[fault.name]
            if (
                kind.where is where
                and fault.match in ("", target)
                and target.endswith(kind.about)
                and planned.runs(now)
                and (is_image or fault.name != "no_partial")
                and (fault.chance >= 1 or planned.chance.random() < fault.chance)
            ):
                if planned.left is not None:
                    planned.left -= 1
                return fault
        return None

    def states(self, now: int) -> list[Fault]:
        """Return the state faults that are active now."""
        return [
            planned.fault
            for planned in self._planned
            if CATALOGUE[planned.fault.name].where is Where.STATE and planned.runs(now)
        ]
