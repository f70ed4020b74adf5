"""The service manager that has started this program, such as systemd: what it is told of a run.

The protocol is that of sd_notify(3): lines of NAME=VALUE in a datagram to the socket that
NOTIFY_SOCKET names.
"""

import os
import socket
from collections.abc import MutableMapping

from market_maker.clock import SYSTEM, Clock
from market_maker.secrecy import fit

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
BEATS = 4
"""Heartbeats in the time after which the manager takes this process for hung."""


class Service:
    """Tells the service manager that the bot is up, alive, or on its way out.

    Where there is none, it does nothing. It never waits, and never raises: a datagram that cannot
    leave at once is dropped, but for READY, which is sent again with the next state.
    """

    def __init__(self, environment: MutableMapping[str, str], clock: Clock = SYSTEM) -> None:
        """Take its variables out of an environment, so that no child of ours speaks for us."""
        found = {name: environment.pop(name, "") for name in VARIABLES}
        self._variables = {name: value for name, value in found.items() if value}
        self._clock = clock
        self._address = found["NOTIFY_SOCKET"]
        usec, pid = found["WATCHDOG_USEC"], found["WATCHDOG_PID"] or str(os.getpid())
        is_watched = usec.isdecimal() and int(usec) > 0 and pid == str(os.getpid())
        self._beat_every = int(usec) / 1e6 / BEATS if is_watched else None
        self._beat_due = 0.0
        self._is_ready = False
        self._state = ""

    def environment(self) -> dict[str, str]:
        """Return its variables: for a program that takes over from this one."""
        return dict(self._variables)

    def show(self, state: str) -> None:
        """Tell the trading state, in words, where it has changed; the first time, READY too."""
        if not self._is_ready:
            self._is_ready = self._send("READY=1", _status(state))
        elif state != self._state:
            self._send(_status(state))
        self._state = state

    def beat(self) -> None:
        """Tell that the loop is alive, as often as the manager needs it."""
        if self._beat_every is None or (now := self._clock.monotonic()) < self._beat_due:
            return
        if self._send("WATCHDOG=1"):
            self._beat_due = now + self._beat_every

    def stop(self, reason: str) -> None:
        """Tell that the run ends, and why."""
        self._send("STOPPING=1", _status(f"Stopping: {reason}"))

    def _send(self, *lines: str) -> bool:
        """Send a datagram; return whether it has left."""
        if not self._address:
            return False
        name = self._address
        address = f"\0{name[1:]}" if name.startswith("@") else name  # of no file
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), address)
        except (OSError, ValueError):
            return False
        return True


def _status(text: str) -> str:
    return f"STATUS={' '.join(fit(text).split())}"
