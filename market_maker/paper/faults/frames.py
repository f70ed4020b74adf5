"""Frame faults: what they make of the frames on their way to one client."""

import json
from typing import Any, NamedTuple

from market_maker.paper.faults.schedule import Fault, Faults, Where

HUGE = 5 * 1024 * 1024
DEEP = 100_000
LONG = 5_000
DAY_MS = 86_400_000


class Delivery(NamedTuple):
    """A frame that is sent `after_ms`; bytes are sent as a binary frame."""

    frame: str | bytes
    after_ms: int = 0


class Cut(NamedTuple):
    """The end of the connection: with a close code, or without a closing frame if it is 0."""

    code: int = 0


class FrameFaults:
    """Applies faults to the frames of one connection. It sends nothing itself."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: str | None = None

    def apply(self, frame: str, table: str, now: int) -> list[Delivery] | Cut:
        """Return what to send in place of a frame: without a fault, the frame; `now` is ms UTC.

        After a swap, the frame that was held back follows the next one.
        """
        if self._held is not None:
            held, self._held = self._held, None
            return [Delivery(frame), Delivery(held)]
        is_image = '"action":"partial"' in frame
        fault = self._faults.strike(Where.FRAME, table, now, is_image=is_image)
        return self._with_fault(fault, frame) if fault else [Delivery(frame)]

    def _with_fault(self, fault: Fault, frame: str) -> list[Delivery] | Cut:
        match fault.name:
            case "cut":
                return Cut()
            case "close":
                return Cut(fault.number)
            case "frame_twice":
                return [Delivery(frame), Delivery(frame)]
            case "frame_swap":
                self._held = frame
            case "frame_late":
                return [Delivery(frame, fault.number)]
            case "frame_half":
                return [Delivery(frame[: len(frame) // 2])]
            case "frame_field":
                return [Delivery(with_field(frame, fault.value))]
            case "frame_raw":
                return [Delivery(corrupted(frame, fault.value))]
        return []  # mute, frame_lost, no_partial


def with_field(text: str, change: str) -> str:
    """Return a frame or a reply with one field of every row changed; without rows, of itself.

    `change` is `name=JSON`, or `name=` to remove the field. The JSON is inserted as written.
    """
    name, _, value = change.partition("=")
    message = json.loads(text)
    data = message.get("data")
    rows: Any = data.get("rows", [data]) if isinstance(data, dict) else data
    for row in rows if isinstance(rows, list) else [message]:
        if isinstance(row, dict):
            row.pop(name, None)
            if value:
                row[name] = MARK
    return json.dumps(message, separators=(",", ":")).replace(f'"{MARK}"', value)


MARK = "the value of the fault"


def corrupted(frame: str, how: str) -> str | bytes:
    """Return a frame corrupted in one of the ways of `schedule.RAW`."""
    whole: dict[str, str | bytes] = {
        "binary": bytes(range(256)),
        "bad_utf8": frame.encode()[:-1] + b"\xff\xfe",
        "not_json": "bad\x1b[31m\nnews",
        "nested": "[" * DEEP,
        "long_number": frame[:-1] + ',"n":' + "9" * LONG + "}",
        "named_twice": '{"table":"trade",' + frame[1:],
        "huge": frame[:-1] + ',"n":"' + "x" * HUGE + '"}' if how == "huge" else "",
    }
    if how in whole:
        return whole[how]
    message = json.loads(frame)
    time = int(message.get("time", 0))
    changed: dict[str, dict[str, object]] = {
        "unknown_table": {"table": "weather"},
        "unknown_action": {"action": "upsert"},
        "other_symbol": {"data": [row | {"symbol": "XRP_USD"} for row in message.get("data", [])]},
        "no_data": {"data": None},
        "odd_rows": {"data": [None, 1, "x", []]},
        "time_seconds": {"time": str(time // 1000)},
        "time_zero": {"time": "0"},
        "time_future": {"time": str(time + DAY_MS)},
        "time_past": {"time": str(time - DAY_MS)},
    }
    return json.dumps(message | changed[how], separators=(",", ":"))
