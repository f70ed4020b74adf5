"""The recorder: frames of the venue's feed as they come, into tapes of an hour each.

Each file begins with a header and the book as it is then, so it can be read alone. It may be cut at
any byte: the reader then ends before the line that is not complete.
"""

import json
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from market_maker.clock import SYSTEM, Clock
from market_maker.models import Side
from market_maker.tapes.formats.frames import GteFrames
from market_maker.tapes.market import Market
from market_maker.tapes.records import Gap, Image, Level, Record, TapeError, Trades
from market_maker.tapes.subject import Subject
from market_maker.tapes.writing import Frames, header_line

logger = logging.getLogger(__name__)

MS = 1_000_000  # ns
CLOCK_EVERY = 60.0
"""Seconds between two notes of how the wall clock and the steady clock stand."""


class Recorder:
    """Writes the frames of one market. A frame that no reader would understand is left out.

    `take` and `lose` are called by the feed's thread, the others by the recorder's owner. What is
    taken before `begin` waits for it.
    """

    def __init__(self, folder: Path, clock: Clock = SYSTEM) -> None:
        """Files go into `folder`, which is made. Raises TapeError if it cannot be."""
        self._folder, self._clock = folder, clock
        self._market: Market | None = None
        self._early: list[tuple[int, bytes]] = []
        self._book: dict[tuple[Side, int], int] = {}
        self._times: tuple[int, int | None] = (0, None)  # of the latest frame of the book
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._hour = -1
        self._clock_due = 0.0
        self.files: list[Path] = []
        """All files so far, the present one last."""
        self.frames = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TapeError(f"{folder} cannot be made: {error.strerror or error}") from None

    def begin(self, market: Market) -> None:
        """Write from now on, as a tape of this market."""
        with self._lock:
            self._market = market
            self._parser = GteFrames(Subject(market=market))
            self._text_of = Frames(market)
            for now_ms, data in self._early:
                self._take(now_ms, data)
            self._early.clear()

    def take(self, data: bytes) -> None:
        """Write a message of the feed, with the time of its arrival."""
        now_ms = self._clock.now_ms()
        with self._lock:
            if self._market:
                self._take(now_ms, data)
            else:
                self._early.append((now_ms, data))

    def lose(self) -> None:
        """Note that the connection was lost: what the venue sent meanwhile is missing."""
        now_ms = self._clock.now_ms()
        with self._lock:
            if self._market:
                self._turn(now_ms, self._market)
                self._write(self._text_of(Gap(now_ms * MS, "the feed was lost")))

    def flush(self) -> None:
        """Put what has been written into the file; call it each second."""
        with self._lock:
            if self._clock.monotonic() >= self._clock_due and self._file:
                self._write(json.dumps({"clock": self._clocks()}) + "\n")
                self._clock_due = self._clock.monotonic() + CLOCK_EVERY
            if self._file:
                self._file.flush()

    def close(self) -> None:
        """End the file."""
        with self._lock:
            if self._file:
                self._file.close()
            self._file = None

    def _take(self, now_ms: int, data: bytes) -> None:
        assert self._market
        line = f"{now_ms * MS} {data.decode('utf-8', 'replace')}".replace("\n", " ") + "\n"
        self._turn(now_ms, self._market)
        found = None
        try:
            found = self._parser.parse(line)
        except (ValueError, RecursionError) as error:
            logger.warning("A frame is left out of the tape: %s.", error)
            line = self._text_of(Gap(now_ms * MS, "a frame that was not valid is left out"))
        self._write(line)
        self.frames += 1
        if found:
            self._apply(found.record)

    def _turn(self, now_ms: int, market: Market) -> None:
        """Begin a file if an hour begins."""
        hour = now_ms // 3_600_000
        if self._file and hour == self._hour:
            return
        if self._file:
            self._file.close()
        began = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        path = self._folder / f"{market.place.replace('/', '-')}-{began}.tape"
        self._file = path.open("ab")
        self._hour = hour
        self.files.append(path)
        self._clock_due = self._clock.monotonic() + CLOCK_EVERY
        self._write(header_line(market, clock=self._clocks()))
        if self._book:
            levels = [Level(*key, size) for key, size in self._book.items()]
            ids = {place: number for number, place in self._parser.ids.items()}
            self._write(self._text_of(Image(*self._times, levels), ids))

    def _write(self, line: str) -> None:
        assert self._file
        self._file.write(line.encode())

    def _clocks(self) -> dict[str, int]:
        steady_ns = int(self._clock.monotonic() * 10**9)
        return {"wall_ns": self._clock.now_ms() * MS, "steady_ns": steady_ns}

    def _apply(self, record: Record) -> None:
        """Keep the book, for the image that the next file begins with."""
        if isinstance(record, Gap | Trades):
            return
        if isinstance(record, Image):
            self._book.clear()
        self._times = record.time_ns, record.received_ns
        for side, price, size in record.levels:
            if size:
                self._book[side, price] = size
            else:
                self._book.pop((side, price), None)
