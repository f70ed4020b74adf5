"""The records of a tape: what a recorded market did, in whole ticks and whole lots.

Times are integer ns UTC: `time_ns` by the venue's clock, `received_ns` by the recorder's, None
where the format has one clock only.
"""

from typing import NamedTuple

from market_maker.models import Side


class TapeError(ValueError):
    """A tape cannot be read or written: the text names file, line, field and what was expected."""


class UnknownMarket(TapeError):
    """Nothing says what a market is, which its source calls `name`."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class Level(NamedTuple):
    """The final size at a price, or a trade with the side of its taker."""

    side: Side
    price: int  # ticks
    size: int  # lots


class Image(NamedTuple):
    """A whole book."""

    time_ns: int
    received_ns: int | None
    levels: list[Level]


class Update(NamedTuple):
    """The final sizes of the levels that have changed; 0 removes one."""

    time_ns: int
    received_ns: int | None
    levels: list[Level]


class Trades(NamedTuple):
    """Trades of one moment; the side is the taker's."""

    time_ns: int
    received_ns: int | None
    levels: list[Level]


class Gap(NamedTuple):
    """Something is missing before this moment, or a clock has stepped there."""

    time_ns: int
    what: str
    is_clock: bool = False
    """Whether stamps or receive times have stepped, and nothing is missing."""


Record = Image | Update | Trades | Gap


class Numbered(NamedTuple):
    """A record as a file has it, with the numbers of its update where the feed numbers them."""

    record: Record
    after: int | None = None  # the number that the update before it ends with
    last: int | None = None  # the number that this one ends with
