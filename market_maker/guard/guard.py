"""The bot's side of the guard, a process that cancels the orders of a dead or hung bot.

The bot holds a `Guard` and sends heartbeats; the process runs `watch.stand_by()`. Between them is
one pipe: a line with the account, a byte for each heartbeat, and a byte of goodbye at a clean end.
"""

import fcntl
import json
import logging
import os
import sys
import termios
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from market_maker.account import Account
from market_maker.clock import SYSTEM
from market_maker.guard import child
from market_maker.guard.child import Child
from market_maker.secrecy import Secret

logger = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
"""The least time between two heartbeats."""
UNREAD_SECONDS = 10.0
"""A guard that has not read for so long counts as dead."""
START_SECONDS = 10.0
"""How long a guard that has just been started may take before it reads."""
DEATHS, DEATHS_SECONDS = 2, 60.0
"""After so many deaths of guards within so many seconds, none is started for as long."""
GOODBYE_SECONDS = 1.0
BEAT, GOODBYE = b".", b"q"
NOWHERE = Secret("")
"""The address of notifications where there are none."""
PROGRAM = "market_maker.app.guard_process"
"""The module whose `main()` the process runs."""
INHERITED = ("TZ", "LANG", "LC_ALL", "LC_CTYPE", "GTE_MARKETMAKER_LOG_FILE")
"""The variables of our environment that a guard gets."""


class Guard:
    """The bot's side of the guard. Replaces a guard that has died; never raises.

    `lock` is the file descriptor of the instance lock, and `keep` names others that have to stay
    open while the guard lives, such as the pipe to a paper exchange of our own. `notify_url` is
    where it tells what it has done; empty: nowhere.
    """

    def __init__(
        self,
        account: Account,
        *,
        directory: Path,
        lock: int = -1,
        keep: Sequence[int] = (),
        notify_url: Secret = NOWHERE,
    ) -> None:
        self._charge = {
            "account": revealed(account),
            "directory": str(directory),
            "lock": lock,
            "notify_url": notify_url.reveal(),
        }
        self._keep = [fd for fd in (lock, *keep) if fd >= 0]
        self._child: Child | None = None
        self._deaths: list[float] = []
        self._next_beat = 0.0
        self._reads_by = 0.0
        """By when the guard must have read what it was told."""
        self.trouble = ""
        """Why there is no guard; empty while there is one."""
        self._start()

    @property
    def pid(self) -> int:
        """The guard's process, 0 without one."""
        return self._child.pid if self._child else 0

    def beat(self) -> str:
        """Send a heartbeat; return why there is no guard, or empty text."""
        now = SYSTEM.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_SECONDS
            if not self._say(BEAT):
                self._replace()
        return self.trouble

    def goodbye(self) -> None:
        """Tell the guard that no order is left: it ends."""
        if self._child:
            self._say(GOODBYE)
            self._child.end(GOODBYE_SECONDS)
            self._child = None

    def _say(self, word: bytes) -> bool:
        """Write to the guard; return whether it lives and reads."""
        if self._child is None:
            return False
        try:
            unread = fcntl.ioctl(self._child.fd, termios.FIONREAD, b"\0" * 4)
            os.write(self._child.fd, word)
        except OSError:
            return False
        now = SYSTEM.monotonic()
        if not int.from_bytes(unread, sys.byteorder):
            self._reads_by = max(self._reads_by, now + UNREAD_SECONDS)
        return now < self._reads_by

    def _replace(self) -> None:
        """Replace a dead guard, unless too many have died."""
        now = SYSTEM.monotonic()
        self._deaths = [at for at in self._deaths if now - at < DEATHS_SECONDS]
        if self._child:
            logger.error(
                "The guard, process %d, has died or does not respond.",
                self._child.pid,
            )
            self._child.kill()
            self._child.end(GOODBYE_SECONDS)
            self._child = None
            self._deaths.append(now)
        if len(self._deaths) < DEATHS:
            self._start()
        if len(self._deaths) >= DEATHS:
            self.trouble = f"{DEATHS} guards have died within {DEATHS_SECONDS:.0f} s"

    def _start(self) -> None:
        clean = {name: os.environ[name] for name in INHERITED if name in os.environ}
        try:
            started, _ = child.start(PROGRAM, "guard", keep=self._keep, environment=clean)
        except OSError as error:
            self.trouble = f"it cannot be started: {error}"
            logger.error("The guard cannot be started: %s.", error)
            self._deaths.append(SYSTEM.monotonic())
            return
        self._child, self.trouble = started, ""
        self._reads_by = SYSTEM.monotonic() + START_SECONDS
        self._say(json.dumps(self._charge).encode() + b"\n")
        os.set_blocking(started.fd, False)
        logger.info("Guarded by process %d.", started.pid)


def revealed(account: Account) -> dict[str, Any]:
    """Return an account as plain values with the key pair: for the guard's pipe only."""
    plain = {field.name: getattr(account, field.name) for field in fields(account)}
    keys = {"api_key": account.api_key.reveal(), "api_secret": account.api_secret.reveal()}
    return plain | keys | {"ws_url": ""}
