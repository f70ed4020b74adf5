"""The upkeep of a process that runs for weeks: its memory, and whether it is still the newest."""

import logging

from market_maker import clock
from market_maker.app import build, resources

logger = logging.getLogger(__name__)

BUILD_EVERY = 60.0
HOUR = 3600.0
MOST_MEMORY = 300
"""MiB beyond which the program is to start anew, once an hour and at a quiet moment."""


class Upkeep:
    """Looks at the process now and then, and logs what a person should know."""

    def __init__(self) -> None:
        self.build: str | None = build.digest()
        """What this process runs; None once it has been said to be old."""
        self.is_too_large = False
        """Whether the process has grown so large that it should start anew."""
        self._build_due = clock.monotonic() + BUILD_EVERY
        self._resources_due = clock.monotonic() + HOUR

    def look(self, *, can_restart: bool) -> None:
        """Look at what is due: the program's files once a minute, resources once an hour."""
        now = clock.monotonic()
        if self.build is not None and now >= self._build_due:
            self._build_due = now + BUILD_EVERY
            self._look_at_build(self.build)
        if now >= self._resources_due:
            self._resources_due = now + HOUR
            self._look_at_resources(can_restart)

    def _look_at_build(self, running: str) -> None:
        """Say once when the program's files are not those any more that this process runs."""
        if (found := build.digest()) != running:
            logger.warning(
                "The program's files have changed (build %s -> %s), this process runs the old "
                "ones: restart it to run the new.",
                *(running, found),
            )
            self.build = None

    def _look_at_resources(self, can_restart: bool) -> None:
        found = resources.used()
        logger.info("In use: %s.", found)
        self.is_too_large = bool(found.memory and found.memory > MOST_MEMORY)
        if self.is_too_large:
            then = "starting anew soon" if can_restart else "start it anew some time"
            logger.warning("More than %d MiB of memory in use: %s.", MOST_MEMORY, then)
