"""What bot, guard and `cancel` of one account tell each other through a small file."""

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import randbits

from market_maker.clock import SYSTEM
from market_maker.private_files import PrivateFiles

logger = logging.getLogger(__name__)

SUFFIX = ".shared"
ADDRESS_BYTES = 320
"""The venue's last address, with its host, at the beginning of the file."""
RECORD = struct.Struct("<dII")
"""One request: the steady time in seconds, below zero until its answer; the process; the endpoint.
"""
IN_FLIGHT_SECONDS = 2.5
"""For how long a request without an answer may still arrive, as far as others wait for it."""
LOCK_TRIES = 40
"""So often another process is given a millisecond to let go of the file; it may stand still."""
RECORDS = 32
"""So many requests to an endpoint are kept: more than the venue takes in its window."""
RINGS = 61
"""Each endpoint has a ring of records, by a checksum of its name."""
RING_BYTES = RECORD.size * RECORDS
RECENT_SECONDS = 10.0
"""The longest window of the venue's rate limits."""


class SharedFile:
    """See `wire.shared.Shared`. A file that cannot be used is logged once, and stops nothing.

    It never waits for long: where the lock cannot be had, the venue may say "too frequent".
    """

    def __init__(self, files: PrivateFiles) -> None:
        self._me = randbits(32)
        self._fd = -1
        try:
            self._fd = files.open(SUFFIX, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            logger.error("Rate limits are not shared with other processes: %s.", error.strerror)

    @property
    def is_usable(self) -> bool:
        """Whether what others do is known."""
        return self._fd >= 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from using the file meanwhile."""
        locked = any(self._lock() for _ in range(LOCK_TRIES if self.is_usable else 0))
        try:
            yield
        finally:
            if locked and self.is_usable:  # a file that was given up meanwhile is unlocked
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def use(self, endpoint: str, now: float) -> int:
        """Record that a request leaves, in place of the oldest record; return the place."""
        kind, at, records = self._ring(endpoint)
        oldest = min(range(RECORDS), key=lambda number: _age(records[number][0], now))
        place = at + oldest * RECORD.size
        self._write(RECORD.pack(-now, self._me, kind), place)
        return place

    def answered(self, endpoint: str, place: int, now: float) -> None:
        """Record that the request with this place was answered, or given up."""
        self._write(RECORD.pack(now, self._me, zlib.crc32(endpoint.encode())), place)

    def used_by_others(self, endpoint: str, now: float) -> list[float]:
        """Return when other processes have used an endpoint within RECENT_SECONDS.

        A request in flight counts as one of now.
        """
        kind, _, records = self._ring(endpoint)
        others = [time for time, owner, of in records if of == kind and owner != self._me]
        times = [now if now - IN_FLIGHT_SECONDS <= -time <= now else abs(time) for time in others]
        return sorted(time for time in times if now - RECENT_SECONDS <= time <= now)

    def found(self, host: str, address: str) -> None:
        """Record the IP address at which a host has answered."""
        text = f"{host} {address}\n".encode()
        if len(text) <= ADDRESS_BYTES:
            self._write(text.ljust(ADDRESS_BYTES, b"\0"), 0)

    def address(self, host: str) -> str:
        """Return the IP address at which a host last answered; empty if it is not known."""
        words = self._read(ADDRESS_BYTES, 0).split(b"\n")[0].split()
        is_known = len(words) == 2 and words[0] == host.encode()
        return words[1].decode("ascii", "replace") if is_known else ""

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _ring(self, endpoint: str) -> tuple[int, int, list[tuple[float, int, int]]]:
        """Return checksum, place and records of an endpoint."""
        kind = zlib.crc32(endpoint.encode())
        at = ADDRESS_BYTES + kind % RINGS * RING_BYTES
        found = self._read(RING_BYTES, at)
        return kind, at, list(RECORD.iter_unpack(found))

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            SYSTEM.sleep(0.001)
            return False
        return True

    def _read(self, size: int, at: int) -> bytes:
        try:
            found = os.pread(self._fd, size, at) if self.is_usable else b""
        except OSError:
            found = b""
        return found.ljust(size, b"\0")

    def _write(self, data: bytes, at: int) -> None:
        try:
            if self.is_usable:
                os.pwrite(self._fd, data, at)
        except OSError as error:
            logger.error("Rate limits are not shared any more: %s.", error.strerror)
            self.close()


def _age(time: float, now: float) -> float:
    """Return a key that is lowest for the record to replace: free, of an earlier boot, oldest."""
    return abs(time) if abs(time) <= now else 0.0
